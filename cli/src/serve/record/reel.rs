//! What all shards of a recorded broker share: where blocks go, and which recording they belong to.
//!
//! *Always holds:* nobody waits here. A block is taken or, when too many bytes wait for the disk,
//! dropped, and then the recording has ended for everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peermesh_core::config::Config;
use peermesh_core::digest::StateHash;
use peermesh_core::ids::ConnId;
use peermesh_core::journal::{Header, Scribe, Stream};

/// Bytes of a block before it goes to the disk.
pub(super) const BLOCK_BYTES: usize = 64 * 1_024;
/// Blocks that are kept to be filled again.
const SPARES_MAX: usize = 16;

/// Something for the thread that writes.
#[derive(Debug)]
pub(super) enum Word {
    /// Facts of a shard, and the turns and state they lead to.
    Block { shard: usize, take: u64, bytes: Vec<u8>, turns: u64, state: StateHash },
    /// All that came before is to stand in the file.
    Show,
    /// A shard's machine has finished; `last` is the highest ticket it used.
    Over { last: u64, is_stopping: bool },
    /// A shard whose machine has finished ends too: no other takes its place after this recording.
    Leaves { take: u64 },
    /// A machine panicked; the answer says that all before this is written.
    Failed(Sender<()>),
}

/// What all shards of a recorded broker share.
#[derive(Debug)]
pub(super) struct Reel {
    pub(super) config: Arc<Config>,
    /// Takes words for the thread that writes.
    pub(super) words: Sender<Word>,
    /// Bytes of blocks on their way.
    pub(super) waiting: AtomicUsize,
    waiting_max: usize,
    /// Which recording it is, from 1. Grows when another one begins.
    pub(super) take: AtomicU64,
    /// Nothing more of this one is wanted.
    pub(super) is_over: AtomicBool,
    /// The disk did not keep up.
    pub(super) has_hole: AtomicBool,
    /// Machines are to finish, so that others can begin.
    pub(super) is_renewing: AtomicBool,
    /// What the machines of this one begin with.
    pub(super) header: Mutex<Arc<Header>>,
    pub(super) scribes: Vec<Arc<Mutex<Scribe>>>,
    /// Words that machines which have finished sent, by sender and recipient.
    pub(super) sent: Vec<Vec<AtomicU64>>,
    /// Connections on their way from one shard to another.
    handed: Mutex<BTreeSet<ConnId>>,
    /// What their scribes know of them.
    moving: Mutex<BTreeMap<ConnId, Stream>>,
    /// Connections of each shard, as it last said.
    pub(super) sockets: Vec<AtomicI64>,
    spares: Mutex<Vec<Vec<u8>>>,
    pub(super) bytes: AtomicU64,
    pub(super) holes: AtomicU64,
}

impl Reel {
    pub(super) fn new(header: Header, words: Sender<Word>, scribes: Vec<Scribe>, is_over: bool) -> Reel {
        let config = Arc::clone(&header.config);
        let waiting_max = usize::try_from(config.limits.record_waiting_bytes_max()).unwrap_or(usize::MAX);
        let sent_by_one = || scribes.iter().map(|_| AtomicU64::new(0)).collect();
        Reel {
            config,
            words,
            waiting: AtomicUsize::new(0),
            waiting_max,
            take: AtomicU64::new(1),
            is_over: AtomicBool::new(is_over),
            has_hole: AtomicBool::new(false),
            is_renewing: AtomicBool::new(false),
            header: Mutex::new(Arc::new(header)),
            sent: scribes.iter().map(|_| sent_by_one()).collect(),
            handed: Mutex::default(),
            sockets: scribes.iter().map(|_| AtomicI64::new(0)).collect(),
            scribes: scribes.into_iter().map(|scribe| Arc::new(Mutex::new(scribe))).collect(),
            moving: Mutex::default(),
            spares: Mutex::default(),
            bytes: AtomicU64::new(0),
            holes: AtomicU64::new(0),
        }
    }

