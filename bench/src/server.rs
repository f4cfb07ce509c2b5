//! The broker under measurement: the shipped program as a child process.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{ADMIN_TOKEN, Ask, body, request};
use crate::process::{Usage, free_addrs};
use crate::wire::{live, runner};

/// From the start of the process to its first answer.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Where its data is.
#[derive(Clone, Debug)]
pub enum Home {
    /// A folder of its own within this one, gone with it.
    Fresh(PathBuf),
    /// This folder, which stays.
    Kept(PathBuf),
}

/// What is started, and how.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program `peermesh`.
    pub program: PathBuf,
    /// Where its data is.
    pub home: Home,
    /// Variables besides those that every broker under measurement has.
    pub more: Vec<(String, String)>,
}

impl Setup {
    /// The same with one variable more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Setup {
        self.more.push((name.to_owned(), value.to_string()));
        self
    }
}

/// A running `peermesh serve`. Ends with the value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where peers come in.
    pub addr: SocketAddr,
    /// Where runners do.
    pub runners: SocketAddr,
    /// Where watchers do.
    pub live: SocketAddr,
    /// From the start of the process to its first good answer.
    pub started_in: Duration,
    _dir: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts it with three ports that are free. Events of runners go to `target`, if there is one.
    ///
    /// # Errors
    /// When it does not start, or does not answer in time.
    pub fn start(setup: &Setup, target: Option<SocketAddr>) -> io::Result<Server> {
        // A connection on its way out may take one of the ports before the broker does.
        Server::start_once(setup, target).or_else(|_| Server::start_once(setup, target))
    }

    fn start_once(setup: &Setup, target: Option<SocketAddr>) -> io::Result<Server> {
        let (data, dir) = match &setup.home {
            Home::Kept(data) => (data.clone(), None),
            Home::Fresh(parent) => {
                let dir = tempfile::tempdir_in(parent)?;
                (dir.path().join("mesh"), Some(dir))
            }
        };
        let [addr, runners, live] = free_addrs()?;
        let mut command = Command::new(&setup.program);
        command
            .arg("serve")
            .arg("--data")
            .arg(data)
            .env_clear()
            .env("PEERMESH_HOST", "127.0.0.1")
            .env("BROKER_PORT", addr.port().to_string())
            .env("PEERMESH_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("PEERMESH_LOG", "error")
            // Counters are read at the edges of the measured time, so they are published often.
            .env("PEERMESH_STATS_MS", "20")
            .env("PORT", runners.port().to_string())
            .env("RUNNER_SHARED_SECRET", runner::SECRET)
            .env("LIVE_WS_PORT", live.port().to_string())
            .env("LIVE_WS_HOST", "127.0.0.1")
            .env("LIVE_AUTH_SECRET", live::SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        if let Some(target) = target {
            command.env("RUNNER_EVENT_TARGET_URL", format!("http://{target}"));
        }
        let began = Instant::now();
        let more = setup.more.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let child = command.envs(more).spawn().map_err(|error| named(&setup.program, &error))?;
        let mut server = Server { child, addr, runners, live, started_in: Duration::ZERO, _dir: dir };
        server.await_answer(began)?;
        server.started_in = began.elapsed();
        Ok(server)
    }

    /// What the system says of it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> io::Result<Usage> {
        Usage::of(self.child.id())
    }

    /// Asks it to end in good order, so that its data is whole for the next one.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(mut self) -> io::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        }
        self.child.wait()?;
        Ok(())
    }

    fn await_answer(&mut self, began: Instant) -> io::Result<()> {
        loop {
            match self.addr.ask(&request("GET", "/health", None)) {
                Ok(answer) if answer.starts_with(b"HTTP/1.1 200") => return Ok(()),
                answer if began.elapsed() > START_PATIENCE => {
                    let said = answer.map(|answer| String::from_utf8_lossy(&answer).into_owned());
                    return Err(io::Error::other(format!("the broker did not start: {said:?}")));
                }
                Ok(_) | Err(_) => thread::sleep(Duration::from_millis(2)),
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the broker ended at its start: {status}")));
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of it is left after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One series of a broker's metrics page; 0 when the page does not show it.
///
/// # Errors
/// When it does not answer.
pub fn metric(mut broker: SocketAddr, series: &str) -> io::Result<u64> {
    let answer = broker.ask(&request("GET", "/metrics", None))?;
    let page = String::from_utf8_lossy(body(&answer)).into_owned();
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(line.and_then(|value| value.parse().ok()).unwrap_or(0))
}

/// Connects to somebody who is said to listen there.
///
/// # Errors
/// When nobody does; it says where.
pub(crate) fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let nobody = |error: io::Error| io::Error::new(error.kind(), format!("nobody answers at {to}: {error}"));
    TcpStream::connect(to).map_err(nobody)
}

impl Ask for SocketAddr {
    type Error = io::Error;

    fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = connect(*self)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn named(program: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", program.display()))
}
