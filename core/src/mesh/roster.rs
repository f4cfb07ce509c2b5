//! Who belongs to a mesh and who is there: members, sessions, presences.
//!
//! *Decides* nothing; it answers who is who. *Always holds:* a key names one mailbox of the mesh.

use std::collections::BTreeMap;

use super::presence::{Link, Presence};
use crate::ids::{MailboxNo, Position, PublicKey};
use crate::kit::index::{Index, Numbered};
use crate::kit::roll::Roll;
use crate::planted::planted;
use crate::rng::Rng;
use crate::store::{FormerKey, Group, MemberRow, MeshLoad, SessionRow};
use crate::surface::{PresenceNo, SessionId};
use crate::time::Wall;

#[derive(Debug)]
pub(crate) struct Roster {
    pub members: Roll<MailboxNo, MemberRow>,
    sessions: Numbered<MailboxNo, SessionRow>,
    keys: Index<PublicKey, MailboxNo>,
    /// Keys that members had before, with whose they were.
    former_keys: BTreeMap<PublicKey, MailboxNo>,
    /// The same, by member, in the order they were replaced.
    former: BTreeMap<MailboxNo, Vec<FormerKey>>,
    /// In the order they said hello.
    presences: Roll<PresenceNo, Presence>,
    /// Each member's presences, oldest first.
    by_member: Numbered<MailboxNo, Vec<PresenceNo>>,
    last_presence: PresenceNo,
}

/// Why a name leads to no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMember {
    Unknown,
    Ambiguous,
}

impl Roster {
    pub(crate) fn new(rng: &mut Rng, load: &mut MeshLoad) -> Roster {
        let mut roster = Roster {
            members: Roll::new(rng),
            sessions: Index::numbered(rng),
            keys: Index::new(rng),
            former_keys: BTreeMap::new(),
            former: BTreeMap::new(),
            presences: Roll::new(rng),
            by_member: Index::numbered(rng),
            last_presence: PresenceNo(0),
        };
        load.members.drain(..).for_each(|member| roster.add_member(member));
        load.former.drain(..).for_each(|former| roster.add_former(former));
        load.sessions.drain(..).for_each(|session| roster.add_session(session));
        roster
    }

    pub(crate) fn add_member(&mut self, member: MemberRow) {
        self.keys.insert(member.key, member.no);
        self.members.insert(member.no, member);
    }

    pub(crate) fn add_session(&mut self, session: SessionRow) {
        self.keys.insert(session.key, session.no);
        self.sessions.insert(session.no, session);
    }

    fn add_former(&mut self, former: FormerKey) {
        self.former_keys.insert(former.key, former.member);
        self.former.entry(former.member).or_default().push(former);
    }

    /// A member has another key. False when it had it already.
    pub(crate) fn rekey(&mut self, former: FormerKey, key: PublicKey) -> bool {
        let Some(row) = self.members.get_mut(former.member).filter(|row| row.key != key) else {
            return false;
        };
        row.key = key;
        self.keys.remove(&former.key);
        self.keys.insert(key, former.member);
        self.presences.for_each_mut(|presence| {
            if presence.member == former.member {
                presence.shown_key = presence.session_key.unwrap_or(key);
            }
        });
        self.add_former(former);
        true
    }

    /// The number for the next presence.
    pub(crate) fn next_presence(&mut self) -> PresenceNo {
        self.last_presence.0 += 1;
        self.last_presence
    }

    pub(crate) fn member_by_key(&self, key: &PublicKey) -> Option<&MemberRow> {
        self.members.get(*self.keys.find(key)?)
    }

    /// The member that had this key before.
    pub(crate) fn member_by_former_key(&self, key: &PublicKey) -> Option<&MemberRow> {
        self.members.get(*self.former_keys.get(key)?)
    }

    /// The key that a member had last.
    pub(crate) fn latest_former(&self, member: MailboxNo) -> Option<&FormerKey> {
        self.former.get(&member)?.last()
    }

    /// The member with this id, key or (when only one has it) name.
    pub(crate) fn member_called(&self, text: &str) -> Result<&MemberRow, NoMember> {
        let key = PublicKey::from_hex(text);
        let by_identity =
            self.members.values().find(|member| member.id.as_str() == text || Some(member.key) == key);
        if let Some(member) = by_identity {
            return Ok(member);
        }
        let mut named =
            self.members.values().filter(|member| member.name == text && member.revoked_at.is_none());
        match (named.next(), named.next()) {
            (Some(member), None) => Ok(member),
            (Some(_), Some(_)) => Err(NoMember::Ambiguous),
            (None, _) => Err(NoMember::Unknown),
        }
    }

    /// The mailbox this key addresses.
    pub(crate) fn mailbox(&self, key: &PublicKey) -> Option<MailboxNo> {
        self.keys.find(key).copied()
    }

    /// The mailbox that this key addresses or addressed.
    pub(crate) fn mailbox_ever(&self, key: &PublicKey) -> Option<MailboxNo> {
        self.mailbox(key).or_else(|| self.former_keys.get(key).copied())
    }

    /// The mailbox that mail to this key goes to: for a while also that of the member who had it.
    pub(crate) fn mailbox_at(&self, key: &PublicKey, now: Wall) -> Option<MailboxNo> {
        self.mailbox(key).or_else(|| {
            let member = self.former_keys.get(key)?;
            let former = self.former.get(member)?.iter().find(|former| former.key == *key)?;
            (former.until > now).then_some(*member)
        })
    }

