//! What carries a broker: which runtimes this build has, and which one is asked for.

use std::fmt;

use super::parse::{Refused, refused};

/// What carries a broker's bytes, time and store results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// One thread and one loop for each shard.
    #[cfg(feature = "smol")]
    Smol,
    /// One thread for each connection.
    #[cfg(feature = "threads")]
    Threads,
}

impl Runtime {
    /// Those of this build, the one that carries a broker unless another is asked for first.
    const ALL: &[Runtime] = &[
        #[cfg(feature = "smol")]
        Runtime::Smol,
        #[cfg(feature = "threads")]
        Runtime::Threads,
    ];

    pub(crate) const DEFAULT: Runtime = Runtime::ALL[0];

    /// The one of that name, in this build.
    pub(crate) fn of_word(word: &str) -> Option<Runtime> {
        Runtime::ALL.iter().copied().find(|runtime| runtime.word() == word)
    }

    /// Its name in settings and log records.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            #[cfg(feature = "smol")]
            Runtime::Smol => "smol",
            #[cfg(feature = "threads")]
            Runtime::Threads => "threads",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

pub(super) fn runtime(text: &str) -> Result<Runtime, Refused> {
    Runtime::of_word(text).ok_or_else(|| {
        let words: Vec<&str> = Runtime::ALL.iter().map(|runtime| runtime.word()).collect();
        refused(text, format!("a runtime of this build ({})", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_known_by_its_word_and_others_are_refused_with_those_there_are() {
        for known in Runtime::ALL {
            assert_eq!(runtime(known.word()).unwrap(), *known);
        }
        let wanted = runtime("tokio").unwrap_err().wanted;
        assert!(Runtime::ALL.iter().all(|known| wanted.contains(known.word())), "{wanted}");
    }
}
