//! Brokers at one database, and short handles for what one does with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peermesh_conformance::server::Database;
use peermesh_core::ids::{
    Epoch, InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PresenceId, PublicKey,
};
use peermesh_core::store::{
    Accept, Alive, Answer, Batch, Claimant, Enrol, Fence, Found, Hello, InviteRow, Message, NewMesh, Op,
    Outcome, PresenceKind, PresenceRow, Priority, Query, Reply, Role, Settled, StoreError, Target,
};
use peermesh_core::time::Wall;
use peermesh_store::postgres::{self, Options, Postgres};

pub(crate) const ANN: MailboxNo = MailboxNo(1);
pub(crate) const BOB: MailboxNo = MailboxNo(2);
pub(crate) const MESH: MeshNo = MeshNo(1);

/// One broker's drivers.
pub(crate) struct Broker {
    pub(crate) store: Postgres,
    was_unfit: Arc<AtomicBool>,
}

impl Broker {
    /// A broker of that name at a database, which has answered its first ping.
    pub(crate) fn named(name: &str, url: &str) -> Broker {
        let mut options = options(url);
        name.clone_into(&mut options.instance);
        Broker::with(&options)
    }

    /// The same with these options.
    pub(crate) fn with(options: &Options) -> Broker {
        let mut broker = Broker::unheard(options);
        broker.pings().unwrap();
        broker
    }

    /// A broker that has not pinged yet.
    pub(crate) fn unheard(options: &Options) -> Broker {
        let was_unfit = Arc::new(AtomicBool::new(false));
        let unfit = Arc::clone(&was_unfit);
        let store = postgres::open(options, Arc::new(move |_| unfit.store(true, Ordering::Relaxed)));
        Broker { store, was_unfit }
    }

    /// Whether it was told that it must not serve.
    pub(crate) fn was_unfit(&self) -> bool {
        self.was_unfit.load(Ordering::Relaxed)
    }

    pub(crate) fn pings(&mut self) -> Result<Alive, StoreError> {
        self.holds(0)
    }

