//! Peers of a broker that stands behind a proxy with TLS, whose certificate is made for the test.

mod town;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use town::Town;
use town::hosts::await_that;

/// How long one side is listened to before the other has its turn.
const TURN: Duration = Duration::from_millis(2);

/// A proxy with TLS before the broker of a town.
struct Front {
    port: u16,
    /// Holds the authority that its certificate comes from.
    ca_file: PathBuf,
}

impl Front {
    fn open(town: &Town, last_year: i32) -> Front {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(last_year, 1, 1));
        let certificate = params.signed_by(&key, &ca).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ca_file = town.dir().join(format!("ca-{last_year}.pem"));
        std::fs::write(&ca_file, ca.pem()).unwrap();
        let front = Front { port: listener.local_addr().unwrap().port(), ca_file };
        let (config, broker) = (Arc::new(config.unwrap()), town.port);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let config = Arc::clone(&config);
                thread::spawn(move || carry(config, stream, broker));
            }
        });
        front
    }

    fn ca(&self) -> &str {
        self.ca_file.to_str().unwrap()
    }
}

/// Carries what one peer and the broker say, by turns, until either ends.
fn carry(config: Arc<ServerConfig>, outer: TcpStream, broker: u16) {
    outer.set_read_timeout(Some(TURN)).unwrap();
    let mut inner = TcpStream::connect(("127.0.0.1", broker)).unwrap();
    inner.set_read_timeout(Some(TURN)).unwrap();
    let mut outer = StreamOwned::new(ServerConnection::new(config).unwrap(), outer);
    while pass(&mut outer, &mut inner) && pass(&mut inner, &mut outer) {}
    outer.conn.send_close_notify();
    let _ = outer.flush();
}

/// False when there is nothing more to pass on.
fn pass(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut chunk = [0; 16 * 1024];
    match from.read(&mut chunk) {
        Ok(0) => false,
        Ok(count) => to.write_all(&chunk[..count]).and_then(|()| to.flush()).is_ok(),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn peers_join_send_and_receive_by_tls_when_they_trust_the_brokers_authority() {
    let town = Town::new();
    let front = Front::open(&town, 4000);
    let _broker = town.serve_with(&[("BROKER_PUBLIC_URL", &format!("wss://localhost:{}/ws", front.port))]);
    town.json(&["mesh", "create", "demo"]);
    let invite = town.json(&["invite", "demo", "--uses", "2"]);
    let url = invite["url"].as_str().unwrap();
    for name in ["ann", "bob"] {
        town.json(&["join", url, "--as", name, "--ca-file", front.ca()]);
    }
    let peers = town.json(&["peers", "--as", "ann", "--ca-file", front.ca()]);
    assert!(peers.to_string().contains("bob"), "{peers}");
    let large = "x".repeat(40_000);
    town.json(&["send", "bob", &large, "--as", "ann", "--ca-file", front.ca()]);
    let mut inbox = town.command(&["inbox", "--as", "bob", "--json"]);
    let ran = town::Ran::from(inbox.env("PEERMESH_CA_FILE", &front.ca_file).output().unwrap());
    assert_eq!((ran.code, ran.json()[0]["text"].as_str()), (0, Some(large.as_str())), "{}", ran.err);
    let health = format!("https://localhost:{}", front.port);
    assert_eq!(town.run(&["health", "--broker", &health, "--ca-file", front.ca()]).code, 0);
}

#[test]
fn a_daemon_in_the_background_trusts_the_authority_that_was_named_to_the_command_that_starts_it() {
    let town = Town::new();
    let front = Front::open(&town, 4000);
    let _broker = town.serve_with(&[("BROKER_PUBLIC_URL", &format!("wss://localhost:{}/ws", front.port))]);
    town.json(&["mesh", "create", "demo"]);
    let invite = town.json(&["invite", "demo"]);
    town.json(&["join", invite["url"].as_str().unwrap(), "--as", "ann", "--ca-file", front.ca()]);
    let by_flag = town.command(&["daemon", "up", "--ca-file", front.ca()]);
    let mut by_variable = town.command(&["daemon", "up"]);
    by_variable.env("PEERMESH_CA_FILE", front.ca());
    for mut up in [by_flag, by_variable] {
        let ran = town::Ran::from(up.output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        await_that("a broker", || town.json(&["daemon", "status"])["brokers"]["demo"] == "open");
        assert_eq!(town.json(&["daemon", "down"])["stopped"], true);
    }
}

#[test]
fn a_broker_that_is_not_believed_is_refused_with_the_reason() {
    let town = Town::new();
    let (good, expired) = (Front::open(&town, 4000), Front::open(&town, 2021));
    let _broker = town.serve();
    let health = |host: &str, front: &Front, ca: &[&str]| {
        let broker = format!("https://{host}:{}", front.port);
        town.run(&[&["health", "--broker", &broker], ca].concat())
    };
    for (host, front, ca, words) in [
        ("localhost", &good, vec!["--ca-file", expired.ca()], "--ca-file or PEERMESH_CA_FILE"),
        ("localhost", &expired, vec!["--ca-file", expired.ca()], "has expired"),
        ("127.0.0.1", &good, vec!["--ca-file", good.ca()], "not for 127.0.0.1, but for localhost"),
        ("localhost", &good, vec!["--ca-file", "/no/such/file"], "/no/such/file"),
    ] {
        let ran = health(host, front, &ca);
        assert!(ran.code == 3 && ran.err.contains(words), "{words}: {ran:?}");
    }
    let plain = format!("https://localhost:{}", town.port);
    let ran = town.run(&["health", "--broker", &plain, "--ca-file", good.ca()]);
    assert!(ran.code == 3 && ran.err.contains("does not speak TLS"), "{ran:?}");
}

#[test]
fn a_join_that_did_not_believe_the_broker_leaves_no_profile_and_no_use_of_the_invite_behind() {
    let town = Town::new();
    let front = Front::open(&town, 4000);
    let _broker = town.serve();
    town.settle(&["ann"]);
    let invite = town.json(&["invite", "demo"]);
    let url = invite["url"].as_str().unwrap();
    for port in [town.port, front.port] {
        let broker = format!("wss://127.0.0.1:{port}/ws");
        let ran = town.run(&["join", url, "--as", "tls", "--broker", &broker, "--ca-file", front.ca()]);
        assert!(ran.code == 3 && ran.err.contains("cannot be trusted"), "{ran:?}");
        assert!(!town.data().join("profiles/tls.json").exists(), "{ran:?}");
    }
    assert_eq!(town.run(&["peers"]).code, 0, "there is one profile only");
    assert_eq!(town.run(&["join", url, "--as", "tls"]).code, 0);
}
