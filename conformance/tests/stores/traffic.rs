//! Random work for a store: batches and questions as a broker with two shards would send them, drawn from a
//! seed.
//!
//! *Always holds:* what a batch builds on was answered before, as in a broker, where continuations wait for
//! the commit; positions of one mesh grow with time; nothing else is guaranteed, and many operations name
//! what is not there.

use std::ops::Range;
use std::sync::Arc;

use peermesh_core::ids::{
    HookId, InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PresenceId, PublicKey,
};
use peermesh_core::rng::Rng;
use peermesh_core::store::{
    Accept, Batch, Claimant, Cursor, Drafts, Enrol, Fence, Group, Hello, HookRow, InviteRow, Message,
    NewMesh, Op, Outcome, PeerState, PresenceKind, PresenceRow, Priority, Profile, Query, Reply, Role,
    Rotation, SavedStats, Settled, Status, Target,
};
use peermesh_core::time::Wall;

use crate::desk::chain_draft;

const SHARDS: usize = 2;

/// What the broker of this story knows.
pub(crate) struct Traffic {
    rng: Rng,
    wall: i64,
    blocks: Vec<Range<u64>>,
    meshes: Vec<MeshId>,
    members: Vec<(MeshNo, MailboxNo)>,
    mailboxes: Vec<(MeshNo, MailboxNo)>,
    invites: Vec<InviteRow>,
    keys: Vec<PublicKey>,
    /// The keys of members, as far as this broker was told.
    member_keys: Vec<(MeshNo, MailboxNo, PublicKey)>,
    rotations: u64,
    proofs: Vec<[u8; 32]>,
    presences: Vec<PresenceId>,
    hooks: Vec<HookId>,
    /// What this broker owns, as far as it was told.
    owned: Vec<Fence>,
    sent: Vec<Accept>,
    /// Of `sent`, those that were accepted before the last removal of old messages.
    sent_before_prune: usize,
}

impl Traffic {
    pub(crate) fn new(seed: u64) -> Traffic {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Traffic {
            rng: Rng::from_seed(bytes),
            wall: 1_700_000_000_000,
            blocks: vec![0..0; SHARDS],
            meshes: Vec::new(),
            members: Vec::new(),
            mailboxes: Vec::new(),
            invites: Vec::new(),
            keys: Vec::new(),
            member_keys: Vec::new(),
            rotations: 0,
            proofs: Vec::new(),
            presences: Vec::new(),
            hooks: Vec::new(),
            owned: Vec::new(),
            sent: Vec::new(),
            sent_before_prune: 0,
        }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap()
    }

    /// The next batch.
    pub(crate) fn batch(&mut self) -> Arc<Batch> {
        let shard = self.below(SHARDS);
        if self.blocks[shard].end - self.blocks[shard].start < 20 {
            // The block is asked for alone, so that its reply can be told from others'.
            return Arc::new(Batch::from(vec![Op::LeasePositions { count: 40 }]));
        }
        let count = 1 + self.below(12);
        Arc::new(Batch::from((0..count).map(|_| self.op(shard)).collect::<Vec<Op>>()))
    }

    /// Whether running batches again must leave everything as it is. A lease and a prune each do another
    /// portion; who claims and gives up in one go, or applies a hook and forgets it, does so twice; who looks
    /// for a key before it is used finds it the second time; who had a key before another one is refused it
    /// the second time; a claimant who joins afterwards is known then,
    /// and whoever says hello before the mesh changes hands stays the second time; a presence that is given a
    /// hook after its hello has it the second time; and a hello that does not stand leaves its proof to a
    /// request, which keeps it.
    pub(crate) fn are_repeatable(batches: &[Arc<Batch>]) -> bool {
        let has = |wanted: fn(&Op) -> bool| batches.iter().flat_map(|batch| &batch.ops).any(wanted);
        let anew = has(|op| matches!(op, Op::LeasePositions { .. } | Op::Prune { .. } | Op::Release(_)));
        let keeps = has(|op| matches!(op, Op::KeepHook { .. }));
        let claims = has(|op| matches!(op, Op::Claim { .. }));
        let finds = has(|op| matches!(op, Op::Find { .. }));
        let hello = has(|op| matches!(op, Op::Hello(_)));
        !(anew
            || has(|op| matches!(op, Op::Rotate(_)))
            || (keeps || hello) && has(|op| matches!(op, Op::ApplyHook { .. }))
            || hello && has(|op| matches!(op, Op::Prove { .. }))
            || claims && has(|op| matches!(op, Op::Enrol(_) | Op::Hello(_)))
            || finds && has(|op| matches!(op, Op::Accept(_))))
    }

