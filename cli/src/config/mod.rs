//! The settings of a broker: where each value may come from, and all of them checked together.
//!
//! Order: flag, `PEERMESH_*` variable, the mesh protocol's own variable, configuration file, default. An
//! empty variable counts as unset. *Always holds:* what [`Settings`] contains is valid; otherwise every bad
//! value is in one [`ConfigErrors`].

mod database;
pub(crate) mod dotenv;
mod file;
pub(crate) mod live;
mod names;
mod parse;
mod reader;
mod record;
pub(crate) mod reporting;
pub(crate) mod runners;
mod runtime;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use peermesh_core::config::{ConfigError, Limits, Secret};
use peermesh_core::note::Level;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::home::Home;
use crate::terminal::{Terminal, table};
use live::Live;
use reader::{Reader, Row};
use runners::Runners;

pub(crate) use database::Store;
pub(crate) use record::{Recording, Renew};
pub(crate) use runtime::Runtime;

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// The data directory was given by its flag.
    pub(crate) data: bool,
    pub(crate) port: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) shards: Option<String>,
    pub(crate) runtime: Option<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) record: Option<String>,
    pub(crate) record_payloads: Option<String>,
    pub(crate) record_renew: Option<String>,
    pub(crate) allow_relaxed_durability: bool,
}

/// Everything the operator can decide, decided.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where connections come in.
    pub(crate) listen: SocketAddr,
    /// How many shards the process has.
    pub(crate) shards: u16,
    /// What carries them.
    pub(crate) runtime: Runtime,
    /// The address invites carry.
    pub(crate) public_url: String,
    /// Log records below this are not made.
    pub(crate) log: Level,
    /// Where everything is kept.
    pub(crate) store: Store,
    /// The migration without which `/health/ready` says that the broker is not ready.
    pub(crate) expected_migration: Option<String>,
    pub(crate) hook_token: Option<Secret>,
    /// Replaces the token file of the data directory.
    pub(crate) admin_token: Option<Secret>,
    /// Replaces the key file of the data directory.
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) git_sha: String,
    /// None where runners are not served.
    pub(crate) runners: Option<Runners>,
    /// None where live topics are not served.
    pub(crate) live: Option<Live>,
    /// What tells this broker from others in the series of live topics.
    pub(crate) instance: String,
    /// None where nothing is reported.
    pub(crate) reporting: Option<reporting::Reporting>,
    /// None where nothing is recorded.
    pub(crate) record: Option<Recording>,
    pub(crate) limits: Limits,
    /// Every setting as it is shown to the operator.
    pub(crate) rows: Vec<Row>,
}

/// Every value that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigErrors(pub(crate) Vec<ConfigError>);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used; correct what follows")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl Settings {
    /// Reads and checks every setting. Without a data directory, there is no default configuration file.
    ///
    /// # Errors
    /// [`ConfigErrors`] names every bad value, what was given and what is accepted.
    pub(crate) fn read(
        home: Option<&Home>,
        flags: &Flags,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings, ConfigErrors> {
        let mut reader = Reader::new(env);
        reader.show_data(home.map(Home::dir), flags.data);
        reader.read_file(flags.config.as_deref(), home.map(Home::config_path));
        let port = reader.take(&names::PORT, flags.port.as_deref(), parse::port, 7900);
        let host = reader.take(&names::HOST, flags.host.as_deref(), parse::host, IpAddr::from([0, 0, 0, 0]));
        let shards = reader.take(&names::SHARDS, flags.shards.as_deref(), parse::shards, 1);
        let runtime =
            reader.take(&names::RUNTIME, flags.runtime.as_deref(), runtime::runtime, Runtime::DEFAULT);
        let local = format!("ws://127.0.0.1:{port}/ws");
        let public_url =
            reader.take(&names::PUBLIC_URL, flags.public_url.as_deref(), parse::public_url, local);
        let log = reader.take(&names::LOG, None, parse::level, parse::LoggedAs(Level::Info)).0;
        let allowed_origins =
            reader.take(&names::ALLOWED_ORIGINS, None, parse::origins, parse::List(vec![])).0;
        let trusted_proxies =
            reader.take(&names::TRUSTED_PROXIES, None, parse::proxies, parse::List(vec![])).0;
        let key_file = reader.take_optional(&names::KEY_FILE, parse::path);
        let admin_token = reader.take_secret(&names::ADMIN_TOKEN);
        let hook_token = reader.take_secret(&names::HOOK_TOKEN);
        let git_sha = reader.take(&names::GIT_SHA, None, parse::word, built_from().to_owned());
        let store = database::take(&mut reader, flags, port);
        let expected_migration = reader.take_optional(&names::EXPECTED_MIGRATION, parse::word);
        let runners = runners::take(&mut reader, host);
        let live = live::take(&mut reader);
        let instance = database::instance_of(&reader);
        let reporting = reporting::take(&mut reader);
        let record = record::take(&mut reader, flags);
        let limits = reader.take_limits();
        let (rows, store) = reader.finish(store)?;
        Ok(Settings {
            listen: SocketAddr::new(host, port),
            shards,
            runtime,
            public_url,
            log,
            store,
            expected_migration,
            hook_token,
            admin_token,
            key_file,
            allowed_origins,
            trusted_proxies,
            git_sha,
            runners,
            live,
            instance,
            reporting,
            record,
            limits,
            rows,
        })
    }

    /// Where programs on this machine reach what listens there.
    pub(crate) fn reachable(&self) -> SocketAddr {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.listen.port())
    }
}

