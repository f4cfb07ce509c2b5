//! The only source of chance: repeatable from its seed, unguessable without it.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A seeded ChaCha generator. Whoever needs chance is handed one.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha12Rng);

impl Rng {
    /// A generator that repeats itself exactly for the same seed.
    pub fn from_seed(seed: [u8; 32]) -> Rng {
        Rng(ChaCha12Rng::from_seed(seed))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `bytes` with randomness.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// 32 random bytes, for keys and seeds.
    pub fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        self.fill(&mut key);
        key
    }

    /// A fair number in `0..bound`; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // The last incomplete run of `bound` would favour small numbers, so it is drawn again.
        let fair = u64::MAX - u64::MAX % bound;
        loop {
            let drawn = self.next_u64();
            if drawn < fair {
                return drawn % bound;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut one, mut two) = (Rng::from_seed([7; 32]), Rng::from_seed([7; 32]));
        assert_eq!([one.next_u64(), one.below(10)], [two.next_u64(), two.below(10)]);
        assert_ne!(one.next_u64(), Rng::from_seed([8; 32]).next_u64());
    }

    #[test]
    fn a_bounded_number_stays_below_its_bound() {
        let mut rng = Rng::from_seed([1; 32]);
        assert!((0..1_000).all(|_| rng.below(62) < 62));
        assert_eq!(rng.below(0), 0);
    }
}
