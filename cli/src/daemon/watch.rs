//! Looks at the processes of sessions: a machine around the daemon's, so that no runtime knows of it.
//!
//! *Decides* nothing: it tells the daemon what the system says of process numbers, at once for fresh ones and
//! every so often for all. A look takes some microseconds for each and never waits.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use peermesh_core::daemon::{Daemon, Process};
use peermesh_core::machine::{Cause, Deadline, Input, Machine, Outputs};
use peermesh_core::time::{Mono, Now};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// The daemon, and when its sessions' processes are looked at next.
#[derive(Debug)]
pub(super) struct Watched {
    daemon: Daemon,
    every: Duration,
    next: Option<Mono>,
    system: System,
}

/// How this system tells of processes.
#[derive(Debug)]
pub(super) enum System {
    /// By files of a directory, as Linux does; with what tells this boot from others.
    Files { dir: PathBuf, boot: String },
    /// By a signal that is not sent: whether a process is there, and not since when.
    Signals,
}

impl Watched {
    pub(super) fn new(daemon: Daemon, every: Duration, system: System) -> Watched {
        Watched { daemon, every, next: None, system }
    }

    fn look(&mut self, now: Now, pids: &[u32], todo: &mut Outputs) -> Option<Deadline> {
        let found: Vec<(u32, Process)> = pids.iter().map(|pid| (*pid, self.system.look(*pid))).collect();
        self.daemon.found(now, &found, todo)
    }
}

impl Machine for Watched {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        let mut deadline = self.daemon.handle(now, input, todo);
        let fresh = self.daemon.unlooked();
        if !fresh.is_empty() {
            deadline = self.look(now, &fresh, todo);
        }
        let next = *self.next.get_or_insert_with(|| now.mono.after(self.every));
        if next <= now.mono {
            let all = self.daemon.processes();
            deadline = self.look(now, &all, todo);
            self.next = Some(now.mono.after(self.every));
        }
        let own = self.next.map(|at| Deadline { at, cause: Cause::Local });
        deadline.into_iter().chain(own).min()
    }
}

impl System {
    /// This one.
    pub(super) fn ours() -> System {
        System::of("/proc")
    }

    fn of(dir: &str) -> System {
        let dir = PathBuf::from(dir);
        match fs::read_to_string(dir.join("sys/kernel/random/boot_id")) {
            Ok(boot) => System::Files { dir, boot: boot.trim().to_owned() },
            Err(_) => System::Signals,
        }
    }

    /// What it says of a number.
    fn look(&self, pid: u32) -> Process {
        match self {
            System::Files { dir, boot } => match fs::read(dir.join(pid.to_string()).join("stat")) {
                Ok(line) => read(&String::from_utf8_lossy(&line), boot),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Process::Gone,
                // The kernel's own word for a process that ends while it is read.
                Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Process::Gone,
                Err(_) => Process::Untold,
            },
            System::Signals => {
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                match pid.map(test_kill_process) {
                    Some(Ok(())) => Process::There(None),
                    // Sessions are programs of this user, so the number of another's is not theirs any more.
                    None | Some(Err(Errno::SRCH | Errno::PERM)) => Process::Gone,
                    Some(Err(_)) => Process::Untold,
                }
            }
        }
    }
}

/// Reads a line of `/proc/PID/stat`. The program's name stands in brackets and may hold anything, so what
/// follows the last of them is read: the state first, and 19 fields further on when the process began, in
/// ticks since the boot.
fn read(line: &str, boot: &str) -> Process {
    let fields: Vec<&str> =
        line.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
    match (fields.first(), fields.get(19)) {
        // It has ended, and waits for whoever started it to hear so.
        (Some(&"Z" | &"X" | &"x"), _) => Process::Gone,
        (Some(_), Some(ticks)) => Process::There(Some(format!("{boot}/{ticks}").into())),
        _ => Process::Untold,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_line_of_the_system_is_read_whatever_a_program_calls_itself() {
        let line = |name: &str, state: &str| {
            let rest: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
            format!("7 ({name}) {state} {}\n", rest.join(" "))
        };
        let there = Process::There(Some("boot/22".into()));
        for name in ["sh", "a b", ") R 1 2", "((", "\u{fffd}"] {
            assert_eq!(read(&line(name, "S"), "boot"), there, "{name}");
            assert_eq!(read(&line(name, "Z"), "boot"), Process::Gone, "{name}");
        }
        for broken in ["", "7", "7 (sh", "7 (sh) S 1 2"] {
            assert_eq!(read(broken, "boot"), Process::Untold, "{broken}");
        }
    }

    #[test]
    fn a_process_is_there_until_it_ends_and_its_start_does_not_change() {
        for system in [System::ours(), System::of("/nowhere")] {
            let mut child = Command::new("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();
            let first = system.look(child.id());
            assert!(matches!(first, Process::There(_)), "{system:?}: {first:?}");
            assert_eq!(system.look(child.id()), first);
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(system.look(child.id()), Process::Gone, "{system:?}");
        }
        assert_eq!(System::of("/nowhere").look(u32::MAX), Process::Gone);
        assert_eq!(System::ours().look(u32::MAX), Process::Gone);
    }
}
