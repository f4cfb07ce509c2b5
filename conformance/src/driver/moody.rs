//! A store with moods: any driver, and what a story lets go wrong with it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use peermesh_core::store::{Batch, Driver, Query, StoreError, StoreResult};

use crate::story::act::{Ill, Mood};

/// The mood that all drivers of one store share.
#[derive(Clone, Debug, Default)]
pub struct SharedMood(Arc<Mutex<Mood>>);

impl SharedMood {
    /// The mood at this moment.
    pub fn mood(&self) -> Mood {
        *self.lock()
    }

    /// Changes it, for requests from here on.
    pub fn set(&self, mood: Mood) {
        *self.lock() = mood;
    }

    fn lock(&self) -> MutexGuard<'_, Mood> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A driver whose requests suffer the store's mood.
pub struct Moody<D> {
    inner: D,
    mood: SharedMood,
    /// Takes the delay itself, where time is real.
    sleeps: bool,
}

impl<D> fmt::Debug for Moody<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moody").field("mood", &self.mood.mood()).finish_non_exhaustive()
    }
}

impl<D> Moody<D> {
    /// A driver under virtual time: whoever drives it keeps the delay.
    pub fn timeless(inner: D, mood: SharedMood) -> Moody<D> {
        Moody { inner, mood, sleeps: false }
    }

    /// A driver on a thread of its own, which sleeps for the delay.
    pub fn sleeping(inner: D, mood: SharedMood) -> Moody<D> {
        Moody { inner, mood, sleeps: true }
    }

    fn suffer(&self, is_ping: bool) -> Option<Ill> {
        let mood = self.mood.mood();
        // Pings have a lane of their own, which no other request makes slow.
        if self.sleeps && !is_ping && mood.delay_ms > 0 {
            thread::sleep(Duration::from_millis(mood.delay_ms));
        }
        mood.ill
    }

    /// One write is refused, and no more.
    fn refuse_one(&self) -> StoreError {
        let mood = self.mood.mood();
        self.mood.set(Mood { ill: None, ..mood });
        StoreError::Busy("the story made it so".to_owned())
    }
}

impl Driver for Moody<Box<dyn Driver>> {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        let all = |error: StoreError| batches.iter().map(|_| Err(error.clone())).collect();
        let unknown = || StoreError::Unknown("the story lost it".to_owned());
        match self.suffer(false) {
            None => self.inner.write(batches),
            Some(Ill::Unavailable) => all(unavailable()),
            Some(Ill::Full) => all(StoreError::Full),
            Some(Ill::Corrupt) => all(corrupt()),
            Some(Ill::LosesCommits) => all(unknown()),
            Some(Ill::RefusesOne) => all(self.refuse_one()),
            Some(Ill::ForgetsReplies) => {
                self.inner.write(batches);
                all(unknown())
            }
        }
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        match self.suffer(matches!(query, Query::Ping { .. })) {
            Some(Ill::Unavailable) => Err(unavailable()),
            Some(Ill::Corrupt) => Err(corrupt()),
            None | Some(Ill::Full | Ill::ForgetsReplies | Ill::LosesCommits | Ill::RefusesOne) => {
                self.inner.read(query)
            }
        }
    }

    fn rest(&mut self) -> bool {
        self.inner.rest()
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the story made it so".to_owned())
}

fn corrupt() -> StoreError {
    StoreError::Corrupt("the story made it so".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use peermesh_core::store::{Answer, Found, Reply};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts what reaches it.
    struct Counting(Arc<AtomicUsize>);

    impl Driver for Counting {
        fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
            self.0.fetch_add(batches.len(), Ordering::SeqCst);
            batches.iter().map(|_| Ok(Answer::Replies(vec![Reply::Done]))).collect()
        }

        fn read(&mut self, _: &Query) -> StoreResult {
            Ok(Answer::Found(Box::new(Found::Depth(0))))
        }
    }

    #[test]
    fn each_mood_performs_and_answers_as_its_name_says() {
        let (written, mood) = (Arc::new(AtomicUsize::new(0)), SharedMood::default());
        let inner: Box<dyn Driver> = Box::new(Counting(Arc::clone(&written)));
        let mut store = Moody::timeless(inner, mood.clone());
        let batch = [Arc::new(Batch::default())];
        let cases = [
            (None, 1, true, true),
            (Some(Ill::Unavailable), 0, false, false),
            (Some(Ill::Full), 0, false, true),
            (Some(Ill::Corrupt), 0, false, false),
            (Some(Ill::ForgetsReplies), 1, false, true),
            (Some(Ill::LosesCommits), 0, false, true),
            (Some(Ill::RefusesOne), 0, false, true),
        ];
        for (ill, performed, replies, reads) in cases {
            mood.set(Mood { ill, delay_ms: 0 });
            let before = written.load(Ordering::SeqCst);
            assert_eq!(store.write(&batch)[0].is_ok(), replies, "{ill:?}");
            assert_eq!(written.load(Ordering::SeqCst) - before, performed, "{ill:?}");
            assert_eq!(store.read(&Query::Ping { hold_ms: 0 }).is_ok(), reads, "{ill:?}");
        }
        assert_eq!(mood.mood().ill, None, "one write was refused");
    }
}
