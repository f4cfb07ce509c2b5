//! Mail under everything at once: seeded peers send, resend, use a key for something else, acknowledge,
//! vanish and come back, stop reading, change their status, spend their budgets, while the broker crashes and
//! the store fails. Then faults stop, and every promise is checked (faults, section 2).
//!
//! A failure prints its seed; `PEERMESH_SEED=n` plays that one alone, `PEERMESH_SEED=1-5000` many.

mod life;
mod oracle;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use life::Life;

/// Seeds played on every change.
const SEEDS: RangeInclusive<u64> = 1..=200;

#[test]
fn every_accepted_message_arrives_once_and_in_order_whatever_happens() {
    let seeds = match std::env::var("PEERMESH_SEED") {
        Ok(wanted) => {
            let (first, last) = wanted.split_once('-').unwrap_or((&wanted, &wanted));
            let number = |text: &str| text.parse().expect("PEERMESH_SEED is a number, or two with a dash");
            number(first)..=number(last)
        }
        Err(_) => SEEDS,
    };
    let next = AtomicU64::new(*seeds.start());
    let (accepted, delivered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let answers = [const { AtomicUsize::new(0) }; 3];
    let play = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if !seeds.contains(&seed) {
                return;
            }
            let mut life = Life::new(seed);
            if let Err(said) = life.live() {
                panic!("\n\nPEERMESH_SEED={seed}: {}\n{}", said.0, life.story());
            }
            accepted.fetch_add(life.oracle.accepted(), Ordering::SeqCst);
            delivered.fetch_add(life.oracle.delivered(), Ordering::SeqCst);
            for (sum, more) in answers.iter().zip(life.oracle.answers()) {
                sum.fetch_add(more, Ordering::SeqCst);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(play);
        }
    });
    let (accepted, delivered) = (accepted.into_inner(), delivered.into_inner());
    assert!(delivered * 2 > accepted, "{delivered} of {accepted}: these lives prove nothing");
    let answers = answers.map(AtomicUsize::into_inner);
    let lives = usize::try_from(seeds.end() - seeds.start()).unwrap_or(0) + 1;
    assert!(lives < 100 || answers.iter().all(|sum| *sum > lives / 10), "{answers:?} in {lives} lives");
}
