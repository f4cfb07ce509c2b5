//! Which host a daemon's directory belongs to, so that a copy of it that wakes up elsewhere is noticed.
//!
//! It tells accidents (a cloned disk, a restored home), not attackers: who copies the file can copy the id of
//! the host as well.
//!
//! *Always holds:* a file that cannot be understood is never overwritten unless somebody asks for it by
//! `accept-host`.

mod rules;
mod system;

use std::fmt;

use peermesh_core::time::Wall;
use serde::{Deserialize, Serialize};

use rules::{Interface, Mac, Rule, fingerprint, stable_mac};
use system::{Ask, Here, System};

use super::place::Place;
use crate::home::{self, HomeError};

/// The schema that is written.
const SCHEMA: u32 = 2;
/// Begins the id of a host that tells nothing of itself, and was given one.
const GIVEN: &str = "random:";

/// What this host says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    id: String,
    first: Option<Mac>,
    second: Option<Mac>,
}

/// The file as it stands on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    schema_version: u32,
    fingerprint: String,
    host_id: String,
    stable_mac: String,
    written_at: String,
}

/// What came of comparing the file with the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There was no file: this host is the one from here on.
    FirstRun,
    /// The same host.
    Same,
    /// The same host, whose file needs to be written again: an interface was replaced, or an older rule wrote
    /// it.
    SameRewritten,
    /// Another host.
    Other {
        /// The id of the host that the file was written on; empty where it had none.
        stored: String,
        /// The id of this one.
        current: String,
    },
    /// Nothing can be said, and nothing is done.
    Unknown {
        /// Why.
        why: &'static str,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |id: &str| if id.is_empty() { "a host without an id".to_owned() } else { id.to_owned() };
        match self {
            Verdict::FirstRun => f.write_str("no host is known yet"),
            Verdict::Same | Verdict::SameRewritten => f.write_str("the same host"),
            Verdict::Other { stored, current } => {
                write!(f, "it was made on {} and this is {}", shown(stored), shown(current))
            }
            Verdict::Unknown { why } => write!(f, "cannot be told: {why}"),
        }
    }
}

impl Host {
    /// Looks at the host. An id that the operator gives stands for whatever the system says.
    pub(crate) fn look(given: Option<&str>) -> Host {
        Host::ask(System::ours(), &Here, given)
    }

    fn ask(system: Option<System>, ask: &dyn Ask, given: Option<&str>) -> Host {
        let interfaces: Vec<Interface> = system.map_or_else(Vec::new, |system| system.interfaces(ask));
        let id = match (given, system) {
            (Some(given), _) => format!("given:{given}"),
            (None, Some(system)) => system.host_id(ask),
            (None, None) => String::new(),
        };
        Host {
            id,
            first: stable_mac(Rule::First, &interfaces),
            second: stable_mac(Rule::Second, &interfaces),
        }
    }

    /// What is worth a line in the log: how little the host tells.
    pub(crate) fn lacks(&self) -> Option<&'static str> {
        match (self.id.is_empty(), self.second) {
            (false, _) => None,
            (true, Some(_)) => Some("fingerprint_host_id_unavailable"),
            (true, None) => Some("fingerprint_unavailable"),
        }
    }

    fn mac(&self, rule: Rule) -> String {
        let mac = match rule {
            Rule::First => self.first,
            Rule::Second => self.second,
        };
        mac.map_or_else(String::new, Mac::text)
    }

    fn fingerprint(&self, rule: Rule) -> String {
        fingerprint(rule, &self.id, &self.mac(rule))
    }

    fn is_silent(&self) -> bool {
        self.id.is_empty() && self.second.is_none()
    }

    fn stored(&self, now: Wall) -> Result<Stored, HomeError> {
        let mut host = self.clone();
        if host.is_silent() {
            host.id = format!("{GIVEN}{}", data_encoding::HEXLOWER.encode(&home::random::<16>()?));
        }
        Ok(Stored {
            schema_version: SCHEMA,
            fingerprint: host.fingerprint(Rule::Second),
            stable_mac: host.mac(Rule::Second),
            host_id: host.id,
            written_at: now.iso(),
        })
    }
}

/// Compares the file with the host, and changes nothing.
pub(crate) fn look(place: &Place, host: &Host) -> Result<Verdict, HomeError> {
    let path = place.fingerprint_path();
    let bytes = if home::exists(&path)? { Some(home::read(&path)?) } else { None };
    Ok(judge(bytes.as_deref(), host))
}

