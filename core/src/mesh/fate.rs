//! What became of a message, and why it waits: the store's word on what ended, and the owner's on the rest.
//!
//! *Decides* who may see which part of it, and the one reason that keeps a delivery waiting, by the rules by
//! which `deliver.rs` pushes. *Always holds:* nothing is inferred: a fact that nobody kept is left out.

use serde_json::Value;

use super::mailbox::{Mailbox, Place};
use super::presence::Presence;
use super::{Cx, Mesh, hex};
use crate::config::size;
use crate::ids::MailboxNo;
use crate::message_id::MessageIds;
use crate::store::{Message, MessageView, Outcome, Status, Target};
use crate::wire::mesh::{Fate, MessageFacts, MessageStory, RecipientRow, States};

/// What somebody may see of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It is the sender: everything.
    Sender,
    /// It is a recipient: its own deliveries.
    Recipient(MailboxNo),
}

/// What keeps a delivery waiting that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// The broker is not sure that the mesh is its own.
    Store,
    /// Nobody is connected who takes it.
    Offline,
    /// Only the session that wrote it is connected.
    Sender,
    /// Whoever takes it does something else.
    Status(Status),
    /// Others go first.
    Lane,
    /// Whoever takes it does not keep up: so many pushes were not acknowledged.
    Rate(usize),
}

impl Wait {
    fn word(self) -> &'static str {
        match self {
            Wait::Store => "store",
            Wait::Offline => "offline",
            Wait::Sender => "sender",
            Wait::Status(_) => "status",
            Wait::Lane => "lane",
            Wait::Rate(_) => "rate",
        }
    }
}

impl Mesh {
    /// Whether a message that was read is one of ours that its sender was told of.
    pub(super) fn is_told(&self, view: &MessageView) -> bool {
        view.message.mesh == self.no && self.place_of(view.message.position).is_err()
    }

    /// A member's part in a message; none for whoever has nothing to do with it.
    pub(super) fn part_of(&self, member: MailboxNo, view: &MessageView) -> Option<Part> {
        if view.message.sender == member {
            return Some(Part::Sender);
        }
        let mut all = mailboxes(view);
        all.any(|no| self.is_of(member, no)).then_some(Part::Recipient(member))
    }

    fn is_of(&self, member: MailboxNo, mailbox: MailboxNo) -> bool {
        self.roster.owner(mailbox).is_some_and(|owner| owner.no == member)
    }

    /// The answer to a member that asks for a message; none when it has no part in it.
    pub(super) fn message_body(
        &self,
        cx: &Cx<'_>,
        ids: &MessageIds,
        view: &MessageView,
        member: MailboxNo,
    ) -> Option<Value> {
        let part = self.part_of(member, view)?;
        let mut rows = self.rows(cx, view, Some(part));
        rows.retain(|row| row.fate.is_some());
        let mut states = States::default();
        rows.iter().filter_map(|row| row.fate.as_ref()).for_each(|fate| states.count(fate.state));
        // What has not ended is what people ask for.
        rows.sort_by_key(|row| row.fate.as_ref().is_some_and(|fate| fate.settled_at.is_some()));
        rows.truncate(size(cx.config.limits.page_rows_max()));
        let story = MessageStory {
            message_id: &self.names.encode(ids, view.message.position),
            mesh_id: self.row.id.as_str(),
            target_spec: &self.target_text(&view.message.target),
            facts: self.facts(cx, view, part),
            states,
            recipients: rows,
        };
        // None of our types refuses to be written.
        serde_json::to_value(&story).ok()
    }

    /// A target as its sender wrote it.
    pub(super) fn target_text(&self, target: &Target) -> String {
        match target {
            Target::Mailbox(no) => hex(self.roster.key_of(*no)),
            Target::Spec(text) => text.to_string(),
        }
    }

