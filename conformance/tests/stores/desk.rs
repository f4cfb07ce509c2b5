//! A desk with a store behind it, and short handles for what one does there.

use std::sync::Arc;

use peermesh_conformance::server::Database;
use peermesh_core::ids::{
    HistoryEpoch, HookId, InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PresenceId, PublicKey,
};
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    self, Accept, Batch, Claimant, Cursor, Drafts, Driver, Enrol, Found, Hello, HookRow, InviteRow, MeshLoad,
    Message, MessageView, NewMesh, Op, Outcome, PresenceKind, PresenceRow, Priority, Query, Reply, Role,
    Settled, Status, Target,
};
use peermesh_core::time::Wall;
use peermesh_store::postgres::Postgres;
use sha2::{Digest, Sha256};

use crate::beside::{memory_dir, open_postgres, open_sqlite};
use crate::{found, replies};

pub(crate) const ANN: MailboxNo = MailboxNo(1);
pub(crate) const BOB: MailboxNo = MailboxNo(2);
pub(crate) const MESH: MeshNo = MeshNo(1);

/// Tells the same story of every driver.
pub(crate) fn each(story: impl Fn(&mut Desk)) {
    let dir = memory_dir();
    let database = Database::fresh();
    let Postgres { mut writers, readers: _readers, health: _health } = open_postgres(&database, "one");
    let drivers: [Box<dyn Driver>; 3] =
        [Box::new(Model::new([7; 32])), open_sqlite(dir.path()).writer, writers.remove(0)];
    for driver in drivers {
        story(&mut Desk::furnished(driver));
    }
}

/// A store with one mesh, in which Ann and Bob are members.
pub(crate) struct Desk {
    driver: Box<dyn Driver>,
    now: i64,
}

impl Desk {
    /// On an empty store: makes the mesh, Ann and Bob.
    pub(crate) fn furnished(driver: Box<dyn Driver>) -> Desk {
        let mut desk = Desk { driver, now: 1_000 };
        desk.writes([mesh("1", "kitchen")]);
        desk.invites("all", 2);
        desk.writes([desk.enrol("all", 1, 1), desk.enrol("all", 2, 2)]);
        desk
    }

    pub(crate) fn driver(&mut self) -> &mut dyn Driver {
        &mut *self.driver
    }

    /// Goes on with another driver of the same store.
    pub(crate) fn moves_to(&mut self, driver: Box<dyn Driver>) -> Box<dyn Driver> {
        std::mem::replace(&mut self.driver, driver)
    }

    pub(crate) fn now(&self) -> Wall {
        Wall::from_millis(self.now)
    }

    pub(crate) fn passes(&mut self, millis: i64) {
        self.now += millis;
    }

    pub(crate) fn writes<const N: usize>(&mut self, ops: [Op; N]) -> Vec<Reply> {
        replies(&mut *self.driver, &[Arc::new(Batch::from(Vec::from(ops)))]).remove(0)
    }

    pub(crate) fn writes_all(&mut self, ops: Vec<Op>) -> Vec<Reply> {
        replies(&mut *self.driver, &[Arc::new(Batch::from(ops))]).remove(0)
    }

    pub(crate) fn asks(&mut self, query: &Query) -> Found {
        found(self.driver.read(query))
    }

    pub(crate) fn found_mesh(&mut self, name: &str) {
        self.writes([mesh(name, name)]);
    }

    /// A draft of a message from Ann to Bob.
    pub(crate) fn message(&self, position: u64) -> Draft {
        let message = Message {
            position: Position(position),
            mesh: MESH,
            sender: ANN,
            session: ANN,
            target: Target::Mailbox(BOB),
            priority: Priority::Next,
            at: self.now(),
            nonce: "nonce".into(),
            ciphertext: "text".into(),
            client_message_id: None,
            request_fingerprint: None,
            reply_to: None,
        };
        Draft { message, mailboxes: vec![BOB], mentions: Vec::new(), old: None, receipt: None }
    }

    pub(crate) fn accepts(&mut self, draft: Draft) -> Reply {
        self.writes([draft.op()]).remove(0)
    }

    /// A look for a key of Ann's.
    pub(crate) fn find(&self, id: &str) -> Op {
        self.find_of(MESH, ANN, id)
    }

