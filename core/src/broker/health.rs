//! Whether the store answers, asked again and again and learned from every failure; and how long what is ours
//! surely stays ours.
//!
//! *Decides* when the next ping is due: one is open at a time, the next follows its answer, but not before
//! `health_ms` after it was asked. *Always holds:* a store that says nothing counts as down `health_ms` plus
//! `health_answer_ms` later; ownership is in doubt from the moment that the last confirmed lease ends (I8)
//! until the store has confirmed, after the lease was renewed, that every mesh and every runner in memory is
//! still ours.

use super::{After, Broker, Timer};
use crate::machine::{Output, Outputs};
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Gauge;
use crate::store::{Alive, Ended, Found, LiveOp, Op, Query, RunnerOp, StoreError};
use crate::surface::{Down, StoreView};
use crate::time::{Mono, Now};

/// Reasons that are told while the store is down.
const REASONS_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Health {
    standing: Standing,
    /// When the open ping was asked.
    asked: Option<Now>,
    failures: u64,
    /// Why the store was down since it was up last, each reason once.
    told: Vec<Box<str>>,
    /// What the store said of itself last.
    alive: Option<Alive>,
    /// How long our meshes are surely ours; none means for ever.
    lease: Option<Lease>,
    /// Since when we may have slept without our clock knowing.
    slept: Option<Mono>,
    /// Leases that ended before they were renewed.
    doubts: u64,
    proof: Proof,
}

/// What a ping that was answered gave us.
#[derive(Clone, Copy, Debug)]
struct Lease {
    asked: Now,
    lasts_ms: u64,
}

impl Lease {
    /// Over as soon as one of the clocks says so: the steady one stands still while its host is suspended,
    /// and the other may be set (TIM-04).
    fn lasts(&self, now: Now) -> bool {
        now.mono < self.asked.mono.after_millis(self.lasts_ms)
            && now.wall < self.asked.wall.after_millis(self.lasts_ms)
    }
}

/// Whether meshes that were in doubt are ours. A lease that ran out may have been renewed after another
/// broker took some of them, and a peer that says nothing would never let us learn of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Proof {
    /// They were not in doubt, or are ours.
    #[default]
    Held,
    /// It must be asked at the next answer to a ping.
    Wanted,
    /// So many answers are missing; `again` when they will not tell enough.
    Open { missing: usize, again: bool },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// It was never heard of.
    #[default]
    Unknown,
    Up,
    Down(Down),
}

impl Health {
    /// False until the store has answered for the first time.
    pub(super) fn is_up(&self) -> bool {
        self.standing == Standing::Up
    }

    pub(super) fn view(&self, now: Now) -> StoreView {
        StoreView {
            down: match self.standing {
                Standing::Down(why) => Some(why),
                Standing::Unknown | Standing::Up => None,
            },
            // Peers are told which history they meet, so nobody comes in before that is known.
            sure: self.alive.is_some()
                && (self.has_lease(now) && self.proof == Proof::Held || planted("doubt_ignored")),
            doubts: self.doubts,
            durability: self.alive.as_ref().map(|alive| alive.durability).unwrap_or_default(),
            history: self.alive.as_ref().map(|alive| alive.history),
        }
    }

    /// False while another broker may take what is ours.
    fn has_lease(&self, now: Now) -> bool {
        self.slept.is_none() && self.lease.is_none_or(|lease| lease.lasts(now))
    }

    /// True when other brokers may use the store too.
    pub(super) fn is_shared(&self) -> bool {
        self.alive.as_ref().is_some_and(|alive| alive.lease_ms.is_some())
    }

    /// True when a migration of that name was applied.
    pub(super) fn has_migration(&self, name: &str) -> bool {
        let plain = |name: &str| name.strip_suffix(".sql").unwrap_or(name).to_owned();
        let applied = self.alive.iter().flat_map(|alive| alive.migrations.iter());
        applied.map(|applied| plain(applied)).any(|applied| applied == plain(name))
    }
}

impl Broker {
    /// The next ping is due, or the answer to the last one is.
    pub(super) fn ask_health(&mut self, now: Now) {
        if self.health.asked.is_some() {
            return self.store_is_down(Down::Away, "no answer in time");
        }
        // One shard has its pings kept back; those of the others may have to wait for them.
        let wait_ms = if self.health.is_up() { self.limits.health_ms() } else { 0 };
        let hold_ms = if self.is_first() { wait_ms } else { 0 };
        self.health.asked = Some(now);
        self.commits.ask_at_once(Query::Ping { hold_ms }, After::Health);
        let patience_ms = wait_ms.saturating_add(self.limits.health_answer_ms());
        self.timers.arm(Timer::Health, now.mono.after_millis(patience_ms));
    }

    /// The ping was answered.
    pub(super) fn health_known(&mut self, now: Now, ended: Ended) {
        let Some(asked) = self.health.asked.take() else { return };
        let next = asked.mono.after_millis(self.limits.health_ms());
        self.timers.arm(Timer::Health, next.max(now.mono));
        match ended {
            Ended::Found(found) => match *found {
                Found::Alive(alive) => self.store_is_up(now, asked, alive),
                _ => self.store_is_down(Down::Away, "the store gave another answer than was asked for"),
            },
            Ended::Refused(error) => self.store_is_down(Down::Away, &error.to_string()),
            Ended::Done(_) => {}
        }
    }

