//! TLS to the server in every mode, with certificates made for the test.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use peermesh_conformance::server::{Database, Server};
use peermesh_core::store::{Alive, StoreError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::desk::{Broker, options};

/// A server with TLS, whose certificate is for one name, and whose issuer is in a file.
struct Town {
    server: Server,
    database: Database,
    dir: TempDir,
}

impl Town {
    fn new(host: &str) -> Town {
        let dir = TempDir::new().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        fs::write(dir.path().join("ca.pem"), ca.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &ca).unwrap();

        let server = Server::new();
        let of_server = |name: &str, text: String| {
            let file = server.socket_dir().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            belongs_as(&file, server.socket_dir());
            file.to_str().unwrap().to_owned()
        };
        server.set("ssl_cert_file", &of_server("server.pem", certificate.pem()));
        server.set("ssl_key_file", &of_server("server.key", key.serialize_pem()));
        server.set("ssl", "on");
        let database = server.database();
        Town { server, database, dir }
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Pings with this setting in the URL.
    fn pings(&self, setting: &str) -> Result<Alive, StoreError> {
        let base = self.database.url().split('?').next().unwrap();
        Broker::unheard(&options(&format!("{base}?{setting}"))).pings()
    }

    /// Whether the last sessions of brokers were encrypted, by the server's word.
    fn is_encrypted(&self, setting: &str) -> bool {
        let base = self.database.url().split('?').next().unwrap();
        let _broker = Broker::with(&options(&format!("{base}?{setting}")));
        let asked = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
            WHERE a.application_name = 'peermesh'";
        self.server.admin().query_one(asked, &[]).unwrap().get(0)
    }
}

/// Gives a file to the account that a folder belongs to.
fn belongs_as(file: &Path, folder: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let owner = fs::metadata(folder).unwrap();
    chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
}

#[test]
fn each_sslmode_encrypts_and_trusts_as_it_says() {
    let town = Town::new("127.0.0.1");
    assert!(!town.is_encrypted("sslmode=disable"));
    for mode in ["sslmode=prefer", "sslmode=require", "application_name=peermesh"] {
        assert!(town.is_encrypted(mode), "{mode}");
    }
    let trusting = format!("sslrootcert={}", town.ca().display());
    for mode in ["require", "verify-ca", "verify-full"] {
        assert!(town.is_encrypted(&format!("sslmode={mode}&{trusting}")), "{mode}");
    }
}

#[test]
fn s_a_server_that_cannot_prove_who_it_is_is_refused_where_that_is_asked() {
    let town = Town::new("db.example");
    let other = Town::new("127.0.0.1");
    let (ours, others) = (town.ca(), other.ca());
    for (setting, is_trusted) in [
        ("sslmode=require".to_owned(), true),
        // Without verify-full the name may be another, but not the issuer.
        (format!("sslmode=require&sslrootcert={}", ours.display()), true),
        (format!("sslmode=require&sslrootcert={}", others.display()), false),
        (format!("sslmode=prefer&sslrootcert={}", others.display()), false),
        (format!("sslmode=verify-full&sslrootcert={}", ours.display()), false),
        (format!("sslmode=verify-ca&sslrootcert={}", ours.display()), false),
    ] {
        let answer = town.pings(&setting);
        assert_eq!(answer.is_ok(), is_trusted, "{setting}: {answer:?}");
    }
}

#[test]
fn a_server_without_tls_is_used_where_that_is_allowed_and_refused_where_it_is_not() {
    let database = Database::fresh();
    let base = database.url().split('?').next().unwrap();
    let pings = |mode: &str| Broker::unheard(&options(&format!("{base}?sslmode={mode}"))).pings();
    assert!(pings("prefer").is_ok());
    let refused = pings("require").unwrap_err().to_string();
    assert!(refused.contains("does not offer TLS"), "{refused}");
}
