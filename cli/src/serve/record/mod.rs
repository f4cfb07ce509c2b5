//! The flight recorder: everything the shards of this broker are told goes to a bounded ring of files, from
//! which `peermesh replay` lives it again.
//!
//! `tape.rs` wraps each machine, `reel.rs` is what shards share, `ring.rs` is the folder, `spool.rs` a file
//! of it; here is the thread that writes, and decides when a recording ends and another begins.
//!
//! *Always holds:* the broker waits for nothing here. When the disk does not keep up or refuses, the
//! recording ends, and says so where it can; the log and a metric say it anyway.

mod reel;
mod ring;
mod spool;
mod tape;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, io, panic, thread};

use peermesh_core::config::Config;
use peermesh_core::digest::StateHash;
use peermesh_core::ids::ShardId;
use peermesh_core::journal::{End, EndReason, Header, Payloads, Scribe, state_of};
use peermesh_core::machine::Machine;
use peermesh_core::note::{Level, Note};

use super::{ServeError, Voice};
use crate::config::{Recording, Renew};
use crate::failure::Failure;
use crate::home;
use crate::logs::wall_now;
use crate::metrics::Recorded as Counts;
use reel::{Reel, Word, locked};
use ring::Ring;
use spool::Spool;
use tape::Recorded;

pub(crate) use ring::RingError;

/// What shards have not handed over is fetched this often, so that a process that is killed has lost no more.
const TICK: Duration = Duration::from_millis(200);
/// Room for the end of a recording.
const END_BYTES: u64 = 16 * 1_024;
/// The least time between two recordings, where nobody would notice another one.
const QUIET_RENEW: Duration = Duration::from_secs(60);

/// A recorder at work.
#[derive(Debug)]
pub(super) struct Recorder {
    reel: Arc<Reel>,
    /// Ends when everything is written.
    done: Mutex<Receiver<()>>,
}

impl Recorder {
    /// Begins the first recording.
    pub(super) fn start(
        settings: &Recording,
        config: &Arc<Config>,
        shards: u16,
        voice: &Voice,
    ) -> Result<Recorder, Failure> {
        let ring = Ring::open(&settings.dir, config.limits.record_bytes_max()).map_err(ServeError::from)?;
        let (words, said) = channel();
        let (header, scribes) = anew(settings.payloads, config, shards, 0)?;
        let states = states_of(&scribes);
        let reel = Arc::new(Reel::new(header, words, scribes, false));
        let mut writer = Writer {
            settings: settings.clone(),
            ring,
            reel: Arc::clone(&reel),
            voice: voice.clone(),
            spool: None,
            marks: VecDeque::new(),
            kept: 0,
            take: 1,
            began: Instant::now(),
            states,
            over: 0,
            last: 0,
            is_stopping: false,
        };
        writer
            .open()
            .map_err(|error| ServeError::from(RingError::Io { dir: settings.dir.clone(), error }))?;
        let (ended, done) = channel();
        let start = |error| ServeError::Start { what: "the recorder", error };
        let run = move || {
            writer.run(&said);
            drop(ended);
        };
        thread::Builder::new().name("recorder".into()).spawn(run).map_err(start)?;
        let (rescued, before) = (Arc::clone(&reel), panic::take_hook());
        panic::set_hook(Box::new(move |about| {
            tape::rescue(&rescued);
            before(about);
        }));
        Ok(Recorder { reel, done: Mutex::new(done) })
    }

    /// The machines of all shards, recorded.
    pub(super) fn machines(&self) -> Vec<Box<dyn Machine + Send>> {
        let header = Arc::clone(&locked(&self.reel.header));
        let recorded = header.machines().into_iter().enumerate().map(|(shard, machine)| {
            let machine: Box<dyn Machine + Send> =
                Box::new(Recorded::new(shard, machine, Arc::clone(&self.reel)));
            machine
        });
        recorded.collect()
    }

    /// What was counted so far.
    pub(super) fn counts(&self) -> Counts {
        let counted = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Counts { bytes: counted(&self.reel.bytes), holes: counted(&self.reel.holes) }
    }

    /// Waits until the recording is written to its end, once all shards have finished.
    pub(super) fn finish(&self, patience: Duration) {
        let _ = locked(&self.done).recv_timeout(patience);
    }
}