    /// Pings, and rests before.
    pub(crate) fn holds(&mut self, hold_ms: u64) -> Result<Alive, StoreError> {
        match found(self.store.health.read(&Query::Ping { hold_ms }))? {
            Found::Alive(alive) => Ok(alive),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn asks(&mut self, query: &Query) -> Result<Found, StoreError> {
        found(self.store.readers[0].read(query))
    }

    pub(crate) fn writes(&mut self, ops: Vec<Op>) -> Result<Vec<Reply>, StoreError> {
        self.writes_under(&[], ops)
    }

    pub(crate) fn writes_under(&mut self, fences: &[Fence], ops: Vec<Op>) -> Result<Vec<Reply>, StoreError> {
        self.writes_batches(vec![Batch { ops, fences: fences.to_vec() }]).remove(0)
    }

    /// Several batches at once.
    pub(crate) fn writes_batches(&mut self, batches: Vec<Batch>) -> Vec<Result<Vec<Reply>, StoreError>> {
        let batches: Vec<Arc<Batch>> = batches.into_iter().map(Arc::new).collect();
        let results = self.store.writers[0].write(&batches).into_iter();
        let replies = results.map(|result| match result? {
            Answer::Replies(replies) => Ok(replies),
            Answer::Found(found) => panic!("{found:?}"),
        });
        replies.collect()
    }

    pub(crate) fn write(&mut self, op: Op) -> Result<Reply, StoreError> {
        self.writes(vec![op]).map(|mut replies| replies.remove(0))
    }

    /// Makes the mesh `kitchen`, number 1, with Ann and Bob.
    pub(crate) fn founds_kitchen(&mut self) {
        let enrols = [(1, "ann"), (2, "bob")].map(|(n, name)| enrol(n, name));
        self.writes(vec![mesh("kitchen"), invite()]).unwrap();
        self.writes(enrols.to_vec()).unwrap();
    }

    pub(crate) fn claims(&mut self, name: &str) -> Reply {
        self.claims_at(name, 5)
    }

    /// The same by a broker whose clock says so.
    pub(crate) fn claims_at(&mut self, name: &str, wall_ms: i64) -> Reply {
        let (mesh, at) = (MeshId::new(name), Wall::from_millis(wall_ms));
        self.write(Op::Claim { mesh, by: Claimant::Broker, at }).unwrap()
    }

    /// Claims the kitchen, which is free.
    pub(crate) fn takes_kitchen(&mut self) -> Fence {
        match self.claims("kitchen") {
            Reply::Owned { epoch, .. } => Fence { mesh: MESH, epoch },
            other => panic!("{other:?}"),
        }
    }

    /// Positions of messages that wait for Bob.
    pub(crate) fn lane_of_bob(&mut self) -> Vec<u64> {
        let (priority, after) = (Priority::Next, Position::ZERO);
        let lane = Query::Pending { mailbox: BOB, priority, after, limit: 10_000 };
        match self.asks(&lane).unwrap() {
            Found::Pending(rows) => rows.iter().map(|row| row.message.position.0).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn found(result: Result<Answer, StoreError>) -> Result<Found, StoreError> {
    match result? {
        Answer::Found(found) => Ok(*found),
        Answer::Replies(replies) => panic!("{replies:?}"),
    }
}

pub(crate) fn options(url: &str) -> Options {
    Options::parse(url).unwrap()
}

/// A broker at a database of its own, where the kitchen is founded.
pub(crate) fn kitchen() -> (Broker, Database) {
    let database = Database::migrated();
    let mut broker = Broker::named("one", database.url());
    broker.founds_kitchen();
    (broker, database)
}

pub(crate) fn fence(epoch: u64) -> Fence {
    Fence { mesh: MESH, epoch: Epoch(epoch) }
}

pub(crate) fn mesh(name: &str) -> Op {
    Op::CreateMesh(Box::new(NewMesh {
        id: MeshId::new(name),
        slug: name.to_owned(),
        name: name.to_owned(),
        owner_key: PublicKey([9; 32]),
        owner_secret_sealed: vec![1, 2, 3],
        root_key_sealed: vec![4, 5, 6],
        created_at: Wall::from_millis(1),
    }))
}

pub(crate) fn invite() -> Op {
    Op::CreateInvite(Box::new(InviteRow {
        id: InviteId::new("invite"),
        mesh: MESH,
        token_hash: [7; 32],
        uses_max: 1_000,
        uses: 0,
        role: Role::Member,
        expires_at: Wall::from_millis(1_000),
        created_at: Wall::from_millis(1),
        revoked_at: None,
    }))
}

pub(crate) fn enrol(n: u8, name: &str) -> Op {
    Op::Enrol(Box::new(Enrol {
        invite: InviteId::new("invite"),
        mesh: MESH,
        id: MemberId::new(name),
        key: PublicKey([n; 32]),
        name: name.to_owned(),
        role: Role::Member,
        at: Wall::from_millis(2),
    }))
}

/// A hello of Ann with a session of its own.
pub(crate) fn hello(proof: u8, proof_by: u64) -> Op {
    Op::Hello(Box::new(Hello {
        mesh: MESH,
        member: ANN,
        session: Some((PublicKey([100; 32]), Some("ann at the stove".into()))),
        presence: Some(PresenceRow {
            id: PresenceId::new("presence"),
            kind: PresenceKind::Session,
            session_id: "session".into(),
            pid: 7,
            cwd: "/kitchen".into(),
            connected_at: Wall::from_millis(3),
        }),
        proof: [proof; 32],
        proof_by,
        proof_until: Wall::from_millis(1_000),
        at: Wall::from_millis(3),
        hooks_since: Wall::from_millis(0),
    }))
}

/// A message from Ann to Bob, accepted at the millisecond of its position.
pub(crate) fn accept(position: u64, client_id: Option<&str>) -> Op {
    let message = Message {
        position: Position(position),
        mesh: MESH,
        sender: ANN,
        session: ANN,
        target: Target::Mailbox(BOB),
        priority: Priority::Next,
        at: Wall::from_millis(i64::try_from(position).unwrap()),
        nonce: "nonce".into(),
        ciphertext: "soup".into(),
        client_message_id: client_id.map(Into::into),
        request_fingerprint: None,
        reply_to: None,
    };
    Op::Accept(Accept {
        message: Arc::new(message),
        mailboxes: Arc::from([BOB]),
        mentions: Arc::from([ANN, BOB]),
        old: None,
        receipt: None,
    })
}

/// The end of Bob's delivery of that message.
pub(crate) fn settle(position: u64) -> Op {
    Op::Settle(Settled {
        position: Position(position),
        mailbox: BOB,
        priority: Priority::Next,
        at: Wall::from_millis(50),
        outcome: Outcome::Delivered,
    })
}

/// A look for a client id of Ann's.
pub(crate) fn find(id: &str) -> Op {
    Op::Find { mesh: MESH, sender: ANN, client_message_id: id.into() }
}

pub(crate) fn prune(before: i64, limit: u32) -> Op {
    let (before, now) = (Wall::from_millis(before), Wall::from_millis(i64::MAX));
    Op::Prune { messages_before: before, keys_before: before, proofs_before: before, now, limit }
}

/// The position of what a key is known for.
pub(crate) fn known(reply: Result<Reply, StoreError>) -> Option<u64> {
    match reply {
        Ok(Reply::Known(seen)) => Some(seen.position.0),
        _ => None,
    }
}
