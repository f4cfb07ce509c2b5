//! Connections that nobody has authenticated yet: how many, from where, and what their first message may be.
//!
//! *Always holds:* over a cap it is the oldest silent connection that goes, never the newcomer (HSK-01,
//! HSK-06).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::client::{Bound, Client, say};
use super::relay::Errand;
use super::{Broker, Timer};
use crate::fault::Fault;
use crate::ids::ConnId;
use crate::machine::{Listener, Outputs};
use crate::mesh::{Greeting, Refusal};
use crate::stats::{Counter, Gauge};
use crate::store::PresenceKind;
use crate::surface::SessionId;
use crate::time::Now;
use crate::wire::http::Response;
use crate::wire::mesh::{ErrorFrame, Hello, Named, SessionHello, kind_of};

#[derive(Debug, Default)]
pub(super) struct Lobby {
    /// All of them, oldest first. One is silent as long as it asks for nothing: what waits for us is not.
    waiting: BTreeSet<ConnId>,
    by_address: BTreeMap<IpAddr, BTreeSet<ConnId>>,
}

impl Broker {
    pub(super) fn enter_lobby(&mut self, now: Now, id: ConnId, client: Client, todo: &mut Outputs) {
        self.make_room(now, client.remote, todo);
        self.count_in(id, client.remote);
        self.timers.arm(Timer::Hello(id), now.mono.after_millis(self.limits.hello_timeout_ms()));
        if client.listener == Listener::Live {
            self.live_open.insert(id);
        }
        self.clients.insert(id, Some(Box::new(client)));
        self.open.insert(id);
        self.stats.set(Gauge::Sockets, i64::try_from(self.open.len()).unwrap_or(i64::MAX));
    }

    pub(super) fn leave_lobby(&mut self, id: ConnId, client: &Client) {
        if self.lobby.waiting.remove(&id)
            && let Some(mine) = self.lobby.by_address.get_mut(&client.remote)
        {
            mine.remove(&id);
            if mine.is_empty() {
                self.lobby.by_address.remove(&client.remote);
            }
        }
    }

    /// A trusted proxy names the true address.
    pub(super) fn move_address(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        to: IpAddr,
        todo: &mut Outputs,
    ) {
        self.leave_lobby(id, client);
        client.remote = to;
        self.make_room(now, to, todo);
        self.count_in(id, to);
    }

    fn count_in(&mut self, id: ConnId, remote: IpAddr) {
        self.lobby.waiting.insert(id);
        self.lobby.by_address.entry(remote).or_default().insert(id);
    }

    fn make_room(&mut self, now: Now, remote: IpAddr, todo: &mut Outputs) {
        let exempt = remote.is_loopback() || self.config.trusted_proxies.contains(&remote);
        let same_address = self
            .lobby
            .by_address
            .get(&remote)
            .filter(|mine| !exempt && mine.len() as u64 >= self.limits.unauthenticated_per_address_max());
        let full = match same_address {
            Some(mine) => mine,
            None if self.lobby.waiting.len() as u64 >= self.limits.handshakes_max() => &self.lobby.waiting,
            None => return,
        };
        let silent = |id: &&ConnId| {
            let client = self.clients.find(*id).and_then(Option::as_ref);
            client.is_some_and(|client| matches!(client.bound, Bound::Lobby))
        };
        let Some(oldest) = full.iter().find(silent).or(full.first()).copied() else { return };
        self.stats.count(Counter::Overloaded);
        self.with_client(now, oldest, todo, |broker, client, todo| {
            if client.connection.is_open() {
                broker.end(now, oldest, client, Fault::Overloaded, todo);
            } else {
                broker.depart(now, oldest, client);
                client.connection.abort(oldest, todo);
            }
        });
    }

