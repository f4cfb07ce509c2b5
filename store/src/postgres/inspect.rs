//! Looks at a server without changing anything, for an operator who wants to know what a broker would find.

use std::time::Duration;

use peermesh_core::store::{Durability, History};

use super::fitness::{Fitness, examine};
use super::health::history;
use super::link::Connector;
use super::options::Options;
use super::read::column;
use super::sql;
use super::trouble::Trouble;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its version, for people.
    pub version: String,
    /// Whether a broker would serve from it.
    pub fitness: Result<Durability, Unfitness>,
    /// Which history its store tells; none where there is no store yet.
    pub history: Option<History>,
    /// Tables that this role may not both read and write, in order of their names.
    pub forbidden: Vec<String>,
}

/// Why a broker would not serve from a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfitness {
    /// It is a copy, or was told to be read-only. A broker waits until that is over.
    #[error("it does not take writes")]
    ReadOnly,
    /// A broker would end.
    #[error("{0}")]
    Refused(String),
}

/// Connects once and asks.
///
/// # Errors
/// Why there is no answer, for people. It names no secret.
pub fn inspect(options: &Options) -> Result<Server, String> {
    const VERSION: &str = "SELECT current_setting('server_version')";
    // What was applied is only looked at once the tables are up to date.
    const FORBIDDEN: &str = "SELECT t.relname::text FROM pg_class t \
        JOIN pg_namespace s ON s.oid = t.relnamespace \
        WHERE s.nspname = 'mesh' AND t.relkind = 'r' AND t.relname <> 'schema_history' \
        AND NOT (has_table_privilege(t.oid, 'SELECT') AND has_table_privilege(t.oid, 'INSERT') \
            AND has_table_privilege(t.oid, 'UPDATE') AND has_table_privilege(t.oid, 'DELETE')) \
        ORDER BY 1";
    let text = |trouble: Trouble| trouble.text();
    let limit = Duration::from_millis(options.waits.answer_ms);
    let mut link = Connector::new(options).connect().map_err(text)?;
    let row = link.query_opt(limit, VERSION, &[]).map_err(text)?;
    let version = row.and_then(|row| column::<String>(&row, 0).ok()).unwrap_or_default();
    let fitness = match examine(&mut link, limit, options.allow_relaxed).map_err(text)? {
        Fitness::Fit(durability) => Ok(durability),
        Fitness::ReadOnly => Err(Unfitness::ReadOnly),
        Fitness::Unfit(why) => Err(Unfitness::Refused(why)),
    };
    let forbidden = link.query(limit, FORBIDDEN, &[]).map_err(text)?;
    let forbidden = forbidden.iter().filter_map(|row| column(row, 0).ok()).collect();
    // A role that may not read it was told of above.
    let row = link.query_opt(limit, sql::STORE_ROW, &[]).ok().flatten();
    let history = row.and_then(|row| history(&row).ok());
    Ok(Server { version, fitness, history, forbidden })
}
