//! What the broker offers, and whether that is what a peer cannot do without (mesh protocol, section 2.5).
//!
//! *Decides* which features a peer is told of, in which version, and how a connection ends over one that is
//! missing. What there is, and what meets a requirement, is in `table.rs`.

mod table;

use std::collections::BTreeSet;

use table::{Kind, Lack, Passed, judge, table};

use super::presence::Presence;
use super::profile::refuse;
use super::{Cx, Mesh};
use crate::config::Limits;
use crate::note::{Level, Note};
use crate::surface::{PresenceNo, SessionId};
use crate::wire::mesh::{ErrorFrame, FeatureAnswer, FeatureRequest, Features, HelloPeer, LackReason};

/// What a peer's capabilities say that it understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// A close code for each kind of failure.
    splits_codes: bool,
    /// Version 2 of `client_message_id_dedupe`.
    knows_layouts: bool,
}

impl Dialect {
    pub(super) fn of(peer: &HelloPeer) -> Dialect {
        let capabilities = peer.capabilities.as_deref().unwrap_or_default();
        let says = |word: &str| capabilities.iter().any(|capability| capability == word);
        Dialect { splits_codes: says("close_code_split"), knows_layouts: says("client_message_id_dedupe@2") }
    }
}

/// What a peer is told of the broker's features.
pub(super) fn offered(limits: &Limits, dialect: Dialect) -> Features {
    let good = table(limits, dialect).into_iter().filter(|feature| feature.short_of_floor().is_none());
    good.map(|feature| (feature.name, feature.offer())).collect()
}

impl Mesh {
    /// `feature_negotiation_request`: the answer; and for a peer that misses something it requires an `error`
    /// and the end.
    pub(super) fn negotiate(
        &self,
        cx: &mut Cx<'_>,
        (no, session): (PresenceNo, SessionId),
        wish: &FeatureRequest,
        request: Option<&str>,
    ) {
        if let Some(why) = over_bounds(wish, &cx.config.limits) {
            return refuse(cx, session, request, "invalid_argument", why);
        }
        let presence = self.roster.presence(no);
        let dialect = presence.and_then(Presence::line).map_or_else(Dialect::default, |line| line.dialect);
        let presence = presence.map(|presence| presence.id.as_str());
        let features = table(&cx.config.limits, dialect);
        let mut passed = Passed::default();
        let lacks: Vec<Lack<'_>> =
            wish.require.iter().filter_map(|wanted| judge(&features, wanted, &mut passed).err()).collect();
        for wanted in &wish.optional {
            if let Err(Lack { kind: Kind::Invalid, feature, detail }) = judge(&features, wanted, &mut passed)
            {
                passed.over(feature, || detail);
            }
        }
        if let Some((feature, detail)) = passed.first {
            cx.note(Level::Info, || {
                Note::new(Level::Info, "feature_optional_param_invalid")
                    .with("presence_id", presence)
                    .with("feature", feature)
                    .with("detail", detail)
                    .with("count", passed.count)
            });
        }
        let mut seen = BTreeSet::new();
        let missing_required =
            lacks.iter().map(|lack| lack.feature).filter(|name| seen.insert(*name)).collect();
        let supported = offered(&cx.config.limits, dialect);
        cx.tell(session, &FeatureAnswer { supported, missing_required, request });
        if let Some(lack) = lacks.first() {
            part_over(cx, (presence, session), dialect, lack, request);
        }
    }
}

/// Tells a peer what it misses, whole, and ends its connection with as much of that as a close frame holds.
fn part_over(
    cx: &mut Cx<'_>,
    (presence, session): (Option<&str>, SessionId),
    dialect: Dialect,
    lack: &Lack<'_>,
    request: Option<&str>,
) {
    let fault = lack.kind.fault(dialect);
    let row = fault.row();
    cx.note(Level::Warn, || {
        Note::new(Level::Warn, "feature negotiation failed")
            .with("presence_id", presence)
            .with("code", row.code)
            .with("kind", row.reason)
            .with("feature", lack.feature)
            .with("detail", lack.detail.as_str())
    });
    let reason = LackReason { kind: row.reason, feature: lack.feature, detail: &lack.detail }.text();
    let (code, message) = (row.reason, reason.as_str());
    cx.tell(session, &ErrorFrame { code, message, id: request, request, server_time: None });
    cx.end_saying(session, fault, reason);
}

/// Lists and names within their bounds, or why not.
fn over_bounds(wish: &FeatureRequest, limits: &Limits) -> Option<&'static str> {
    let all = || wish.require.iter().chain(&wish.optional);
    if all().count() as u64 > limits.negotiated_features_max() {
        return Some("too many features at once");
    }
    let long = all().any(|wanted| wanted.feature.len() as u64 > limits.name_bytes_max());
    long.then_some("the name of a feature is too long")
}
