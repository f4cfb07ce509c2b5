//! Counters, gauges as plain numbers in enum-indexed arrays. The edge renders a snapshot; the core only
//! counts.

use std::collections::BTreeMap;
use std::time::Duration;

/// One line of the metrics page: its name, its label if it has one, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    /// The name as the page shows it, `_total` included.
    pub name: &'static str,
    /// Label name and value, both from closed sets.
    pub label: Option<(&'static str, &'static str)>,
    /// The HELP text.
    pub help: &'static str,
}

impl Series {
    /// True when the page tells by the label [`INSTANCE_LABEL`] whose number it is.
    pub fn is_of_instance(&self) -> bool {
        self.name.starts_with("processor_live_")
    }
}

/// The label that tells brokers apart in the series of live topics.
pub const INSTANCE_LABEL: &str = "instance_id";

macro_rules! series {
    ($(#[$doc:meta])* $Enum:ident {
        $($name:literal, $label:literal ; $help:literal : $($Variant:ident $(= $value:literal)?),+ ;)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum $Enum { $($($Variant,)+)+ }

        impl $Enum {
            /// Every series, in the order of the page.
            pub const ALL: &'static [$Enum] = &[$($($Enum::$Variant,)+)+];

            /// The line this series has on the metrics page.
            pub const fn series(self) -> Series {
                match self {
                    $($($Enum::$Variant => Series {
                        name: $name,
                        label: label($label, series!(@value $($value)?)),
                        help: $help,
                    },)+)+
                }
            }
        }
    };
    (@value) => { "" };
    (@value $value:literal) => { $value };
}

const fn label(name: &'static str, value: &'static str) -> Option<(&'static str, &'static str)> {
    if name.is_empty() { None } else { Some((name, value)) }
}

series! {
    /// What only grows.
    Counter {
        "broker_connections_total", ""; "Accepted WebSocket upgrades": ConnectionsTotal;
        "broker_connections_rejected_total", "reason"; "Refused hellos by reason":
            RejectedCapacity = "capacity", RejectedUnauthorized = "unauthorized", RejectedRevoked = "revoked",
            RejectedSkew = "timestamp_skew", RejectedSignature = "bad_signature",
            RejectedMalformed = "malformed",
            RejectedSessionKey = "bad_session_pubkey", RejectedParentKey = "bad_parent_pubkey",
            RejectedAttestation = "attestation_mismatch", RejectedAttestationExpired = "attestation_expired",
            RejectedAttestationTtl = "attestation_ttl_too_long",
            RejectedAttestationSignature = "attestation_bad_signature",
            RejectedAttestationMalformed = "attestation_malformed",
            RejectedSessionSkew = "session_timestamp_skew",
            RejectedSessionSignature = "session_bad_signature",
            RejectedSessionMalformed = "session_malformed",
            RejectedParentMember = "parent_member_id_mismatch", RejectedReplayed = "replayed",
            RejectedConflict = "session_conflict", RejectedHelloTimeout = "hello_timeout",
            RejectedStore = "store_down", RejectedOwner = "not_owner",
            RejectedFormerKey = "member_key_rotated";
        "broker_messages_routed_total", "priority"; "Pushes written by priority":
            RoutedNow = "now", RoutedNext = "next", RoutedLow = "low", RoutedStream = "stream";
        "broker_messages_rejected_total", "reason"; "Refused sends by reason":
            SendRateLimit = "rate_limit", SendTooLarge = "too_large", SendNoRecipient = "no_recipient",
            SendBad = "parse_or_handler", SendQueueFull = "queue_full", SendStore = "store",
            SendDraining = "draining",
            SendBusy = "busy", SendOwner = "not_owner", SendConflict = "conflict",
            SendKeyExpired = "key_expired", SendReplyChain = "reply_chain";
        "broker_messages_dropped_by_grant_total", "cap"; "Sends that a recipient's grants refuse":
            DroppedDm = "dm", DroppedBroadcast = "broadcast";
        "broker_ttl_sweeps_total", "flipped"; "Looks for overdue working statuses, by whether any was flipped":
            SweepFlipped = "true", SweepClean = "false";
        "broker_ttl_flipped_total", ""; "Working statuses turned idle because nobody confirmed them": TtlFlipped;
        "broker_hook_requests_total", ""; "Hook requests": HookRequests;
        "broker_hook_requests_rate_limited_total", ""; "Hook requests over their limit": HookRateLimited;
        "broker_legacy_auth_hits_total", ""; "Requests that used legacy authentication": LegacyAuth;
        "peermesh_messages_accepted_total", ""; "Accepted sends": Accepted;
        "peermesh_messages_duplicate_total", ""; "Resends answered with the first message id": Duplicate;
        "peermesh_deliveries_settled_total", "outcome"; "Deliveries that ended, by how":
            SettledDelivered = "delivered", SettledExpired = "expired", SettledDead = "dead";
        "peermesh_redeliveries_total", ""; "Pushes repeated because nobody acknowledged them": Redelivered;
        "peermesh_commits_total", ""; "Write batches sent to the store": Commits;
        "peermesh_commit_retries_total", ""; "Write batches tried again because their outcome was unknown": CommitRetries;
        "peermesh_rejected_total", "reason"; "What was refused for its form, by reason":
            BadRequest = "bad_request", BadHead = "bad_head", BadFrame = "bad_frame", TooLarge = "too_large",
            Flood = "control_flood", SlowConsumer = "slow_consumer", Overloaded = "overloaded",
            BadToken = "bad_token", ForeignOrigin = "foreign_origin", UnknownAck = "unknown_ack",
            UrlToken = "url_token";
        "peermesh_member_requests_total", "outcome"; "What members asked over HTTP, by how it was answered":
            EnquiryAnswered = "answered", EnquiryNotFound = "not_found", EnquiryBad = "bad_request",
            EnquiryUnauthorized = "unauthorized", EnquiryUnavailable = "unavailable";
        "peermesh_member_keys_rotated_total", ""; "Keys of members that another one replaced": KeysRotated;
        "peermesh_rows_removed_total", "kind"; "Rows that were kept long enough and are removed, by kind":
            RemovedMessages = "message", RemovedTombstones = "tombstone", RemovedPresences = "presence",
            RemovedProofs = "hello";
        "peermesh_tombstones_made_total", ""; "Removed messages whose keys are still known": Buried;
        "cm_broker_dedupe_orphan_check_total", "";
            "Checks whether keys, messages and deliveries agree that came to their end": KeyChecks;
        "cm_broker_atomicity_violation_found", "";
            "Rows of one message that no commit can have left so, counted by every check that sees them":
            AtomicityViolations;
        "cm_broker_rate_limit_rejection_total", ""; "Sends refused because their member's budget was spent":
            RateLimitRejection;
        "cm_broker_rate_limit_consumed_then_b2_rejected_total", "";
            "Sends that took from the budget and were refused for their target or for want of room":
            SpentThenRefused;
        "peermesh_runner_events_total", ""; "Events that runners sent": RunnerEvents;
        "peermesh_runner_events_duplicate_total", ""; "Events that a runner had sent before, by their id":
            RunnerEventsKnown;
        "peermesh_runner_commands_total", ""; "Commands written to runners": RunnerCommands;
        "peermesh_runner_commands_refused_total", "reason"; "Commands that were not handed over, or whose end nobody knows":
            CommandAbsent = "not_connected", CommandElsewhere = "not_owner", CommandBusy = "busy",
            CommandQueueFull = "queue_full", CommandExpired = "expired", CommandUnanswered = "no_ack",
            CommandConflict = "key_conflict", CommandStore = "store";
        "peermesh_runner_errors_total", "";
            "Messages of runners that were none, connections that broke the protocol, events without an answer":
            RunnerErrors;
        "peermesh_runner_replaced_total", ""; "Connections of runners that a newer one replaced": RunnerReplaced;
        "peermesh_runner_stale_total", ""; "Connections of runners ended because no heartbeat came": RunnerStale;
        "peermesh_runner_forwards_total", "outcome"; "Requests to the event target, by what came of them":
            ForwardTaken = "taken", ForwardRefused = "refused", ForwardDeferred = "deferred",
            ForwardUnanswered = "unanswered";
        "peermesh_runner_events_dead_total", "reason"; "Events that are not sent any more":
            DeadRefused = "refused", DeadPoison = "poison", DeadTooOld = "too_old";
        "processor_live_messages_inbound_total", "type"; "Messages of watchers, by type":
            LiveSubscribe = "subscribe", LiveUnsubscribe = "unsubscribe", LiveInvalid = "invalid",
            LiveAuth = "auth", LivePing = "ping", LivePublish = "publish", LiveHistory = "history",
            LivePresence = "presence", LivePresenceStats = "presence-stats";
        "processor_live_messages_outbound_total", "type"; "Messages to watchers, by type":
            ToldSubscribed = "subscribed", ToldUnsubscribed = "unsubscribed", ToldPosition = "position",
            ToldPositions = "positions", ToldError = "error", ToldAuthorized = "authorized",
            ToldPublished = "published", ToldHistory = "history", ToldPresence = "presence",
            ToldPresenceStats = "presence-stats", ToldJoin = "join", ToldLeave = "leave", ToldGap = "gap",
            ToldRefresh = "refresh", ToldPong = "pong", ToldGoingAway = "going-away";
        "peermesh_live_publications_total", ""; "Publications to live topics": LivePublications;
        "peermesh_live_duplicates_total", ""; "Publications whose key was known, answered with the first offset":
            LiveDuplicates;
        "peermesh_live_encodes_total", ""; "Publications written as a frame, once for each form": LiveEncodes;
        "peermesh_live_recoveries_total", "outcome"; "Watchers that came back with a position, by outcome":
            LiveRecovered = "recovered", LiveMissed = "missed";
        "peermesh_live_resyncs_total", ""; "Subscriptions ended because their position was in doubt": LiveResyncs;
        "peermesh_live_conflated_total", ""; "Waiting values that a later one replaced": LiveConflated;
        "peermesh_live_feed_refused_total", ""; "Rows of the feed of which no publication could be made":
            LiveFeedRefused;
        "peermesh_live_gaps_total", ""; "Publications dropped for a watcher that was told so": LiveGaps;
        "peermesh_live_slow_total", "reason"; "Watchers closed because too much waited for them":
            LiveSlow = "queue", LiveShed = "ceiling";
        "peermesh_clock_jumps_total", ""; "Jumps of the wall clock by more than 5 s": ClockJumps;
    }
}

series! {
    /// What only grows, for each mesh: its id is the label `mesh_id`.
    MeshCounter {
        "cm_broker_dedupe_fingerprint_mismatch_total", ""; "Sends whose key was used for another request":
            FingerprintMismatch;
        "cm_broker_dedupe_orphan_found", "";
            "Keys of which no message is left, counted by every check that sees them; `other` also where no row says whose": Orphans;
    }
}

/// The label that tells meshes apart.
pub const MESH_LABEL: &str = "mesh_id";

/// The value of that label for meshes beyond [`MESHES_MAX`].
pub const OTHER_MESHES: &str = "other";

/// How many meshes have a label of their own.
pub const MESHES_MAX: usize = 1_000;

series! {
    /// What goes up and down.
    Gauge {
        "broker_connections_active", ""; "Presences with a live connection": ConnectionsActive;
        "broker_queue_depth", ""; "Deliveries that wait or are leased": QueueDepth;
        "broker_db_healthy", ""; "1 when the store answered last, else 0": DbHealthy;
        "peermesh_runner_connections", ""; "Runners with a live connection": RunnerConnections;
        "peermesh_runner_events_waiting", ""; "Events that wait for the event target": RunnerEventsWaiting;
        "peermesh_runner_dead_events", ""; "Dead events in the store": RunnerEventsDead;
        "peermesh_runner_commands_waiting", ""; "Commands in the store that wait for their runner": RunnerCommandsWaiting;
        "processor_live_connections", ""; "Open connections of watchers": LiveConnections;
        "processor_live_subscriptions", ""; "Subscriptions of watchers": LiveSubscriptions;
        "peermesh_live_topics", ""; "Live topics in memory": LiveTopics;
        "peermesh_live_queue_bytes", ""; "Bytes that wait for watchers": LiveQueueBytes;
        "peermesh_sockets", ""; "Open sockets of any kind": Sockets;
        "peermesh_meshes_resident", ""; "Meshes in memory": MeshesResident;
    }
}

/// What takes time, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    /// From a publication's arrival until it was handed over to be written to one watcher.
    LiveDelivery,
}

