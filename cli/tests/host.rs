//! What is done about the daemon of a host, as a person does it: each command against real files.

mod town;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use peermesh_conformance::server::free_port;
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::{Value, json};
use town::hosts::await_that;
use town::{PATIENCE, Process, Ran, Town};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn f_dmn_10_a_host_is_accepted_by_its_name() {
    let town = Town::new();
    let accept = |host: &str| {
        let mut command = town.command(&["daemon", "accept-host", "--json"]);
        let ran = Ran::from(command.env("PEERMESH_HOST_ID", host).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()
    };
    let first = accept("one");
    assert_eq!(first["fingerprint_prefix"].as_str().unwrap().len(), 16);
    assert_eq!(first["before"], "no host is known yet");
    assert_eq!(accept("one")["before"], "the same host");
    let other = accept("two");
    assert_eq!(other["before"], "it was made on given:one and this is given:two");
    assert_ne!(other["fingerprint_prefix"], first["fingerprint_prefix"]);
    let dir = town.data().join("daemon");
    assert_eq!((mode(&dir), mode(&dir.join("host_fingerprint.json"))), (0o700, 0o600));
}

#[test]
fn s_loc_01_the_token_is_replaced_in_its_file_and_never_shown() {
    let town = Town::new();
    let path = town.data().join("daemon/local-token");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let ran = town.run(&["daemon", "rotate-token", "--json"]);
        let token = fs::read_to_string(&path).unwrap();
        assert!(ran.code == 0 && !ran.out.contains(token.trim()), "{ran:?}");
        assert_eq!((ran.json()["daemon_told"].as_bool(), mode(&path)), (Some(false), 0o600));
        seen.push(token);
    }
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn a_daemon_that_runs_is_told_the_token_by_its_socket() {
    let town = Town::new();
    assert_eq!(town.run(&["daemon", "rotate-token"]).code, 0);
    let dir = town.data().join("daemon");
    let held =
        fs::File::options().create(true).write(true).truncate(true).open(dir.join("daemon.pid")).unwrap();
    held.lock().unwrap();
    let listener = UnixListener::bind(dir.join("daemon.sock")).unwrap();
    for (status, code) in [("200 OK", 0), ("404 Not Found", 1)] {
        let answering = listener.try_clone().unwrap();
        let asked = thread::spawn(move || {
            let (mut stream, _) = answering.accept().unwrap();
            let mut request = [0; 4_096];
            let count = stream.read(&mut request).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}").unwrap();
            String::from_utf8(request[..count].to_vec()).unwrap()
        });
        let ran = town.run(&["daemon", "rotate-token"]);
        let request = asked.join().unwrap();
        let token = fs::read_to_string(dir.join("local-token")).unwrap();
        assert!(request.starts_with("POST /v1/token HTTP/1.1\r\nHost: localhost\r\n"), "{request}");
        assert!(request.contains(token.trim()), "{request}");
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(code == 0 || ran.err.contains("start it again"), "{ran:?}");
    }
}

fn claudemesh(meshes: &[(&str, u8)]) -> Value {
    let mesh = |(slug, byte): &(&str, u8)| {
        let key = SigningKey::from_bytes(&[*byte; 32]);
        json!({
            "meshId": format!("mesh-{byte}"), "memberId": format!("mem-{byte}"), "slug": slug, "name": "Demo",
            "pubkey": HEXLOWER.encode(key.verifying_key().as_bytes()),
            "secretKey": HEXLOWER.encode(&key.to_keypair_bytes()),
            "brokerUrl": "wss://mesh.example/ws", "joinedAt": "2026-01-01T00:00:00.000Z",
        })
    };
    json!({ "version": 1, "displayName": "Ann", "meshes": meshes.iter().map(mesh).collect::<Vec<_>>() })
}

