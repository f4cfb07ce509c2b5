//! One presence: a peer in a mesh, from its hello to the end of its grace.

use std::collections::VecDeque;

use crate::ids::{MailboxNo, Position, PresenceId, PublicKey};
use crate::store::{Group, PresenceKind, Profile};
use crate::surface::{PresenceNo, SessionId};
use crate::time::{Mono, Wall};
use crate::wire::mesh::Stats;

use super::features::Dialect;
use super::seat::Swaps;
use super::status::Standing;

#[derive(Debug)]
pub(crate) struct Presence {
    pub no: PresenceNo,
    pub id: PresenceId,
    pub kind: PresenceKind,
    /// Whose it is.
    pub member: MailboxNo,
    /// The mailbox of its session key, or the member's.
    pub mailbox: MailboxNo,
    pub session_key: Option<PublicKey>,
    /// What others see as its key: the session's, else the member's.
    pub shown_key: PublicKey,
    pub display_name: String,
    pub session_id: String,
    pub pid: i64,
    pub cwd: String,
    pub hostname: Option<String>,
    pub channel: Option<String>,
    pub model: Option<String>,
    pub peer_type: Option<String>,
    pub groups: Vec<Group>,
    pub visible: bool,
    pub told: Told,
    pub profile: Profile,
    pub summary: Option<String>,
    pub stats: Option<Stats>,
    pub standing: Standing,
    pub swaps: Swaps,
    pub connected_at: Wall,
    /// Sends only: no mail, no roster entry, no grace.
    pub send_only: bool,
    pub link: Link,
}

/// What the others were told of a presence's visibility.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// It has changed since, and a list may have shown so.
    pub is_stale: bool,
    /// They hear nothing else before.
    pub until: Mono,
}

/// Whether somebody is at the other end.
#[derive(Debug)]
pub(crate) enum Link {
    Online(Line),
    /// The connection ended; the presence ends at that moment unless the peer comes back.
    Grace {
        until: Mono,
    },
}

/// The live connection of a presence.
#[derive(Debug)]
pub(crate) struct Line {
    pub session: SessionId,
    /// False for clients that never acknowledge: a pong that follows a push counts for them.
    pub acknowledges: bool,
    /// What the peer said that it understands.
    pub dialect: Dialect,
    /// Bytes the connection can take before its outbox is full.
    pub room_bytes: usize,
    /// Mail waits only for that room.
    pub starved: bool,
    /// Sends that are not answered yet.
    pub unanswered: u64,
    /// Pushes to a client that never acknowledges, oldest first.
    pub legacy: VecDeque<LegacyPush>,
}

/// A push to a client that never acknowledges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LegacyPush {
    pub mailbox: MailboxNo,
    pub position: Position,
    /// When a ping must follow.
    pub ping_at: Mono,
    /// The ping that followed it.
    pub pinged: Option<u64>,
}

impl Line {
    pub(crate) fn new(session: SessionId, acknowledges: bool, dialect: Dialect, room_bytes: usize) -> Line {
        Line {
            session,
            acknowledges,
            dialect,
            room_bytes,
            starved: false,
            unanswered: 0,
            legacy: VecDeque::new(),
        }
    }
}

impl Presence {
    pub(crate) fn line(&self) -> Option<&Line> {
        match &self.link {
            Link::Online(line) => Some(line),
            Link::Grace { .. } => None,
        }
    }

    pub(crate) fn line_mut(&mut self) -> Option<&mut Line> {
        match &mut self.link {
            Link::Online(line) => Some(line),
            Link::Grace { .. } => None,
        }
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        self.line().map(|line| line.session)
    }

    /// True when its end of grace has come.
    pub(crate) fn is_over(&self, now: Mono) -> bool {
        matches!(self.link, Link::Grace { until } if until <= now)
    }

    /// True for peers that others can see and write to.
    pub(crate) fn is_listed(&self) -> bool {
        !self.send_only
    }

    /// True when it is in that group or in one below it: `a/b` is in `a`.
    pub(crate) fn is_in(&self, group: &str) -> bool {
        is_within(&self.groups, group)
    }

    /// True for the connection that a member's own mail goes to first.
    pub(crate) fn is_control_plane(&self) -> bool {
        self.kind == PresenceKind::ControlPlane && self.session_key.is_none()
    }
}

/// True when one of `groups` is `group` or lies below it.
pub(crate) fn is_within(groups: &[Group], group: &str) -> bool {
    groups.iter().any(|mine| {
        mine.name.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_a_subgroup_is_in_the_groups_above_it() {
        let groups = [Group { name: "team/ui".to_owned(), role: None }];
        assert!(is_within(&groups, "team") && is_within(&groups, "team/ui"));
        assert!(!is_within(&groups, "te") && !is_within(&groups, "team/ui/x") && !is_within(&groups, "ui"));
    }
}
