//! TLS over streams that are dialled: whom this program trusts, and the shaking of hands.
//!
//! *Decides:* a server must show a certificate that names its host and that leads to an authority of the
//! system, or to one of the file that the user named.
//! *Always holds:* what is handed back is a socket of this machine that carries the stream in clear (`pump`),
//! so whoever reads and writes it need not know.

mod pump;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};

/// What is spoken inside. A proxy that serves several versions must choose the one that has upgrades.
const ALPN: &[u8] = b"http/1.1";

/// Why a server was not believed, or could not be heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{file} is no list of authorities ({detail}); name a file of PEM certificates with --ca-file")]
    CaFile { file: PathBuf, detail: String },
    #[error("this system trusts no authority at all; name a file of PEM certificates with --ca-file")]
    NoAuthority,
    #[error("{0} cannot be a name in a certificate; use the host's own name")]
    Name(String),
    #[error("its certificate has expired; renew it there, or set this machine's clock")]
    Expired,
    #[error("its certificate is not valid yet; set the clock of this machine or of that one")]
    NotYet,
    #[error(
        "its certificate comes from an authority that this machine does not trust; \
         if it is your own, name its certificate with --ca-file or PEERMESH_CA_FILE"
    )]
    UnknownIssuer,
    #[error("its certificate is not for {host}{}; use a name that is in it", Named(names))]
    WrongHost { host: String, names: Vec<String> },
    #[error("its certificate was withdrawn by its authority")]
    Revoked,
    #[error("it does not speak TLS there; is the address right, or is it a ws:// or http:// one?")]
    NotTls,
    #[error("TLS failed: {0}")]
    Failed(Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

struct Named<'a>(&'a [String]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ", but for {}", self.0.join(", ")) }
    }
}

impl TlsError {
    fn from_verdict(error: Error, host: &str) -> TlsError {
        use CertificateError as Bad;
        match error {
            Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => TlsError::Expired,
            Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => TlsError::NotYet,
            // A bad signature is that of an authority which only has the name of one that is trusted.
            Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => TlsError::UnknownIssuer,
            Error::InvalidCertificate(Bad::Revoked) => TlsError::Revoked,
            Error::InvalidCertificate(Bad::NotValidForName) => {
                TlsError::WrongHost { host: host.to_owned(), names: Vec::new() }
            }
            Error::InvalidCertificate(Bad::NotValidForNameContext { presented, .. }) => {
                let names = presented.iter().map(|name| plain(name)).collect();
                TlsError::WrongHost { host: host.to_owned(), names }
            }
            Error::InvalidMessage(_) => TlsError::NotTls,
            error => TlsError::Failed(error),
        }
    }
}

/// A name as people know it, out of what the library shows: `DnsName("mesh.example")`.
fn plain(shown: &str) -> String {
    let inside = shown.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(shown).trim_matches('"').to_owned()
}

/// The authorities that the user named besides the system's, for the life of this process.
static CA_FILE: OnceLock<PathBuf> = OnceLock::new();

/// Trusts the authorities of a file as well. Only the first call counts.
pub(crate) fn trust_also(file: &Path) {
    let _ = CA_FILE.set(file.to_owned());
}

/// The file of [`trust_also`], for whoever starts this program again.
pub(crate) fn also_trusted() -> Option<&'static Path> {
    CA_FILE.get().map(PathBuf::as_path)
}

/// Lays TLS over a stream that is connected to a host, until then at the latest.
///
/// # Errors
/// When the server is not believed, does not speak TLS, or is silent.
pub(crate) fn secure(stream: TcpStream, host: &str, until: Instant) -> Result<UnixStream, TlsError> {
    secure_by(trusted()?, stream, host, until)
}

/// Whom this program trusts.
///
/// # Errors
/// When the file of [`trust_also`] is none, or nobody is trusted at all.
pub(crate) fn trusted() -> Result<Arc<ClientConfig>, TlsError> {
    /// Read once: the authorities of a system are many.
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    match CONFIG.get() {
        Some(config) => Ok(Arc::clone(config)),
        None => Ok(Arc::clone(CONFIG.get_or_init({
            let config = Arc::new(client_config(also_trusted(), true)?);
            move || config
        }))),
    }
}

fn secure_by(
    config: Arc<ClientConfig>,
    mut stream: TcpStream,
    host: &str,
    until: Instant,
) -> Result<UnixStream, TlsError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))?;
    let mut tls = ClientConnection::new(config, name).map_err(TlsError::Failed)?;
    shake_hands(&mut tls, &mut stream, host, until)?;
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    let (near, far) = UnixStream::pair()?;
    thread::Builder::new().name("tls".to_owned()).spawn(move || pump::run(tls, &stream, &far))?;
    Ok(near)
}

fn shake_hands(
    tls: &mut ClientConnection,
    stream: &mut TcpStream,
    host: &str,
    until: Instant,
) -> Result<(), TlsError> {
    while tls.is_handshaking() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(silent().into());
        }
        stream.set_read_timeout(Some(left))?;
        stream.set_write_timeout(Some(left))?;
        if tls.wants_write() {
            tls.write_tls(stream).map_err(patience_ended)?;
            continue;
        }
        if tls.read_tls(stream).map_err(patience_ended)? == 0 {
            let why = "it ended the connection while TLS began";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, why).into());
        }
        if let Err(error) = tls.process_new_packets() {
            // It may hear why.
            let _ = tls.write_tls(stream);
            return Err(TlsError::from_verdict(error, host));
        }
    }
    while tls.wants_write() {
        tls.write_tls(stream).map_err(patience_ended)?;
    }
    Ok(())
}

fn patience_ended(error: io::Error) -> io::Error {
    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) { silent() } else { error }
}

fn silent() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "it did not answer in time while TLS began")
}

/// Trusts the system's authorities, where `system` says so, and those of the file.
fn client_config(file: Option<&Path>, system: bool) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    if system {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(file) = file {
        let unfit = |detail: String| TlsError::CaFile { file: file.to_owned(), detail };
        let before = roots.len();
        let listed = CertificateDer::pem_file_iter(file).map_err(|error| unfit(error.to_string()))?;
        for certificate in listed {
            let certificate = certificate.map_err(|error| unfit(error.to_string()))?;
            roots.add(certificate).map_err(|error| unfit(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(unfit("it holds no certificate".to_owned()));
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthority);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Failed)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}
