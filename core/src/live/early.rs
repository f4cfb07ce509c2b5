//! Requests that come before it is known whose rights were taken back.
//!
//! *Always holds:* their tokens are judged when that is known, as if they had come then; when it cannot be
//! learned, they are told to come again.

use super::publish::Asker;
use super::subscribe::Opening;
use super::{Cx, Identity, Lives, Refusal};
use crate::surface::SessionId;
use crate::wire::live::LiveCall;

/// Requests that wait at a time. Others are told to come again.
const EARLY_MAX: usize = 256;

/// A request whose token cannot be judged yet.
#[derive(Debug)]
pub(super) enum Early {
    /// For an answer.
    Call(Identity, Box<LiveCall>),
    /// For a stream of events.
    Stream(Box<Opening>),
}

impl Lives {
    /// Keeps a request until its token can be judged.
    pub(super) fn keep_early(&mut self, cx: &mut Cx<'_>, session: SessionId, early: Early) {
        if self.early.len() >= EARLY_MAX {
            return self.answer(cx, &Asker::Request(session), Err(Refusal::Unavailable));
        }
        self.early.push((session, early));
    }

    /// Tokens can be judged.
    pub(super) fn let_early_in(&mut self, cx: &mut Cx<'_>) {
        for (session, early) in std::mem::take(&mut self.early) {
            match early {
                Early::Call(identity, call) => self.request(cx, session, &identity, *call),
                Early::Stream(opening) => self.stream(cx, session, *opening),
            }
        }
    }

    /// The store did not say whose rights were taken back.
    pub(super) fn send_early_away(&mut self, cx: &mut Cx<'_>) {
        for (session, _) in std::mem::take(&mut self.early) {
            self.answer(cx, &Asker::Request(session), Err(Refusal::Unavailable));
        }
    }
}