    /// Takes note of what a batch achieved.
    pub(crate) fn learn(&mut self, batch: &Batch, replies: &[Reply]) {
        for (op, reply) in batch.ops.iter().zip(replies) {
            match (op, reply) {
                (_, Reply::Positions { first, count, .. }) => {
                    let empty = self.blocks.iter_mut().min_by_key(|block| block.end - block.start);
                    *empty.unwrap() = first.0..first.0 + count;
                }
                (Op::CreateMesh(mesh), Reply::Inserted) if !self.meshes.contains(&mesh.id) => {
                    self.meshes.push(mesh.id.clone());
                }
                (Op::CreateInvite(invite), _) => self.invites.push((**invite).clone()),
                (Op::Enrol(enrol), Reply::Enrolled { mailbox }) => {
                    self.members.push((enrol.mesh, *mailbox));
                    self.mailboxes.push((enrol.mesh, *mailbox));
                    self.member_keys.push((enrol.mesh, *mailbox, enrol.key));
                }
                (Op::Hello(hello), Reply::Welcome { mailbox, .. }) => {
                    self.mailboxes.push((hello.mesh, *mailbox));
                    self.proofs.push(hello.proof);
                    self.presences.extend(hello.presence.iter().map(|presence| presence.id.clone()));
                }
                (Op::Rotate(rotation), Reply::Rotated(_)) => {
                    let known = self.member_keys.iter_mut().find(|known| known.1 == rotation.member);
                    known.into_iter().for_each(|known| known.2 = rotation.key);
                }
                (Op::Prove { proof, .. }, Reply::Done) => self.proofs.push(*proof),
                (Op::Claim { mesh, .. }, Reply::Owned { epoch, .. }) => {
                    let no = self.meshes.iter().position(|known| known == mesh).unwrap();
                    let mesh = MeshNo(i64::try_from(no).unwrap() + 1);
                    self.owned.retain(|fence| fence.mesh != mesh);
                    self.owned.push(Fence { mesh, epoch: *epoch });
                }
                (Op::KeepHook { hook, .. }, _) => self.hooks.push(hook.id.clone()),
                (Op::Accept(accept), Reply::Inserted | Reply::Accepted(_)) => self.sent.push(accept.clone()),
                (_, Reply::Pruned(_)) => self.sent_before_prune = self.sent.len(),
                _ => {}
            }
        }
    }

    fn op(&mut self, shard: usize) -> Op {
        self.wall += i64::try_from(self.rng.below(40)).unwrap();
        match self.below(100) {
            0..4 => self.create_mesh(),
            4..8 => self.create_invite(),
            8..16 => self.enrol(),
            16..18 => Op::SetRevoked { member: self.member().1, at: self.maybe(|traffic| traffic.now()) },
            18..24 => self.hello(),
            24..26 => self.hook(),
            26..28 => Op::EndPresences { ids: self.some(Traffic::presence), at: self.now() },
            28..32 => Op::SavePeer { member: self.member().1, state: Box::new(self.peer_state()) },
            32..62 => self.accept(shard),
            62..64 => self.find(shard),
            64..66 => self.claim(),
            66..89 => self.settle(),
            89 if self.below(2) == 0 => self.rotate(),
            89 => self.prove(),
            90..95 => self.tried(),
            95..98 => self.prune(),
            98 => self.claim(),
            _ => self.hook(),
        }
    }

    fn create_mesh(&mut self) -> Op {
        let known = self.meshes.len();
        let again = known > 0 && self.below(4) == 0;
        let id = if again { self.mesh_id() } else { MeshId::mint(&mut self.rng) };
        Op::CreateMesh(Box::new(NewMesh {
            id,
            slug: format!("mesh-{}", self.below(12)),
            name: self.word(),
            owner_key: self.key(),
            owner_secret_sealed: self.rng.key().to_vec(),
            root_key_sealed: Vec::new(),
            created_at: self.now(),
        }))
    }

