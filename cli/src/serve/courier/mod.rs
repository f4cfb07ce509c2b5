//! Carries events to the event target over HTTP: one thread, a connection for each request that is under way.
//!
//! *Decides* when a connection is made, used again and given up. *Does not* know which event is whose: the
//! core never has two of one runner under way. *Always holds:* a request takes no longer than
//! `runner_forward_ms`, reads no more than `runner_answer_bytes_max` of an answer and follows no redirect; a
//! connection carries one request at a time, and none after anything was odd about the one before. The target
//! comes from the settings alone, so it is allowed wherever it is; a proxy named by the environment is not
//! asked.

mod address;
mod exchange;
mod line;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use peermesh_core::config::Secret;
use peermesh_core::forward::{Courier, Errand, Forwarded, Window};
use peermesh_core::ids::{ShardId, Ticket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use ureq_proto::http::Uri;

use crate::config::Settings;
use crate::report::{Reports, Span};
use crate::tls;
use address::AddressBook;
use exchange::{Exchange, Heard, Letterhead};
use line::{Line, Seal, Spoken, Trouble};

/// Connections are not kept for so long that a server of the web app's kind ends them just when they are
/// used.
const IDLE: Duration = Duration::from_secs(4);
/// Bytes read at once.
const SCRATCH_BYTES: usize = 16 * 1_024;

/// The courier of these settings; none where no runners are served.
///
/// # Errors
/// When the target cannot be one, or nobody is trusted to say who it is.
pub(super) fn couriers(settings: &Settings, reports: &Reports) -> io::Result<Vec<Box<dyn Courier>>> {
    let (Some(runners), limits) = (&settings.runners, &settings.limits) else { return Ok(Vec::new()) };
    let secret = runners.config.secrets.first().map(Secret::expose).unwrap_or_default();
    let target = Target {
        url: runners.target.events(),
        secret: secret.to_vec(),
        patience: Duration::from_millis(limits.runner_forward_ms()),
        answer_bytes_max: limits.runner_answer_bytes_max(),
    };
    let trusted = || tls::trusted().map_err(io::Error::other);
    Ok(vec![Box::new(Carrier::new(&target, trusted, reports.clone())?)])
}

/// Whom events go to, and how patiently.
struct Target {
    url: String,
    secret: Vec<u8>,
    patience: Duration,
    answer_bytes_max: u64,
}

/// See the module's own words.
struct Carrier {
    letterhead: Letterhead,
    reports: Reports,
    host: String,
    port: u16,
    seal: Option<Seal>,
    patience: Duration,
    bell: Arc<Bell>,
}

impl Carrier {
    fn new(
        target: &Target,
        trusted: impl FnOnce() -> io::Result<Arc<ClientConfig>>,
        reports: Reports,
    ) -> io::Result<Carrier> {
        let unfit = |why: &str| io::Error::new(ErrorKind::InvalidInput, format!("the event target {why}"));
        let url: Uri = target.url.parse().map_err(|_| unfit("is no address"))?;
        let host = url.host().ok_or_else(|| unfit("has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_sealed = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if is_sealed { 443 } else { 80 });
        let seal = if is_sealed {
            let name = ServerName::try_from(host.clone()).map_err(|_| unfit("has no name of a host"))?;
            Some(Seal { config: trusted()?, name })
        } else {
            None
        };
        let letterhead = Letterhead::new(url, &target.secret, target.answer_bytes_max)
            .ok_or_else(|| unfit("cannot be shown a secret with such bytes"))?;
        let (patience, bell) = (target.patience, Arc::new(Bell::new()?));
        Ok(Carrier { letterhead, reports, host, port, seal, patience, bell })
    }
}

impl Courier for Carrier {
    fn work(&mut self, window: &dyn Window) {
        window.hear(Waker::from(Arc::clone(&self.bell)));
        // What came before that rang nothing.
        self.bell.wake_by_ref();
        let mut round = Round::new(self);
        loop {
            // Connections are looked at before requests, so that one that ended before a request came is not
            // used for it; and what came of some is told last, since the next ones follow from that.
            round.wait();
            let Some(errands) = window.look(usize::MAX) else { return };
            let now = Instant::now();
            for errand in errands {
                round.set_out(now, errand);
            }
            for (from, ticket, result) in round.done.drain(..) {
                window.answer(from, ticket, result);
            }
        }
    }
}

/// All that is under way.
struct Round<'a> {
    own: &'a Carrier,
    addresses: AddressBook,
    /// Requests for which nobody knows yet where the target is.
    unaddressed: Vec<Way>,
    busy: Vec<(Way, Line)>,
    /// Connections that wait for a request, the one that was used last behind all others.
    idle: Vec<Line>,
    done: Vec<(ShardId, Ticket, Forwarded)>,
    scratch: Box<[u8]>,
    draft: Vec<u8>,
}

/// One request under way.
struct Way {
    from: ShardId,
    ticket: Ticket,
    exchange: Box<Exchange>,
    span: Span,
    until: Instant,
    /// What is to be said as soon as the line is connected.
    unsaid: Vec<u8>,
    /// Where else to try if the line cannot be connected, and when to try there.
    others: Vec<SocketAddr>,
    connect_by: Instant,
}

impl Round<'_> {
    fn new(own: &Carrier) -> Round<'_> {
        Round {
            own,
            addresses: AddressBook::new(&own.host, own.port),
            unaddressed: Vec::new(),
            busy: Vec::new(),
            idle: Vec::new(),
            done: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            draft: Vec::new(),
        }
    }

    /// Begins a request, on a connection that is there or on another one.
    fn set_out(&mut self, now: Instant, Errand { from, forward }: Errand) {
        let ticket = forward.ticket;
        let span = self.own.reports.follow(&forward);
        self.draft.clear();
        let exchange = match self.own.letterhead.write(&forward, span.header().as_deref(), &mut self.draft) {
            Ok(exchange) => Box::new(exchange),
            Err(error) => {
                let why = format!("no request can be made of it: {error}");
                return self.done.push((from, ticket, Forwarded::Failed { why }));
            }
        };
        let until = now + self.own.patience;
        let (unsaid, others) = (Vec::new(), Vec::new());
        let mut way = Way { from, ticket, exchange, span, until, unsaid, others, connect_by: until };
        while let Some(mut line) = self.idle.pop() {
            // One that did not take all of it has shown the target no request.
            if line.say(&self.draft).is_ok() {
                return self.busy.push((way, line));
            }
        }
        way.unsaid.clone_from(&self.draft);
        match self.addresses.look(now, Waker::from(Arc::clone(&self.own.bell))) {
            Ok(Some(addresses)) => self.address(now, way, addresses),
            Ok(None) => self.unaddressed.push(way),
            Err(error) => self.end(way, Err(error.kind().to_string())),
        }
    }

    /// The target is in one of these places: connects to the first that can be.
    fn address(&mut self, now: Instant, mut way: Way, addresses: Vec<SocketAddr>) {
        way.others = addresses;
        let mut trouble = "connection failed".to_owned();
        while !way.others.is_empty() {
            // Each has an equal share of the time that is left: one that says nothing is not the last.
            let shares = u32::try_from(way.others.len()).unwrap_or(u32::MAX);
            way.connect_by = now + way.until.saturating_duration_since(now) / shares;
            let to = way.others.remove(0);
            match Line::dial(to, self.own.seal.as_ref(), now) {
                Ok(line) => return self.go_on((way, line), now, PollFlags::OUT),
                Err(error) => trouble = error.told(),
            }
        }
        self.end(way, Err(trouble));
    }

    /// Waits until something happens, and does what follows from it.
    fn wait(&mut self) {
        let (bell, busy, idle) = self.watch(Instant::now());
        let now = Instant::now();
        if bell {
            self.own.bell.hush();
        }
        if let Some(is_found) = self.addresses.hear(now) {
            self.addresses_known(now, is_found);
        }
        let mut idle = idle.into_iter();
        let scratch = &mut self.scratch;
        self.idle.retain_mut(|line| {
            // What speaks unasked has ended, but for the words of TLS itself.
            let is_quiet = idle.next().is_none_or(|ready| ready.is_empty())
                || matches!(line.hear(scratch), Ok(Spoken::Nothing));
            is_quiet && now.saturating_duration_since(line.idle_since) < IDLE
        });
        // From behind, as those that were seen are taken out and others come behind them.
        for (place, ready) in busy.into_iter().enumerate().rev() {
            let (way, line) = &self.busy[place];
            let is_late = now >= way.until || line.is_connecting() && now >= way.connect_by;
            if !ready.is_empty() {
                let pair = self.busy.swap_remove(place);
                self.go_on(pair, now, ready);
            } else if is_late {
                let (way, line) = self.busy.swap_remove(place);
                self.too_late(now, way, &line);
            }
        }
        let late = |way: &mut Way| now >= way.until;
        for way in self.unaddressed.extract_if(.., late).collect::<Vec<_>>() {
            self.end(way, Err(silent()));
        }
    }

    /// Waits; says whether the bell rang, and what became of each connection.
    fn watch(&self, now: Instant) -> (bool, Vec<PollFlags>, Vec<PollFlags>) {
        let mut wanted = vec![PollFd::new(&self.own.bell.near, PollFlags::IN)];
        wanted.extend(self.busy.iter().map(|(_, line)| PollFd::new(line, line.wants())));
        wanted.extend(self.idle.iter().map(|line| PollFd::new(line, PollFlags::IN)));
        let busy = self.busy.iter();
        let ends = busy.map(|(way, line)| if line.is_connecting() { way.connect_by } else { way.until });
        let ends = ends.chain(self.unaddressed.iter().map(|way| way.until));
        let ends = ends.chain(self.idle.iter().map(|line| line.idle_since + IDLE));
        // A time that is over when it is told would be told again at once.
        let left = ends.min().map(|end| end.saturating_duration_since(now) + Duration::from_millis(1));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        // What keeps the kernel from looking passes, or shows in the calls that follow.
        let _ = poll(&mut wanted, left.as_ref());
        let seen: Vec<PollFlags> = wanted.iter().map(PollFd::revents).collect();
        let (busy, idle) = seen[1..].split_at(self.busy.len());
        (!seen[0].is_empty(), busy.to_vec(), idle.to_vec())
    }

    fn addresses_known(&mut self, now: Instant, is_found: bool) {
        let bell = || Waker::from(Arc::clone(&self.own.bell));
        // What is not there is not looked for again before somebody asks.
        let found = if is_found { self.addresses.look(now, bell()).ok().flatten() } else { None };
        for way in std::mem::take(&mut self.unaddressed) {
            match &found {
                Some(addresses) => self.address(now, way, addresses.clone()),
                None => self.end(way, Err("host not found".to_owned())),
            }
        }
    }

    /// A connection can be written or read.
    fn go_on(&mut self, (mut way, mut line): (Way, Line), now: Instant, ready: PollFlags) {
        if line.is_connecting() || !way.unsaid.is_empty() || ready.contains(PollFlags::OUT) {
            match self.speak(&mut way, &mut line) {
                Ok(()) => {}
                Err(_) if line.is_connecting() && !way.others.is_empty() => {
                    let others = std::mem::take(&mut way.others);
                    return self.address(now, way, others);
                }
                Err(trouble) if line.is_connecting() => return self.end(way, Err(trouble.told())),
                // A target may answer, and hang up, before it has heard all.
                Err(trouble) => return self.listen(way, line, now, Some(trouble)),
            }
        }
        if line.is_connecting() || ready == PollFlags::OUT {
            return self.busy.push((way, line));
        }
        self.listen(way, line, now, None);
    }

    fn speak(&mut self, way: &mut Way, line: &mut Line) -> Result<(), Trouble> {
        if line.write_on()? && !way.unsaid.is_empty() {
            let unsaid = std::mem::take(&mut way.unsaid);
            line.say(&unsaid)?;
        }
        Ok(())
    }

    /// Reads what has come of an answer: for the last time where the line can be written no more.
    fn listen(&mut self, mut way: Way, mut line: Line, now: Instant, mut broken: Option<Trouble>) {
        loop {
            let count = match (line.hear(&mut self.scratch), broken.take()) {
                (Ok(Spoken::Bytes(count)), trouble) => {
                    broken = trouble;
                    count
                }
                (Ok(_) | Err(_), Some(trouble)) => return self.end(way, Err(trouble.told())),
                (Ok(Spoken::Nothing), None) => return self.busy.push((way, line)),
                (Ok(Spoken::End), None) => {
                    return self.end(way, Err(ErrorKind::UnexpectedEof.to_string()));
                }
                (Err(trouble), None) => return self.end(way, Err(trouble.told())),
            };
            let is_first = line.unread.is_empty();
            if !is_first {
                line.unread.extend_from_slice(&self.scratch[..count]);
            }
            let bytes = if is_first { &self.scratch[..count] } else { line.unread.as_slice() };
            let length = bytes.len();
            match way.exchange.hear(bytes) {
                Ok(Heard::Over(used, can_go_on)) => {
                    // What comes behind an answer belongs to nobody.
                    if can_go_on && used == length && line.is_quiet() && broken.is_none() {
                        line.unread.clear();
                        line.idle_since = now;
                        self.idle.push(line);
                    }
                    return self.end(way, Ok(()));
                }
                Ok(Heard::More(used)) => line.unread = bytes[used..].to_vec(),
                Err(_) => return self.end(way, Err("no answer that could be read".to_owned())),
            }
            // The kernel tells of what it holds; what TLS holds, nobody does.
            if !line.is_sealed() && broken.is_none() {
                return self.busy.push((way, line));
            }
        }
    }

    /// A request has had its time, or a place where the target might be.
    fn too_late(&mut self, now: Instant, mut way: Way, line: &Line) {
        if now < way.until && line.is_connecting() && !way.others.is_empty() {
            let others = std::mem::take(&mut way.others);
            return self.address(now, way, others);
        }
        self.end(way, Err(silent()));
    }

    /// A request is over: whatever happened after the head of its answer changes nothing.
    fn end(&mut self, way: Way, how: Result<(), String>) {
        let Way { from, ticket, exchange, span, .. } = way;
        let result =
            exchange.end().unwrap_or_else(|| Forwarded::Failed { why: how.err().unwrap_or_default() });
        span.end(&result);
        self.done.push((from, ticket, result));
    }
}

fn silent() -> String {
    "no answer in time".to_owned()
}

/// Wakes a courier that waits for connections.
struct Bell {
    near: UnixStream,
    far: UnixStream,
    /// Nobody has looked since it was rung.
    is_rung: AtomicBool,
}

impl Bell {
    fn new() -> io::Result<Bell> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Bell { near, far, is_rung: AtomicBool::new(false) })
    }

    /// It was heard: what it was rung for is looked at after this.
    fn hush(&self) {
        // There is one byte, or none where somebody rings at this moment.
        let _ = (&self.near).read(&mut [0; 8]);
        self.is_rung.store(false, Ordering::SeqCst);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_rung.swap(true, Ordering::SeqCst) {
            let _ = (&self.far).write(&[1]);
        }
    }
}
