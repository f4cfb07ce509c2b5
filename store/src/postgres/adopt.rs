//! Makes a database that was restored from an older copy one with a history of its own.
//!
//! *Always holds:* it is done in one transaction, while no broker lives and none can come.

use std::time::Duration;

use peermesh_core::ids::HistoryEpoch;
use peermesh_core::store::Adopted;
use peermesh_core::time::Wall;

use super::link::{Connector, Link};
use super::migrate::{MigrateError, bring_up_to_date};
use super::options::Options;
use super::read::column;
use super::sql;
use super::trouble::Trouble;
use crate::rows::{self, BadRow};

/// Numbers of brokers are drawn by the server, four bytes each; an adoption passes over as many as over
/// changes of owners.
const BROKERS_END: i64 = 1 << 30;

/// Why a database was not adopted. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Its tables are not up to date, and could not be brought there.
    #[error(transparent)]
    Tables(#[from] MigrateError),
    /// Migrations are missing, and it was only looked at.
    #[error("migrations are missing ({}); apply them with: peermesh migrate", .0.join(", "))]
    Pending(Vec<String>),
    /// A broker uses it, or has just ended without a word.
    #[error("broker {name:?} uses this database{}", wait.map(|ms| format!(
        ", or ended less than a lease ago: stop it, or wait {} s", ms.div_ceil(1_000)
    )).unwrap_or_else(|| ": stop it first".to_owned()))]
    Living {
        /// Its name; empty where only its session is known.
        name: String,
        /// How long its lease goes on, in milliseconds, where it may be that and nothing more.
        wait: Option<u64>,
    },
    /// A batch of a broker that is gone is still half way.
    #[error("a write of a broker that is gone has not ended yet; try again")]
    Busy,
    /// It has been adopted too often.
    #[error("no positions are left for another history; move its meshes to a fresh database")]
    Exhausted,
    /// The server did not go through with it.
    #[error("the database is not available: {0}")]
    Unavailable(String),
}

impl From<Trouble> for AdoptError {
    fn from(trouble: Trouble) -> AdoptError {
        AdoptError::Unavailable(trouble.text())
    }
}

impl From<BadRow> for AdoptError {
    fn from(row: BadRow) -> AdoptError {
        Trouble::from(row).into()
    }
}

/// Adopts the database, after its tables were brought up to date: from here on it tells the history `epoch`.
///
/// # Errors
/// [`AdoptError`]; what was brought up to date stays so.
pub fn adopt(options: &Options, epoch: HistoryEpoch, at: Wall) -> Result<Adopted, AdoptError> {
    in_transaction(options, options.skip_migrate, |link, answer| {
        link.query(answer, sql::ADOPT_DRAW, &[])?;
        link.query(answer, sql::ADOPT_LOCK, &[])?;
        let (adopted, last_broker) = look(link, answer)?;
        let stopped = link.query_opt(answer, sql::ADOPT_STOP, &[])?;
        if stopped.map(|row| column(&row, 0).map_err(Trouble::from)).transpose()? != Some(true) {
            return Err(AdoptError::Busy);
        }
        let stream = epoch.hex();
        let (epoch, at, floor) = (epoch.0.to_vec(), at.as_millis(), rows::position_column(adopted.floor));
        link.query(answer, sql::ADOPT_STORE, &[&epoch, &at, &floor, &Adopted::NUMBERS])?;
        let epochs = rows::count_column(Adopted::EPOCHS);
        link.query(answer, sql::ADOPT_SCOPES, &[&epochs])?;
        link.query(answer, sql::ADOPT_RUNNERS, &[&epochs])?;
        link.query(answer, sql::ADOPT_TOPICS, &[&stream])?;
        link.query(answer, sql::ADOPT_BROKERS, &[])?;
        link.query(answer, sql::ADOPT_BROKER_NUMBERS, &[&(last_broker + epochs)])?;
        Ok(adopted)
    })
}

/// What [`adopt`] would change.
///
/// # Errors
/// [`AdoptError`], as [`adopt`] would fail.
pub fn adopt_look(options: &Options) -> Result<Adopted, AdoptError> {
    in_transaction(options, true, |link, answer| Ok(look(link, answer)?.0))
}

fn in_transaction(
    options: &Options,
    check_only: bool,
    act: impl FnOnce(&mut Link, Duration) -> Result<Adopted, AdoptError>,
) -> Result<Adopted, AdoptError> {
    let answer = Duration::from_millis(options.waits.answer_ms);
    let mut link = Connector::new(options).connect()?;
    let report = bring_up_to_date(&mut link, &options.waits, check_only)?;
    if !report.pending.is_empty() {
        return Err(AdoptError::Pending(report.pending));
    }
    link.run(answer, "BEGIN")?;
    let adopted = act(&mut link, answer);
    if !link.is_spoiled() {
        link.run(answer, if adopted.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    }
    adopted
}

/// What would change, unless somebody lives; and the last number of a broker.
fn look(link: &mut Link, answer: Duration) -> Result<(Adopted, i64), AdoptError> {
    if let Some(row) = link.query_opt(answer, sql::ADOPT_LIVING, &[])? {
        let wait: Option<i64> = column(&row, 1)?;
        let wait = wait.map(|ms| u64::try_from(ms).unwrap_or(0));
        return Err(AdoptError::Living { name: column(&row, 0)?, wait });
    }
    let row = link.query_opt(answer, sql::ADOPT_LOOK, &[])?.ok_or(BadRow("a store without its row"))?;
    let (lost, next) = (rows::history_epoch(column(&row, 0)?)?, rows::position(column(&row, 1)?)?);
    let (runner_epochs, last_broker) = (rows::count(column(&row, 2)?)?, column(&row, 3)?);
    let adopted = Adopted::after(lost, next.0, runner_epochs).filter(|_| last_broker < BROKERS_END);
    Ok((adopted.ok_or(AdoptError::Exhausted)?, last_broker))
}
