//! What a host is known by: its own id, and the address of one interface that does not change by itself.
//!
//! *Decides:* which interfaces count, which of them is taken, and what is made of it.
//! *Does not:* ask the system; what it says is handed in.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// An interface of the network as the system names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) address: Mac,
}

/// The address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mac([u8; 6]);

/// How a fingerprint was made. Files of the older rule are read, and written by the newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Took whatever stood first in the alphabet, so that an address which is made anew at every start of the
    /// system could be taken.
    First,
    /// Prefers addresses that a manufacturer gave.
    Second,
}

/// Beginnings of the names of interfaces that come and go with software, in small letters.
const SOFTWARE: [&str; 14] = [
    "lo",
    "docker",
    "br-",
    "bridge",
    "veth",
    "tap",
    "tun",
    "tailscale",
    "wg",
    "utun",
    "ppp",
    "vboxnet",
    "vmnet",
    "awdl",
];
/// Those that the first rule did not know, besides `ap` with a digit.
const SOFTWARE_SINCE: [&str; 2] = ["llw", "anpi"];

impl Mac {
    /// Six pairs of hex digits, divided by colons or hyphens.
    pub(super) fn parse(text: &str) -> Option<Mac> {
        let mut bytes = [0; 6];
        let mut pairs = text.trim().split([':', '-']);
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| (1..=2).contains(&pair.len()))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Mac(bytes))
    }

    /// As it is written everywhere.
    pub(super) fn text(self) -> String {
        self.0.map(|byte| format!("{byte:02x}")).join(":")
    }

    fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }

    /// Made by software, and perhaps another one after the next start.
    fn is_made_up(self) -> bool {
        self.0[0] & 0x02 != 0
    }
}

/// The address that stands for the host, if any does.
pub(super) fn stable_mac(rule: Rule, interfaces: &[Interface]) -> Option<Mac> {
    let counts = |interface: &&Interface| !interface.address.is_zero() && !is_software(rule, &interface.name);
    let mut counted: Vec<&Interface> = interfaces.iter().filter(counts).collect();
    counted.sort_by(|one, other| one.name.cmp(&other.name));
    let given = counted.iter().find(|interface| rule == Rule::First || !interface.address.is_made_up());
    given.or(counted.first()).map(|interface| interface.address)
}

fn is_software(rule: Rule, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let begins = |names: &[&str]| names.iter().any(|beginning| name.starts_with(beginning));
    let is_access_point = || {
        name.strip_prefix("ap").is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
    };
    begins(&SOFTWARE) || (rule == Rule::Second && (begins(&SOFTWARE_SINCE) || is_access_point()))
}

/// The fingerprint of a host, in hex. By the newer rule, a host without an id is known by its address alone,
/// which then stands for both.
pub(super) fn fingerprint(rule: Rule, host_id: &str, mac: &str) -> String {
    let mut hash = Sha256::new();
    match rule {
        Rule::First => hash.update(host_id),
        Rule::Second => {
            hash.update(b"v2\0");
            hash.update(if host_id.is_empty() { mac } else { host_id });
        }
    }
    hash.update(b"\0");
    hash.update(mac);
    HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "52:54:00:12:34:56";
    const MADE_UP: &str = "da:54:00:12:34:56";

    fn taken(rule: Rule, interfaces: &[(&str, &str)]) -> Option<String> {
        let interfaces: Vec<Interface> = interfaces
            .iter()
            .map(|(name, mac)| Interface { name: (*name).into(), address: Mac::parse(mac).unwrap() })
            .collect();
        stable_mac(rule, &interfaces).map(Mac::text)
    }

    #[test]
    fn f_dmn_10_software_interfaces_do_not_count_whatever_their_case() {
        let ignored = [
            "lo",
            "lo0",
            "docker0",
            "br-1f3c",
            "bridge100",
            "veth12ab",
            "tap0",
            "tun3",
            "tailscale0",
            "wg0",
            "utun4",
            "ppp0",
            "vboxnet0",
            "vmnet8",
            "awdl0",
            "llw0",
            "anpi1",
            "ap1",
            "Docker0",
            "UTUN4",
            "AP1",
        ];
        for name in ignored {
            assert_eq!(taken(Rule::Second, &[(name, "00:11:22:33:44:55")]), None, "{name}");
        }
        for name in ["eth0", "en0", "wlp3s0", "eno1", "apple0", "br0"] {
            assert!(taken(Rule::Second, &[(name, "00:11:22:33:44:55")]).is_some(), "{name}");
        }
    }

    #[test]
    fn f_dmn_10_a_manufacturers_address_is_taken_before_one_that_software_made() {
        type Row = (&'static [(&'static str, &'static str)], Option<&'static str>);
        let rows: &[Row] = &[
            (&[], None),
            (&[("eth0", "00:00:00:00:00:00")], None),
            (&[("eth0", "50:54:00:12:34:56")], Some("50:54:00:12:34:56")),
            (&[("eth1", "00:00:00:00:00:02"), ("eth0", "00:00:00:00:00:01")], Some("00:00:00:00:00:01")),
            (&[("wlan0", "00:00:00:00:00:02"), ("eth0", "00:00:00:00:00:01")], Some("00:00:00:00:00:01")),
            (&[("wlp2s0", "00:00:00:00:00:02"), ("enp1s0", "00:00:00:00:00:01")], Some("00:00:00:00:00:01")),
            (&[("a0", MADE_UP), ("eth0", "00:00:00:00:00:01")], Some("00:00:00:00:00:01")),
            (&[("b0", MADE_UP), ("a0", GIVEN)], Some(GIVEN)),
        ];
        for (interfaces, wanted) in rows {
            assert_eq!(taken(Rule::Second, interfaces).as_deref(), *wanted, "{interfaces:?}");
        }
    }

    #[test]
    fn f_dmn_10_the_first_rule_is_kept_as_it_was_so_that_its_files_can_be_read() {
        let interfaces = [("anpi0", MADE_UP), ("en0", "00:11:22:33:44:55")];
        assert_eq!(taken(Rule::First, &interfaces).as_deref(), Some(MADE_UP));
        assert_eq!(taken(Rule::Second, &interfaces).as_deref(), Some("00:11:22:33:44:55"));
    }

    #[test]
    fn f_dmn_10_a_fingerprint_is_the_hash_of_what_the_contract_says() {
        let of = |text: &[u8]| HEXLOWER.encode(&Sha256::digest(text));
        assert_eq!(fingerprint(Rule::Second, "linux:abc", "m"), of(b"v2\0linux:abc\0m"));
        assert_eq!(fingerprint(Rule::First, "linux:abc", "m"), of(b"linux:abc\0m"));
        assert_eq!(fingerprint(Rule::Second, "", "m"), of(b"v2\0m\0m"), "the address is used twice");
    }

    #[test]
    fn an_address_is_six_pairs_and_nothing_else() {
        assert_eq!(Mac::parse("0:1B:2-03:4:5\n").map(Mac::text).as_deref(), Some("00:1b:02:03:04:05"));
        for text in
            ["", "00:11:22:33:44", "00:11:22:33:44:55:66", "0g:11:22:33:44:55", "001:1:2:3:4:5", ":::::"]
        {
            assert_eq!(Mac::parse(text), None, "{text:?}");
        }
    }
}