    fn create_invite(&mut self) -> Op {
        if self.meshes.is_empty() {
            return self.create_mesh();
        }
        Op::CreateInvite(Box::new(InviteRow {
            id: InviteId::mint(&mut self.rng),
            mesh: self.mesh_no(),
            token_hash: self.rng.key(),
            uses_max: u32::try_from(self.below(4)).unwrap(),
            uses: 0,
            role: if self.below(2) == 0 { Role::Admin } else { Role::Member },
            expires_at: self.now(),
            created_at: self.now(),
            revoked_at: self.maybe(|traffic| traffic.now()),
        }))
    }

    fn enrol(&mut self) -> Op {
        let invite = self.pick(|traffic| &traffic.invites).map(|invite| (invite.id, invite.mesh));
        let stranger = (InviteId::new("nobody's"), self.mesh_no());
        let (invite, mesh) = invite.unwrap_or(stranger);
        Op::Enrol(Box::new(Enrol {
            invite,
            mesh,
            id: MemberId::mint(&mut self.rng),
            key: self.key(),
            name: self.word(),
            role: Role::Member,
            at: self.now(),
        }))
    }

    fn hello(&mut self) -> Op {
        let Some((mesh, member)) = self.pick(|traffic| &traffic.members) else { return self.enrol() };
        let used = if self.below(8) == 0 { self.pick(|traffic| &traffic.proofs) } else { None };
        Op::Hello(Box::new(Hello {
            mesh,
            member,
            session: self.maybe(|traffic| (traffic.key(), traffic.maybe(Traffic::word))),
            presence: self.maybe(Traffic::presence_row),
            proof: used.unwrap_or_else(|| self.rng.key()),
            proof_by: self.rng.next_u64(),
            proof_until: self.now().after_millis(self.rng.below(400)),
            at: self.now(),
            hooks_since: self.now().before_millis(self.rng.below(400)),
        }))
    }

    fn rotate(&mut self) -> Op {
        let Some((mesh, member, key)) = self.pick(|traffic| &traffic.member_keys) else {
            return self.enrol();
        };
        self.rotations += 1;
        Op::Rotate(Box::new(Rotation {
            mesh,
            member,
            old: if self.below(8) == 0 { self.key() } else { key },
            key: self.key(),
            at: self.now(),
            until: self.now().after_millis(self.rng.below(4_000)),
            below: Position(self.rotations),
            former_keys_max: 1 + self.rng.below(2),
        }))
    }

    fn prove(&mut self) -> Op {
        let used = if self.below(3) == 0 { self.pick(|traffic| &traffic.proofs) } else { None };
        let proof = used.unwrap_or_else(|| self.rng.key());
        let until = self.now().after_millis(self.rng.below(400));
        Op::Prove { proof, by: self.rng.next_u64(), until }
    }

    /// Takes a mesh, gives one back, or gives back one that is ours no longer.
    fn claim(&mut self) -> Op {
        if self.below(3) == 0 {
            return Op::Release(self.some(|traffic| {
                let known = traffic.pick(|traffic| &traffic.owned);
                known.unwrap_or(Fence { mesh: MeshNo(1), epoch: Default::default() })
            }));
        }
        let by = match self.below(3) {
            0 => Claimant::Member(self.key()),
            1 => Claimant::Owner(self.key()),
            _ => Claimant::Broker,
        };
        Op::Claim { mesh: self.mesh_id(), by, at: self.now() }
    }

    fn hook(&mut self) -> Op {
        if let Some(hook) = self.pick(|traffic| &traffic.hooks)
            && self.below(3) == 0
        {
            return Op::ApplyHook { hook, presence: self.presence(), at: self.now() };
        }
        let row = HookRow {
            id: HookId::mint(&mut self.rng),
            pid: i64::try_from(self.below(3)).unwrap(),
            cwd: self.word(),
            status: [Status::Idle, Status::Working, Status::Dnd][self.below(3)],
            at: self.now(),
        };
        // So far back that no batch keeps a hook and forgets it again.
        let stale_before = self.now().before_millis(2_000 + self.rng.below(2_000));
        Op::KeepHook { hook: Box::new(row), stale_before }
    }

