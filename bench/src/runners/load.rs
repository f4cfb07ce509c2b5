//! The loads: callers that send commands, runners that say events, and the target that takes them.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::wire::{Input, SECRET, connect, number_of, put_frame, read_frame, read_message, upgrade};
use super::{Outcome, Plan};
use crate::server::Usage;

/// What is on its way at once has a place each; nothing comes near so many.
const PLACES: usize = 1 << 16;
/// From the last thing that was sent to the last that arrives.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// When things were sent, by their numbers; and how long those took that arrived in the measured time.
struct Watch {
    origin: Instant,
    sent: Vec<AtomicU64>,
    next: AtomicUsize,
    measures: AtomicBool,
    stopped: AtomicBool,
    waits: Mutex<Vec<u32>>,
    refused: AtomicU64,
    disordered: AtomicU64,
}

impl Watch {
    fn start() -> Arc<Watch> {
        Arc::new(Watch {
            origin: Instant::now(),
            sent: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            next: AtomicUsize::new(0),
            measures: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            waits: Mutex::default(),
            refused: AtomicU64::new(0),
            disordered: AtomicU64::new(0),
        })
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A number for what is sent just now.
    fn send(&self) -> usize {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.sent[number % PLACES].store(self.micros(), Ordering::Relaxed);
        number
    }

    fn arrive(&self, number: usize) {
        if self.measures.load(Ordering::Relaxed) {
            let wait = self.micros().saturating_sub(self.sent[number % PLACES].load(Ordering::Relaxed));
            lock(&self.waits).push(u32::try_from(wait).unwrap_or(u32::MAX));
        }
    }

    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Lets the load run, and says what it came to.
    fn measure(&self, plan: &Plan, usage: &dyn Fn() -> io::Result<Usage>) -> io::Result<Outcome> {
        thread::sleep(plan.time / 3);
        let before = usage()?;
        let start = Instant::now();
        self.measures.store(true, Ordering::Relaxed);
        thread::sleep(plan.time);
        self.measures.store(false, Ordering::Relaxed);
        let elapsed = start.elapsed();
        let after = usage()?;
        self.stopped.store(true, Ordering::Relaxed);
        let mut waits = std::mem::take(&mut *lock(&self.waits));
        waits.sort_unstable();
        Ok(Outcome {
            count: waits.len() as u64,
            elapsed,
            cpu: after.cpu.since(before.cpu),
            rss_bytes: after.rss_bytes,
            waits,
            ..Outcome::default()
        })
    }

    fn tally(&self, outcome: Outcome) -> Outcome {
        Outcome {
            refused: self.refused.load(Ordering::Relaxed),
            disordered: self.disordered.load(Ordering::Relaxed),
            ..outcome
        }
    }
}

/// Callers, each with one command on its way; runners that read.
pub(super) fn commands(
    plan: &Plan,
    addr: SocketAddr,
    usage: &dyn Fn() -> io::Result<Usage>,
) -> io::Result<Outcome> {
    let watch = Watch::start();
    let mut sockets = Vec::new();
    for runner in 0..plan.runners {
        let (mut input, output) = upgrade(addr, &format!("r{runner}"))?;
        sockets.push(output);
        let watch = Arc::clone(&watch);
        thread::spawn(move || {
            let mut text = Vec::new();
            while read_frame(&mut input, &mut text).is_ok() {
                number_of(&text).into_iter().for_each(|number| watch.arrive(number));
            }
        });
    }
    // A runner that says something is served from then on.
    thread::sleep(Duration::from_millis(200));
    let callers: Vec<JoinHandle<io::Result<()>>> = (0..plan.callers)
        .map(|caller| {
            let (watch, runner) = (Arc::clone(&watch), caller % plan.runners);
            thread::spawn(move || call(&watch, addr, runner))
        })
        .collect();
    let outcome = watch.measure(plan, usage)?;
    for caller in callers {
        caller.join().map_err(|_| io::Error::other("a caller panicked"))??;
    }
    Ok(watch.tally(outcome))
}

fn call(watch: &Watch, addr: SocketAddr, runner: usize) -> io::Result<()> {
    let mut line = connect(addr)?;
    while !watch.is_over() {
        let number = watch.send();
        let body = format!(
            r#"{{"runnerId":"r{runner}","command":{{"type":"start-dev-server","id":"n-{number}","projectId":"8d1f6a52-6a0c-4d0e-9d59-0f8f5a4f7e11","timestamp":"2026-01-02T03:04:05.678Z","payload":{{"runCommand":"pnpm dev","workingDirectory":"/home/user/projects/shop","preferredPort":3101,"framework":"next"}}}}}}"#
        );
        write!(
            line.1,
            "POST /commands HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {SECRET}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let answer = read_message(&mut line.0)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !answer.first.contains(" 200 ") {
            watch.refused.fetch_add(1, Ordering::Relaxed);
        }
        if answer.header("connection") == Some("close") {
            line = connect(addr)?;
        }
    }
    Ok(())
}

/// Runners, each with a window of events on their way to the target.
pub(super) fn events(
    plan: &Plan,
    addr: SocketAddr,
    target: &Target,
    usage: &dyn Fn() -> io::Result<Usage>,
) -> io::Result<Outcome> {
    let watch = Watch::start();
    let mut arrivals = Vec::new();
    let mut arrived = Vec::new();
    for _ in 0..plan.runners {
        let (tell, told) = channel();
        arrivals.push(Arrivals { tell, last: None });
        arrived.push(told);
    }
    target.watch(Some(Watching { watch: Arc::clone(&watch), arrivals }));
    let runners: Vec<JoinHandle<io::Result<()>>> = arrived
        .into_iter()
        .enumerate()
        .map(|(runner, arrived)| {
            let (watch, window) = (Arc::clone(&watch), plan.window);
            thread::spawn(move || say(&watch, addr, runner, window, &arrived))
        })
        .collect();
    let outcome = watch.measure(plan, usage)?;
    for runner in runners {
        runner.join().map_err(|_| io::Error::other("a runner panicked"))??;
    }
    target.watch(None);
    Ok(watch.tally(outcome))
}

/// Says one event whenever one has arrived, until the time is over, and waits for the last.
fn say(
    watch: &Watch,
    addr: SocketAddr,
    runner: usize,
    window: usize,
    arrived: &Receiver<()>,
) -> io::Result<()> {
    let (mut input, mut output) = upgrade(addr, &format!("r{runner}"))?;
    // Acknowledgements must be read, and say nothing here.
    thread::spawn(move || {
        let mut text = Vec::new();
        while read_frame(&mut input, &mut text).is_ok() {}
    });
    let (mut flying, mut frame) = (0, Vec::new());
    while flying > 0 || !watch.is_over() {
        if flying < window && !watch.is_over() {
            let number = watch.send();
            let text = format!(
                r#"{{"type":"build-stream","id":"n-{number}","runner":{runner},"commandId":"5a7f6a52-6a0c-4d0e-9d59-0f8f5a4f7e11","projectId":"8d1f6a52-6a0c-4d0e-9d59-0f8f5a4f7e11","timestamp":"2026-01-02T03:04:05.678Z","data":"{{\"type\":\"text-delta\",\"id\":\"t1\",\"delta\":\"a shop that sells bicycles, with a page for each of them\"}}"}}"#
            );
            frame.clear();
            put_frame(&mut frame, text.as_bytes(), true)?;
            output.write_all(&frame)?;
            flying += 1;
        } else {
            arrived.recv_timeout(END_PATIENCE).map_err(|_| io::ErrorKind::TimedOut)?;
            flying -= 1;
        }
        flying -= arrived.try_iter().count();
    }
    Ok(())
}

/// The event target: takes everything at once.
pub(super) struct Target {
    pub(super) addr: SocketAddr,
    watching: Arc<Mutex<Option<Watching>>>,
}

/// Who wants to know what arrives.
struct Watching {
    watch: Arc<Watch>,
    arrivals: Vec<Arrivals>,
}

struct Arrivals {
    tell: Sender<()>,
    /// The number that came last.
    last: Option<usize>,
}

impl Target {
    pub(super) fn start() -> io::Result<Target> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let target = Target { addr: listener.local_addr()?, watching: Arc::default() };
        let watching = Arc::clone(&target.watching);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let watching = Arc::clone(&watching);
                thread::spawn(move || {
                    // A stream that ends is no matter.
                    let _ = take(stream, &watching);
                });
            }
        });
        Ok(target)
    }

    fn watch(&self, watching: Option<Watching>) {
        *lock(&self.watching) = watching;
    }
}

fn take(stream: TcpStream, watching: &Mutex<Option<Watching>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut output) = (Input::new(stream.try_clone()?), stream);
    while let Some(request) = read_message(&mut input)? {
        if let (Some(number), Some(runner)) = (number_of(&request.body), runner_of(&request.body))
            && let Some(Watching { watch, arrivals }) = &mut *lock(watching)
            && let Some(own) = arrivals.get_mut(runner)
        {
            watch.arrive(number);
            let is_late = own.last.is_some_and(|last| last >= number);
            watch.disordered.fetch_add(u64::from(is_late), Ordering::Relaxed);
            own.last = Some(number);
            // Whoever waited may have given up.
            let _ = own.tell.send(());
        }
        output.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")?;
    }
    Ok(())
}

fn runner_of(text: &[u8]) -> Option<usize> {
    let start = text.windows(9).position(|window| window == b"\"runner\":")? + 9;
    let digits = text[start..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
