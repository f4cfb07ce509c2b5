//! The runners' port: its paths, its tokens, its pages (runner protocol).
//!
//! *Always holds:* nothing of a body or a message is parsed, and none of it read beyond one chunk, before its
//! sender has shown a token.

use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::census::Page;
use super::client::{Bound, Client};
use super::inflight::SMALL_BYTES;
use super::relay::{Errand, RunnerErrand, Word};
use super::routes::json as answer;
use super::{Broker, Timer};
use crate::config::{RunnerConfig, Secret};
use crate::fault::Fault;
use crate::forward::Forwarded;
use crate::ids::{ConnId, RunnerId, RunnerNo, Ticket};
use crate::machine::Outputs;
use crate::note::{Level, Note};
use crate::runner::{self, Order, Parting, Runners};
use crate::stats::Counter;
use crate::surface::{Cx, SessionId};
use crate::time::Now;
use crate::wire::http::{Request, Response};

use crate::wire::runner::{CommandCall, DEFAULT_RUNNER, NoCommand, RunnerCall, decode};
use crate::wire::trace::Trace;

impl Broker {
    /// Calls into the runner surface with everything it is lent.
    pub(super) fn with_runners<R>(
        &mut self,
        now: Now,
        call: impl FnOnce(&mut Runners, &mut Cx<'_, runner::After>) -> R,
    ) -> R {
        let mut cx = Cx {
            now,
            config: &self.config,
            rng: &mut self.rng,
            stats: &mut self.stats,
            notes: &mut self.notes,
            effects: &mut self.effects,
            work: &mut self.runner_work,
            store: self.health.view(now),
        };
        call(&mut self.runners, &mut cx)
    }

    /// Runners are served only where a secret is set.
    pub(super) fn start_runners(&mut self, now: Now) {
        if self.config.runners.is_some() {
            self.with_runners(now, Runners::start);
            if self.is_first() {
                self.timers.arm(Timer::RunnerDepth, now.mono);
            }
        }
    }

    /// Makes the surface's next deadline ours.
    pub(super) fn arm_runners(&mut self) {
        let at = self.runners.deadline();
        if at != self.runners_armed {
            self.timers.set(Timer::Runners, at);
            self.runners_armed = at;
        }
    }

    /// The head of a request whose body follows: who may not ask is refused before it is read.
    pub(super) fn announced(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        todo: &mut Outputs,
    ) {
        self.inflight.idle.remove(&id);
        match self.judge(request) {
            Ok(Wanted::Command) => {
                self.leave_lobby(id, client);
                self.timers.arm(Timer::Hello(id), now.mono.after_millis(self.limits.runner_body_ms()));
                client.connection.await_body(now.mono, id, todo);
            }
            // A page needs no body; it is read as far as a stranger's may be.
            Ok(Wanted::Page(_)) if client.connection.body_bytes() <= SMALL_BYTES => {
                client.connection.await_body(now.mono, id, todo);
            }
            Ok(Wanted::Page(_)) => {
                let response = answer(413, &json!({ "error": "payload too large" }));
                self.respond(now, id, client, response, todo);
            }
            Err(response) => self.respond(now, id, client, response, todo),
        }
    }

    pub(super) fn route_runner(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        todo: &mut Outputs,
    ) {
        if let Some(upgrade) = &request.upgrade {
            return self.admit(now, id, client, request, &upgrade.accept, todo);
        }
        self.inflight.idle.remove(&id);
        let wanted = self.judge(request);
        client.keeps =
            request.keeps && wanted.as_ref().is_ok_and(|wanted| *wanted != Wanted::Page(Page::Health));
        match wanted {
            Ok(Wanted::Page(page)) => self.take_census(now, id, client, page, todo),
            Ok(Wanted::Command) => self.command(now, id, client, request, todo),
            Err(response) => self.respond(now, id, client, response, todo),
        }
    }

    /// What a request asks for, if its sender may.
    fn judge(&self, request: &Request) -> Result<Wanted, Response> {
        let path = request.target.split('?').next().unwrap_or("");
        let wanted = match (request.method.as_str(), path) {
            ("GET" | "HEAD", "/health") => return Ok(Wanted::Page(Page::Health)),
            ("GET" | "HEAD", "/status") => Wanted::Page(Page::Status),
            ("GET" | "HEAD", "/metrics") => Wanted::Page(Page::Metrics),
            ("POST", "/commands") => Wanted::Command,
            _ => return Err(answer(404, &json!({ "error": "Not found" }))),
        };
        let shown = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let secrets = self.config.runners.iter().flat_map(|config| &config.secrets);
        if !opens(shown.map(str::trim), secrets) {
            return Err(answer(401, &json!({ "error": "Unauthorized" })));
        }
        Ok(wanted)
    }

    /// A WebSocket is accepted first and refused afterwards, as the contract has it.
    fn admit(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        accept: &str,
        todo: &mut Outputs,
    ) {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if path != "/socket" {
            let response = answer(400, &json!({ "error": "No WebSocket here" }));
            return self.respond(now, id, client, response, todo);
        }
        let runner = named(query).filter(|runner| runner.len() as u64 <= self.limits.name_bytes_max());
        let shown = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let may = runner.as_deref().is_some_and(|runner| {
            self.config.runners.as_ref().is_some_and(|config| is_runner(config, runner, shown))
        });
        self.stats.count(Counter::ConnectionsTotal);
        client.connection.accept(now.mono, accept, id, todo);
        match runner.filter(|_| may) {
            Some(runner) => {
                let errand = Errand::Runner(RunnerId::new(runner), RunnerErrand::Seat);
                self.run_errand(now, id, client, errand);
            }
            None => {
                self.stats.count(Counter::BadToken);
                self.notes.push(Note::new(Level::Warn, "runner refused"));
                self.end(now, id, client, Fault::RunnerUnauthorized, todo);
            }
        }
    }

    fn command(&mut self, now: Now, id: ConnId, client: &mut Client, request: &Request, todo: &mut Outputs) {
        let trace = request.header("sentry-trace");
        let trace = trace.and_then(|trace| Trace::parse(trace, request.header("baggage")));
        let call = CommandCall::parse(&request.body, trace.as_ref());
        let order = call.map_err(no_command).and_then(|call| self.order_of(request, call));
        let order = match order {
            Ok(order) => order,
            Err(response) => return self.respond(now, id, client, response, todo),
        };
        match order.call.runner.clone() {
            Some(runner) => {
                let errand = RunnerErrand::Order(Box::new(order));
                self.run_errand(now, id, client, Errand::Runner(RunnerId::new(runner), errand));
            }
            // What is no name names nobody.
            None => {
                self.stats.count(Counter::CommandAbsent);
                let response = answer(503, &json!({ "error": "Runner not connected" }));
                self.respond(now, id, client, response, todo);
            }
        }
    }

    /// An admin asks for something about runners.
    pub(super) fn admin_of_runners(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        todo: &mut Outputs,
    ) {
        let call = RunnerCall::parse(&request.method, &request.target);
        let refusal = match call {
            _ if self.config.runners.is_none() => no_runners(),
            Some(RunnerCall::Connected) => return self.take_census(now, id, client, Page::Status, todo),
            Some(RunnerCall::Send { runner }) => {
                let call = CommandCall::of(&runner, &request.body).map_err(no_command);
                match call.and_then(|call| self.order_of(request, call)) {
                    Ok(order) => {
                        let errand = RunnerErrand::Order(Box::new(order));
                        return self.run_errand(now, id, client, Errand::Runner(runner, errand));
                    }
                    Err(response) => response,
                }
            }
            Some(RunnerCall::Requeue { runner, seq }) => {
                let errand = RunnerErrand::Admin(RunnerCall::Requeue { runner: runner.clone(), seq });
                return self.run_errand(now, id, client, Errand::Runner(runner, errand));
            }
            Some(call) => {
                client.bound = Bound::Answering;
                return self.with_runners(now, |runners, cx| runners.admin(cx, SessionId(id), call));
            }
            None => answer(404, &json!({ "error": "not_found", "message": "no such admin route" })),
        };
        self.respond(now, id, client, refusal, todo);
    }

    /// What a caller asks for besides the hand-over.
    fn order_of(&self, request: &Request, call: CommandCall) -> Result<Order, Response> {
        let limits = &self.limits;
        let mut order = Order { call, key: None, wait_ms: None, queue_ms: None };
        if let Some(key) = request.header("idempotency-key") {
            if key.is_empty() || key.len() as u64 > limits.name_bytes_max() {
                return Err(answer(400, &json!({ "error": "Idempotency-Key is empty or too long" })));
            }
            order.key = Some(Order::key_of(key, &request.body));
        }
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let (mut waits, mut timeout_ms) = (false, limits.runner_ack_wait_ms());
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "wait" if value == "ack" => waits = true,
                "wait" => return Err(odd("wait", "ack")),
                "timeout_ms" => {
                    timeout_ms = millis(value).ok_or_else(|| odd("timeout_ms", "milliseconds"))?;
                }
                "queue" => {
                    let queue_ms = millis(value).ok_or_else(|| odd("queue", "milliseconds"))?;
                    order.queue_ms = Some(queue_ms.min(limits.runner_command_queue_ms_max()));
                }
                _ => {}
            }
        }
        if waits {
            order.wait_ms = Some(timeout_ms.min(limits.runner_ack_wait_ms_max()));
        }
        Ok(order)
    }

    /// Does what a connection wants of a runner that this shard owns.
    pub(super) fn run_for_runner(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        runner: RunnerId,
        errand: RunnerErrand,
    ) {
        let session = SessionId(id);
        match errand {
            RunnerErrand::Seat => {
                client.bound = Bound::Seating(runner.clone());
                self.with_runners(now, |runners, cx| runners.greet(cx, session, runner));
            }
            RunnerErrand::Order(order) => {
                client.bound = Bound::Answering;
                let patience = self.limits.ack_deadline_ms().saturating_add(order.wait_ms.unwrap_or(0));
                self.timers.arm(Timer::Hello(id), now.mono.after_millis(patience));
                self.with_runners(now, |runners, cx| runners.order(cx, session, runner, *order));
            }
            RunnerErrand::Admin(call) => {
                client.bound = Bound::Answering;
                self.with_runners(now, |runners, cx| runners.admin(cx, session, call));
            }
        }
    }

    /// A request to the event target ended.
    pub(super) fn forwarded(&mut self, now: Now, ticket: Ticket, result: &Forwarded, todo: &mut Outputs) {
        self.with_runners(now, |runners, cx| runners.forwarded(cx, ticket, result));
        if let Some(at) = self.runners.news(now) {
            for shard in self.others().collect::<Vec<_>>() {
                self.relay(shard, Word::Taken { at }, todo);
            }
        }
    }

    /// The runner is ours: its connection is read from here on.
    pub(super) fn seat(&mut self, now: Now, id: ConnId, runner: RunnerNo, todo: &mut Outputs) {
        let seated = self.with_client(now, id, todo, |broker, client, _| {
            let waits = matches!(client.bound, Bound::Seating(_));
            if waits {
                client.bound = Bound::Runner(runner);
                client.connection.start_keepalive(now.mono);
                broker.leave_lobby(id, client);
                broker.timers.disarm(Timer::Hello(id));
            }
            waits
        });
        if seated != Some(true) {
            self.with_runners(now, |runners, cx| runners.gone(cx, runner, SessionId(id), Parting::Silent));
        }
        self.resumed.push(SessionId(id));
    }
}

