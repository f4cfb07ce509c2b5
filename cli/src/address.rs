//! Addresses of brokers, as people write them.
//!
//! *Does not:* speak TLS. `https` and `wss` are refused with that reason instead of being tried.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A broker that can be dialled: plain HTTP and WebSocket share one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
    path: String,
}

/// Why a text is no address we can dial.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("{0} needs TLS, which this version does not speak; use an http:// or ws:// address")]
    Tls(String),
    #[error("{0} is not an address; write it like http://127.0.0.1:7900")]
    Malformed(String),
    #[error("an address must not carry a user, a password, a query or a fragment")]
    Decorated,
}

impl Address {
    /// Reads `http://host[:port][/path]` or the same with `ws`.
    pub(crate) fn parse(text: &str) -> Result<Address, AddressError> {
        let malformed = || AddressError::Malformed(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
        match scheme {
            "http" | "ws" => {}
            "https" | "wss" => return Err(AddressError::Tls(text.to_owned())),
            _ => return Err(malformed()),
        }
        if rest.contains(['@', '?', '#']) {
            return Err(AddressError::Decorated);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = split_port(authority).ok_or_else(malformed)?;
        let is_plain = |letter: char| letter.is_ascii_graphic();
        if host.is_empty() || !host.chars().all(is_plain) || !path.chars().all(is_plain) {
            return Err(malformed());
        }
        Ok(Address { host: host.to_owned(), port, path: path.to_owned() })
    }

    /// Host and port as the dialler takes them.
    pub(crate) fn endpoint(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Host and port as the `Host` header has them.
    pub(crate) fn authority(&self) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(_) => format!("[{}]:{}", self.host, self.port),
            Err(_) => format!("{}:{}", self.host, self.port),
        }
    }

    /// The path of the socket; `/ws` when the address names none.
    pub(crate) fn socket_path(&self) -> &str {
        if self.path.is_empty() || self.path == "/" { "/ws" } else { &self.path }
    }

    /// True when only this machine can reach it.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl From<SocketAddr> for Address {
    fn from(place: SocketAddr) -> Address {
        Address { host: place.ip().to_string(), port: place.port(), path: String::new() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    const HTTP_PORT: u16 = 80;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    match port? {
        "" if authority.ends_with(':') => None,
        "" => Some((host, HTTP_PORT)),
        digits => digits.parse().ok().filter(|&port| port > 0).map(|port| (host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_socket_addresses_name_the_same_broker() {
        let http = Address::parse("http://127.0.0.1:7900").unwrap();
        let ws = Address::parse("ws://127.0.0.1:7900/ws").unwrap();
        assert_eq!((http.endpoint(), http.socket_path()), (ws.endpoint(), ws.socket_path()));
        assert_eq!(Address::parse("ws://mesh.example/peers/ws").unwrap().socket_path(), "/peers/ws");
        assert_eq!(Address::parse("http://mesh.example").unwrap().endpoint(), ("mesh.example", 80));
    }

    #[test]
    fn an_ipv6_host_keeps_its_brackets_where_they_belong() {
        let address = Address::parse("ws://[::1]:7900/ws").unwrap();
        assert_eq!(address.endpoint(), ("::1", 7900));
        assert_eq!(address.authority(), "[::1]:7900");
        assert!(address.is_loopback());
    }

    #[test]
    fn tls_is_refused_with_that_reason() {
        let error = Address::parse("wss://mesh.example/ws").unwrap_err();
        assert!(error.to_string().contains("needs TLS"), "{error}");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "127.0.0.1:7900", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://x:"]
        {
            assert!(matches!(Address::parse(text), Err(AddressError::Malformed(_))), "{text:?}");
        }
        assert_eq!(Address::parse("http://a b/"), Err(AddressError::Malformed("http://a b/".into())));
        for text in ["http://user@x/", "http://x/?token=1", "http://x/#y"] {
            assert_eq!(Address::parse(text), Err(AddressError::Decorated), "{text:?}");
        }
    }
}
