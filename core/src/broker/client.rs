//! One connection as the broker keeps it, and what its events mean.

use std::net::IpAddr;
use std::sync::Arc;

use super::relay::Errand;
use super::{Broker, Timer};
use crate::config::Limits;
use crate::conn::{Chunk, Connection, Event, Lapse};
use crate::fault::Fault;
use crate::ids::{ConnId, MeshId, RunnerId, RunnerNo};
use crate::kit::bucket::Bucket;
use crate::machine::{Listener, Outputs};
use crate::note::{Level, Note};
use crate::runner::Parting;
use crate::stats::Counter;
use crate::surface::{Peer, SessionId};
use crate::time::{Mono, Now};
use crate::wire::json;
use crate::wire::mesh::{Encode, ErrorFrame, Named, read_common};

#[derive(Debug)]
pub(super) struct Client {
    pub connection: Connection,
    /// Where it came in.
    pub listener: Listener,
    /// Who is at the other end: the kernel's word, or a trusted proxy's.
    pub remote: IpAddr,
    pub bound: Bound,
    /// A read grant is out.
    pub granted: bool,
    /// The peer sends no more.
    pub ended: bool,
    /// Messages that were none.
    bad: Option<Bucket>,
    /// Its request was for a public route.
    pub public: bool,
    /// Its metrics page is to be in the `OpenMetrics` format.
    pub openmetrics: bool,
    /// Bytes set aside for what is arriving.
    pub reserved: usize,
    /// Code and reason of the close frame that ended it, whoever said it first.
    pub farewell: Option<(u16, Box<str>)>,
    /// Whoever sent its request has shown a token and would send another one.
    pub keeps: bool,
    /// It was answered before.
    pub served: bool,
    /// It is read on at the end of the turn, and not before.
    pub resumes: bool,
    /// How it ended, as far as that is known.
    pub parting: Parting,
    /// When its clock comes up, if it runs.
    pub armed: Option<Mono>,
}

/// What a connection is for.
#[derive(Debug)]
pub(super) enum Bound {
    /// Nobody knows yet.
    Lobby,
    /// Its HTTP request waits for an answer.
    Answering,
    /// Its errand waits until it can move to the shard that does it.
    Moving(Box<Errand>),
    /// Its hello is being judged.
    Joining(MeshId),
    /// It speaks for a presence.
    Peer(Peer),
    /// It waits until its runner is ours.
    Seating(RunnerId),
    /// It speaks for a runner.
    Runner(RunnerNo),
    /// It watches live topics.
    Watcher,
    /// It is ending.
    Closing,
}

impl Client {
    pub(super) fn new(connection: Connection, listener: Listener, remote: IpAddr) -> Client {
        Client {
            connection,
            listener,
            remote,
            bound: Bound::Lobby,
            granted: false,
            ended: false,
            bad: None,
            public: false,
            openmetrics: false,
            reserved: 0,
            farewell: None,
            keeps: false,
            served: false,
            resumes: false,
            parting: Parting::Silent,
            armed: None,
        }
    }
}

impl Client {
    /// Takes the connection along to another shard; what stays behind is over.
    pub(super) fn move_out(&mut self, limits: &Arc<Limits>) -> Client {
        let mut left = Client::new(Connection::over(limits), self.listener, self.remote);
        std::mem::swap(self, &mut left);
        left.bound = Bound::Lobby;
        left
    }
}

impl Broker {
    pub(super) fn event(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        event: Event<'_>,
        todo: &mut Outputs,
    ) {
        match event {
            Event::Request(request) => match client.listener {
                Listener::Mesh => self.route(now, id, client, &request, todo),
                Listener::Runner => self.route_runner(now, id, client, &request, todo),
                Listener::Live => self.route_live(now, id, client, &request, todo),
                Listener::Local | Listener::LocalTcp => {}
            },
            Event::Announced(request) => match client.listener {
                Listener::Mesh | Listener::Runner => self.announced(now, id, client, &request, todo),
                Listener::Live => self.announced_live(now, id, client, &request, todo),
                Listener::Local | Listener::LocalTcp => {}
            },
            Event::Refused(response) => {
                self.stats.count(Counter::BadHead);
                self.respond(now, id, client, *response, todo);
            }
            Event::Message(text) => self.message(now, id, client, &text, todo),
            Event::Pong(payload) => match client.bound {
                Bound::Peer(peer) => {
                    self.with_meshes(now, |meshes, cx| meshes.pong(cx, peer, SessionId(id), &payload));
                }
                Bound::Runner(no) => {
                    self.with_runners(now, |runners, cx| runners.beat(cx, no, SessionId(id)));
                }
                Bound::Watcher => self.with_lives(now, |lives, cx| lives.pong(cx, SessionId(id))),
                _ => {}
            },
            Event::Goodbye { code, reason } => {
                const NO_CODE: u16 = 1005;
                let code = code.unwrap_or(NO_CODE);
                client.farewell.get_or_insert_with(|| (code, reason.into()));
                client.parting = Parting::Closed(code);
                self.depart(now, id, client);
            }
            Event::Broken(fault) => {
                client.parting = Parting::Broken(fault);
                self.stats.count(match fault {
                    Fault::TooLarge => Counter::TooLarge,
                    Fault::ControlFlood => Counter::Flood,
                    _ => Counter::BadFrame,
                });
                self.end(now, id, client, fault, todo);
            }
            // Only a dialling side upgrades or is declined, and nobody here tells binary messages apart.
            Event::Upgraded | Event::Declined { .. } | Event::Binary(_) => {}
        }
    }

