//! The same loads on what stands beside the broker: NATS, Redis streams, MQTT by Mosquitto, and bare echoes.
//!
//! A rival is started on loopback at a free port with its files in a folder of its own, and ended with the
//! value. One that is not installed is skipped, and the reason told. The script `rivals` fetches them where
//! the system's packages have them, without installing anything.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::traffic::{Flow, To, Traffic, Until};
use super::{Course, LoadError, Mark, Outcome, SETTLE};
use crate::process::{Usage, await_port, free_addr, reserve_files};
use crate::wire::echo::{self, Echo};
use crate::wire::mesh::EVERYBODY;
use crate::wire::nats::{self, Manner};
use crate::wire::pool::Pool;
use crate::wire::{Speaker, mqtt, redis};

/// Something that carries messages too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// NATS without a store.
    Nats,
    /// NATS with streams in files. It acknowledges before it syncs.
    JetStream,
    /// Redis that appends to a stream and syncs every append. Nothing is delivered.
    Redis,
    /// Mosquitto at quality of service 1, in memory.
    Mosquitto,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Nats, Kind::JetStream, Kind::Redis, Kind::Mosquitto];

    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Nats => "NATS core, nothing stored",
            Kind::JetStream => "NATS JetStream, file, ack before sync",
            Kind::Redis => "Redis stream append, sync always",
            Kind::Mosquitto => "Mosquitto, QoS 1, memory",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Kind::Nats | Kind::JetStream => "nats-server",
            Kind::Redis => "redis-server",
            Kind::Mosquitto => "mosquitto",
        }
    }

    /// The program, and where its libraries lie if not where the system's are.
    fn find(self) -> Result<(PathBuf, Option<PathBuf>), String> {
        let fetched = fetched();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let installed = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        for folder in installed {
            if folder.join(self.program()).is_file() {
                return Ok((folder.join(self.program()), None));
            }
        }
        for folder in ["usr/sbin", "usr/bin"] {
            let program = fetched.join(folder).join(self.program());
            if program.is_file() {
                return Ok((program, Some(fetched.clone())));
            }
        }
        Err(format!("{} is not installed, and bench/rivals has not fetched it", self.program()))
    }
}

/// Where the script `rivals` puts what it fetches: beside the folder of this program.
fn fetched() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join("rivals")
}

/// A running rival.
#[derive(Debug)]
pub struct Rival {
    kind: Kind,
    child: Child,
    addr: SocketAddr,
    dir: tempfile::TempDir,
}

impl Rival {
    /// Starts it with its files within `parent`; the reason when it is not there.
    ///
    /// # Errors
    /// When it is there and does not start.
    pub fn start(kind: Kind, parent: &Path) -> io::Result<Result<Rival, String>> {
        let (program, root) = match kind.find() {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let (addr, dir) = (free_addr()?, tempfile::tempdir_in(parent)?);
        let (port, folder) = (addr.port().to_string(), dir.path().display().to_string());
        let mut command = Command::new(program);
        if let Some(root) = root {
            let libraries = fs::read_dir(root.join("usr/lib"))?.flatten().map(|entry| entry.path());
            let all = libraries.chain([root.join("usr/lib")]);
            command.env("LD_LIBRARY_PATH", std::env::join_paths(all).map_err(io::Error::other)?);
        }
        match kind {
            Kind::Nats => command.args(["-a", "127.0.0.1", "-p", &port]),
            Kind::JetStream => command.args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd", &folder]),
            Kind::Redis => command.args(["--port", &port, "--bind", "127.0.0.1", "--dir", &folder]).args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                "",
            ]),
            Kind::Mosquitto => {
                let path = dir.path().join("mosquitto.conf");
                // Root's mosquitto would become another account, which may not read the folder.
                let user = if rustix::process::getuid().is_root() { "user root\n" } else { "" };
                let bounds = "max_inflight_messages 0\nmax_queued_messages 0\n";
                fs::write(
                    &path,
                    format!(
                        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n{bounds}{user}"
                    ),
                )?;
                command.arg("-c").arg(path)
            }
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let rival = Rival { kind, child, addr, dir };
        await_port(addr)?;
        Ok(Ok(rival))
    }

