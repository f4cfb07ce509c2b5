//! The health connection: tells that the database lives, and the database that we do.
//!
//! The first answer decides whether this process may serve at all. From then on every ping renews what keeps
//! our meshes ours, and looks again whether the server still keeps its promises. Between pings the connection
//! rests, and its end is noticed at once.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use peermesh_core::store::{
    Alive, Answer, Batch, Driver, Durability, Found, History, Query, StoreError, StoreResult,
};
use peermesh_core::time::Wall;
use postgres::Row;
use postgres::types::ToSql;

use super::Unfit;
use super::fitness::{Fitness, examine};
use super::gate::{Gate, Known};
use super::link::{Connector, Link};
use super::migrate::bring_up_to_date;
use super::options::Options;
use super::read::column;
use super::sql;
use super::trouble::Trouble;
use crate::rows::{self, BadRow, DedupeKeys};

/// How long a broker that is started again waits for the session of its dead predecessor to end.
const SUCCESSION: Duration = Duration::from_millis(1_000);

/// The lane of the health connection.
pub(super) struct Health {
    connector: Connector,
    options: Options,
    gate: Gate,
    unfit: Unfit,
    session: Option<Session>,
    identity: Option<Identity>,
    /// Why this process must not serve, once that is known.
    doom: Option<String>,
}

struct Session {
    link: Link,
    durability: Durability,
    /// Whether it holds the lock that says that we live.
    is_locked: bool,
}

/// What stays the same for the life of the process.
#[derive(Clone, Debug)]
struct Identity {
    broker: i32,
    secret: [u8; 32],
    history: History,
    /// The first position that nobody had leased when it was looked at last.
    next: i64,
    migrations: Arc<[String]>,
}

/// The row of the store itself.
struct StoreRow {
    secret: [u8; 32],
    history: History,
    next: i64,
}

/// Why a ping is not answered.
enum Sick {
    /// It may be well later.
    Passing(StoreError),
    /// It will not get better while this process lives.
    Lasting(String),
}

impl From<Trouble> for Sick {
    fn from(trouble: Trouble) -> Sick {
        Sick::Passing(match trouble.refusal() {
            StoreError::Corrupt(text) => StoreError::Unavailable(text),
            error => error,
        })
    }
}

impl From<BadRow> for Sick {
    fn from(row: BadRow) -> Sick {
        Trouble::from(row).into()
    }
}

impl Driver for Health {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        let refusal = || StoreError::Unavailable("this connection only pings".to_owned());
        batches.iter().map(|_| Err(refusal())).collect()
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        let Query::Ping { hold_ms } = query else {
            return Err(StoreError::Unavailable("this connection only pings".to_owned()));
        };
        let alive = self.ping(Duration::from_millis(*hold_ms))?;
        Ok(Answer::Found(Box::new(Found::Alive(alive))))
    }
}

impl Health {
    pub(super) fn new(options: &Options, gate: Gate, unfit: Unfit) -> Health {
        Health {
            connector: Connector::new(options),
            options: options.clone(),
            gate,
            unfit,
            session: None,
            identity: None,
            doom: None,
        }
    }

    fn ping(&mut self, hold: Duration) -> Result<Alive, StoreError> {
        if let Some(doom) = &self.doom {
            return Err(StoreError::Unavailable(doom.clone()));
        }
        let had_session = self.session.is_some();
        let alive = match self.session.take() {
            Some(session) => self.stay(session, hold),
            None => self.arrive(),
        };
        alive.map_err(|sick| match sick {
            Sick::Passing(error) => {
                if had_session && self.session.is_none() {
                    self.gate.lose();
                }
                error
            }
            Sick::Lasting(why) => {
                self.gate.close(why.clone());
                self.doom = Some(why.clone());
                (self.unfit)(why.clone());
                StoreError::Unavailable(why)
            }
        })
    }

    /// Rests, and pings on the connection there is.
    fn stay(&mut self, mut session: Session, hold: Duration) -> Result<Alive, Sick> {
        session.link.rest(hold)?;
        if session.link.is_spoiled() {
            return Err(Sick::Passing(StoreError::Unavailable(
                "the server closed the connection".to_owned(),
            )));
        }
        self.judge_again(session)
    }

