//! What the errors of Postgres and of the way to it mean for whoever waits.

use std::error::Error as _;
use std::io;

use peermesh_core::store::StoreError;
use postgres::Error;
use postgres::error::SqlState;

use crate::rows::BadRow;

/// Why something was not performed.
#[derive(Debug)]
pub(super) enum Trouble {
    Sql(Error),
    Row(BadRow),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Sql(error)
    }
}

impl From<BadRow> for Trouble {
    fn from(row: BadRow) -> Trouble {
        Trouble::Row(row)
    }
}

impl Trouble {
    /// What to tell the core when nothing of the request was written.
    pub(super) fn refusal(&self) -> StoreError {
        let Trouble::Sql(error) = self else { return StoreError::Corrupt(self.text()) };
        let Some(code) = error.code() else { return StoreError::Unavailable(self.text()) };
        let text = self.text();
        match code.code() {
            "XX001" | "XX002" => StoreError::Corrupt(text),
            "53100" => StoreError::Full,
            "53300" | "53400" | "55P03" | "57014" | "40001" | "40P01" => StoreError::Busy(text),
            _ => StoreError::Unavailable(text),
        }
    }

    /// What to tell the core when the failed call would have committed. Unless the server itself said no and
    /// went on, the commit may have happened, or may still happen.
    pub(super) fn failed_commit(&self) -> StoreError {
        match self {
            Trouble::Sql(_) if self.is_of_connection() => StoreError::Unknown(self.text()),
            _ => self.refusal(),
        }
    }

    /// True when the connection ended or cannot be trusted to be in step.
    pub(super) fn is_of_connection(&self) -> bool {
        matches!(self, Trouble::Sql(error) if is_of_connection(error))
    }

    /// True when another connection may fare better: this one is gone, or leads to a server that does not
    /// write.
    pub(super) fn spoils_connection(&self) -> bool {
        let read_only = |error: &Error| error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
        self.is_of_connection() || matches!(self, Trouble::Sql(error) if read_only(error))
    }

    /// True when two transactions stood in each other's way and one had to go.
    pub(super) fn is_collision(&self) -> bool {
        let lost = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Trouble::Sql(error) if error.code().is_some_and(|code| lost.contains(code)))
    }

    /// For a log line.
    pub(super) fn text(&self) -> String {
        match self {
            Trouble::Row(BadRow(what)) => (*what).to_owned(),
            Trouble::Sql(error) => text_of(error),
        }
    }

    /// True when the server was reached and then said nothing for too long.
    pub(super) fn is_silence(&self) -> bool {
        let Trouble::Sql(error) = self else { return false };
        let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    }
}

/// True when the connection ended or cannot be trusted to be in step: when it was not the server that said
/// no, or the server said goodbye with it.
pub(super) fn is_of_connection(error: &Error) -> bool {
    error.code().is_none_or(|code| {
        let code = code.code();
        code.starts_with("08") || code.starts_with("57P") || ["25P03", "25P04"].contains(&code)
    })
}

/// For a log line. Neither the server's message nor the library's names a password.
pub(super) fn text_of(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
