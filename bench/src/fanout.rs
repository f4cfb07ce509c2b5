//! One publication to many watchers: what the broker makes of it, beside a plain write of the same frames.
//!
//! The broker runs in memory on this thread and its sends are written to socket pairs, so that both columns
//! pay the same for the kernel. What arrives is thrown away between the measured stretches.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::meter::{Meter, Step};
use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::{Config, Limits, LiveConfig, Pattern, Secret, TopicRule};
use peermesh_core::ids::{ConnId, ShardId};
use peermesh_core::machine::{Input, Listener, Machine, Output, Outputs, Payload};
use peermesh_core::note::Level;
use peermesh_core::stats::Counter;
use peermesh_core::store::model::Model;
use peermesh_core::store::{Driver, Work};
use peermesh_core::time::{Mono, Now, Wall};
use rustix::time::{ClockId, clock_gettime};

const SECRET: &str = "bench";
/// Publications before the counting begins.
const WARM_UP: u64 = 20;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fanout {
    /// Watchers of the one topic.
    pub watchers: u64,
    /// Publications that were counted.
    pub publications: u64,
    /// Frames that were written out of a publication.
    pub encodes: u64,
    /// Sends to watchers.
    pub deliveries: u64,
    /// Bytes of them that were copied for the one watcher, instead of being shared.
    pub copied_bytes: u64,
    /// Length of one frame, in bytes.
    pub frame_bytes: u64,
    /// The broker's time and that of the writes it wished for.
    pub broker: Duration,
    /// The time of the same writes alone.
    pub raw: Duration,
    /// What the first of these took of the processor.
    pub broker_cpu: Duration,
    /// What the second did.
    pub raw_cpu: Duration,
}

/// Publishes so often to so many watchers, each publication with that many bytes of data, beside a plain
/// write of the same frames.
///
/// # Errors
/// When there are not enough sockets.
///
/// # Panics
/// When the broker does not do what is measured.
pub fn run(watchers: u64, publications: u64, data_bytes: usize) -> io::Result<Fanout> {
    let mut stage = Stage::new(Meter::marking(), watchers)?;
    let mut broker = (Duration::ZERO, Duration::ZERO);
    let mut fanout = stage.publish_all(publications, data_bytes, &mut |work| {
        let (began, spent) = (Instant::now(), cpu());
        work();
        broker.0 += began.elapsed();
        broker.1 += cpu().saturating_sub(spent);
    })?;
    (fanout.broker, fanout.broker_cpu) = broker;
    let frame = vec![b'x'; usize::try_from(fanout.frame_bytes).unwrap_or(0)];
    for _ in 0..publications {
        let (began, spent) = (Instant::now(), cpu());
        for (ours, _) in &mut stage.sockets {
            ours.write_all(black_box(&frame))?;
        }
        fanout.raw += began.elapsed();
        fanout.raw_cpu += cpu().saturating_sub(spent);
        stage.drain()?;
    }
    Ok(fanout)
}

/// The same without clocks and without the plain write, for what the broker makes of each publication.
///
/// # Errors
/// When there are not enough sockets.
///
/// # Panics
/// When the broker does not do what is measured.
pub fn count(
    meter: Meter,
    watchers: u64,
    publications: u64,
    data_bytes: usize,
) -> io::Result<(Fanout, Meter)> {
    let mut stage = Stage::new(meter, watchers)?;
    let fanout = stage.publish_all(publications, data_bytes, &mut |work| work())?;
    Ok((fanout, stage.meter))
}

/// What this thread has taken of the processor.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(u64::try_from(spent.tv_sec).unwrap_or(0));
    seconds + Duration::from_nanos(u64::try_from(spent.tv_nsec).unwrap_or(0))
}

/// A broker, and a socket pair for each watcher.
struct Stage {
    broker: Box<dyn Machine>,
    meter: Meter,
    store: Model,
    /// By the number of the connection less one: where the broker's bytes go, and where they come out.
    sockets: Vec<(UnixStream, UnixStream)>,
    now: Mono,
    todo: Outputs,
    count: Fanout,
    seen_encodes: u64,
    sink: Vec<u8>,
}

