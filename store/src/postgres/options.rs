//! Where the database is and how it is used, parsed and judged before anything connects.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, SslMode, SslNegotiation, TargetSessionAttrs};

use super::tls::Tls;
use super::url;

/// Writing lanes: two commits in flight are as fast as any number.
const WRITERS: usize = 2;
/// Reading lanes. Reads are rare and short: a mesh on its first use, a status, a list.
const READERS: usize = 2;

/// How the store uses its database. Made from a URL; the rest has defaults.
#[derive(Clone)]
pub struct Options {
    config: Config,
    pub(super) tls: Tls,
    /// The name of this broker. One that is started again under the same name takes over at once what its
    /// dead predecessor served; two that live must not share one.
    pub instance: String,
    /// Connections of the pool; one more is the health connection. At least two, one to write and one to
    /// read.
    pub pool_connections: usize,
    /// Serve from a server that may lose what it confirmed, and say so in every answer.
    pub allow_relaxed: bool,
    /// Only check that the tables are up to date, and do not serve otherwise.
    pub skip_migrate: bool,
    /// How long things may take.
    pub waits: Waits,
}

/// How long things may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// A TCP connection to one address.
    pub connect_ms: u64,
    /// From there to a server that is ready: TLS and authentication.
    pub handshake_ms: u64,
    /// A free connection of the pool.
    pub pool_ms: u64,
    /// A statement, by the server's clock; the server then gives it up.
    pub statement_ms: u64,
    /// A lock, by the server's clock.
    pub lock_ms: u64,
    /// An answer, by our own clock: longer than `statement_ms`, for it is there for answers that are lost.
    pub answer_ms: u64,
    /// The answer to a ping.
    pub ping_ms: u64,
    /// How long meshes stay ours after a ping.
    pub lease_ms: u64,
    /// Other brokers that bring the tables up to date.
    pub migrate_ms: u64,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits {
            connect_ms: 1_500,
            handshake_ms: 2_000,
            pool_ms: 2_000,
            statement_ms: 8_000,
            lock_ms: 2_000,
            answer_ms: 10_000,
            ping_ms: 2_000,
            lease_ms: 6_000,
            migrate_ms: 30_000,
        }
    }
}

/// What is wrong with a database URL. None of these texts repeats the URL, which holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// It is no Postgres URL.
    #[error("the database URL must begin with postgres:// or postgresql://")]
    Scheme,
    /// It cannot be read.
    #[error(
        "the database URL is not of the form postgres://user:password@host:port/database?setting=value; \
         characters like @ / ? # % in a password must be percent-encoded"
    )]
    Malformed,
    /// No host.
    #[error("the database URL names no host")]
    NoHost,
    /// Sockets and hosts.
    #[error("the database URL names both hosts and socket directories; name one kind")]
    MixedHosts,
    /// A setting nobody knows.
    #[error("the database URL has a setting `{name}` that is not known")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A setting with a wrong value.
    #[error("the database URL has a wrong value for `{name}`")]
    Value {
        /// Its name.
        name: String,
    },
    /// `sslmode`.
    #[error("sslmode in the database URL must be disable, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// TLS over a socket.
    #[error("sslmode in the database URL asks for TLS, which a socket directory does not have")]
    SocketTls,
    /// `sslrootcert=system` with a mode that does not look at names.
    #[error("sslrootcert=system in the database URL needs sslmode=verify-full")]
    SystemRoots,
    /// The system has no root certificates.
    #[error(
        "sslmode in the database URL asks for the system's root certificates, and there are none; install \
         ca-certificates, or name a file with sslrootcert"
    )]
    NoSystemRoots,
    /// The root certificates cannot be read.
    #[error("the root certificates in {} (sslrootcert) cannot be used: {detail}", file.display())]
    RootFile {
        /// The file.
        file: PathBuf,
        /// Why.
        detail: String,
    },
    /// The TLS library refuses.
    #[error("TLS cannot be set up: {detail}")]
    Tls {
        /// Why.
        detail: String,
    },
    /// `target_session_attrs`.
    #[error("target_session_attrs in the database URL must be any, read-write or primary")]
    SessionAttrs,
}

/// Settings that go to the client library as they are.
const PASSED_ON: [&str; 14] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "channel_binding",
    "load_balance_hosts",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
];

