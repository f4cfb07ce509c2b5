//! Whom a send mentions: entries of `mentions` to members of the mesh (mesh protocol 3.2).
//!
//! *Decides* who is meant by an id, a key or a name, and what is said of entries that mean nobody.
//! *Always holds:* mentions are written in the accept of their message or never; a send is not refused since
//! an entry means nobody.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::acks::No;
use super::retention::age_by;
use super::roster::display_name;
use super::{Cx, Mesh, hex};
use crate::config::size;
use crate::ids::{MailboxNo, PublicKey};
use crate::message_id::MessageIds;
use crate::stats::Counter;
use crate::store::{MemberRow, MentionRow, Target};
use crate::time::Wall;

/// The mentions of a send, looked up.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentioned {
    /// Member mailboxes, ascending, each once, without the sender's.
    pub members: Arc<[MailboxNo]>,
    /// Entries that mean no active member, as written.
    pub unknown: Vec<Box<str>>,
}

impl Mesh {
    /// Looks up what a send of `sender` mentions; none for a send without mentions.
    pub(super) fn mentioned(
        &self,
        sender: MailboxNo,
        mentions: &[Cow<'_, str>],
        cx: &Cx<'_>,
    ) -> Result<Option<Box<Mentioned>>, No> {
        if mentions.is_empty() {
            return Ok(None);
        }
        let active = || self.roster.members.values().filter(|row| row.revoked_at.is_none());
        let names: Vec<Vec<String>> = active().map(|row| self.names_of(row)).collect();
        let (mut members, mut unknown) = (Vec::new(), Vec::new());
        for text in mentions {
            let before = members.len();
            match self.mentioned_by_identity(text, age_by(self.began, cx.now)) {
                Some(member) => members.push(member.no),
                None => {
                    let name = text.strip_prefix('@').unwrap_or(text).to_lowercase();
                    let named = active().zip(&names).filter(|(_, names)| names.contains(&name));
                    members.extend(named.map(|(row, _)| row.no));
                }
            }
            if members.len() == before {
                unknown.push((&**text).into());
            }
        }
        members.sort_unstable();
        members.dedup();
        members.retain(|no| *no != sender);
        let (count, max) = (members.len() as u64, cx.config.limits.mentioned_members_max());
        if count > max {
            let text = format!("invalid: schema mentions name {count} members, at most {max} are taken");
            return Err(No::new(Counter::SendBad, text));
        }
        Ok(Some(Box::new(Mentioned { members: members.into(), unknown })))
    }

    /// The answer to a member that asks who mentions it; `asked` is where it went on from, and how many rows
    /// it wanted.
    pub(super) fn mentions_body(
        &self,
        cx: &Cx<'_>,
        ids: &MessageIds,
        member: MailboxNo,
        (after, limit): (Option<&str>, u32),
        rows: &[MentionRow],
    ) -> Value {
        let mentions: Vec<Value> = rows
            .iter()
            .filter(|row| row.mesh == self.no)
            .map(|row| self.mention_body(ids, member, row))
            .collect();
        // A cursor of another history is told from one of this: what stood behind it is lost.
        let epoch = cx.history_epoch().unwrap_or_default();
        let cursor = |row: &MentionRow| format!("{epoch}:{}", &*ids.cursor(self.no, member, row.position));
        let last = rows.last().map(cursor);
        json!({
            "mentions": mentions,
            "next": last.as_deref().or(after),
            "more": rows.len() >= size(u64::from(limit)),
        })
    }

    /// A message to somebody else does not say to whom.
    fn mention_body(&self, ids: &MessageIds, member: MailboxNo, row: &MentionRow) -> Value {
        let sender = self.roster.members.get(row.sender);
        let mut body = json!({
            "messageId": &*self.names.encode(ids, row.position),
            "createdAt": row.at.iso(),
            "priority": row.priority.word(),
            "senderName": self.roster.name_of(row.session),
            "senderMemberId": sender.map_or("", |row| row.id.as_str()),
            "senderPubkey": hex(self.roster.sealing_key(row.session, row.position)),
        });
        let is_secret = match &row.target {
            Target::Mailbox(no) => self.roster.owner(*no).is_none_or(|owner| owner.no != member),
            Target::Spec(_) => false,
        };
        if !is_secret {
            body["targetSpec"] = self.target_text(&row.target).into();
        }
        body
    }

    /// The active member with that id or key; a session's key means its member.
    fn mentioned_by_identity(&self, text: &str, now: Wall) -> Option<&MemberRow> {
        let by_key = || self.roster.owner(self.roster.mailbox_at(&PublicKey::from_hex(text)?, now)?);
        let by_id = || self.roster.members.values().find(|row| row.id.as_str() == text);
        by_key().or_else(by_id).filter(|row| row.revoked_at.is_none())
    }

    /// The names a member goes by, in lower case: the one it joined under, the one it used last, and those of
    /// its presences.
    fn names_of(&self, row: &MemberRow) -> Vec<String> {
        let there = self.roster.listed_of(row.no).map(|presence| presence.display_name.as_str());
        [row.name.as_str(), display_name(row)].into_iter().chain(there).map(str::to_lowercase).collect()
    }
}
