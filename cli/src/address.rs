//! Addresses of brokers, as people write them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A broker that can be dialled: HTTP and WebSocket share one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

/// Why a text is no address we can dial.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("{0} is not an address; write it like http://127.0.0.1:7900")]
    Malformed(String),
    #[error("an address must not carry a user, a password, a query or a fragment")]
    Decorated,
}

impl Address {
    /// Reads `http://host[:port][/path]`, or the same with `ws`; with TLS, `https` or `wss`.
    pub(crate) fn parse(text: &str) -> Result<Address, AddressError> {
        let malformed = || AddressError::Malformed(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
        let tls = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(malformed()),
        };
        if rest.contains(['@', '?', '#']) {
            return Err(AddressError::Decorated);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = split_port(authority, tls).ok_or_else(malformed)?;
        let is_plain = |letter: char| letter.is_ascii_graphic();
        if host.is_empty() || !host.chars().all(is_plain) || !path.chars().all(is_plain) {
            return Err(malformed());
        }
        Ok(Address { tls, host: host.to_owned(), port, path: path.to_owned() })
    }

    /// True when it is spoken to by TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
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
        Address { tls: false, host: place.ip().to_string(), port: place.port(), path: String::new() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

fn split_port(authority: &str, tls: bool) -> Option<(&str, u16)> {
    const HTTP_PORT: u16 = 80;
    const HTTPS_PORT: u16 = 443;
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
        "" => Some((host, if tls { HTTPS_PORT } else { HTTP_PORT })),
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
    fn an_address_with_tls_has_its_own_port_and_says_so() {
        for text in ["wss://mesh.example/ws", "https://mesh.example/"] {
            let address = Address::parse(text).unwrap();
            assert!(address.is_tls());
            assert_eq!((address.endpoint(), address.socket_path()), (("mesh.example", 443), "/ws"));
            assert_eq!(address.to_string(), "https://mesh.example:443");
        }
        assert!(!Address::parse("ws://mesh.example/ws").unwrap().is_tls());
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
