//! What the system says of processes: their time, memory and ports, and how many files may be open.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The longest wait until a process listens.
const LISTEN_PATIENCE: Duration = Duration::from_secs(15);
/// The kernel's clock ticks a second, as `/proc` counts them on Linux.
const TICKS_A_SECOND: u32 = 100;
/// Files that a process has open besides its connections.
const OTHER_FILES: u64 = 64;

/// What the system says of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time on a processor.
    pub cpu: Cpu,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// The most that it was since the process began, in bytes.
    pub rss_peak_bytes: u64,
    /// Bytes handed to the disk.
    pub disk_bytes: u64,
    /// Times it gave up a processor by itself, over all threads.
    pub switches: u64,
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
    /// The part of it on the threads that write to the store and keep its log short.
    pub store: Duration,
    /// The part of it on the threads that carry events to their target.
    pub couriers: Duration,
}

impl Cpu {
    /// What was spent since an earlier look.
    pub fn since(self, earlier: Cpu) -> Cpu {
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
    pub fn of(process: u32) -> io::Result<Usage> {
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
            let is_store = stat.contains("(store-write-") || stat.contains("(store-log)");
            cpu.store += if is_store { spent } else { Duration::ZERO };
            cpu.couriers += if stat.contains("(courier-") { spent } else { Duration::ZERO };
            let status = fs::read_to_string(task.join("status")).unwrap_or_default();
            switches += number(&status, "voluntary_ctxt_switches:");
        }
        let status = fs::read_to_string(format!("{home}/status"))?;
        let io = fs::read_to_string(format!("{home}/io"))?;
        Ok(Usage {
            cpu,
            rss_bytes: number(&status, "VmRSS:") * 1_024,
            rss_peak_bytes: number(&status, "VmHWM:") * 1_024,
            disk_bytes: number(&io, "write_bytes:"),
            switches,
        })
    }
}

/// A free port of loopback, which nobody else is likely to take in the next moment.
///
/// # Errors
/// When the system refuses.
pub fn free_addr() -> io::Result<SocketAddr> {
    free_addrs().map(|[addr]| addr)
}

/// Several of them, each another one.
///
/// # Errors
/// When the system refuses.
pub fn free_addrs<const N: usize>() -> io::Result<[SocketAddr; N]> {
    // All are held until the last is known.
    let held = (0..N).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<io::Result<Vec<_>>>()?;
    let mut addrs = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for (addr, listener) in addrs.iter_mut().zip(&held) {
        *addr = listener.local_addr()?;
    }
    Ok(addrs)
}

/// Waits until somebody listens there.
///
/// # Errors
/// When nobody does for 15 s.
pub fn await_port(addr: SocketAddr) -> io::Result<()> {
    let until = Instant::now() + LISTEN_PATIENCE;
    while let Err(error) = TcpStream::connect(addr) {
        if Instant::now() >= until {
            return Err(io::Error::new(error.kind(), format!("nobody listens on {addr}: {error}")));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Makes sure that this process, and those it starts, may have so many connections each: raises the soft
/// limit to the hard one if need be.
///
/// # Errors
/// When the hard limit is lower; the error says what to do.
pub fn reserve_files(connections: u64) -> io::Result<()> {
    let wanted = connections + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < wanted) {
        let maximum = maximum.unwrap_or(0);
        return Err(io::Error::other(format!(
            "{connections} connections need {wanted} open files and this process may have {maximum}: \
             raise the limit (ulimit -Hn {wanted}) or ask for fewer connections"
        )));
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?)
}

/// What this thread has taken of the processor.
pub fn thread_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanos = u32::try_from(spent.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or(0), nanos)
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
