//! Whether a broker is recorded, where, and what becomes of a recording that is full.

use std::fmt;
use std::path::PathBuf;

use peermesh_core::journal::Payloads;

use super::parse::{Refused, refused};
use super::reader::Reader;
use super::{Flags, names};

/// How a broker is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recording {
    /// Where recordings lie.
    pub(crate) dir: PathBuf,
    /// What is kept of what peers seal.
    pub(crate) payloads: Payloads,
    /// When another recording may take the place of one in the same process.
    pub(crate) renew: Renew,
}

/// When a broker begins anew, so that another recording can begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renew {
    /// Once its recording is full or broken, whoever is connected, and before that when nobody is.
    Full,
    /// Only while nobody is connected.
    Quiet,
    /// Never: what comes after a full recording is not recorded.
    Never,
}

impl Renew {
    const ALL: [Renew; 3] = [Renew::Full, Renew::Quiet, Renew::Never];

    /// The word in settings.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Renew::Full => "full",
            Renew::Quiet => "quiet",
            Renew::Never => "never",
        }
    }
}

pub(super) fn take(reader: &mut Reader<'_>, flags: &Flags) -> Option<Recording> {
    let dir = reader.take(&names::RECORD, flags.record.as_deref(), dir, Dir(None)).0;
    let payloads = flags.record_payloads.as_deref();
    let payloads = reader.take(&names::RECORD_PAYLOADS, payloads, payloads_of, Shown(Payloads::Full)).0;
    let renew = reader.take(&names::RECORD_RENEW, flags.record_renew.as_deref(), renew, Renew::Full);
    dir.map(|dir| Recording { dir, payloads, renew })
}

/// A directory, shown as it was given.
struct Dir(Option<PathBuf>);

/// Shown by its word.
struct Shown(Payloads);

impl fmt::Display for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |dir| write!(f, "{}", dir.display()))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.word())
    }
}

impl fmt::Display for Renew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[allow(clippy::unnecessary_wraps, reason = "parsers of settings may refuse, and this one accepts all")]
fn dir(text: &str) -> Result<Dir, Refused> {
    Ok(Dir(Some(PathBuf::from(text))))
}

fn payloads_of(text: &str) -> Result<Shown, Refused> {
    let found = Payloads::ALL.into_iter().find(|payloads| payloads.word() == text);
    found.map(Shown).ok_or_else(|| refused(text, "full or hash"))
}

fn renew(text: &str) -> Result<Renew, Refused> {
    let found = Renew::ALL.into_iter().find(|renew| renew.word() == text);
    found.ok_or_else(|| refused(text, "full, quiet or never"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    #[test]
    fn a_broker_is_recorded_only_where_it_is_asked_for() {
        assert_eq!(settings(&Flags::default(), &[], "").unwrap().record, None);
        let flags = Flags { record: Some("here".to_owned()), ..Flags::default() };
        let record = settings(&flags, &[("PEERMESH_RECORD_PAYLOADS", "hash")], "record_renew = \"quiet\"");
        let wanted = Recording { dir: "here".into(), payloads: Payloads::Hash, renew: Renew::Quiet };
        assert_eq!(record.unwrap().record, Some(wanted));
        let refused = settings(&flags, &[("PEERMESH_RECORD_RENEW", "often")], "").unwrap_err();
        assert!(refused.to_string().contains("often is not full, quiet or never"), "{refused}");
    }
}
