//! `doctor`: looks at everything a broker and its peers stand on, and says for each trouble the way out.

#[cfg(feature = "postgres")]
mod database;

use std::fs::File;
use std::path::Path;

use peermesh_core::time::Wall;
use rustix::process::Resource;
use serde_json::{Value, json};

use crate::address::Address;
use crate::admin::{Api, Place};
use crate::config::{ConfigErrors, Flags, Settings, Store};
use crate::failure::Failure;
use crate::home::{self, Home, HomeError, mode_of};
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
    let store = settings.as_ref().ok().map(|settings| &settings.store);
    checks.extend(match home {
        Ok(home) => on_home(home, store, place, env),
        Err(error) => vec![Check::warn("data directory", error.to_string(), "a database needs none")],
    });
    #[cfg(feature = "postgres")]
    if let Some(Store::Postgres(database)) = store {
        checks.extend(database::look(database));
    }
    checks.push(clock(wall_now()));
    checks.push(files());
    checks.extend(home.as_ref().ok().map(|home| disk(home.dir())));
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

/// What lies in the data directory, which only the embedded store locks, and the broker that uses it.
fn on_home(
    home: &Home,
    store: Option<&Store>,
    place: Place<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Vec<Check> {
    let mut checks = vec![directory(home)];
    let secrets = [("admin token", home.token_path()), ("key file", home.key_path())];
    checks.extend(secrets.iter().map(|(name, path)| secret(name, path)));
    checks.push(profiles(home));
    if !store.is_some_and(Store::is_shared) {
        checks.push(lock(home));
    }
    checks.extend(broker(home, place, env));
    checks
}

fn line(check: &Check) -> String {
    let way_out = check.way_out.as_ref().map_or(String::new(), |way| format!("; {way}"));
    format!("{:4}  {:<14}  {}{way_out}", check.finding.word(), check.name, check.text)
}

fn directory(home: &Home) -> Check {
    let (name, dir) = ("data directory", home.dir().display());
    match mode_of(home.dir()) {
        Err(_) => Check::warn(name, format!("{dir} does not exist"), "peermesh serve makes it"),
        Ok(_) => match home.prepare() {
            Ok(()) => Check::ok(name, format!("{dir} is ours and closed to others")),
            Err(error) => Check::fail(name, error.to_string(), "see the reason in this line"),
        },
    }
}

fn secret(name: &'static str, path: &Path) -> Check {
    match mode_of(path) {
        Err(_) => Check::warn(name, format!("{} does not exist", path.display()), "peermesh serve makes it"),
        Ok(mode) if mode & 0o077 == 0 => Check::ok(name, format!("{} is closed to others", path.display())),
        Ok(mode) => Check::fail(
            name,
            format!("{} is open to others (mode {mode:04o})", path.display()),
            format!("chmod 600 {}", path.display()),
        ),
    }
}

fn profiles(home: &Home) -> Check {
    let name = "profiles";
    let names = match crate::peer::profile::names(home) {
        Ok(names) => names,
        Err(error) => return Check::fail(name, error.to_string(), "make the directory readable"),
    };
    let file = |name: &String| home.profiles().join(format!("{name}.json"));
    let is_open = |path: &Path| mode_of(path).is_ok_and(|mode| mode & 0o077 != 0);
    match names.iter().map(file).find(|path| is_open(path)) {
        Some(path) => {
            let path = path.display();
            Check::fail(name, format!("{path} is open to others"), format!("chmod 600 {path}"))
        }
        None if names.is_empty() => Check::ok(name, "none yet; peermesh join INVITE makes one"),
        None => Check::ok(name, names.join(", ")),
    }
}

fn lock(home: &Home) -> Check {
    let name = "lock";
    let Ok(file) = File::open(home.lock_path()) else {
        return Check::ok(name, "no broker has run on this directory");
    };
    match (file.try_lock(), home.broker()) {
        (Ok(()), _) => Check::ok(name, "free: no broker is running on this directory"),
        (Err(_), Ok(broker)) => Check::ok(name, format!("held by the broker, process {}", broker.pid)),
        (Err(_), Err(_)) => Check::warn(
            name,
            "held, but nobody left word where the broker listens",
            "if it does not come up, see its log",
        ),
    }
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
    let question = Question { method: "GET", target: "/health", token: None, body: None };
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        home.prepare().unwrap();
        (dir, home)
    }

    #[test]
    fn a_token_that_others_can_read_fails_with_the_command_that_helps() {
        let (_dir, home) = home();
        home.make_token().unwrap();
        assert_eq!(secret("admin token", &home.token_path()).finding, Finding::Ok);
        std::fs::set_permissions(home.token_path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let check = secret("admin token", &home.token_path());
        assert_eq!(check.finding, Finding::Fail);
        assert!(line(&check).contains("chmod 600"), "{}", line(&check));
    }

    #[test]
    fn a_clock_of_long_ago_fails() {
        assert_eq!(clock(Wall::from_millis(0)).finding, Finding::Fail);
        assert_eq!(clock(EARLIEST).finding, Finding::Ok);
    }

    #[test]
    fn a_lock_that_is_held_is_told_from_a_free_one() {
        let (_dir, home) = home();
        let file = File::create(home.lock_path()).unwrap();
        assert!(lock(&home).text.starts_with("free"));
        file.lock().unwrap();
        assert!(lock(&home).text.starts_with("held"));
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
