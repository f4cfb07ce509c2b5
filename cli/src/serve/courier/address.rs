//! Where the target is. Looking that up may take any time, so a thread of its own does it, and what was found
//! is good for a while.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

/// See the module's own words.
pub(super) struct AddressBook {
    host: Arc<str>,
    port: u16,
    /// Found then.
    found: Option<(Instant, Vec<SocketAddr>)>,
    is_asked: bool,
    tell: Sender<io::Result<Vec<SocketAddr>>>,
    told: Receiver<io::Result<Vec<SocketAddr>>>,
}

impl AddressBook {
    const GOOD_FOR: Duration = Duration::from_secs(10);

    pub(super) fn new(host: &str, port: u16) -> AddressBook {
        let (tell, told) = channel();
        AddressBook { host: host.into(), port, found: None, is_asked: false, tell, told }
    }

    /// The addresses, where they are known; otherwise they are looked up, and the bell rings then.
    ///
    /// # Errors
    /// When there is no thread to look.
    pub(super) fn look(&mut self, now: Instant, bell: Waker) -> io::Result<Option<Vec<SocketAddr>>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(Some(vec![SocketAddr::new(address, self.port)]));
        }
        if let Some((at, addresses)) = &self.found
            && now.saturating_duration_since(*at) < AddressBook::GOOD_FOR
        {
            return Ok(Some(addresses.clone()));
        }
        if !self.is_asked {
            let (host, port, tell) = (Arc::clone(&self.host), self.port, self.tell.clone());
            thread::Builder::new().name("look-up".to_owned()).spawn(move || {
                let found = (&*host, port).to_socket_addrs().map(Iterator::collect);
                // Nobody may be left to hear it.
                let _ = tell.send(found);
                bell.wake();
            })?;
            self.is_asked = true;
        }
        Ok(None)
    }

    /// What was found meanwhile; false where that is nothing.
    pub(super) fn hear(&mut self, now: Instant) -> Option<bool> {
        let found = self.told.try_recv().ok()?;
        self.is_asked = false;
        self.found = found.ok().filter(|addresses| !addresses.is_empty()).map(|addresses| (now, addresses));
        Some(self.found.is_some())
    }
}
