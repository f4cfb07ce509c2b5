//! Members that get other keys: which key each of them has, who may come in by which, and with which one a
//! member's own mail was sealed.

use std::collections::{BTreeMap, BTreeSet};

use peermesh_core::ids::{ConnId, MailboxNo};
use peermesh_core::store::model::Model;
use peermesh_core::store::{FormerKey, Message, Rotation};

use super::rules::{Judged, Rule, broken};
use super::{Conn, Oracle, Party, Said};
use crate::sim::cast::{Cast, Who};
use crate::sim::marks::{Mark, Tally};
use crate::sim::swarm::PeerKind;
use crate::sim::tap::{Frame, Kind};

/// Keys of members, as far as they can be known.
#[derive(Debug, Default)]
pub(super) struct Rotations {
    /// What members have in the store, by their mailboxes.
    holds: BTreeMap<MailboxNo, String>,
    /// Keys that were asked for, with whose they are to be.
    asked: BTreeMap<String, Who>,
    /// What somebody was told that a member has.
    told: BTreeMap<Who, String>,
}

impl Rotations {
    pub(super) fn new(cast: &Cast) -> Rotations {
        let members = cast.meshes.iter().flat_map(|mesh| &mesh.members);
        let holds = members.map(|member| (member.mailbox, member.key.hex())).collect();
        Rotations { holds, ..Rotations::default() }
    }
}

impl Oracle {
    /// The key that a member has in the store.
    pub(super) fn key_of(&self, member: MailboxNo) -> &str {
        self.rotations.holds.get(&member).map_or("", String::as_str)
    }

    /// Somebody asks for that key in the place of a member's.
    pub(in crate::sim) fn rotation_asked(&mut self, who: Who, key: &str) {
        self.rotations.asked.insert(key.to_owned(), who);
    }

    /// A client greets as its member by that key, or by that key's word.
    pub(in crate::sim) fn greets(&mut self, conn: ConnId, member_key: &str) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.greeted = Some(member_key.to_owned());
        }
    }

    /// A client sends under that key what it sealed as the member it greeted as.
    pub(in crate::sim) fn seals(&mut self, conn: ConnId, who: Who, key: &str) {
        let Some(Conn { greeted: Some(by), party: Party::Peer { kind, .. }, .. }) = self.conns.get(&conn)
        else {
            return;
        };
        if let (PeerKind::Member | PeerKind::SendOnly, Some(sent)) =
            (kind, self.ledger.sent.get_mut(&(who, key.to_owned())))
        {
            sent.sealers.insert(by.clone());
        }
    }

    /// A key was replaced: the one that the member had, by one that somebody asked for it.
    pub(super) fn rotated(
        &mut self,
        rotation: &Rotation,
        former: &FormerKey,
        cast: &Cast,
        tally: &mut Tally,
    ) -> Judged {
        let (old, key) = (rotation.old.hex(), rotation.key.hex());
        let has = self.rotations.holds.get(&rotation.member).cloned().unwrap_or_default();
        if former.key != rotation.old || former.member != rotation.member {
            return broken(Rule::I22, format!("{old} gives way to {key}, and {former:?} is told"));
        }
        if has == key {
            tally.mark(Mark::RotatedAgain);
            return Ok(());
        }
        let asked = self.rotations.asked.get(&key).map(|who| cast.member(*who).mailbox);
        if has != old || asked != Some(rotation.member) {
            return broken(Rule::I22, format!("{key} replaces {old} of {asked:?}, who has {has}"));
        }
        tally.mark(Mark::Rotated);
        self.rotations.holds.insert(rotation.member, key);
        Ok(())
    }

    /// The key that a member's own message was sealed with: the one that it has in the store at that moment.
    /// A client that greeted by it must have sent it.
    pub(super) fn sealed_by(
        &self,
        message: &Message,
        sealers: Option<&BTreeSet<String>>,
    ) -> Result<Option<String>, super::rules::Violation> {
        let has = self.rotations.holds.get(&message.session).filter(|_| message.session == message.sender);
        let Some(has) = has else { return Ok(None) };
        if let Some(sealers) = sealers.filter(|sealers| !sealers.is_empty() && !sealers.contains(has)) {
            let at = message.position;
            let text = format!("{at} was sealed by {sealers:?} and is stored while {has} is the key");
            return Err(super::rules::Violation { rule: Rule::I22, text });
        }
        Ok(Some(has.clone()))
    }

    /// Whoever asked for a key is told that the member has it.
    pub(super) fn rotation_told(&mut self, conn: ConnId, status: u16, cast: &Cast) -> Judged {
        let Some(Party::Rotator { who, key }) = self.conns.get(&conn).map(|conn| conn.party.clone()) else {
            return Ok(());
        };
        if status != 200 {
            return Ok(());
        }
        if self.rotations.holds.get(&cast.member(who).mailbox) != Some(&key) {
            return broken(Rule::I22, format!("{key} is told as the key of {who:?}, and is not"));
        }
        if self.rotations.told.insert(who, key.clone()).as_ref() != Some(&key) {
            let known = &mut self.keys[who.mesh];
            known.insert(key);
        }
        Ok(())
    }

    /// Nobody is let in, and nothing is pushed to anybody, by a key that is told to be replaced.
    pub(super) fn judge_key(&self, said: &Said<'_>, model: &Model, cast: &Cast, frame: &Frame) -> Judged {
        let Some(Conn { greeted: Some(by), party: Party::Peer { who, .. }, .. }) = self.conns.get(&said.conn)
        else {
            return Ok(());
        };
        // A broker that has slept, and does not know that it lost the mesh, answers what needs no commit, and
        // what it had committed before the key was replaced.
        let owner = model.owner_of(cast.meshes[who.mesh].no).map(|(owner, _)| owner);
        let is_mail = frame.kind == Kind::Push && frame.subtype.is_empty();
        let is_in = is_mail || frame.kind == Kind::HelloAck && owner == Some(said.number);
        match self.rotations.told.get(who) {
            Some(key) if key != by && is_in && said.is_prompt => {
                broken(Rule::I22, format!("{} hears {:?} by {by}, replaced by {key}", said.conn, frame.kind))
            }
            Some(_) | None => Ok(()),
        }
    }
}
