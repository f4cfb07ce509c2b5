//! What a seed draws: which classes of faults there are, how many brokers and shards, who takes part, and
//! which limits hold.
//!
//! Whole classes are left out at random, so that the rare ones get room: a store that fails all the time
//! hides what only slow readers bring out.

use std::collections::BTreeSet;

use peermesh_core::config::Limits;

use super::actor::Job;
use super::dice::Dice;
use super::plan::{Class, Plan};

/// The draw of one seed.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    has: BTreeSet<Class>,
    pub limits: Limits,
    pub brokers: usize,
    pub shards: u16,
    /// The store can be shared, so what is owned must be claimed and can be lost.
    pub shared: bool,
    /// How long the store lets a broker own what it owns without a ping, in milliseconds.
    pub lease_ms: u64,
    /// How many members each mesh has.
    pub members: Vec<usize>,
    pub actors: Vec<(u16, Role)>,
    /// Between two deeds of a client, about, in milliseconds.
    pub pace_ms: u64,
    /// Between two faults of a class, about, in milliseconds.
    pub trouble_ms: u64,
    /// Clients and their hooks must show tokens.
    pub hook_token: bool,
}

/// What an actor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Peer(PeerRole),
    /// By its number.
    Runner(usize),
    /// Sends commands to runners.
    Caller,
    /// Says what peers are doing.
    Hooker,
    /// Looks at pages and removes members.
    Operator,
    /// Watches the live topic of that number.
    Watcher(usize),
    /// Publishes to it.
    Publisher(usize),
    /// Runs a daemon.
    Host(HostRole),
    /// Gives members other keys.
    Rotator,
}

/// What a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostRole {
    /// Whom its daemon is in which meshes: their places, and those of members.
    pub homes: Vec<(usize, usize)>,
    /// Its programs.
    pub jobs: Vec<Job>,
}

/// What kind of client a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeerRole {
    pub mesh: usize,
    pub member: usize,
    pub kind: PeerKind,
    pub is_flapping: bool,
    pub has_twin: bool,
    pub is_slow: bool,
    pub is_mute: bool,
    pub is_lying: bool,
    pub is_bursting: bool,
}

/// How a peer says hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PeerKind {
    /// With its member's key.
    Member,
    /// With a key of its session, by that number.
    Session(u8),
    /// The old way, with a session's key beside its member's.
    Legacy(u8),
    /// With its member's key, only to send.
    SendOnly,
}

impl Mix {
    pub(super) fn of(plan: &Plan) -> Mix {
        let mut dice = Dice::of(plan.seed, "mix", 0);
        let mut has: BTreeSet<Class> =
            Class::ALL.iter().copied().filter(|class| draws(plan.seed, *class)).collect();
        has.retain(|class| !plan.without.classes.contains(class));
        let limits = limits(plan, &has);
        let sharing = has.contains(&Class::Sharing);
        let shards = if has.contains(&Class::Shards) { dice.between(2, 3) } else { 1 };
        let mut mix = Mix {
            limits,
            brokers: if sharing { 2 } else { 1 },
            shards: u16::try_from(shards).unwrap_or(1),
            shared: sharing || dice.chance(20),
            lease_ms: *dice.pick(&[2_000, 6_000, 6_000]),
            members: Vec::new(),
            actors: Vec::new(),
            pace_ms: *dice.pick(&[700, 1_500, 3_000, 6_000]),
            trouble_ms: *dice.pick(&[8_000, 20_000, 45_000]),
            hook_token: dice.chance(30),
            has,
        };
        mix.cast(plan);
        mix
    }

    pub(super) fn has(&self, class: Class) -> bool {
        self.has.contains(&class)
    }

    /// Who takes part.
    fn cast(&mut self, plan: &Plan) {
        let mut dice = Dice::of(plan.seed, "cast", 0);
        let mut roles = Vec::new();
        for mesh in 0..*dice.pick(&[1, 1, 2, 3]) {
            let members = *dice.pick(&[2, 3, 3, 4]);
            self.members.push(members);
            for member in 0..members {
                for kind in kinds(&mut dice, self) {
                    roles.push(Role::Peer(self.peer(&mut dice, mesh, member, kind)));
                }
            }
        }
        if self.has(Class::Runners) {
            roles.extend((0..*dice.pick(&[1, 2, 3])).map(Role::Runner));
            roles.push(Role::Caller);
        }
        let others = [(Class::Hooks, Role::Hooker), (Class::Admin, Role::Operator)];
        roles.extend(others.into_iter().filter(|(class, _)| self.has(*class)).map(|(_, role)| role));
        if self.has(Class::Live) {
            let mut dice = Dice::of(plan.seed, "topics", 0);
            for topic in 0..*dice.pick(&[1, 2, 3, 4]) {
                roles.extend((0..*dice.pick(&[1, 1, 2])).map(|_| Role::Publisher(topic)));
                roles.extend((0..*dice.pick(&[1, 2, 3])).map(|_| Role::Watcher(topic)));
            }
        }
        if self.has(Class::Daemons) {
            let mut dice = Dice::of(plan.seed, "hosts", 0);
            roles.extend((0..*dice.pick(&[1, 2, 2])).map(|_| Role::Host(self.host(&mut dice))));
        }
        if self.has(Class::Rotations) {
            roles.push(Role::Rotator);
        }
        let numbered = roles.into_iter().enumerate();
        let numbered = numbered.map(|(no, role)| (u16::try_from(no).unwrap_or(u16::MAX), role));
        self.actors = numbered.filter(|(no, _)| !plan.without.actors.contains(no)).collect();
    }

