//! Which fault comes when: drawn from the seed, class by class.
//!
//! Each class that a seed has goes on by itself: when one of its faults has begun, the next is drawn. So a
//! class that is left out changes nothing for the others but what they meet.

use super::clock::{MS, Speed};
use super::dice::Dice;
use super::disk::{Mood, Refusal};
use super::heap::{Event, Relief};
use super::link::{LinkNo, Way};
use super::marks::Mark;
use super::plan::{Class, Plan};
use super::swarm::Mix;
use super::target::Manner;
use super::world::World;

/// The next fault of a class is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble(pub Class);

/// A step of a message's way at which a broker can be made to die (faults, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// P0: a send has arrived and is not read.
    Unread,
    /// P1 to P3: it was judged; nothing was asked of the store.
    Judged,
    /// P4 to P6: the transaction is open, and is rolled back.
    InTransaction,
    /// P7: the commit is under way, and may be made.
    Committing,
    /// P8: it was made, and not told.
    Committed,
    /// P9: it was told, and the ack is not written.
    BeforeAck,
    /// P10: a push was written.
    Pushing,
    /// P11: an acknowledgement was read; nothing was asked of the store.
    AckRead,
    /// P12: the end of the delivery is under way to the store.
    Settling,
}

impl Phase {
    const ALL: [Phase; 9] = [
        Phase::Unread,
        Phase::Judged,
        Phase::InTransaction,
        Phase::Committing,
        Phase::Committed,
        Phase::BeforeAck,
        Phase::Pushing,
        Phase::AckRead,
        Phase::Settling,
    ];

    pub(super) fn mark(self) -> Mark {
        match self {
            Phase::Unread => Mark::DiedUnread,
            Phase::Judged => Mark::DiedJudged,
            Phase::InTransaction => Mark::DiedInTransaction,
            Phase::Committing => Mark::DiedCommitting,
            Phase::Committed => Mark::DiedCommitted,
            Phase::BeforeAck => Mark::DiedBeforeAck,
            Phase::Pushing => Mark::DiedPushing,
            Phase::AckRead => Mark::DiedAckRead,
            Phase::Settling => Mark::DiedSettling,
        }
    }
}

pub(super) struct Chaos {
    pub dice: Dice,
    streams: Vec<(Class, Dice)>,
    every_ms: u64,
    /// Who is to die at which step.
    doom: Option<(usize, Phase)>,
}

/// Classes whose faults come by themselves; the others are traits of actors, or of the network.
const BY_THEMSELVES: &[Class] = &[
    Class::Cuts,
    Class::Stalls,
    Class::OneWays,
    Class::Deaths,
    Class::Phases,
    Class::Restarts,
    Class::Freezes,
    Class::Jumps,
    Class::Holidays,
    Class::StoreSlow,
    Class::StoreRefuses,
    Class::StoreUnknown,
    Class::StoreDown,
    Class::StoreCorrupt,
    Class::TargetTrouble,
];

impl Chaos {
    pub(super) fn new(plan: &Plan, mix: &Mix) -> Chaos {
        let streams = BY_THEMSELVES.iter().filter(|class| mix.has(**class));
        let streams = streams.map(|class| (*class, Dice::of(plan.seed, class.word(), 0))).collect();
        Chaos { dice: Dice::of(plan.seed, "chaos", 0), streams, every_ms: mix.trouble_ms, doom: None }
    }

    /// The first fault of each class.
    pub(super) fn first(&mut self) -> Vec<(u64, Trouble)> {
        let classes: Vec<Class> = self.streams.iter().map(|(class, _)| *class).collect();
        classes.into_iter().map(|class| (self.wait(class), Trouble(class))).collect()
    }

    /// How long until the next fault of a class, in nanoseconds.
    fn wait(&mut self, class: Class) -> u64 {
        let every_ms = match class {
            Class::Holidays => 200_000,
            Class::StoreCorrupt => 150_000,
            Class::Phases => self.every_ms / 3,
            Class::Cuts => self.every_ms / 4,
            Class::Restarts | Class::Jumps => self.every_ms * 2,
            _ => self.every_ms,
        };
        self.of(class).around(every_ms) * MS
    }

    fn of(&mut self, class: Class) -> &mut Dice {
        match self.streams.iter().position(|(one, _)| *one == class) {
            Some(place) => &mut self.streams[place].1,
            None => &mut self.dice,
        }
    }

