//! The broker under measurement: the shipped program as a child process, and what the system says of it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{ADMIN_TOKEN, Ask, body, request};

/// From the start of the process to its first answer.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// The longest wait for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// The kernel's clock ticks a second, as `/proc` counts them on Linux.
const TICKS_A_SECOND: u32 = 100;

/// A running `peermesh serve` on a data directory of its own. Ends with the value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    _dir: tempfile::TempDir,
}

/// What the system says of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Time on a processor.
    pub(crate) cpu: Cpu,
    /// Resident memory, in bytes.
    pub(crate) rss_bytes: u64,
    /// Bytes handed to the disk.
    pub(crate) disk_bytes: u64,
    /// Times it gave up a processor by itself, over all threads.
    pub(crate) switches: u64,
}

/// Time that a process spent on a processor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// All of it.
    pub whole: Duration,
    /// The part of it inside the kernel.
    pub kernel: Duration,
    /// The part of it on the threads of shards and of connections.
    pub shards: Duration,
    /// The part of it on the threads that write to the store.
    pub store: Duration,
    /// The part of it on the threads that carry events to their target.
    pub couriers: Duration,
}

impl Cpu {
    /// What was spent since an earlier look.
    pub(crate) fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            whole: self.whole.saturating_sub(earlier.whole),
            kernel: self.kernel.saturating_sub(earlier.kernel),
            shards: self.shards.saturating_sub(earlier.shards),
            store: self.store.saturating_sub(earlier.store),
            couriers: self.couriers.saturating_sub(earlier.couriers),
        }
    }
}

impl Usage {
    /// What the system says of a process.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn of(process: u32) -> io::Result<Usage> {
        let home = format!("/proc/{process}");
        let [user, kernel] = times(&fs::read_to_string(format!("{home}/stat"))?);
        let mut cpu = Cpu { whole: user + kernel, kernel, ..Cpu::default() };
        let mut switches = 0;
        for task in fs::read_dir(format!("{home}/task"))? {
            let task = task?.path();
            let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
            let spent: Duration = times(&stat).iter().sum();
            let is_shard = stat.contains("(shard-") || stat.contains("(conn)");
            cpu.shards += if is_shard { spent } else { Duration::ZERO };
            cpu.store += if stat.contains("(store-write-") { spent } else { Duration::ZERO };
            cpu.couriers += if stat.contains("(courier-") { spent } else { Duration::ZERO };
            let status = fs::read_to_string(task.join("status")).unwrap_or_default();
            switches += number(&status, "voluntary_ctxt_switches:");
        }
        let status = fs::read_to_string(format!("{home}/status"))?;
        let io = fs::read_to_string(format!("{home}/io"))?;
        Ok(Usage {
            cpu,
            rss_bytes: number(&status, "VmRSS:") * 1_024,
            disk_bytes: number(&io, "write_bytes:"),
            switches,
        })
    }
}

impl Server {
    /// Starts the program at `path`, with its data in `parent`, and with these variables besides.
    ///
    /// # Errors
    /// When it does not start, or does not answer in time.
    pub(crate) fn start(path: &Path, parent: &Path, more: &[(&str, &str)]) -> io::Result<Server> {
        let dir = tempfile::tempdir_in(parent)?;
        // A free port, which nobody else is likely to take in the next moment.
        let addr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut command = Command::new(path);
        command
            .arg("serve")
            .arg("--data")
            .arg(dir.path().join("mesh"))
            .env_clear()
            .env("PEERMESH_HOST", "127.0.0.1")
            .env("BROKER_PORT", addr.port().to_string())
            .env("PEERMESH_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("SEND_RATE_LIMIT_PER_MIN", "0")
            .env("PEERMESH_LOG", "error")
            // Counters are read at the edges of the measured time, so they are published often.
            .env("PEERMESH_STATS_MS", "20")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let child = command
            .envs(more.iter().copied())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let mut server = Server { child, addr, _dir: dir };
        server.await_answer()?;
        Ok(server)
    }

    /// What the system says of it.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn usage(&self) -> io::Result<Usage> {
        Usage::of(self.child.id())
    }

    /// One series of its metrics page; 0 when the page does not show it.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn metric(&mut self, series: &str) -> io::Result<u64> {
        let answer = self.ask(&request("GET", "/metrics", None))?;
        let page = String::from_utf8_lossy(body(&answer)).into_owned();
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    fn await_answer(&mut self) -> io::Result<()> {
        let until = Instant::now() + START_PATIENCE;
        loop {
            match self.ask(&request("GET", "/health", None)) {
                Ok(answer) if answer.starts_with(b"HTTP/1.1 200") => return Ok(()),
                Ok(_) | Err(_) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
                Ok(answer) => return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Ask for Server {
    type Error = io::Error;

    fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of it is left after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time in user and in kernel mode, from the system's line about a process or a thread.
fn times(stat: &str) -> [Duration; 2] {
    // The name stands in brackets and may hold anything, so fields are counted from its end.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].map(|place| {
        let ticks = fields.get(place).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Duration::from_secs(ticks) / TICKS_A_SECOND
    })
}

/// The number behind a label, whatever follows it on its line.
fn number(text: &str, label: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok()).unwrap_or(0)
}
