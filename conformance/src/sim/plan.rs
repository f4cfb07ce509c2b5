//! What a run is made of: a seed, a time, limits, and what is left out.
//!
//! A plan is all that a run depends on, and small enough to be written on one line.

use std::collections::BTreeSet;
use std::fmt;

use peermesh_core::config::Limits;

macro_rules! classes {
    ($($Class:ident = $word:literal, $help:literal;)+) => {
        /// A class of faults, or a kind of actor, that a run can do without.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each stands with its meaning in the table")]
        pub enum Class { $($Class,)+ }

        impl Class {
            /// All of them.
            pub const ALL: &'static [Class] = &[$(Class::$Class,)+];

            /// Its word on the command line.
            pub const fn word(self) -> &'static str {
                match self { $(Class::$Class => $word,)+ }
            }

            /// What it brings about.
            pub const fn help(self) -> &'static str {
                match self { $(Class::$Class => $help,)+ }
            }
        }
    };
}

classes! {
    Cuts = "cuts", "streams end at any byte, told to both sides, to one of them or to none";
    Splits = "splits", "bytes arrive one by one, in small pieces, or many messages at once";
    Delays = "delays", "bytes take their time, up to seconds";
    Stalls = "stalls", "one direction or both stand still for a while";
    OneWays = "one_ways", "one direction or both swallow everything for ever";
    HalfCloses = "half_closes", "clients end their side and go on reading";
    Deaths = "deaths", "a broker dies at any moment";
    Phases = "phases", "a broker dies at a chosen step of accepting or delivering a message";
    Restarts = "restarts", "a broker drains and starts again";
    Freezes = "freezes", "a broker or its host stands still for a while";
    Jumps = "jumps", "a broker's wall clock jumps, stands still or runs at twice its speed";
    Holidays = "holidays", "all brokers are down for days";
    StoreSlow = "store_slow", "the store takes its time, up to seconds";
    StoreRefuses = "store_refuses", "the store refuses: unavailable, busy, full, or only questions";
    StoreUnknown = "store_unknown", "commits whose outcome is not told: written, lost, or written later";
    StoreDown = "store_down", "the store says nothing for a while, to all brokers or to one";
    StoreCorrupt = "store_corrupt", "the store says that it cannot be trusted: the broker must end";
    Sharing = "sharing", "two brokers on one store";
    Shards = "shards", "brokers of several shards";
    Tiny = "tiny", "limits so small that every bound is met (only where limits are drawn)";
    Flapping = "flapping", "clients that come and go all the time";
    Twins = "twins", "clients with two connections that replace each other";
    Slow = "slow", "clients that read slowly, or stop reading";
    Mute = "mute", "clients that do not acknowledge, or die of what they are sent";
    Lying = "lying", "clients that acknowledge what is not theirs and reuse keys for something else";
    Legacy = "legacy", "clients that never acknowledge and count on pings";
    Long = "long", "long messages";
    Bursts = "bursts", "clients that send many messages at once";
    Hooks = "hooks", "hooks that say what peers are doing";
    Admin = "admin", "an operator who looks at pages and removes a member";
    Runners = "runners", "runners, their callers and the event target";
    TargetTrouble = "target_trouble", "an event target that fails, refuses, hangs and loses replies";
    Daemons = "daemons", "hosts with daemons: programs that send under keys, read what came, and die";
    HostDeaths = "host_deaths", "a daemon's process dies at any moment, and comes back";
    HostDisk = "host_disk", "a daemon's disk is slow, refuses, is full, or leaves outcomes unknown";
    Live = "live", "live topics: watchers, and programs that publish";
    Rotations = "rotations", "members that get other keys, some of them two at once";
}

impl Class {
    /// The class of that word.
    pub fn parse(word: &str) -> Option<Class> {
        Class::ALL.iter().copied().find(|class| class.word() == word)
    }
}

/// What a run does without, although its seed would have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Without {
    /// Classes.
    pub classes: BTreeSet<Class>,
    /// Clients, by their numbers.
    pub actors: BTreeSet<u16>,
}

impl Without {
    /// Reads `cuts,deaths,actor-3`.
    ///
    /// # Errors
    /// The word that names nothing.
    pub fn parse(text: &str) -> Result<Without, String> {
        let mut without = Without::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let actor = word.strip_prefix(ACTOR).and_then(|number| number.parse().ok());
            match (Class::parse(word), actor) {
                (Some(class), _) => _ = without.classes.insert(class),
                (None, Some(number)) => _ = without.actors.insert(number),
                (None, None) => return Err(word.to_owned()),
            }
        }
        Ok(without)
    }

    /// True when nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.actors.is_empty()
    }
}

const ACTOR: &str = "actor-";

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self.classes.iter().map(|class| class.word().to_owned());
        let words: Vec<String> =
            classes.chain(self.actors.iter().map(|actor| format!("{ACTOR}{actor}"))).collect();
        f.write_str(&words.join(","))
    }
}

/// All that a run depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// How long it lasts before faults stop for good, in simulated milliseconds.
    pub span_ms: u64,
    /// The limits of all brokers; where there are none, each seed draws its own.
    pub limits: Option<Limits>,
    /// What it does without.
    pub without: Without,
}

impl Plan {
    /// Ten minutes, of which the last three are peace.
    pub const SPAN_MS: u64 = 600_000;

    /// The plan of a seed with everything that it draws.
    pub fn of(seed: u64) -> Plan {
        Plan { seed, span_ms: Plan::SPAN_MS, limits: None, without: Without::default() }
    }

    /// How long faults go on, in milliseconds: then they stop, and everything has to settle.
    pub fn faults_ms(&self) -> u64 {
        self.span_ms / 10 * 7
    }

    /// The words behind `peermesh sim` that run it again; limits that were given are the caller's to name.
    pub fn words(&self) -> String {
        let mut words = format!("--seed {}", self.seed);
        if self.limits.is_none() {
            words += " --draw-limits";
        }
        if self.span_ms != Plan::SPAN_MS {
            words += &format!(" --seconds {}", self.span_ms.div_ceil(1_000));
        }
        if !self.without.is_empty() {
            words += &format!(" --without {}", self.without);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_read_as_it_is_shown() {
        let without = Without::parse("cuts, actor-12,store_down").unwrap();
        assert_eq!(without.to_string(), "cuts,store_down,actor-12");
        assert_eq!(Without::parse(&without.to_string()), Ok(without));
        assert_eq!(Without::parse("cuts,actor-x"), Err("actor-x".to_owned()));
        assert!(Without::parse("").unwrap().is_empty());
    }

    #[test]
    fn a_plan_names_what_differs_from_the_usual() {
        let mut plan = Plan::of(7);
        assert_eq!(plan.words(), "--seed 7 --draw-limits");
        plan.limits = Some(Limits::default());
        assert_eq!(plan.words(), "--seed 7");
        plan.span_ms = 1_500;
        plan.without.classes.insert(Class::Jumps);
        assert_eq!(plan.words(), "--seed 7 --seconds 2 --without jumps");
    }

    #[test]
    fn every_class_has_a_word_of_its_own() {
        for class in Class::ALL {
            assert_eq!(Class::parse(class.word()), Some(*class));
        }
    }
}
