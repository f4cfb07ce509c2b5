//! Mail under everything at once: seeded peers send, resend, use a key for something else, acknowledge,
//! vanish and come back, stop reading, change their status, spend their budgets, while the broker crashes and
//! the store fails. Then faults stop, and every promise is checked (faults, section 2).
//!
//! A failure prints its seed; `PEERMESH_SEED=n` plays that one alone, `PEERMESH_SEED=1-5000` many.

mod chain;
mod ground;
mod kinds;
mod life;
mod oracle;
mod peace;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ground::Ground;
use kinds::Kinds;
use life::Life;
use peermesh_conformance::driver::runtime::Runtime;

/// Seeds played on every change, in memory and on real sockets: over each store, and on each runtime.
const SEEDS: RangeInclusive<u64> = 1..=200;
const REAL_SEEDS: RangeInclusive<u64> = 1..=8;
/// Seeds of a long run.
const LONG_SEEDS: RangeInclusive<u64> = 1..=100;
/// Real lives spend their time waiting, so several can be under way on few processors.
const REAL_AT_ONCE: usize = 8;

/// Held by the one test that plays in real time: two at once would take each other's.
static SOCKETS: Mutex<()> = Mutex::new(());

#[test]
fn every_accepted_message_arrives_once_and_in_order_whatever_happens() {
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let lived = live(Ground::Memory, SEEDS, at_once);
    lived.must_prove_something(20);
    let lives = lived.lives;
    let answers = lived.answers;
    assert!(lives < 100 || answers.iter().all(|sum| *sum > lives / 10), "{answers:?} in {lives} lives");
}

#[test]
fn the_same_holds_on_real_sockets_over_sqlite() {
    let _alone = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    live(Ground::Sqlite(Runtime::Threads), REAL_SEEDS, REAL_AT_ONCE).must_prove_something(1);
}

#[test]
fn the_same_holds_on_real_sockets_over_postgres() {
    let _alone = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    live(Ground::Postgres(Runtime::Smol), REAL_SEEDS, REAL_AT_ONCE).must_prove_something(1);
}

#[test]
#[ignore = "minutes of real time, for ./check --long"]
fn the_same_holds_on_both_runtimes_over_both_stores_for_long() {
    let _alone = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    for runtime in [Runtime::Smol, Runtime::Threads] {
        for ground in [Ground::Sqlite(runtime), Ground::Postgres(runtime)] {
            live(ground, LONG_SEEDS, REAL_AT_ONCE).must_prove_something(10);
        }
    }
}

/// What many lives came to.
#[derive(Debug, Default)]
struct Lived {
    is_real: bool,
    lives: usize,
    accepted: usize,
    delivered: usize,
    /// Conflicts, duplicates, and sends that were refused for want of budget or room.
    answers: [usize; 3],
    kinds: Kinds,
}

impl Lived {
    /// Everything happened at least that often, and most of what was accepted was seen.
    fn must_prove_something(&self, least: usize) {
        let Lived { lives, accepted, delivered, kinds, .. } = self;
        assert!(delivered * 2 > *accepted, "{delivered} of {accepted}: these lives prove nothing");
        let mut rare = kinds.rarer_than(least);
        rare.retain(|(kind, _)| !self.is_real || !kind.hangs_on_pace());
        assert!(rare.is_empty() || std::env::var_os("PEERMESH_SEED").is_some(), "{rare:?} in {lives} lives");
    }

    fn add(&mut self, life: &Life) {
        self.lives += 1;
        self.accepted += life.oracle.accepted();
        self.delivered += life.oracle.delivered();
        self.answers.iter_mut().zip(life.oracle.answers()).for_each(|(sum, more)| *sum += more);
        self.kinds.add(life.kinds);
    }
}

fn live(ground: Ground, usual: RangeInclusive<u64>, at_once: usize) -> Lived {
    let seeds = match std::env::var("PEERMESH_SEED") {
        Ok(wanted) => {
            let (first, last) = wanted.split_once('-').unwrap_or((&wanted, &wanted));
            let number = |text: &str| text.parse().expect("PEERMESH_SEED is a number, or two with a dash");
            number(first)..=number(last)
        }
        Err(_) => usual,
    };
    let next = AtomicU64::new(*seeds.start());
    let lived = Mutex::new(Lived { is_real: ground.is_real(), ..Lived::default() });
    let failed = AtomicUsize::new(0);
    let play = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if !seeds.contains(&seed) || failed.load(Ordering::SeqCst) > 0 {
                return;
            }
            let mut life = Life::new(seed, ground);
            if let Err(said) = life.live() {
                failed.fetch_add(1, Ordering::SeqCst);
                panic!("\n\nPEERMESH_SEED={seed} ({ground:?}): {}\n{}", said.0, life.story());
            }
            lived.lock().unwrap_or_else(PoisonError::into_inner).add(&life);
            if let Err(said) = life.town.end() {
                panic!("\n\nPEERMESH_SEED={seed} ({ground:?}): {}", said.0);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(play);
        }
    });
    lived.into_inner().unwrap_or_else(PoisonError::into_inner)
}
