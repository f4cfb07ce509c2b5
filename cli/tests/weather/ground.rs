//! What these tests stand on: a database, a proxy before it, and broker processes that reach it by the proxy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use peermesh_conformance::proxy::Proxy;
use peermesh_conformance::server::{Database, Server};

use crate::peer::Identity;
use crate::town::{PATIENCE, Process, Town};

/// The call that writes a batch, by a part of its SQL.
pub(crate) const WRITE: &str = "mesh.write(";

/// A broker's town with the way to its database.
pub(crate) struct Ground {
    pub(crate) town: Town,
    pub(crate) proxy: Proxy,
    pub(crate) database: Database,
}

impl Ground {
    /// A ground over a database on the server that tests share.
    pub(crate) fn new() -> Ground {
        Ground::over(Database::fresh())
    }

    /// A ground over a server that the test may hurt.
    pub(crate) fn on(server: &Server) -> Ground {
        Ground::over(server.database())
    }

    fn over(database: Database) -> Ground {
        Ground { town: Town::new(), proxy: Proxy::to(database.address()), database }
    }

    /// Starts the broker and waits until it has its database.
    pub(crate) fn serve(&self) -> Process {
        let broker = self.start(&self.town, &[]);
        self.becomes(200, PATIENCE);
        broker
    }

    /// Starts the broker with more variables, and waits until it listens.
    pub(crate) fn start(&self, town: &Town, variables: &[(&str, &str)]) -> Process {
        let url = self.database.url_by(self.proxy.port());
        let mut all = vec![("DATABASE_URL", url.as_str()), ("SEND_RATE_LIMIT_PER_MIN", "0")];
        all.extend(variables);
        town.listen_with(&all)
    }

    /// Starts another broker, by a way of its own to the same database, with the first one's key.
    pub(crate) fn serve_another(&self) -> (Town, Proxy, Process) {
        self.serve_another_with(&[])
    }

    /// The same with more variables.
    pub(crate) fn serve_another_with(&self, variables: &[(&str, &str)]) -> (Town, Proxy, Process) {
        let (town, proxy) = (Town::new(), Proxy::to(self.database.address()));
        let url = self.database.url_by(proxy.port());
        let key = self.town.data().join("key").display().to_string();
        let mut all = vec![
            ("DATABASE_URL", url.as_str()),
            ("PEERMESH_KEY_FILE", key.as_str()),
            ("SEND_RATE_LIMIT_PER_MIN", "0"),
        ];
        all.extend(variables);
        let broker = town.listen_with(&all);
        health_becomes(town.port, 200, PATIENCE);
        (town, proxy, broker)
    }

    /// Makes a mesh with two members.
    pub(crate) fn settles(&self) -> (Identity, Identity) {
        self.town.settle(&["ann", "bob"]);
        (Identity::of(&self.town, "ann"), Identity::of(&self.town, "bob"))
    }

    /// Waits until `/health` answers with this status.
    pub(crate) fn becomes(&self, status: u16, patience: Duration) {
        health_becomes(self.town.port, status, patience);
    }

    /// Waits until every delivery has been settled, in the database.
    pub(crate) fn is_settled(&self) {
        let until = Instant::now() + PATIENCE;
        let mut session = self.database.client();
        while session.query_one("SELECT count(*) FROM mesh.pending", &[]).unwrap().get::<_, i64>(0) > 0 {
            assert!(Instant::now() < until, "deliveries are left");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The number of messages in the database under keys that begin so.
    pub(crate) fn stored(&self, keys: &str) -> usize {
        let count = "SELECT count(*) FROM mesh.message WHERE substring(cmid FOR length($1::bytea)) = $1";
        let count: i64 = self.database.client().query_one(count, &[&keys.as_bytes()]).unwrap().get(0);
        usize::try_from(count).unwrap()
    }
}

/// Waits until the broker on this port answers with this status.
pub(crate) fn health_becomes(port: u16, status: u16, patience: Duration) {
    let until = Instant::now() + patience;
    loop {
        let answer = health(port);
        if answer == Some(status) {
            return;
        }
        assert!(Instant::now() < until, "/health answers {answer:?}, not {status}, after {patience:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The status of `/health`; `None` where nobody answers.
pub(crate) fn health(port: u16) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
