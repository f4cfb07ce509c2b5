//! Marks the stretches that are counted: what happens between them costs nothing in the result.
//!
//! Allocations are counted by whoever owns the allocator, through a function the meter is given.
//! Instructions are counted from outside: a stretch runs inside a function named `marked_…`, at which a
//! counting tool switches on (see the script `count`).

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::AddAssign;

/// What a stretch allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Allocations; a buffer that grows allocates once more.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Tally) {
        self.allocations += more.allocations;
        self.bytes += more.bytes;
    }
}

/// Runs something and tells what it allocated.
pub type Weigh = fn(&mut dyn FnMut()) -> Tally;

macro_rules! steps {
    ($($(#[$doc:meta])* $Step:ident $marked:ident $name:literal;)+) => {
        /// What is counted separately.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Step {
            $($(#[$doc])* $Step,)+
        }

        impl Step {
            /// The step as tables show it.
            pub const fn name(self) -> &'static str {
                match self { $(Step::$Step => $name,)+ }
            }

            fn run(self, work: &mut dyn FnMut()) {
                match self { $(Step::$Step => $marked(work),)+ }
            }
        }

        $(
            /// The name is what the counting tool looks for.
            #[inline(never)]
            fn $marked(work: &mut dyn FnMut()) {
                work();
                // Without something to do after the call it would be a jump, and this function never entered;
                // without something of its own it would be the same function as its neighbours.
                black_box($name);
            }
        )+
    };
}

steps! {
    /// A connection reads one masked text frame.
    Read marked_read "read frame";
    /// A text is judged against the JSON bounds.
    Check marked_check "check JSON";
    /// A connection frames one text into the arena.
    Write marked_write "write frame";
    /// A connection passes on a frame that is shared.
    Share marked_share "share frame";
    /// The broker reads sends and stages them.
    Send marked_send "send: read, judge, stage";
    /// The broker learns that sends are committed: acks and pushes leave.
    Accepted marked_accepted "accepted: ack, push";
    /// The broker learns that its bytes were written.
    Sent marked_sent "sent: credit";
    /// The broker reads acknowledgements and stages settlements.
    Acked marked_acked "client_ack: read, settle";
    /// The broker learns that settlements are committed.
    Settled marked_settled "settled";
    /// The broker refuses a send for its form: reading and writing without the rest.
    Refused marked_refused "refused send";
    /// The broker learns that a send to many is committed: the ack, and a push to each.
    Fanned marked_fanned "fan-out: ack, pushes";
    /// The broker reads a publication and passes it to every watcher of the topic.
    Published marked_published "publication: read, pass on";
    /// The broker reads a hello and checks its signature.
    Hello marked_hello "hello: read, check";
    /// The broker learns that a hello is committed: the welcome, and mail that waited.
    Resumed marked_resumed "resumed: welcome, waiting mail";
    /// Deadlines.
    Wake marked_wake "wake";
}

/// Counts by steps.
#[derive(Debug, Default)]
pub struct Meter {
    weigh: Option<Weigh>,
    tallies: BTreeMap<Step, Tally>,
}

impl Meter {
    /// A meter that only marks.
    pub fn marking() -> Meter {
        Meter::default()
    }

    /// A meter that sums up what every step allocates.
    pub fn weighing(weigh: Weigh) -> Meter {
        Meter { weigh: Some(weigh), tallies: BTreeMap::new() }
    }

    /// Runs one stretch of a step.
    pub fn run<R>(&mut self, step: Step, work: impl FnOnce() -> R) -> R {
        let (mut work, mut done) = (Some(work), None);
        let mut once = || done = work.take().map(|work| work());
        match self.weigh {
            None => step.run(&mut once),
            Some(weigh) => *self.tallies.entry(step).or_default() += weigh(&mut once),
        }
        done.expect("the work is run once")
    }

    /// Forgets what was summed up, after a warm-up.
    pub fn reset(&mut self) {
        self.tallies.clear();
    }

    /// What was summed up, step by step.
    pub fn tallies(&self) -> &BTreeMap<Step, Tally> {
        &self.tallies
    }
}