    /// A host whose daemon is nobody else in its meshes.
    fn host(&mut self, dice: &mut Dice) -> HostRole {
        let mut homes = Vec::new();
        let all = self.members.len() > 1 && dice.chance(50);
        let only = dice.place(self.members.len());
        for (mesh, members) in self.members.iter_mut().enumerate().filter(|(mesh, _)| all || *mesh == only) {
            homes.push((mesh, *members));
            *members += 1;
        }
        HostRole { homes, jobs: jobs(dice) }
    }

    fn peer(&self, dice: &mut Dice, mesh: usize, member: usize, kind: PeerKind) -> PeerRole {
        // A trait that is left out is drawn all the same, so that the others stay as they are.
        let mut draw = |class, percent| dice.chance(percent) && self.has(class);
        PeerRole {
            mesh,
            member,
            kind,
            is_flapping: draw(Class::Flapping, 30),
            has_twin: draw(Class::Twins, 25),
            is_slow: draw(Class::Slow, 35),
            is_mute: draw(Class::Mute, 25),
            is_lying: draw(Class::Lying, 30),
            is_bursting: draw(Class::Bursts, 35),
        }
    }
}

/// What the programs of a host are there for.
fn jobs(dice: &mut Dice) -> Vec<Job> {
    let mut jobs = vec![Job::Send; usize::try_from(dice.between(1, 3)).unwrap_or(1)];
    jobs.push(Job::Read);
    if dice.chance(70) {
        jobs.push(Job::Listen);
    }
    if dice.chance(50) {
        jobs.push(Job::Operate);
    }
    jobs
}

/// Whether a seed has a class. Each is drawn by itself, so that a class that is added leaves the others as
/// they are.
fn draws(seed: u64, class: Class) -> bool {
    Dice::of(seed, class.word(), 1).chance(share_of(class))
}

/// Of a hundred seeds, how many have a class.
fn share_of(class: Class) -> u64 {
    match class {
        Class::Sharing | Class::Holidays => 30,
        Class::StoreCorrupt => 10,
        Class::Daemons => 25,
        Class::HostDeaths | Class::HostDisk => 60,
        Class::Shards | Class::Freezes | Class::OneWays | Class::HalfCloses | Class::Rotations => 40,
        Class::Tiny | Class::Hooks | Class::Runners | Class::Phases | Class::Live => 50,
        Class::Admin | Class::Legacy | Class::Twins | Class::Long => 35,
        Class::Cuts | Class::Splits | Class::Delays => 60,
        Class::Stalls
        | Class::Deaths
        | Class::Restarts
        | Class::Jumps
        | Class::StoreSlow
        | Class::StoreRefuses
        | Class::StoreUnknown
        | Class::StoreDown
        | Class::Flapping
        | Class::Slow
        | Class::Mute
        | Class::Lying
        | Class::Bursts
        | Class::TargetTrouble => 45,
    }
}

/// The connections of one member.
fn kinds(dice: &mut Dice, mix: &Mix) -> Vec<PeerKind> {
    let mut kinds = Vec::new();
    if dice.chance(75) {
        kinds.push(PeerKind::Member);
    }
    for session in 0..dice.below(3) {
        kinds.push(PeerKind::Session(u8::try_from(session).unwrap_or(0)));
    }
    let (legacy, send_only) = (dice.chance(25), dice.chance(12));
    if legacy && mix.has(Class::Legacy) {
        kinds.push(PeerKind::Legacy(9));
    }
    if send_only {
        kinds.push(PeerKind::SendOnly);
    }
    if kinds.iter().all(|kind| *kind == PeerKind::SendOnly) {
        kinds.push(PeerKind::Member);
    }
    kinds
}

