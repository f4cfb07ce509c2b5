//! What lies in the data directory, and what stands in for it with a database.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Check;
use crate::config::Settings;
use crate::home::{Home, HomeError, mode_of};
use crate::peer::profile::{names, unfinished};

/// Looks at the directory, at the two secrets of a broker, and at the profiles of peers.
pub(super) fn look(home: &Result<Home, HomeError>, settings: Option<&Settings>) -> Vec<Check> {
    let name = "data directory";
    let shared = settings.filter(|settings| settings.store.is_shared());
    match (home, shared) {
        (Ok(home), Some(settings)) => match mode_of(home.dir()) {
            Ok(_) => on_home(home, Some(settings)),
            Err(error) => {
                let text = match is_absent(&error) {
                    true => format!("{} does not exist, and a database needs none", home.dir().display()),
                    false => format!("{}; a database needs none", unseen(home.dir(), &error)),
                };
                [vec![Check::ok(name, text)], stand_ins(settings)].concat()
            }
        },
        (Ok(home), None) => on_home(home, settings),
        (Err(error), Some(settings)) => {
            let text = format!("{error}; a database needs none");
            [vec![Check::ok(name, text)], stand_ins(settings)].concat()
        }
        (Err(error), None) => vec![Check::fail(name, error.to_string(), "see the reason in this line")],
    }
}

fn on_home(home: &Home, settings: Option<&Settings>) -> Vec<Check> {
    let token = match settings.is_some_and(|settings| settings.admin_token.is_some()) {
        true => Check::ok("admin token", "comes from the settings"),
        false => secret("admin token", &home.token_path()),
    };
    let key = match settings.and_then(|settings| settings.key_file.as_deref()) {
        Some(path) => named_key(path),
        None => secret("key file", &home.key_path()),
    };
    let mut checks = vec![directory(home), token, key, profiles(home)];
    // Only the embedded store locks it.
    if !settings.is_some_and(|settings| settings.store.is_shared()) {
        checks.push(lock(home));
        #[cfg(feature = "sqlite")]
        checks.extend(store(home));
    }
    checks
}

/// The secrets of a broker that has no directory to keep them in.
fn stand_ins(settings: &Settings) -> Vec<Check> {
    let token = match &settings.admin_token {
        Some(_) => Check::ok("admin token", "comes from the settings"),
        None => {
            Check::warn("admin token", "there is none: the admin API is closed", "set PEERMESH_ADMIN_TOKEN")
        }
    };
    let key = match &settings.key_file {
        Some(path) => named_key(path),
        None => Check::warn(
            "key file",
            "there is none: no mesh, invite or receipt can be made",
            "set PEERMESH_KEY_FILE to the file that all brokers of this database share",
        ),
    };
    vec![token, key]
}

/// True when nothing has that name. Any other error leaves open what is there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn unseen(path: &Path, error: &io::Error) -> String {
    format!("cannot look at {}: {error}", path.display())
}

/// What cannot be looked at is neither well nor missing.
fn unseen_check(name: &'static str, path: &Path, error: &io::Error) -> Check {
    Check::fail(name, unseen(path, error), "look as the user whom the directory belongs to")
}

fn directory(home: &Home) -> Check {
    let (name, dir) = ("data directory", home.dir().display());
    match mode_of(home.dir()) {
        Err(error) if !is_absent(&error) => unseen_check(name, home.dir(), &error),
        Err(_) => Check::warn(name, format!("{dir} does not exist"), "peermesh serve makes it"),
        Ok(_) => match home.prepare() {
            Ok(()) => Check::ok(name, format!("{dir} is ours and closed to others")),
            Err(error) => Check::fail(name, error.to_string(), "see the reason in this line"),
        },
    }
}

fn secret(name: &'static str, path: &Path) -> Check {
    match mode_of(path) {
        Err(error) if !is_absent(&error) => unseen_check(name, path, &error),
        Err(_) => Check::warn(name, format!("{} does not exist", path.display()), "peermesh serve makes it"),
        Ok(mode) if mode & 0o077 == 0 => Check::ok(name, format!("{} is closed to others", path.display())),
        Ok(mode) => Check::fail(
            name,
            format!("{} is open to others (mode {mode:04o})", path.display()),
            format!("chmod 600 {}", path.display()),
        ),
    }
}

/// The key file that the settings name. It lies where the operator keeps secrets, whose modes are often not
/// the operator's to choose. Where they are mounted, it is a link, and what it leads to counts.
fn named_key(path: &Path) -> Check {
    let (name, shown) = ("key file", path.display());
    match fs::metadata(path).map(|about| about.permissions().mode() & 0o7777) {
        Err(error) if !is_absent(&error) => {
            let way_out = "let the broker's user read it, or correct PEERMESH_KEY_FILE";
            Check::fail(name, unseen(path, &error), way_out)
        }
        Err(_) => Check::fail(name, format!("{shown} does not exist"), "correct PEERMESH_KEY_FILE"),
        Ok(mode) if mode & 0o077 == 0 => Check::ok(name, format!("{shown} is closed to others")),
        Ok(mode) => Check::warn(
            name,
            format!("{shown} is open to others (mode {mode:04o})"),
            "close it to all but the broker's user, if others can reach it",
        ),
    }
}