    /// Looks whether the server is still what it was when the gate was opened.
    fn judge_again(&mut self, mut session: Session) -> Result<Alive, Sick> {
        match examine(&mut session.link, self.wait(), self.options.allow_relaxed)? {
            Fitness::Fit(durability) => session.durability = durability,
            Fitness::ReadOnly => return Err(Sick::Passing(read_only())),
            Fitness::Unfit(why) => {
                // Until somebody mends it. The connection goes on looking.
                self.gate.close(why.clone());
                self.session = Some(session);
                return Err(Sick::Passing(StoreError::Unavailable(why)));
            }
        }
        self.renew(session)
    }

    /// Connects, and makes sure of everything that must hold before anybody writes.
    fn arrive(&mut self) -> Result<Alive, Sick> {
        let mut link = self.connector.connect()?;
        let first = self.identity.is_none();
        let durability = match examine(&mut link, self.wait(), self.options.allow_relaxed)? {
            Fitness::Fit(durability) => durability,
            Fitness::ReadOnly => return Err(Sick::Passing(read_only())),
            Fitness::Unfit(why) if first => return Err(Sick::Lasting(why)),
            Fitness::Unfit(why) => {
                self.gate.close(why.clone());
                return Err(Sick::Passing(StoreError::Unavailable(why)));
            }
        };
        if first {
            let identity = self.join(&mut link)?;
            self.identity = Some(identity);
        } else {
            self.recognise(&mut link)?;
        }
        self.renew(Session { link, durability, is_locked: false })
    }

    /// Brings the tables up to date and becomes one of the brokers.
    fn join(&self, link: &mut Link) -> Result<Identity, Sick> {
        let report = bring_up_to_date(link, &self.options.waits, self.options.skip_migrate);
        let report = report.map_err(|error| match error.may_pass() {
            true => Sick::Passing(StoreError::Unavailable(error.to_string())),
            false => Sick::Lasting(error.to_string()),
        })?;
        if !report.pending.is_empty() {
            let pending = report.pending.join(", ");
            return Err(Sick::Lasting(format!(
                "the database lacks migrations ({pending}); run `peermesh migrate`, or let the broker do so"
            )));
        }
        let (name, lease) = (&self.options.instance, self.lease());
        let row = link.query_opt(self.wait(), sql::BROKER_REGISTER, &[name, &lease])?;
        let broker = column(&row.ok_or(BadRow("a broker without a number"))?, 0)?;
        self.succeed(link, broker)?;
        link.query(self.wait(), sql::BROKER_FORGET, &[])?;
        // Whoever adopts an older copy does so while no broker is registered, so what is read from here on
        // stays true while we live.
        let StoreRow { secret, history, next } = self.store_row(link)?;
        Ok(Identity { broker, secret, history, next, migrations: report.applied.into() })
    }

    /// Those of our name whose session has ended are known to be gone; what they served may be taken at once.
    fn succeed(&self, link: &mut Link, broker: i32) -> Result<(), Sick> {
        let until = Instant::now() + SUCCESSION;
        let named = link.query(self.wait(), sql::BROKER_PREDECESSORS, &[&self.options.instance, &broker])?;
        let mut ended: Vec<i32> = Vec::new();
        for row in named {
            let predecessor: i32 = column(&row, 0)?;
            loop {
                let locked = link.query_opt(self.wait(), sql::LIFE_LOCK, &[&predecessor])?;
                if locked.map(|row| column(&row, 0)).transpose()? == Some(true) {
                    link.query(self.wait(), sql::LIFE_UNLOCK, &[&predecessor])?;
                    ended.push(predecessor);
                    break;
                }
                if Instant::now() >= until {
                    break;
                }
                sleep(Duration::from_millis(20));
            }
        }
        link.query(self.wait(), sql::BROKER_ENDED, &[&ended])?;
        Ok(())
    }

