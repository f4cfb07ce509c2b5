//! Chance for the simulator: one stream for each thing that is drawn, so that leaving one out changes nothing
//! for the others.

use peermesh_core::rng::Rng;

/// A stream of draws.
#[derive(Clone, Debug)]
pub(super) struct Dice(Rng);

impl Dice {
    /// The stream of that name in the run of that seed; `no` tells several of one name apart.
    pub(super) fn of(seed: u64, name: &str, no: u64) -> Dice {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&no.to_le_bytes());
        for (place, byte) in bytes[16..].iter_mut().zip(name.bytes()) {
            *place = byte;
        }
        Dice(Rng::from_seed(bytes))
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// A number in `from..=to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.0.below(to.saturating_sub(from) + 1)
    }

    /// True `percent` times of a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    /// One of them; there is one at least.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.place(from.len())]
    }

    /// A place in a list of that length.
    pub(super) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.0.below(length as u64)).unwrap_or(0)
    }

    /// A wait around `mean`: often short, now and then several times as long.
    pub(super) fn around(&mut self, mean: u64) -> u64 {
        let doublings = self.0.below(6);
        // A sixth of the draws each from mean/8 to 4 mean, even within its span.
        let span = (mean << doublings) / 8;
        self.between(span / 2, span).max(1)
    }

    /// Random bytes for a seed.
    pub(super) fn key(&mut self) -> [u8; 32] {
        self.0.key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_by_name_and_number() {
        let draw = |seed, name, no| Dice::of(seed, name, no).below(u64::MAX);
        assert_eq!(draw(1, "peer", 2), draw(1, "peer", 2));
        let all = [draw(1, "peer", 2), draw(2, "peer", 2), draw(1, "disk", 2), draw(1, "peer", 3)];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one));
        }
    }

    #[test]
    fn waits_lie_around_their_mean() {
        let mut dice = Dice::of(1, "waits", 0);
        let waits: Vec<u64> = (0..10_000).map(|_| dice.around(800)).collect();
        let mean = waits.iter().sum::<u64>() / 10_000;
        assert!((500..1_100).contains(&mean), "{mean}");
        assert!(waits.iter().all(|wait| (1..=3_200).contains(wait)));
    }
}
