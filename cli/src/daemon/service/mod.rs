//! Lets the system's service manager keep the daemon running: systemd on Linux, launchd on macOS.
//!
//! *Decides:* where the unit goes, and what is stopped before it is written.
//! *Does not:* start anything: the command that does is printed, so that nobody is surprised by it.

mod unit;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::lock::{self, Holder};
use super::place::Place;
use super::{DaemonError, joined};
use crate::failure::Failure;
use crate::home::{Home, HomeError};
use crate::terminal::Terminal;
use crate::tls;
use unit::Unit;

/// What systemd calls it.
const UNIT: &str = "peermesh-daemon.service";
/// What launchd calls it.
const LABEL: &str = "dev.peermesh.daemon";
/// Any of these says that the machine is one of a build, which is thrown away.
const CI: [&str; 7] =
    ["CI", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "JENKINS_URL", "KUBERNETES_SERVICE_HOST"];
/// How long a daemon that runs may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Systemd,
    Launchd,
}

/// Runs a program of the service manager; true when it succeeded.
type Run<'a> = &'a dyn Fn(&str, &[&str]) -> bool;

impl Manager {
    fn of(os: &str) -> Result<Manager, DaemonError> {
        match os {
            "linux" => Ok(Manager::Systemd),
            "macos" => Ok(Manager::Launchd),
            other => Err(DaemonError::NoServiceManager { os: other.to_owned() }),
        }
    }

