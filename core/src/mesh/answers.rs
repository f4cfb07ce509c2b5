//! What a peer can ask: who is there, and what became of a message.

use super::enquiry::is_id;
use super::presence::Presence;
use super::profile::refuse;
use super::roster::display_name;
use super::{Cx, Mesh, Then, hex};
use crate::config::size;
use crate::ids::{MailboxNo, Position};
use crate::message_id::{ID_CHARS, MessageIds, PREFIX_CHARS_MIN};
use crate::planted::planted;
use crate::store::{Ended, Found, Outcome, Query};
use crate::surface::{PresenceNo, SessionId};
use crate::time::Wall;
use crate::wire::mesh::{MessageStatusResult, PeerRow, PeersList};

/// Somebody who asked for a message's fate.
#[derive(Debug)]
pub(crate) struct StatusAsked {
    pub(super) asker: (PresenceNo, SessionId),
    /// As asked.
    message_id: String,
    request: Option<String>,
}

impl Mesh {
    /// `list_peers` (3.6). Hidden peers are seen by their own member only.
    pub(super) fn list_peers(
        &self,
        cx: &mut Cx<'_>,
        (no, session): (PresenceNo, SessionId),
        all: bool,
        request: Option<&str>,
    ) {
        let asker = self.roster.presence(no).map(|presence| presence.member);
        let shown = |presence: &&Presence| presence.visible || Some(presence.member) == asker;
        let mut peers: Vec<PeerRow<'_>> =
            self.roster.listed().filter(shown).map(|presence| self.row(presence, all)).collect();
        if all {
            let away = |no: &MailboxNo| self.roster.listed_of(*no).next().is_none();
            let members = self.roster.members.values();
            peers.extend(members.filter(|row| row.revoked_at.is_none() && away(&row.no)).map(|member| {
                PeerRow {
                    pubkey: member.key.hex(),
                    member_pubkey: member.key.hex(),
                    display_name: display_name(member),
                    online: Some(false),
                    ..PeerRow::default()
                }
            }));
        }
        // Mail is held back once half of an outbox waits, so an answer of this size still fits.
        fit(&mut peers, size(cx.config.limits.outbox_bytes_max() / 4));
        cx.tell(session, &PeersList { peers, request });
    }

    fn row<'a>(&'a self, presence: &'a Presence, all: bool) -> PeerRow<'a> {
        let profile = &presence.profile;
        PeerRow {
            pubkey: presence.shown_key.hex(),
            member_pubkey: hex(self.roster.key_of(presence.member)),
            display_name: &presence.display_name,
            status: Some(presence.standing.status.word()),
            summary: Some(presence.summary.as_deref()),
            groups: Some(&presence.groups),
            session_id: Some(&presence.session_id),
            connected_at: Some(presence.connected_at.iso()),
            cwd: Some(&presence.cwd),
            peer_role: Some(presence.kind.word()),
            hostname: presence.hostname.as_deref(),
            peer_type: presence.peer_type.as_deref(),
            channel: presence.channel.as_deref(),
            model: presence.model.as_deref(),
            stats: presence.stats.as_ref(),
            visible: Some(presence.visible),
            profile: (*profile != Default::default()).then_some(profile),
            online: all.then_some(presence.line().is_some()),
            clipped: None,
        }
    }

    /// `message_status` (3.10). A message of another mesh is answered like one that does not exist.
    pub(super) fn message_status(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        asker: (PresenceNo, SessionId),
        message_id: String,
        request: Option<&str>,
    ) {
        let chars = message_id.len();
        if !is_id(&message_id) {
            let text = format!("messageId must be {PREFIX_CHARS_MIN}-{ID_CHARS} base62 chars (got {chars})");
            return refuse(cx, asker.1, request, "invalid_argument", &text);
        }
        // An id that was made up costs the same question as one of another mesh.
        let position = self.names.resolve(ids, &message_id).unwrap_or(Position::ZERO);
        let asked = StatusAsked { asker, message_id, request: request.map(str::to_owned) };
        self.expect_answer(asker.0);
        self.ask(cx, Query::Message(position), Then::Status(Box::new(asked)));
    }

    pub(super) fn status_found(&self, cx: &mut Cx<'_>, asked: &StatusAsked, ended: Ended) {
        let (request, session) = (asked.request.as_deref(), asked.asker.1);
        let view = match ended {
            Ended::Found(found) => match *found {
                Found::Message(view) => {
                    view.filter(|view| self.is_told(view) || planted("look_at_other_meshes"))
                }
                _ => None,
            },
            Ended::Done(_) => None,
            Ended::Refused(_) => {
                let text = "the store does not answer: ask again later";
                return refuse(cx, session, request, "unavailable", text);
            }
        };
        let Some(view) = view else {
            return refuse(cx, session, request, "not_found", "message not found");
        };
        let delivered = view.pending.is_empty()
            && view.settled.iter().all(|(_, _, outcome)| *outcome == Outcome::Delivered)
            && !view.settled.is_empty();
        let last = view.settled.iter().map(|(_, at, _)| *at).max();
        let member = self.roster.presence(asked.asker.0).map(|presence| presence.member);
        let part = member.and_then(|member| self.part_of(member, &view));
        // Everybody in the mesh sees whom a message went to; the rest is for those who have a part in it, as
        // far as a connection can take it.
        let is_short = view.pending.len() + view.settled.len() <= size(cx.config.limits.page_rows_max());
        let result = MessageStatusResult {
            message_id: &asked.message_id,
            target_spec: &self.target_text(&view.message.target),
            delivered,
            delivered_at: last.filter(|_| delivered).map(Wall::iso),
            recipients: self.rows(cx, &view, part.filter(|_| is_short)),
            facts: part.map(|part| self.facts(cx, &view, part)),
            request,
        };
        cx.tell(session, &result);
    }
}

/// Keeps a list within what a connection can take, or one talkative peer could cut off everybody who asks:
/// when it is too long, rows that take more than their share lose what was written at length.
fn fit(peers: &mut [PeerRow<'_>], room: usize) {
    if peers.iter().map(PeerRow::bytes_at_most).sum::<usize>() <= room {
        return;
    }
    let bytes = |row: &PeerRow<'_>| serde_json::to_vec(row).map_or(0, |text| text.len());
    let all: Vec<usize> = peers.iter().map(bytes).collect();
    if all.iter().sum::<usize>() > room {
        let share = room / peers.len();
        for (row, bytes) in peers.iter_mut().zip(all) {
            if bytes > share {
                row.clip();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_above_their_share_are_clipped_and_only_when_the_list_is_too_long() {
        let long = "x".repeat(3_000);
        let row =
            |summary| PeerRow { display_name: "ann", summary: Some(Some(summary)), ..PeerRow::default() };
        let summaries = |room| {
            let mut peers = [row("short"), row(&long), row("brief")];
            // Mail is held back once half of an outbox waits, so an answer of this size still fits.
            fit(&mut peers, room);
            peers.map(|row| row.summary.flatten().map_or(0, str::len))
        };
        assert_eq!(summaries(100_000), [5, 3_000, 5]);
        assert_eq!(summaries(4_000), [5, 3_000, 5]);
        assert_eq!(summaries(2_000), [5, 0, 5]);
    }
}