#[test]
fn the_meshes_of_an_existing_client_become_profiles_and_its_file_stays_as_it_is() {
    let town = Town::new();
    let missing = town.run(&["daemon", "import"]);
    assert!(missing.code == 1 && missing.err.contains(".claudemesh/config.json"), "{missing:?}");
    let path = town.dir().join(".claudemesh/config.json");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let text = claudemesh(&[("Blue", 1), ("red", 2)]).to_string();
    fs::write(&path, &text).unwrap();
    let imported = town.json(&["daemon", "import"]);
    let outcomes = |value: &Value| -> Vec<String> {
        let row = |row: &Value| format!("{} {}", row["profile"], row["outcome"]).replace('"', "");
        value["profiles"].as_array().unwrap().iter().map(row).collect()
    };
    assert_eq!(outcomes(&imported), ["blue imported", "red imported"]);
    assert_eq!(outcomes(&town.json(&["daemon", "import"])), ["blue already there", "red already there"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(mode(&town.data().join("profiles/blue.json")), 0o600);
    let other = town.dir().join("other.json");
    fs::write(&other, claudemesh(&[("red", 3), ("green", 4)]).to_string()).unwrap();
    let ran = town.run(&["daemon", "import", "--from", "other.json", "--json"]);
    assert_eq!((ran.code, outcomes(&ran.json())), (3, vec!["red refused".into(), "green imported".into()]));
}

fn with_passphrase(town: &Town, arguments: &[&str], passphrase: &str) -> Ran {
    let mut child = town
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that is refused before it asks reads nothing.
    let _ = child.stdin.take().unwrap().write_all(format!("{passphrase}\n").as_bytes());
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn a_backup_brings_the_profiles_to_another_host_and_a_key_that_gives_way_is_kept() {
    let (here, there) = (Town::new(), Town::new());
    let none = with_passphrase(&here, &["daemon", "backup", "--to", "copy"], "correct horse");
    assert!(none.code == 1 && none.err.contains("join a mesh"), "{none:?}");
    for (town, byte) in [(&here, 1), (&there, 2)] {
        fs::write(town.dir().join("config.json"), claudemesh(&[("ann", byte)]).to_string()).unwrap();
        town.json(&["daemon", "import", "--from", "config.json"]);
        town.json(&["daemon", "accept-host"]);
        town.json(&["daemon", "rotate-token"]);
    }
    let copy = there.dir().join("copy");
    let copy = copy.to_str().unwrap();
    let short = with_passphrase(&here, &["daemon", "backup", "--to", copy], "short");
    assert!(short.code == 2 && !std::path::Path::new(copy).exists(), "{short:?}");
    let made = with_passphrase(&here, &["daemon", "backup", "--to", copy, "--json"], "correct horse");
    assert_eq!(
        made.json()["parts"],
        json!(["daemon/host_fingerprint.json", "profiles/ann.json"]),
        "{made:?}"
    );
    assert_eq!(mode(std::path::Path::new(copy)), 0o600);
    assert_eq!(with_passphrase(&here, &["daemon", "backup", "--to", copy], "correct horse").code, 1);

    let restore = |more: &[&str], passphrase: &str| {
        let arguments = [&["daemon", "restore", "--from", copy, "--json"], more].concat();
        with_passphrase(&there, &arguments, passphrase)
    };
    let wrong = restore(&["--replace"], "correct horsf");
    assert!(wrong.code == 3 && wrong.err.contains("passphrase"), "{wrong:?}");
    let careful = restore(&[], "correct horse");
    assert!(careful.code == 3 && careful.err.contains("ann.json"), "{careful:?}");
    let profile = there.data().join("profiles/ann.json");
    let public = |byte: u8| HEXLOWER.encode(SigningKey::from_bytes(&[byte; 32]).verifying_key().as_bytes());
    assert!(fs::read_to_string(&profile).unwrap().contains(&public(2)), "nothing was replaced yet");
    let done = restore(&["--replace"], "correct horse");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(fs::read_to_string(&profile).unwrap().contains(&public(1)));
    let former = fs::read_to_string(there.data().join("daemon/keypair-archive/ann.json")).unwrap();
    assert!(former.contains(&public(2)) && !former.contains(&public(1)), "{former}");
    let again = restore(&[], "correct horse");
    assert_eq!(again.code, 0, "what is there already may be put back again: {again:?}");

    let held = fs::File::open(there.data().join("daemon/daemon.pid")).unwrap();
    held.lock().unwrap();
    let ran = restore(&["--replace"], "correct horse");
    assert!(ran.code == 1 && ran.err.contains("daemon down"), "{ran:?}");
}

#[test]
fn a_backup_may_be_called_by_a_bare_name_in_the_working_directory() {
    let town = Town::new();
    joined(&town);
    fs::write(town.dir().join("passphrase"), "correct horse\n").unwrap();
    let backup = ["daemon", "backup", "--to", "ann.backup", "--passphrase-file", "passphrase"];
    let made = town.run(&backup);
    assert!(made.code == 0 && made.out.contains("ann.backup"), "{made:?}");
    fs::remove_file(town.data().join("profiles/demo.json")).unwrap();
    town.json(&["daemon", "restore", "--from", "ann.backup", "--passphrase-file", "passphrase"]);
    assert!(town.data().join("profiles/demo.json").exists());
    assert_eq!(town.run(&backup).code, 1, "what is there is never replaced");
}

/// Whether what is typed at a terminal shows.
fn shows(terminal: &impl AsFd) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO)
}

#[test]
fn whoever_stops_at_the_passphrase_has_a_terminal_that_shows_what_is_typed() {
    let town = Town::new();
    joined(&town);
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let terminal = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        assert!(shows(&terminal));
        let mut command = town.command(&["daemon", "backup", "--to", "copy"]);
        command.stdin(terminal.try_clone().unwrap());
        let mut backup = Process::logging(command);
        await_that("the question", || !shows(&terminal));
        backup.signal(signal);
        assert_eq!(backup.ends(PATIENCE).signal(), Some(signal.as_raw()), "it ends as if nothing were done");
        assert!(shows(&terminal), "{signal:?}");
    }
    assert!(!town.dir().join("copy").exists());
}