    /// Where the unit of a user belongs.
    fn path(self, env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, HomeError> {
        let set = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || set("HOME").ok_or(HomeError::Nowhere);
        match self {
            Manager::Systemd => {
                let config = set("XDG_CONFIG_HOME").map_or_else(|| Ok(home()?.join(".config")), Ok)?;
                Ok(config.join("systemd/user").join(UNIT))
            }
            Manager::Launchd => Ok(home()?.join("Library/LaunchAgents").join(format!("{LABEL}.plist"))),
        }
    }

    /// Stops what runs by a unit of that name. That there is none is no failure.
    fn stop(self, run: Run<'_>, for_good: bool) {
        match (self, for_good) {
            (Manager::Systemd, false) => run("systemctl", &["--user", "stop", UNIT]),
            (Manager::Systemd, true) => run("systemctl", &["--user", "disable", "--now", UNIT]),
            (Manager::Launchd, _) => run("launchctl", &["bootout", &format!("{}/{LABEL}", domain())]),
        };
    }

    /// Whether a unit starts the daemon of that data directory.
    fn is_of(self, text: &str, data: &Path) -> bool {
        match self {
            Manager::Systemd => unit::is_systemd_of(text, data),
            Manager::Launchd => unit::is_launchd_of(text, data),
        }
    }

    /// What the user types to start it.
    fn start_command(self, path: &Path) -> String {
        match self {
            Manager::Systemd => {
                format!("systemctl --user daemon-reload && systemctl --user enable --now {UNIT}")
            }
            Manager::Launchd => format!("launchctl bootstrap {} '{}'", domain(), path.display()),
        }
    }
}

/// The part of launchd that serves this user.
fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

/// The unit that keeps the daemon of this data directory running, where there is one, and the command that
/// starts it. A daemon that is started beside it holds the lock, so that the unit fails again and again.
pub(super) fn keeper(home: &Home, env: &dyn Fn(&str) -> Option<String>) -> Option<(PathBuf, String)> {
    let manager = Manager::of(std::env::consts::OS).ok()?;
    let path = manager.path(env).ok()?;
    let text = fs::read_to_string(&path).ok()?;
    let data = absolute(home.dir()).ok()?;
    manager.is_of(&text, &data).then(|| (path.clone(), manager.start_command(&path)))
}

/// Writes the unit, after whatever ran by an older one was stopped.
pub(super) fn install(
    home: &Home,
    allow_ci: bool,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let manager = Manager::of(std::env::consts::OS)?;
    if !allow_ci && let Some(name) = CI.iter().find(|name| env(name).is_some_and(|value| !value.is_empty())) {
        return Err(DaemonError::InCi { name }.into());
    }
    let place = Place::prepare(home)?;
    let program = program()?;
    let ran = lock::holder(&place)? != Holder::Nobody;
    let path = write(manager, &program, home, &place, env, &command)?;
    let start = manager.start_command(&path);
    let value = json!({ "unit": path.display().to_string(), "start": start });
    let said = [format!("wrote {}", path.display()), format!("start it with: {start}")];
    if ran {
        terminal.remark("note: the daemon that ran was stopped, to make room for the one of the unit");
    }
    if !joined::is_any(home)? {
        terminal
            .remark("note: no mesh was joined, and it ends at once without one; first: peermesh join INVITE");
    }
    Ok(terminal.result(&value, said.iter().map(String::as_str))?)
}

fn write(
    manager: Manager,
    program: &Path,
    home: &Home,
    place: &Place,
    env: &dyn Fn(&str) -> Option<String>,
    run: Run<'_>,
) -> Result<PathBuf, DaemonError> {
    let path = manager.path(env)?;
    let user_home = env("HOME").map(PathBuf::from).unwrap_or_default();
    let (data, log) = (absolute(home.dir())?, absolute(&place.log_path())?);
    let ca_file = tls::also_trusted().map(absolute).transpose()?;
    let host_id = env(super::HOST_ID).filter(|id| !id.is_empty());
    let unit = Unit {
        program,
        data: &data,
        log: &log,
        home: &user_home,
        ca_file: ca_file.as_deref(),
        host_id: host_id.as_deref(),
    };
    let text = match manager {
        Manager::Systemd => unit::systemd(unit),
        Manager::Launchd => unit::launchd(unit, LABEL),
    };
    if path.exists() {
        manager.stop(run, false);
    }
    end(place)?;
    let io = |doing| {
        let path = path.clone();
        move |error| HomeError::Io { doing, path, error }
    };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(io("make the folder of"))?;
    let draft = path.with_extension("draft");
    fs::write(&draft, text).map_err(io("write"))?;
    fs::set_permissions(&draft, Permissions::from_mode(0o644)).map_err(io("write"))?;
    fs::rename(&draft, &path).map_err(io("write"))?;
    Ok(path)
}

/// Stops what runs by the unit, and removes it.
pub(super) fn uninstall(
    home: &Home,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let manager = Manager::of(std::env::consts::OS)?;
    let path = manager.path(env).map_err(DaemonError::from)?;
    let place = Place::of(home);
    let ran = lock::holder(&place)? != Holder::Nobody;
    let was_there = remove(manager, &path, &place, &command)?;
    if ran && was_there {
        terminal.remark("note: the daemon that ran was stopped; start another with: peermesh daemon up");
    }
    let value = json!({ "unit": path.display().to_string(), "removed": was_there });
    let said = match was_there {
        true => format!("removed {}", path.display()),
        false => format!("there is no {}", path.display()),
    };
    Ok(terminal.result(&value, [said.as_str()])?)
}

fn remove(manager: Manager, path: &Path, place: &Place, run: Run<'_>) -> Result<bool, DaemonError> {
    if !path.exists() {
        return Ok(false);
    }
    manager.stop(run, true);
    end(place)?;
    let io = |error| HomeError::Io { doing: "remove", path: path.to_owned(), error };
    fs::remove_file(path).map_err(io)?;
    Ok(true)
}

/// Asks a daemon that runs to end, and waits until it has: two would fight for the same lock.
fn end(place: &Place) -> Result<(), DaemonError> {
    let until = Instant::now() + PATIENCE;
    let mut asked = false;
    loop {
        let Holder::Daemon(number) = lock::holder(place)? else { return Ok(()) };
        let process = number.and_then(|number| Pid::from_raw(number.cast_signed()));
        if let Some(process) = process.filter(|_| !asked) {
            // It may have ended in the meantime.
            asked = kill_process(process, Signal::TERM).is_ok();
        }
        if Instant::now() >= until {
            return Err(DaemonError::StillRunning { pid: number });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// This program, where it can be found again.
fn program() -> Result<PathBuf, DaemonError> {
    let found = std::env::current_exe().and_then(fs::canonicalize);
    found.map_err(|error| DaemonError::NoProgram { error })
}

fn absolute(path: &Path) -> Result<PathBuf, HomeError> {
    std::path::absolute(path).map_err(|error| HomeError::Io { doing: "find", path: path.to_owned(), error })
}

fn command(program: &str, arguments: &[&str]) -> bool {
    let ended: io::Result<_> = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ended.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::daemon::lock::Lock;

    struct Ground {
        dir: tempfile::TempDir,
        home: Home,
        place: Place,
        ran: RefCell<Vec<String>>,
    }

    impl Ground {
        fn new() -> Ground {
            let dir = tempfile::tempdir().unwrap();
            let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
            let place = Place::prepare(&home).unwrap();
            Ground { dir, home, place, ran: RefCell::default() }
        }

        fn env(&self) -> impl Fn(&str) -> Option<String> {
            let home = self.dir.path().to_str().unwrap().to_owned();
            move |name: &str| (name == "HOME").then(|| home.clone())
        }

        fn run(&self, program: &str, arguments: &[&str]) -> bool {
            self.ran.borrow_mut().push(format!("{program} {}", arguments.join(" ")));
            true
        }

        fn write(&self, manager: Manager) -> PathBuf {
            let run = |program: &str, arguments: &[&str]| self.run(program, arguments);
            write(manager, Path::new("/opt/peermesh"), &self.home, &self.place, &self.env(), &run).unwrap()
        }
    }

    #[test]
    fn the_unit_goes_where_its_manager_looks_and_an_older_one_is_stopped_first() {
        for (manager, place, stop) in [
            (Manager::Systemd, ".config/systemd/user/peermesh-daemon.service", "systemctl --user stop"),
            (Manager::Launchd, "Library/LaunchAgents/dev.peermesh.daemon.plist", "launchctl bootout gui/"),
        ] {
            let ground = Ground::new();
            let path = ground.write(manager);
            assert_eq!(path, ground.dir.path().join(place));
            assert!(ground.ran.borrow().is_empty(), "there is nothing to stop yet");
            ground.write(manager);
            assert!(ground.ran.borrow()[0].starts_with(stop), "{:?}", ground.ran);
            let text = fs::read_to_string(&path).unwrap();
            assert!(manager.is_of(&text, ground.home.dir()), "{text}");
            assert!(!manager.is_of(&text, ground.dir.path()), "it is for another directory");
            assert!(text.contains("/opt/peermesh") && text.contains("--foreground"), "{text}");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
            let run = |program: &str, arguments: &[&str]| ground.run(program, arguments);
            assert!(remove(manager, &path, &ground.place, &run).unwrap());
            assert!(!path.exists() && !remove(manager, &path, &ground.place, &run).unwrap());
        }
    }

    #[test]
    fn a_daemon_that_runs_is_waited_for() {
        let ground = Ground::new();
        let lock = Lock::take(&ground.place).unwrap().unwrap();
        // As if it had not yet written its number: nobody can be asked to end.
        fs::write(ground.place.pid_path(), "").unwrap();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(lock);
        });
        end(&ground.place).unwrap();
        ends.join().unwrap();
    }

    #[test]
    fn a_system_without_a_service_manager_that_is_known_is_told_so() {
        assert!(matches!(Manager::of("plan9"), Err(DaemonError::NoServiceManager { .. })));
        assert_eq!(Manager::of("linux").unwrap(), Manager::Systemd);
        assert_eq!(Manager::of("macos").unwrap(), Manager::Launchd);
    }
}