/// Something that can be asked for over plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Page(Page),
    Command,
}

/// True when a token is one of these. Every secret is compared, and each in constant time.
fn opens<'a>(shown: Option<&str>, secrets: impl Iterator<Item = &'a Secret>) -> bool {
    let Some(shown) = shown else { return false };
    let shown = Sha256::digest(shown.as_bytes());
    secrets.fold(false, |found, secret| {
        found | bool::from(shown.as_slice().ct_eq(Sha256::digest(secret.expose()).as_slice()))
    })
}

/// True when a token lets its bearer be that runner: the runner's own where it has one.
fn is_runner(config: &RunnerConfig, runner: &str, shown: Option<&str>) -> bool {
    let own = || config.tokens.iter().filter(|(id, _)| id.as_str() == runner).map(|(_, token)| token);
    if own().next().is_some() { opens(shown, own()) } else { opens(shown, config.secrets.iter()) }
}

/// The runner that a query names; `None` when the name cannot be read.
fn named(query: &str) -> Option<String> {
    let given = query.split('&').find_map(|pair| match pair.split_once('=') {
        Some(("runnerId", value)) => Some(value),
        None if pair == "runnerId" => Some(""),
        _ => None,
    });
    match given {
        Some(value) => decode(value),
        None => Some(DEFAULT_RUNNER.to_owned()),
    }
}

