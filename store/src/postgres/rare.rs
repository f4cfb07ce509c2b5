//! Operations that are not mail, as the JSON objects that the write function performs, and its replies.

use data_encoding::HEXLOWER;
use peermesh_core::ids::{Epoch, MailboxNo, PresenceId, PublicKey, RunnerNo, TopicNo};
use peermesh_core::store::{
    Accept, Accepted, Claimant, Enrol, EnrolRefusal, Fence, FormerKey, Hello, HookRow, InviteRow, LiveLoad,
    LiveOp, LiveReply, NewMesh, Op, PeerState, PresenceRow, Pruned, Reply, Rotation, RotationRefusal,
    RunnerLoad, RunnerOp, RunnerReply,
};
use peermesh_core::time::Wall;
use serde::Deserialize;
use serde_json::{Value, json};

use super::live::{self, SaidKnown};
use super::receipts::{self, SaidAsked};
use super::runner::{self, SaidEvent, SaidKey};
use crate::rows::{self, BadRow};

/// Whether an operation draws a number that nobody else may draw at the same time.
pub(super) fn draws(op: &Op) -> bool {
    match op {
        Op::LeasePositions { .. } | Op::CreateMesh(_) | Op::Enrol(_) => true,
        Op::Runner(op) => matches!(op, RunnerOp::Claim { .. }),
        Op::Live(op) => matches!(op, LiveOp::Claim { .. }),
        Op::Hello(hello) => hello.session.is_some(),
        _ => false,
    }
}

/// An operation; none for mail.
pub(super) fn json(op: &Op) -> Option<Value> {
    let mut value = match op {
        Op::Accept(_) | Op::Find { .. } | Op::Settle(_) | Op::Tried { .. } => return None,
        Op::KeepSigner(signer) => receipts::keep_signer(signer),
        Op::Runner(op) => runner::json(op),
        Op::Live(op) => live::json(op),
        // The function knows no such word, and writes nothing of a batch in which it stands.
        Op::Daemon(_) => json!({ "do": "daemon" }),
        Op::Claim { mesh, by, at } => claim(mesh.as_str(), *by, *at),
        Op::Release(scopes) => {
            json!({ "do": "release", "scopes": scopes.iter().map(scope).collect::<Vec<_>>() })
        }
        Op::LeasePositions { count } => {
            json!({ "do": "lease_positions", "count": rows::count_column(*count) })
        }
        Op::CreateMesh(mesh) => create_mesh(mesh),
        Op::CreateInvite(invite) => create_invite(invite),
        Op::Enrol(row) => enrol(row),
        Op::SetRevoked { member, at } => {
            json!({ "do": "set_revoked", "member": member.0, "at": at.map(millis) })
        }
        Op::Rotate(rotation) => rotate(rotation),
        Op::Hello(row) => hello(row),
        Op::Prove { proof, by, until } => json!({
            "do": "prove", "proof": HEXLOWER.encode(proof), "by": by.cast_signed(), "until": millis(*until),
        }),
        Op::EndPresences { ids, at } => {
            let ids: Vec<&str> = ids.iter().map(PresenceId::as_str).collect();
            json!({ "do": "end_presences", "ids": ids, "at": millis(*at) })
        }
        Op::SavePeer { member, state } => save_peer(*member, state),
        Op::KeepHook { hook, stale_before } => keep_hook(hook, *stale_before),
        Op::ApplyHook { hook, presence, at } => json!({
            "do": "apply_hook", "hook": hook.as_str(), "presence": presence.as_str(), "at": millis(*at),
        }),
        Op::Prune { messages_before, keys_before, proofs_before, now, limit } => json!({
            "do": "prune", "messages_before": millis(*messages_before), "keys_before": millis(*keys_before),
            "proofs_before": millis(*proofs_before), "now": millis(*now), "limit": limit,
        }),
    };
    replace_nul(&mut value);
    Some(value)
}

/// What a message asks for besides being kept; none for nearly all.
pub(super) fn asked(accept: &Accept) -> Option<Value> {
    let Accept { message, old, .. } = accept;
    let (pos, old) = (rows::position_column(message.position), rows::position_column((*old)?));
    Some(json!({ "do": "rename", "pos": pos, "old": old, "mesh": message.mesh.0 }))
}