/// The plan's own limits; or the usual ones, or such that every bound is met.
fn limits(plan: &Plan, has: &BTreeSet<Class>) -> Limits {
    if let Some(limits) = &plan.limits {
        return limits.clone();
    }
    let mut dice = Dice::of(plan.seed, "limits", 0);
    let mut limits = Limits::default();
    let mut set = |name: &str, value: u64| {
        limits
            .set(name, value)
            .unwrap_or_else(|error| panic!("a limit that is drawn fits its range: {error}"));
    };
    // Rounds that come once in an hour would hardly ever be seen.
    set("retention_sweep_ms", 40_000);
    if has.contains(&Class::Tiny) {
        TINY.iter().for_each(|(name, value)| set(name, *value));
        let [ages, dies, strict, tight] = [(); 4].map(|()| dice.chance(35));
        set("lane_messages_max", dice.between(1, 4));
        set("unacked_pushes_max", dice.between(1, 4));
        set("message_ttl_ms", if ages { 60_000 } else { 3_600_000 });
        set("deliveries_max", if dies { 2 } else { 12 });
        set("send_rate_per_minute", if strict { 240 } else { 0 });
        set("send_rate_burst", dice.between(1, 6));
        set("queued_per_mailbox_max", if tight { 6 } else { 60 });
        // A daemon serves no broker that forgets keys within days.
        if !has.contains(&Class::Daemons) {
            set("retention_ms", if ages { 120_000 } else { 7_200_000 });
        }
    }
    // Most of what a lane of events can get wrong takes more events than it holds in memory.
    let mut lanes = Dice::of(plan.seed, "lanes", 0);
    if lanes.chance(40) {
        set("runner_lane_events_max", lanes.between(1, 3));
    }
    limits
}

/// So small that every bound is met, and ten minutes are long.
const TINY: &[(&str, u64)] = &[
    ("lane_bytes_max", 1_024),
    ("unacked_sends_max", 4),
    ("batch_messages_max", 3),
    ("batch_ops_max", 5),
    ("ack_deadline_ms", 1_000),
    ("commit_retry_ms_min", 20),
    ("commit_retry_ms_max", 200),
    ("reads_in_flight_max", 2),
    ("reads_waiting_max", 16),
    ("health_ms", 200),
    ("health_answer_ms", 200),
    ("lease_ms", 3_000),
    ("legacy_ping_ms", 600),
    ("grace_ms", 4_000),
    ("mesh_idle_ms", 2_000),
    ("rate_window_ms", 3_000),
    ("rate_keys_max", 8),
    ("looks_bytes_max", 2_048),
    ("replacements_max", 3),
    ("replacements_ms", 6_000),
    ("retention_sweep_ms", 5_000),
    ("send_window_bytes", 1_024),
    ("message_bytes_max", 16_384),
    ("outbox_bytes_max", 65_536),
    ("stall_ms", 3_000),
    ("ping_ms", 5_000),
    ("pong_ms", 12_000),
    ("status_ttl_ms", 10_000),
    ("status_sweep_ms", 2_000),
    ("drain_ms", 2_000),
    ("live_ping_ms", 5_000),
    ("live_pong_ms", 3_000),
    ("live_drain_ms", 1_000),
    ("live_history_max", 12),
    ("live_queue_frames_max", 4),
    ("former_key_grace_ms", 40_000),
    ("former_keys_max", 3),
    ("runner_unstored_max", 4),
    ("runner_store_retry_ms", 200),
    ("runner_events_max", 20),
    ("runner_lane_events_max", 3),
    ("runner_forwards_max", 2),
    ("runner_retry_ms_min", 100),
    ("runner_retry_ms_max", 2_000),
    ("runner_ping_ms", 2_000),
    ("runner_stale_ms", 6_000),
    ("runner_commands_max", 4),
    ("runner_sweep_ms", 2_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_classes_are_switched_off_at_random_and_by_wish() {
        let mixes: Vec<Mix> = (0..200).map(|seed| Mix::of(&Plan::of(seed))).collect();
        for class in Class::ALL {
            let with = mixes.iter().filter(|mix| mix.has(*class)).count();
            assert!((5..180).contains(&with), "{class:?} in {with} of 200");
        }
        let mut plan = Plan::of(0);
        plan.without.classes.extend(Class::ALL);
        let mix = Mix::of(&plan);
        assert_eq!((mix.brokers, mix.shards), (1, 1));
        assert!(mix.actors.iter().all(|(_, role)| matches!(role, Role::Peer(_))));
    }

    #[test]
    fn leaving_an_actor_out_leaves_the_others_as_they_are() {
        let whole = Mix::of(&Plan::of(5));
        let mut plan = Plan::of(5);
        plan.without.actors.insert(1);
        let rest: Vec<_> = whole.actors.iter().filter(|(no, _)| *no != 1).cloned().collect();
        assert_eq!(Mix::of(&plan).actors, rest);
    }

    #[test]
    fn drawn_limits_hold_together() {
        for seed in 0..100 {
            assert_eq!(Mix::of(&Plan::of(seed)).limits.check(), Ok(()));
        }
    }
}
