//! One connection to the server, with the statements it has prepared.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::ToSql;
use postgres::{Client, Config, Error, Row, Statement};

use super::line::{Deadline, Door};
use super::options::Options;
use super::trouble::Trouble;

/// Makes connections of one kind.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    door: Door,
}

impl Connector {
    pub(super) fn new(options: &Options) -> Connector {
        let door = Door {
            tls: options.tls.connect.clone(),
            is_tls_required: options.tls.is_required,
            deadline: Deadline::default(),
            handshake: Duration::from_millis(options.waits.handshake_ms),
        };
        Connector { config: options.config(), door }
    }

    /// Connects to the first host that will do.
    pub(super) fn connect(&self) -> Result<Link, Trouble> {
        let deadline = Deadline::default();
        let door = Door { deadline: deadline.clone(), ..self.door.clone() };
        let client = self.config.connect(door)?;
        deadline.clear();
        Ok(Link { client, deadline, prepared: HashMap::new(), is_spoiled: false })
    }
}

/// One connection. Used by one lane at a time.
pub(super) struct Link {
    client: Client,
    deadline: Deadline,
    prepared: HashMap<&'static str, Statement>,
    is_spoiled: bool,
}

impl Link {
    /// Runs a statement, prepared at its first use, and gives its rows. The answer must come within `limit`.
    pub(super) fn query(
        &mut self,
        limit: Duration,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        self.ask(limit, |link| {
            if !link.prepared.contains_key(sql) {
                let statement = link.client.prepare(sql)?;
                link.prepared.insert(sql, statement);
            }
            link.client.query(&link.prepared[sql], params)
        })
    }

    /// The same for a statement that gives at most one row.
    pub(super) fn query_opt(
        &mut self,
        limit: Duration,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Trouble> {
        Ok(self.query(limit, sql, params)?.into_iter().next())
    }

    /// Runs statements for their effect.
    pub(super) fn run(&mut self, limit: Duration, sql: &str) -> Result<(), Trouble> {
        self.ask(limit, |link| link.client.batch_execute(sql))
    }

    fn ask<T>(
        &mut self,
        limit: Duration,
        question: impl FnOnce(&mut Link) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        self.deadline.within(limit);
        let answer = question(self).map_err(Trouble::from);
        self.deadline.clear();
        self.is_spoiled |= answer.as_ref().is_err_and(Trouble::spoils_connection);
        answer
    }

    /// Lends the client to a library that wants one. What that makes of it must be done within `limit`; an
    /// error leaves the connection in doubt.
    pub(super) fn lend<T, E>(
        &mut self,
        limit: Duration,
        to: impl FnOnce(&mut Client) -> Result<T, E>,
    ) -> Result<T, E> {
        self.deadline.within(limit);
        let answer = to(&mut self.client);
        self.deadline.clear();
        self.is_spoiled |= answer.is_err();
        answer
    }

    /// Waits that long, or until the connection ends, which is an error.
    pub(super) fn rest(&mut self, time: Duration) -> Result<(), Trouble> {
        // Nobody listens to anything, so what ends the wait is its time or the connection's end.
        let rested = self.client.notifications().timeout_iter(time).next();
        self.is_spoiled |= rested.is_err() || self.client.is_closed();
        rested.map(drop).map_err(Trouble::from)
    }

    /// Waits that long for a notice of what this connection listens to; several that wait count as one. True
    /// when there was one; the connection's end is an error.
    pub(super) fn hear(&mut self, time: Duration) -> Result<bool, Trouble> {
        let heard = self.client.notifications().timeout_iter(time).next();
        self.is_spoiled |= heard.is_err() || self.client.is_closed();
        let is_news = heard.map_err(Trouble::from)?.is_some();
        while self.client.notifications().iter().next().map_err(Trouble::from)?.is_some() {}
        Ok(is_news)
    }

    /// True when it must not be used again.
    pub(super) fn is_spoiled(&self) -> bool {
        self.is_spoiled || self.client.is_closed()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Saying goodbye may wait for the other side as well.
        self.deadline.within(Duration::from_millis(500));
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("is_spoiled", &self.is_spoiled).finish_non_exhaustive()
    }
}