fn claim(mesh: &str, by: Claimant, at: Wall) -> Value {
    let mut op = json!({ "do": "claim", "mesh": mesh, "at": millis(at) });
    match by {
        Claimant::Broker => {}
        Claimant::Owner(key) => op["owner"] = key.hex().into(),
        Claimant::Member(key) => op["member"] = key.hex().into(),
    }
    op
}

fn scope(fence: &Fence) -> Value {
    json!({ "mesh": fence.mesh.0, "epoch": rows::count_column(fence.epoch.0) })
}

fn create_mesh(mesh: &NewMesh) -> Value {
    json!({
        "do": "create_mesh", "id": mesh.id.as_str(), "slug": mesh.slug, "name": mesh.name,
        "owner_key": mesh.owner_key.hex(), "owner_secret": HEXLOWER.encode(&mesh.owner_secret_sealed),
        "root_key": HEXLOWER.encode(&mesh.root_key_sealed), "created_at": millis(mesh.created_at),
    })
}

fn create_invite(invite: &InviteRow) -> Value {
    json!({
        "do": "create_invite", "id": invite.id.as_str(), "mesh": invite.mesh.0,
        "token_hash": HEXLOWER.encode(&invite.token_hash), "uses_max": invite.uses_max, "uses": invite.uses,
        "role": invite.role.word(), "expires_at": millis(invite.expires_at),
        "created_at": millis(invite.created_at), "revoked_at": invite.revoked_at.map(millis),
    })
}

fn enrol(row: &Enrol) -> Value {
    json!({
        "do": "enrol", "invite": row.invite.as_str(), "mesh": row.mesh.0, "id": row.id.as_str(),
        "key": row.key.hex(), "name": row.name, "role": row.role.word(), "at": millis(row.at),
    })
}

fn rotate(rotation: &Rotation) -> Value {
    let &Rotation { mesh, member, old, key, at, until, below, former_keys_max } = rotation;
    json!({
        "do": "rotate", "mesh": mesh.0, "member": member.0, "old": old.hex(), "key": key.hex(),
        "at": millis(at), "until": millis(until), "below": rows::position_column(below),
        "former_keys_max": rows::count_column(former_keys_max),
    })
}

fn hello(row: &Hello) -> Value {
    let mut op = json!({
        "do": "hello", "mesh": row.mesh.0, "member": row.member.0, "proof": HEXLOWER.encode(&row.proof),
        "proof_by": row.proof_by.cast_signed(), "proof_until": millis(row.proof_until), "at": millis(row.at),
        "hooks_since": millis(row.hooks_since),
    });
    if let Some((key, name)) = &row.session {
        op["session_key"] = key.hex().into();
        op["session_name"] = name.clone().into();
    }
    if let Some(row) = &row.presence {
        op["presence"] = presence(row);
    }
    op
}

fn presence(row: &PresenceRow) -> Value {
    json!({
        "id": row.id.as_str(), "kind": row.kind.word(), "session_id": row.session_id, "pid": row.pid,
        "cwd": row.cwd, "connected_at": millis(row.connected_at),
    })
}

fn save_peer(member: MailboxNo, state: &PeerState) -> Value {
    json!({
        "do": "save_peer", "member": member.0, "groups": state.groups, "last_groups": state.last_groups,
        "profile": state.profile, "visible": state.visible, "summary": state.summary,
        "display_name": state.display_name, "stats": state.stats, "last_seen": millis(state.last_seen),
    })
}

fn keep_hook(hook: &HookRow, stale_before: Wall) -> Value {
    json!({
        "do": "keep_hook", "id": hook.id.as_str(), "pid": hook.pid, "cwd": hook.cwd,
        "status": hook.status.word(), "at": millis(hook.at), "stale_before": millis(stale_before),
    })
}

fn millis(at: Wall) -> i64 {
    at.as_millis()
}

/// Postgres has no place in a text for U+0000. Its picture stands for it in what is written for people; mail
/// is kept as bytes and keeps it.
fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = without_nul(text),
        Value::Array(values) => values.iter_mut().for_each(replace_nul),
        Value::Object(fields) => fields.values_mut().for_each(replace_nul),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text as it is kept, and looked up.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

/// Bytes from hexadecimal digits.
pub(super) fn unhex(text: &str) -> Result<Vec<u8>, BadRow> {
    HEXLOWER.decode(text.as_bytes()).map_err(|_| BadRow("hexadecimal digits that are none"))
}

