//! The JSON messages of the mesh surface (mesh protocol, messages of the core).

mod common;
mod fate;
mod features;
mod inbound;
mod outbound;

pub(crate) use common::read as read_common;
pub(crate) use fate::{Fate, MessageFacts, MessageStatusResult, MessageStory, RecipientRow, States};
pub(crate) use features::{FeatureAnswer, FeatureRequest, Features, LackReason, Offer, Wanted};
pub(crate) use inbound::{
    Attestation, Hello, HelloPeer, Inbound, JoinGroup, Malformed, Named, Send, SessionHello, SetProfile,
    SetStats, SetStatus, Stats, decode, kind_of,
};
pub(crate) use outbound::{
    Ack, Encode, ErrorFrame, HelloAck, MemberProfile, PeerRow, PeersList, Push, SystemPush,
};