    fn presence_row(&mut self) -> PresenceRow {
        PresenceRow {
            id: self.presence(),
            kind: if self.below(2) == 0 { PresenceKind::Session } else { PresenceKind::ControlPlane },
            session_id: self.word(),
            pid: i64::try_from(self.below(3)).unwrap(),
            cwd: self.word(),
            connected_at: self.now(),
        }
    }

    fn peer_state(&mut self) -> PeerState {
        PeerState {
            groups: self.some(|traffic| Group { name: traffic.word(), role: traffic.maybe(Traffic::word) }),
            last_groups: self.some(|traffic| Group { name: traffic.word(), role: None }),
            profile: Profile {
                avatar: self.maybe(Traffic::word),
                title: self.maybe(Traffic::word),
                bio: None,
                capabilities: self.maybe(|traffic| traffic.some(Traffic::word)),
            },
            visible: self.below(2) == 0,
            summary: self.maybe(Traffic::word),
            display_name: self.maybe(Traffic::word),
            stats: SavedStats { messages_in: self.rng.next_u64(), ..SavedStats::default() },
            last_seen: self.now(),
        }
    }

    fn accept(&mut self, shard: usize) -> Op {
        if self.below(20) == 0 && self.sent.len() > self.sent_before_prune {
            let young = &self.sent[self.sent_before_prune..];
            return Op::Accept(young[usize::try_from(self.rng.below(young.len() as u64)).unwrap()].clone());
        }
        let of_shard = |mesh: MeshNo| usize::try_from(mesh.0).unwrap() % SHARDS == shard;
        let senders: Vec<_> = self.members.iter().copied().filter(|(mesh, _)| of_shard(*mesh)).collect();
        let Some(&(mesh, sender)) = senders.get(self.below(senders.len().max(1))) else {
            return self.enrol();
        };
        let reachable: Vec<_> =
            self.mailboxes.iter().filter(|(at, _)| *at == mesh).map(|(_, no)| *no).collect();
        let recipient = reachable[self.below(reachable.len())];
        let (target, mailboxes) = match self.below(4) {
            0 => (
                Target::Spec("@group".into()),
                self.some(|traffic| reachable[traffic.below(reachable.len())]),
            ),
            1 => (Target::Mailbox(recipient), self.some(|traffic| reachable[traffic.below(reachable.len())])),
            _ => (Target::Mailbox(recipient), vec![recipient]),
        };
        let position =
            self.blocks[shard].next().map(Position).expect("a batch is no longer than what is left");
        let message = Message {
            position,
            mesh,
            sender,
            session: reachable[self.below(reachable.len())],
            target,
            priority: self.priority(),
            at: self.now(),
            nonce: self.word().into(),
            ciphertext: self.word().into(),
            client_message_id: self.maybe(|traffic| format!("id-{}", traffic.below(30)).into()),
            request_fingerprint: self.maybe(|traffic| traffic.word().into()),
            reply_to: self.maybe(|traffic| traffic.word().into()),
        };
        let mut mentions = self.some(|traffic| traffic.member().1);
        mentions.sort_unstable();
        mentions.dedup();
        let (mailboxes, mentions) = (mailboxes.into(), mentions.into());
        let (message, receipt) = self.receipted(message);
        Op::Accept(Accept { message: Arc::new(message), mailboxes, mentions, old: None, receipt })
    }

    /// Some messages ask for a receipt, under ids of their own; some are others like these, under the same
    /// ids.
    fn receipted(&mut self, mut message: Message) -> (Message, Option<Box<Drafts>>) {
        let asks = |accept: &&Accept| accept.receipt.is_some() && accept.message.mesh == message.mesh;
        let young = &self.sent[self.sent_before_prune..];
        let receipted: Vec<&Accept> = young.iter().filter(asks).collect();
        match self.rng.below(8) {
            0 => {
                let text = format!("receipt-{}", message.position);
                let drafts = Drafts { plain: chain_draft(&text), renamed: None };
                message.client_message_id = Some(text.into());
                (message, Some(Box::new(drafts)))
            }
            1 if !receipted.is_empty() => {
                let of = usize::try_from(self.rng.below(receipted.len() as u64)).unwrap();
                let Accept { message: first, receipt, .. } = receipted[of];
                message.client_message_id.clone_from(&first.client_message_id);
                message.sender = first.sender;
                (message, receipt.clone())
            }
            _ => (message, None),
        }
    }

