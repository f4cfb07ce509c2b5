//! A peer says something: which part of the mesh it is for.

use super::{Cx, Mesh, Positions, profile};
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::surface::{PresenceNo, SessionId};
use crate::wire::mesh::{ErrorFrame, Inbound, Named, decode};

/// Characters of a peer's own words in the log.
const FIELD_CHARS: usize = 64;

impl Mesh {
    pub(super) fn hear(
        &mut self,
        cx: &mut Cx<'_>,
        positions: &mut Positions,
        draining: bool,
        (no, session): (PresenceNo, SessionId),
        text: &str,
    ) {
        let message = match decode(text) {
            Ok(message) => message,
            Err(malformed) => return self.misunderstood(cx, session, text, &malformed.text),
        };
        if let Inbound::Send(send) = &message {
            return self.send(cx, positions, draining, (no, session), send);
        }
        let Some(ids) = &positions.ids else { return };
        let named = Named::of_rpc(text);
        let request = named.request.as_deref();
        let peer = (no, session);
        self.note_request(cx, no, &message);
        match message {
            Inbound::Send(_) => {}
            Inbound::ClientAck(ack) => {
                let (broker, client) = (ack.broker_message_id.as_deref(), ack.client_message_id.as_deref());
                self.client_ack(cx, ids, no, broker, client);
            }
            Inbound::SetStatus(wish) => self.set_status(cx, ids, peer, &wish, request),
            Inbound::SetSummary(wish) => {
                self.set_summary(cx, peer, &wish.summary.unwrap_or_default(), request);
            }
            Inbound::SetVisible(wish) => self.set_visible(cx, peer, wish.visible, request),
            Inbound::SetProfile(wish) => self.set_profile(cx, peer, wish, request),
            Inbound::SetStats(wish) => self.set_stats(no, wish),
            Inbound::JoinGroup(wish) => self.join_group(cx, ids, peer, wish, request),
            Inbound::LeaveGroup(wish) => self.leave_group(cx, peer, &wish.name, request),
            Inbound::ListPeers(wish) => self.list_peers(cx, peer, wish.all, request),
            Inbound::MessageStatus(wish) => self.message_status(cx, ids, session, wish.message_id, request),
            Inbound::Hello => {
                let id = named.id.as_deref();
                let (code, message) = ("bad_request", "hello was said already on this connection");
                cx.tell(session, &ErrorFrame { code, message, id, request, server_time: None });
            }
            Inbound::Other(kind) => {
                let id = named.id.as_deref().or(request);
                let message = format!("this broker does not do {kind:?}");
                let error =
                    ErrorFrame { code: "not_supported", message: &message, id, request, server_time: None };
                cx.tell(session, &error);
            }
        }
    }

    /// Requests are few, so each is a line of the log; mail is told at debug, where it is handled.
    fn note_request(&self, cx: &mut Cx<'_>, no: PresenceNo, message: &Inbound<'_>) {
        let (text, field) = match message {
            Inbound::SetStatus(wish) => ("ws set_status", Some(("status", wish.status.as_str()))),
            Inbound::SetSummary(_) => ("ws set_summary", None),
            Inbound::SetVisible(wish) => {
                ("ws set_visible", Some(("visible", if wish.visible { "true" } else { "false" })))
            }
            Inbound::SetProfile(_) => ("ws set_profile", None),
            Inbound::SetStats(_) => ("ws set_stats", None),
            Inbound::JoinGroup(wish) => ("ws join_group", Some(("group", wish.name.as_str()))),
            Inbound::LeaveGroup(wish) => ("ws leave_group", Some(("group", wish.name.as_str()))),
            Inbound::ListPeers(_) => ("ws list_peers", None),
            Inbound::MessageStatus(wish) => {
                ("ws message_status", Some(("message_id", wish.message_id.as_str())))
            }
            Inbound::Other(kind) => ("ws not_supported", Some(("type", kind.as_str()))),
            Inbound::Send(_) | Inbound::ClientAck(_) | Inbound::Hello => return,
        };
        cx.note(Level::Info, || {
            let id = self.roster.presence(no).map(|presence| presence.id.as_str());
            let note = Note::new(Level::Info, text).with("presence_id", id);
            match field {
                Some((name, value)) => note.with(name, value.chars().take(FIELD_CHARS).collect::<String>()),
                None => note,
            }
        });
    }

    fn misunderstood(&self, cx: &mut Cx<'_>, session: SessionId, text: &str, why: &str) {
        cx.count(Counter::SendBad);
        let named = Named::of(text);
        profile::misunderstood(cx, session, &named, why);
    }
}