    fn message(&mut self, now: Now, id: ConnId, client: &mut Client, text: &str, todo: &mut Outputs) {
        if matches!(client.bound, Bound::Closing) {
            return;
        }
        if let Bound::Runner(no) = client.bound {
            return self.with_runners(now, |runners, cx| runners.hear(cx, no, SessionId(id), text));
        }
        if let Bound::Watcher = client.bound {
            return self.with_lives(now, |lives, cx| lives.hear(cx, SessionId(id), text));
        }
        // Most of what peers say is judged and read in one pass.
        let common = matches!(client.bound, Bound::Peer(_)).then(|| read_common(text)).flatten();
        if common.is_none()
            && let Err(fault) = json::check(text, &self.limits)
        {
            return self.bad_request(now, id, client, text, &fault.to_string(), todo);
        }
        match client.bound {
            Bound::Peer(peer) => {
                self.with_meshes(now, |meshes, cx| meshes.hear(cx, peer, SessionId(id), text, common));
            }
            Bound::Lobby => self.first_message(now, id, client, text, todo),
            Bound::Answering
            | Bound::Moving(_)
            | Bound::Joining(_)
            | Bound::Seating(_)
            | Bound::Runner(_)
            | Bound::Watcher
            | Bound::Closing => {}
        }
    }

    /// A message that is none: the connection lives, unless it goes on like that.
    pub(super) fn bad_request(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        text: &str,
        why: &str,
        todo: &mut Outputs,
    ) {
        self.stats.count(Counter::BadRequest);
        let max = self.limits.bad_messages_per_minute_max();
        let bucket = client.bad.get_or_insert_with(|| Bucket::new(max.max(1), max.max(1)));
        if max == 0 || bucket.take(now.mono).is_err() {
            return self.end(now, id, client, Fault::BadMessages, todo);
        }
        let named = Named::of(text);
        let message = format!("not understood: {why}");
        let request = named.request.as_deref();
        let frame = ErrorFrame {
            code: "bad_request",
            message: &message,
            id: named.id.as_deref().or(request),
            request,
            server_time: None,
        };
        say(now, id, client, &frame, todo);
    }

    /// Ends a connection: the surface learns of it, the peer is told why.
    pub(super) fn end(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        fault: Fault,
        todo: &mut Outputs,
    ) {
        self.end_saying(now, id, client, (fault, fault.row().reason), todo);
    }

    /// The same with another reason than the fault's own.
    pub(super) fn end_saying(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        (fault, reason): (Fault, &str),
        todo: &mut Outputs,
    ) {
        client.farewell.get_or_insert_with(|| (fault.row().code, reason.into()));
        if client.parting == Parting::Silent {
            client.parting = Parting::Closed(fault.row().code);
        }
        self.depart(now, id, client);
        client.connection.close_saying(now.mono, fault, reason, id, todo);
    }

    /// A connection's own clock says something.
    pub(super) fn lapse(&mut self, now: Now, id: ConnId, todo: &mut Outputs) {
        self.with_client(now, id, todo, |broker, client, todo| {
            client.armed = None;
            match client.connection.wake(now.mono, id, todo) {
                None => {}
                Some(Lapse::Fault(fault)) => {
                    if fault == Fault::SlowConsumer {
                        broker.stats.count(Counter::SlowConsumer);
                    }
                    broker.end(now, id, client, fault, todo);
                }
                Some(Lapse::Dead) => {
                    if let Bound::Peer(peer) = client.bound {
                        let ago = now.mono.millis_since(client.connection.last_pong());
                        let note = Note::new(Level::Warn, "ws stale terminate")
                            .with("presence_id", broker.meshes.presence_id(peer))
                            .with("last_pong_ago_ms", ago);
                        broker.notes.push(note);
                    }
                    broker.depart(now, id, client);
                    client.connection.abort(id, todo);
                }
            }
        });
    }

    pub(super) fn sent(&mut self, now: Now, id: ConnId, bytes: usize, todo: &mut Outputs) {
        self.with_client(now, id, todo, |broker, client, todo| {
            client.connection.sent(now.mono, bytes, id, todo);
            broker.tell_room(now, id, client);
            if client.connection.has_kept() {
                broker.read(now, id, client, Chunk::empty(), todo);
            }
        });
    }

    /// Tells the surface how much a peer can take.
    pub(super) fn tell_room(&mut self, now: Now, id: ConnId, client: &mut Client) {
        if let Bound::Runner(no) = client.bound {
            let unread = client.connection.waiting_bytes();
            return self.with_runners(now, |runners, cx| runners.unread(cx, no, SessionId(id), unread));
        }
        if let Bound::Watcher = client.bound {
            let room = crate::config::size(self.limits.send_window_bytes());
            let room = room.saturating_sub(client.connection.unsent_bytes());
            return self.with_lives(now, |lives, cx| lives.room(cx, SessionId(id), room));
        }
        let Bound::Peer(peer) = client.bound else { return };
        let high_mark = crate::config::size(self.limits.outbox_bytes_max() / 2);
        let room = high_mark.saturating_sub(client.connection.waiting_bytes());
        self.with_meshes(now, |meshes, cx| meshes.room(cx, peer, SessionId(id), room));
    }

    /// The peer said hello and was accepted: its time in the lobby is over.
    pub(super) fn bind(&mut self, now: Now, id: ConnId, client: &mut Client, peer: Peer) {
        client.bound = Bound::Peer(peer);
        client.connection.start_keepalive(now.mono);
        self.leave_lobby(id, client);
        self.timers.disarm(Timer::Hello(id));
    }
}

/// Sends one message.
pub(super) fn say(now: Now, id: ConnId, client: &mut Client, message: &impl Encode, todo: &mut Outputs) {
    let mut text = Vec::new();
    message.encode(&mut text);
    client.connection.send(now.mono, &text, id, todo);
}