    /// A request failed: no need to wait for the next ping.
    pub(super) fn store_failed(&mut self, error: &StoreError, todo: &mut Outputs) {
        let why = match error {
            // Whatever this process believes may not be what is on disk: only a fresh start reads the truth
            // (STO-02).
            StoreError::Corrupt(_) => return todo.push(Output::Fail { why: error.to_string() }),
            StoreError::Unavailable(_) => Down::Away,
            StoreError::Full => Down::Full,
            // It works; it is only busy, or what was wanted of it is another's.
            StoreError::Busy(_) | StoreError::Fenced(_) | StoreError::Unknown(_) => return,
        };
        // Before the first ping is answered, lanes that were not let in yet prove nothing.
        let standing = self.health.standing;
        if standing != Standing::Unknown && standing != Standing::Down(why) {
            self.store_is_down(why, &error.to_string());
        }
    }

    /// The clocks say that this process may have slept: what it owned may be another's (TIM-04).
    pub(super) fn may_have_slept(&mut self, now: Now) {
        if self.health.is_shared() {
            self.health.slept = Some(now.mono);
        }
    }

    fn store_is_up(&mut self, now: Now, asked: Now, alive: Alive) {
        let had_lease = self.health.has_lease(now);
        self.health.doubts += u64::from(!had_lease);
        self.health.lease = alive.lease_ms.map(|lasts_ms| Lease { asked, lasts_ms });
        self.health.slept = self.health.slept.filter(|since| asked.mono < *since);
        let was_met = self.health.alive.replace(alive).is_some();
        let was_up = self.health.is_up();
        self.health.standing = Standing::Up;
        self.stats.set(Gauge::DbHealthy, 1);
        if !was_up {
            let failures = std::mem::take(&mut self.health.failures);
            self.health.told.clear();
            self.notes.push(Note::new(Level::Info, "db healthy").with("prior_failures", failures));
            self.with_meshes(now, super::super::mesh::Meshes::store_is_back);
            self.with_runners(now, super::super::runner::Runners::store_is_back);
        }
        if self.health.has_lease(now) {
            match &mut self.health.proof {
                Proof::Open { again, .. } => *again |= !had_lease,
                Proof::Wanted => self.prove(now),
                Proof::Held if !had_lease => self.prove(now),
                Proof::Held if !was_met => self.prove_done(now),
                Proof::Held => {}
            }
        }
    }

    /// Asks whether what is in memory is ours, by writes of nothing that stand under their fences.
    fn prove(&mut self, now: Now) {
        let (fences, runners, topics) = (self.meshes.fences(), self.runners.fences(), self.lives.fences());
        let missing = fences.len() + runners.len() + topics.len();
        if missing == 0 {
            return self.prove_done(now);
        }
        self.health.proof = Proof::Open { missing, again: false };
        for fence in runners {
            let nothing = Op::Runner(RunnerOp::Forget { fence, key: [0; 32] });
            self.commits.stage(nothing, None, After::RunnerProof(fence.runner));
        }
        for fence in topics {
            let nothing = Op::Live(LiveOp::Trim { fence, through: 0 });
            self.commits.stage(nothing, None, After::LiveProof(fence.topic));
        }
        for fence in fences {
            let nothing = Op::EndPresences { ids: Vec::new(), at: now.wall };
            self.commits.stage(nothing, Some(fence), After::Proof);
        }
    }

    /// One of them is, or was lost.
    pub(super) fn proven(&mut self, now: Now, ended: &Ended) {
        let Proof::Open { missing, again } = &mut self.health.proof else { return };
        *missing -= 1;
        *again |= !matches!(ended, Ended::Done(_) | Ended::Refused(StoreError::Fenced(_)));
        match (*missing, *again) {
            (0, true) => self.health.proof = Proof::Wanted,
            (0, false) => self.prove_done(now),
            _ => {}
        }
    }

    fn prove_done(&mut self, now: Now) {
        self.health.proof = Proof::Held;
        if self.health.view(now).sure {
            self.with_meshes(now, super::super::mesh::Meshes::sure_again);
            self.with_runners(now, super::super::runner::Runners::sure_again);
            self.with_lives(now, super::super::live::Lives::sure_again);
        }
    }

    fn store_is_down(&mut self, why: Down, text: &str) {
        self.health.standing = Standing::Down(why);
        self.stats.set(Gauge::DbHealthy, 0);
        self.health.failures += 1;
        // What was told of a streak is not told again.
        let is_known = self.health.told.iter().any(|told| &**told == text);
        if !is_known && self.health.told.len() < REASONS_MAX {
            self.health.told.push(text.into());
            let note = Note::new(Level::Error, "db ping failed");
            let note = note.with("consecutive_failures", self.health.failures);
            self.notes.push(note.with("error", text));
        }
    }
}