    /// Mostly for a key that somebody may have used, else for one that was used, however long ago.
    fn find(&mut self, shard: usize) -> Op {
        let of_shard = |mesh: MeshNo| usize::try_from(mesh.0).unwrap() % SHARDS == shard;
        let used = |accept: &Accept| {
            let message = &accept.message;
            let id = message.client_message_id.clone().filter(|_| of_shard(message.mesh))?;
            Some(Op::Find { mesh: message.mesh, sender: message.sender, client_message_id: id })
        };
        let used: Vec<Op> = self.sent.iter().filter_map(used).collect();
        if self.below(3) == 0 && !used.is_empty() {
            return used[self.below(used.len())].clone();
        }
        let senders: Vec<_> = self.members.iter().copied().filter(|(mesh, _)| of_shard(*mesh)).collect();
        let Some(&(mesh, sender)) = senders.get(self.below(senders.len().max(1))) else {
            return self.enrol();
        };
        let client_message_id = format!("id-{}", self.below(30)).into();
        Op::Find { mesh, sender, client_message_id }
    }

    fn settle(&mut self) -> Op {
        let Cursor { mailbox, priority, position } = self.delivery();
        let outcome = Outcome::ALL[self.below(4)];
        Op::Settle(Settled { position, mailbox, priority, at: self.now(), outcome })
    }

    fn tried(&mut self) -> Op {
        let Cursor { mailbox, priority, position } = self.delivery();
        Op::Tried { position, mailbox, priority, tries: u32::try_from(self.below(10)).unwrap() }
    }

    fn prune(&mut self) -> Op {
        let limit = u32::try_from(1 + self.below(6)).unwrap();
        let before = self.now().before_millis(self.rng.below(2_000));
        let keys_before = before.before_millis(self.rng.below(2) * self.rng.below(1_000));
        let (messages_before, proofs_before, now) = (before, before, self.now());
        Op::Prune { messages_before, keys_before, proofs_before, now, limit }
    }

    /// A question.
    pub(crate) fn question(&mut self) -> Query {
        let limit = u32::try_from(self.below(5)).unwrap();
        match self.below(10) {
            0 => Query::Hooks { since: self.now().before_millis(self.rng.below(400)), limit },
            1 => Query::Mesh(self.mesh_id()),
            2 => Query::FindMesh(format!("mesh-{}", self.below(12))),
            3 => Query::Meshes { after: self.maybe(Traffic::mesh_no), limit },
            4 => Query::Invite(
                self.pick(|traffic| &traffic.invites).map_or([0; 32], |invite| invite.token_hash),
            ),
            5 => {
                let Cursor { mailbox, priority, position } = self.delivery();
                let after = if self.below(2) == 0 { position } else { Position::ZERO };
                Query::Pending { mailbox, priority, after, limit }
            }
            6 => {
                let before = self.now().before_millis(self.rng.below(2_000));
                let (now, after) = (self.now(), self.maybe(Traffic::delivery));
                Query::Overdue { before, now, after, limit: limit * 3 }
            }
            7 => Query::Message(self.delivery().position),
            8 => {
                let (member, after) = (self.member().1, self.delivery().position);
                Query::Mentions {
                    member,
                    after: if self.below(2) == 0 { after } else { Position::ZERO },
                    limit,
                }
            }
            _ => Query::Depth,
        }
    }

