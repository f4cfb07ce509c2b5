//! `member list`, `member remove`.

use super::api::{self, Api, cell, text};
use super::mesh::path;
use crate::failure::Failure;
use crate::http::segment;
use crate::terminal::{Terminal, table};

/// Lists the members of a mesh, the removed ones included.
pub(crate) fn list(api: &Api, mesh: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let answer = api.ask("GET", &format!("{}/members", path(mesh)), None)?;
    let cells: Vec<Vec<String>> = api::rows(&answer, "members")?
        .iter()
        .map(|row| {
            ["name", "role", "online", "joined_at", "revoked_at", "pubkey"]
                .map(|name| cell(row, name))
                .to_vec()
        })
        .collect();
    let lines = table(&["NAME", "ROLE", "ONLINE", "JOINED", "REMOVED", "KEY"], &cells);
    Ok(terminal.result(&answer, lines.iter().map(String::as_str))?)
}

/// Removes a member, by id, key or name. Its connections end at once.
pub(crate) fn remove(api: &Api, mesh: &str, who: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let answer = api.ask("DELETE", &format!("{}/members/{}", path(mesh), segment(who)), None)?;
    let said = format!("removed {} ({})", cell(&answer, "name"), text(&answer, "removed")?);
    Ok(terminal.result(&answer, [said.as_str()])?)
}