    /// At which step that broker is to die.
    pub(super) fn doom(&self, node: usize) -> Option<Phase> {
        self.doom.filter(|(whom, _)| *whom == node).map(|(_, phase)| phase)
    }

    pub(super) fn clear_doom(&mut self) {
        self.doom = None;
    }
}

impl World {
    /// The next fault of a class.
    pub(super) fn trouble(&mut self, Trouble(class): Trouble) {
        if self.peace.is_some() {
            return;
        }
        let wait = self.chaos.wait(class);
        self.heap.put(self.now + wait, Event::Trouble(Trouble(class)));
        // The draw is the same whatever it meets.
        let mut dice = self.chaos.of(class).clone();
        let nodes = self.nodes.len();
        let node = dice.place(nodes);
        match class {
            Class::Cuts => self.cut_something(&mut dice),
            Class::Stalls => self.stall_something(&mut dice),
            Class::OneWays => self.swallow_something(&mut dice),
            Class::Deaths => {
                let down_ms = dice.around(1_500);
                self.die(node, down_ms);
            }
            Class::Phases => self.chaos.doom = Some((node, *dice.pick(&Phase::ALL))),
            Class::Restarts => self.drain(node),
            Class::Freezes => {
                let millis = *dice.pick(&[300, 2_000, 4_900, 9_000, 60_000, 120_000]);
                let suspends = dice.chance(50);
                self.freeze(node, millis, suspends);
            }
            Class::Jumps => self.move_clock(node, &mut dice),
            Class::Holidays => self.take_holiday(&mut dice),
            Class::StoreSlow | Class::StoreRefuses | Class::StoreUnknown | Class::StoreDown => {
                self.upset_store(class, node, &mut dice);
            }
            Class::StoreCorrupt => self.disk.moods[node].is_corrupt = true,
            Class::TargetTrouble => self.upset_target(&mut dice),
            _ => {}
        }
        *self.chaos.of(class) = dice;
    }

    fn some_link(&mut self, dice: &mut Dice) -> Option<LinkNo> {
        let links = self.live_links();
        (!links.is_empty()).then(|| *dice.pick(&links))
    }

    fn cut_something(&mut self, dice: &mut Dice) {
        let (how, inside) = (dice.below(10), dice.below(400));
        let Some(link) = self.some_link(dice) else { return };
        self.trace.add(self.now, || format!("stream {} is cut ({how})", link.0));
        match how {
            0..=2 => self.links[link.0].cut_in = Some(usize::try_from(inside).unwrap_or(0)),
            3..=6 => self.cut(link, true, true),
            7 => self.cut(link, true, false),
            8 => self.cut(link, false, true),
            _ => self.cut(link, false, false),
        }
    }

    fn stall_something(&mut self, dice: &mut Dice) {
        let (which, millis) = (dice.below(3), dice.around(4_000));
        let Some(link) = self.some_link(dice) else { return };
        let until = self.now + millis * MS;
        let ways: &[Way] = match which {
            0 => &[Way::Up],
            1 => &[Way::Down],
            _ => &Way::BOTH,
        };
        self.trace.add(self.now, || format!("stream {} stands still for {millis} ms: {ways:?}", link.0));
        for way in ways {
            self.stall(link, *way, until);
            self.heap.put(until, Event::Relief(Relief::Flow(link, *way)));
        }
    }

    fn swallow_something(&mut self, dice: &mut Dice) {
        let which = dice.below(3);
        let Some(link) = self.some_link(dice) else { return };
        self.trace.add(self.now, || format!("stream {} swallows ({which})", link.0));
        match which {
            0 => self.swallow(link, &[Way::Up]),
            1 => self.swallow(link, &[Way::Down]),
            _ => self.swallow(link, &Way::BOTH),
        }
    }

    fn move_clock(&mut self, node: usize, dice: &mut Dice) {
        const HOUR_MS: i64 = 3_600_000;
        const YEARS_MS: i64 = 10 * 365 * 24 * HOUR_MS;
        let how = dice.below(8);
        let for_ms = dice.around(20_000);
        let at = self.now;
        if self.nodes[node].suspended_at.is_some() {
            return;
        }
        let (wall, mark) = (self.nodes[node].clock.wall(), how);
        match how {
            0 => wall.jump(at, HOUR_MS),
            1 => wall.jump(at, -HOUR_MS),
            2 => wall.jump(at, YEARS_MS),
            3 => wall.jump(at, -YEARS_MS),
            4 => wall.jump(at, 4_000),
            5 => wall.jump(at, -4_000),
            6 => wall.run(at, Speed::Stopped),
            _ => wall.run(at, Speed::Double),
        }
        self.nodes[node].wall = *self.nodes[node].clock.wall();
        self.tally.mark(match mark {
            0 | 2 | 4 => Mark::JumpedAhead,
            1 | 3 | 5 => Mark::JumpedBack,
            6 => Mark::ClockStopped,
            _ => Mark::ClockRaced,
        });
        self.trace.add(at, || format!("the clock of broker {node} does something else ({how})"));
        self.heap.put(at + for_ms * MS, Event::Relief(Relief::Clock(node)));
    }

