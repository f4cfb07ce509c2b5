//! Live topics under everything at once: watchers come, go, stop reading and come back by position, while
//! publishers publish and repeat themselves and the broker crashes (live protocol, sections 4 and 5).
//!
//! A failure prints its seed; `PEERMESH_SEED=n` plays that one alone, `PEERMESH_SEED=1-5000` many.

mod crowd;
mod fed;
mod life;
mod properties;
mod watcher;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use life::Life;

/// Seeds played on every change.
const SEEDS: RangeInclusive<u64> = 1..=120;

/// What holds with what followed is what was published, for every interleaving; who comes back sees every
/// offset once or is told that it does not; a publication that is sent again stands once; a crash keeps all.
#[test]
fn f_top_01_watchers_know_what_was_published_or_that_they_do_not_whatever_happens() {
    let seeds = match std::env::var("PEERMESH_SEED") {
        Ok(wanted) => {
            let (first, last) = wanted.split_once('-').unwrap_or((&wanted, &wanted));
            let number = |text: &str| text.parse().expect("PEERMESH_SEED is a number, or two with a dash");
            number(first)..=number(last)
        }
        Err(_) => SEEDS,
    };
    let next = AtomicU64::new(*seeds.start());
    let sums = [const { AtomicUsize::new(0) }; 5];
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
            for (sum, more) in sums.iter().zip(life.reached()) {
                sum.fetch_add(more, Ordering::SeqCst);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(play);
        }
    });
    let sums = sums.map(AtomicUsize::into_inner);
    let lives = usize::try_from(seeds.end() - seeds.start()).unwrap_or(0) + 1;
    assert!(lives < 100 || sums.iter().all(|sum| *sum > lives / 10), "{sums:?} in {lives} lives");
}
