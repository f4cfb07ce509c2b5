//! Brings the pages of a long log to where they belong, beside the commits instead of inside one of them.
//!
//! SQLite would do so in the commit that made the log too long, and everybody would wait until thousands of
//! pages are copied and synced. Here a thread with a connection of its own copies them while commits go on;
//! when few are left, the writer copies those between two commits, so that the next one finds nothing left
//! and begins the log anew.
//!
//! *Decides:* when pages are copied, and by whom.
//! *Always holds:* the thread is asked a bounded number of times before the writer copies what is left, so
//! commits never outrun the copying. What fails is tried again once the log has grown; nothing is lost by it,
//! for the log has everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::trouble::Distrust;

/// Copies what nobody holds back, and waits for nobody.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Pages that gather in the log before they are copied. The more there are, the more often one copy serves
/// several changes of a page; the fewer, the less there is to read after a crash.
const GATHERED_PAGES: i64 = 1_500;
/// So few are left to the writer: to copy them takes about as long as a commit.
const REST_PAGES: i64 = 200;
/// How often the thread is asked for what came meanwhile, before the writer copies whatever is left.
const PASSES_MAX: u32 = 4;

/// The copying of one log, as the writer sees it.
pub(super) struct Checkpoints {
    /// Pages in the log after the last commit.
    pages: Arc<AtomicI64>,
    /// Pages in the log when the last round ended; 0 once it was begun anew.
    copied: i64,
    round: Round,
    /// Nothing once the thread is to end.
    asks: Option<SyncSender<()>>,
    /// How much of the log was copied when a pass ended; none where it failed.
    passes: Receiver<Option<i64>>,
    thread: Option<JoinHandle<()>>,
    gathered_pages: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Resting,
    /// The thread copies, for the so manieth time of this round.
    Copying(u32),
}

impl Checkpoints {
    /// Begins to watch over the writer's log; `copier` is the thread's own connection.
    ///
    /// # Errors
    /// When the system grants no thread, or SQLite refuses the hook; the writer then copies in its commits.
    pub(super) fn start(
        writer: &mut Connection,
        copier: Connection,
        distrust: &Distrust,
    ) -> Result<Checkpoints, String> {
        let own = distrust.clone();
        let (asks, asked) = sync_channel(1);
        let (passed, passes) = sync_channel(1);
        let copy = move || {
            while asked.recv().is_ok() && passed.send(copy(&copier, &own)).is_ok() {}
        };
        let thread = thread::Builder::new().name("store-log".to_owned()).spawn(copy);
        let thread = thread.map_err(|error| error.to_string())?;
        let pages = Arc::new(AtomicI64::new(0));
        let seen = Arc::clone(&pages);
        // The hook takes the place of SQLite's own, which copies as soon as the log is long enough.
        let hook = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            seen.store(i64::from(pages), Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(hook)).map_err(|error| error.to_string())?;
        Ok(Checkpoints {
            pages,
            copied: 0,
            round: Round::Resting,
            asks: Some(asks),
            passes,
            thread: Some(thread),
            gathered_pages: GATHERED_PAGES,
        })
    }

    /// To be called between commits, once those who wait for the last one have their answers.
    pub(super) fn go_on(&mut self, writer: &Connection, distrust: &Distrust) {
        // The log is all that is sure of a store that is not trusted.
        if distrust.check().is_err() {
            return;
        }
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.copied {
            self.copied = 0;
        }
        match self.round {
            Round::Resting if pages - self.copied < self.gathered_pages => {}
            Round::Resting => self.ask(1, writer, distrust),
            Round::Copying(pass) => match self.passes.try_recv() {
                Err(TryRecvError::Empty) => {}
                Ok(Some(copied)) if pages - copied > REST_PAGES && pass < PASSES_MAX => {
                    self.ask(pass + 1, writer, distrust);
                }
                Ok(_) | Err(TryRecvError::Disconnected) => self.finish(writer, distrust),
            },
        }
    }

    fn ask(&mut self, pass: u32, writer: &Connection, distrust: &Distrust) {
        match self.asks.as_ref().map(|asks| asks.try_send(())) {
            Some(Ok(())) => self.round = Round::Copying(pass),
            _ => self.finish(writer, distrust),
        }
    }

    /// The writer copies what is left.
    fn finish(&mut self, writer: &Connection, distrust: &Distrust) {
        copy(writer, distrust);
        // Readers of an older state may hold some back, and then the log grows on until the next round.
        (self.copied, self.round) = (self.pages.load(Ordering::Relaxed), Round::Resting);
    }

    /// A bound that tests can reach.
    #[cfg(test)]
    pub(super) fn set_gathered_pages(&mut self, pages: i64) {
        self.gathered_pages = pages;
    }

    /// Pages in the log after the last commit, for tests that want to see it begin anew.
    #[cfg(test)]
    pub(super) fn pages(&self) -> i64 {
        self.pages.load(Ordering::Relaxed)
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.asks.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell: a pass that fails is no more than a pass that copied nothing.
            let _ = thread.join();
        }
    }
}

/// How much of the log is copied afterwards. A sync that failed is the end of all trust, as in a commit.
fn copy(conn: &Connection, distrust: &Distrust) -> Option<i64> {
    let copied = conn.query_row(COPY, (), |row| Ok((row.get(0)?, row.get(2)?)));
    let (busy, copied): (i64, i64) = copied.map_err(|error| distrust.note(&error.into())).ok()?;
    (busy == 0).then_some(copied)
}
