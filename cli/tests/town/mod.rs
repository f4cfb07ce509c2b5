//! A small town for tests: one data directory, one broker process on a free port, commands that run against
//! it.

#![allow(dead_code, reason = "each test file uses its own part of the town")]

pub(crate) mod hosts;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::server::{Database, free_port};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything that must happen may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How much of what a process said is shown when a test fails.
const LINES_TOLD: usize = 60;

/// How long one of several tries may take, and what it counts at most.
pub(crate) const TRY: Duration = Duration::from_secs(5);

/// Names what carries the brokers of all tests; without it, they have their default.
const RUNTIME: &str = "PEERMESH_RUNTIME";

/// Names the store of the brokers of all tests: `postgres` gives each town a database of its own. Without it,
/// they keep their store in files.
const STORE: &str = "PEERMESH_TEST_STORE";

/// Patience with a broker that is tried again and again. A try counts [`TRY`] at most: a machine that stood
/// still meanwhile says nothing about the broker.
pub(crate) struct Patience {
    left: Duration,
    since: Instant,
}

impl Patience {
    /// As much as that, counted from here.
    pub(crate) fn of(all: Duration) -> Patience {
        Patience { left: all, since: Instant::now() }
    }

    /// Counts a try that failed; false when it was the last.
    pub(crate) fn lasts(&mut self) -> bool {
        let began = std::mem::replace(&mut self.since, Instant::now());
        self.left = self.left.saturating_sub((self.since - began).min(TRY));
        !self.left.is_zero()
    }
}

/// A data directory and the port its broker uses.
pub(crate) struct Town {
    dir: TempDir,
    pub(crate) port: u16,
    /// Whatever other towns have.
    keeps_files: bool,
    /// Made when it is first needed.
    database: OnceLock<Database>,
}

impl Town {
    /// An empty town.
    pub(crate) fn new() -> Town {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        Town { dir, port, keeps_files: false, database: OnceLock::new() }
    }

    /// An empty town for a test of the store in files.
    pub(crate) fn with_files() -> Town {
        Town { keeps_files: true, ..Town::new() }
    }

    /// Where its broker has its store, unless that is in files.
    fn database_url(&self) -> Option<&str> {
        match std::env::var(STORE) {
            _ if self.keeps_files => None,
            Ok(store) if store == "postgres" => Some(self.database.get_or_init(Database::fresh).url()),
            Ok(store) if !store.is_empty() => panic!("{STORE} is {store:?}, and may be postgres or nothing"),
            _ => None,
        }
    }

    /// The directory everything of this town lies in.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The data directory of broker and peers: the user's own, under a home of the town.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join(".local/share/peermesh")
    }

    /// The command with nothing of the tester's environment but the runtime and the store that brokers are to
    /// be tested on.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peermesh"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path())
            .envs(std::env::var_os(RUNTIME).map(|runtime| (RUNTIME, runtime)))
            .envs(self.database_url().map(|url| ("DATABASE_URL", url)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs a command with that standard input to its end.
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || match stdin.write_all(input) {
                // A command that has read enough need not read on.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
                _ => (),
            });
            child.wait_with_output().unwrap()
        })
    }

    /// Runs a command to its end by a shell, which gives it these streams.
    pub(crate) fn redirect(&self, arguments: &[&str], streams: &str) -> Ran {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("exec \"$0\" \"$@\" {streams}"), env!("CARGO_BIN_EXE_peermesh")]);
        shell.args(arguments).env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        Ran::from(shell.stdin(Stdio::null()).output().unwrap())
    }

    /// Runs a command that must succeed, and gives the one JSON value it printed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let ran = self.run(&arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.json()
    }

    /// Starts a broker and waits until it has its store.
    pub(crate) fn serve(&self) -> Process {
        self.serve_with(&[])
    }

    /// Starts a broker with these variables and waits until it has its store.
    pub(crate) fn serve_with(&self, variables: &[(&str, &str)]) -> Process {
        let mut broker = self.listen_with(variables);
        broker.says("db healthy");
        broker
    }

    /// Starts a broker with these variables and waits only until it listens.
    pub(crate) fn listen_with(&self, variables: &[(&str, &str)]) -> Process {
        let port = self.port.to_string();
        let mut command = self.command(&["serve", "--host", "127.0.0.1", "--port", &port]);
        command.envs(variables.iter().copied());
        let mut broker = Process::logging(command);
        broker.says("broker listening");
        broker
    }

    /// Makes mesh `demo` with these members, each with a profile of its name.
    pub(crate) fn settle(&self, names: &[&str]) {
        self.json(&["mesh", "create", "demo"]);
        let uses = names.len().to_string();
        let invite = self.json(&["invite", "demo", "--uses", &uses]);
        for name in names {
            self.json(&["join", invite["url"].as_str().unwrap(), "--as", name]);
        }
    }

    /// The texts that an inbox prints, in order.
    pub(crate) fn inbox(&self, name: &str) -> Vec<String> {
        let messages = self.json(&["inbox", "--as", name]);
        let text = |message: &Value| message["text"].as_str().unwrap_or("(unreadable)").to_owned();
        messages.as_array().unwrap().iter().map(text).collect()
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The one JSON value on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A process whose lines are read as they come. It is killed when the test ends.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    /// Every line so far.
    pub(crate) log: Vec<String>,
}

