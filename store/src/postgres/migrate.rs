//! Brings the tables up to date: one broker at a time, one step after the other, each with its line in the
//! history or not at all.

use std::error::Error as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use peermesh_migrations::postgres::{Step, runner_to, steps};

use super::link::{Connector, Link};
use super::options::{Options, Waits};
use super::read::column;
use super::sql;
use super::trouble::{Trouble, is_of_connection, text_of};

/// Which migrations there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Names of those that are applied, oldest first.
    pub applied: Vec<String>,
    /// Names of those that are not: none unless it was only checked.
    pub pending: Vec<String>,
}

/// Why the tables are not up to date.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// The server cannot be reached or did not go through with it. It may work later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Somebody else has been at it for too long. It may work later.
    #[error("another process has been changing the tables for too long")]
    Busy,
    /// A newer program has changed the tables.
    #[error(
        "the database has schema version {found}, but this program knows only up to {known}; start the newer \
         peermesh that wrote it, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The database's version.
        found: i32,
        /// The newest version this program knows.
        known: i32,
    },
    /// A step that was applied is not the one this program has.
    #[error(
        "the database was made with another {name} than this program has; the two do not belong together: \
         start the peermesh that made it"
    )]
    Changed {
        /// The step.
        name: String,
    },
    /// A step failed and was undone.
    #[error("{name} could not be applied and was undone: {detail}")]
    Step {
        /// The step.
        name: String,
        /// What the server said.
        detail: String,
    },
}

impl MigrateError {
    /// True when it may work later without anybody doing anything.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, MigrateError::Unavailable(_) | MigrateError::Busy)
    }
}

impl From<Trouble> for MigrateError {
    fn from(trouble: Trouble) -> MigrateError {
        MigrateError::Unavailable(trouble.text())
    }
}

/// Applies what is missing, or only looks what that is. Any number of processes may do so at once.
///
/// # Errors
/// [`MigrateError`]; what it had applied before stays.
pub fn migrate(options: &Options, check_only: bool) -> Result<Report, MigrateError> {
    let mut link = Connector::new(options).connect()?;
    bring_up_to_date(&mut link, &options.waits, check_only)
}

/// The same on a connection.
pub(super) fn bring_up_to_date(
    link: &mut Link,
    waits: &Waits,
    check_only: bool,
) -> Result<Report, MigrateError> {
    let answer = Duration::from_millis(waits.answer_ms);
    let report = look(link, answer)?;
    if check_only || report.pending.is_empty() {
        return Ok(report);
    }
    let patience = Duration::from_millis(waits.migrate_ms);
    lock(link, answer, patience)?;
    let applied = apply_missing(link, answer, patience);
    // A connection that cannot say that it gives the lock up is closed, which gives it up.
    let unlocked = link.query(answer, sql::MIGRATE_UNLOCK, &[]);
    applied?;
    unlocked?;
    look(link, answer)
}

/// Compares what was applied with what this program has.
fn look(link: &mut Link, answer: Duration) -> Result<Report, MigrateError> {
    let known = steps();
    let found = history(link, answer)?;
    let newest = known.last().map_or(0, |step| step.version);
    if let Some(newer) = found.iter().map(|step| step.version).filter(|version| *version > newest).max() {
        return Err(MigrateError::Newer { found: newer, known: newest });
    }
    let mut report = Report::default();
    for step in known {
        match found.iter().find(|applied| applied.version == step.version) {
            None => report.pending.push(step.name),
            Some(applied) if applied.checksum == step.checksum => report.applied.push(step.name),
            Some(_) => return Err(MigrateError::Changed { name: step.name }),
        }
    }
    Ok(report)
}

fn history(link: &mut Link, answer: Duration) -> Result<Vec<Step>, MigrateError> {
    let exists = link.query_opt(answer, sql::SCHEMA_EXISTS, &[])?;
    let has_history = exists.map(|row| column(&row, 1).map_err(Trouble::from)).transpose()?;
    if has_history != Some(true) {
        return Ok(Vec::new());
    }
    let rows = link.query(answer, sql::HISTORY, &[])?;
    let step = |row: &postgres::Row| {
        let checksum: &str = column(row, 2)?;
        // A checksum that is no number is not one of ours.
        Ok(Step {
            version: column(row, 0)?,
            name: column(row, 1)?,
            checksum: checksum.parse().unwrap_or_default(),
        })
    };
    rows.iter().map(step).collect::<Result<_, Trouble>>().map_err(MigrateError::from)
}

/// Waits for our turn. The lock is the session's, so it ends with us at the latest.
fn lock(link: &mut Link, answer: Duration, patience: Duration) -> Result<(), MigrateError> {
    let until = Instant::now() + patience;
    loop {
        let locked = link.query_opt(answer, sql::MIGRATE_LOCK, &[])?;
        if locked.map(|row| column(&row, 0).map_err(Trouble::from)).transpose()? == Some(true) {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(MigrateError::Busy);
        }
        sleep(Duration::from_millis(50));
    }
}

fn apply_missing(link: &mut Link, answer: Duration, patience: Duration) -> Result<(), MigrateError> {
    // Somebody may have been here before us, while we waited.
    let missing = look(link, answer)?.pending;
    let exists = link.query_opt(answer, sql::SCHEMA_EXISTS, &[])?;
    if exists.map(|row| column(&row, 0).map_err(Trouble::from)).transpose()? != Some(true) {
        link.run(answer, "CREATE SCHEMA mesh").map_err(|trouble| failed("schema mesh", &trouble))?;
    }
    let limits = format!("SET statement_timeout = 0; SET lock_timeout = {}", patience.as_millis());
    link.run(answer, &limits)?;
    for step in steps().iter().filter(|step| missing.contains(&step.name)) {
        link.lend(patience, |client| runner_to(step.version).run(client)).map_err(|error| {
            let cause = error.source().and_then(|cause| cause.downcast_ref::<postgres::Error>());
            match cause {
                Some(error) if is_of_connection(error) => MigrateError::Unavailable(text_of(error)),
                Some(error) => MigrateError::Step { name: step.name.clone(), detail: text_of(error) },
                None => MigrateError::Step { name: step.name.clone(), detail: error.to_string() },
            }
        })?;
    }
    link.run(answer, "RESET statement_timeout; RESET lock_timeout").map_err(MigrateError::from)
}

fn failed(name: &str, trouble: &Trouble) -> MigrateError {
    if trouble.spoils_connection() {
        return MigrateError::Unavailable(trouble.text());
    }
    MigrateError::Step { name: name.to_owned(), detail: trouble.text() }
}
