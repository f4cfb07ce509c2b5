//! Where a broker keeps everything: the embedded store, or a Postgres database that an address names.
//!
//! *Always holds:* the address may carry a password, so it is held as a secret, shown without it, and never
//! repeated in an error.

#[cfg(not(feature = "sqlite"))]
use peermesh_core::config::ConfigError;
#[cfg(feature = "postgres")]
use peermesh_store::postgres::Options;

use super::parse::{self, Refused, refused};
use super::reader::Reader;
use super::{Flags, names};

/// What a broker keeps its meshes and messages in.
#[derive(Debug)]
pub(crate) enum Store {
    /// The file in the data directory.
    #[cfg(feature = "sqlite")]
    Sqlite,
    /// A database that several brokers may share.
    #[cfg(feature = "postgres")]
    Postgres(Box<Options>),
}

impl Store {
    /// True when several brokers may use it at once.
    pub(crate) const fn is_shared(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Store::Sqlite => false,
            #[cfg(feature = "postgres")]
            Store::Postgres(_) => true,
        }
    }

    /// The word for it in logs.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Store::Sqlite => "sqlite",
            #[cfg(feature = "postgres")]
            Store::Postgres(_) => "postgres",
        }
    }
}

/// Fewer would leave nothing beside the health's, a writer's and a reader's.
const CONNECTIONS_MIN: usize = 3;
/// More than this only make a server wait for its own locks.
const CONNECTIONS_MAX: usize = 64;
const CONNECTIONS_DEFAULT: usize = 6;
/// Length of a broker's name, in bytes.
const INSTANCE_BYTES_MAX: usize = 128;

/// Takes every setting of the store; none when they do not lead to one, which is then noted.
pub(super) fn take(reader: &mut Reader<'_>, flags: &Flags, port: u16) -> Option<Store> {
    let is_given = reader.is_given(&names::DATABASE_URL);
    let shared = reader.take_shown_as(&names::DATABASE_URL, address, hidden);
    let usage = Usage {
        connections: reader.take(&names::POSTGRES_CONNECTIONS, None, connections, CONNECTIONS_DEFAULT),
        instance: reader.take(&names::INSTANCE_ID, None, instance, format!("{}:{port}", host_name())),
        skip_migrate: reader.take(&names::SKIP_MIGRATE, None, parse::switch, false),
        allow_relaxed: {
            let flag = flags.allow_relaxed_durability.then_some("true");
            reader.take(&names::ALLOW_RELAXED_DURABILITY, flag, parse::switch, false)
        },
    };
    match shared {
        Some(shared) => Some(usage.of(shared)),
        // What is wrong with it was noted.
        None if is_given => None,
        None => embedded(reader),
    }
}

/// How a broker uses a database.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "this build refuses every address"))]
struct Usage {
    /// At most, the one for its health included.
    connections: usize,
    instance: String,
    skip_migrate: bool,
    allow_relaxed: bool,
}

impl Usage {
    #[cfg(feature = "postgres")]
    fn of(self, mut options: Options) -> Store {
        let Usage { connections, instance, skip_migrate, allow_relaxed } = self;
        options.pool_connections = connections.saturating_sub(1);
        (options.instance, options.skip_migrate) = (instance, skip_migrate);
        options.allow_relaxed = allow_relaxed;
        Store::Postgres(Box::new(options))
    }

    #[cfg(not(feature = "postgres"))]
    fn of(self, never: std::convert::Infallible) -> Store {
        match never {}
    }
}

#[cfg(feature = "sqlite")]
fn embedded(_: &mut Reader<'_>) -> Option<Store> {
    Some(Store::Sqlite)
}

#[cfg(not(feature = "sqlite"))]
fn embedded(reader: &mut Reader<'_>) -> Option<Store> {
    let wanted = "a postgres:// address, which this build needs: it has no embedded store";
    reader.refuse(ConfigError::new("DATABASE_URL", "(unset)", wanted));
    None
}

#[cfg(feature = "postgres")]
fn address(text: &str) -> Result<Options, Refused> {
    Options::parse(text).map_err(|error| refused("(set)", format!("usable: {error}")))
}

#[cfg(not(feature = "postgres"))]
fn address(_: &str) -> Result<std::convert::Infallible, Refused> {
    let wanted = "usable in this build, which has the embedded store only; \
                  use a build with the feature postgres, or unset it";
    Err(refused("(set)", wanted))
}