/// Shows every setting, its value and its source.
pub(crate) fn show(
    home: Option<&Home>,
    flags: &Flags,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let rows = Settings::read(home, flags, env)?.rows;
    let value: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "name": row.name, "value": row.value, "source": row.source.to_string() }))
        .collect();
    let cells: Vec<Vec<String>> =
        rows.into_iter().map(|row| vec![row.name, row.value, row.source.to_string()]).collect();
    let lines = table(&["SETTING", "VALUE", "SOURCE"], &cells);
    Ok(terminal.result(&json!({ "settings": value }), lines.iter().map(String::as_str))?)
}

/// The commit this program was built from.
fn built_from() -> &'static str {
    option_env!("PEERMESH_BUILD_COMMIT").filter(|commit| !commit.is_empty()).unwrap_or("unknown")
}

/// The configuration file: the one that was asked for must exist, the default one need not.
fn chosen_file(asked: Option<&Path>, default: Option<PathBuf>) -> Option<PathBuf> {
    match asked {
        Some(path) => Some(path.to_owned()),
        None => default.filter(|default| default.exists()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads settings from variables and the text of a configuration file.
    pub(super) fn settings(
        flags: &Flags,
        variables: &[(&str, &str)],
        file: &str,
    ) -> Result<Settings, ConfigErrors> {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(dir.path()), &|_| None).unwrap();
        std::fs::write(home.config_path(), file).unwrap();
        let env = |name: &str| {
            variables.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read(Some(&home), flags, &env)
    }

    pub(super) fn row<'a>(settings: &'a Settings, name: &str) -> (&'a str, String) {
        let row = settings.rows.iter().find(|row| row.name == name).unwrap();
        (row.value.as_str(), row.source.to_string())
    }

    #[test]
    fn without_any_configuration_the_protocols_defaults_hold() {
        let settings = settings(&Flags::default(), &[], "").unwrap();
        assert_eq!(settings.listen.to_string(), "0.0.0.0:7900");
        assert_eq!(settings.public_url, "ws://127.0.0.1:7900/ws");
        assert_eq!(settings.limits, Limits::default());
        assert_eq!((settings.shards, settings.log), (1, Level::Info));
        assert_eq!(row(&settings, "port"), ("7900", "default".into()));
    }

    #[test]
    fn a_broker_on_every_address_is_reached_by_loopback() {
        let at = |host: &str| {
            let settings = settings(&Flags::default(), &[("PEERMESH_HOST", host)], "").unwrap();
            settings.reachable().to_string()
        };
        assert_eq!(at("0.0.0.0"), "127.0.0.1:7900");
        assert_eq!(at("::"), "[::1]:7900");
        assert_eq!(at("192.0.2.7"), "192.0.2.7:7900");
    }

    #[test]
    fn flag_comes_before_variable_before_protocol_name_before_file() {
        let file = "port = 4000\n[limits]\nlease_ms = 500";
        let port = |flags: &Flags, variables: &[(&str, &str)]| {
            let settings = settings(flags, variables, file).unwrap();
            (settings.listen.port(), row(&settings, "port").1)
        };
        let flags = Flags { port: Some("1000".into()), ..Flags::default() };
        let (ours, theirs) = (("PEERMESH_PORT", "2000"), ("BROKER_PORT", "3000"));
        assert_eq!(port(&flags, &[ours, theirs]), (1000, "flag --port".into()));
        assert_eq!(port(&Flags::default(), &[theirs, ours]), (2000, "variable PEERMESH_PORT".into()));
        assert_eq!(port(&Flags::default(), &[theirs]), (3000, "variable BROKER_PORT".into()));
        let (from_file, source) = port(&Flags::default(), &[("BROKER_PORT", "")]);
        assert!(from_file == 4000 && source.starts_with("file "), "{source}");
    }

    #[test]
    fn every_variable_of_the_protocol_reaches_its_limit() {
        let variables = [
            ("STATUS_TTL_SECONDS", "61"),
            ("HOOK_FRESH_WINDOW_SECONDS", "31"),
            ("MAX_CONNECTIONS_PER_MESH", "101"),
            ("MAX_MESSAGE_BYTES", "2097152"),
            ("HOOK_RATE_LIMIT_PER_MIN", "32"),
            ("SEND_RATE_LIMIT_PER_MIN", "0"),
            ("SEND_RATE_LIMIT_BURST", "12"),
        ];
        let settings = settings(&Flags::default(), &variables, "").unwrap();
        let limits = &settings.limits;
        assert_eq!((limits.status_ttl_ms(), limits.hook_fresh_ms()), (61_000, 31_000));
        assert_eq!((limits.connections_per_mesh_max(), limits.message_bytes_max()), (101, 2_097_152));
        assert_eq!((limits.hook_rate_per_minute(), limits.send_rate_per_minute()), (32, 0));
        assert_eq!(limits.send_rate_burst(), 12);
        assert_eq!(limits.outbox_bytes_max(), 8_388_608, "the outbox follows the longest message");
        assert_eq!(row(&settings, "limits.outbox_bytes_max").1, "follows message_bytes_max");
        assert_eq!(limits.payload_bytes_max(), 2_097_152, "a send may be as long as a message");
    }

    #[test]
    fn f_lif_06_one_message_lists_every_bad_value() {
        let variables = [
            ("BROKER_PORT", "seven"),
            ("STATUS_TTL_SECONDS", "-5"),
            ("MAX_CONNECTIONS_PER_MESH", "0"),
            ("PEERMESH_LEASE_MS", "1"),
            ("PEERMESH_LOG", "loud"),
            ("PEERMESH_HOST", "everywhere"),
            ("PEERMESH_PUBLIC_URL", "mesh.example"),
            ("PEERMESH_TRUSTED_PROXIES", "10.0.0.1, ten"),
            ("DATABASE_URL", "mysql://u:hunter2@db/mesh"),
            ("PEERMESH_POSTGRES_CONNECTIONS", "2"),
            ("PEERMESH_INSTANCE_ID", "blue one"),
            ("BROKER_SKIP_MIGRATE", "yes"),
        ];
        let errors = settings(&Flags::default(), &variables, "prot = 1\n[limits]\nlease = 3").unwrap_err();
        let text = errors.to_string();
        for wanted in [
            "BROKER_PORT: seven is not",
            "STATUS_TTL_SECONDS: -5 is not a positive whole number",
            "MAX_CONNECTIONS_PER_MESH: 0 is not a positive whole number",
            "PEERMESH_LEASE_MS: 1 is not a whole number from 20 to 3600000",
            "PEERMESH_LOG: loud is not one of error, warn, info, debug, trace",
            "PEERMESH_HOST: everywhere is not",
            "PEERMESH_PUBLIC_URL: mesh.example is not",
            "PEERMESH_TRUSTED_PROXIES: ten is not",
            "DATABASE_URL: (set) is not",
            "PEERMESH_POSTGRES_CONNECTIONS: 2 is not a whole number from 3 to 64",
            "PEERMESH_INSTANCE_ID: blue one is not a name of at most 128",
            "BROKER_SKIP_MIGRATE: yes is not 1 or 0, true or false",
            "prot is not",
            "limits.lease is not",
        ] {
            assert!(text.contains(wanted), "{wanted:?} is missing from:\n{text}");
        }
        assert!(!text.contains("hunter"), "{text}");
        assert_eq!(errors.0.len(), 14, "{text}");
    }

    #[test]
    fn limits_that_contradict_each_other_stop_the_start() {
        let errors = settings(&Flags::default(), &[], "[limits]\nping_ms = 80000").unwrap_err();
        assert_eq!(errors.0[0].field, "pong_ms");
    }

    #[test]
    fn secrets_are_never_shown() {
        let variables = [("HOOK_TOKEN", "hunter2"), ("PEERMESH_ADMIN_TOKEN", "hunter3")];
        let settings = settings(&Flags::default(), &variables, "").unwrap();
        assert_eq!(row(&settings, "hook_token"), ("(set)", "variable HOOK_TOKEN".into()));
        assert_eq!(settings.admin_token.as_ref().unwrap().expose(), b"hunter3");
        assert!(!format!("{settings:?}").contains("hunter"));
        let errors = self::settings(&Flags::default(), &[("HOOK_TOKEN", "two words")], "").unwrap_err();
        assert!(!errors.to_string().contains("two words"), "{errors}");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn an_address_selects_postgres_and_is_shown_without_its_password() {
        let variables = [("DATABASE_URL", "postgres://mesh:hunter2@db:5432/mesh"), ("BROKER_PORT", "7901")];
        let settings = settings(&Flags::default(), &variables, "").unwrap();
        let (shown, source) = row(&settings, "database_url");
        assert_eq!((shown, source), ("postgres://mesh:***@db:5432/mesh", "variable DATABASE_URL".into()));
        let Store::Postgres(database) = &settings.store else { panic!("{:?}", settings.store) };
        assert_eq!(database.place(), "db:5432/mesh");
        assert_eq!((database.pool_connections, database.skip_migrate), (5, false));
        assert!(database.instance.ends_with(":7901"), "{}", database.instance);
        assert!(!format!("{settings:?}").contains("hunter"));
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn what_a_database_may_be_is_set_by_variable_file_or_flag() {
        let file = "database_url = \"postgresql://db/mesh\"\npostgres_connections = 12\n\
                    skip_migrate = true\ninstance_id = \"blue\"\nexpected_migration = \"V0001__mesh\"";
        let flags = Flags { allow_relaxed_durability: true, ..Flags::default() };
        let settings = settings(&flags, &[("PEERMESH_INSTANCE_ID", "green")], file).unwrap();
        let Store::Postgres(database) = &settings.store else { panic!("{:?}", settings.store) };
        assert_eq!((database.pool_connections, database.instance.as_str()), (11, "green"));
        assert!(database.skip_migrate && database.allow_relaxed);
        assert_eq!(settings.expected_migration.as_deref(), Some("V0001__mesh"));
        let relaxed = row(&settings, "allow_relaxed_durability");
        assert_eq!(relaxed, ("true", "flag --allow-relaxed-durability".into()));
    }

    #[cfg(not(feature = "postgres"))]
    #[test]
    fn a_build_without_postgres_refuses_its_address_and_says_so() {
        let variables = [("DATABASE_URL", "postgres://mesh:hunter2@db/mesh")];
        let text = settings(&Flags::default(), &variables, "").unwrap_err().to_string();
        assert!(text.contains("the feature postgres") && !text.contains("hunter"), "{text}");
    }

    #[test]
    fn a_list_may_be_an_array_in_the_file_and_commas_in_a_variable() {
        let file = "allowed_origins = [\"https://a.example\", \"http://b.example:8080\"]";
        let settings = settings(&Flags::default(), &[("PEERMESH_TRUSTED_PROXIES", "::1,10.0.0.1")], file);
        let settings = settings.unwrap();
        assert_eq!(settings.allowed_origins, ["https://a.example", "http://b.example:8080"]);
        assert_eq!(settings.trusted_proxies.len(), 2);
    }

    #[test]
    fn a_file_that_is_asked_for_must_exist_and_be_toml() {
        let flags = Flags { config: Some("/nowhere/peermesh.toml".into()), ..Flags::default() };
        assert_eq!(settings(&flags, &[], "").unwrap_err().0[0].field, "/nowhere/peermesh.toml");
        let errors = settings(&Flags::default(), &[], "port 1").unwrap_err();
        assert!(errors.0[0].field.ends_with("peermesh.toml"), "{errors}");
    }
}