    /// The key that a message at this position was sealed with when this mailbox sent it.
    pub(crate) fn sealing_key(&self, mailbox: MailboxNo, position: Position) -> Option<PublicKey> {
        let former = self.former.get(&mailbox).map_or(&[][..], Vec::as_slice);
        let at_that_time = former.iter().find(|former| position < former.below);
        let at_that_time = at_that_time.filter(|_| !planted("sealer_forgotten"));
        at_that_time.map(|former| former.key).or_else(|| self.key_of(mailbox))
    }

    /// Whose a mailbox is.
    pub(crate) fn owner(&self, mailbox: MailboxNo) -> Option<&MemberRow> {
        let member = self.sessions.find(&mailbox).map_or(mailbox, |session| session.member);
        self.members.get(member)
    }

    /// Whose a mailbox is, if that member was removed.
    pub(crate) fn removed_owner(&self, mailbox: MailboxNo) -> Option<MailboxNo> {
        self.owner(mailbox).filter(|owner| owner.revoked_at.is_some()).map(|owner| owner.no)
    }

    /// The key that addresses a mailbox.
    pub(crate) fn key_of(&self, mailbox: MailboxNo) -> Option<PublicKey> {
        match self.sessions.find(&mailbox) {
            Some(session) => Some(session.key),
            None => self.members.get(mailbox).map(|member| member.key),
        }
    }

    /// The name a mailbox's mail is signed with: that of its newest presence, else the session's last display
    /// name, else the member's.
    pub(crate) fn name_of(&self, mailbox: MailboxNo) -> &str {
        let session = self.sessions.find(&mailbox);
        let member = session.map_or(mailbox, |session| session.member);
        if let Some(presence) = self.listed_of(member).rfind(|presence| presence.mailbox == mailbox) {
            return &presence.display_name;
        }
        let name = session.and_then(|session| session.name.as_deref());
        name.or_else(|| self.owner(mailbox).map(display_name)).unwrap_or("")
    }

    /// Presences that others see, in the order they connected.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &Presence> {
        self.presences.values().filter(|presence| presence.is_listed())
    }

    /// Presences of one member that others see, oldest first.
    pub(crate) fn listed_of(&self, member: MailboxNo) -> impl DoubleEndedIterator<Item = &Presence> {
        self.by_member.find(&member).into_iter().flatten().filter_map(|no| self.presences.get(*no))
    }

    /// The presence of a member that came last.
    pub(crate) fn newest_of(&mut self, member: MailboxNo) -> Option<&mut Presence> {
        let no = *self.by_member.find(&member)?.last()?;
        self.presences.get_mut(no)
    }

    pub(crate) fn presence(&self, no: PresenceNo) -> Option<&Presence> {
        self.presences.get(no)
    }

    pub(crate) fn presence_mut(&mut self, no: PresenceNo) -> Option<&mut Presence> {
        self.presences.get_mut(no)
    }

    /// All presences, those that only send included.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Presence> {
        self.presences.values()
    }

    /// Changes every presence, those that only send included.
    pub(crate) fn for_each_mut(&mut self, change: impl FnMut(&mut Presence)) {
        self.presences.for_each_mut(change);
    }

    pub(crate) fn add_presence(&mut self, presence: Presence) {
        if presence.is_listed() {
            self.by_member.find_or_insert(presence.member, Vec::new).push(presence.no);
        }
        self.presences.insert(presence.no, presence);
    }

    pub(crate) fn remove_presence(&mut self, no: PresenceNo) -> Option<Presence> {
        let gone = self.presences.remove(no)?;
        if let Some(mine) = self.by_member.find_mut(&gone.member) {
            mine.retain(|other| *other != no);
            if mine.is_empty() {
                self.by_member.remove(&gone.member);
            }
        }
        Some(gone)
    }

    pub(crate) fn session_row(&self, mailbox: MailboxNo) -> Option<&SessionRow> {
        self.sessions.find(&mailbox)
    }

    /// Sessions of everybody who passes `wanted` and is connected.
    pub(crate) fn sessions_where(&self, wanted: impl Fn(&Presence) -> bool) -> Vec<SessionId> {
        self.listed().filter(|presence| wanted(presence)).filter_map(Presence::session).collect()
    }

    /// Who takes the mail of a mailbox: a session's own connection; for a member's, its control-plane
    /// connection, else its newest one. The newest of several. `but` says whose connection does not count.
    pub(crate) fn taker(&self, mailbox: MailboxNo, but: impl Fn(&Presence) -> bool) -> Option<&Presence> {
        let session = self.sessions.find(&mailbox);
        let member = session.map_or(mailbox, |session| session.member);
        let online = || {
            let mine = self.by_member.find(&member).into_iter().flatten().rev();
            mine.filter_map(|no| self.presences.get(*no))
                .filter(|presence| presence.line().is_some() && !but(presence))
        };
        if session.is_some() && !planted("session_mail_to_the_member") {
            return online().find(|presence| presence.mailbox == mailbox);
        }
        online().find(|presence| presence.is_control_plane()).or_else(|| online().next())
    }

    /// The oldest presence in grace, which makes room for a newcomer.
    pub(crate) fn oldest_in_grace(&self) -> Option<PresenceNo> {
        self.listed()
            .filter_map(|presence| match presence.link {
                Link::Grace { until } => Some((until, presence.no)),
                Link::Online(_) => None,
            })
            .min()
            .map(|(_, no)| no)
    }

    /// Where `@group` finds a member that is away: its groups as last known, else its default ones.
    pub(crate) fn groups_away(member: &MemberRow) -> &[Group] {
        member.state.as_ref().map_or(&member.default_groups, |state| &state.last_groups)
    }
}

/// The name a member is shown under while it has no connection.
pub(crate) fn display_name(member: &MemberRow) -> &str {
    member.state.as_ref().and_then(|state| state.display_name.as_deref()).unwrap_or(&member.name)
}
