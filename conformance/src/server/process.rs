//! The processes of a running server, and the shell that ends them.
//!
//! The shell is the parent of the server. It waits for a word on its standard input, whose other end only
//! this process has. Without a word, because this process has ended, it ends the server and removes the
//! folder.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::LOOK;
use super::account::Account;

/// The server's log, in its folder.
pub(super) const LOG: &str = "log";

/// `$1` is the folder; the command of the server follows. Standard error is the log. The shell is deaf to
/// SIGHUP: its group gets one when the tests end while the server is frozen.
const SHELL: &str = r#"
trap '' HUP
folder=$1
shift
"$@" </dev/null >&2 &
server=$!
echo "$server"
exec >/dev/null
word=
read -r word
case $word in
  stop) kill -INT "$server" ;;
  ended) ;;
  *)
    kill -CONT "$server" $(cat "/proc/$server/task/$server/children" 2>/dev/null)
    kill -QUIT "$server"
    ;;
esac
{
  trap 'kill "$nap"; exit' TERM
  sleep 30 & nap=$!
  wait "$nap"
  kill -KILL "$server"
} 2>/dev/null &
limit=$!
wait "$server"
kill "$limit"
[ -n "$word" ] || rm -rf "$folder"
"#;

/// A server that runs.
#[derive(Debug)]
pub(super) struct Running {
    shell: Child,
    server: Pid,
}

impl Running {
    /// Starts a server by this command; its log lies in `folder`.
    pub(super) fn start(server: &Command, account: Option<&Account>, folder: &Path) -> Running {
        let log_path = folder.join(LOG);
        let log = OpenOptions::new().create(true).append(true).open(&log_path).expect("a log");
        if let Some(account) = account {
            account.takes(&log_path);
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SHELL, "sh"]).arg(folder).arg(server.get_program()).args(server.get_args());
        command.env_clear().envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // A group of its own: what a terminal sends to the tests does not reach it.
        command.process_group(0);
        if let Some(account) = account {
            account.runs(&mut command);
        }
        let mut shell = command.spawn().expect("a shell");
        let mut line = String::new();
        let said = shell.stdout.take().expect("its output is piped");
        BufReader::new(said).read_line(&mut line).expect("the shell says a number");
        let number = line.trim().parse().ok().and_then(Pid::from_raw);
        Running { shell, server: number.expect("the number of a process") }
    }

    /// Whether the server has ended by itself. The shell keeps its number from being given to another.
    pub(super) fn has_ended(&self) -> bool {
        let state = status_of(self.server.as_raw_pid());
        state.is_some_and(|(state, _)| state == 'Z')
    }

    /// Ends it in good order.
    pub(super) fn stop(mut self) {
        self.thaw();
        self.say("stop");
    }

    /// Ends it without a chance to say or write anything.
    pub(super) fn kill(mut self) {
        // The first one makes the others: when it stands still, there are no more to come.
        halt(&[self.server]);
        let sessions = self.children();
        let _ = kill_process(self.server, Signal::KILL);
        for session in &sessions {
            let _ = kill_process(*session, Signal::KILL);
        }
        self.say("ended");
        // What they share in memory stands as long as one of them, and the next server would refuse to start.
        let lives = |session: &Pid| {
            status_of(session.as_raw_pid()).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
        };
        while sessions.iter().any(lives) {
            thread::sleep(LOOK);
        }
    }

    pub(super) fn freeze(&self) {
        halt(&[self.server]);
        halt(&self.children());
    }

    pub(super) fn thaw(&self) {
        for child in self.children() {
            let _ = kill_process(child, Signal::CONT);
        }
        let _ = kill_process(self.server, Signal::CONT);
    }

    /// Says a word to the shell and waits for its end.
    fn say(&mut self, word: &str) {
        let mut input = self.shell.stdin.take().expect("nothing was said yet");
        writeln!(input, "{word}").expect("the shell listens");
        drop(input);
        self.shell.wait().expect("the shell is ours");
    }

    /// The processes that the server has made: one a session, and those that write in the background.
    fn children(&self) -> Vec<Pid> {
        let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let of_ours =
            |number: &i32| status_of(*number).is_some_and(|(_, parent)| parent == self.server.as_raw_pid());
        numbers.filter(of_ours).filter_map(Pid::from_raw).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Stops processes where they are. A signal is only on its way when it was sent, and whoever it is for may do
/// a little more until it arrives; so this waits until all of them stand still.
fn halt(processes: &[Pid]) {
    for process in processes {
        let _ = kill_process(*process, Signal::STOP);
    }
    let moves = |process: &Pid| {
        status_of(process.as_raw_pid()).is_some_and(|(state, _)| !matches!(state, 'T' | 'Z' | 'X'))
    };
    while processes.iter().any(moves) {
        thread::sleep(LOOK);
    }
}

/// The state and the parent of a process: `2` and `S` of `7 (a name) S 2 …`.
fn status_of(process: i32) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
