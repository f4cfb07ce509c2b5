//! A fair order among three classes of urgency.
//!
//! *Always holds* (I7): while all classes wait, of any 16 turns 12 go to the first, 3 to the second and 1 to
//! the third, and never two in a row to a lower one.

use crate::planted::planted;

/// Remembers whose turn it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns(u8);

const ORDER: [usize; 16] = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2];

impl Turns {
    /// The class whose turn it is among those that wait; `None` when nobody does.
    pub(crate) fn pick(&mut self, waiting: [bool; 3]) -> Option<usize> {
        let wanted = ORDER[usize::from(self.0)];
        let wanted = if planted("low_waits_for_ever") { 0 } else { wanted };
        let class = if waiting[wanted] { wanted } else { waiting.iter().position(|waits| *waits)? };
        self.0 = (self.0 + 1) % 16;
        Some(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_gets_its_share_and_the_first_is_never_passed_twice() {
        let mut turns = Turns::default();
        let picks: Vec<_> = (0..64).filter_map(|_| turns.pick([true; 3])).collect();
        for window in picks.windows(16) {
            let count = |class| window.iter().filter(|pick| **pick == class).count();
            assert_eq!([count(0), count(1), count(2)], [12, 3, 1]);
        }
        assert!(picks.windows(2).all(|pair| pair[0] == 0 || pair[1] == 0));
    }

    #[test]
    fn an_empty_class_gives_its_turn_to_the_most_urgent_that_waits() {
        let mut turns = Turns::default();
        assert_eq!(turns.pick([false, false, true]), Some(2));
        assert_eq!(turns.pick([false, true, true]), Some(1));
        assert_eq!(turns.pick([false; 3]), None);
    }
}
