//! `runners list`, `runners send`, `runners events`, `runners dead`, `runners requeue`.

use std::time::Duration;

use serde_json::{Value, json};

use super::AdminError;
use super::api::{self, Api, cell};
use crate::failure::Failure;
use crate::http::segment;
use crate::terminal::{Terminal, table};

/// What a command is sent with.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) key: Option<String>,
    pub(crate) wait: Option<Duration>,
    pub(crate) queue: Option<Duration>,
}

/// The broker's answer is awaited not much longer than this.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// What the broker says where nobody is connected by an id.
const ABSENT: &str = "Runner not connected";

/// Lists every runner the broker ever heard of, who is connected, and what waits.
pub(crate) fn list(api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
    let connected = api.ask("GET", "/admin/runners/connections", None)?;
    let connected = api::rows(&connected, "connections")?;
    let mut runners = pages(api, "/admin/runners", "runners")?;
    for runner in &mut runners {
        let link = connected.iter().find(|link| link["runnerId"] == runner["runnerId"]);
        runner["connected"] = json!(link.is_some());
        runner["lastHeartbeatAge"] = link.map_or(Value::Null, |link| link["lastHeartbeatAge"].clone());
    }
    let columns = ["runnerId", "connected", "lastHeartbeatAge", "events", "commands", "dead"];
    let cells: Vec<Vec<String>> =
        runners.iter().map(|row| columns.map(|name| cell(row, name)).to_vec()).collect();
    let lines = table(&["RUNNER", "CONNECTED", "HEARTBEAT_MS", "EVENTS", "COMMANDS", "DEAD"], &cells);
    Ok(terminal.result(&json!({ "runners": runners }), lines.iter().map(String::as_str))?)
}

/// Sends a command.
pub(crate) fn send(
    api: &Api,
    runner: &str,
    command: &str,
    sending: &Sending,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let command: Value =
        serde_json::from_str(command).map_err(|error| AdminError::NoCommand(error.to_string()))?;
    let mut query = Vec::new();
    if let Some(wait) = sending.wait {
        if wait > WAIT_MAX {
            return Err(AdminError::LongWait.into());
        }
        query.push(format!("wait=ack&timeout_ms={}", wait.as_millis()));
    }
    if let Some(queue) = sending.queue {
        query.push(format!("queue={}", queue.as_millis()));
    }
    let mark = if query.is_empty() { "" } else { "?" };
    let target = format!("/admin/runners/{}/commands{mark}{}", segment(runner), query.join("&"));
    let key = sending.key.as_deref().map(|key| ("Idempotency-Key", key));
    let answer = api.ask_with("POST", &target, Some(&command), key).map_err(|error| match error {
        AdminError::Busy { message, .. } if message == ABSENT && sending.queue.is_none() => {
            AdminError::Away { runner: runner.to_owned() }
        }
        other => other,
    })?;
    let state = match cell(&answer, "state") {
        state if state.is_empty() => "sent".to_owned(),
        state => state,
    };
    let said = format!("{state} {}", cell(&answer, "commandId"));
    Ok(terminal.result(&answer, [said.trim_end()])?)
}

/// Lists events that wait.
pub(crate) fn events(api: &Api, runner: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let events = pages(api, &format!("/admin/runners/{}/events", segment(runner)), "events")?;
    let columns = ["seq", "eventId", "type", "acceptedAt", "attempts", "bytes"];
    let cells: Vec<Vec<String>> =
        events.iter().map(|row| columns.map(|name| cell(row, name)).to_vec()).collect();
    let lines = table(&["SEQ", "EVENT", "TYPE", "ACCEPTED", "ATTEMPTS", "BYTES"], &cells);
    Ok(terminal.result(&json!({ "events": events }), lines.iter().map(String::as_str))?)
}

/// Lists dead events.
pub(crate) fn dead(api: &Api, runner: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let events = pages(api, &format!("/admin/runners/{}/dead", segment(runner)), "events")?;
    let columns = ["seq", "eventId", "type", "diedAt", "reason", "status"];
    let cells: Vec<Vec<String>> =
        events.iter().map(|row| columns.map(|name| cell(row, name)).to_vec()).collect();
    let lines = table(&["SEQ", "EVENT", "TYPE", "DIED", "REASON", "STATUS"], &cells);
    Ok(terminal.result(&json!({ "events": events }), lines.iter().map(String::as_str))?)
}

/// Puts a dead event back.
pub(crate) fn requeue(api: &Api, runner: &str, seq: u64, terminal: &mut Terminal) -> Result<(), Failure> {
    let target = format!("/admin/runners/{}/dead/{seq}/requeue", segment(runner));
    let answer = api.ask("POST", &target, None)?;
    let said = format!("waits again as {}", cell(&answer, "seq"));
    Ok(terminal.result(&answer, [said.as_str()])?)
}

/// All rows of a list that comes in pages.
fn pages(api: &Api, target: &str, field: &'static str) -> Result<Vec<Value>, AdminError> {
    let mut all = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let page = match &next {
            None => api.ask("GET", target, None)?,
            Some(after) => api.ask("GET", &format!("{target}?after={after}"), None)?,
        };
        let rows = api::rows(&page, field)?;
        all.extend_from_slice(rows);
        match page["next"].as_str() {
            Some(after) if !rows.is_empty() => next = Some(after.to_owned()),
            _ => return Ok(all),
        }
    }
}