    /// Makes sure that it is the same database as before, and that nothing of it was lost.
    fn recognise(&self, link: &mut Link) -> Result<(), Sick> {
        let Some(known) = &self.identity else { return Err(BadRow("a broker without a number").into()) };
        let found = self.store_row(link)?;
        if found.secret != known.secret {
            return Err(Sick::Lasting("the database is not the one this broker was started with".to_owned()));
        }
        if found.history.epoch != known.history.epoch {
            return Err(Sick::Lasting("the database was adopted: its history is another one".to_owned()));
        }
        let row = link.query_opt(self.wait(), sql::BROKER_KNOWN, &[&known.broker, &self.options.instance])?;
        let is_remembered: bool = column(&row.ok_or(BadRow("no answer about a broker"))?, 0)?;
        if found.next < known.next || !is_remembered {
            // What this broker has told would be given out again. It stays, so that nobody serves from it
            // before an operator has seen to it.
            let why = "the database has gone back to an older state; adopt it with: peermesh adopt";
            self.gate.close(why.to_owned());
            return Err(Sick::Passing(StoreError::Unavailable(why.to_owned())));
        }
        Ok(())
    }

    fn store_row(&self, link: &mut Link) -> Result<StoreRow, Sick> {
        let row = link.query_opt(self.wait(), sql::STORE_ROW, &[])?;
        let row = row.ok_or(BadRow("a store without its row"))?;
        let (secret, next) = (rows::bytes_32(column(&row, 0)?)?, column(&row, 4)?);
        Ok(StoreRow { secret, history: history(&row)?, next })
    }

    /// Puts the end of our lease off, and opens the gate.
    fn renew(&mut self, mut session: Session) -> Result<Alive, Sick> {
        let Some(mut identity) = self.identity.clone() else {
            return Err(BadRow("a broker without a number").into());
        };
        let (name, lease) = (&self.options.instance, self.lease());
        let renew = &[&identity.broker as &(dyn ToSql + Sync), name, &lease];
        let row = session.link.query_opt(self.wait(), sql::BROKER_RENEW, renew)?;
        identity.next = column(&row.ok_or(BadRow("a store without its row"))?, 0)?;
        self.identity = Some(identity.clone());
        if !session.is_locked {
            // A session of ours that the server has not missed yet may hold it a little longer.
            let locked = session.link.query_opt(self.wait(), sql::LIFE_LOCK, &[&identity.broker])?;
            session.is_locked = locked.map(|row| column(&row, 0)).transpose()? == Some(true);
        }
        let durability = session.durability;
        self.session = Some(session);
        self.gate.open(Known { broker: identity.broker, keys: DedupeKeys::new(&identity.secret) });
        // The server may forget the last renewals when it crashes, and with them about a second.
        let lease_ms = self.options.waits.lease_ms;
        let Identity { history, migrations, .. } = identity;
        Ok(Alive { lease_ms: Some(lease_ms - lease_ms / 6), durability, history, migrations })
    }

    fn wait(&self) -> Duration {
        Duration::from_millis(self.options.waits.ping_ms)
    }

    /// As the server reckons with it.
    fn lease(&self) -> f64 {
        Duration::from_millis(self.options.waits.lease_ms).as_secs_f64() * 1_000.0
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        // An orderly end is told, so that nobody waits for the lease to run out. If it is not heard, they
        // wait.
        if let (Some(session), Some(identity)) = (&mut self.session, &self.identity) {
            let limit = Duration::from_millis(500);
            let _ = session.link.query(limit, sql::BROKER_ENDED, &[&vec![identity.broker]]);
        }
    }
}

/// Which history a store tells, from the columns of `STORE_ROW`.
pub(super) fn history(row: &Row) -> Result<History, BadRow> {
    let unreadable = |_| BadRow("a store whose history cannot be read");
    Ok(History {
        epoch: rows::history_epoch(row.try_get(1).map_err(unreadable)?)?,
        since: Wall::from_millis(row.try_get(2).map_err(unreadable)?),
        floor: rows::position(row.try_get(3).map_err(unreadable)?)?,
    })
}

fn read_only() -> StoreError {
    StoreError::Unavailable("the server does not take writes".to_owned())
}