    pub(super) fn facts<'a>(&'a self, cx: &Cx<'_>, view: &'a MessageView, part: Part) -> MessageFacts<'a> {
        let message = &view.message;
        let expires_at = message.at.after_millis(cx.config.limits.message_ttl_ms());
        let waits = |part| match part {
            Part::Sender => !view.pending.is_empty(),
            Part::Recipient(member) => view.pending.iter().any(|(no, _)| self.is_of(member, *no)),
        };
        MessageFacts {
            role: match part {
                Part::Sender => "sender",
                Part::Recipient(_) => "recipient",
            },
            sender_name: self.roster.name_of(message.session),
            sender_member_id: self.roster.members.get(message.sender).map_or("", |row| row.id.as_str()),
            sender_pubkey: hex(self.roster.sealing_key(message.session, message.position)),
            priority: message.priority.word(),
            accepted_at: message.at.iso(),
            expires_at: waits(part).then(|| expires_at.iso()),
            durability: cx.store.durability.word(),
            client_message_id: message.client_message_id.as_deref(),
            reply_to_id: message.reply_to.as_deref(),
            as_of: cx.now.wall.iso(),
        }
    }

    /// One row for each delivery, in order of mailboxes; with its fate where the asker may see it.
    pub(super) fn rows(&self, cx: &Cx<'_>, view: &MessageView, part: Option<Part>) -> Vec<RecipientRow<'_>> {
        let sees = |no: MailboxNo| match part {
            Some(Part::Sender) => true,
            Some(Part::Recipient(member)) => self.is_of(member, no),
            None => false,
        };
        let settled = view.settled.iter().map(|(no, at, outcome)| {
            let fate = sees(*no).then(|| Fate { settled_at: Some(at.iso()), ..ended(*outcome) });
            (*no, outcome.word(), fate)
        });
        let pending = view.pending.iter().map(|(no, tries)| {
            let there = self.roster.taker(*no, |_| false).is_some();
            let fate = sees(*no).then(|| self.fate(cx, *no, &view.message, *tries));
            (*no, if there { "held" } else { "disconnected" }, fate)
        });
        let mut rows: Vec<_> = settled.chain(pending).collect();
        rows.sort_by_key(|(no, ..)| *no);
        let row = |(no, status, fate)| RecipientRow {
            name: self.roster.name_of(no),
            pubkey: hex(self.roster.key_of(no)),
            status,
            fate,
        };
        rows.into_iter().map(row).collect()
    }

    /// What is with a delivery that has not ended.
    fn fate(&self, cx: &Cx<'_>, mailbox: MailboxNo, message: &Message, tries: u32) -> Fate {
        let place = self.mailboxes.get(mailbox);
        let place = place.map_or(Place::Ending, |known| known.place_of(message.position, message.priority));
        let queued = |ahead: Option<usize>, attempts: u32| {
            let wait = self.wait(cx, mailbox, message, ahead);
            let status = if let Wait::Status(status) = wait { Some(status.word()) } else { None };
            let unacknowledged = if let Wait::Rate(count) = wait { Some(count) } else { None };
            Fate {
                state: "queued",
                reason: Some(wait.word()),
                recipient_status: status,
                unacknowledged,
                ahead,
                attempts: Some(attempts),
                ..Fate::default()
            }
        };
        match place {
            Place::Leased { until, tries } => {
                let left_ms = until.millis_since(cx.now.mono);
                let passed_ms = cx.config.limits.lease_ms().saturating_sub(left_ms);
                Fate {
                    state: "leased",
                    reason: Some("lease"),
                    attempts: Some(tries),
                    pushed_at: Some(cx.now.wall.before_millis(passed_ms).iso()),
                    leased_until: Some(cx.now.wall.after_millis(left_ms).iso()),
                    ..Fate::default()
                }
            }
            Place::Aside { tries } => queued(None, tries),
            Place::Lane { ahead, tries } => queued(Some(ahead), tries),
            Place::Stored => queued(None, tries),
            Place::Ending => Fate { state: "ending", attempts: Some(tries), ..Fate::default() },
        }
    }

    /// Why a delivery that nobody has is not pushed.
    fn wait(&self, cx: &Cx<'_>, mailbox: MailboxNo, message: &Message, ahead: Option<usize>) -> Wait {
        if !cx.store.sure {
            return Wait::Store;
        }
        let lane = usize::from(message.priority.rank());
        // A session drops what it sent itself.
        let wrote_it =
            |presence: &Presence| presence.mailbox == message.session && presence.mailbox != mailbox;
        let cannot = |presence: &Presence| wrote_it(presence) || !presence.standing.open_lanes()[lane];
        let Some(first) = self.roster.taker(mailbox, |_| false) else { return Wait::Offline };
        let taker = if wrote_it(first) {
            match self.roster.taker(mailbox, cannot).or_else(|| self.roster.taker(mailbox, wrote_it)) {
                Some(stand_in) => stand_in,
                None => return Wait::Sender,
            }
        } else {
            first
        };
        if !taker.standing.open_lanes()[lane] {
            return Wait::Status(taker.standing.status);
        }
        let unacknowledged = self.mailboxes.get(mailbox).map_or(0, Mailbox::leased);
        let has_window = (unacknowledged as u64) < cx.config.limits.unacked_pushes_max();
        let has_room = taker.line().is_some_and(|line| line.room_bytes > 0);
        if ahead == Some(0) && !(has_window && has_room) {
            return Wait::Rate(unacknowledged);
        }
        Wait::Lane
    }
}

impl States {
    fn count(&mut self, state: &str) {
        let place = match state {
            "queued" => &mut self.queued,
            "leased" => &mut self.leased,
            "delivered" => &mut self.delivered,
            "expired" => &mut self.expired,
            "dead" => &mut self.dead,
            _ => &mut self.ending,
        };
        *place += 1;
    }
}

/// Every mailbox a message was accepted for.
fn mailboxes(view: &MessageView) -> impl Iterator<Item = MailboxNo> {
    let settled = view.settled.iter().map(|(no, ..)| *no);
    view.pending.iter().map(|(no, _)| *no).chain(settled)
}

/// How a delivery ended, and why if it is dead.
fn ended(outcome: Outcome) -> Fate {
    let reason = match outcome {
        Outcome::Delivered | Outcome::Expired => None,
        Outcome::Dead => Some("attempts"),
        Outcome::Removed => Some("removed"),
    };
    Fate { state: outcome.word(), reason, ..Fate::default() }
}