/// What every session is told: time limits, the schema, and that rows are looked up by keys however few they
/// are, for a plan that was made when a table was small outlives that.
const SESSION: &str = "-c search_path=pg_catalog -c timezone=UTC -c bytea_output=hex -c enable_seqscan=off \
    -c enable_hashjoin=off -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan -c jit=off \
    -c max_parallel_workers_per_gather=0 -c default_transaction_isolation=read\\ committed \
    -c idle_in_transaction_session_timeout=5000 -c idle_session_timeout=0 -c tcp_keepalives_idle=5 \
    -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10000";

impl Options {
    /// Reads a database URL, and the file of root certificates that it may name.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn parse(text: &str) -> Result<Options, OptionsError> {
        let parts = url::split(text)?;
        let (mut mode, mut roots, mut query) = (None, None, String::new());
        let mut attributes = TargetSessionAttrs::Any;
        for (name, value) in &parts.settings {
            match name.as_str() {
                "sslmode" => mode = Some(value.as_str()),
                "sslrootcert" => roots = Some(value.as_str()),
                "target_session_attrs" => attributes = session_attributes(value)?,
                known if PASSED_ON.contains(&known) => {
                    let sign = if query.is_empty() { '?' } else { '&' };
                    query.push_str(&format!("{sign}{name}={}", url::encode(value)));
                    // Tried alone, so that the one that is wrong can be named.
                    let alone = format!("postgres://host?{name}={}", url::encode(value));
                    alone.parse::<Config>().map_err(|_| OptionsError::Value { name: name.clone() })?;
                }
                _ => return Err(OptionsError::Unknown { name: name.clone() }),
            }
        }
        let config = format!("{}{query}", parts.base).parse::<Config>();
        let mut config = config.map_err(|_| OptionsError::Malformed)?;
        config.target_session_attrs(attributes);
        let tls = Tls::new(mode, roots)?;
        settle_hosts(&mut config, &tls, mode)?;
        Ok(Options {
            config,
            tls,
            instance: "peermesh".to_owned(),
            pool_connections: WRITERS + READERS,
            allow_relaxed: false,
            skip_migrate: false,
            waits: Waits::default(),
        })
    }

    /// Hosts and database, for people: nothing secret.
    pub fn place(&self) -> String {
        let ports = self.config.get_ports();
        let place = |(at, host): (usize, &Host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(host) => format!("{host}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        };
        let hosts: Vec<String> = self.config.get_hosts().iter().enumerate().map(place).collect();
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or("");
        format!("{}/{database}", hosts.join(","))
    }

    pub(super) fn writers(&self) -> usize {
        WRITERS.min(self.pool_connections.saturating_sub(1)).max(1)
    }

    pub(super) fn readers(&self) -> usize {
        self.pool_connections.saturating_sub(self.writers()).max(1)
    }

    /// What the client library needs to connect.
    pub(super) fn config(&self) -> Config {
        let mut config = self.config.clone();
        let waits = &self.waits;
        let given = config.get_options().unwrap_or_default();
        let session = format!(
            "{given} {SESSION} -c statement_timeout={} -c lock_timeout={}",
            waits.statement_ms, waits.lock_ms
        );
        config.options(&session);
        if config.get_application_name().is_none() {
            config.application_name("peermesh");
        }
        config.connect_timeout(Duration::from_millis(waits.connect_ms));
        config.tcp_user_timeout(Duration::from_millis(waits.answer_ms));
        config
    }
}

/// Without a name of the setting's own, `primary` is what the library knows as a server that takes writes.
fn session_attributes(value: &str) -> Result<TargetSessionAttrs, OptionsError> {
    match value {
        "any" => Ok(TargetSessionAttrs::Any),
        "read-write" | "primary" => Ok(TargetSessionAttrs::ReadWrite),
        _ => Err(OptionsError::SessionAttrs),
    }
}

/// Several hosts are several copies of one database, of which only one takes writes. A socket has no network
/// in between that could lose an answer, and no TLS.
fn settle_hosts(config: &mut Config, tls: &Tls, mode: Option<&str>) -> Result<(), OptionsError> {
    let sockets = config.get_hosts().iter().filter(|host| matches!(host, Host::Unix(_))).count();
    let hosts = config.get_hosts().len();
    if hosts == 0 {
        return Err(OptionsError::NoHost);
    }
    if hosts > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if sockets == 0 {
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    } else if sockets < hosts {
        return Err(OptionsError::MixedHosts);
    } else if tls.is_required && mode.is_some() {
        return Err(OptionsError::SocketTls);
    } else {
        config.ssl_mode(SslMode::Disable);
    }
    Ok(())
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("place", &self.place())
            .field("user", &self.config.get_user())
            .field("tls", &self.tls)
            .field("instance", &self.instance)
            .field("pool_connections", &self.pool_connections)
            .field("allow_relaxed", &self.allow_relaxed)
            .field("skip_migrate", &self.skip_migrate)
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> OptionsError {
        Options::parse(url).unwrap_err()
    }

    #[test]
    fn s_a_password_is_shown_nowhere() {
        let options = Options::parse("postgres://ann:gr%40vy@db.example:5433/mesh?sslmode=disable").unwrap();
        let shown = format!("{options:?} {}", options.place());
        assert!(!shown.contains("gr@vy") && !shown.contains("gr%40vy"), "{shown}");
        assert!(shown.contains("db.example:5433/mesh") && shown.contains("ann"), "{shown}");
        for url in [
            "postgres://ann:gravy/soup@db/mesh",
            "postgres://ann:gravy?soup=1@db/mesh",
            "postgres://ann:gravy#soup@db/mesh",
            "postgres://ann:gravy%@db/mesh",
            "ann:gravy@db",
        ] {
            if let Err(error) = Options::parse(url) {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("gravy") && !shown.contains("soup"), "{url}: {shown}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(refused("postgres://db/mesh?sslmode=maybe"), OptionsError::SslMode);
        assert_eq!(refused("postgres:///mesh"), OptionsError::NoHost);
        assert_eq!(refused("postgres://db/mesh?pgbouncer=true").to_string(), {
            "the database URL has a setting `pgbouncer` that is not known"
        });
        assert_eq!(
            refused("postgres://db/mesh?keepalives=x"),
            OptionsError::Value { name: "keepalives".into() }
        );
        assert_eq!(refused("postgres://db?target_session_attrs=standby"), OptionsError::SessionAttrs);
        assert_eq!(refused("postgres://db?sslmode=require&sslrootcert=system"), OptionsError::SystemRoots);
        let missing = refused("postgres://db?sslmode=verify-full&sslrootcert=/no/such/file.pem").to_string();
        assert!(missing.contains("/no/such/file.pem"), "{missing}");
        assert_eq!(refused("postgres:///mesh?host=/run/postgresql&sslmode=require"), OptionsError::SocketTls);
        assert_eq!(refused("postgres://db/mesh?host=/run/postgresql"), OptionsError::MixedHosts);
    }

    #[test]
    fn f_sto_08_several_hosts_mean_the_one_that_takes_writes() {
        let options = Options::parse("postgres://ann@one:5433,two:5434/mesh").unwrap();
        assert_eq!(options.place(), "one:5433,two:5434/mesh");
        assert_eq!(options.config().get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        let options = Options::parse("postgres://db?target_session_attrs=primary").unwrap();
        assert_eq!(options.config().get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn sessions_are_named_and_bounded_and_keep_the_operators_own_settings() {
        let options = Options::parse("postgres://db/mesh?options=-c%20geqo%3Doff").unwrap();
        let config = options.config();
        assert_eq!(config.get_application_name(), Some("peermesh"));
        let session = config.get_options().unwrap();
        for part in ["-c geqo=off -c search_path", "statement_timeout=8000", "lock_timeout=2000"] {
            assert!(session.contains(part), "{session}");
        }
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_millis(1_500)));
    }

    #[test]
    fn lanes_share_the_pool_out() {
        let mut options = Options::parse("postgres://db/mesh").unwrap();
        for (connections, writers, readers) in [(0, 1, 1), (1, 1, 1), (2, 1, 1), (3, 2, 1), (8, 2, 6)] {
            options.pool_connections = connections;
            assert_eq!((options.writers(), options.readers()), (writers, readers), "{connections}");
        }
    }
}
