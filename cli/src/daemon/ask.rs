//! What an operator asks of the daemon: how it is, what waits, and to stop.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::lock::{Holder, holder};
use super::place::Place;
use super::{DaemonError, Outbox, Which, client};
use crate::failure::Failure;
use crate::home::Home;
use crate::http;
use crate::peer::link;
use crate::terminal::{Terminal, table};

/// From the signal until the daemon has ended, and between two looks.
const ENDS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(100));

/// Stops the daemon and waits for its end.
pub(super) fn down(home: &Home, terminal: &mut Terminal) -> Result<(), Failure> {
    let place = Place::of(home);
    let Holder::Daemon(pid) = holder(&place)? else {
        let value = json!({ "stopped": false, "running": false });
        return Ok(terminal.result(&value, ["no daemon is running"])?);
    };
    let number = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let number = number.ok_or(DaemonError::NoPid)?;
    kill_process(number, Signal::TERM).map_err(|error| DaemonError::Signal { error: error.into() })?;
    let until = Instant::now() + ENDS.0;
    while holder(&place)? != Holder::Nobody {
        if Instant::now() >= until {
            return Err(DaemonError::StillRunning { pid }.into());
        }
        thread::sleep(ENDS.1);
    }
    let value = json!({ "stopped": true, "pid": pid });
    Ok(terminal.result(&value, ["the daemon has stopped"])?)
}

/// Tells how the daemon and its sockets are.
pub(super) fn status(home: &Home, terminal: &mut Terminal) -> Result<(), Failure> {
    let place = Place::of(home);
    if holder(&place)? == Holder::Nobody {
        return Err(DaemonError::NotRunning.into());
    }
    let health = client::value(&place, "GET", "/v1/health", None)?;
    let pid = health.get("pid").and_then(Value::as_u64).unwrap_or_default();
    let waiting = health["outbox"]["rows"].as_u64().unwrap_or_default();
    let mut lines = vec![format!("the daemon is up (pid {pid}); {waiting} messages wait to be sent")];
    let none = serde_json::Map::new();
    let brokers = health["brokers"].as_object().unwrap_or(&none);
    let rows: Vec<Vec<String>> = brokers
        .iter()
        .map(|(slug, state)| {
            let why = health["reasons"][slug].as_str().unwrap_or_default();
            let way_back = if state == "closed" { link::way_back(why) } else { "" };
            vec![slug.clone(), text(state), format!("{why}{way_back}")]
        })
        .collect();
    lines.extend(table(&["MESH", "BROKER", "WHY"], &rows));
    Ok(terminal.result(&health, lines.iter().map(String::as_str))?)
}

/// Tells which version runs.
pub(super) fn version(home: &Home, terminal: &mut Terminal) -> Result<(), Failure> {
    let version = client::value(&Place::of(home), "GET", "/v1/version", None)?;
    let (daemon, ipc) = (text(&version["daemon_version"]), text(&version["ipc_api"]));
    let said = format!("daemon {daemon} (ipc {ipc}, schema {})", version["schema_version"]);
    Ok(terminal.result(&version, [said.as_str()])?)
}

/// Shows what waits to be sent, or what became of it, and puts rows in line again.
pub(super) fn outbox(command: &Outbox, home: &Home, terminal: &mut Terminal) -> Result<(), Failure> {
    let place = Place::of(home);
    match command {
        Outbox::List { which, limit } => {
            let status = which.map_or_else(String::new, |which| format!("&status={}", status_word(which)));
            let target = format!("/v1/outbox?limit={limit}{status}");
            let page = client::value(&place, "GET", &target, None)?;
            let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            let fields = ["id", "status", "mesh", "attempts", "enqueued_at", "last_error"];
            let row = |item: &Value| fields.iter().map(|field| text(&item[*field])).collect();
            let rows: Vec<Vec<String>> = items.iter().map(row).collect();
            let lines = table(&["ID", "STATUS", "MESH", "TRIES", "SINCE", "ERROR"], &rows);
            Ok(terminal.result(&page, lines.iter().map(String::as_str))?)
        }
        Outbox::Inspect { id } => {
            let target = format!("/v1/outbox?id={}", http::segment(id));
            let page = client::value(&place, "GET", &target, None)?;
            let item = page["items"].get(0).ok_or_else(|| DaemonError::NoRow { id: id.clone() })?;
            let none = serde_json::Map::new();
            let shown = item.as_object().unwrap_or(&none).iter().filter(|(_, value)| !value.is_null());
            let lines: Vec<String> = shown.map(|(name, value)| format!("{name}: {}", text(value))).collect();
            Ok(terminal.result(item, lines.iter().map(String::as_str))?)
        }
        Outbox::Requeue { id, new_client_id } => {
            let mut body = json!({ "id": id });
            if let Some(key) = new_client_id {
                body["new_client_message_id"] = key.as_str().into();
            }
            let done = client::value(&place, "POST", "/v1/outbox/requeue", Some(&body))?;
            let said = format!("{} stands in line again as {}", id, text(&done["new_row_id"]));
            Ok(terminal.result(&done, [said.as_str()])?)
        }
    }
}

fn status_word(which: Which) -> &'static str {
    match which {
        Which::Pending => "pending",
        Which::Inflight => "inflight",
        Which::Done => "done",
        Which::Failed => "dead",
        Which::Aborted => "aborted",
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}
