//! What a store answers, as bytes: one line for each kind of row.
//!
//! A row that gets another field, or a reply another kind, is missing here until it has its place: the
//! compiler says so. A kind keeps its number; one that goes leaves its number unused.

use std::sync::Arc;

use super::coded::{Coded, Tape, coded_enums, coded_ids, coded_structs, put_counted};
use crate::forward::Forwarded;
use crate::ids::{
    ConnId, Epoch, HistoryEpoch, HookId, InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PublicKey,
    RunnerId, RunnerNo, RunnerSeq, ShardId, Ticket, TopicId, TopicNo,
};
use crate::machine::{Ending, Listener, Memory, Order};
use crate::store::{
    Accepted, Alive, Answer, CheckPage, CheckPart, CheckPlace, CommandRow, Cursor, DaemonFound, DaemonReply,
    DeadReason, DeadRow, Durability, EnrolRefusal, EventRow, EventTries, FedRow, FormerKey, Found, Group,
    History, HookRow, InviteRow, KeptAnswer, KeyRow, LaneCount, Likeness, LiveFound, LiveKnown, LiveLoad,
    LivePlace, LiveReply, LiveRevoked, LiveRow, LiveTopic, MemberRow, MentionRow, MeshLoad, MeshRow, Message,
    MessageView, Outcome, OverdueRow, PeerState, PendingRow, Priority, Profile, Pruned, ReceiptRow, Renamed,
    Reply, Role, RotationRefusal, RunnerDepth, RunnerFound, RunnerLoad, RunnerReply, RunnerRow, SavedStats,
    Seen, SessionRow, SignerRow, Status, StoreError, Stray, StrayKind, Target,
};
use crate::time::{Mono, Wall};

coded_ids! {
    numbers: ConnId, Epoch, HistoryEpoch, MailboxNo, MeshNo, Position, PublicKey, RunnerNo, RunnerSeq,
        ShardId, Ticket, TopicNo;
    texts: HookId, InviteId, MemberId, MeshId, RunnerId, TopicId,
}