    /// Sends the block under way to the thread that writes. The caller holds the scribe, so that blocks of a
    /// shard are sent in their order.
    pub(super) fn hand_over(&self, shard: usize, take: u64, scribe: &mut Scribe) {
        let spare = locked(&self.spares).pop().unwrap_or_default();
        let Some(bytes) = scribe.take_block(spare) else { return };
        if self.is_over.load(Ordering::Acquire) {
            return;
        }
        let length = bytes.len();
        // A block on its own always has its place, however long what came was.
        let waiting = self.waiting.fetch_add(length, Ordering::Relaxed);
        if waiting > 0 && waiting.saturating_add(length) > self.waiting_max {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            self.has_hole.store(true, Ordering::Relaxed);
            self.is_over.store(true, Ordering::Release);
            return;
        }
        let (turns, state) = (scribe.turns(), scribe.state());
        // The thread outlives all shards, or the process is over.
        let _ = self.words.send(Word::Block { shard, take, bytes, turns, state });
    }

    /// Takes a block back that was written.
    pub(super) fn take_back(&self, spare: Vec<u8>) {
        self.waiting.fetch_sub(spare.len(), Ordering::Relaxed);
        let mut spares = locked(&self.spares);
        if spares.len() < SPARES_MAX && spare.capacity() <= 4 * BLOCK_BYTES {
            spares.push(spare);
        }
    }

    /// True when an eighth of what may wait for the disk does: one write that takes long must not fill the
    /// rest.
    pub(super) fn is_behind(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > self.waiting_max / 8
    }

    pub(super) fn shards(&self) -> usize {
        self.scribes.len()
    }

    /// Words that finished machines of each shard sent to this one.
    pub(super) fn sent_to(&self, shard: usize) -> Vec<u64> {
        self.sent.iter().map(|sent| sent[shard].load(Ordering::Relaxed)).collect()
    }

    /// A machine lets a connection go to another shard.
    pub(super) fn lets_go(&self, conn: ConnId) {
        locked(&self.handed).insert(conn);
    }

    /// A connection came to another shard: true when the machine that let it go is of this recording.
    pub(super) fn takes_up(&self, conn: ConnId) -> bool {
        locked(&self.handed).remove(&conn)
    }

    pub(super) fn departs(&self, departed: impl Iterator<Item = (ConnId, Stream)>) {
        let mut departed = departed.peekable();
        if departed.peek().is_some() {
            locked(&self.moving).extend(departed);
        }
    }

    pub(super) fn arrival(&self, conn: ConnId) -> Option<Stream> {
        locked(&self.moving).remove(&conn)
    }

    /// True when nobody is connected, as far as shards have said.
    pub(super) fn is_quiet(&self) -> bool {
        self.sockets.iter().all(|sockets| sockets.load(Ordering::Relaxed) == 0)
    }

    /// Forgets what belonged to the recording before.
    pub(super) fn clear(&self) {
        locked(&self.handed).clear();
        locked(&self.moving).clear();
        self.has_hole.store(false, Ordering::Relaxed);
    }
}

/// What is guarded stays whole: nothing under these locks can panic half way.
pub(super) fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use peermesh_core::journal::Payloads;
    use peermesh_core::machine::{Input, Outputs};
    use peermesh_core::time::Now;

    use super::super::anew;
    use super::*;

    /// A writer that takes nothing for ever, as a disk that hangs.
    #[test]
    fn a_disk_that_hangs_ends_the_recording_within_its_bound_and_nobody_waits() {
        let config = Arc::new(super::super::tests::config());
        let (words, said) = channel();
        let (header, scribes) = anew(Payloads::Full, &config, 1, 0).unwrap();
        let reel = Reel::new(header, words, scribes, false);
        let mut bytes = [7; 40_000];
        for _ in 0..100 {
            let mut scribe = locked(&reel.scribes[0]);
            scribe.told(Now::default(), &Input::Received { conn: ConnId(1), bytes: &mut bytes });
            scribe.said(&Outputs::new(), 0, None);
            reel.hand_over(0, 1, &mut scribe);
        }
        assert!(reel.is_over.load(Ordering::Relaxed) && reel.has_hole.load(Ordering::Relaxed));
        let waiting = reel.waiting.load(Ordering::Relaxed);
        let bound = config.limits.record_waiting_bytes_max();
        assert!(waiting > 0 && waiting as u64 <= bound, "{waiting} of {bound}");
        let blocks = said.try_iter().count();
        assert_eq!(blocks, usize::try_from(bound).unwrap() / 40_100);
    }
}