    /// So many pairs, as on a mesh. Redis has senders only.
    ///
    /// # Errors
    /// When a connection ends.
    pub fn pairs(&self, pairs: usize, course: Course) -> Result<Outcome, LoadError> {
        reserve_files(2 * pairs as u64)?;
        let speaker = |place: usize| -> Box<dyn Speaker> {
            let hears = place % 2 == 1;
            match self.kind {
                Kind::Nats => Box::new(nats::Client::new(Manner::Pairs, place, hears)),
                Kind::JetStream => Box::new(nats::Client::new(Manner::Stream, place, hears)),
                Kind::Redis => Box::new(redis::Client::default()),
                Kind::Mosquitto => Box::new(mqtt::Client::new(place, hears)),
            }
        };
        if self.kind == Kind::JetStream {
            nats::make_stream(self.addr, (0..pairs).map(|pair| 2 * pair + 1))?;
        }
        let flows: Vec<Flow> = (0..pairs).map(|pair| Flow::pair(2 * pair, 2 * pair + 1)).collect();
        let mut pool = Pool::new()?;
        pool.join(self.addr, (0..2 * pairs).map(speaker).collect())?;
        let mut traffic = Traffic::new(&flows);
        traffic.listen(&mut pool, SETTLE)?;
        Ok(traffic.measure(&mut pool, course, &mut || self.mark())?)
    }

    /// One sender, many who hear the same.
    ///
    /// # Errors
    /// When a connection ends.
    pub fn fanout(&self, watchers: usize, course: Course) -> Result<Outcome, LoadError> {
        reserve_files(watchers as u64 + 1)?;
        let speaker = |place: usize| -> Box<dyn Speaker> {
            match self.kind {
                Kind::Mosquitto if place == 0 => Box::new(mqtt::Client::new(place, false)),
                Kind::Mosquitto => Box::new(mqtt::Client::watcher(place)),
                _ => Box::new(nats::Client::new(Manner::Fanout, place, place > 0)),
            }
        };
        let mut pool = Pool::new()?;
        pool.join(self.addr, (0..=watchers).map(speaker).collect())?;
        let copies = u32::try_from(watchers).unwrap_or(u32::MAX);
        let flow = Flow { from: 0, to: To::One(EVERYBODY), copies, until: Until::Arrival };
        let mut traffic = Traffic::new(&[flow]);
        traffic.listen(&mut pool, SETTLE)?;
        Ok(traffic.measure(&mut pool, course, &mut || self.mark())?)
    }

    fn mark(&self) -> io::Result<Mark> {
        Ok(Mark { usage: Usage::of(self.child.id())?, ..Mark::default() })
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its folder goes with the value.
        let _ = &self.dir;
    }
}

/// Bytes or frames that come back as they are, on so many connections; what is synced on the way goes into a
/// file in `dir`.
///
/// # Errors
/// When the echo does not start or a connection ends.
pub fn echo(kind: echo::Kind, connections: usize, course: Course, dir: &Path) -> Result<Outcome, LoadError> {
    let server = Echo::start(kind, dir)?;
    let mut pool = Pool::new()?;
    let caller = |_| Box::new(echo::Caller::new(kind)) as Box<dyn Speaker>;
    pool.join(server.addr, (0..connections).map(caller).collect())?;
    let flows: Vec<Flow> = (0..connections).map(|place| Flow::pair(place, place)).collect();
    let mark = || Ok(Mark { usage: server.usage()?, ..Mark::default() });
    Ok(Traffic::new(&flows).measure(&mut pool, course, &mut || mark())?)
}