fn millis(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn odd(name: &str, wanted: &str) -> Response {
    answer(400, &json!({ "error": format!("{name} must be {wanted}") }))
}

fn no_runners() -> Response {
    let message = "this broker serves no runners; start it with RUNNER_SHARED_SECRET";
    answer(404, &json!({ "error": "runners_off", "message": message }))
}

fn no_command(why: NoCommand) -> Response {
    answer(
        400,
        &match why {
            NoCommand::NotJson => json!({ "error": "The body is not a JSON object" }),
            NoCommand::Missing => json!({ "error": "Missing command payload" }),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RunnerConfig {
        RunnerConfig {
            secrets: vec![Secret::new("old"), Secret::new("new")],
            tokens: vec![(RunnerId::new("r1"), Secret::new("mine"))],
            forwards_heartbeats: true,
        }
    }

    #[test]
    fn either_secret_opens_and_nothing_else_does() {
        let config = config();
        for (shown, may) in [("old", true), ("new", true), ("New", false), ("", false), ("mine", false)] {
            assert_eq!(opens(Some(shown), config.secrets.iter()), may, "{shown}");
        }
        assert!(!opens(None, config.secrets.iter()));
    }

    #[test]
    fn a_runner_with_a_token_of_its_own_needs_that_one() {
        let config = config();
        assert!(is_runner(&config, "r1", Some("mine")));
        assert!(!is_runner(&config, "r1", Some("old")), "whoever has the shared secret is not that runner");
        assert!(is_runner(&config, "r2", Some("new")));
        assert!(!is_runner(&config, "r2", Some("mine")));
        assert!(!is_runner(&config, "r2", None));
    }

    #[test]
    fn a_query_names_a_runner() {
        assert_eq!(named("").as_deref(), Some("default"));
        assert_eq!(named("runnerId=a%20b+c&x=1").as_deref(), Some("a b c"));
        assert_eq!(named("x=1&runnerId=").as_deref(), Some(""));
        assert_eq!(named("runnerId").as_deref(), Some(""));
        assert_eq!(named("runnerId=%zz"), None);
    }
}
