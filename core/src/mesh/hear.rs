//! A peer says something: which part of the mesh it is for.

use super::{Cx, Mesh, Positions, profile};
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::surface::{PresenceNo, SessionId};
use crate::wire::mesh::{ErrorFrame, Inbound, Malformed, Named, kind_of};

impl Mesh {
    pub(super) fn hear(
        &mut self,
        cx: &mut Cx<'_>,
        positions: &mut Positions,
        (no, session): (PresenceNo, SessionId),
        text: &str,
        message: Result<Inbound<'_>, Malformed>,
    ) {
        let message = match message {
            Ok(message) => message,
            Err(malformed) => return self.misunderstood(cx, (no, session), text, &malformed.text),
        };
        if let Inbound::Send(send) = &message {
            return self.send(cx, positions, (no, session), send);
        }
        let Some(ids) = &positions.ids else { return };
        if let Inbound::ClientAck(ack) = &message {
            let (broker, client) = (ack.broker_message_id.as_deref(), ack.client_message_id.as_deref());
            return self.client_ack(cx, ids, no, broker, client);
        }
        let named = Named::of_rpc(text);
        let request = named.request.as_deref();
        let peer = (no, session);
        if let Some(note) = described(&message) {
            let id = self.roster.presence(no).map(|presence| presence.id.as_str());
            cx.note(Level::Info, || note.with("presence_id", id));
        }
        match message {
            // Both went their ways above, before a name was looked for that they do not have.
            Inbound::Send(_) | Inbound::ClientAck(_) => {}
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
            Inbound::MessageStatus(wish) => self.message_status(cx, ids, peer, wish.message_id, request),
            Inbound::FeatureRequest(wish) => self.negotiate(cx, peer, &wish, request),
            Inbound::Hello => {
                let id = named.id.as_deref().or(request);
                let (code, message) = ("bad_request", "hello was said already on this connection");
                cx.tell(session, &ErrorFrame { code, message, id, request, server_time: None });
            }
            Inbound::Other(kind) => {
                let id = named.id.as_deref().or(request);
                let message = format!("this broker does not do {:?}", brief(&kind));
                let error =
                    ErrorFrame { code: "not_supported", message: &message, id, request, server_time: None };
                cx.tell(session, &error);
            }
        }
    }

    /// Nothing is left without an answer; that of a send is its ack, because some clients look at nothing
    /// else.
    fn misunderstood(&mut self, cx: &mut Cx<'_>, peer: (PresenceNo, SessionId), text: &str, why: &str) {
        let named = Named::of(text);
        if kind_of(text).is_ok_and(|(kind, _)| kind == "send") {
            return self.unreadable_send(cx, peer, named.id.as_deref().unwrap_or(""), why);
        }
        cx.count(Counter::SendBad);
        profile::misunderstood(cx, peer.1, &named, why);
    }
}

/// What the log says of a request. Mail has records of its own.
fn described(message: &Inbound<'_>) -> Option<Note> {
    let note = |text| Note::new(Level::Info, text);
    Some(match message {
        Inbound::Send(_) | Inbound::ClientAck(_) | Inbound::Hello | Inbound::Other(_) => return None,
        Inbound::SetStatus(wish) => note("ws set_status").with("status", brief(&wish.status)),
        Inbound::SetSummary(_) => note("ws set_summary"),
        Inbound::SetVisible(wish) => note("ws set_visible").with("visible", wish.visible),
        Inbound::SetProfile(_) => note("ws set_profile"),
        Inbound::SetStats(_) => note("ws set_stats"),
        Inbound::JoinGroup(wish) => note("ws join_group").with("name", brief(&wish.name)),
        Inbound::LeaveGroup(wish) => note("ws leave_group").with("name", brief(&wish.name)),
        Inbound::ListPeers(_) => note("ws list_peers"),
        Inbound::FeatureRequest(wish) => note("ws feature_negotiation_request")
            .with("require", wish.require.len())
            .with("optional", wish.optional.len()),
        Inbound::MessageStatus(wish) => note("ws message_status").with("message_id", brief(&wish.message_id)),
    })
}

/// As much of a peer's word as is repeated.
pub(super) fn brief(text: &str) -> String {
    text.chars().take(BRIEF_CHARS).collect()
}

const BRIEF_CHARS: usize = 64;
