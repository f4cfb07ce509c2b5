//! What the command says about itself, and the exit codes it promises.

mod town;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use town::Town;

#[test]
fn help_shows_every_subcommand_and_every_exit_code() {
    let ran = Town::new().run(&["--help"]);
    assert_eq!(ran.code, 0);
    let commands = ["serve", "mesh", "invite", "member", "join", "peers", "send", "inbox", "status", "live"];
    for word in commands.into_iter().chain(["canonicalize", "fingerprint"]) {
        assert!(ran.out.contains(&format!("\n  {word}")), "{word} is missing:\n{}", ran.out);
    }
    for word in [
        "health",
        "config",
        "migrate",
        "doctor",
        "completions",
        "  0  ",
        "  1  ",
        "  2  ",
        "  3  ",
        "  4  ",
        "  5  ",
    ] {
        assert!(ran.out.contains(word), "{word:?} is missing:\n{}", ran.out);
    }
}

#[test]
fn the_help_of_a_subcommand_has_examples() {
    let ran = Town::new().run(&["send", "--help"]);
    assert!(ran.code == 0 && ran.out.contains("Examples:") && ran.out.contains("--priority"), "{ran:?}");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let town = Town::new();
    for arguments in [&["bogus"][..], &[], &["send", "bob"], &["send", "bob", "x", "--priority", "soon"]] {
        assert_eq!(town.run(arguments).code, 2, "{arguments:?}");
    }
    let ran = town.run(&["bogus", "--json"]);
    assert_eq!((ran.code, &ran.json()["error"]), (2, &"usage".into()));
}

#[test]
fn an_empty_key_is_refused_and_not_taken_for_none() {
    let town = Town::new();
    for (arguments, flag) in [
        (&["send", "bob", "x", "--id", ""][..], "--id"),
        (&["daemon", "outbox", "requeue", "3hXk2vZrq", "--new-client-id", ""], "--new-client-id"),
    ] {
        let ran = town.run(arguments);
        assert!(ran.code == 2 && ran.err.contains(flag) && ran.err.contains("give a key"), "{ran:?}");
    }
}

#[test]
fn a_variable_that_cannot_be_used_is_refused_by_its_name_and_an_empty_one_is_none() {
    let town = Town::new();
    let with = |arguments: &[&str], name: &str, value: &[u8]| {
        let mut command = town.command(arguments);
        town::Ran::from(command.env(name, OsStr::from_bytes(value)).output().unwrap())
    };
    for (arguments, name) in [
        (&["peers"][..], "PEERMESH_VIA"),
        (&["send", "bob", "x"], "PEERMESH_VIA"),
        (&["inbox"], "PEERMESH_VIA"),
        (&["daemon", "up"], "PEERMESH_HOST_POLICY"),
        (&["live", "info"], "LIVE_WS_PORT"),
    ] {
        let ran = with(arguments, name, b"abc");
        assert!(ran.code == 2 && ran.err.contains(&format!("{name}: abc is not ")), "{arguments:?}: {ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        let plain = town.run(arguments);
        let empty = with(arguments, name, b"");
        assert_eq!((empty.code, empty.err), (plain.code, plain.err), "{arguments:?}");
    }
    for name in [
        "PEERMESH_DATA",
        "PEERMESH_CONFIG",
        "PEERMESH_KEY_FILE",
        "PEERMESH_CA_FILE",
        "PEERMESH_RECORD",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "HOME",
    ] {
        let ran = with(&["doctor"], name, b"/tmp/caf\xe9");
        assert!(ran.code == 2 && ran.err.contains(&format!("{name}: /tmp/caf")), "{name}: {ran:?}");
    }
}

#[test]
fn what_is_not_there_is_exit_code_3() {
    let ran = Town::new().run(&["peers", "--json"]);
    assert_eq!((ran.code, &ran.json()["exit"]), (3, &3.into()));
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.err.contains("peermesh join"), "the way out is missing: {}", ran.err);
}

#[test]
fn a_broker_that_does_not_run_is_exit_code_4() {
    let town = Town::new();
    let port = town.port.to_string();
    for arguments in [&["mesh", "list"][..], &["health"]] {
        let ran = town::Ran::from(town.command(arguments).env("BROKER_PORT", &port).output().unwrap());
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(ran.err.contains("peermesh serve"), "the way out is missing: {}", ran.err);
    }
    let nobody = format!("http://127.0.0.1:{}", town.port);
    assert_eq!(town.run(&["health", "--broker", &nobody]).code, 4);
}

#[test]
fn completions_are_a_script_for_the_shell() {
    let ran = Town::new().run(&["completions", "bash"]);
    assert!(ran.code == 0 && ran.out.contains("_peermesh"), "{ran:?}");
}

#[test]
fn doctor_is_content_with_a_machine_where_nothing_has_run_yet() {
    let checks = Town::new().json(&["doctor"]);
    let checks = checks["checks"].as_array().unwrap();
    assert!(checks.len() >= 8 && checks.iter().all(|check| check["finding"] != "fail"), "{checks:?}");
}