/// A reply of the write function.
#[derive(Debug, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Said {
    Done,
    Inserted,
    Accepted { renamed: bool },
    Signer { public: String, sealed: String },
    Existing,
    Positions { first: i64, count: i64, secret: String },
    Owned { epoch: i64, free: i64 },
    OwnedElsewhere,
    NoMesh,
    Stranger,
    Enrolled { mailbox: i64 },
    Receipts { of: Vec<SaidAsked> },
    Exhausted,
    EnrolKeyTaken,
    Rotated { key: String, member: i64, at: i64, until: i64, below: i64 },
    RotationStale,
    RotationKeyTaken,
    RotationFull { free_at: i64 },
    Welcome { mailbox: i64, hooked: Option<String> },
    Replayed,
    KeyTaken,
    Pruned { messages: i64, buried: i64, tombstones: i64, presences: i64, proofs: i64 },
    RunnerDone,
    RunnerInserted,
    RunnerKnown,
    RunnerMissing,
    RunnerElsewhere,
    RunnerLost,
    RunnerRequeued(SaidEvent),
    RunnerBegun(SaidKey),
    RunnerOwned { runner: i64, epoch: i64, events: i64, bytes: i64, commands: i64 },
    RunnerPruned { rows: i64 },
    LiveDone,
    LiveElsewhere,
    LiveLost,
    LiveOwned { topic: i64, epoch: i64, stream: Box<str>, top: i64, fed: i64 },
    LiveAppended { offset: i64, late: Vec<i64> },
    LiveRepeated(SaidKnown),
    LiveOutOfTurn { fed: i64 },
    LivePruned { rows: i64 },
}

impl Said {
    /// The same for the core.
    pub(super) fn reply(self) -> Result<Reply, BadRow> {
        Ok(match self {
            Said::Done => Reply::Done,
            Said::Inserted => Reply::Inserted,
            Said::Accepted { renamed } => Reply::Accepted(Accepted { renamed, receipt: None }),
            Said::Signer { public, sealed } => receipts::signer(&public, &sealed)?,
            Said::Receipts { .. } => return Err(BadRow("receipts that nobody asked for")),
            Said::Existing => Reply::Existing,
            Said::Positions { first, count, secret } => Reply::Positions {
                first: rows::position(first)?,
                count: rows::count(count)?,
                secret: rows::bytes_32(&unhex(&secret)?)?,
            },
            Said::Owned { epoch, free } => {
                Reply::Owned { epoch: Epoch(rows::count(epoch)?), free: rows::position(free)? }
            }
            Said::OwnedElsewhere => Reply::OwnedElsewhere,
            Said::NoMesh => Reply::NoMesh,
            Said::Stranger => Reply::Stranger,
            Said::Enrolled { mailbox } => Reply::Enrolled { mailbox: MailboxNo(mailbox) },
            Said::Exhausted => Reply::EnrolRefused(EnrolRefusal::Exhausted),
            Said::EnrolKeyTaken => Reply::EnrolRefused(EnrolRefusal::KeyTaken),
            Said::Rotated { key, member, at, until, below } => Reply::Rotated(FormerKey {
                key: PublicKey(rows::bytes_32(&unhex(&key)?)?),
                member: MailboxNo(member),
                at: Wall::from_millis(at),
                until: Wall::from_millis(until),
                below: rows::position(below)?,
            }),
            Said::RotationStale => Reply::RotationRefused(RotationRefusal::Stale),
            Said::RotationKeyTaken => Reply::RotationRefused(RotationRefusal::KeyTaken),
            Said::RotationFull { free_at } => {
                Reply::RotationRefused(RotationRefusal::Full { free_at: Wall::from_millis(free_at) })
            }
            Said::Welcome { mailbox, hooked } => Reply::Welcome {
                mailbox: MailboxNo(mailbox),
                hooked: hooked.as_deref().map(rows::status).transpose()?,
            },
            Said::Replayed => Reply::Replayed,
            Said::KeyTaken => Reply::KeyTaken,
            Said::Pruned { messages, buried, tombstones, presences, proofs } => Reply::Pruned(Pruned {
                messages: rows::small_count(messages)?,
                buried: rows::small_count(buried)?,
                tombstones: rows::small_count(tombstones)?,
                presences: rows::small_count(presences)?,
                proofs: rows::small_count(proofs)?,
            }),
            Said::RunnerDone => Reply::Runner(RunnerReply::Done),
            Said::RunnerInserted => Reply::Runner(RunnerReply::Inserted),
            Said::RunnerKnown => Reply::Runner(RunnerReply::Known),
            Said::RunnerMissing => Reply::Runner(RunnerReply::Missing),
            Said::RunnerElsewhere => Reply::Runner(RunnerReply::OwnedElsewhere),
            Said::RunnerLost => Reply::Runner(RunnerReply::Lost),
            Said::RunnerRequeued(event) => Reply::Runner(RunnerReply::Requeued(Box::new(event.row()?))),
            Said::RunnerBegun(key) => Reply::Runner(RunnerReply::Begun(Box::new(key.row()?))),
            Said::RunnerOwned { runner, epoch, events, bytes, commands } => {
                Reply::Runner(RunnerReply::Owned(Box::new(RunnerLoad {
                    no: RunnerNo(runner),
                    epoch: Epoch(rows::count(epoch)?),
                    events: rows::count(events)?,
                    event_bytes: rows::count(bytes)?,
                    commands: rows::count(commands)?,
                })))
            }
            Said::RunnerPruned { rows } => {
                Reply::Runner(RunnerReply::Pruned { rows: rows::small_count(rows)? })
            }
            Said::LiveDone => Reply::Live(LiveReply::Done),
            Said::LiveElsewhere => Reply::Live(LiveReply::OwnedElsewhere),
            Said::LiveLost => Reply::Live(LiveReply::Lost),
            Said::LiveOwned { topic, epoch, stream, top, fed } => {
                Reply::Live(LiveReply::Owned(Box::new(LiveLoad {
                    no: TopicNo(topic),
                    epoch: Epoch(rows::count(epoch)?),
                    stream,
                    top: rows::count(top)?,
                    fed: rows::count(fed)?,
                })))
            }
            Said::LiveAppended { offset, late } => {
                let late = late.into_iter().map(rows::count).collect::<Result<_, _>>()?;
                Reply::Live(LiveReply::Appended { offset: rows::count(offset)?, late })
            }
            Said::LiveRepeated(known) => Reply::Live(LiveReply::Repeated(known.row()?)),
            Said::LiveOutOfTurn { fed } => Reply::Live(LiveReply::OutOfTurn { fed: rows::count(fed)? }),
            Said::LivePruned { rows } => Reply::Live(LiveReply::Pruned { rows: rows::small_count(rows)? }),
        })
    }
}

