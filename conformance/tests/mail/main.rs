//! Mail on real sockets under everything at once: seeded peers send, resend, use a key for something else,
//! acknowledge, vanish and come back, stop reading, change their status, spend their budgets, while the
//! broker crashes and the store fails. Then faults stop, and every promise is checked (faults, section 2).
//!
//! In memory the simulator does the same and much more, and judges by what the store holds. Nobody knows that
//! of a real one, so here peers judge by what they see themselves.
//!
//! A failure prints its seed; `PEERMESH_SEED=n` plays that one alone, `PEERMESH_SEED=1-5000` many.

mod eyes;
mod ground;
mod kinds;
mod life;
mod peace;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ground::Ground;
use kinds::Kinds;
use life::Life;

/// Seeds played on every change, over each store.
const SEEDS: RangeInclusive<u64> = 1..=8;
/// Seeds of a long run.
const LONG_SEEDS: RangeInclusive<u64> = 1..=100;
/// Lives spend their time waiting, so several can be under way on few processors.
const AT_ONCE: usize = 8;

/// Held by the one test that plays in real time: two at once would take each other's.
static SOCKETS: Mutex<()> = Mutex::new(());

#[test]
fn every_accepted_message_arrives_once_and_in_order_over_sqlite() {
    let _alone = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    live(Ground::Sqlite, SEEDS).must_prove_something(1);
}

#[test]
fn every_accepted_message_arrives_once_and_in_order_over_postgres() {
    let _alone = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    live(Ground::Postgres, SEEDS).must_prove_something(1);
}

#[test]
#[ignore = "minutes of real time, for ./check --long"]
fn every_accepted_message_arrives_once_and_in_order_for_long() {
    let _alone = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    for ground in [Ground::Sqlite, Ground::Postgres] {
        live(ground, LONG_SEEDS).must_prove_something(10);
    }
}

/// What many lives came to.
#[derive(Debug, Default)]
struct Lived {
    lives: usize,
    accepted: usize,
    delivered: usize,
    kinds: Kinds,
}

impl Lived {
    /// Everything happened at least that often, and most of what was accepted was seen.
    fn must_prove_something(&self, least: usize) {
        let Lived { lives, accepted, delivered, kinds, .. } = self;
        assert!(delivered * 2 > *accepted, "{delivered} of {accepted}: these lives prove nothing");
        let rare = kinds.rarer_than(least);
        assert!(rare.is_empty() || std::env::var_os("PEERMESH_SEED").is_some(), "{rare:?} in {lives} lives");
    }

    fn add(&mut self, life: &Life) {
        self.lives += 1;
        self.accepted += life.eyes.accepted();
        self.delivered += life.eyes.delivered();
        self.kinds.add(life.kinds);
    }
}

fn live(ground: Ground, usual: RangeInclusive<u64>) -> Lived {
    let seeds = match std::env::var("PEERMESH_SEED") {
        Ok(wanted) => {
            let (first, last) = wanted.split_once('-').unwrap_or((&wanted, &wanted));
            let number = |text: &str| text.parse().expect("PEERMESH_SEED is a number, or two with a dash");
            number(first)..=number(last)
        }
        Err(_) => usual,
    };
    let next = AtomicU64::new(*seeds.start());
    let lived = Mutex::new(Lived::default());
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
        for _ in 0..AT_ONCE {
            scope.spawn(play);
        }
    });
    lived.into_inner().unwrap_or_else(PoisonError::into_inner)
}
