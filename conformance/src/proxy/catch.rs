//! A call that a test waits for.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How long a test waits for a call that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where on its way a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before the server sees it.
    Call,
    /// After the server has performed it and has said so, before the client hears it.
    Reply,
}

/// One call, named before it comes. It is held where it was to be, until the test says how it goes on.
#[derive(Debug, Clone)]
pub struct Catch {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    point: Point,
    part: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// A call was found.
    is_sprung: bool,
    /// It has come to the point.
    is_held: bool,
    /// The client's end of its connection.
    client: Option<TcpStream>,
    verdict: Option<Verdict>,
}

/// How a held call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Cut,
}

impl Catch {
    pub(super) fn new(point: Point, part: &str) -> Catch {
        let inner = Inner { point, part: part.to_owned(), state: Mutex::default(), changed: Condvar::new() };
        Catch { inner: Arc::new(inner) }
    }

    /// Waits until the call has come to its point.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn wait(&self) {
        let held = self.inner.changed.wait_timeout_while(self.state(), PATIENCE, |state| !state.is_held);
        let (state, _) = held.expect("no test thread panicked");
        assert!(state.is_held, "no call of {:?} came to {:?}", self.inner.part, self.inner.point);
    }

    /// Whether the call has come to its point.
    pub fn has_happened(&self) -> bool {
        self.state().is_held
    }

    /// Lets it go on as if nothing had been.
    pub fn release(&self) {
        self.decide(Verdict::Pass);
    }

    /// Ends its connection towards client and server; what is held is lost.
    pub fn cut(&self) {
        self.decide(Verdict::Cut);
    }

    /// Ends its connection towards the client only: a held call can yet be released, and then reaches a
    /// server whose client has given it up.
    pub fn cut_client(&self) {
        if let Some(client) = &self.state().client {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn point(&self) -> Point {
        self.inner.point
    }

    /// Whether this is the call; there is only one.
    pub(super) fn springs_at(&self, sql: &str) -> bool {
        let mut state = self.state();
        let springs = !state.is_sprung && sql.contains(&self.inner.part);
        state.is_sprung |= springs;
        springs
    }

    /// Tells the test that the call is at its point, and waits for the verdict.
    pub(super) fn hold(&self, client: Option<TcpStream>) -> Verdict {
        let mut state = self.state();
        state.is_held = true;
        state.client = client;
        self.inner.changed.notify_all();
        let decided = self.inner.changed.wait_while(state, |state| state.verdict.is_none());
        let state = decided.expect("no test thread panicked");
        state.verdict.unwrap_or(Verdict::Cut)
    }

    fn decide(&self, verdict: Verdict) {
        self.state().verdict.get_or_insert(verdict);
        self.inner.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("no test thread panicked")
    }
}
