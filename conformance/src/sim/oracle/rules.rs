//! The invariants (faults, section 2), and how each of them is looked after here.

use std::fmt;

macro_rules! rules {
    ($($Rule:ident = $how:literal;)+) => {
        /// An invariant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each stands with how it is looked after")]
        pub enum Rule { $($Rule,)+ }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Rule] = &[$(Rule::$Rule,)+];

            /// How it is looked after.
            pub const fn how(self) -> &'static str {
                match self { $(Rule::$Rule => $how,)+ }
            }
        }
    };
}

rules! {
    I1 = "every accepted copy stays until it has ended by rule: acknowledged by its recipient, expired of \
          age, dead of tries or of its recipient's removal; what is removed has ended and is old";
    I2 = "every ack and every push of a key carries one id, its content is one that was sent under the key, \
          and one sender is told once that it is new; an ack of a conflict names another request";
    I3 = "when an ack that says accepted leaves the broker, the store has the message; after one that says \
          refused for good or nothing stored, it never comes";
    I4 = "a first push of a lane leaves no older message of that lane behind that waits and was never pushed";
    I5 = "a copy that has ended in the store is not pushed again; inboxes of daemons are looked after when \
          there are daemons";
    I6 = "a copy ends as delivered only if its own recipient acknowledged it";
    I7 = "nothing but now is pushed to whoever was told that it counts as working or not to be disturbed; no \
          class that waits for an idle peer is passed over for long";
    I8 = "a copy is not pushed while an earlier push of it stands; only the owner of a mesh pushes; no more \
          pushes stand than may";
    I9 = "no position is given out twice; histories and cursors are looked after when there are any";
    I10 = "bounds that can be seen from outside: bytes with the runtime, chunks granted, requests at the \
           store, batches, queues; memory is measured elsewhere";
    I11 = "a push carries the mesh of the connection it goes to, and goes to a mailbox of its peer";
    I12 = "when faults have stopped, every send is answered, every copy ends, every event reaches the target";
    I13 = "when faults have stopped, the list of peers equals who is connected; nobody is said to have left \
           who is there";
    I14 = "a resend of what was accepted is never refused for want of budget or room";
    I15 = "copies accepted equal copies that wait, have ended or were removed; what was spent and refused \
           stays spent";
    I16 = "a watcher of a live topic hears every offset once and in order, or is told of the gap, or that it \
           was not recovered; what a start shows is what holds at its offset, which nothing late overwrites; \
           when faults have stopped, it holds what was published";
    I17 = "a command is written once for each hand-over, never after its caller was told that it was not, \
           and nobody is told of one that was not written";
    I18 = "runs of one seed are compared";
    I19 = "no log record shows a token, a signature or what was sealed";
    I20 = "a broker that is told to drain ends in time";
    I21 = "everything above holds whatever clocks do";
    I22 = "a member's key gives way to one that was asked for, once; from the answer on nobody is let in or \
           pushed mail by the former one, and what a member sealed itself is pushed under the key that \
           sealed it";
    Other = "no broker spins, logs an error that nobody caused, or writes what no broker may write";
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub rule: Rule,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.text)
    }
}

/// A judgement: `Err` is what went wrong.
pub(in crate::sim) type Judged = Result<(), Violation>;

/// An invariant does not hold.
pub(super) fn broken(rule: Rule, text: impl Into<String>) -> Judged {
    Err(Violation { rule, text: text.into() })
}