impl Timing {
    /// Every one of them, in the order of the page.
    pub const ALL: &'static [Timing] = &[Timing::LiveDelivery];

    /// The line this series has on the metrics page.
    pub const fn series(self) -> Series {
        match self {
            Timing::LiveDelivery => Series {
                name: "peermesh_live_delivery_seconds",
                label: None,
                help: "From a publication's arrival until it was handed over to be written to one watcher",
            },
        }
    }
}

/// Upper bounds of the buckets in which times are counted, in microseconds. Behind them is one without.
pub const TIMING_BOUNDS_US: [u64; 12] =
    [100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000, 10_000_000];

/// How often something took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timed {
    /// Up to each bound and over the one before, and behind all of them.
    pub counts: [u64; TIMING_BOUNDS_US.len() + 1],
    /// All together, in microseconds.
    pub sum_us: u64,
}

impl Timed {
    /// Counts what took that long so many times.
    pub fn add(&mut self, micros: u64, times: u64) {
        let bucket = TIMING_BOUNDS_US.iter().position(|bound| micros <= *bound);
        let count = &mut self.counts[bucket.unwrap_or(TIMING_BOUNDS_US.len())];
        *count = count.saturating_add(times);
        self.sum_us = self.sum_us.saturating_add(micros.saturating_mul(times));
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Timed) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

/// A shard's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stats {
    counters: Vec<u64>,
    gauges: Vec<i64>,
    timings: Vec<Timed>,
    by_mesh: BTreeMap<Box<str>, [u64; MeshCounter::ALL.len()]>,
    meshes_max: usize,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats::of_shards(1)
    }
}

