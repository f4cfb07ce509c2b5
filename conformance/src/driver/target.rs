//! The event target of a story: it remembers what it was sent and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peermesh_core::forward::{Courier, Errand, Forward, Forwarded, Window};
use serde_json::Value;

use crate::story::act::Manner;

/// A request of the broker.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its headers, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Value,
}

/// The target, as the broker and the story see it. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct SharedTarget(Arc<Mutex<Target>>);

#[derive(Debug, Default)]
struct Target {
    manner: Manner,
    seen: VecDeque<Delivery>,
}

impl SharedTarget {
    /// From here on it behaves so.
    pub fn set(&self, manner: Manner) {
        self.lock().manner = manner;
    }

    /// The next request that nobody has looked at.
    pub fn next(&self) -> Option<Delivery> {
        self.lock().seen.pop_front()
    }

    /// Takes a request: what comes of it, and after how many milliseconds.
    pub fn take(&self, forward: &Forward) -> (Forwarded, u64) {
        let mut target = self.lock();
        let failed = |why: &str| Forwarded::Failed { why: why.to_owned() };
        let (result, delay_ms, arrives) = match target.manner.clone() {
            Manner::Answers { status, retry_after, after_ms } => {
                (Forwarded::Answered { status, retry_after }, after_ms, true)
            }
            Manner::LosesReplies => (failed("the reply was lost"), 0, true),
            Manner::Down => (failed("connection refused"), 0, false),
            Manner::Hangs { millis } => (failed("no answer in time"), millis, true),
        };
        if arrives {
            let lower = |(name, value): &(&str, String)| (name.to_ascii_lowercase(), value.clone());
            let body = serde_json::from_str(&forward.body).unwrap_or(Value::Null);
            target.seen.push_back(Delivery { headers: forward.headers.iter().map(lower).collect(), body });
        }
        (result, delay_ms)
    }

    fn lock(&self) -> MutexGuard<'_, Target> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Courier for SharedTarget {
    fn work(&mut self, window: &dyn Window) {
        while let Some(errands) = window.wait(1) {
            for Errand { from, forward } in errands {
                let (result, delay_ms) = self.take(&forward);
                std::thread::sleep(Duration::from_millis(delay_ms));
                window.answer(from, forward.ticket, result);
            }
        }
    }
}
