//! `adopt`: makes a store that was restored from an older copy one with a history of its own.
//!
//! *Always holds:* nothing is changed while a broker uses the store, nor before an operator has said yes.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use peermesh_core::ids::HistoryEpoch;
use peermesh_core::store::Adopted;
use serde_json::json;

use crate::config::{Flags, Settings, Store};
use crate::failure::{Exit, Failure};
#[cfg(feature = "sqlite")]
use crate::home::HomeError;
use crate::home::{self, Home};
use crate::input::InputError;
use crate::logs::wall_now;
use crate::terminal::Terminal;

/// The word that means yes.
const YES: &str = "adopt";

/// Why a store was not adopted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] peermesh_store::sqlite::AdoptError),
    #[cfg(feature = "postgres")]
    #[error("{error} (database {place})")]
    Postgres { place: String, error: peermesh_store::postgres::AdoptError },
    #[error("nobody is at a terminal to be asked; pass --yes, or look first with --check")]
    Unasked,
    #[error("nothing was changed: the answer was not {YES:?}")]
    Declined,
}

impl AdoptError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            AdoptError::Unasked => Exit::Usage,
            AdoptError::Declined => Exit::Refused,
            #[cfg(feature = "sqlite")]
            AdoptError::Sqlite(error) => of_sqlite(error),
            #[cfg(feature = "postgres")]
            AdoptError::Postgres { error, .. } => of_postgres(error),
        }
    }
}

#[cfg(feature = "sqlite")]
fn of_sqlite(error: &peermesh_store::sqlite::AdoptError) -> Exit {
    use peermesh_store::sqlite::{AdoptError, OpenError};
    match error {
        AdoptError::Open(OpenError::Locked { .. }) | AdoptError::NoStore { .. } | AdoptError::Exhausted => {
            Exit::Refused
        }
        AdoptError::Open(_) => Exit::Failed,
    }
}

#[cfg(feature = "postgres")]
fn of_postgres(error: &peermesh_store::postgres::AdoptError) -> Exit {
    use peermesh_store::postgres::AdoptError;
    match error {
        AdoptError::Living { wait: None, .. } | AdoptError::Exhausted => Exit::Refused,
        AdoptError::Living { .. } | AdoptError::Busy | AdoptError::Unavailable(_) => Exit::Unreachable,
        AdoptError::Tables(_) | AdoptError::Pending(_) => Exit::Failed,
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Adopt {
    /// Only tell what would be changed.
    pub(crate) check: bool,
    /// Somebody has said yes already.
    pub(crate) yes: bool,
    pub(crate) config: Option<PathBuf>,
}

/// Adopts the store of the settings, or tells what that would change.
pub(crate) fn run(
    home: Option<&Home>,
    adopt: Adopt,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let flags = Flags { config: adopt.config, ..Flags::default() };
    let settings = Settings::read(home, &flags, env)?;
    let found = perform(home, &settings, None)?;
    if !adopt.check && !adopt.yes {
        ask(&settings, &found, terminal)?;
    }
    if adopt.check {
        let value = json!({ "store": settings.store.word(), "adopted": false,
            "history_epoch": found.lost.hex(), "next": found.next.0, "floor": found.floor.0 });
        return Ok(terminal.result(&value, look(&found).iter().map(String::as_str))?);
    }
    let epoch = HistoryEpoch(home::random::<16>()?);
    let adopted = perform(home, &settings, Some(epoch))?;
    let value = json!({ "store": settings.store.word(), "adopted": true, "history_epoch": epoch.hex(),
        "lost_epoch": adopted.lost.hex(), "next": adopted.next.0, "floor": adopted.floor.0 });
    let lines = [
        format!("adopted: history {epoch} follows {}", adopted.lost),
        "start the brokers; what senders send again is accepted, under its old id where they name it".into(),
        "members removed and invites used since the copy was made are as they were: look with \
         peermesh member list"
            .into(),
    ];
    Ok(terminal.result(&value, lines.iter().map(String::as_str))?)
}

fn look(found: &Adopted) -> Vec<String> {
    vec![
        format!("history {} would end here", found.lost),
        format!("positions {} to {} would be passed over", found.next, found.floor.0.saturating_sub(1)),
        "nothing was changed; without --check it is done".to_owned(),
    ]
}

fn ask(settings: &Settings, found: &Adopted, terminal: &Terminal) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(AdoptError::Unasked.into());
    }
    terminal.remark(&format!(
        "Adopt this store ({}) as it is? What history {} accepted after this copy was made is given up.",
        settings.store.word(),
        found.lost
    ));
    terminal.remark(&format!("Type {YES} to go on."));
    let mut answer = String::new();
    io::BufRead::read_line(&mut io::stdin().lock().take(64), &mut answer).map_err(InputError::from)?;
    if answer.trim() == YES { Ok(()) } else { Err(AdoptError::Declined.into()) }
}

/// Adopts the store under this epoch; only looks, without one.
#[cfg_attr(not(feature = "sqlite"), expect(unused_variables, reason = "a database needs no home"))]
fn perform(
    home: Option<&Home>,
    settings: &Settings,
    epoch: Option<HistoryEpoch>,
) -> Result<Adopted, Failure> {
    match &settings.store {
        #[cfg(feature = "sqlite")]
        Store::Sqlite => {
            use peermesh_store::sqlite::{adopt, adopt_look};
            let dir = home.ok_or(HomeError::Nowhere)?.dir();
            let adopted = epoch.map_or_else(|| adopt_look(dir), |epoch| adopt(dir, epoch, wall_now()));
            Ok(adopted.map_err(AdoptError::from)?)
        }
        #[cfg(feature = "postgres")]
        Store::Postgres(options) => {
            use peermesh_store::postgres::{adopt, adopt_look};
            let adopted =
                epoch.map_or_else(|| adopt_look(options), |epoch| adopt(options, epoch, wall_now()));
            let at = |error| AdoptError::Postgres { place: options.place(), error };
            Ok(adopted.map_err(at)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use peermesh_core::ids::Position;

    use super::*;

    #[test]
    fn f_sto_14_a_look_tells_which_history_would_end_and_how_far_positions_would_go() {
        let found = Adopted { lost: HistoryEpoch([7; 16]), next: Position(5), floor: Position(90) };
        let told = look(&found).join("\n");
        assert!(told.contains(&HistoryEpoch([7; 16]).hex()) && told.contains("5 to 89"), "{told}");
    }
}