    /// No hello and no request in time.
    pub(super) fn hello_timeout(&mut self, now: Now, id: ConnId, todo: &mut Outputs) {
        self.with_client(now, id, todo, |broker, client, todo| match client.bound {
            Bound::Peer(_) | Bound::Runner(_) | Bound::Watcher | Bound::Closing => {}
            // The hello came in time; what it waits for is on our side.
            Bound::Joining(_) | Bound::Seating(_) | Bound::Moving(_) if client.connection.is_open() => {
                broker.stats.count(Counter::RejectedStore);
                broker.end(now, id, client, Fault::Overloaded, todo);
            }
            Bound::Joining(_) | Bound::Seating(_) | Bound::Answering | Bound::Moving(_) => {
                let late = broker.give_up_waiting(now, id, client);
                // Whatever comes of it after all must not answer another request.
                client.keeps = false;
                broker.respond(now, id, client, late, todo);
            }
            Bound::Lobby if client.connection.is_open() => {
                broker.stats.count(Counter::RejectedHelloTimeout);
                broker.end(now, id, client, Fault::HelloTimeout, todo);
            }
            // Nothing was begun: whoever has no more to ask need not be told.
            Bound::Lobby if client.served && !client.connection.has_kept() => {
                broker.depart(now, id, client);
                client.connection.abort(id, todo);
            }
            Bound::Lobby => {
                let late = Response { status: 408, headers: Vec::new(), body: b"request timeout".to_vec() };
                broker.respond(now, id, client, late, todo);
            }
        });
    }

    /// A request has waited for long enough: what has not begun of it is not done any more. Tells the answer.
    fn give_up_waiting(&mut self, now: Now, id: ConnId, client: &Client) -> Response {
        let session = SessionId(id);
        let known = match client.listener {
            Listener::Live => {
                self.lives.overdue(session);
                None
            }
            Listener::Runner | Listener::Mesh => {
                self.with_runners(now, |runners, cx| runners.overdue(cx, session))
            }
            Listener::Local | Listener::LocalTcp => None,
        };
        let late = || Response { status: 503, headers: Vec::new(), body: b"no answer in time".to_vec() };
        known.map_or_else(late, |(status, body)| super::routes::json(status, &body))
    }

    /// A connection's first message must be a hello; anything else is answered, and the time goes on.
    pub(super) fn first_message(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        text: &str,
        todo: &mut Outputs,
    ) {
        let (kind, named) = match kind_of(text) {
            Ok(known) => known,
            Err(why) => return self.bad_request(now, id, client, text, &why.text, todo),
        };
        let greeting = match kind.as_str() {
            "hello" => serde_json::from_str::<Hello>(text).ok().map(|hello| Greeting::Hello(Box::new(hello))),
            "session_hello" => serde_json::from_str::<SessionHello>(text)
                .ok()
                .map(|hello| Greeting::Session(Box::new(hello))),
            _ => return no_hello(now, id, client, &named, todo),
        };
        match greeting {
            Some(_) if self.drain.is_on() => self.end(now, id, client, Fault::ShuttingDown, todo),
            Some(greeting) => self.run_errand(now, id, client, Errand::Hello(Box::new(greeting))),
            None => {
                let session = kind == "session_hello";
                let kind = if session { PresenceKind::Session } else { PresenceKind::ControlPlane };
                let refusal = Refusal::unreadable(kind);
                self.stats.count(refusal.counter);
                self.notes.push(refusal.note(kind));
                let (code, message) = (refusal.code, refusal.message.as_str());
                let frame = ErrorFrame { code, message, id: None, request: None, server_time: None };
                say(now, id, client, &frame, todo);
                self.end(now, id, client, refusal.fault, todo);
            }
        }
    }
}

fn no_hello(now: Now, id: ConnId, client: &mut Client, named: &Named<'_>, todo: &mut Outputs) {
    let request = named.request.as_deref();
    let frame = ErrorFrame {
        code: "no_hello",
        message: "must send hello first",
        id: named.id.as_deref().or(request),
        request,
        server_time: None,
    };
    say(now, id, client, &frame, todo);
}