/// What a recording begins with, and a scribe for each shard.
fn anew(
    payloads: Payloads,
    config: &Arc<Config>,
    shards: u16,
    last_ticket: u64,
) -> Result<(Header, Vec<Scribe>), home::HomeError> {
    let seeds = (0..shards).map(|_| home::random::<32>()).collect::<Result<Vec<_>, _>>()?;
    let key = home::random::<16>()?;
    let scribes = (0..shards).map(|shard| Scribe::new(ShardId(shard), payloads, key)).collect();
    let header = Header { began: wall_now(), payloads, seeds, last_ticket, config: Arc::clone(config) };
    Ok((header, scribes))
}

/// Turns and state of each shard, as far as its scribe has come.
fn states_of(scribes: &[Scribe]) -> Vec<(u64, StateHash)> {
    scribes.iter().map(|scribe| (scribe.turns(), scribe.state())).collect()
}

/// The thread that writes.
struct Writer {
    settings: Recording,
    ring: Ring,
    reel: Arc<Reel>,
    voice: Voice,
    /// None once the recording has ended.
    spool: Option<(PathBuf, Spool)>,
    /// Blocks that were put and may not stand in the file yet, in their order.
    marks: VecDeque<Mark>,
    /// Bytes of the file up to the last block that stands in it whole.
    kept: u64,
    take: u64,
    began: Instant,
    /// Turns and state of each shard after its last block that stands in the file.
    states: Vec<(u64, StateHash)>,
    /// Shards whose machines have finished.
    over: usize,
    /// The highest ticket that one of them used.
    last: u64,
    is_stopping: bool,
}

/// A block of a recording: where it ends in the file, and the turns and state its shard had then.
struct Mark {
    end: u64,
    shard: usize,
    state: (u64, StateHash),
}

impl Writer {
    fn run(&mut self, words: &Receiver<Word>) {
        let mut ticked = Instant::now();
        loop {
            match words.recv_timeout(TICK.saturating_sub(ticked.elapsed())) {
                Ok(Word::Block { shard, take, bytes, turns, state }) => {
                    if take == self.take {
                        self.write(shard, &bytes, (turns, state));
                    }
                    self.reel.take_back(bytes);
                }
                Ok(Word::Show) => self.put(Spool::show),
                Ok(Word::Over { last, is_stopping }) => {
                    self.over += 1;
                    self.last = self.last.max(last);
                    self.is_stopping |= is_stopping;
                    if self.has_ended() {
                        return;
                    }
                }
                Ok(Word::Leaves { take }) => {
                    // Another recording may have begun meanwhile, and waits for nobody there.
                    self.over += usize::from(take != self.take);
                    self.is_stopping = true;
                    if self.has_ended() {
                        return;
                    }
                }
                Ok(Word::Failed(done)) => {
                    self.end(EndReason::Failed);
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick();
            }
        }
    }

    /// Goes on to the next recording when all machines of this one have finished; true when there is none.
    fn has_ended(&mut self) -> bool {
        if self.over < self.states.len() {
            return false;
        }
        self.end(EndReason::Finished);
        if !self.is_stopping {
            self.begin_next();
        }
        self.is_stopping
    }

    fn tick(&mut self) {
        if self.reel.has_hole.load(Ordering::Relaxed) && self.reel.waiting.load(Ordering::Relaxed) == 0 {
            self.end(EndReason::Slow);
        }
        if self.spool.is_some() && !self.reel.is_over.load(Ordering::Relaxed) {
            for (shard, scribe) in self.reel.scribes.iter().enumerate() {
                let mut scribe = locked(scribe);
                if !scribe.is_in_turn() {
                    self.reel.hand_over(shard, self.take, &mut scribe);
                }
            }
        }
        // Behind the blocks that were just handed over.
        let _ = self.reel.words.send(Word::Show);
        if self.over == 0 && self.is_time() {
            self.reel.is_renewing.store(true, Ordering::Relaxed);
        }
    }

    /// True when another recording should begin.
    fn is_time(&self) -> bool {
        let age = self.began.elapsed();
        let renew = Duration::from_millis(self.reel.config.limits.record_renew_ms_min());
        let (is_quiet, has_ended) = (self.reel.is_quiet(), self.spool.is_none());
        let is_long = has_ended || self.bytes() > self.ring.one_bytes_max() / 4;
        match self.settings.renew {
            Renew::Never => false,
            // Nobody is there to notice, and another one is worth having.
            Renew::Full | Renew::Quiet if is_quiet && is_long => age >= QUIET_RENEW.min(renew),
            Renew::Quiet => false,
            Renew::Full => has_ended && age >= renew,
        }
    }

    /// Bytes of the recording under way.
    fn bytes(&self) -> u64 {
        self.spool.as_ref().map_or(0, |(_, spool)| spool.len())
    }

    fn write(&mut self, shard: usize, block: &[u8], state: (u64, StateHash)) {
        // What comes late belongs to a recording that has ended.
        let Some((_, spool)) = &self.spool else { return };
        let end = spool.len() + block.len() as u64;
        if end + END_BYTES > self.ring.one_bytes_max() {
            return self.end(EndReason::Full);
        }
        self.marks.push_back(Mark { end, shard, state });
        let in_haste = self.reel.is_behind();
        self.put(|spool| spool.put(block, in_haste));
    }

    /// Writes something, and learns which blocks stand in the file.
    fn put(&mut self, write: impl FnOnce(&mut Spool) -> io::Result<()>) {
        let Some((_, spool)) = &mut self.spool else { return };
        let put = write(spool);
        let (before, written) = (self.kept, spool.written());
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.end <= written) {
            self.states[mark.shard] = mark.state;
            self.kept = mark.end;
        }
        self.reel.bytes.fetch_add(self.kept - before, Ordering::Relaxed);
        if let Err(error) = put {
            self.close(EndReason::Refused, Some(&error));
        }
    }

