//! `doctor`: looks at everything a broker and its peers stand on, and says for each trouble the way out.

#[cfg(feature = "postgres")]
mod database;
mod ground;

use std::path::Path;

use peermesh_core::store::History;
use peermesh_core::time::Wall;
use rustix::process::Resource;
use serde_json::{Value, json};

use crate::address::Address;
use crate::admin::{Api, Place};
#[cfg(feature = "postgres")]
use crate::config::Store;
use crate::config::{ConfigErrors, Flags, Settings};
use crate::failure::Failure;
use crate::home::{self, Home, HomeError};
use crate::http::{self, Question};
use crate::local;
use crate::logs::wall_now;
use crate::terminal::Terminal;

/// Below this, a broker runs out of descriptors with a few thousand sockets.
const FILES_WANTED: u64 = 8_192;
/// Free disk below which writes will soon fail, and below which one should look after it.
const DISK_BYTES: (u64, u64) = (64 * 1024 * 1024, 1024 * 1024 * 1024);
/// The wall clock cannot be before this program was written: 2026-01-01.
const EARLIEST: Wall = Wall::from_millis(1_767_225_600_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    const fn word(self) -> &'static str {
        match self {
            Finding::Ok => "ok",
            Finding::Warn => "warn",
            Finding::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    name: &'static str,
    finding: Finding,
    text: String,
    way_out: Option<String>,
}

impl Check {
    fn ok(name: &'static str, text: impl Into<String>) -> Check {
        Check { name, finding: Finding::Ok, text: text.into(), way_out: None }
    }

    fn warn(name: &'static str, text: impl Into<String>, way_out: impl Into<String>) -> Check {
        Check { name, finding: Finding::Warn, text: text.into(), way_out: Some(way_out.into()) }
    }

    fn fail(name: &'static str, text: impl Into<String>, way_out: impl Into<String>) -> Check {
        Check { name, finding: Finding::Fail, text: text.into(), way_out: Some(way_out.into()) }
    }
}

/// Looks at everything and prints a line each.
pub(crate) fn run(
    home: &Result<Home, HomeError>,
    place: Place<'_>,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let settings = Settings::read(home.as_ref().ok(), &Flags::default(), env);
    let mut checks = vec![configuration(&settings)];
    let settings = settings.as_ref().ok();
    checks.extend(ground::look(home, settings));
    #[cfg(feature = "postgres")]
    if let Some(Store::Postgres(options)) = settings.map(|settings| &settings.store) {
        checks.extend(database::look(options));
    }
    if let Ok(home) = home {
        checks.extend(broker(home, place, env));
        checks.push(disk(home.dir()));
    }
    checks.push(clock(wall_now()));
    checks.push(files());
    let failed = checks.iter().filter(|check| check.finding == Finding::Fail).count();
    let value: Vec<Value> = checks
        .iter()
        .map(|check| {
            let Check { name, finding, text, way_out } = check;
            json!({ "name": name, "finding": finding.word(), "text": text, "way_out": way_out })
        })
        .collect();
    let lines: Vec<String> = checks.iter().map(line).collect();
    terminal.result(&json!({ "checks": value }), lines.iter().map(String::as_str))?;
    if failed == 0 { Ok(()) } else { Err(Failure::Unwell { failed, all: checks.len() }) }
}

fn configuration(settings: &Result<Settings, ConfigErrors>) -> Check {
    let name = "settings";
    match settings {
        Ok(settings) => Check::ok(name, format!("all can be used; store: {}", settings.store.word())),
        Err(errors) => {
            let wrong: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
            Check::fail(name, wrong.join("; "), "correct them; peermesh config shows where each comes from")
        }
    }
}

fn line(check: &Check) -> String {
    let way_out = check.way_out.as_ref().map_or(String::new(), |way| format!("; {way}"));
    format!("{:4}  {:<14}  {}{way_out}", check.finding.word(), check.name, check.text)
}

fn broker(home: &Home, place: Place<'_>, env: &dyn Fn(&str) -> Option<String>) -> Vec<Check> {
    let (name, start) = ("broker", "start it with: peermesh serve");
    let address = match place.broker {
        Some(url) => Address::parse(url).map_err(Failure::from),
        None => local::find(home, env).map_err(Failure::from),
    };
    let address = match address {
        Ok(address) => address,
        Err(Failure::Home(HomeError::NoBroker { .. })) => {
            return vec![Check::warn(name, "none is running on this directory", start)];
        }
        Err(error) => return vec![Check::fail(name, error.to_string(), "pass the address of a broker")],
    };
    let question = Question { method: "GET", target: "/health", token: None, body: None, header: None };
    match http::ask(&address, &question) {
        // Nobody said that it runs: that was only a look at where it would.
        Err(error) if place.broker.is_none() && home.broker().is_err() => {
            return vec![Check::warn(name, error.to_string(), start)];
        }
        Err(error) => return vec![Check::fail(name, error.to_string(), start)],
        Ok(answer) if answer.status != 200 => {
            let text = format!("{address} answers {}", answer.status);
            return vec![Check::fail(name, text, "see its log and the free disk below")];
        }
        Ok(_) => {}
    }
    let token = Api::find(home, place, env).and_then(|api| api.try_token());
    let admin = match token {
        Ok(()) => Check::ok("admin API", "the broker accepts the token"),
        Err(error) => Check::fail("admin API", error.to_string(), "pass the token of that broker"),
    };
    vec![Check::ok(name, format!("{address} is well")), admin]
}

/// Which history the store tells, for whoever compares it with what peers were told.
fn history(history: History) -> Check {
    Check::ok("history", format!("{} since {}", history.epoch, history.since.iso()))
}

fn clock(now: Wall) -> Check {
    if now >= EARLIEST {
        Check::ok("clock", now.iso())
    } else {
        let way_out = "set it; brokers refuse hellos that are off by more than a minute";
        Check::fail("clock", format!("{} lies in the past", now.iso()), way_out)
    }
}

fn files() -> Check {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    if most >= FILES_WANTED {
        let shown = limit.maximum.map_or_else(|| "any number of".to_owned(), |most| most.to_string());
        Check::ok("open files", format!("a broker may have {shown}"))
    } else {
        let way_out = format!("raise the hard limit: ulimit -Hn {FILES_WANTED}");
        Check::warn("open files", format!("a broker may have only {most}"), way_out)
    }
}

fn disk(dir: &Path) -> Check {
    let name = "free disk";
    let existing = dir.ancestors().find(|dir| home::exists(dir).unwrap_or(false)).unwrap_or(Path::new("/"));
    let about = match rustix::fs::statvfs(existing) {
        Ok(about) => about,
        Err(error) => return Check::warn(name, error.to_string(), "look with: df"),
    };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let text = format!("{} MiB on {}", free / (1024 * 1024), existing.display());
    match free {
        free if free < DISK_BYTES.0 => Check::fail(name, text, "make room, or move the data directory"),
        free if free < DISK_BYTES.1 => Check::warn(name, text, "make room before it is used up"),
        _ => Check::ok(name, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        home.prepare().unwrap();
        (dir, home)
    }

    #[test]
    fn a_clock_of_long_ago_fails() {
        assert_eq!(clock(Wall::from_millis(0)).finding, Finding::Fail);
        assert_eq!(clock(EARLIEST).finding, Finding::Ok);
    }

    #[test]
    fn a_broker_that_left_word_but_does_not_answer_fails() {
        let (_dir, home) = home();
        assert_eq!(broker(&home, Place::default(), &|_| None)[0].finding, Finding::Warn);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        home.announce(&home::BrokerFile { url: format!("http://127.0.0.1:{port}"), pid: 1 }).unwrap();
        assert_eq!(broker(&home, Place::default(), &|_| None)[0].finding, Finding::Fail);
    }
}
