//! Pings that are due, and the pong that is overdue.

use crate::config::Limits;
use crate::time::Mono;

/// Watches whether the peer still answers. Says nothing before it is started.
#[derive(Debug, Default)]
pub(crate) struct Keepalive {
    next_ping: Option<Mono>,
    last_pong: Mono,
}

/// What the keepalive finds when it is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    Quiet,
    /// A ping is to be sent.
    Ping,
    /// The last pong is too old.
    Dead,
}

impl Keepalive {
    /// Starts; the peer counts as having answered at this moment.
    pub(crate) fn start(&mut self, now: Mono, limits: &Limits) {
        self.next_ping = Some(now.after_millis(limits.ping_ms()));
        self.last_pong = now;
    }

    /// A pong came.
    pub(crate) fn pong(&mut self, now: Mono) {
        self.last_pong = now;
    }

    /// When the last pong was; before any, the start.
    pub(crate) fn last_pong(&self) -> Mono {
        self.last_pong
    }

    /// Looks at the clock. A ping that was due counts as sent.
    pub(crate) fn wake(&mut self, now: Mono, limits: &Limits) -> Pulse {
        let Some(next_ping) = self.next_ping else { return Pulse::Quiet };
        if now >= self.last_pong.after_millis(limits.pong_ms()) {
            return Pulse::Dead;
        }
        if now < next_ping {
            return Pulse::Quiet;
        }
        self.next_ping = Some(now.after_millis(limits.ping_ms()));
        Pulse::Ping
    }

    /// When there is something to find.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<Mono> {
        let next_ping = self.next_ping?;
        Some(next_ping.min(self.last_pong.after_millis(limits.pong_ms())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::START.after_millis(millis)
    }

    #[test]
    fn before_it_is_started_it_wants_nothing() {
        let mut keepalive = Keepalive::default();
        assert_eq!(keepalive.deadline(&Limits::default()), None);
        assert_eq!(keepalive.wake(at(1_000_000), &Limits::default()), Pulse::Quiet);
    }

    #[test]
    fn a_peer_that_answers_is_pinged_for_ever_and_one_that_does_not_is_dead_after_the_last_pong() {
        let limits = Limits::default();
        let mut keepalive = Keepalive::default();
        keepalive.start(at(500), &limits);
        for round in 1..=100 {
            let due = at(500 + round * 30_000);
            assert_eq!(keepalive.deadline(&limits), Some(due));
            assert_eq!(keepalive.wake(due, &limits), Pulse::Ping);
            assert_eq!(keepalive.wake(due, &limits), Pulse::Quiet);
            keepalive.pong(due);
        }
        let last = at(500 + 100 * 30_000);
        assert_eq!(keepalive.wake(last.after_millis(30_000), &limits), Pulse::Ping);
        assert_eq!(keepalive.wake(last.after_millis(60_000), &limits), Pulse::Ping);
        assert_eq!(keepalive.deadline(&limits), Some(last.after_millis(75_000)));
        assert_eq!(keepalive.wake(last.after_millis(74_999), &limits), Pulse::Quiet);
        assert_eq!(keepalive.wake(last.after_millis(75_000), &limits), Pulse::Dead);
        assert_eq!(keepalive.last_pong(), last);
    }
}
