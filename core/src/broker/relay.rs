//! Work that belongs to another shard: the connection moves there with its errand, or a word is passed on.

use super::census::Report;
use super::client::{Bound, Client};
use super::within::Publication;
use super::{Broker, Timer};
use crate::ids::{ConnId, MeshId, RunnerId, ShardId};
use crate::live::{Identity, Opening};
use crate::machine::{Closing, Envelope, Listener, Output, Outputs, Parcel};
use crate::mesh::{Greeting, Hook, HookFound, JoinCall};
use crate::runner::Order;
use crate::stats::Gauge;
use crate::store::{Fence, Status};
use crate::surface::{PresenceNo, SessionId};
use crate::time::{Mono, Now};
use crate::wire::admin::AdminCall;
use crate::wire::enquiry::Enquiry;
use crate::wire::live::LiveCall;
use crate::wire::rotate::RotateCall;
use crate::wire::runner::RunnerCall;

/// A connection on its way to the shard that does its errand.
#[derive(Debug)]
struct Moving {
    client: Box<Client>,
    errand: Box<Errand>,
}

/// What one shard says to another.
#[derive(Debug)]
pub(super) enum Word {
    /// Whom could this hook mean?
    Asked { ask: u64, hook: Hook },
    /// These.
    Found { ask: u64, found: HookFound },
    /// The event target took an event.
    Taken { at: Mono },
    /// Which runners are connected there?
    Census { conn: ConnId },
    /// These.
    Counted { conn: ConnId, report: Report },
    /// This process publishes something to a live topic.
    Publish(Publication),
    /// It means this one.
    Meant { fence: Fence, presence: PresenceNo, status: Status },
}

/// What a connection wants from the shard that owns a mesh.
#[derive(Debug)]
pub(super) enum Errand {
    Hello(Box<Greeting>),
    Join(Box<JoinCall>),
    Admin(MeshId, AdminCall),
    Enquiry(Box<Enquiry>),
    Rotate(Box<RotateCall>),
    Runner(RunnerId, RunnerErrand),
    Live(LiveErrand),
}

/// What a connection wants of a runner.
#[derive(Debug)]
pub(super) enum RunnerErrand {
    /// It is the runner.
    Seat,
    Order(Box<Order>),
    Admin(RunnerCall),
}

/// What a connection wants of live topics, which all live in one shard.
#[derive(Debug)]
pub(super) enum LiveErrand {
    /// It watches; its token was looked at if it brought one along.
    Watch(Option<Identity>),
    /// It reads one topic as a stream of events.
    Stream(Box<Opening>),
    /// It asks for something.
    Call(Identity, Box<LiveCall>),
}

/// Where all live topics of a broker live, as if it were the name of a mesh.
const LIVE: &str = "live";

impl Errand {
    /// The name of what it is about, which decides whose it is.
    fn scope(&self) -> &str {
        match self {
            Errand::Hello(greeting) => greeting.mesh_id(),
            Errand::Join(call) => call.payload.mesh_id.as_str(),
            Errand::Admin(mesh, _) => mesh.as_str(),
            Errand::Enquiry(enquiry) => enquiry.credential.mesh_id.as_str(),
            Errand::Rotate(call) => call.mesh_id.as_str(),
            Errand::Runner(runner, _) => runner.as_str(),
            Errand::Live(_) => LIVE,
        }
    }
}

