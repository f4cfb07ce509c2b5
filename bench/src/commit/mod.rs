//! The embedded store alone: what accepting and settling a message costs when many share a commit.
//!
//! One *life* accepts a batch and settles the batch before it, in one commit: the steady state of a busy
//! broker. The limit beside it appends the same bytes to a file and syncs them.

mod log;

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peermesh_core::ids::{MailboxNo, MeshNo, Position};
use peermesh_core::store::{
    Accept, Batch, Driver, Message, Op, Outcome, Priority, Settled, StoreError, Target,
};
use peermesh_core::time::Wall;
use peermesh_store::sqlite::{self, OpenError};
use rusqlite::Connection;
use rustix::time::{ClockId, clock_gettime};

use crate::peer::CIPHERTEXT_BYTES;

use self::log::{FRAME_BYTES, Log};

/// Members that messages go between, in [`MESHES`] meshes.
const MEMBERS: i64 = 1_000;
const MESHES: i64 = 10;
/// Messages of one commit while the file is filled.
const FILL_BATCH: u64 = 1_024;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A commit failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tables cannot be counted.
    #[error(transparent)]
    Count(#[from] rusqlite::Error),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What lives of one size came to.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    /// Messages of one commit.
    pub batch: u64,
    /// Messages accepted and settled.
    pub messages: u64,
    /// Commits.
    pub commits: u64,
    /// Time on a processor.
    pub cpu: Duration,
    /// Time on the clock.
    pub elapsed: Duration,
    /// How often each page went into the write-ahead log.
    pub pages: HashMap<u32, u64>,
    /// Bytes written in all, checkpoints included.
    pub written_bytes: u64,
    /// The same log bytes, appended to a plain file and synced as often.
    pub raw: Raw,
}

impl Lives {
    /// Bytes that went into the write-ahead log.
    pub fn wal_bytes(&self) -> u64 {
        self.pages.values().sum::<u64>() * FRAME_BYTES
    }
}

/// What the limit came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw {
    /// Time on a processor.
    pub cpu: Duration,
    /// Time on the clock.
    pub elapsed: Duration,
}

/// One table of a filled store.
#[derive(Debug)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its pages.
    pub pages: Vec<u32>,
}

/// Stored messages from nobody to nobody in particular, on a file of its own.
pub struct Ledger {
    writer: Box<dyn Driver>,
    dir: tempfile::TempDir,
    next: u64,
    /// The last batch, which the next life settles.
    unsettled: Vec<Arc<Message>>,
}

impl Ledger {
    /// An empty store in a directory of its own inside `parent`.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn open(parent: &Path) -> Result<Ledger, CommitError> {
        let dir = tempfile::tempdir_in(parent)?;
        let writer = sqlite::open(dir.path(), 0)?.writer;
        Ok(Ledger { writer, dir, next: 1, unsettled: Vec::new() })
    }

    /// Lives until that many messages are stored.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn fill(&mut self, messages: u64) -> Result<(), CommitError> {
        while self.next <= messages {
            let batch = self.life(FILL_BATCH);
            self.write(batch)?;
        }
        Ok(())
    }

    /// Lives of that size for a time, then the limit with the same bytes.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn live(&mut self, batch: u64, time: Duration) -> Result<Lives, CommitError> {
        let mut lives = Lives { batch, ..Lives::default() };
        let mut log = Log::watch(self.dir.path())?;
        let first = self.life(batch);
        self.write(first)?;
        log.grown()?;
        let started = Instant::now();
        while started.elapsed() < time {
            let ops = self.life(batch);
            let (cpu, written, clock) = (cpu_time(), written_bytes()?, Instant::now());
            self.write(ops)?;
            lives.elapsed += clock.elapsed();
            lives.cpu += cpu_time().saturating_sub(cpu);
            lives.written_bytes += written_bytes()?.saturating_sub(written);
            for page in log.grown()? {
                *lives.pages.entry(page).or_default() += 1;
            }
            lives.commits += 1;
            lives.messages += batch;
        }
        let bytes = lives.wal_bytes() / lives.commits.max(1);
        lives.raw = append(self.dir.path(), bytes, lives.commits, time)?;
        Ok(lives)
    }

    /// Accepts single messages, so many a second, and gives how long each commit took. At such a pace the
    /// disk and the processor fall asleep in between, as they do under a broker with little to do.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn paced(&mut self, rate: f64, time: Duration) -> Result<Vec<Duration>, CommitError> {
        let (began, mut took, mut due) = (Instant::now(), Vec::new(), Duration::ZERO);
        while due < time {
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            let ops = self.life(1);
            let clock = Instant::now();
            self.write(ops)?;
            took.push(clock.elapsed());
            due += Duration::from_secs_f64(1.0 / rate);
        }
        Ok(took)
    }

    /// Messages stored so far.
    pub fn stored(&self) -> u64 {
        self.next - 1
    }

    /// The tables of this store by size, after everything in its log has been moved into them.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn tables(self) -> Result<Vec<TableSize>, CommitError> {
        drop(self.writer);
        let conn = Connection::open(self.dir.path().join("peermesh.db"))?;
        // A table of rowids has its rows in leaves only; a clustered one keeps some in inner pages too.
        let sql = "SELECT name, pageno, CASE WHEN pagetype = 'leaf' OR name IN ('pending', 'settled') \
            THEN ncell ELSE 0 END FROM dbstat ORDER BY name";
        let mut read = conn.prepare(sql)?;
        let mut pages = read.query(())?;
        let mut tables: Vec<TableSize> = Vec::new();
        while let Some(page) = pages.next()? {
            let name: String = page.get(0)?;
            if tables.last().is_none_or(|table| table.name != name) {
                tables.push(TableSize { name, rows: 0, pages: Vec::new() });
            }
            if let Some(table) = tables.last_mut() {
                table.pages.push(page.get(1)?);
                table.rows += u64::try_from(page.get::<_, i64>(2)?).unwrap_or(0);
            }
        }
        tables.sort_by_key(|table| std::cmp::Reverse(table.pages.len()));
        Ok(tables)
    }

    fn write(&mut self, ops: Vec<Op>) -> Result<(), CommitError> {
        for result in self.writer.write(&[Arc::new(Batch::from(ops))]) {
            result?;
        }
        self.writer.rest();
        Ok(())
    }

    /// Accepts that many messages and settles those of the life before.
    fn life(&mut self, messages: u64) -> Vec<Op> {
        let before = std::mem::take(&mut self.unsettled);
        let mut ops: Vec<Op> = before.iter().map(|message| settle(message)).collect();
        for _ in 0..messages {
            let message = Arc::new(letter(self.next));
            self.next += 1;
            ops.push(Op::Accept(Accept {
                message: Arc::clone(&message),
                mailboxes: Arc::new([recipient(&message)]),
                mentions: Arc::default(),
                old: None,
                receipt: None,
            }));
            self.unsettled.push(message);
        }
        ops
    }
}

