//! Carries events to the event target over HTTP.
//!
//! *Always holds:* a request takes no longer than `runner_forward_ms`, reads no more than
//! `runner_answer_bytes_max` of an answer and follows no redirect. The target comes from the settings alone,
//! so it is allowed wherever it is; a proxy named by the environment is not asked.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use peermesh_core::config::Secret;
use peermesh_core::forward::{Courier, Forward, Forwarded};
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, RustlsConnector};

use super::frugal::Frugal;
use crate::config::Settings;
use crate::report::Reports;

/// Makes requests one at a time, on connections that all couriers share.
struct Poster {
    agent: Agent,
    reports: Reports,
    url: String,
    bearer: String,
    answer_bytes_max: u64,
}

/// As many couriers as there may be requests at once; none where no runners are served.
pub(super) fn couriers(settings: &Settings, reports: &Reports) -> Vec<Box<dyn Courier>> {
    let (Some(runners), limits) = (&settings.runners, &settings.limits) else { return Vec::new() };
    let count = limits.runner_forwards_share(settings.shards) * u64::from(settings.shards);
    let patience = Duration::from_millis(limits.runner_forward_ms());
    let agent = agent(patience, usize::try_from(count).unwrap_or(usize::MAX));
    let secret = runners.config.secrets.first().map(Secret::expose).unwrap_or_default();
    let bearer = format!("Bearer {}", String::from_utf8_lossy(secret));
    let poster = || Poster {
        agent: agent.clone(),
        reports: reports.clone(),
        url: runners.target.events(),
        bearer: bearer.clone(),
        answer_bytes_max: limits.runner_answer_bytes_max(),
    };
    (0..count).map(|_| Box::new(poster()) as Box<dyn Courier>).collect()
}

/// Makes connections to the target, and keeps as many of them as there are couriers, though not for so long
/// that a server of the web app's kind ends them just when they are used.
fn agent(patience: Duration, couriers: usize) -> Agent {
    const IDLE: Duration = Duration::from_secs(4);
    const BUFFER_BYTES: usize = 16 * 1_024;
    let config = Agent::config_builder()
        .timeout_global(Some(patience))
        .max_idle_connections(couriers)
        .max_idle_connections_per_host(couriers)
        .max_idle_age(IDLE)
        .input_buffer_size(BUFFER_BYTES)
        .output_buffer_size(BUFFER_BYTES)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("peermesh/", env!("CARGO_PKG_VERSION")));
    let connector = Frugal.chain(RustlsConnector::default());
    Agent::with_parts(config.build(), connector, AddressBook::default())
}

/// Where the target is. Looking that up takes a thread of its own if it is to end in time, so what was found
/// is good for a while.
#[derive(Debug, Default)]
struct AddressBook {
    look: DefaultResolver,
    found: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

impl AddressBook {
    const GOOD_FOR: Duration = Duration::from_secs(10);

    fn found(&self) -> MutexGuard<'_, Option<(Instant, Vec<SocketAddr>)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for AddressBook {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if let Some((at, addresses)) = &*self.found()
            && at.elapsed() < AddressBook::GOOD_FOR
        {
            let mut known = self.empty();
            addresses.iter().for_each(|address| known.push(*address));
            return Ok(known);
        }
        let fresh = self.look.resolve(uri, config, timeout)?;
        *self.found() = Some((Instant::now(), fresh.to_vec()));
        Ok(fresh)
    }
}

impl Courier for Poster {
    fn carry(&mut self, forward: &Forward) -> Forwarded {
        let span = self.reports.follow(forward);
        let result = self.post(forward, span.header().as_deref());
        span.end(&result);
        result
    }
}

impl Poster {
    /// Makes the request, in the place of its trace that `parent` names, where it has one of its own.
    fn post(&self, forward: &Forward, parent: Option<&str>) -> Forwarded {
        let mut request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .header("Authorization", &self.bearer);
        for (name, value) in &forward.headers {
            let own = parent.filter(|_| *name == "sentry-trace");
            request = request.header(*name, own.unwrap_or(value.as_str()));
        }
        match request.send(&*forward.body) {
            Ok(mut answer) => {
                let status = answer.status().as_u16();
                let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let retry_after = retry_after.map(str::to_owned);
                // Nobody needs what it says, but what is left unread ends the connection. What was answered
                // is known, and whatever becomes of the rest changes nothing.
                let _ = answer.body_mut().with_config().limit(self.answer_bytes_max).read_to_vec();
                Forwarded::Answered { status, retry_after }
            }
            Err(error) => Forwarded::Failed { why: told(&error) },
        }
    }
}