    /// Questions whose answers together show everything there is.
    pub(crate) fn inventory(&self) -> Vec<Query> {
        let mut queries = vec![Query::Depth, Query::Meshes { after: None, limit: u32::MAX }];
        queries.push(Query::Hooks { since: Wall::from_millis(0), limit: u32::MAX });
        let before = self.now().after_millis(1);
        queries.push(Query::Overdue { before, now: before, after: None, limit: u32::MAX });
        queries.extend(self.meshes.iter().cloned().map(Query::Mesh));
        queries.extend(self.meshes.iter().map(|id| Query::FindMesh(id.as_str().to_owned())));
        queries.extend(self.invites.iter().map(|invite| Query::Invite(invite.token_hash)));
        queries.extend(self.sent.iter().map(|sent| Query::Message(sent.message.position)));
        let mentions = |member| Query::Mentions { member, after: Position::ZERO, limit: u32::MAX };
        queries.extend(self.members.iter().map(|(_, member)| mentions(*member)));
        for (_, mailbox) in &self.mailboxes {
            let lane = |priority| Query::Pending {
                mailbox: *mailbox,
                priority,
                after: Position::ZERO,
                limit: u32::MAX,
            };
            queries.extend(Priority::ALL.map(lane));
        }
        queries
    }

    /// A look for every key that anybody may have used.
    pub(crate) fn all_keys(&self) -> Vec<Op> {
        let of = |(mesh, sender): &(MeshNo, MailboxNo)| {
            let (mesh, sender) = (*mesh, *sender);
            let find = move |n| Op::Find { mesh, sender, client_message_id: format!("id-{n}").into() };
            (0..30).map(find)
        };
        self.members.iter().flat_map(of).collect()
    }

    fn now(&self) -> Wall {
        Wall::from_millis(self.wall)
    }

    fn word(&mut self) -> String {
        const WORDS: [&str; 6] =
            ["", "soup", "naïve café", "line\nfeed", "tab\tstop", "'; DROP TABLE message; --"];
        WORDS[self.below(WORDS.len())].to_owned()
    }

    fn priority(&mut self) -> Priority {
        Priority::ALL[self.below(3)]
    }

    /// A key, so often the same that keys meet.
    fn key(&mut self) -> PublicKey {
        if self.below(3) == 0
            && let Some(known) = self.pick(|traffic| &traffic.keys)
        {
            return known;
        }
        let key = PublicKey(self.rng.key());
        self.keys.push(key);
        key
    }

    fn presence(&mut self) -> PresenceId {
        let known = self.pick(|traffic| &traffic.presences);
        if self.below(2) == 0 { known } else { None }.unwrap_or_else(|| PresenceId::mint(&mut self.rng))
    }

    fn mesh_id(&mut self) -> MeshId {
        self.pick(|traffic| &traffic.meshes).unwrap_or_else(|| MeshId::new("no such mesh"))
    }

    /// A mesh's number; they are given in order from 1.
    fn mesh_no(&mut self) -> MeshNo {
        let known = self.meshes.len().max(1);
        MeshNo(1 + i64::try_from(self.below(known)).unwrap())
    }

    fn member(&mut self) -> (MeshNo, MailboxNo) {
        let nobody = (self.mesh_no(), MailboxNo(1_000_000));
        self.pick(|traffic| &traffic.members).unwrap_or(nobody)
    }

    /// Where something waits, waited, or never was.
    fn delivery(&mut self) -> Cursor {
        let stranger =
            Cursor { mailbox: self.member().1, priority: self.priority(), position: Position(1 << 40) };
        let Some(sent) = self.pick(|traffic| &traffic.sent) else { return stranger };
        if sent.mailboxes.is_empty() || self.below(10) == 0 {
            return stranger;
        }
        let mailbox = sent.mailboxes[self.below(sent.mailboxes.len())];
        let priority = if self.below(20) == 0 { self.priority() } else { sent.message.priority };
        Cursor { mailbox, priority, position: sent.message.position }
    }

    fn pick<T: Clone>(&mut self, list: impl Fn(&Traffic) -> &Vec<T>) -> Option<T> {
        let place = self.below(list(self).len().max(1));
        list(self).get(place).cloned()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Traffic) -> T) -> Option<T> {
        if self.below(2) == 0 { Some(make(self)) } else { None }
    }

    fn some<T>(&mut self, make: impl Fn(&mut Traffic) -> T) -> Vec<T> {
        let count = self.below(4);
        (0..count).map(|_| make(self)).collect()
    }
}
