//! The phases of a connection: HTTP, open, closing, closed, and what leads from one to the next.
//!
//! *Always holds:* every pair of phase and turn has an answer, and phases only go forward, so that a
//! connection that was asked to end does end. Only one that was asked something may be asked again.

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Server: a request is read. Client: the answer to the upgrade is awaited.
    Http,
    /// Server: a request was handed out and is not answered; nothing is read.
    Asked,
    /// Messages go both ways.
    Open,
    /// The peer broke the protocol. What it sends is discarded; our close frame is owed.
    Broken,
    /// Our close frame is said. The peer's is awaited, its messages are dropped.
    Closing,
    /// Our last bytes are on their way. What the peer sends is discarded.
    Flushing,
    /// Our side has ended; the end of the peer's is awaited and what it sends is discarded.
    Lingering,
    /// The stream's end was asked for.
    Closed,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A request is complete, or refused.
    Asked,
    /// Both sides agree to speak WebSocket.
    Upgraded,
    /// Our last bytes of HTTP are written.
    Answered,
    /// An answer of HTTP is written, and another request may follow.
    Kept,
    /// The peer will not, or cannot, speak WebSocket.
    Declined,
    /// The peer broke the protocol.
    Broke,
    /// We wrote our close frame of our own will.
    Closed,
    /// The peer's close frame came, and ours is written.
    Parted,
    /// Nothing of ours is on its way.
    Flushed,
    /// The peer sends no more.
    Ended,
    /// The stream is to be dropped.
    Dropped,
}

impl Phase {
    /// The phase after a turn. A turn that has no meaning in a phase changes nothing.
    pub(crate) const fn after(self, turn: Turn) -> Phase {
        use Phase::{Asked, Broken, Closed, Closing, Flushing, Http, Lingering, Open};
        match turn {
            Turn::Asked => match self {
                Http => Asked,
                Asked | Open | Broken | Closing | Flushing | Lingering | Closed => self,
            },
            Turn::Upgraded => match self {
                Http | Asked => Open,
                Open | Broken | Closing | Flushing | Lingering | Closed => self,
            },
            // A server may answer before it is asked: it is full, or it has waited long enough.
            Turn::Answered => match self {
                Http | Asked => Flushing,
                Open | Broken | Closing | Flushing | Lingering | Closed => self,
            },
            Turn::Kept => match self {
                Asked => Http,
                Http | Open | Broken | Closing | Flushing | Lingering | Closed => self,
            },
            Turn::Declined => match self {
                Http => Flushing,
                Asked | Open | Broken | Closing | Flushing | Lingering | Closed => self,
            },
            Turn::Broke => match self {
                Open => Broken,
                Closing => Flushing,
                Http | Asked | Broken | Flushing | Lingering | Closed => self,
            },
            Turn::Closed => match self {
                Open => Closing,
                Broken => Flushing,
                Http | Asked | Closing | Flushing | Lingering | Closed => self,
            },
            Turn::Parted => match self {
                Open | Closing => Flushing,
                Http | Asked | Broken | Flushing | Lingering | Closed => self,
            },
            Turn::Flushed => match self {
                Flushing => Lingering,
                Http | Asked | Open | Broken | Closing | Lingering | Closed => self,
            },
            // Who asked may end its side and still wait for the answer.
            Turn::Ended => match self {
                Http | Broken | Lingering => Closed,
                Open | Closing => Flushing,
                Asked | Flushing | Closed => self,
            },
            Turn::Dropped => Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 8] = [
        Phase::Http,
        Phase::Asked,
        Phase::Open,
        Phase::Broken,
        Phase::Closing,
        Phase::Flushing,
        Phase::Lingering,
        Phase::Closed,
    ];
    /// All but the one that leads back.
    const TURNS: [Turn; 10] = [
        Turn::Asked,
        Turn::Upgraded,
        Turn::Answered,
        Turn::Declined,
        Turn::Broke,
        Turn::Closed,
        Turn::Parted,
        Turn::Flushed,
        Turn::Ended,
        Turn::Dropped,
    ];

    #[test]
    fn phases_only_go_forward() {
        for phase in PHASES {
            assert!(TURNS.iter().all(|turn| phase.after(*turn) >= phase), "{phase:?}");
            assert_eq!(phase.after(Turn::Dropped), Phase::Closed);
        }
    }

    #[test]
    fn only_a_connection_that_was_asked_may_be_asked_again() {
        for phase in PHASES {
            let kept = phase.after(Turn::Kept);
            assert_eq!(kept, if phase == Phase::Asked { Phase::Http } else { phase });
        }
    }

    #[test]
    fn whatever_was_asked_to_end_ends_when_all_is_written_and_the_peer_has_ended() {
        for phase in PHASES.into_iter().filter(|phase| *phase >= Phase::Closing) {
            let mut at = phase;
            for _ in 0..2 {
                at = at.after(Turn::Ended).after(Turn::Flushed);
            }
            assert_eq!(at.after(Turn::Ended), Phase::Closed, "{phase:?}");
        }
    }

    #[test]
    fn a_close_frame_is_awaited_only_where_the_peer_can_still_be_read() {
        assert_eq!(Phase::Open.after(Turn::Closed), Phase::Closing);
        assert_eq!(Phase::Broken.after(Turn::Closed), Phase::Flushing);
        assert_eq!(Phase::Closing.after(Turn::Parted), Phase::Flushing);
    }
}