/// A message with the fields of a daemon's, between two of the members, who follow from its number.
fn letter(number: u64) -> Message {
    let member = |salt: u64| {
        // Any mixing will do: neighbours in time must not be neighbours in the tables.
        let mixed = (number ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        i64::try_from(mixed % u64::try_from(MEMBERS).unwrap_or(1)).unwrap_or(0) + 1
    };
    let (from, to) = (member(1), member(2));
    let base64 = |bytes: usize| data_encoding::BASE64.encode(&number.to_le_bytes().repeat(bytes / 8));
    Message {
        position: Position(number),
        mesh: MeshNo(from % MESHES + 1),
        sender: MailboxNo(from),
        session: MailboxNo(from),
        target: Target::Mailbox(MailboxNo(to)),
        priority: Priority::Next,
        at: Wall::from_millis(1_700_000_000_000).after_millis(number / 50),
        nonce: base64(24).into(),
        ciphertext: base64(CIPHERTEXT_BYTES).into(),
        client_message_id: Some(format!("{from:08x}-0000-4000-8000-{number:012x}").into()),
        request_fingerprint: Some(crate::peer::hex(&[0xf1; 32]).into()),
        reply_to: None,
    }
}

/// Who is to have it.
fn recipient(message: &Message) -> MailboxNo {
    match message.target {
        Target::Mailbox(to) => to,
        Target::Spec(_) => message.sender,
    }
}

fn settle(message: &Message) -> Op {
    Op::Settle(Settled {
        position: message.position,
        mailbox: recipient(message),
        priority: message.priority,
        at: message.at.after_millis(5),
        outcome: Outcome::Delivered,
    })
}

/// Appends `bytes` to a plain file and syncs them, that many times or as long as the time lasts.
fn append(dir: &Path, bytes: u64, times: u64, time: Duration) -> io::Result<Raw> {
    let path = dir.join("raw");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let bytes = vec![0x5a; usize::try_from(bytes).unwrap_or(0)];
    let (cpu, clock, mut done) = (cpu_time(), Instant::now(), 0);
    while done < times && clock.elapsed() < time {
        file.write_all(&bytes)?;
        file.sync_data()?;
        done += 1;
    }
    let scale = |spent: Duration| spent.mul_f64(approximate(times) / approximate(done.max(1)));
    let raw = Raw { cpu: scale(cpu_time().saturating_sub(cpu)), elapsed: scale(clock.elapsed()) };
    fs::remove_file(path)?;
    Ok(raw)
}

/// A count as a factor.
fn approximate(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Time this process spent on a processor: the log is copied on a thread of its own.
fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(spent.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or(0), nanos)
}

/// Bytes this process has passed to the system for writing.
fn written_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    let bytes =
        text.lines().find_map(|line| line.strip_prefix("wchar: ")).and_then(|bytes| bytes.parse().ok());
    bytes.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("dir", &self.dir).field("next", &self.next).finish_non_exhaustive()
    }
}