fn connections(text: &str) -> Result<usize, Refused> {
    let fits = |count: &usize| (CONNECTIONS_MIN..=CONNECTIONS_MAX).contains(count);
    let wanted = format!("a whole number from {CONNECTIONS_MIN} to {CONNECTIONS_MAX}");
    text.parse().ok().filter(fits).ok_or_else(|| refused(text, wanted))
}

fn instance(text: &str) -> Result<String, Refused> {
    let fits = text.len() <= INSTANCE_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let wanted = format!("a name of at most {INSTANCE_BYTES_MAX} visible ASCII characters");
    if fits { Ok(text.to_owned()) } else { Err(refused(text, wanted)) }
}

/// What this machine calls itself, as far as it is a plain word.
/// What tells this broker from others where its port is of no matter.
pub(super) fn instance_of(reader: &Reader<'_>) -> String {
    reader.text_of(&names::INSTANCE_ID).unwrap_or_else(host_name)
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() || instance(&name).is_err() { "broker".to_owned() } else { name }
}

/// The address without what could be a password: what stands between the user's name and the last `@`, and
/// parameters whose names speak of one. An `@` behind a question mark leaves open which of both it belongs
/// to, so then nothing is shown.
fn hidden(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "(set)".to_owned() };
    let (user, place) = match rest.rsplit_once('@') {
        Some((credentials, _)) if credentials.contains('?') => return format!("{scheme}://***"),
        Some((credentials, place)) => (shown_user(credentials), place),
        None => (String::new(), rest),
    };
    let place = match place.split_once('?') {
        Some((place, parameters)) => {
            let parameters: Vec<String> = parameters.split('&').map(shown_parameter).collect();
            format!("{place}?{}", parameters.join("&"))
        }
        None => place.to_owned(),
    };
    format!("{scheme}://{user}{place}")
}

/// A user's name is shown if it cannot be part of something else.
fn shown_user(credentials: &str) -> String {
    let (user, password) = match credentials.split_once(':') {
        Some((user, _)) => (user, ":***"),
        None => (credentials, ""),
    };
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._~%".contains(letter);
    if user.chars().all(is_plain) { format!("{user}{password}@") } else { "***@".to_owned() }
}

fn shown_parameter(text: &str) -> String {
    match text.split_once('=') {
        Some((name, _)) if name.contains('%') || name.to_ascii_lowercase().contains("pass") => {
            format!("{name}=***")
        }
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_sec_01_no_way_to_write_an_address_shows_its_password() {
        for (url, shown) in [
            ("postgres://mesh:hunter2@db:5432/mesh", "postgres://mesh:***@db:5432/mesh"),
            ("postgresql://mesh@db/mesh?sslmode=require", "postgresql://mesh@db/mesh?sslmode=require"),
            ("postgres://db/mesh?user=a&password=hunter2", "postgres://db/mesh?user=a&password=***"),
            (
                "postgres://db/mesh?PASSWORD=hunter2&p%61ss=hunter2",
                "postgres://db/mesh?PASSWORD=***&p%61ss=***",
            ),
            ("postgres://mesh:hunter2/@hunter2@db/mesh", "postgres://mesh:***@db/mesh"),
            ("postgres://mesh:a?hunter2@db/mesh", "postgres://***"),
            ("postgres://db/mesh?password=x@hunter2", "postgres://***"),
            ("postgres://mesh@db/mesh?application_name=a@b&password=hunter2", "postgres://***"),
            ("postgres://mesh@db/mesh?password=x@hunter2&sslmode=disable", "postgres://***"),
            ("postgres://db", "postgres://db"),
            ("hunter2", "(set)"),
        ] {
            assert_eq!(hidden(url), shown, "{url}");
        }
    }

    #[test]
    fn a_name_of_a_broker_is_one_short_word() {
        assert_eq!(instance("blue-1.example:7900").unwrap(), "blue-1.example:7900");
        assert!(instance("two words").is_err() && instance(&"x".repeat(129)).is_err());
        assert!(instance(&host_name()).is_ok());
    }

    #[test]
    fn a_pool_is_neither_too_small_to_work_nor_endless() {
        assert_eq!([connections("3").unwrap(), connections("64").unwrap()], [3, 64]);
        assert!(["2", "65", "-1", "six"].iter().all(|text| connections(text).is_err()));
    }
}
