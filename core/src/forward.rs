//! What passes between the core and whoever carries events to the event target.
//!
//! The core decides what is sent when; a [`Courier`] makes one request at a time and says what came of it.
//! The target and its secret are the courier's: nothing here can choose another one.

use std::sync::Arc;

use crate::ids::Ticket;

/// One request to the event target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Forward {
    /// Names the request in its `Forwarded`.
    pub ticket: Ticket,
    /// Headers besides those that every request has. Values are visible ASCII.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON, as the runner sent it.
    pub body: Arc<str>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Forwarded {
    /// The target answered.
    Answered {
        /// With this status. A redirect is an answer like any other and is not followed.
        status: u16,
        /// Its `Retry-After`, as it stood.
        retry_after: Option<String>,
    },
    /// There was no answer: the request may have arrived or not.
    Failed {
        /// What happened.
        why: String,
    },
}

/// Makes requests to the event target. Runs on a thread of its own, where it may block for as long as one
/// request may take.
pub trait Courier: Send {
    /// Makes one request and waits for its end.
    fn carry(&mut self, forward: &Forward) -> Forwarded;
}