/// Compares the file with the host, and writes the file where the verdict asks for it.
pub(crate) fn check(place: &Place, host: &Host, now: Wall) -> Result<Verdict, HomeError> {
    let verdict = look(place, host)?;
    if matches!(verdict, Verdict::FirstRun | Verdict::SameRewritten) {
        write(place, host, now)?;
    }
    Ok(verdict)
}

/// Makes this host the one, whatever the file says; the answer is the beginning of its fingerprint.
pub(crate) fn accept(place: &Place, host: &Host, now: Wall) -> Result<String, HomeError> {
    let mut fingerprint = write(place, host, now)?;
    fingerprint.truncate(16);
    Ok(fingerprint)
}

fn write(place: &Place, host: &Host, now: Wall) -> Result<String, HomeError> {
    let stored = host.stored(now)?;
    let mut text = serde_json::to_string_pretty(&stored).unwrap_or_default();
    text.push('\n');
    home::replace(&place.fingerprint_path(), text.as_bytes())?;
    Ok(stored.fingerprint)
}

fn judge(file: Option<&[u8]>, host: &Host) -> Verdict {
    let Some(bytes) = file else { return Verdict::FirstRun };
    let Ok(stored) = serde_json::from_slice::<Stored>(bytes) else {
        return Verdict::Unknown { why: "the file cannot be read" };
    };
    if !matches!(stored.schema_version, 1 | SCHEMA) {
        return Verdict::Unknown { why: "the file was written by another version" };
    }
    if host.is_silent() {
        return Verdict::Unknown { why: "the system tells neither an id nor a lasting address" };
    }
    let is_same = |rule| stored.fingerprint == host.fingerprint(rule);
    let same_id = !host.id.is_empty() && stored.host_id == host.id;
    match stored.schema_version {
        1 if is_same(Rule::First) => Verdict::SameRewritten,
        1 => other(&stored, host),
        _ if is_same(Rule::Second) => Verdict::Same,
        // It had no way to tell until here.
        _ if same_id || stored.host_id.starts_with(GIVEN) => Verdict::SameRewritten,
        _ => other(&stored, host),
    }
}

fn other(stored: &Stored, host: &Host) -> Verdict {
    Verdict::Other { stored: stored.host_id.clone(), current: host.id.clone() }
}

#[cfg(test)]
mod tests {
    use super::system::tests::Told;
    use super::*;
    use crate::home::{Home, mode_of};

    const NOW: Wall = Wall::from_millis(1_700_000_000_000);

    fn host(id: &str, mac: &str) -> Host {
        let mac = Mac::parse(mac);
        Host { id: id.into(), first: mac, second: mac }
    }

    fn file(schema: u32, of: &Host) -> Vec<u8> {
        let rule = if schema == 1 { Rule::First } else { Rule::Second };
        let stored =
            Stored { schema_version: schema, fingerprint: of.fingerprint(rule), ..of.stored(NOW).unwrap() };
        serde_json::to_vec(&stored).unwrap()
    }

    #[test]
    fn f_dmn_10_every_row_of_the_table_of_verdicts() {
        let (mac, mac2) = ("00:00:00:00:00:01", "00:00:00:00:00:02");
        let (a, b) = (host("linux:a", mac), host("linux:b", mac2));
        let (renewed, nameless) = (host("linux:a", mac2), host("", mac));
        let silent = host("", "none");
        let is_other = |stored: &Host, current: &Host| Verdict::Other {
            stored: stored.id.clone(),
            current: current.id.clone(),
        };
        let unknown = |verdict: &Verdict| matches!(verdict, Verdict::Unknown { .. });
        assert_eq!(judge(None, &a), Verdict::FirstRun);
        for garbage in [&b"{"[..], b"", b"{\"schema_version\":2}", &file(3, &a), &file(99, &b)] {
            assert!(unknown(&judge(Some(garbage), &a)), "{}", String::from_utf8_lossy(garbage));
        }
        assert_eq!(judge(Some(&file(2, &a)), &a), Verdict::Same);
        assert_eq!(judge(Some(&file(2, &a)), &renewed), Verdict::SameRewritten);
        assert_eq!(judge(Some(&file(2, &a)), &b), is_other(&a, &b));
        assert_eq!(judge(Some(&file(2, &nameless)), &nameless), Verdict::Same);
        assert_eq!(judge(Some(&file(2, &nameless)), &host("", mac2)), is_other(&nameless, &nameless));
        assert_eq!(judge(Some(&file(2, &nameless)), &a), is_other(&nameless, &a));
        assert_eq!(judge(Some(&file(1, &a)), &a), Verdict::SameRewritten);
        assert_eq!(judge(Some(&file(1, &a)), &renewed), is_other(&a, &renewed), "the older rule is strict");
        assert_eq!(judge(Some(&file(1, &a)), &b), is_other(&a, &b));
        assert!(unknown(&judge(Some(&file(2, &silent)), &silent)));
        assert_eq!(judge(Some(&file(2, &silent)), &a), Verdict::SameRewritten, "it can tell from here on");
    }

