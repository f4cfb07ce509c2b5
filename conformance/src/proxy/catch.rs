//! A call that a test waits for.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::wire::Call;

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
    parts: Vec<String>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// A call was found.
    is_sprung: bool,
    /// It has come to the point.
    is_held: bool,
    /// The server has performed it.
    is_answered: bool,
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
    pub(super) fn new(point: Point, parts: &[&str]) -> Catch {
        let parts = parts.iter().map(|part| (*part).to_owned()).collect();
        let inner = Inner { point, parts, state: Mutex::default(), changed: Condvar::new() };
        Catch { inner: Arc::new(inner) }
    }

    /// Waits until the call has come to its point.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn wait(&self) {
        self.wait_until(|state| state.is_held, "did not come");
    }

    /// Waits until the server has answered the call, whoever hears it.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub fn wait_for_answer(&self) {
        self.wait_until(|state| state.is_answered, "was not answered");
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
    pub(super) fn springs_at(&self, call: &Call) -> bool {
        let mut state = self.state();
        let springs = !state.is_sprung && self.inner.parts.iter().all(|part| call.contains(part));
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

    pub(super) fn was_answered(&self) {
        self.state().is_answered = true;
        self.inner.changed.notify_all();
    }

    fn wait_until(&self, is_so: impl Fn(&State) -> bool, else_it: &str) {
        let state = self.state();
        let waited = self.inner.changed.wait_timeout_while(state, PATIENCE, |state| !is_so(state));
        let (state, _) = waited.expect("no test thread panicked");
        assert!(is_so(&state), "a call with {:?} {else_it}", self.inner.parts);
    }

    fn decide(&self, verdict: Verdict) {
        self.state().verdict.get_or_insert(verdict);
        self.inner.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("no test thread panicked")
    }
}
