//! Courier lanes: threads that lend requests to couriers and post what comes back.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use peermesh_core::forward::{Courier, Forward, Forwarded};
use peermesh_core::ids::ShardId;

use crate::inbox::{Inbox, Post};
use crate::store::Queue;

/// Where shards leave requests to the event target. When it is gone, each courier ends after the request it
/// is at. A run does not wait for that: a target may take its time.
#[derive(Debug)]
pub(crate) struct Counter {
    requests: Arc<Queue<(ShardId, Box<Forward>)>>,
    lanes: usize,
}

impl Counter {
    /// Starts one thread for each courier.
    pub(crate) fn open(couriers: Vec<Box<dyn Courier>>, inboxes: &Arc<[Inbox]>) -> io::Result<Counter> {
        let counter = Counter { requests: Arc::default(), lanes: couriers.len() };
        for (place, courier) in couriers.into_iter().enumerate() {
            let (requests, inboxes) = (Arc::clone(&counter.requests), Arc::clone(inboxes));
            thread::Builder::new()
                .name(format!("courier-{place}"))
                .spawn(move || deliver(courier, &requests, &inboxes))?;
        }
        Ok(counter)
    }

    /// Takes one request of a shard.
    pub(crate) fn submit(&self, from: ShardId, forward: Box<Forward>, inbox: &Inbox) {
        if self.lanes == 0 {
            let result = Forwarded::Failed { why: "this run has no courier".to_owned() };
            return inbox.post(Post::Forwarded { ticket: forward.ticket, result });
        }
        self.requests.push((from, forward));
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.requests.close();
    }
}

fn deliver(mut courier: Box<dyn Courier>, requests: &Queue<(ShardId, Box<Forward>)>, inboxes: &[Inbox]) {
    while let Some(jobs) = requests.take(1) {
        for (from, forward) in jobs {
            // A courier keeps nothing between requests, so the next one may fare better.
            let carried = panic::catch_unwind(AssertUnwindSafe(|| courier.carry(&forward)));
            let result =
                carried.unwrap_or_else(|_| Forwarded::Failed { why: "the courier panicked".to_owned() });
            if let Some(inbox) = inboxes.get(usize::from(from.0)) {
                inbox.post(Post::Forwarded { ticket: forward.ticket, result });
            }
        }
    }
}
