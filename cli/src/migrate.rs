//! `migrate`: brings the tables of the store up to date, or only tells what is missing.

use std::path::PathBuf;

use serde_json::json;

use crate::config::{Flags, Settings, Store};
use crate::failure::Failure;
use crate::home::Home;
#[cfg(feature = "sqlite")]
use crate::home::HomeError;
use crate::serve::ServeError;
use crate::terminal::Terminal;

/// How far the tables have come: names of migrations, oldest first.
#[derive(Debug)]
struct Progress {
    applied: Vec<String>,
    pending: Vec<String>,
    /// How many of those applied were so by this call.
    changed: usize,
}

/// Applies what is missing, unless it is only asked for, and prints how far the tables are; a failure when
/// something is missing in the end.
pub(crate) fn run(
    home: Option<&Home>,
    check: bool,
    config: Option<PathBuf>,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let flags = Flags { config, ..Flags::default() };
    let settings = Settings::read(home, &flags, env)?;
    let progress = match &settings.store {
        #[cfg(feature = "sqlite")]
        Store::Sqlite => sqlite(home.ok_or(HomeError::Nowhere)?, &settings, check)?,
        #[cfg(feature = "postgres")]
        Store::Postgres(database) => postgres(database, check)?,
    };
    let Progress { applied, pending, changed } = &progress;
    let value =
        json!({ "store": settings.store.word(), "applied": applied, "pending": pending, "changed": changed });
    terminal.result(&value, lines(&progress).iter().map(String::as_str))?;
    if pending.is_empty() { Ok(()) } else { Err(Failure::Pending { count: pending.len() }) }
}

fn lines(progress: &Progress) -> Vec<String> {
    let Progress { applied, pending, changed } = progress;
    let fresh = applied.iter().skip(applied.len().saturating_sub(*changed));
    let mut lines: Vec<String> = fresh.map(|name| format!("applied {name}")).collect();
    lines.extend(pending.iter().map(|name| format!("missing {name}")));
    if pending.is_empty() {
        let newest = applied.last().map_or("no migration", String::as_str);
        lines.push(format!("the tables are up to date ({newest})"));
    }
    lines
}

#[cfg(feature = "sqlite")]
fn sqlite(home: &Home, settings: &Settings, check: bool) -> Result<Progress, Failure> {
    use peermesh_store::sqlite::{open, schema};

    let before = schema(home.dir()).map_err(ServeError::from)?;
    if check || before.pending.is_empty() {
        return Ok(Progress { applied: before.applied, pending: before.pending, changed: 0 });
    }
    home.prepare()?;
    // A store that stands there without its key counts as one that has lost it.
    if settings.key_file.is_none() {
        home.make_key()?;
    }
    drop(open(home.dir(), 0).map_err(ServeError::from)?);
    let after = schema(home.dir()).map_err(ServeError::from)?;
    let changed = after.applied.len().saturating_sub(before.applied.len());
    Ok(Progress { applied: after.applied, pending: after.pending, changed })
}

#[cfg(feature = "postgres")]
fn postgres(options: &peermesh_store::postgres::Options, check: bool) -> Result<Progress, Failure> {
    use peermesh_store::postgres;

    let migrate = |check_only| {
        let at = |error| ServeError::Migrate { place: options.place(), error };
        postgres::migrate(options, check_only).map_err(at)
    };
    let before = migrate(true)?;
    if check || before.pending.is_empty() {
        return Ok(Progress { applied: before.applied, pending: before.pending, changed: 0 });
    }
    let after = migrate(false)?;
    let changed = after.applied.len().saturating_sub(before.applied.len());
    Ok(Progress { applied: after.applied, pending: after.pending, changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(versions: &[u8]) -> Vec<String> {
        versions.iter().map(|version| format!("V{version:04}__x")).collect()
    }

    #[test]
    fn what_was_applied_and_what_is_missing_is_told_by_name() {
        let done = Progress { applied: names(&[1, 2, 3]), pending: Vec::new(), changed: 2 };
        let told = lines(&done);
        assert_eq!(told, ["applied V0002__x", "applied V0003__x", "the tables are up to date (V0003__x)"]);
        let missing = Progress { applied: names(&[1]), pending: names(&[2]), changed: 0 };
        assert_eq!(lines(&missing), ["missing V0002__x"]);
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_store_that_migrate_made_has_its_key_and_can_be_served() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        let settings = Settings::read(Some(&home), &Flags::default(), &|_| None).unwrap();
        let missing = sqlite(&home, &settings, true).unwrap();
        assert!(!missing.pending.is_empty() && !home.dir().exists(), "a look makes nothing");
        let made = sqlite(&home, &settings, false).unwrap();
        assert_eq!((made.changed, made.pending.len()), (missing.pending.len(), 0));
        assert!(home.make_key().is_ok());
    }
}
