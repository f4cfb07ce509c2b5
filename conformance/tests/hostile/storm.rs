//! Everybody comes back at once (NET-04): nobody is lost, and those inside do not notice.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::driver::runtime::Runtime;

use crate::ground::{PATIENCE, RUNTIMES, Served, Stranger, UPGRADE, allow_files, alone, frame, peer};

/// Sessions of one member.
const SESSIONS: usize = 40;
/// Times the whole crowd comes.
const STORMS: usize = 2;
/// Hellos that a client may need until it is in, for each storm.
const TRIES: usize = 8;

#[test]
fn f_net_04_hundreds_that_come_back_at_once_are_all_back_and_others_talk() {
    let _alone = alone();
    for runtime in RUNTIMES {
        storm(runtime, 400);
    }
}

#[test]
#[ignore = "takes a minute"]
fn f_net_04_thousands_that_come_back_at_once_are_all_back_and_others_talk() {
    let _alone = alone();
    storm(Runtime::Smol, 5_000);
}

fn storm(runtime: Runtime, clients: usize) {
    allow_files(2 * clients as u64 + 400);
    let members: Vec<String> = (0..clients.div_ceil(SESSIONS)).map(|nth| format!("member{nth}")).collect();
    let names: Vec<&str> = members.iter().map(String::as_str).collect();
    let room = clients as u64 + 10;
    // Hellos are signed before the storm, each for a moment of its own.
    let limits = [("connections_per_mesh_max", room), ("hello_skew_ms", 600_000)];
    let mut served = Served::new(runtime, &limits, &names);
    let mut hellos = Vec::with_capacity(clients);
    for nth in 0..clients {
        let peer = peer(names[nth / SESSIONS], Some(&format!("s{}", nth % SESSIONS)));
        let hello = |_| served.town.hello(&peer).unwrap_or_else(|said| panic!("{}", said.0));
        hellos.push((0..STORMS * TRIES).map(hello).collect::<Vec<String>>());
    }
    served.during(move |broker| {
        let mut clients: Vec<Client> = hellos.into_iter().map(|hellos| Client::new(broker, hellos)).collect();
        for _ in 0..STORMS {
            come_back(&mut clients);
            clients.iter_mut().for_each(Client::leave);
        }
    });
}

/// All of them dial and say hello; whoever is sent away tries again later.
fn come_back(clients: &mut [Client]) {
    clients.iter_mut().for_each(Client::dial);
    let until = Instant::now() + 4 * PATIENCE;
    while clients.iter().any(|client| !client.is_in) {
        let now = Instant::now();
        let out = clients.iter().filter(|client| !client.is_in).count();
        assert!(now < until, "{out} of {} are not back", clients.len());
        for (nth, client) in clients.iter_mut().enumerate().filter(|(_, client)| !client.is_in) {
            client.goes_on(now, nth);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A client as they are: it comes back with growing waits.
struct Client {
    broker: SocketAddr,
    hellos: Vec<String>,
    stream: Option<Stranger>,
    is_in: bool,
    tries: u32,
    next_try: Instant,
}

impl Client {
    fn new(broker: SocketAddr, hellos: Vec<String>) -> Client {
        let next_try = Instant::now();
        Client { broker, hellos, stream: None, is_in: false, tries: 0, next_try }
    }

    /// Dials, and says in one breath what it has to say.
    fn dial(&mut self) {
        // None is used twice: the broker may have recorded one before it sent its client away.
        let hello = self.hellos.pop().expect("a client that is in after a few tries");
        let mut stream = Stranger::new(self.broker);
        stream.says(&[UPGRADE.as_bytes(), &frame(0x81, hello.as_bytes())].concat());
        self.stream = Some(stream);
    }

    fn leave(&mut self) {
        (self.stream, self.is_in, self.tries) = (None, false, 0);
    }

    fn goes_on(&mut self, now: Instant, nth: usize) {
        let Some(stream) = &mut self.stream else {
            if now >= self.next_try {
                self.dial();
            }
            return;
        };
        stream.listens();
        self.is_in = stream.was_told(b"\"type\":\"hello_ack\"");
        if stream.ended && !self.is_in {
            self.stream = None;
            self.tries += 1;
            // Spread like the jitter of real ones.
            let wait_ms = 50 * 2_u64.pow(self.tries.min(6)) + nth as u64 * 37 % 200;
            self.next_try = now + Duration::from_millis(wait_ms);
        }
    }
}