    #[test]
    fn f_dmn_10_how_little_a_host_tells_is_said() {
        assert_eq!(host("linux:a", "none").lacks(), None);
        assert_eq!(host("", "00:00:00:00:00:01").lacks(), Some("fingerprint_host_id_unavailable"));
        assert_eq!(host("", "none").lacks(), Some("fingerprint_unavailable"));
    }

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        let place = Place::prepare(&home).unwrap();
        (dir, place)
    }

    #[test]
    fn f_dmn_10_a_directory_that_wakes_up_elsewhere_is_refused_until_it_is_accepted() {
        let (_dir, place) = place();
        let (here, there) = (host("linux:a", "00:00:00:00:00:01"), host("linux:b", "00:00:00:00:00:02"));
        assert_eq!(check(&place, &here, NOW).unwrap(), Verdict::FirstRun);
        assert_eq!(check(&place, &here, NOW).unwrap(), Verdict::Same);
        assert_eq!(mode_of(&place.fingerprint_path()).unwrap(), 0o600);
        let verdict = check(&place, &there, NOW).unwrap();
        assert_eq!(verdict.to_string(), "it was made on linux:a and this is linux:b");
        assert_eq!(check(&place, &here, NOW).unwrap(), Verdict::Same, "a refusal writes nothing");
        assert_eq!(accept(&place, &there, NOW).unwrap(), there.fingerprint(Rule::Second)[..16]);
        assert_eq!(check(&place, &there, NOW).unwrap(), Verdict::Same);
    }

    #[test]
    fn f_dmn_10_what_cannot_be_understood_is_left_alone() {
        let (_dir, place) = place();
        for text in ["no json", "{\"schema_version\":3}"] {
            home::replace(&place.fingerprint_path(), text.as_bytes()).unwrap();
            assert!(matches!(check(&place, &host("linux:a", "x"), NOW).unwrap(), Verdict::Unknown { .. }));
            assert_eq!(home::read(&place.fingerprint_path()).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn a_file_of_the_older_rule_is_written_again_by_the_newer() {
        let (_dir, place) = place();
        let told = Told::of(&[
            ("/etc/machine-id", "abc\n"),
            ("/sys/class/net/anpi0/address", "da:00:00:00:00:01"),
            ("/sys/class/net/eth0/address", "00:00:00:00:00:02"),
        ]);
        let host = Host::ask(Some(System::Linux), &told, None);
        assert_ne!(host.mac(Rule::First), host.mac(Rule::Second));
        home::replace(&place.fingerprint_path(), &file(1, &host)).unwrap();
        assert_eq!(check(&place, &host, NOW).unwrap(), Verdict::SameRewritten);
        assert_eq!(check(&place, &host, NOW).unwrap(), Verdict::Same);
        let stored: Stored = serde_json::from_slice(&home::read(&place.fingerprint_path()).unwrap()).unwrap();
        assert_eq!((stored.schema_version, stored.stable_mac.as_str()), (2, "00:00:00:00:00:02"));
    }

    #[test]
    fn an_id_that_the_operator_gives_stands_for_what_the_system_says() {
        let told = Told::of(&[("/etc/machine-id", "abc\n")]);
        assert_eq!(Host::ask(Some(System::Linux), &told, None).id, "linux:abc");
        assert_eq!(Host::ask(Some(System::Linux), &told, Some("build-7")).id, "given:build-7");
        assert_eq!(Host::ask(None, &told, None).lacks(), Some("fingerprint_unavailable"));
    }
}