impl Broker {
    /// Does a connection's errand here, or makes the connection ready to move to the shard that does it.
    pub(super) fn run_errand(&mut self, now: Now, id: ConnId, client: &mut Client, errand: Errand) {
        if self.shards.owner_of(errand.scope()) != self.shards.own {
            client.bound = Bound::Moving(Box::new(errand));
            return;
        }
        let session = SessionId(id);
        match errand {
            Errand::Hello(greeting) => {
                client.bound = Bound::Joining(MeshId::new(greeting.mesh_id()));
                self.with_meshes(now, |meshes, cx| meshes.greet(cx, session, *greeting));
            }
            Errand::Join(call) => {
                client.bound = Bound::Answering;
                self.with_meshes(now, |meshes, cx| meshes.join(cx, session, call));
            }
            Errand::Admin(mesh, call) => {
                client.bound = Bound::Answering;
                self.with_meshes(now, |meshes, cx| meshes.admin_in(cx, session, mesh, call));
            }
            Errand::Enquiry(enquiry) => {
                client.bound = Bound::Answering;
                self.with_meshes(now, |meshes, cx| meshes.enquire(cx, session, enquiry));
            }
            Errand::Rotate(call) => {
                client.bound = Bound::Answering;
                self.with_meshes(now, |meshes, cx| meshes.rotate(cx, session, call));
            }
            Errand::Runner(runner, errand) => self.run_for_runner(now, id, client, runner, errand),
            Errand::Live(errand) => self.run_for_live(now, id, client, errand),
        }
    }

    /// Moves a connection once nothing of it is on its way.
    pub(super) fn move_on(&mut self, id: ConnId, client: &mut Client, todo: &mut Outputs) {
        if !client.connection.is_quiet() || client.granted {
            return;
        }
        let Bound::Moving(errand) = std::mem::replace(&mut client.bound, Bound::Closing) else { return };
        self.leave_lobby(id, client);
        // All of it has come, and room is each shard's own.
        self.free(id, std::mem::take(&mut client.reserved));
        let to = self.shards.owner_of(errand.scope());
        let moved = client.move_out(&self.limits);
        let parcel = Parcel::new(Moving { client: Box::new(moved), errand });
        todo.push(Output::Handoff { conn: id, to, parcel });
    }

    pub(super) fn adopted(&mut self, now: Now, id: ConnId, parcel: Parcel, todo: &mut Outputs) {
        let moving = parcel.open::<Moving>().filter(|_| !self.drain.is_on());
        let Some(Moving { mut client, errand }) = moving else {
            return todo.push(Output::Close { conn: id, how: Closing::Both });
        };
        // Its clock was another shard's.
        client.armed = None;
        self.timers.arm(Timer::Hello(id), now.mono.after_millis(self.limits.hello_timeout_ms()));
        if client.listener == Listener::Live {
            self.live_open.insert(id);
        }
        self.clients.insert(id, Some(client));
        self.open.insert(id);
        self.stats.set(Gauge::Sockets, i64::try_from(self.open.len()).unwrap_or(i64::MAX));
        self.with_client(now, id, todo, |broker, client, _| {
            broker.run_errand(now, id, client, *errand);
        });
    }

    pub(super) fn relayed(&mut self, now: Now, from: ShardId, envelope: Envelope, todo: &mut Outputs) {
        let Some(word) = envelope.open::<Word>() else { return };
        match word {
            Word::Asked { ask, hook } => {
                let found = self.meshes.find_hooked(self.shards.own, &hook);
                self.relay(from, Word::Found { ask, found }, todo);
            }
            Word::Found { ask, found } => self.hook_found(now, ask, found, todo),
            Word::Taken { at } => self.runners.learn_taken(at),
            Word::Census { conn } => {
                let report = self.report(now);
                self.relay(from, Word::Counted { conn, report }, todo);
            }
            Word::Publish(publication) => self.publish_within(now, publication, todo),
            Word::Counted { conn, report } => self.counted(now, conn, report, todo),
            Word::Meant { fence, presence, status } => {
                self.with_meshes(now, |meshes, cx| meshes.apply_hook(cx, fence, presence, status));
            }
        }
    }

    pub(super) fn relay(&self, to: ShardId, word: Word, todo: &mut Outputs) {
        todo.push(Output::Relay { to, envelope: Envelope::new(word) });
    }

    /// The shard where all live topics live.
    pub(super) fn live_shard(&self) -> ShardId {
        self.shards.owner_of(LIVE)
    }

    /// True for that one.
    pub(super) fn is_live_shard(&self) -> bool {
        self.live_shard() == self.shards.own
    }

    /// Every shard but this one.
    pub(super) fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let own = self.shards.own;
        (0..self.shards.count).map(ShardId).filter(move |shard| *shard != own)
    }
}
