//! A database for one test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use peermesh_store::postgres::{Options, migrate};
use postgres::{Client, NoTls};

use super::{Server, random_word};

/// Names a server to use instead of one that the tests start.
const VARIABLE: &str = "DATABASE_URL_TEST";

/// An empty database. It is removed with this value, whoever is still connected, or with its own server.
#[derive(Debug)]
pub struct Database {
    url: String,
    name: String,
    /// Where to remove it; `None` where its server goes with the test.
    remove_at: Option<String>,
}

impl Database {
    /// A database on the server that the tests of this process share: the one that `DATABASE_URL_TEST` names,
    /// else one that is started for it.
    ///
    /// # Panics
    ///
    /// Where there is no server.
    pub fn fresh() -> Database {
        Shared::server().database("template0")
    }

    /// The same with a broker's tables in it.
    ///
    /// # Panics
    ///
    /// Where there is no server, or the tables cannot be made.
    pub fn migrated() -> Database {
        static MODEL: OnceLock<Database> = OnceLock::new();
        let shared = Shared::server();
        let make = || {
            let database = shared.database("template0");
            let options = Options::parse(database.url()).unwrap_or_else(|error| panic!("{error}"));
            migrate(&options, false).unwrap_or_else(|error| panic!("{error}"));
            database
        };
        match shared.own {
            Some(_) => shared.database(&MODEL.get_or_init(make).name),
            // A model would be left behind on a server that is not ours.
            None => make(),
        }
    }

    /// What a broker takes as `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same by another port of this machine, where a proxy listens.
    pub fn url_by(&self, port: u16) -> String {
        let (before, _, after) = around_host(&self.url);
        format!("{before}127.0.0.1:{port}{after}")
    }

    /// Host and port of the server.
    pub fn address(&self) -> &str {
        around_host(&self.url).1
    }

    /// A session in it.
    pub fn client(&self) -> Client {
        self.try_client().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// A session in it, where the server has room for one.
    pub fn try_client(&self) -> Result<Client, postgres::Error> {
        Client::connect(&self.url, NoTls)
    }

    /// Ends every session in it, as when all processes that use it die.
    pub fn hang_up(&self) {
        let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.client().batch_execute(end).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// A copy of it as it is. Every session in it ends.
    pub fn copied(&self) -> Database {
        let maker = self.maker();
        self.hang_up();
        let copy = Database::on(&self.url, maker, &self.owner(), &self.name);
        copy.removed_at(maker)
    }

    /// Puts a copy into its place, as a backup is restored. Every session in either of them ends.
    pub fn restored_from(&self, copy: &Database) {
        let (maker, owner) = (self.maker(), self.owner());
        copy.hang_up();
        for statement in [
            format!("DROP DATABASE {} WITH (FORCE)", self.name),
            format!("CREATE DATABASE {} {owner} TEMPLATE {}", self.name, copy.name),
        ] {
            run(maker, &statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    fn owner(&self) -> String {
        let owner =
            "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()";
        let row = self.client().query_one(owner, &[]).unwrap_or_else(|error| panic!("{error}"));
        format!("OWNER {}", row.get::<_, String>(0))
    }

    fn maker(&self) -> &str {
        self.remove_at.as_deref().expect("a database of the shared server")
    }

    /// The same, removed by the user of `maker` when it is dropped.
    fn removed_at(mut self, maker: &str) -> Database {
        self.remove_at = Some(maker.to_owned());
        self
    }

    /// A database for the user of `url`, made by the user of `maker` as a copy of `template`.
    pub(super) fn on(url: &str, maker: &str, owned_by: &str, template: &str) -> Database {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mark = random_word();
        let name = format!("peermesh_test_{}_{}", MADE.fetch_add(1, Ordering::Relaxed), &mark[..8]);
        let make = format!("CREATE DATABASE {name} {owned_by} TEMPLATE {template}");
        run(maker, &make).unwrap_or_else(|error| panic!("{make}: {error}"));
        Database { url: with_database(url, &name), name, remove_at: None }
    }
}

/// The server that the tests of this process share.
struct Shared {
    /// Of a user who may make databases.
    maker: String,
    /// Started for these tests; `None` where they were told of one.
    own: Option<&'static Server>,
}

impl Shared {
    fn server() -> Shared {
        static STARTED: OnceLock<Server> = OnceLock::new();
        match std::env::var(VARIABLE) {
            Ok(url) if !url.is_empty() => Shared { maker: url, own: None },
            _ => {
                let server = STARTED.get_or_init(Server::new);
                Shared { maker: server.admin_url(), own: Some(server) }
            }
        }
    }

    fn database(&self, template: &str) -> Database {
        let database = match self.own {
            Some(server) => server.database_like(template),
            None => Database::on(&self.maker, &self.maker, "", template),
        };
        database.removed_at(&self.maker)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(maker) = &self.remove_at {
            // A database that stays on a server of tests harms nobody, a second panic would hide the first.
            let _ = run(maker, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

fn run(url: &str, statement: &str) -> Result<(), postgres::Error> {
    Client::connect(url, NoTls)?.batch_execute(statement)
}

/// `url` with another database.
fn with_database(url: &str, name: &str) -> String {
    let (before, host, after) = around_host(url);
    let parameters = after.split_once('?').map_or(String::new(), |(_, rest)| format!("?{rest}"));
    format!("{before}{host}/{name}{parameters}")
}

/// `postgres://user:secret@`, `host:port` and `/database?parameters`.
fn around_host(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |place| place + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |place| start + place);
    let host = url[start..end].rfind('@').map_or(start, |place| start + place + 1);
    (&url[..host], &url[host..end], &url[end..])
}

#[cfg(test)]
mod tests {
    use super::{around_host, with_database};

    #[test]
    fn a_url_is_taken_apart_around_its_host() {
        let url = "postgres://u:p%40@db:5432/old?sslmode=disable";
        assert_eq!(around_host(url), ("postgres://u:p%40@", "db:5432", "/old?sslmode=disable"));
        assert_eq!(with_database(url, "new"), "postgres://u:p%40@db:5432/new?sslmode=disable");
        assert_eq!(with_database("postgres://db", "new"), "postgres://db/new");
        assert_eq!(
            with_database("postgres://db?sslmode=disable", "new"),
            "postgres://db/new?sslmode=disable"
        );
    }
}
