//! The bounds of a daemon.

use super::{ConfigError, DAY, KIB, LimitRow, Limits, MIB, MINUTE, SECOND};

limits! {
    /// Every bound a daemon keeps to, besides those of its connections.
    DaemonLimits
    /// Connections of programs of the host.
    local_connections_max = 256, 1, 65_536;
    /// Requests of programs of the host that are worked on at once.
    local_requests_max = 64, 1, 65_536;
    /// Streams of events at once.
    local_streams_max = 32, 1, 65_536;
    /// Requests of one session, or of all programs without one, per minute after the burst.
    local_requests_per_minute = 6_000, 1, 100_000_000;
    /// Requests of one session, or of all programs without one, at once.
    local_requests_burst = 1_000, 1, 100_000_000;
    /// Length of the body of a request, in bytes.
    local_body_bytes_max = 256 * KIB, KIB, MIB;
    /// Length of the messages that one answer lists, in bytes; one message is listed however long it is.
    local_page_bytes_max = 4 * MIB, 4 * KIB, 64 * MIB;
    /// From the beginning of a connection to the end of its request, in milliseconds.
    local_request_ms = 10 * SECOND, 10, 10 * MINUTE;
    /// From a request to its answer, in milliseconds.
    local_answer_ms = 30 * SECOND, 10, 10 * MINUTE;
    /// Between two signs of life on a stream of events, in milliseconds.
    local_keepalive_ms = 15 * SECOND, 10, 10 * MINUTE;
    /// Events that are kept for streams that come back.
    events_kept_max = 1_024, 0, 65_536;
    /// Messages that wait to be sent.
    outbox_rows_max = 100_000, 1, 100_000_000;
    /// Length of their sealed bodies, in bytes.
    outbox_bytes_max = 1_024 * MIB, KIB, 1_048_576 * MIB;
    /// Messages of one lane that are read from the outbox at once.
    drain_batch_max = 32, 1, 4_096;
    /// After the store refused to be read, in milliseconds, until it is asked again.
    drain_poll_ms = 500, 10, MINUTE;
    /// From a send to its answer, in milliseconds, before the send counts as lost.
    drain_ack_ms = 15 * SECOND, 10, 10 * MINUTE;
    /// Half of the wait after a first failed attempt, in milliseconds; doubles with every further one.
    drain_retry_ms_base = 500, 1, 10 * MINUTE;
    /// The longest such wait, in milliseconds.
    drain_retry_ms_max = 30 * SECOND, 1, 60 * MINUTE;
    /// Refusals without a word whether they pass before a message is given up.
    drain_refusals_max = 25, 1, 10_000;
    /// Between two looks for messages that are in flight and that nobody waits for, in milliseconds.
    drain_reclaim_ms = 30 * SECOND, 10, 60 * MINUTE;
    /// From its acceptance until a message is given up, in milliseconds, where the broker does not say how
    /// long it knows keys.
    outbox_age_ms = 7 * DAY, 50, 30 * DAY;
    /// Between two looks for such messages, in milliseconds.
    outbox_sweep_ms = MINUTE, 10, DAY;
    /// How long a message is remembered from its acceptance on, in milliseconds, once a broker has it or it
    /// was given up; never less than twice the time that it may be tried.
    outbox_retention_ms = 30 * DAY, 4 * DAY, 3_650 * DAY;
    /// From a hello to its answer, in milliseconds.
    uplink_hello_ms = 5 * SECOND, 10, 5 * MINUTE;
    /// The first wait before a broker is dialled again, in milliseconds; doubles with every further one.
    uplink_retry_ms_min = SECOND, 1, 10 * MINUTE;
    /// The longest such wait, in milliseconds.
    uplink_retry_ms_max = 30 * SECOND, 1, 60 * MINUTE;
    /// From a question to a broker to its answer, in milliseconds.
    uplink_reply_ms = 5 * SECOND, 10, 5 * MINUTE;
    /// Length of a broker's message, in bytes.
    uplink_message_bytes_max = 16 * MIB, 64 * KIB, 64 * MIB;
    /// For how long a session is vouched for at each connect, in milliseconds.
    uplink_attestation_ms = DAY / 2, SECOND, DAY;
    /// Sessions of programs of the host.
    sessions_max = 256, 1, 65_536;
    /// Without a request, in milliseconds, before a session is forgotten.
    session_idle_ms = DAY, 10, 30 * DAY;
    /// Room that messages that came may take, in bytes; without any, they are left to their brokers.
    inbox_bytes_max = 5_120 * MIB, KIB, 1_048_576 * MIB;
    /// Between two looks whether the processes of sessions are still there, in milliseconds.
    session_look_ms = 5 * SECOND, 10, 10 * MINUTE;
    /// How long a message that came is kept, in milliseconds.
    inbox_retention_ms = 30 * DAY, 100, 3_650 * DAY;
    /// Between two rounds of removing old messages, in milliseconds.
    inbox_sweep_ms = 60 * MINUTE, 20, 7 * DAY;
    /// From the order to stop until everything is dropped, in milliseconds.
    daemon_drain_ms = 2 * SECOND, 10, 10 * MINUTE;
}

impl Limits {
    /// The limits of a connection of a program of the host.
    #[must_use]
    pub(crate) fn of_locals(&self, bounds: &DaemonLimits) -> Limits {
        let mut limits = self.clone();
        limits.message_bytes_max = bounds.local_body_bytes_max();
        limits.outbox_bytes_max = limits.outbox_bytes_max.max(limits.outbox_bytes_least());
        limits
    }

    /// The limits of a connection to a broker. A push carries more than the send it comes from, and a list of
    /// everybody is long.
    #[must_use]
    pub(crate) fn of_uplinks(&self, bounds: &DaemonLimits) -> Limits {
        let mut limits = self.clone();
        limits.message_bytes_max = bounds.uplink_message_bytes_max();
        limits.outbox_bytes_max = limits.outbox_bytes_max.max(limits.outbox_bytes_least());
        limits.json_items_max = limits.json_items_max.max(bounds.uplink_message_bytes_max());
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_lies_within_its_range() {
        for row in DaemonLimits::TABLE {
            assert_eq!(DaemonLimits::default().set(row.name, row.default), Ok(()), "{}", row.name);
        }
    }
}