impl Process {
    /// Starts a process and reads its standard error.
    pub(crate) fn logging(mut command: Command) -> Process {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stream = child.stderr.take().unwrap();
        Process::reading(child, stream)
    }

    /// Starts a process and reads its standard output.
    pub(crate) fn printing(mut command: Command) -> Process {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stream = child.stdout.take().unwrap();
        Process::reading(child, stream)
    }

    fn reading(child: Child, stream: impl Read + Send + 'static) -> Process {
        let (tell, lines) = channel();
        let reader = BufReader::new(stream);
        thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Process { child, lines, log: Vec::new() }
    }

    /// The next line, read as JSON.
    pub(crate) fn prints(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Waits for a record with this message and gives it.
    pub(crate) fn says(&mut self, msg: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no record {msg:?}; the log is:\n{}", self.log.join("\n"));
            };
            self.log.push(line.clone());
            match serde_json::from_str::<Value>(&line) {
                Ok(record) if record["msg"] == msg => return record,
                _ => {}
            }
        }
    }

    /// Waits until an `inbox --follow` is connected.
    pub(crate) fn greets_follower(&mut self) {
        while self.says("ws hello")["session_id"] != "peermesh-follow" {}
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it where it is. A signal is only on its way when it was sent, and threads that are at work may
    /// do a little more until it arrives; when this returns, all of them stand still.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let child = WaitId::Pid(Pid::from_child(&self.child));
        retry_on_intr(|| waitid(child.clone(), WaitIdOptions::STOPPED)).unwrap();
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it as a power cut would: nothing is flushed, nothing is said.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Says what it said last, for whoever reads why a test failed.
    #[allow(clippy::print_stderr, reason = "the harness shows it with the failure")]
    fn tell_log(&self) {
        let from = self.log.len().saturating_sub(LINES_TOLD);
        let last = self.log[from..].join("\n");
        eprintln!("process {} said last:\n{last}\n", self.child.id());
    }

    /// Waits for its end, which must come within `patience`; reads the rest of its log.
    pub(crate) fn ends(&mut self, patience: Duration) -> ExitStatus {
        let until = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < until,
                "still running after {patience:?}; log:\n{}",
                self.log.join("\n")
            );
            thread::sleep(Duration::from_millis(10));
        };
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push(line);
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.log.extend(self.lines.try_iter());
            self.tell_log();
        }
    }
}

/// The lines of the first shell block under this heading of the README.
pub(crate) fn readme(heading: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).expect("the README has the section");
    let (_, block) = section.split_once("```sh\n").expect("the section has a shell block");
    let (lines, _) = block.split_once("```").expect("the block ends");
    lines.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}
