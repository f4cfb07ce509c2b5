//! "To whom": what a target names, as mailboxes (mesh protocol, addressing).

use std::sync::Arc;

use super::Mesh;
use super::acks::No;
use super::presence::{Presence, is_within};
use super::roster::Roster;
use crate::ids::{MailboxNo, PublicKey};
use crate::stats::Counter;
use crate::store::Target;
use crate::time::Wall;

impl Mesh {
    /// The mailboxes a message of `sender` goes to, fixed from here on.
    pub(super) fn resolve(
        &self,
        sender: &Presence,
        target: &str,
        now: Wall,
    ) -> Result<(Target, Arc<[MailboxNo]>), No> {
        if target == "*" || target == "@all" {
            return Ok((Target::Spec(target.into()), self.everybody(sender.member, None)));
        }
        if let Some(group) = target.strip_prefix('@') {
            return Ok((Target::Spec(target.into()), self.everybody(sender.member, Some(group))));
        }
        if target.starts_with('#') {
            return Err(No::new(Counter::SendNoRecipient, "invalid: not_supported topic"));
        }
        let mailbox = PublicKey::from_hex(target).and_then(|key| self.roster.mailbox_at(&key, now));
        let alive = |no: &MailboxNo| self.roster.owner(*no).is_some_and(|owner| owner.revoked_at.is_none());
        let Some(mailbox) = mailbox.filter(alive) else {
            return Err(No::new(
                Counter::SendNoRecipient,
                "invalid: target_not_found no such peer in this mesh",
            ));
        };
        // A session drops what it sent itself, so such a message could never be acknowledged.
        if sender.session_key.is_some() && sender.mailbox == mailbox {
            return Err(No::new(
                Counter::SendNoRecipient,
                "invalid: target_not_found the target is this very session",
            ));
        }
        Ok((Target::Mailbox(mailbox), Arc::new([mailbox])))
    }

    /// Every session of other members that is there or in its grace, and the mailbox of those who have none.
    fn everybody(&self, but: MailboxNo, group: Option<&str>) -> Arc<[MailboxNo]> {
        let mut mailboxes = Vec::new();
        for member in self.roster.members.values().filter(|row| row.no != but && row.revoked_at.is_none()) {
            let mut there = self.roster.listed_of(member.no).peekable();
            if there.peek().is_none() {
                let groups = Roster::groups_away(member);
                if group.is_none_or(|group| is_within(groups, group)) {
                    mailboxes.push(member.no);
                }
                continue;
            }
            let meant =
                there.filter(|presence| presence.visible && group.is_none_or(|group| presence.is_in(group)));
            // Several connections of a member may share its mailbox; nobody else's does.
            let first = mailboxes.len();
            for presence in meant {
                if !mailboxes[first..].contains(&presence.mailbox) {
                    mailboxes.push(presence.mailbox);
                }
            }
        }
        mailboxes.into()
    }
}