#[cfg(test)]
mod tests {
    use peermesh_core::ids::{HookId, MeshId};
    use peermesh_core::store::Status;

    use super::*;

    #[test]
    fn a_text_that_postgres_cannot_hold_is_written_with_a_picture_in_its_place() {
        let hook = HookRow {
            id: HookId::new("a"),
            pid: 1,
            cwd: "/tmp/\0\0x".into(),
            status: Status::Idle,
            at: Wall::from_millis(1),
        };
        let op = Op::KeepHook { hook: Box::new(hook), stale_before: Wall::from_millis(0) };
        let text = json(&op).unwrap().to_string();
        assert!(text.contains("/tmp/\u{2400}\u{2400}x"), "{text}");
    }

    #[test]
    fn a_claim_says_whose_wish_it_is() {
        let by = |by| json(&Op::Claim { mesh: MeshId::new("m"), by, at: Wall::from_millis(5) }).unwrap();
        let key = PublicKey([7; 32]);
        assert_eq!(by(Claimant::Broker), json!({ "do": "claim", "mesh": "m", "at": 5 }));
        assert_eq!(by(Claimant::Owner(key))["owner"], key.hex());
        assert_eq!(by(Claimant::Member(key))["member"], key.hex());
    }

    #[test]
    fn a_reply_that_makes_no_sense_is_refused() {
        let said = |text: &str| serde_json::from_str::<Said>(text).map(Said::reply);
        let pruned =
            r#"{"is": "pruned", "messages": 3, "buried": 2, "tombstones": 1, "presences": 0, "proofs": 0}"#;
        let wanted = Pruned { messages: 3, buried: 2, tombstones: 1, ..Pruned::default() };
        assert_eq!(said(pruned).unwrap().unwrap(), Reply::Pruned(wanted));
        assert!(said(r#"{"is": "owned", "epoch": -1, "free": 1}"#).unwrap().is_err());
        assert!(said(r#"{"is": "welcome", "mailbox": 1, "hooked": "asleep"}"#).unwrap().is_err());
        assert!(said(r#"{"is": "maybe"}"#).is_err());
    }
}
