//! A database for one test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

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
        static SHARED: OnceLock<Server> = OnceLock::new();
        let (mut database, maker) = match std::env::var(VARIABLE) {
            Ok(url) if !url.is_empty() => (Database::on(&url, &url, ""), url),
            _ => {
                let server = SHARED.get_or_init(Server::new);
                (server.database(), server.admin_url())
            }
        };
        database.remove_at = Some(maker);
        database
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
        Client::connect(&self.url, NoTls).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// A database for the user of `url`, made by the user of `maker`.
    pub(super) fn on(url: &str, maker: &str, owned_by: &str) -> Database {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mark = random_word();
        let name = format!("peermesh_test_{}_{}", MADE.fetch_add(1, Ordering::Relaxed), &mark[..8]);
        let make = format!("CREATE DATABASE {name} {owned_by} TEMPLATE template0");
        run(maker, &make).unwrap_or_else(|error| panic!("{make}: {error}"));
        Database { url: with_database(url, &name), name, remove_at: None }
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