impl Stats {
    /// The numbers of one of that many shards: each names its share of [`MESHES_MAX`] meshes.
    pub fn of_shards(shards: u16) -> Stats {
        Stats {
            counters: vec![0; Counter::ALL.len()],
            gauges: vec![0; Gauge::ALL.len()],
            timings: vec![Timed::default(); Timing::ALL.len()],
            by_mesh: BTreeMap::new(),
            meshes_max: (MESHES_MAX / usize::from(shards.max(1))).max(1),
        }
    }

    /// Counts one for a mesh.
    pub fn count_of(&mut self, counter: MeshCounter, mesh: &str) {
        let has_room = self.by_mesh.len() < self.meshes_max;
        let mesh = if has_room || self.by_mesh.contains_key(mesh) { mesh } else { OTHER_MESHES };
        let counts = self.by_mesh.entry(mesh.into()).or_default();
        counts[counter as usize] = counts[counter as usize].saturating_add(1);
    }

    /// What was counted for each mesh.
    pub fn by_mesh(&self, counter: MeshCounter) -> impl Iterator<Item = (&str, u64)> {
        let counted = self.by_mesh.iter().map(move |(mesh, counts)| (&**mesh, counts[counter as usize]));
        counted.filter(|(_, count)| *count > 0)
    }

