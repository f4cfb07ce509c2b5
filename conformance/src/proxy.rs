//! Stands between a broker and its Postgres and does what networks do: it delays, stalls, cuts, refuses, and
//! loses a call or the reply to one.
//!
//! It reads the messages that pass (where they are not encrypted), so that a test can name the call that is
//! to be lost by parts of its SQL and its parameters, and count calls and round trips.

mod catch;
mod link;
mod wire;

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use catch::{Catch, Point};
use wire::Call;

/// A proxy in front of one server. All it carries ends with it.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

/// What has passed from clients to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often a client waited for the server: one for each `Sync` and each simple query.
    pub round_trips: u64,
    /// How often each statement was executed, by its SQL. `BEGIN` and `COMMIT` are statements too.
    pub calls: BTreeMap<String, u64>,
}

impl Counts {
    /// How often statements were executed whose SQL contains this text.
    pub fn calls_of(&self, part: &str) -> u64 {
        self.calls.iter().filter(|(sql, _)| sql.contains(part)).map(|(_, count)| count).sum()
    }
}

impl Proxy {
    /// A proxy to the server at this address (`host:port`), which need not be there yet.
    pub fn to(address: &str) -> Proxy {
        let shared = Shared { address: address.to_owned(), ..Shared::default() };
        let proxy =
            Proxy { shared: Arc::new(shared), port: crate::server::free_port(), acceptor: Mutex::new(None) };
        proxy.accept();
        proxy
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets connections in, as it does from the start. Nothing where it does.
    pub fn accept(&self) {
        let mut acceptor = self.acceptor.lock().expect("no test thread panicked");
        if acceptor.is_none() {
            let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port is free");
            self.shared.state().refuses = false;
            let shared = Arc::clone(&self.shared);
            *acceptor = Some(thread::spawn(move || shared.take_all(&listener)));
        }
    }

    /// Refuses connections, as a port does where nobody listens. Those there are go on.
    pub fn refuse(&self) {
        let mut acceptor = self.acceptor.lock().expect("no test thread panicked");
        if let Some(thread) = acceptor.take() {
            self.shared.state().refuses = true;
            // The acceptor looks up when somebody comes.
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            thread.join().expect("the acceptor does not panic");
        }
    }

    /// Cuts all connections there are.
    pub fn cut(&self) {
        for ends in std::mem::take(&mut self.shared.state().links).into_values().flatten() {
            let _ = ends.shutdown(Shutdown::Both);
        }
    }

    /// Carries nothing more, in either direction, and says nothing about it.
    pub fn stall(&self) {
        self.shared.state().stalls = true;
    }

    /// Carries again, what had to wait first.
    pub fn flow(&self) {
        self.shared.state().stalls = false;
        self.shared.changed.notify_all();
    }

    /// What comes from now on arrives that much later.
    pub fn delay(&self, to_server: Duration, to_client: Duration) {
        self.shared.state().delays = [to_server, to_client];
    }

    /// Holds the next call whose SQL and parameters contain all these parts, at that point, until the test
    /// decides.
    pub fn hold(&self, point: Point, parts: &[&str]) -> Catch {
        let catch = Catch::new(point, parts);
        self.shared.state().catches.push(catch.clone());
        catch
    }

    /// Cuts the connection at that point of the next call whose SQL and parameters contain all these parts.
    pub fn lose(&self, point: Point, parts: &[&str]) -> Catch {
        let catch = self.hold(point, parts);
        catch.cut();
        catch
    }

    /// What has passed since the start, or since it was last counted anew.
    pub fn counts(&self) -> Counts {
        self.shared.state().counts.clone()
    }

    /// Begins to count anew.
    pub fn count_anew(&self) {
        self.shared.state().counts = Counts::default();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        {
            let mut state = self.shared.state();
            state.ended = true;
            for catch in state.catches.drain(..) {
                catch.cut();
            }
        }
        self.cut();
        self.shared.changed.notify_all();
    }
}

/// What the threads of a proxy share.
#[derive(Debug, Default)]
struct Shared {
    address: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    refuses: bool,
    stalls: bool,
    ended: bool,
    /// To the server and to the client.
    delays: [Duration; 2],
    /// Both ends of each connection.
    links: BTreeMap<u64, [TcpStream; 2]>,
    made: u64,
    /// Every catch of the proxy's life, set or sprung.
    catches: Vec<Catch>,
    counts: Counts,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the proxy panicked")
    }

    fn take_all(self: &Arc<Shared>, listener: &TcpListener) {
        for client in listener.incoming().filter_map(Result::ok) {
            if self.state().refuses {
                return;
            }
            // Where there is no server, the client sees its connection end.
            let Ok(server) = TcpStream::connect(&self.address) else { continue };
            let _ = link::carry(self, client, server);
        }
    }

    /// Remembers both ends of a connection, for whoever cuts it.
    fn enter(&self, ends: [TcpStream; 2]) -> u64 {
        let mut state = self.state();
        state.made += 1;
        let number = state.made;
        state.links.insert(number, ends);
        number
    }

    fn leave(&self, number: u64) {
        self.state().links.remove(&number);
    }

    /// Waits until bytes may go on.
    fn wait_for_flow(&self) {
        let state = self.state();
        let guard = self.changed.wait_while(state, |state| state.stalls && !state.ended);
        drop(guard.expect("no thread of the proxy panicked"));
    }

    /// Counts the end of a request.
    fn count_round_trip(&self) {
        self.state().counts.round_trips += 1;
    }

    /// Counts a call, and says whether somebody waits for it.
    fn count_call(&self, call: &Call) -> Option<Catch> {
        let mut state = self.state();
        match state.counts.calls.get_mut(&call.sql) {
            Some(count) => *count += 1,
            None => drop(state.counts.calls.insert(call.sql.clone(), 1)),
        }
        state.catches.iter().find(|catch| catch.springs_at(call)).cloned()
    }
}