/// What went wrong, without where it went wrong: the words are kept and reported.
fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.kind().to_string(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "host not found".to_owned(),
        ureq::Error::ConnectionFailed => "connection failed".to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "no TLS with the target".to_owned(),
        _ => "no answer that could be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, mpsc};
    use std::thread;

    use peermesh_core::ids::Ticket;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Posts one event to a target that behaves so, and gives what came of it.
    fn posted(patience: Duration, target: impl FnOnce(TcpStream, String) + Send + 'static) -> Forwarded {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/runner/events", listener.local_addr().unwrap());
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 1_024];
            while !request.ends_with(b"{}") {
                let read = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..read]);
            }
            target(stream, String::from_utf8(request).unwrap());
        });
        let mut poster = poster(patience, url);
        let headers = vec![("X-Event-Id", "e1".to_owned())];
        let result = poster.carry(&Forward { ticket: Ticket(1), headers, body: Arc::from("{}") });
        served.join().unwrap();
        result
    }

    fn poster(patience: Duration, url: String) -> Poster {
        let reports = Reports::start(None).unwrap();
        Poster {
            agent: agent(patience, 1),
            reports,
            url,
            bearer: "Bearer s".to_owned(),
            answer_bytes_max: 65_536,
        }
    }

    fn answers(head: &'static str) -> impl FnOnce(TcpStream, String) + Send + 'static {
        move |mut stream, _| stream.write_all(head.as_bytes()).unwrap()
    }

    fn status(result: &Forwarded) -> Option<u16> {
        match result {
            Forwarded::Answered { status, .. } => Some(*status),
            Forwarded::Failed { .. } => None,
        }
    }

    #[test]
    fn a_request_has_the_headers_of_the_contract() {
        let result = posted(PATIENCE, |mut stream, request| {
            let lower = request.to_ascii_lowercase();
            assert!(lower.starts_with("post /api/runner/events http/1.1"), "{request}");
            for wanted in ["content-type: application/json", "authorization: bearer s", "x-event-id: e1"] {
                assert!(lower.contains(wanted), "{wanted}: {request}");
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        });
        assert_eq!(result, Forwarded::Answered { status: 200, retry_after: None });
    }

    /// Both halves of a request come with one read, and the next one on the same connection.
    #[test]
    fn a_request_leaves_as_one_and_a_connection_that_ended_is_not_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (ended, is_ended) = mpsc::channel();
        let served = thread::spawn(move || {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            for requests in [2, 1] {
                let (mut stream, _) = listener.accept().unwrap();
                for _ in 0..requests {
                    let mut chunk = [0; 4_096];
                    let read = stream.read(&mut chunk).unwrap();
                    assert!(chunk[..read].starts_with(b"POST /") && chunk[..read].ends_with(b"\r\n\r\n{}"));
                    stream.write_all(answer).unwrap();
                }
                drop(stream);
                ended.send(()).unwrap();
            }
        });
        let mut poster = poster(PATIENCE, url);
        let forward = Forward { ticket: Ticket(1), headers: Vec::new(), body: Arc::from("{}") };
        assert_eq!(status(&poster.carry(&forward)), Some(200));
        assert_eq!(status(&poster.carry(&forward)), Some(200));
        is_ended.recv().unwrap();
        assert_eq!(status(&poster.carry(&forward)), Some(200));
        served.join().unwrap();
    }

    #[test]
    fn f_evt_02_a_redirect_is_an_answer_and_is_not_followed() {
        let head = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(status(&posted(PATIENCE, answers(head))), Some(302));
    }

    #[test]
    fn an_answer_tells_when_to_come_back() {
        let head = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
        let wanted = Forwarded::Answered { status: 503, retry_after: Some("7".to_owned()) };
        assert_eq!(posted(PATIENCE, answers(head)), wanted);
    }

    #[test]
    fn f_evt_02_an_endless_answer_is_read_no_further_than_its_bound() {
        let result = posted(PATIENCE, |mut stream, _| {
            stream.write_all(b"HTTP/1.1 400 Odd\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
            // Ends when the other side has had enough.
            while stream.write_all(&chunk).is_ok() {}
        });
        assert_eq!(status(&result), Some(400));
    }

    #[test]
    fn f_evt_01_a_target_that_says_nothing_is_given_up() {
        let result = posted(Duration::from_millis(100), |mut stream, _| {
            let _ = stream.read(&mut [0]);
        });
        assert!(matches!(result, Forwarded::Failed { .. }), "{result:?}");
    }

    #[test]
    fn f_evt_01_a_target_that_hangs_up_or_is_not_there_is_told_apart_from_an_answer() {
        assert!(matches!(posted(PATIENCE, |stream, _| drop(stream)), Forwarded::Failed { .. }));
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{nobody}/");
        let mut poster = poster(PATIENCE, url);
        let forward = Forward { ticket: Ticket(1), headers: Vec::new(), body: Arc::from("{}") };
        let Forwarded::Failed { why } = poster.carry(&forward) else { panic!() };
        assert!(!why.contains("127.0.0.1") && !why.is_empty(), "{why}");
    }
}
