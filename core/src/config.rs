//! Configuration as parsed values: what exists here is valid.
//!
//! Every bound of the broker is a line of the table in `limits!`, with its unit in its name, its default and
//! the range it may be set to.

mod broker;
mod secret;
mod surfaces;

use std::fmt;

pub use broker::Config;
pub use daemon::DaemonLimits;
pub use secret::Secret;
pub use surfaces::{Kept, LiveConfig, Pattern, RunnerConfig, Slow, TopicRule};

macro_rules! limits {
    (
        $(#[$about:meta])+ $Limits:ident
        $($(#[doc = $help:literal])+ $name:ident = $default:expr, $min:expr, $max:expr;)+
    ) => {
        $(#[$about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $Limits {
            $($name: u64,)+
        }

        impl Default for $Limits {
            fn default() -> $Limits {
                $Limits { $($name: $default,)+ }
            }
        }

        impl $Limits {
            /// The names of all limits, in the order of the table.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// All limits with their defaults, ranges and meanings.
            pub const TABLE: &'static [LimitRow] = &[$(LimitRow {
                name: stringify!($name),
                default: $default,
                min: $min,
                max: $max,
                help: concat!($($help),+).trim_ascii(),
            }),+];

            $($(#[doc = $help])+
            pub const fn $name(&self) -> u64 {
                self.$name
            })+

            /// Sets one limit by its name.
            ///
            /// # Errors
            /// [`ConfigError`] when no limit has that name or the value lies outside its range.
            pub fn set(&mut self, name: &str, value: u64) -> Result<(), ConfigError> {
                match name {
                    $(stringify!($name) => {
                        let (min, max): (u64, u64) = ($min, $max);
                        if value < min || value > max {
                            return Err(ConfigError::new(name, value, format!("a whole number from {min} to {max}")));
                        }
                        self.$name = value;
                        Ok(())
                    })+
                    _ => Err(ConfigError::new(name, value, "the name of a limit")),
                }
            }

            /// The value of one limit by its name.
            pub fn get(&self, name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

mod daemon;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;
const KIB: u64 = 1_024;
const MIB: u64 = 1_024 * KIB;

limits! {
    /// Every bound the broker keeps to.
    Limits
    /// From accept to a complete hello, in milliseconds.
    hello_timeout_ms = 5 * SECOND, 10, 5 * MINUTE;
    /// Bytes read from a connection before its hello is complete.
    hello_bytes_max = 16 * KIB, 1_024, MIB;
    /// Length of a request line, in bytes.
    head_line_bytes_max = 4 * KIB, 128, 64 * KIB;
    /// Length of one header line, in bytes.
    head_header_bytes_max = 4 * KIB, 128, 64 * KIB;
    /// Headers in one request head.
    head_headers_max = 64, 8, 128;
    /// Length of a whole request head, in bytes.
    head_bytes_max = 16 * KIB, 512, 256 * KIB;
    /// Length of a frame, a message and a request body, in bytes.
    message_bytes_max = 64 * KIB, 256, 64 * MIB;
    /// Length of nonce, ciphertext and target of one send together, in bytes.
    payload_bytes_max = 64 * KIB, 16, 64 * MIB;
    /// Fragments of one message.
    fragments_max = 32, 1, 1_048_576;
    /// From the first to the last fragment of a message, in milliseconds.
    fragments_ms = 10 * SECOND, 10, 10 * MINUTE;
    /// Nesting of a JSON message.
    json_depth_max = 16, 2, 128;
    /// Keys of one JSON object.
    json_keys_max = 128, 32, 65_536;
    /// Items of one JSON array.
    json_items_max = 4_096, 16, 1_048_576;
    /// Length of a JSON key, in bytes.
    json_key_bytes_max = 128, 32, 4_096;
    /// Length of a JSON number's text, in characters.
    json_number_chars_max = 20, 16, 64;
    /// Messages that are no message, per connection and minute, before it is closed.
    bad_messages_per_minute_max = 20, 0, 10_000;
    /// Control frames per connection and second, after the burst.
    control_per_second_max = 10, 1, 10_000;
    /// Control frames of one connection at once.
    control_burst = 30, 1, 10_000;
    /// Bytes that wait for one connection, outside the runtime's window.
    outbox_bytes_max = MIB, 64 * KIB, 1_024 * MIB;
    /// Frames that wait for one connection.
    outbox_frames_max = 1_024, 16, 1_048_576;
    /// Bytes with the runtime per connection before the rest waits in the outbox.
    send_window_bytes = 64 * KIB, 1_024, 16 * MIB;
    /// Without progress while bytes wait, in milliseconds, before a connection is closed as too slow.
    stall_ms = 10 * SECOND, 10, 10 * MINUTE;
    /// From our close frame to the end of the stream, in milliseconds.
    close_ms = SECOND, 10, MINUTE;
    /// Sends of one connection that are read before the first of them is answered.
    unacked_sends_max = 64, 1, 4_096;
    /// Pushes of one mailbox that are not acknowledged yet.
    unacked_pushes_max = 32, 1, 4_096;
    /// Connections of one mesh, those in grace included.
    connections_per_mesh_max = 100, 1, 1_000_000;
    /// Send-only connections of one mesh.
    send_only_per_mesh_max = 100, 1, 1_000_000;
    /// Connections without a hello yet, from one address (loopback and trusted proxies exempt).
    unauthenticated_per_address_max = 32, 1, 1_000_000;
    /// Connections without a hello yet.
    handshakes_max = 256, 4, 1_000_000;
    /// Hellos of one member per minute, after the burst; further ones wait for their turn.
    hellos_per_minute_max = 600, 1, 1_000_000;
    /// Hellos of one member at once.
    hellos_burst = 120, 1, 1_000_000;
    /// Recipients of one send.
    recipients_max = 1_000, 1, 1_000_000;
    /// Entries of `mentions` in one send.
    mentions_max = 16, 0, 256;
    /// Members that the mentions of one send may name.
    mentioned_members_max = 32, 1, 4_096;
    /// Rows of one page of mentions, and recipients listed in one answer about a message.
    page_rows_max = 200, 1, 200;
    /// Answers to answers, one behind the other, before the chain is cut; 0 lets them go on for ever.
    reply_hops_max = 100, 0, 65_536;
    /// How long an answer counts for the chain of what answers it, and how long a cut chain stays cut, in
    /// milliseconds.
    reply_hop_ms = 10 * MINUTE, 10, DAY;
    /// Answers of one mesh whose place in their chain is remembered.
    reply_links_per_mesh_max = 4_096, 1, 1_048_576;
    /// Groups of one peer.
    groups_per_peer_max = 64, 1, 4_096;
    /// Length of a display name, a group name, a session id, a host name and the like, in bytes.
    name_bytes_max = 256, 16, 4_096;
    /// Length of a summary, a working directory or a profile text, in bytes.
    text_bytes_max = 4 * KIB, 64, 64 * KIB;
    /// Features of one `feature_negotiation_request`, required and optional ones together.
    negotiated_features_max = 64, 1, 4_096;
    /// Messages queued for one mailbox.
    queued_per_mailbox_max = 10_000, 1, 10_000_000;
    /// Deliveries queued in one mesh.
    queued_per_mesh_max = 100_000, 1, 100_000_000;
    /// Bytes of messages queued in one mesh.
    queued_bytes_per_mesh_max = 256 * MIB, KIB, 1_048_576 * MIB;
    /// Queued messages kept in memory for one mailbox and priority; the rest waits in the store.
    lane_messages_max = 64, 1, 65_536;
    /// Bytes of queued messages kept in memory for one mailbox and priority, one message at least.
    lane_bytes_max = 256 * KIB, 1_024, 64 * MIB;
    /// From accept to expiry of a message that nobody took, in milliseconds.
    message_ttl_ms = 7 * DAY, 50, 30 * DAY;
    /// From accept until a message and its record of delivery are removed, in milliseconds.
    retention_ms = 14 * DAY, 100, 3_650 * DAY;
    /// From accept until a sender's key may be forgotten, in milliseconds; a key is known at least as long as
    /// its message is kept.
    dedupe_retention_ms = 7 * DAY, 3 * DAY, 3_650 * DAY;
    /// From a push to its return to the queue without an acknowledgement, in milliseconds.
    lease_ms = 30 * SECOND, 20, 60 * MINUTE;
    /// Pushes of one message to one mailbox before it counts as dead.
    deliveries_max = 10, 1, 1_000;
    /// From the end of a connection until its presence ends, in milliseconds.
    grace_ms = 90 * SECOND, 0, 60 * MINUTE;
    /// A `working` status without confirmation turns idle after this, in milliseconds.
    status_ttl_ms = MINUTE, 20, DAY;
    /// Between two looks for such statuses, in milliseconds.
    status_sweep_ms = 15 * SECOND, 10, 60 * MINUTE;
    /// How long a hook's word counts as fresh, in milliseconds.
    hook_fresh_ms = 30 * SECOND, 0, DAY;
    /// How long a hook that found nobody waits for a hello, in milliseconds.
    pending_status_ms = 10 * SECOND, 10, 10 * MINUTE;
    /// Hooks that may come to wait for a hello within `pending_status_ms`.
    pending_statuses_max = 1_024, 1, 65_536;
    /// Between two looks for such hooks of other brokers, in milliseconds.
    hook_sweep_ms = 2 * SECOND, 10, MINUTE;
    /// Between two pings, in milliseconds.
    ping_ms = 30 * SECOND, 20, 10 * MINUTE;
    /// Without a pong, in milliseconds, before a connection counts as dead.
    pong_ms = 75 * SECOND, 40, 30 * MINUTE;
    /// From a push to the ping whose pong acknowledges it, for clients that never do, in milliseconds.
    legacy_ping_ms = 5 * SECOND, 10, 5 * MINUTE;
    /// How far a hello's timestamp may lie from the broker's clock, in milliseconds.
    hello_skew_ms = MINUTE, SECOND, DAY;
    /// How long mail that is addressed to a member's former key still reaches it, in milliseconds.
    former_key_grace_ms = 7 * DAY, 20, 30 * DAY;
    /// Former keys of one member that reach it; while there are so many its key is not replaced.
    former_keys_max = 8, 1, 64;
    /// How long an attestation may be valid, in milliseconds.
    attestation_ms = DAY, SECOND, 30 * DAY;
    /// Sends per member and minute; 0 turns the limit off.
    send_rate_per_minute = 600, 0, 100_000_000;
    /// Sends of one member at once; 0 means a tenth of the rate, at least 10.
    send_rate_burst = 0, 0, 100_000_000;
    /// How long a key whose send took from the budget and was refused takes nothing more, in milliseconds.
    rate_window_ms = MINUTE, 10, 60 * MINUTE;
    /// Such keys of one mesh that are remembered.
    rate_keys_max = 4_096, 0, 1_048_576;
    /// Hooks per pid and directory and minute.
    hook_rate_per_minute = 30, 1, 1_000_000;
    /// Times two clients may replace each other in `replacements_ms` before both are held down.
    replacements_max = 3, 1, 1_000;
    /// The window of `replacements_max` and the length of the hold-down, in milliseconds.
    replacements_ms = MINUTE, 10, 60 * MINUTE;
    /// Between the starts of two commits under load, in microseconds.
    commit_spacing_us = 2_000, 0, 1_000_000;
    /// Messages of one commit.
    batch_messages_max = 1_024, 1, 65_536;
    /// Operations of one commit, messages included.
    batch_ops_max = 4_096, 1, 1_048_576;
    /// Store operations that wait for their batch before new sends are refused.
    staged_max = 8_192, 16, 1_048_576;
    /// Bytes of sends of one mesh that are kept while the store is asked whether they were accepted before;
    /// beyond them a send that was not is refused, though it might have been accepted by then.
    looks_bytes_max = 8 * MIB, 0, 1_024 * MIB;
    /// Messages of one mesh that were lost with a store's history and have their ids again.
    renamed_per_mesh_max = 100_000, 0, 10_000_000;
    /// From a send to its answer, in milliseconds: when its commit is not decided by then, its sender is told
    /// to send it again, and the commit goes on.
    ack_deadline_ms = 30 * SECOND, 10, 10 * MINUTE;
    /// From a commit of unknown outcome to its first repetition, in milliseconds; doubles with every further
    /// one.
    commit_retry_ms_min = 50, 1, MINUTE;
    /// The longest such wait, in milliseconds.
    commit_retry_ms_max = 2 * SECOND, 1, 10 * MINUTE;
    /// Questions of one shard that the store answers at once.
    reads_in_flight_max = 64, 1, 65_536;
    /// Questions of one shard that wait behind those; further ones are refused as if the store were
    /// unavailable.
    reads_waiting_max = 4_096, 0, 1_048_576;
    /// Between two questions after the store's health, in milliseconds.
    health_ms = 500, 10, 2 * SECOND;
    /// From when the store should have answered such a question until it counts as down, in milliseconds.
    health_answer_ms = 500, 10, 10 * SECOND;
    /// Between two rounds of removing old rows, in milliseconds.
    retention_sweep_ms = 60 * MINUTE, 20, 7 * DAY;
    /// Between two checks whether keys, messages and deliveries agree, in milliseconds; rounds of removing
    /// old rows start them.
    orphan_check_ms = DAY, 20, 90 * DAY;
    /// Between two counts of the deliveries that wait in the store, in milliseconds.
    depth_ms = 30 * SECOND, 10, DAY;
    /// Between two publications of counters, in milliseconds.
    stats_ms = SECOND, 10, 10 * MINUTE;
    /// From the order to drain until open connections are dropped, in milliseconds.
    drain_ms = 4 * SECOND, 10, 10 * MINUTE;
    /// A mesh without connections and work is forgotten after this, in milliseconds.
    mesh_idle_ms = 5 * MINUTE, 10, 7 * DAY;
    /// Length of a runner's message, of a command and of its request, in bytes.
    runner_message_bytes_max = 10 * MIB, 64 * KIB, 64 * MIB;
    /// Bytes of runners' messages and commands in the whole broker, at each of three places: arriving,
    /// waiting to be stored, waiting to be written. Every shard has an equal share, of one message at least.
    runner_inflight_bytes_max = 64 * MIB, MIB, 65_536 * MIB;
    /// From the head of a command's request to its end, in milliseconds.
    runner_body_ms = MINUTE, 10, 60 * MINUTE;
    /// From the answer to a caller of commands to the beginning of its next request on the same connection,
    /// in milliseconds.
    runner_idle_ms = MINUTE, 10, 60 * MINUTE;
    /// Connections of callers of one shard that were answered and are kept for their next request.
    runner_idle_max = 1_024, 0, 1_048_576;
    /// Between two pings to a runner, in milliseconds.
    runner_ping_ms = 30 * SECOND, 20, 10 * MINUTE;
    /// Without a heartbeat, in milliseconds, before a runner counts as gone.
    runner_stale_ms = MINUTE, 40, 60 * MINUTE;
    /// Events of one runner that are read before the first of them is stored.
    runner_unstored_max = 64, 1, 65_536;
    /// Between two tries to store what the store refused, in milliseconds.
    runner_store_retry_ms = SECOND, 10, 10 * MINUTE;
    /// Events of one runner that wait for the target before the runner is read no further.
    runner_events_max = 10_000, 1, 10_000_000;
    /// Bytes of events of one runner that wait for the target before the runner is read no further.
    runner_event_bytes_max = 256 * MIB, KIB, 1_048_576 * MIB;
    /// Waiting events kept in memory for one runner; the rest waits in the store.
    runner_lane_events_max = 64, 1, 65_536;
    /// Bytes of waiting events kept in memory for one runner, one event at least.
    runner_lane_bytes_max = MIB, 1_024, 64 * MIB;
    /// Events that are on their way to the target at once, each of another runner, in the whole broker. Every
    /// shard has an equal share, of one at least.
    runner_forwards_max = 16, 1, 4_096;
    /// From the first byte of a request to the target to the last of its answer, in milliseconds.
    runner_forward_ms = 10 * SECOND, 10, 10 * MINUTE;
    /// Bytes of the target's answer that are read.
    runner_answer_bytes_max = 64 * KIB, 0, 64 * MIB;
    /// From a failed try of an event to the next, in milliseconds; doubles with every further one.
    runner_retry_ms_min = SECOND, 1, 10 * MINUTE;
    /// The longest such wait, in milliseconds.
    runner_retry_ms_max = MINUTE, 1, 60 * MINUTE;
    /// The longest wait that the target can ask for, in milliseconds.
    runner_retry_after_ms_max = 60 * MINUTE, 0, DAY;
    /// Answers with 5xx to one event before it may count as poison.
    runner_poison_answers_max = 5, 1, 10_000;
    /// From the first such answer until the event may count as poison, in milliseconds.
    runner_poison_ms = 15 * MINUTE, 0, 30 * DAY;
    /// From its arrival until an event that the target did not take is dead, in milliseconds.
    runner_event_age_ms = 3 * DAY, 50, 365 * DAY;
    /// Commands queued for one runner that is away.
    runner_commands_max = 100, 0, 100_000;
    /// The longest time a command may be queued, in milliseconds.
    runner_command_queue_ms_max = DAY, 0, 30 * DAY;
    /// The longest wait for a runner's ack, in milliseconds.
    runner_ack_wait_ms_max = 2 * MINUTE, 1, 60 * MINUTE;
    /// The wait for a runner's ack where the caller names none, in milliseconds.
    runner_ack_wait_ms = 30 * SECOND, 1, 60 * MINUTE;
    /// Callers of one shard that wait for something of a runner.
    runner_callers_max = 1_024, 1, 1_048_576;
    /// How long ids of events, keys of idempotency and dead events are kept, in milliseconds.
    runner_retention_ms = 7 * DAY, 100, 3_650 * DAY;
    /// From the order to drain until requests to the target are given up, in milliseconds: their events go
    /// again with the next broker.
    runner_goodbye_ms = SECOND, 0, 10 * MINUTE;
    /// Between two looks for runners that nobody owns and for which something waits, in milliseconds.
    runner_sweep_ms = 15 * SECOND, 10, 60 * MINUTE;
    /// Between two pings to a watcher, in milliseconds.
    live_ping_ms = 30 * SECOND, 20, 10 * MINUTE;
    /// From a ping to a watcher until its pong is overdue, in milliseconds.
    live_pong_ms = 10 * SECOND, 10, 10 * MINUTE;
    /// From the order to drain until watchers that did not say goodbye are dropped, in milliseconds.
    live_drain_ms = 5 * SECOND, 10, 10 * MINUTE;
    /// Watchers of the whole broker.
    live_connections_max = 10_000, 1, 1_000_000;
    /// How deep the data of a publication may be nested.
    live_data_depth_max = 64, 2, 100;
    /// Watchers that are let in per minute; a second's worth may come at once.
    live_accepts_per_minute_max = 120_000, 60, 100_000_000;
    /// Length of a watcher's message and of a publication's request, in bytes.
    live_message_bytes_max = 64 * KIB, 256, 16 * MIB;
    /// Messages of one watcher per minute, where the gate is on; a minute's worth may come at once.
    live_messages_per_minute_max = 1_200, 1, 100_000_000;
    /// Topics of one watcher.
    live_subscriptions_max = 256, 1, 65_536;
    /// Length of the name of a topic, of a key and of a key of idempotency, in bytes.
    live_name_bytes_max = 256, 16, 4_096;
    /// Topics in memory.
    live_topics_max = 10_000, 1, 1_000_000;
    /// Bytes of requests that wait until their topics are in memory, of all topics together.
    live_coming_bytes_max = 64 * MIB, KIB, 1_048_576 * MIB;
    /// Topics of one broadcast.
    live_broadcast_max = 100, 1, 10_000;
    /// Publications of one batch.
    live_batch_max = 100, 1, 10_000;
    /// Publications of one topic that wait for their commit.
    live_unstored_max = 1_024, 1, 65_536;
    /// Publications of one topic that are kept for those who come back.
    live_history_max = 1_000, 0, 1_000_000;
    /// Their length, in bytes.
    live_history_bytes_max = MIB, 0, 1_024 * MIB;
    /// How long they are kept, in milliseconds.
    live_history_ms = 10 * MINUTE, 10, 30 * DAY;
    /// Entities of one topic whose latest value is kept.
    live_entities_max = 10_000, 1, 1_000_000;
    /// Length of those values together, in bytes.
    live_entity_bytes_max = MIB, KIB, 1_024 * MIB;
    /// How long a publication's key of idempotency is known, in milliseconds.
    live_keys_ms = 5 * MINUTE, 10, 30 * DAY;
    /// Keys of idempotency of one topic that are known; beyond them the oldest are forgotten.
    live_keys_max = 10_000, 1, 1_000_000;
    /// Frames that wait for one watcher.
    live_queue_frames_max = 1_024, 1, 1_048_576;
    /// Bytes of frames that wait for one watcher.
    live_queue_bytes_max = MIB, KIB, 1_024 * MIB;
    /// Bytes of frames that wait for all watchers together; beyond them the slowest is closed.
    live_queued_bytes_max = 256 * MIB, KIB, 1_048_576 * MIB;
    /// The longest time for which publications are gathered where a watcher wishes that, in milliseconds.
    live_window_ms_max = SECOND, 100, 10 * SECOND;
    /// Between two looks whether watchers stand where their topics do, in milliseconds.
    live_check_ms = 10 * SECOND, 10, 60 * MINUTE;
    /// From a watcher's connection until it has shown a token, in milliseconds, where the gate is on.
    live_auth_ms = 5 * SECOND, 10, 5 * MINUTE;
    /// From the word that a token runs out until it has, in milliseconds.
    live_refresh_ms = 25 * SECOND, 0, 60 * MINUTE;
    /// From the end of a user's last connection to a topic until the user has left it, in milliseconds.
    live_presence_ms = 5 * SECOND, 0, 60 * MINUTE;
    /// Users of one topic up to which joins and leaves are told.
    live_presence_max = 100, 0, 65_536;
    /// The least and the most that watchers are told to wait after a shutdown, spread among them, is half of
    /// this and this, in milliseconds.
    live_retry_ms = 10 * SECOND, 10, 10 * MINUTE;
    /// Bytes of recordings that are kept. One is at most half of that, so that the one before stays.
    record_bytes_max = 1_024 * MIB, 256 * KIB, 1_048_576 * MIB;
    /// Bytes of a recording that wait for its disk; beyond them it ends with a hole.
    record_waiting_bytes_max = 16 * MIB, 256 * KIB, 1_024 * MIB;
    /// From the beginning of a recording until another one may take its place in the same process, in
    /// milliseconds.
    record_renew_ms_min = 60 * MINUTE, SECOND, 30 * DAY;
    /// Log records of one message and reason that strangers can cause, per minute; the next one says how many
    /// were left out.
    stranger_logs_per_minute_max = 60, 1, 1_000_000;
    /// Failed admin or hook tokens per address and minute before the address waits.
    token_failures_per_minute_max = 5, 1, 10_000;
}

impl Limits {
    /// Checks the relations between limits that no single range can express.
    ///
    /// # Errors
    /// One [`ConfigError`] for each relation that does not hold.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut need = |holds: bool, name: &'static str, value: u64, wanted: &str| {
            if !holds {
                errors.push(ConfigError::new(name, value, wanted));
            }
        };
        need(self.pong_ms > self.ping_ms, "pong_ms", self.pong_ms, "more than ping_ms");
        need(
            self.retention_ms >= self.message_ttl_ms,
            "retention_ms",
            self.retention_ms,
            "at least message_ttl_ms, or mail would be removed before it expires",
        );
        need(
            self.outbox_bytes_max >= self.outbox_bytes_least(),
            "outbox_bytes_max",
            self.outbox_bytes_max,
            "at least four times message_bytes_max, or mail could crowd out answers",
        );
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The limits of a connection of a runner: its messages are long, and it counts as gone by its heartbeats
    /// rather than by its pongs.
    #[must_use]
    pub fn of_runners(&self) -> Limits {
        let mut limits = self.clone();
        limits.message_bytes_max = self.runner_message_bytes_max;
        limits.outbox_bytes_max = self.outbox_bytes_max.max(limits.outbox_bytes_least());
        limits.ping_ms = self.runner_ping_ms;
        limits.pong_ms = u64::MAX;
        limits
    }

    /// A shard's share of `runner_inflight_bytes_max`, in bytes.
    pub const fn runner_inflight_share_bytes(&self, shards: u16) -> u64 {
        share(self.runner_inflight_bytes_max, shards, self.runner_message_bytes_max)
    }

    /// A shard's share of `runner_forwards_max`.
    pub const fn runner_forwards_share(&self, shards: u16) -> u64 {
        share(self.runner_forwards_max, shards, 1)
    }

    /// The least `outbox_bytes_max` that goes with `message_bytes_max`. Mail is held back once half of an
    /// outbox waits; the message that went in before, and answers besides, must not overflow it.
    pub const fn outbox_bytes_least(&self) -> u64 {
        self.message_bytes_max.saturating_mul(4)
    }

    /// The burst of the send limit, with its rule for 0 applied.
    pub fn send_burst(&self) -> u64 {
        if self.send_rate_burst == 0 {
            (self.send_rate_per_minute / 10).max(10)
        } else {
            self.send_rate_burst
        }
    }
}

/// One row of the table of limits, as `docs/limits.md` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// The name, which ends in the unit where there is one.
    pub name: &'static str,
    /// What it is unless set.
    pub default: u64,
    /// The smallest value it may be set to.
    pub min: u64,
    /// The greatest value it may be set to.
    pub max: u64,
    /// What it bounds.
    pub help: &'static str,
}

/// An equal part of the whole for each shard, but no less than `least`.
const fn share(whole: u64, shards: u16, least: u64) -> u64 {
    let part = match shards {
        0 => whole,
        _ => whole / shards as u64,
    };
    if part > least { part } else { least }
}

/// A limit's value as a count or a length in memory.
pub(crate) fn size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// A value the operator gave that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is not {wanted}")]
pub struct ConfigError {
    /// The name of the setting.
    pub field: String,
    /// What was given.
    pub value: String,
    /// What would be accepted.
    pub wanted: String,
}

impl ConfigError {
    /// An error for one field.
    pub fn new(field: impl Into<String>, value: impl fmt::Display, wanted: impl Into<String>) -> ConfigError {
        ConfigError { field: field.into(), value: value.to_string(), wanted: wanted.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_together() {
        assert_eq!(Limits::default().check(), Ok(()));
        for name in Limits::NAMES {
            let mut limits = Limits::default();
            let value = limits.get(name).unwrap();
            assert_eq!(limits.set(name, value), Ok(()), "the default of {name} lies outside its own range");
        }
    }

    #[test]
    fn a_value_outside_its_range_is_refused_with_field_value_and_range() {
        let error = Limits::default().set("lease_ms", 1).unwrap_err();
        assert_eq!(error.to_string(), "lease_ms: 1 is not a whole number from 20 to 3600000");
        assert!(Limits::default().set("no_such_limit", 1).is_err());
    }

    #[test]
    fn limits_that_contradict_each_other_are_named() {
        let mut limits = Limits::default();
        limits.set("pong_ms", 50).unwrap();
        assert_eq!(limits.check().unwrap_err()[0].field, "pong_ms");
    }

    #[test]
    fn the_send_burst_is_a_tenth_of_the_rate_and_at_least_ten() {
        let mut limits = Limits::default();
        assert_eq!(limits.send_burst(), 60);
        limits.set("send_rate_per_minute", 20).unwrap();
        assert_eq!(limits.send_burst(), 10);
        limits.set("send_rate_burst", 3).unwrap();
        assert_eq!(limits.send_burst(), 3);
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