impl Coded for Wall {
    fn put(&self, to: &mut Vec<u8>) {
        self.as_millis().put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<Wall> {
        i64::take(from).map(Wall::from_millis)
    }
}

impl Coded for Mono {
    fn put(&self, to: &mut Vec<u8>) {
        self.as_nanos().put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<Mono> {
        u64::take(from).map(Mono::from_nanos)
    }
}

coded_enums! {
    Listener { 0 = Mesh, 1 = Runner, 2 = Live, 3 = Local, 4 = LocalTcp }
    Ending { 0 = Finished, 1 = Broken }
    Order { 0 = Drain, 1 = Feed }
    Forwarded { 0 = Answered { status, retry_after }, 1 = Failed { why } }
    Answer { 0 = Replies(replies), 1 = Found(found) }
    StoreError {
        0 = Unavailable(why), 1 = Busy(why), 2 = Fenced(meshes), 3 = Full, 4 = Corrupt(why), 5 = Unknown(why)
    }
    Reply {
        0 = Runner(reply),
        1 = Live(reply),
        2 = Done,
        3 = Inserted,
        4 = Accepted(accepted),
        5 = Existing,
        6 = Known(seen),
        7 = Free,
        8 = Positions { first, count, secret },
        9 = Owned { epoch, free },
        10 = OwnedElsewhere,
        11 = NoMesh,
        12 = Stranger,
        13 = Enrolled { mailbox },
        14 = EnrolRefused(why),
        15 = Welcome { mailbox, hooked },
        16 = Replayed,
        17 = KeyTaken,
        18 = Pruned(pruned),
        19 = Signer(signer),
        20 = Daemon(reply),
        21 = Rotated(former),
        22 = RotationRefused(why),
    }
    EnrolRefusal { 0 = Exhausted, 1 = KeyTaken }
    RotationRefusal { 0 = Stale, 1 = KeyTaken, 2 = Full { free_at } }
    Found {
        0 = Runner(found),
        1 = Live(found),
        2 = Alive(alive),
        3 = Mesh(load),
        4 = MeshId(id),
        5 = Meshes(meshes),
        6 = Invite(invite),
        7 = Pending(rows),
        8 = Overdue(rows),
        9 = Message(view),
        10 = Mentions(rows),
        11 = Depth(count),
        12 = Checked(page),
        13 = Hooks(hooks),
        14 = Daemon(found),
    }
    Target { 0 = Mailbox(mailbox), 1 = Spec(text) }
    Priority { 0 = Now, 1 = Next, 2 = Low }
    Status { 0 = Idle, 1 = Working, 2 = Dnd }
    Durability { 0 = Synced, 1 = Relaxed }
    Role { 0 = Admin, 1 = Member }
    Outcome { 0 = Delivered, 1 = Expired, 2 = Dead, 3 = Removed }
    CheckPart { 0 = Keys, 1 = Messages, 2 = Tombstones, 3 = Waiting, 4 = Ended }
    StrayKind {
        0 = KeyWithoutMessage, 1 = MessageWithoutKey, 2 = RecipientWithoutFate, 3 = DeliveryWithoutMessage
    }
    RunnerReply {
        0 = Done,
        1 = Inserted,
        2 = Known,
        3 = Missing,
        4 = Requeued(event),
        5 = Owned(load),
        6 = OwnedElsewhere,
        7 = Lost,
        8 = Begun(key),
        9 = Pruned { rows },
    }
    RunnerFound {
        0 = Events(rows),
        1 = Commands(rows),
        2 = Waiting(rows),
        3 = Runners(rows),
        4 = Dead(rows),
        5 = Depth(depth),
    }
    DeadReason { 0 = Refused, 1 = Poison, 2 = TooOld }
    LiveReply {
        0 = Done,
        1 = Owned(load),
        2 = OwnedElsewhere,
        3 = Appended { offset, late },
        4 = Repeated(known),
        5 = Lost,
        6 = Pruned { rows },
        7 = OutOfTurn { fed },
    }
    LiveFound { 0 = Topic(topic), 1 = Revoked(rows), 2 = Fed { rows, top }, 3 = Places(places) }
}

coded_structs! {
    Memory { rss, heap_total, heap_used }
    Accepted { renamed, receipt }
    ReceiptRow { sequence, previous, content, epoch, path, end }
    SignerRow { public, sealed }
    Pruned { messages, buried, tombstones, presences, proofs }
    Seen { position, at, likeness, history_available, receipt }
    Likeness { target, priority, fingerprint, body }
    Alive { lease_ms, durability, history, migrations }
    History { epoch, since, floor }
    MeshLoad { mesh, members, former, sessions, queued, renamed }
    FormerKey { key, member, at, until, below }
    MeshRow {
        no, id, slug, name, owner_key, owner_secret_sealed, root_key_sealed, created_at, members
    }
    MemberRow {
        no, id, key, name, role, role_tag, default_groups, message_mode, joined_at, revoked_at, state
    }
    PeerState { groups, last_groups, profile, visible, summary, display_name, stats, last_seen }
    Group { name, role }
    Profile { avatar, title, bio, capabilities }
    SavedStats { messages_in, messages_out, tool_calls, errors }
    SessionRow { no, key, member, name }
    LaneCount { mailbox, priority, messages, bytes }
    Renamed { position, old }
    InviteRow { id, mesh, token_hash, uses_max, uses, role, expires_at, created_at, revoked_at }
    PendingRow { tries, message }
    OverdueRow { cursor, mesh, bytes }
    Cursor { mailbox, priority, position }
    MessageView { message, pending, settled }
    Message {
        position, mesh, sender, session, target, priority, at, nonce, ciphertext, client_message_id,
        request_fingerprint, reply_to
    }
    MentionRow { position, at, mesh, sender, session, priority, target }
    CheckPage { rows, strays, next }
    CheckPlace { part, from }
    Stray { kind, position, mesh }
    HookRow { id, pid, cwd, status, at }
    RunnerLoad { no, epoch, events, event_bytes, commands }
    EventRow { seq, id, kind, at, tries, text }
    EventTries { sent, failed, failed_since }
    DeadRow { event, died, why, status }
    CommandRow { seq, id, expires, text }
    KeyRow { key, fingerprint, command, at, answer }
    KeptAnswer { status, body }
    RunnerRow { no, id, events, commands, dead }
    RunnerDepth { events, commands, dead }
    LiveLoad { no, epoch, stream, top, fed }
    LivePlace { topic, epoch, top }
    LiveRevoked { change, user, at }
    LiveTopic { history, entities, keys }
    LiveRow { key, version, at, late, gone, text }
    LiveKnown { key, fingerprint, offset, at }
    FedRow { id, topic, key, version, text }
}

/// Daemons are not recorded, so no recording holds an answer to one.
macro_rules! never_recorded {
    ($($Name:ident),+) => {$(
        impl Coded for $Name {
            fn put(&self, _: &mut Vec<u8>) {}

            fn take(_: &mut Tape<'_>) -> Option<$Name> {
                None
            }
        }
    )+};
}

never_recorded!(DaemonFound, DaemonReply);

impl Coded for [i64; 3] {
    fn put(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|number| number.put(to));
    }

    fn take(from: &mut Tape<'_>) -> Option<[i64; 3]> {
        Some([i64::take(from)?, i64::take(from)?, i64::take(from)?])
    }
}
