//! Hands are shaken with servers of every kind, whose certificates are made for the test.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// An authority, in a file of its own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    _dir: tempfile::TempDir,
    file: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, issuer.pem()).unwrap();
        Authority { issuer, _dir: dir, file }
    }

    pub(crate) fn certify(&self, host: &str, years: (i32, i32)) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }

    pub(crate) fn trusted(&self) -> Arc<ClientConfig> {
        Arc::new(client_config(Some(&self.file), false).unwrap())
    }
}

/// A server for one peer: reads until the peer ends its side, then says how much that was, twice over what a
/// record holds and more.
fn serve(config: Arc<ServerConfig>) -> (TcpStream, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let mut heard = Vec::new();
        if tls.read_to_end(&mut heard).is_err() {
            return 0;
        }
        let _ = tls.write_all(&vec![b'!'; ANSWER_BYTES]);
        tls.conn.send_close_notify();
        let _ = tls.flush();
        heard.len()
    });
    (peer, served)
}

const ANSWER_BYTES: usize = 3_000_000;

fn shaken(
    config: &Arc<ServerConfig>,
    trusted: Arc<ClientConfig>,
    host: &str,
) -> Result<UnixStream, TlsError> {
    let (stream, served) = serve(Arc::clone(config));
    let shaken = secure_by(trusted, stream, host, Instant::now() + PATIENCE);
    if shaken.is_err() {
        assert_eq!(served.join().unwrap(), 0, "nothing is said to a server that is not believed");
    }
    shaken
}

#[test]
fn what_is_said_arrives_whole_both_ways_and_each_end_is_passed_on() {
    let authority = Authority::new("ours");
    let (stream, served) = serve(authority.certify("mesh.example", (2020, 4000)));
    let until = Instant::now() + PATIENCE;
    let mut clear = secure_by(authority.trusted(), stream, "mesh.example", until).unwrap();
    clear.set_read_timeout(Some(PATIENCE)).unwrap();
    let said = 2_000_000;
    clear.write_all(&vec![b'?'; said]).unwrap();
    clear.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    clear.read_to_end(&mut answer).unwrap();
    assert_eq!((served.join().unwrap(), answer.len()), (said, ANSWER_BYTES));
    assert!(answer.iter().all(|byte| *byte == b'!'));
}

#[test]
fn a_server_hears_the_end_when_its_peer_is_gone_altogether() {
    let authority = Authority::new("ours");
    let config = authority.certify("mesh.example", (2020, 4000));
    let (stream, served) = serve(config);
    let mut clear =
        secure_by(authority.trusted(), stream, "mesh.example", Instant::now() + PATIENCE).unwrap();
    clear.write_all(b"last words").unwrap();
    drop(clear);
    assert_eq!(served.join().unwrap(), 10);
}

#[test]
fn each_reason_not_to_believe_a_server_has_its_own_words() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let rows = [
        (ours.certify("mesh.example", (2001, 2002)), "expired"),
        (ours.certify("mesh.example", (4000, 4001)), "not valid yet"),
        (theirs.certify("mesh.example", (2020, 4000)), "--ca-file"),
        (ours.certify("other.example", (2020, 4000)), "not for mesh.example, but for other.example"),
    ];
    for (config, words) in rows {
        let why = shaken(&config, ours.trusted(), "mesh.example").unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
    }
    let by_ip = ours.certify("127.0.0.1", (2020, 4000));
    assert!(shaken(&by_ip, ours.trusted(), "127.0.0.1").is_ok(), "an address can be certified too");
    assert!(shaken(&by_ip, ours.trusted(), "127.0.0.2").is_err());
    assert!(matches!(shaken(&by_ip, ours.trusted(), "no name"), Err(TlsError::Name(_))));
}

#[test]
fn a_server_without_tls_and_a_silent_one_are_told_apart() {
    let config = Authority::new("ours").trusted();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (plain, silent, gone) = (peer(), peer(), peer());
    let mut taken: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
    taken[0].write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    let shake = |stream, ms| {
        let until = Instant::now() + Duration::from_millis(ms);
        secure_by(Arc::clone(&config), stream, "mesh.example", until).unwrap_err()
    };
    assert!(matches!(shake(plain, 20_000), TlsError::NotTls));
    let why = shake(silent, 20);
    assert!(matches!(&why, TlsError::Io(error) if error.kind() == ErrorKind::TimedOut), "{why}");
    drop(taken);
    assert!(matches!(shake(gone, 20_000), TlsError::Io(_)));
}

#[test]
fn a_file_that_lists_no_authority_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authorities.pem");
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, text).unwrap();
        let why = client_config(Some(&file), true).unwrap_err().to_string();
        assert!(why.contains("authorities.pem") && why.contains("--ca-file"), "{why}");
    }
    assert!(matches!(client_config(None, false), Err(TlsError::NoAuthority)));
}