    /// Counts one.
    pub fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts several.
    pub fn add(&mut self, counter: Counter, more: u64) {
        let value = &mut self.counters[counter as usize];
        *value = value.saturating_add(more);
    }

    /// Sets a gauge.
    pub fn set(&mut self, gauge: Gauge, value: i64) {
        self.gauges[gauge as usize] = value;
    }

    /// Moves a gauge.
    pub fn shift(&mut self, gauge: Gauge, by: i64) {
        let value = &mut self.gauges[gauge as usize];
        *value = value.saturating_add(by);
    }

    /// Counts that something took that long, so many times.
    pub fn time(&mut self, timing: Timing, took: Duration, times: u64) {
        self.timings[timing as usize].add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), times);
    }

    /// How often something took how long.
    pub fn timed(&self, timing: Timing) -> &Timed {
        &self.timings[timing as usize]
    }

    /// A counter's value.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// A gauge's value.
    pub fn gauge(&self, gauge: Gauge) -> i64 {
        self.gauges[gauge as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_its_own_name_and_label() {
        let mut seen = Vec::new();
        let all = Counter::ALL.iter().map(|counter| counter.series());
        for Series { name, label, .. } in all.chain(MeshCounter::ALL.iter().map(|counter| counter.series())) {
            assert!(name.ends_with("_total") || name.ends_with("_found"));
            assert!(!seen.contains(&(name, label)), "{name} {label:?} stands twice");
            seen.push((name, label));
        }
    }

    #[test]
    fn only_so_many_meshes_have_a_label_of_their_own() {
        let mut stats = Stats::of_shards(4);
        for mesh in (0..400).map(|n| format!("mesh-{n}")).chain(["mesh-7".to_owned()]) {
            stats.count_of(MeshCounter::FingerprintMismatch, &mesh);
        }
        let counted: Vec<(&str, u64)> = stats.by_mesh(MeshCounter::FingerprintMismatch).collect();
        assert_eq!(counted.len(), MESHES_MAX / 4 + 1);
        assert!(counted.contains(&("mesh-7", 2)) && counted.contains(&(OTHER_MESHES, 150)));
    }

    #[test]
    fn a_time_is_counted_in_the_bucket_that_it_does_not_go_over() {
        let mut stats = Stats::default();
        for (micros, times) in [(100, 1), (101, 2), (10_000_001, 3)] {
            stats.time(Timing::LiveDelivery, Duration::from_micros(micros), times);
        }
        let timed = stats.timed(Timing::LiveDelivery);
        assert_eq!((timed.counts[0], timed.counts[1], timed.counts[TIMING_BOUNDS_US.len()]), (1, 2, 3));
        assert_eq!(timed.sum_us, 100 + 202 + 30_000_003);
    }

    #[test]
    fn counting_moves_one_series_only() {
        let mut stats = Stats::default();
        stats.count(Counter::RoutedNow);
        stats.shift(Gauge::Sockets, -1);
        assert_eq!((stats.counter(Counter::RoutedNow), stats.counter(Counter::RoutedNext)), (1, 0));
        assert_eq!(stats.gauge(Gauge::Sockets), -1);
    }
}
