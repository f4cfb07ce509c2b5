//! Renewals and ends, shard by shard: what may come between the end of all machines and the moment in which
//! a shard looks.

use std::net::{IpAddr, Ipv4Addr};

use peermesh_core::ids::ConnId;
use peermesh_core::journal::{Relive, Step};
use peermesh_core::machine::{Envelope, Input, Listener, Order, Output, Outputs, Parcel};
use peermesh_core::time::Now;

use super::super::Logs;
use super::super::Reports;
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than any drain.
const LONG_MS: u64 = 3_600_000;
const HOOK: &str = r#"{"cwd":"/work","status":"working"}"#;

/// The settings of a broker without any.
pub(super) fn config() -> Config {
    let mut limits = peermesh_core::config::Limits::default();
    limits.set("record_waiting_bytes_max", 256 * 1_024).unwrap();
    Config {
        limits,
        public_url: "ws://127.0.0.1:7900/ws".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_sha: "unknown".to_owned(),
        admin_token: None,
        hook_token: None,
        allowed_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        vault_key: None,
        expected_migration: None,
        log_level: Level::Info,
        runners: None,
        live: None,
    }
}

/// A recorded broker of two shards, told by hand what it is told.
struct Stage {
    dir: tempfile::TempDir,
    recorder: Recorder,
    shards: Vec<Box<dyn Machine + Send>>,
    now: Now,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let settings =
            Recording { dir: dir.path().to_owned(), payloads: Payloads::Full, renew: Renew::Never };
        let voice = Voice {
            logs: Logs::start(Level::Error, io::sink()).unwrap(),
            reports: Reports::start(None).unwrap(),
        };
        let recorder = Recorder::start(&settings, &Arc::new(config()), 2, &voice).unwrap();
        let shards = recorder.machines();
        let mut stage = Stage { dir, recorder, shards, now: Now::default() };
        for shard in 0..2 {
            stage.told(shard, Input::Wake);
        }
        stage
    }

    fn told(&mut self, shard: usize, input: Input<'_>) -> Vec<Output> {
        let mut todo = Outputs::new();
        let _ = self.shards[shard].handle(self.now, input, &mut todo);
        todo.take()
    }

    /// A request comes to the first shard that it asks the other one about: how it asks.
    fn asks(&mut self, conn: u64) -> Envelope {
        let conn = ConnId(conn);
        let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.told(0, Input::Opened { conn, listener: Listener::Mesh, remote });
        let head =
            format!("POST /hook/set-status HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", HOOK.len());
        let mut bytes = [head.as_bytes(), HOOK.as_bytes()].concat();
        words(self.told(0, Input::Received { conn, bytes: &mut bytes })).remove(0)
    }

    /// The other shard hears that, and the first one its answer: how often it answered.
    fn hears(&mut self, envelope: Envelope) -> usize {
        let answers = words(self.told(1, Input::Relayed { from: ShardId(0), envelope }));
        let count = answers.len();
        for envelope in answers {
            self.told(0, Input::Relayed { from: ShardId(1), envelope });
        }
        count
    }

    /// All machines finish, and neither shard has looked since.
    fn finish_both(&mut self) {
        self.recorder.reel.is_renewing.store(true, Ordering::Relaxed);
        for shard in 0..2 {
            self.told(shard, Input::Wake);
        }
        self.now.mono = self.now.mono.after_millis(LONG_MS);
        for shard in 0..2 {
            self.told(shard, Input::Wake);
        }
    }

    /// Waits until another recording has begun.
    fn awaits_take(&self, take: u64) {
        let began = Instant::now();
        while self.recorder.reel.take.load(Ordering::Acquire) != take {
            assert!(began.elapsed() < PATIENCE, "no recording {take}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The process ends: true when each shard has finished, at once or when its time is over.
    fn drains(&mut self) -> bool {
        let mut finished = [0, 1].map(|shard| is_finished(&self.told(shard, Input::Order(Order::Drain))));
        self.now.mono = self.now.mono.after_millis(LONG_MS);
        for (shard, has_finished) in finished.iter_mut().enumerate() {
            *has_finished = *has_finished || is_finished(&self.told(shard, Input::Wake));
        }
        finished == [true; 2]
    }

    /// True when all is written.
    fn is_written(&self) -> bool {
        locked(&self.recorder.done).recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected)
    }

    /// Lives the recordings again, oldest first: how each ended.
    fn relived(&self) -> Vec<EndReason> {
        let there = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = there.filter(|path| path.extension().is_some()).collect();
        files.sort();
        let relived = files.iter().map(|file| {
            let bytes = fs::read(file).unwrap();
            let mut relive = Relive::open(&bytes).unwrap();
            while relive.step(&mut ()).unwrap() == Step::Lived {}
            let end = relive.end().unwrap();
            assert_eq!(end.shards, relive.shards());
            end.why
        });
        relived.collect()
    }

    fn turns(&self, shard: usize) -> u64 {
        locked(&self.recorder.reel.scribes[shard]).turns()
    }
}

fn words(wishes: Vec<Output>) -> Vec<Envelope> {
    let words = wishes.into_iter().filter_map(|wish| match wish {
        Output::Relay { envelope, .. } => Some(envelope),
        _ => None,
    });
    words.collect()
}

fn is_finished(wishes: &[Output]) -> bool {
    wishes.iter().any(|wish| matches!(wish, Output::Finished))
}

#[test]
fn machines_hear_those_that_began_with_them_and_nobody_before() {
    for comes_before_the_next in [true, false] {
        let mut stage = Stage::new();
        let heard = stage.asks(1);
        assert_eq!(stage.hears(heard), 1);
        let late = stage.asks(2);
        stage.finish_both();
        let mut late = Some(late);
        if comes_before_the_next {
            assert_eq!(stage.hears(late.take().unwrap()), 0);
        }
        stage.awaits_take(2);
        // The first shard looks, and what it says is what the other one sees first.
        let early = stage.asks(3);
        if let Some(late) = late {
            assert_eq!(stage.hears(late), 0);
        }
        assert_eq!(stage.hears(early), 1, "{comes_before_the_next}");
        assert!(stage.drains() && stage.is_written());
        assert_eq!(stage.relived(), [EndReason::Finished; 2]);
    }
}

#[test]
fn a_connection_that_moves_is_taken_by_the_machine_that_began_with_the_one_that_let_it_go() {
    let mut stage = Stage::new();
    let adopted = |conn| Input::Adopted { conn: ConnId(conn), parcel: Parcel::new(()) };
    stage.recorder.reel.lets_go(ConnId(7));
    stage.finish_both();
    stage.awaits_take(2);
    stage.told(1, Input::Wake);
    let before = stage.turns(1);
    let closed = stage.told(1, adopted(7));
    assert!(matches!(closed[..], [Output::Close { conn: ConnId(7), how: _ }]), "{closed:?}");
    assert_eq!(stage.turns(1), before);
    stage.recorder.reel.lets_go(ConnId(8));
    stage.told(1, adopted(8));
    assert_eq!(stage.turns(1), before + 1);
}

#[test]
fn a_broker_that_is_stopped_between_two_recordings_ends_at_once() {
    for has_begun in [false, true] {
        let mut stage = Stage::new();
        let reel = Arc::clone(&stage.recorder.reel);
        // Keeps the other recording from beginning.
        let held = locked(&reel.header);
        stage.finish_both();
        if has_begun {
            drop(held);
            stage.awaits_take(2);
            assert!(stage.drains() && stage.is_written());
        } else {
            assert!(stage.drains());
            drop(held);
            assert!(stage.is_written());
        }
        let ended = stage.relived();
        assert!(ended.iter().all(|why| *why == EndReason::Finished), "{ended:?}");
    }
}

#[test]
fn a_recording_whose_last_turns_were_dropped_does_not_pass_for_a_finished_one() {
    let mut stage = Stage::new();
    // The disk hangs.
    stage.recorder.reel.waiting.store(256 * 1_024, Ordering::Relaxed);
    assert!(stage.drains() && stage.is_written());
    assert_eq!(stage.relived(), [EndReason::Slow]);
    assert_eq!(stage.recorder.counts().holes, 1);
}