fn profiles(home: &Home) -> Check {
    let name = "profiles";
    let names = match names(home) {
        Ok(names) => names,
        Err(error) => return Check::fail(name, error.to_string(), "make the directory readable"),
    };
    let file = |name: &String| home.profiles().join(format!("{name}.json"));
    let is_open = |path: &Path| mode_of(path).is_ok_and(|mode| mode & 0o077 != 0);
    let unfinished = unfinished(home, &names);
    match names.iter().map(file).find(|path| is_open(path)) {
        Some(path) => {
            let path = path.display();
            Check::fail(name, format!("{path} is open to others"), format!("chmod 600 {path}"))
        }
        None if !unfinished.is_empty() => {
            let (all, files) = (names.join(", "), unfinished.iter().map(file));
            let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
            let text = format!("{all}; never finished joining: {}", unfinished.join(", "));
            Check::warn(name, text, format!("run the same peermesh join again, or rm {}", files.join(" ")))
        }
        None if names.is_empty() => Check::ok(name, "none yet; peermesh join INVITE makes one"),
        None => Check::ok(name, names.join(", ")),
    }
}

fn lock(home: &Home) -> Check {
    let name = "lock";
    let file = match File::open(home.lock_path()) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Check::ok(name, "no broker has run on this directory"),
        Err(error) => return unseen_check(name, &home.lock_path(), &error),
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

/// Which history the embedded store tells, if there is one.
#[cfg(feature = "sqlite")]
fn store(home: &Home) -> Option<Check> {
    match peermesh_store::sqlite::history(home.dir()) {
        Ok(found) => found.map(super::history),
        Err(error) => Some(Check::fail("history", error.to_string(), "see the reason in this line")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::doctor::{Finding, line};
    use crate::peer::profile::Profile;

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
        fs::set_permissions(home.token_path(), fs::Permissions::from_mode(0o644)).unwrap();
        let check = secret("admin token", &home.token_path());
        assert_eq!(check.finding, Finding::Fail);
        assert!(line(&check).contains("chmod 600"), "{}", line(&check));
    }

    #[test]
    fn a_lock_that_is_held_is_told_from_a_free_one() {
        let (_dir, home) = home();
        let file = File::create(home.lock_path()).unwrap();
        assert!(lock(&home).text.starts_with("free"));
        file.lock().unwrap();
        assert!(lock(&home).text.starts_with("held"));
    }

    /// A loop of links stands for another user's directory: those who may look at everything run tests too.
    #[test]
    fn what_cannot_be_looked_at_is_not_said_to_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("closed");
        symlink(&closed, &closed).unwrap();
        let home = Home::locate(Some(&closed.join("mesh")), &|_| None).unwrap();
        let named = named_key(&closed.join("key"));
        for check in on_home(&home, None).into_iter().chain([named]) {
            let shown = line(&check);
            assert!(check.finding == Finding::Fail && shown.contains("cannot "), "{shown}");
            assert!(!shown.contains("does not exist") && !shown.contains("has run"), "{shown}");
        }
    }

    #[test]
    fn a_key_file_that_is_a_link_is_judged_by_what_it_leads_to() {
        let (_dir, home) = home();
        home.make_key().unwrap();
        let link = home.dir().join("mounted");
        symlink(home.key_path(), &link).unwrap();
        assert_eq!(named_key(&link).finding, Finding::Ok, "{}", line(&named_key(&link)));
        fs::set_permissions(home.key_path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(line(&named_key(&link)).contains("(mode 0644)"), "{}", line(&named_key(&link)));
    }

    #[test]
    fn a_join_that_never_finished_is_told() {
        let (_dir, home) = home();
        let make = |name: &str, member: Option<&str>| {
            let mut profile = Profile::fresh(name, "m", "demo", "ws://x/ws").unwrap();
            profile.member_id = member.map(str::to_owned);
            profile.create(&home).unwrap();
        };
        make("ann", Some("mem-1"));
        assert_eq!(profiles(&home), Check::ok("profiles", "ann"));
        make("tls", None);
        let shown = line(&profiles(&home));
        assert!(shown.starts_with("warn") && shown.contains("never finished joining: tls;"), "{shown}");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_database_needs_no_directory_but_what_would_lie_there() {
        let settings = |token: Option<&str>| {
            let env = |name: &str| match name {
                "DATABASE_URL" => Some("postgres://db/mesh".to_owned()),
                "PEERMESH_ADMIN_TOKEN" => token.map(str::to_owned),
                _ => None,
            };
            Settings::read(None, &crate::config::Flags::default(), &env).unwrap()
        };
        let findings = |home: Result<Home, HomeError>, settings: &Settings| -> Vec<Finding> {
            look(&home, Some(settings)).iter().map(|check| check.finding).collect()
        };
        let wanting = [Finding::Ok, Finding::Warn, Finding::Warn];
        assert_eq!(findings(Err(HomeError::Nowhere), &settings(None)), wanting);
        let missing = Home::locate(Some(Path::new("/dev/null/mesh")), &|_| None).unwrap();
        assert_eq!(findings(Ok(missing), &settings(None)), wanting);
        assert_eq!(findings(Err(HomeError::Nowhere), &settings(Some("t")))[1], Finding::Ok);
        assert_eq!(look(&Err(HomeError::Nowhere), None)[0].finding, Finding::Fail);
    }
}