    pub(crate) fn find_of(&self, mesh: MeshNo, sender: MailboxNo, id: &str) -> Op {
        Op::Find { mesh, sender, client_message_id: id.into() }
    }

    pub(crate) fn finds(&mut self, id: &str) -> Reply {
        self.writes([self.find(id)]).remove(0)
    }

    pub(crate) fn settle(&self, position: u64, mailbox: MailboxNo, outcome: Outcome) -> Op {
        let (position, priority, at) = (Position(position), Priority::Next, self.now());
        Op::Settle(Settled { position, mailbox, priority, at, outcome })
    }

    pub(crate) fn settles(&mut self, position: u64, mailbox: MailboxNo, outcome: Outcome) {
        self.writes([self.settle(position, mailbox, outcome)]);
    }

    pub(crate) fn prunes(&mut self, before: Wall, limit: u32) -> u32 {
        self.prunes_keys(before, before, limit)
    }

    /// Removes messages older than the first time, and keys older than the second.
    pub(crate) fn prunes_keys(&mut self, before: Wall, keys_before: Wall, limit: u32) -> u32 {
        let (messages_before, proofs_before, now) = (before, before, self.now());
        let prune = Op::Prune { messages_before, keys_before, proofs_before, now, limit };
        match self.writes([prune]).remove(0) {
            Reply::Pruned(pruned) => pruned.most(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn invites(&mut self, name: &str, uses_max: u32) {
        let token_hash = [if name == "all" { 1 } else { 2 }; 32];
        let invite = InviteRow {
            id: InviteId::new(name),
            mesh: MESH,
            token_hash,
            uses_max,
            uses: 0,
            role: Role::Member,
            expires_at: self.now(),
            created_at: self.now(),
            revoked_at: None,
        };
        self.writes([Op::CreateInvite(Box::new(invite))]);
    }

    pub(crate) fn enrol(&self, invite: &str, n: u8, key: u8) -> Op {
        Op::Enrol(Box::new(Enrol {
            invite: InviteId::new(invite),
            mesh: MESH,
            id: MemberId::new(format!("member-{n}")),
            key: PublicKey([key; 32]),
            name: format!("name-{n}"),
            role: Role::Member,
            at: self.now(),
        }))
    }

    /// A member's n-th hello, with a session key or without.
    pub(crate) fn hello(&self, member: MailboxNo, n: u8, session: Option<u8>) -> Op {
        let presence = PresenceRow {
            id: PresenceId::new(format!("presence-{n}")),
            kind: PresenceKind::Session,
            session_id: "s".into(),
            pid: 1,
            cwd: "/".into(),
            connected_at: self.now(),
        };
        Op::Hello(Box::new(Hello {
            mesh: MESH,
            member,
            session: session.map(|key| (PublicKey([key; 32]), None)),
            presence: Some(presence),
            proof: [n; 32],
            proof_by: u64::MAX - 9,
            proof_until: self.now().after_millis(500),
            at: self.now(),
            hooks_since: self.now().before_millis(10),
        }))
    }

    pub(crate) fn claims(&mut self, by: Claimant) -> Reply {
        let claim = Op::Claim { mesh: MeshId::new("1"), by, at: self.now() };
        self.writes([claim]).remove(0)
    }

    /// A hook that says `working` of the process and directory of everybody's hello here.
    pub(crate) fn keeps_hook(&mut self, name: &str) {
        let row = HookRow {
            id: HookId::new(name),
            pid: 1,
            cwd: "/".into(),
            status: if name == "dnd" { Status::Dnd } else { Status::Working },
            at: self.now(),
        };
        let stale_before = self.now().before_millis(100);
        self.writes([Op::KeepHook { hook: Box::new(row), stale_before }]);
    }

    /// The names of the hooks that wait.
    pub(crate) fn waiting_hooks(&mut self) -> Vec<String> {
        match self.asks(&Query::Hooks { since: self.now().before_millis(10), limit: 9 }) {
            Found::Hooks(rows) => rows.iter().map(|row| row.id.as_str().to_owned()).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn lane(&mut self, mailbox: MailboxNo, priority: Priority) -> Vec<u64> {
        self.lane_page(mailbox, priority, 0, 99)
    }

    pub(crate) fn lane_page(
        &mut self,
        mailbox: MailboxNo,
        priority: Priority,
        after: u64,
        limit: u32,
    ) -> Vec<u64> {
        match self.asks(&Query::Pending { mailbox, priority, after: Position(after), limit }) {
            Found::Pending(rows) => rows.iter().map(|row| row.message.position.0).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn view(&mut self, position: u64) -> Option<MessageView> {
        match self.asks(&Query::Message(Position(position))) {
            Found::Message(view) => view,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn overdue(&mut self, before: Wall, after: Option<Cursor>, limit: u32) -> Vec<Cursor> {
        match self.asks(&Query::Overdue { before, now: self.now(), after, limit }) {
            Found::Overdue(rows) => rows.into_iter().map(|row| row.cursor).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn load(&mut self) -> MeshLoad {
        match self.asks(&Query::Mesh(MeshId::new("1"))) {
            Found::Mesh(Some(load)) => load,
            other => panic!("{other:?}"),
        }
    }
}

/// A message before it is accepted.
pub(crate) struct Draft {
    pub(crate) message: Message,
    mailboxes: Vec<MailboxNo>,
    mentions: Vec<MailboxNo>,
    old: Option<Position>,
    receipt: Option<Box<Drafts>>,
}

impl Draft {
    /// It asks for a receipt that says this.
    pub(crate) fn receipted(mut self, text: &str) -> Draft {
        let renamed = self.old.map(|_| chain_draft(&format!("{text} under its old id")));
        self.receipt = Some(Box::new(Drafts { plain: chain_draft(text), renamed }));
        self
    }

    /// It stood there before its history was lost.
    pub(crate) fn once_at(mut self, old: u64) -> Draft {
        self.old = Some(Position(old));
        self
    }

    pub(crate) fn client_id(mut self, id: &str) -> Draft {
        self.message.client_message_id = Some(id.into());
        self
    }

    pub(crate) fn fingerprint(mut self, text: &str) -> Draft {
        self.message.request_fingerprint = Some(text.into());
        self
    }

    pub(crate) fn sealed_as(mut self, text: &str) -> Draft {
        self.message.ciphertext = text.into();
        self
    }

    pub(crate) fn answers(mut self, id: &str) -> Draft {
        self.message.reply_to = Some(id.into());
        self
    }

    pub(crate) fn from(mut self, sender: MailboxNo) -> Draft {
        self.message.sender = sender;
        self
    }

    pub(crate) fn in_mesh(mut self, mesh: MeshNo) -> Draft {
        self.message.mesh = mesh;
        self
    }

    pub(crate) fn of(mut self, priority: Priority) -> Draft {
        self.message.priority = priority;
        self
    }

    pub(crate) fn to(mut self, spec: &str, mailboxes: &[MailboxNo]) -> Draft {
        self.message.target = Target::Spec(spec.into());
        self.mailboxes = mailboxes.to_vec();
        self
    }

    pub(crate) fn mentioning(mut self, members: &[MailboxNo]) -> Draft {
        self.mentions = members.to_vec();
        self
    }

    pub(crate) fn op(self) -> Op {
        Op::Accept(Accept {
            message: Arc::new(self.message),
            mailboxes: self.mailboxes.into(),
            mentions: self.mentions.into(),
            old: self.old,
            receipt: self.receipt,
        })
    }
}

pub(crate) fn mesh(id: &str, slug: &str) -> Op {
    Op::CreateMesh(Box::new(NewMesh {
        id: MeshId::new(id),
        slug: slug.into(),
        name: slug.into(),
        owner_key: PublicKey([0; 32]),
        owner_secret_sealed: Vec::new(),
        root_key_sealed: Vec::new(),
        created_at: Wall::from_millis(0),
    }))
}

/// What is entered into a chain for this text.
pub(crate) fn chain_draft(text: &str) -> store::Draft {
    let content = serde_json::json!({ "text": text }).to_string();
    let head = format!("{{\"text\":\"{text}\",\"n\":");
    let hash = Sha256::digest(content.as_bytes()).into();
    store::Draft { content: content.into(), hash, head: head.into(), epoch: HistoryEpoch([3; 16]) }
}

/// The position of what a key is known for.
pub(crate) fn known(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Known(seen) => Some(seen.position.0),
        _ => None,
    }
}

pub(crate) fn places(cursors: &[Cursor]) -> Vec<(MailboxNo, u64)> {
    cursors.iter().map(|cursor| (cursor.mailbox, cursor.position.0)).collect()
}