impl Stage {
    fn new(meter: Meter, watchers: u64) -> io::Result<Stage> {
        let mut limits = Limits::default();
        for (name, value) in [
            ("live_messages_per_minute_max", 100_000_000),
            ("live_accepts_per_minute_max", 100_000_000),
            ("live_connections_max", 1_000_000),
            ("handshakes_max", 1_000_000),
        ] {
            limits.set(name, value).expect("within its range");
        }
        let rule = TopicRule { volatile: true, ..TopicRule::default() };
        let live = LiveConfig {
            secret: Some(Secret::new(SECRET)),
            rules: vec![(Pattern::new("*"), rule)],
            has_feed: false,
        };
        let config = Config {
            limits,
            public_url: "ws://bench/ws".to_owned(),
            version: "0".to_owned(),
            git_sha: "bench".to_owned(),
            admin_token: None,
            hook_token: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            vault_key: None,
            expected_migration: None,
            log_level: Level::Info,
            runners: None,
            live: Some(live),
        };
        let setup = Setup { shard: ShardId(0), shards: 1, config: Arc::new(config), seed: [3; 32] };
        let mut sockets = Vec::new();
        for _ in 0..watchers {
            let (ours, theirs) = UnixStream::pair()?;
            theirs.set_nonblocking(true)?;
            sockets.push((ours, theirs));
        }
        let mut stage = Stage {
            broker: black_box(Box::new(Broker::new(setup))),
            meter,
            store: Model::new([9; 32]),
            sockets,
            now: Mono::START,
            todo: Outputs::new(),
            count: Fanout::default(),
            seen_encodes: 0,
            sink: vec![0; 256 * 1_024],
        };
        stage.tell(Input::Wake);
        for conn in (0..=watchers).map(ConnId) {
            stage.tell(Input::Opened {
                conn,
                listener: Listener::Live,
                remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
            });
            let mut request = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Authorization: Bearer {SECRET}\r\n\r\n"
            )
            .into_bytes();
            stage.tell(Input::Received { conn, bytes: &mut request });
            if conn.0 > 0 {
                stage.hears(conn, br#"{"type":"subscribe","topic":"t"}"#);
            }
            stage.drain()?;
        }
        Ok(stage)
    }

    /// Publishes after a warm-up; `timed` runs each publication that counts.
    fn publish_all(
        &mut self,
        publications: u64,
        data_bytes: usize,
        timed: &mut dyn FnMut(&mut dyn FnMut()),
    ) -> io::Result<Fanout> {
        let data = "x".repeat(data_bytes);
        let message = format!(r#"{{"type":"publish","topic":"t","data":"{data}"}}"#);
        for _ in 0..WARM_UP {
            self.hears(ConnId(0), message.as_bytes());
            self.drain()?;
        }
        let before = self.encodes();
        self.meter.reset();
        self.count = Fanout::default();
        for _ in 0..publications {
            timed(&mut || self.hears(ConnId(0), message.as_bytes()));
            self.drain()?;
        }
        let watchers = self.sockets.len() as u64;
        let encodes = self.encodes() - before;
        let fanout = Fanout { watchers, publications, encodes, ..self.count };
        assert_eq!(fanout.deliveries, watchers * publications, "everybody gets everything");
        Ok(fanout)
    }

    /// One masked text frame of a connection; the mask is zero.
    fn hears(&mut self, conn: ConnId, text: &[u8]) {
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(text.len()).expect("a short message").to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend_from_slice(text);
        self.tell(Input::Received { conn, bytes: &mut frame });
    }

    fn encodes(&mut self) -> u64 {
        self.now = self.now.after_millis(1_001);
        self.tell(Input::Wake);
        self.seen_encodes
    }

    fn tell(&mut self, input: Input<'_>) {
        let now = Now { mono: self.now, wall: Wall::from_millis(1_700_000_000_000) };
        let mut todo = std::mem::take(&mut self.todo);
        let step = match &input {
            Input::Received { .. } => Step::Published,
            Input::Sent { .. } => Step::Sent,
            _ => Step::Wake,
        };
        let broker = &mut self.broker;
        let _ = self.meter.run(step, || broker.handle(now, input, &mut todo));
        let mut wishes = todo.take();
        let (mut sent, mut stored) = (Vec::new(), Vec::new());
        for wish in wishes.drain(..) {
            match wish {
                Output::Send { conn, bytes } => {
                    let length = self.send(conn, &bytes, &todo);
                    sent.push((conn, length));
                }
                Output::Store(request) => stored.push(request),
                Output::Stats(stats) => self.seen_encodes = stats.counter(Counter::LiveEncodes),
                _ => {}
            }
        }
        todo.clear(wishes);
        self.todo = todo;
        for (conn, bytes) in sent {
            self.tell(Input::Sent { conn, bytes });
        }
        for request in stored {
            let result = match request.work {
                Work::Write(batch) => self.store.write(&[batch]).remove(0),
                Work::Read(query) => self.store.read(&query),
            };
            self.tell(Input::Stored { ticket: request.ticket, result });
        }
    }

    fn send(&mut self, conn: ConnId, payload: &Payload, todo: &Outputs) -> usize {
        let bytes = todo.bytes(payload);
        if let Some(at) = conn.0.checked_sub(1).and_then(|at| usize::try_from(at).ok()) {
            self.count.deliveries += 1;
            self.count.frame_bytes = bytes.len() as u64;
            if let Payload::Arena(_) = payload {
                self.count.copied_bytes += bytes.len() as u64;
            }
            self.sockets[at].0.write_all(bytes).expect("a socket that is drained");
        }
        bytes.len()
    }

    /// Throws away what arrived.
    fn drain(&mut self) -> io::Result<()> {
        for (_, theirs) in &mut self.sockets {
            loop {
                match theirs.read(&mut self.sink) {
                    Ok(read) if read == self.sink.len() => {}
                    Ok(_) => break,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
