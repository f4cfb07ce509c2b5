//! What passes between the core and whoever carries events to the event target.
//!
//! The core decides what is sent when; a [`Courier`] makes the requests, many at once, and says what came of
//! each. The target and its secret are the courier's: nothing here can choose another one.

use std::sync::Arc;
use std::task::Waker;

use crate::ids::{ShardId, Ticket};

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

/// A request on its way through a courier's hands.
#[derive(Debug)]
pub struct Errand {
    /// Which shard wants it.
    pub from: ShardId,
    /// What is to be sent.
    pub forward: Box<Forward>,
}

/// Makes requests to the event target. Runs on a thread of its own.
pub trait Courier: Send {
    /// Makes the requests that the window hands out until it has closed, and answers each of them once.
    /// Requests that are under way by then may be dropped: nobody waits for them any more.
    ///
    /// A courier that panics has failed at all that it held and is called again, so it must not keep requests
    /// from one call to the next.
    fn work(&mut self, window: &dyn Window);
}

/// Where a courier is handed requests and leaves what came of them.
pub trait Window {
    /// Takes up to `most` requests and waits until there is one; none when there never will be.
    fn wait(&self, most: usize) -> Option<Vec<Errand>>;
    /// Takes up to `most` requests, perhaps none of them; none at all when there never will be one.
    fn look(&self, most: usize) -> Option<Vec<Errand>>;
    /// Rings this bell whenever a request comes while none waits, and when the window closes.
    fn hear(&self, bell: Waker);
    /// Takes what came of a request of that shard.
    fn answer(&self, from: ShardId, ticket: Ticket, result: Forwarded);
}