    /// A host that is suspended first sees how late it is: were its wall clock set back meanwhile by just as
    /// much as it slept, none of its clocks would tell.
    pub(super) fn set_clock_right(&mut self, node: usize) {
        if let (Some(until), Some(_)) = (self.nodes[node].frozen_until, self.nodes[node].suspended_at) {
            return self.heap.put(until, Event::Relief(Relief::Clock(node)));
        }
        let (at, wall) = (self.now, self.nodes[node].clock.wall());
        wall.run(at, Speed::True);
        let ahead = wall.ahead_ms(at);
        wall.jump(at, -ahead);
        self.nodes[node].wall = *self.nodes[node].clock.wall();
    }

    /// Everything is down for days. Nobody lives through them.
    fn take_holiday(&mut self, dice: &mut Dice) {
        const DAY_MS: i64 = 24 * 3_600_000;
        let days = *dice.pick(&[1, 6, 8, 20]);
        for node in 0..self.nodes.len() {
            self.die(node, 3_000);
        }
        for actor in 0..self.actors.len() {
            self.with_actor(actor, |actor, world| {
                if let super::actor::Actor::Host(host) = actor {
                    host.take_holiday(world);
                }
            });
        }
        let from_ms = self.wall_ms();
        self.passed_over_ms += days * DAY_MS;
        self.oracle.days_pass(from_ms..self.wall_ms());
        self.tally.mark(Mark::Holiday);
        self.trace.add(self.now, || format!("{days} days pass"));
    }

    fn upset_store(&mut self, class: Class, node: usize, dice: &mut Dice) {
        let all = self.nodes.len() == 1 || dice.chance(50);
        let for_ms = dice.around(6_000);
        let until = self.now + for_ms * MS;
        let mut mood = Mood::default();
        let (kind, seconds) = (dice.below(4), dice.between(0, 100));
        match class {
            Class::StoreSlow => {
                mood.slow_ms = *dice.pick(&[(1, 20), (20, 200), (500, 2_000), (4_000, 6_000)]);
                if mood.slow_ms.0 >= 500 {
                    self.tally.mark(Mark::SlowCommit);
                }
            }
            Class::StoreRefuses => {
                let all = [Refusal::Unavailable, Refusal::Busy, Refusal::Full, Refusal::Questions];
                mood.refuses = all.get(usize::try_from(kind).unwrap_or(0)).copied();
            }
            Class::StoreUnknown => {
                mood.unknown = *dice.pick(&[[30, 0, 0], [0, 30, 0], [0, 0, 30], [15, 15, 15], [0, 100, 0]]);
            }
            _ => mood.silent_until = until + if seconds > 80 { 20_000 * MS } else { 0 },
        }
        self.trace.add(self.now, || {
            format!(
                "the store is upset with {} for {for_ms} ms: {mood:?}",
                if all { "all".to_owned() } else { node.to_string() }
            )
        });
        for place in 0..self.nodes.len() {
            if all || place == node {
                self.disk.moods[place] = mood.clone();
                self.heap.put(until, Event::Relief(Relief::Store(place)));
            }
        }
        if class == Class::StoreDown && !all {
            self.tally.mark(Mark::StoreCutOff);
        }
    }

    fn upset_target(&mut self, dice: &mut Dice) {
        let for_ms = dice.around(10_000);
        self.target.manner = *dice.pick(&[
            Manner::Down,
            Manner::Fails(100),
            Manner::Fails(50),
            Manner::Refuses,
            Manner::LosesReplies,
            Manner::Hangs,
            Manner::Busy,
        ]);
        let manner = self.target.manner;
        self.trace.add(self.now, || format!("the target behaves for {for_ms} ms: {manner:?}"));
        self.heap.put(self.now + for_ms * MS, Event::Relief(Relief::Target));
    }
}
