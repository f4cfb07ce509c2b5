//! What TLS to the database means in each mode, and whom it trusts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::options::OptionsError;

/// Whether a connection is encrypted, and how far the server must prove who it is.
#[derive(Clone)]
pub(super) struct Tls {
    /// None when it is never encrypted.
    pub(super) connect: Option<MakeRustlsConnect>,
    /// Whether a server that does not encrypt is refused.
    pub(super) is_required: bool,
    /// The mode as the operator wrote it.
    mode: &'static str,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mode)
    }
}

/// How the server's certificate is judged.
enum Trust {
    /// It is not.
    Anybody,
    /// Somebody we trust must have signed it, for whatever host.
    Chain,
    /// It must be this host's as well.
    Host,
}

impl Tls {
    /// `mode` and `roots` as in a database URL: `sslmode` and `sslrootcert`.
    ///
    /// # Errors
    /// For a mode that does not exist, and for root certificates that cannot be read.
    pub(super) fn new(mode: Option<&str>, roots: Option<&str>) -> Result<Tls, OptionsError> {
        const MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
        let wanted = mode.unwrap_or("prefer");
        let Some(&mode) = MODES.iter().find(|known| **known == wanted) else {
            return Err(OptionsError::SslMode);
        };
        let is_required = !["disable", "prefer"].contains(&mode);
        if mode == "disable" {
            return Ok(Tls { connect: None, is_required, mode });
        }
        let trust = match (mode, roots) {
            ("verify-ca" | "verify-full", _) => Trust::Host,
            // Anybody can get a certificate that the system trusts; without the host's name it proves
            // nothing.
            (_, Some("system")) => return Err(OptionsError::SystemRoots),
            (_, Some(_)) => Trust::Chain,
            (_, None) => Trust::Anybody,
        };
        let connect = MakeRustlsConnect::new(client_config(&trust, roots)?);
        Ok(Tls { connect: Some(connect), is_required, mode })
    }
}

fn client_config(trust: &Trust, roots: Option<&str>) -> Result<ClientConfig, OptionsError> {
    let provider = Arc::new(ring::default_provider());
    let judge = match trust {
        Trust::Anybody => None,
        Trust::Chain | Trust::Host => {
            let roots = match roots {
                None | Some("system") => system_roots()?,
                Some(file) => roots_of(Path::new(file))?,
            };
            let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            Some(judge.build().map_err(|error| OptionsError::Tls { detail: error.to_string() })?)
        }
    };
    let verifier: Arc<dyn ServerCertVerifier> = match (trust, judge) {
        (Trust::Host, Some(judge)) => judge,
        (_, judge) => Arc::new(Lenient { judge, provider: Arc::clone(&provider) }),
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| OptionsError::Tls { detail: error.to_string() })?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn system_roots() -> Result<RootCertStore, OptionsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(OptionsError::NoSystemRoots) } else { Ok(roots) }
}

fn roots_of(file: &Path) -> Result<RootCertStore, OptionsError> {
    let unreadable = |detail: String| OptionsError::RootFile { file: PathBuf::from(file), detail };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() { Err(unreadable("it holds no certificate".to_owned())) } else { Ok(roots) }
}

/// Judges less than it could: nobody without a judge, and with one everything but the host's name. Signatures
/// are checked in any case, so that whoever listens cannot also answer.
#[derive(Debug)]
struct Lenient {
    judge: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(judge) = &self.judge else { return Ok(ServerCertVerified::assertion()) };
        // The name is looked at last, so a wrong one means that everything else is right.
        match judge.verify_server_cert(certificate, chain, host, stapled, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
