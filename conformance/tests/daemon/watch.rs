//! Sessions end with their processes, and with nobody else's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use peermesh_conformance::keys;
use peermesh_core::config::DaemonLimits;
use peermesh_core::daemon::{Daemon, Process};
use peermesh_core::machine::{Cause, Deadline, Input, Machine, Outputs};
use peermesh_core::time::{Mono, Now};
use serde_json::json;

use crate::host::{Town, authorization};
use crate::world::Place;

/// What systems say of process numbers; none while nobody looks.
pub(crate) type Processes = Arc<Mutex<Option<BTreeMap<u32, Process>>>>;

/// A daemon with somebody who looks at processes for it.
pub(crate) struct Watched {
    daemon: Daemon,
    processes: Processes,
    next: Option<Mono>,
}

impl Watched {
    pub(crate) fn new(daemon: Daemon, processes: Processes) -> Watched {
        Watched { daemon, processes, next: None }
    }
}

impl Machine for Watched {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        let deadline = self.daemon.handle(now, input, todo);
        let processes = self.processes.lock().unwrap();
        let Some(processes) = processes.as_ref() else { return deadline };
        let every = DaemonLimits::default().session_look_ms();
        let next = *self.next.get_or_insert_with(|| now.mono.after_millis(every));
        let mut pids = self.daemon.unlooked();
        if next <= now.mono {
            pids = self.daemon.processes();
            self.next = Some(now.mono.after_millis(every));
        }
        let said = |pid: u32| processes.get(&pid).cloned().unwrap_or(Process::Gone);
        let looks: Vec<(u32, Process)> = pids.into_iter().map(|pid| (pid, said(pid))).collect();
        let deadline = if looks.is_empty() { deadline } else { self.daemon.found(now, &looks, todo) };
        let own = self.next.map(|at| Deadline { at, cause: Cause::Local });
        deadline.into_iter().chain(own).min()
    }
}

fn there(start: &str) -> Process {
    Process::There(Some(start.into()))
}

/// Ann's host with a session of that process, about which the system says so.
fn a_session(says: Process) -> (Town, Place) {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    say(&town, says);
    assert_eq!(town.registers(ann, "one", "ann-one").status, 200);
    town.world.wait(100);
    (town, ann)
}

fn say(town: &Town, says: Process) {
    // The process number of every session of these towns.
    *town.processes.lock().unwrap() = Some(BTreeMap::from([(70, says)]));
}

fn is_there(town: &mut Town, ann: Place) -> bool {
    let all = town.get(ann, "/v1/sessions").body;
    all["sessions"].as_array().unwrap().iter().any(|session| session["sessionId"] == "id-one")
}

fn has_noted(town: &Town, msg: &str) -> bool {
    town.world.notes.iter().any(|note| note.msg == msg)
}

#[test]
fn a_session_ends_within_a_look_of_its_process_and_others_see_it_leave() {
    let (mut town, ann) = a_session(there("a"));
    let bob = town.hosts("bob");
    town.world.wait(60_000);
    assert!(is_there(&mut town, ann));
    assert!(town.get(bob, "/v1/peers").body.to_string().contains(&keys::public("one")));
    say(&town, Process::Gone);
    town.world.wait(DaemonLimits::default().session_look_ms() + 100);
    assert!(!is_there(&mut town, ann) && has_noted(&town, "session_ended"), "{:?}", town.world.notes);
    // A broker lets a while pass in which a peer may come back.
    town.world.wait(120_000);
    assert!(!town.get(bob, "/v1/peers").body.to_string().contains(&keys::public("one")));
    let shown = authorization("one");
    let me = town.asks(ann, "GET", "/v1/sessions/me", &[("Authorization", &shown)], None);
    assert_eq!(me.status, 401);
}

#[test]
fn a_number_that_another_process_has_since_is_not_mistaken_for_the_first() {
    let (mut town, ann) = a_session(there("a"));
    say(&town, there("b"));
    town.world.wait(6_000);
    assert!(!is_there(&mut town, ann));
}

#[test]
fn a_number_that_was_given_away_while_the_daemon_was_away_is_noticed() {
    let (mut town, ann) = a_session(there("a"));
    town.world.wait(1_000);
    town.world.kill(ann);
    say(&town, there("b"));
    town.world.start(ann);
    town.world.wait(10_000);
    assert!(!is_there(&mut town, ann));
    town.registers(ann, "one", "ann-one");
    town.world.wait(1_000);
    town.world.kill(ann);
    town.world.start(ann);
    town.world.wait(10_000);
    assert!(is_there(&mut town, ann), "the same process goes on");
}

#[test]
fn a_process_that_cannot_be_seen_from_here_keeps_its_session() {
    let (mut town, ann) = a_session(Process::Gone);
    town.world.wait(60_000);
    assert!(is_there(&mut town, ann) && has_noted(&town, "session_process_unseen"));
    say(&town, there("b"));
    town.world.wait(60_000);
    say(&town, Process::Gone);
    town.world.wait(60_000);
    assert!(is_there(&mut town, ann), "whoever had the number meanwhile was somebody else");
}

#[test]
fn what_the_system_does_not_tell_is_said_once() {
    for (says, lacks) in [(Process::Untold, "silence alone"), (Process::There(None), "used again")] {
        let (mut town, ann) = a_session(says);
        town.world.wait(60_000);
        assert!(is_there(&mut town, ann));
        let told = town.world.notes.iter().filter(|note| note.msg == "processes_untold");
        let told: Vec<String> = told.map(|note| format!("{note:?}")).collect();
        assert!(told.len() == 1 && told[0].contains(lacks), "{told:?}");
    }
    let body = json!({ "sessions": [] });
    let (mut town, ann) = a_session(Process::There(None));
    say(&town, Process::Gone);
    town.world.wait(6_000);
    assert_eq!(town.get(ann, "/v1/sessions").body, body, "that it is gone is told all the same");
}