    /// Ends the recording with all that was put. It has not come to its end where what belongs before that
    /// was dropped.
    fn end(&mut self, why: EndReason) {
        let lacks_its_end = self.reel.has_hole.load(Ordering::Relaxed)
            && matches!(why, EndReason::Finished | EndReason::Failed);
        self.put(Spool::show);
        self.close(if lacks_its_end { EndReason::Slow } else { why }, None);
    }

    /// Ends the recording with what stands in the file, and says so.
    fn close(&mut self, why: EndReason, error: Option<&io::Error>) {
        let Some((path, spool)) = self.spool.take() else { return };
        self.reel.is_over.store(true, Ordering::Relaxed);
        self.marks.clear();
        let end = End { why, shards: self.states.clone() }.block();
        // A disk that refuses may refuse this too: then the recording is one that was cut off.
        let _ = spool.end(self.kept, &end);
        let is_hole = matches!(why, EndReason::Slow | EndReason::Refused);
        self.reel.holes.fetch_add(u64::from(is_hole), Ordering::Relaxed);
        let turns: u64 = self.states.iter().map(|(turns, _)| turns).sum();
        let level = if is_hole { Level::Warn } else { Level::Info };
        let mut note = Note::new(level, "recording ended")
            .with("file", path.display().to_string())
            .with("why", why.word())
            .with("turns", turns)
            .with("state_hash", state_of(&self.states).to_string())
            .with("bytes", self.kept);
        if let Some(error) = error {
            note = note.with("error", error.to_string());
        }
        if is_hole {
            note = note.with("way_out", "give recordings a disk of their own with --record");
        }
        self.voice.note(note);
    }

    /// Makes the file of the recording that begins.
    fn open(&mut self) -> io::Result<()> {
        let header = Arc::clone(&locked(&self.reel.header));
        let (path, mut spool) = self.ring.begin(header.began)?;
        let beginning = header.beginning();
        if let Err(error) = spool.put(&beginning, false).and_then(|()| spool.show()) {
            // Nothing is recorded there, and the next attempt takes another name.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        self.kept = spool.written();
        self.reel.bytes.fetch_add(self.kept, Ordering::Relaxed);
        self.voice.note(
            Note::new(Level::Info, "recording")
                .with("file", shown(&path))
                .with("payloads", header.payloads.word())
                .with("bytes_max", self.ring.one_bytes_max()),
        );
        self.spool = Some((path, spool));
        Ok(())
    }

    /// All machines have finished: others take their places, recorded if that can be.
    fn begin_next(&mut self) {
        let shards = u16::try_from(self.states.len()).unwrap_or(u16::MAX);
        (self.over, self.began) = (0, Instant::now());
        self.reel.clear();
        let next = anew(self.settings.payloads, &self.reel.config, shards, self.last);
        let opened = next.map_err(|error| error.to_string()).and_then(|(header, scribes)| {
            self.states = states_of(&scribes);
            *locked(&self.reel.header) = Arc::new(header);
            for (place, scribe) in self.reel.scribes.iter().zip(scribes) {
                *locked(place) = scribe;
            }
            self.open().map_err(|error| error.to_string())
        });
        if let Err(error) = &opened {
            self.reel.holes.fetch_add(1, Ordering::Relaxed);
            self.voice.note(Note::new(Level::Warn, "recording refused").with("error", error.as_str()));
        }
        self.take += 1;
        self.reel.is_over.store(opened.is_err(), Ordering::Relaxed);
        self.reel.is_renewing.store(false, Ordering::Relaxed);
        self.reel.take.store(self.take, Ordering::Release);
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