/// Whether a folder has a file of that name, or a draft of it.
fn has(folder: &std::path::Path, name: &str, is_draft: bool) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let names = entries.map_while(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let fits = |file: String| match is_draft {
        true => file.starts_with(&format!("{name}.")),
        false => file == name,
    };
    names.into_iter().any(fits)
}

#[test]
fn f_dmn_11_a_change_of_keys_that_is_killed_at_a_step_leaves_the_old_key_or_the_new_one_and_loses_none() {
    let (here, there) = (Town::new(), Town::new());
    let import = |town: &Town, byte: u8| {
        fs::write(town.dir().join("config.json"), claudemesh(&[("ann", byte)]).to_string()).unwrap();
        town.json(&["daemon", "import", "--from", "config.json"]);
    };
    import(&here, 1);
    let copy = there.dir().join("copy");
    let copy = copy.to_str().unwrap();
    let made = with_passphrase(&here, &["daemon", "backup", "--to", copy, "--json"], "correct horse");
    assert_eq!(made.code, 0, "{made:?}");
    let (profiles, archive) = (there.data().join("profiles"), there.data().join("daemon/keypair-archive"));
    let public = |byte: u8| HEXLOWER.encode(SigningKey::from_bytes(&[byte; 32]).verifying_key().as_bytes());
    let restore = ["daemon", "restore", "--from", copy, "--replace"];
    // As soon as a step can be seen from outside, the process is killed: in it, or in one that follows.
    for (folder, is_draft) in [(&archive, true), (&archive, false), (&profiles, true)] {
        let _ = fs::remove_dir_all(&archive);
        let _ = fs::remove_dir_all(&profiles);
        import(&there, 2);
        let mut child = there.command(&restore).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
        while child.try_wait().unwrap().is_none() && !has(folder, "ann.json", is_draft) {
            thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        let text = fs::read_to_string(profiles.join("ann.json")).unwrap();
        let profile: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let former = fs::read_to_string(archive.join("ann.json")).unwrap_or_default();
        let is_new = profile["pubkey"] == public(1).as_str();
        assert!(is_new || profile["pubkey"] == public(2).as_str(), "{text}");
        assert!(!is_new || former.contains(&public(2)), "the former key is lost: {former}");
        // What was begun is done by the same command once more.
        let again = with_passphrase(&there, &restore, "correct horse");
        assert_eq!(again.code, 0, "{again:?}");
        assert!(fs::read_to_string(profiles.join("ann.json")).unwrap().contains(&public(1)));
        assert!(fs::read_to_string(archive.join("ann.json")).unwrap().contains(&public(2)));
    }
}

#[test]
fn a_service_is_installed_by_a_unit_and_not_on_a_machine_of_a_build() {
    let town = Town::new();
    let unit = town.dir().join(".config/systemd/user/peermesh-daemon.service");
    for name in ["CI", "GITHUB_ACTIONS", "KUBERNETES_SERVICE_HOST"] {
        let mut command = town.command(&["daemon", "install-service"]);
        let ran = Ran::from(command.env(name, "true").output().unwrap());
        assert!(ran.code == 1 && ran.err.contains("--allow-ci") && ran.err.contains(name), "{ran:?}");
    }
    assert!(!unit.exists());
    if cfg!(target_os = "linux") {
        let mut command = town.command(&["daemon", "install-service", "--allow-ci"]);
        let ran = Ran::from(command.env("CI", "true").output().unwrap());
        assert!(ran.code == 0 && ran.out.contains("systemctl --user enable --now"), "{ran:?}");
        assert!(ran.err.contains("peermesh join"), "{ran:?}");
        let text = fs::read_to_string(&unit).unwrap();
        assert!(text.contains(town.data().to_str().unwrap()) && text.contains("Type=notify"), "{text}");
        let _broker = town.serve();
        town.json(&["mesh", "create", "demo"]);
        let invite = town.json(&["invite", "demo"]);
        town.json(&["join", invite["url"].as_str().unwrap(), "--as", "ann"]);
        let beside = town.run(&["daemon", "up"]);
        assert!(beside.code == 1 && beside.err.contains("systemctl --user enable --now"), "{beside:?}");
        assert!(!town.data().join("daemon/daemon.log").exists(), "nothing was started");
        assert_eq!(town.json(&["daemon", "uninstall-service"])["removed"], true);
        assert!(!unit.exists());
        assert_eq!(town.json(&["daemon", "uninstall-service"])["removed"], false);
        // A daemon that runs makes room for the one of the unit, and its owner hears of it.
        assert_eq!(town.run(&["daemon", "up"]).code, 0);
        let ran = town.run(&["daemon", "install-service", "--allow-ci"]);
        assert!(ran.code == 0 && ran.err.contains("was stopped"), "{ran:?}");
        assert_eq!(town.run(&["daemon", "status"]).code, 1);
        let removed = town.run(&["daemon", "uninstall-service"]);
        assert!(removed.code == 0 && !removed.err.contains("was stopped"), "{removed:?}");
    }
}

#[test]
fn a_broker_tells_the_service_manager_when_it_serves_and_when_it_ends() {
    let town = Town::new();
    let path = town.dir().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut broker = town.serve_with(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    let hear = || {
        let mut word = [0; 64];
        let count = manager.recv(&mut word).unwrap();
        String::from_utf8(word[..count].to_vec()).unwrap()
    };
    assert_eq!(hear(), "READY=1\n");
    broker.signal(Signal::TERM);
    assert_eq!(hear(), "STOPPING=1\n");
    assert!(broker.ends(PATIENCE).success());
}

/// Asks the daemon by TCP; the status of its answer.
fn asked(port: u16, head: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{head}\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

/// Starts a daemon with a mesh whose broker is away.
fn daemon(town: &Town, host: &str, more: &[&str]) -> Process {
    let mut command = town.command(&[&["daemon", "up", "--foreground"], more].concat());
    command.env("PEERMESH_HOST_ID", host);
    Process::logging(command)
}

fn joined(town: &Town) {
    let mut config = claudemesh(&[("demo", 1)]);
    config["meshes"][0]["brokerUrl"] = format!("ws://127.0.0.1:{}/ws", town.port).into();
    fs::write(town.dir().join("config.json"), config.to_string()).unwrap();
    town.json(&["daemon", "import", "--from", "config.json"]);
}

#[test]
fn f_web_01_a_daemon_that_runs_takes_the_former_token_for_a_while_and_no_web_page() {
    let town = Town::new();
    joined(&town);
    let port = free_port();
    let mut daemon = daemon(&town, "one", &["--tcp", &port.to_string()]);
    daemon.says("daemon_started");
    let file = town.data().join("daemon/local-token");
    let bearer = || format!("Authorization: Bearer {}\r\n", fs::read_to_string(&file).unwrap().trim());
    let first = bearer();
    assert_eq!(asked(port, &first), 200);
    assert_eq!(asked(port, "Authorization: Bearer wrong\r\n"), 401);
    assert_eq!(asked(port, ""), 401);
    assert_eq!(asked(port, &format!("{first}Origin: https://evil.example\r\n")), 403);
    assert_eq!(town.json(&["daemon", "rotate-token"])["daemon_told"], true);
    let second = bearer();
    assert_ne!(first, second);
    assert_eq!((asked(port, &first), asked(port, &second)), (200, 200), "the former is good for a minute");
    daemon.signal(Signal::TERM);
    assert!(daemon.ends(PATIENCE).success());
    assert!(!town.data().join("daemon/daemon.sock").exists());
}

#[test]
fn f_dmn_09_a_second_daemon_ends_and_a_killed_one_leaves_no_trace_that_matters() {
    let town = Town::new();
    joined(&town);
    let mut first = daemon(&town, "one", &[]);
    first.says("daemon_started");
    let socket = town.data().join("daemon/daemon.sock");
    assert_eq!(mode(&socket), 0o600);
    let mut second = daemon(&town, "one", &[]);
    assert_eq!(second.ends(PATIENCE).code(), Some(1));
    assert_eq!(town.run(&["daemon", "status"]).code, 0, "the first is not disturbed");
    first.kill();
    assert!(socket.exists());
    let mut third = daemon(&town, "one", &[]);
    third.says("daemon_started");
    assert_eq!(town.run(&["daemon", "status"]).code, 0);
}

#[test]
fn f_dmn_10_a_daemon_that_wakes_up_elsewhere_ends_with_four_until_the_host_is_accepted() {
    let town = Town::new();
    joined(&town);
    let mut first = daemon(&town, "one", &[]);
    first.says("daemon_started");
    first.signal(Signal::TERM);
    assert!(first.ends(PATIENCE).success());
    let mut moved = daemon(&town, "two", &[]);
    assert_eq!(moved.ends(PATIENCE).code(), Some(4));
    assert!(moved.log.iter().any(|line| line.contains("accept-host")), "{:?}", moved.log);
    let mut accept = town.command(&["daemon", "accept-host"]);
    assert!(accept.env("PEERMESH_HOST_ID", "two").status().unwrap().success());
    let mut accepted = daemon(&town, "two", &[]);
    accepted.says("daemon_started");
}
