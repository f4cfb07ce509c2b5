//! What lives were made of, so that a test can tell that it has tried everything.

/// What may happen to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is used for the first time.
    First,
    /// It comes again with the same request.
    Retry,
    /// It comes again with another request.
    Mismatch,
    /// The broker dies in the middle of whatever it does.
    Crash,
    /// It comes while nobody knows what becomes of a commit.
    UnknownCommit,
    /// Its sender's budget is spent.
    Saturated,
    /// It is used for a message whose sender wants a receipt.
    Receipt,
    /// It comes while it is on its way from another connection of its sender.
    TwoConnections,
}

impl Kind {
    pub(crate) const ALL: [Kind; 8] = [
        Kind::First,
        Kind::Retry,
        Kind::Mismatch,
        Kind::Crash,
        Kind::UnknownCommit,
        Kind::Saturated,
        Kind::Receipt,
        Kind::TwoConnections,
    ];

    /// On a machine that has other work, a budget in real time may fill again before it is spent.
    pub(crate) fn hangs_on_pace(self) -> bool {
        self == Kind::Saturated
    }
}

/// How often each happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kinds([usize; Kind::ALL.len()]);

impl Kinds {
    pub(crate) fn count(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: Kinds) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// The kinds that happened less often than that.
    pub(crate) fn rarer_than(&self, least: usize) -> Vec<(Kind, usize)> {
        Kind::ALL.into_iter().zip(self.0).filter(|(_, count)| *count < least).collect()
    }
}
