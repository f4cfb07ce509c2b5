//! One parser for each kind of value. A refusal says what would be accepted.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use peermesh_core::note::Level;

use crate::address::Address;

/// What would be accepted, and which part of the value was not.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) value: String,
    pub(super) wanted: String,
}

pub(super) fn refused(value: &str, wanted: impl Into<String>) -> Refused {
    Refused { value: value.to_owned(), wanted: wanted.into() }
}

/// A list, shown with commas.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T: fmt::Display> fmt::Display for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&items.join(","))
    }
}

/// A log level, shown by its word.
#[derive(Debug)]
pub(super) struct LoggedAs(pub(super) Level);

impl fmt::Display for LoggedAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.word())
    }
}

pub(super) fn port(text: &str) -> Result<u16, Refused> {
    let wanted = "a whole number from 1 to 65535";
    text.parse().ok().filter(|&port| port > 0).ok_or_else(|| refused(text, wanted))
}

pub(super) fn shards(text: &str) -> Result<u16, Refused> {
    const MOST: u16 = 256;
    let fits = |shards: &u16| (1..=MOST).contains(shards);
    text.parse().ok().filter(fits).ok_or_else(|| refused(text, "a whole number from 1 to 256"))
}

pub(super) fn host(text: &str) -> Result<IpAddr, Refused> {
    let address = if text == "localhost" { "127.0.0.1" } else { text };
    address.parse().map_err(|_| refused(text, "an IP address of this machine, like 0.0.0.0 or 127.0.0.1"))
}

/// Peers may reach the broker through a proxy that speaks TLS, so `wss` is as good as `ws`.
pub(super) fn public_url(text: &str) -> Result<String, Refused> {
    let is_socket = text.starts_with("ws://") || text.starts_with("wss://");
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'|');
    match Address::parse(text) {
        Ok(_) if is_socket && is_plain => Ok(text.to_owned()),
        _ => Err(refused(text, "an address like ws://mesh.example:7900/ws")),
    }
}

pub(super) fn level(text: &str) -> Result<LoggedAs, Refused> {
    Level::parse(text).map(LoggedAs).ok_or_else(|| refused(text, "one of error, warn, info, debug, trace"))
}

pub(super) fn origins(text: &str) -> Result<List<String>, Refused> {
    let origin = |item: &str| {
        let is_origin = item
            .strip_prefix("https://")
            .or_else(|| item.strip_prefix("http://"))
            .is_some_and(|host| !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']));
        is_origin
            .then(|| item.to_ascii_lowercase())
            .ok_or_else(|| refused(item, "an origin like https://app.example (scheme, host and port only)"))
    };
    items(text).map(origin).collect::<Result<_, _>>().map(List)
}

pub(super) fn proxies(text: &str) -> Result<List<IpAddr>, Refused> {
    let proxy = |item: &str| item.parse().map_err(|_| refused(item, "the IP address of a proxy"));
    items(text).map(proxy).collect::<Result<_, _>>().map(List)
}

pub(super) fn path(text: &str) -> Result<PathBuf, Refused> {
    Ok(PathBuf::from(text))
}

pub(super) fn word(text: &str) -> Result<String, Refused> {
    let is_word = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_word.then(|| text.to_owned()).ok_or_else(|| refused(text, "one word of visible ASCII characters"))
}

pub(super) fn switch(text: &str) -> Result<bool, Refused> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(refused(text, "1 or 0, true or false")),
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_from_1_to_65535() {
        assert_eq!(port("7900").unwrap(), 7900);
        assert!(["0", "65536", "-1", "7900 ", "x"].iter().all(|text| port(text).is_err()));
    }

    #[test]
    fn a_public_address_may_lie_behind_a_proxy_with_tls() {
        assert!(public_url("wss://mesh.example/ws").is_ok());
        assert!(public_url("http://mesh.example/ws").is_err());
        assert!(public_url("ws://mesh.example/a|b").is_err(), "the bar separates fields of a signed invite");
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origins("HTTPS://A.example").unwrap_err().value, "HTTPS://A.example");
        assert_eq!(origins("https://A.example, http://b").unwrap().0, ["https://a.example", "http://b"]);
        assert!(origins("https://a.example/").is_err());
    }

    #[test]
    fn a_switch_is_on_or_off_and_nothing_between() {
        assert_eq!(["1", "true", "0", "false"].map(|text| switch(text).unwrap()), [true, true, false, false]);
        assert!(["yes", "TRUE", "2", " 1"].iter().all(|text| switch(text).is_err()));
    }
}
