//! Paths to surfaces, for plain HTTP and for the upgrade (mesh protocol, endpoints).
//!
//! Matching is exact on the raw request target. The public routes carry the contract's CORS headers; the
//! admin routes and everything else carry none.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Broker;
use super::client::{Bound, Client};
use super::relay::Errand;
use crate::config::{Limits, Secret};
use crate::ids::ConnId;
use crate::kit::index::Index;
use crate::machine::{Output, Outputs};
use crate::mesh::JoinCall;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::rng::Rng;
use crate::stats::Counter;
use crate::surface::SessionId;
use crate::time::{Mono, Now};
use crate::wire::http::{Request, Response};
use crate::wire::runner::RunnerCall;
use crate::wire::{admin, enquiry, rotate};

const PUBLIC: [&str; 5] = ["/health", "/health/ready", "/metrics", "/hook/set-status", "/join"];

impl Broker {
    pub(super) fn route(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        todo: &mut Outputs,
    ) {
        if planted("token_in_a_record") {
            let shown = request.header("authorization").unwrap_or_default();
            self.notes.push(Note::new(Level::Info, "http").with("authorization", shown));
        }
        self.believe_proxy(now, id, client, request, todo);
        let (plain_path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if shows_token(query) {
            self.stats.count(Counter::UrlToken);
            let text = "a URL is written down in many places: put the token into the Authorization header";
            let response = json(400, &json!({ "error": "token_in_url", "message": text }));
            return self.respond(now, id, client, response, todo);
        }
        if let Some(upgrade) = &request.upgrade {
            return self.upgrade(now, id, client, request, &upgrade.accept, todo);
        }
        let path = request.target.as_str();
        client.public = PUBLIC.contains(&path);
        let response = match (request.method.as_str(), path) {
            ("OPTIONS", _) if client.public => {
                Response { status: 204, headers: Vec::new(), body: Vec::new() }
            }
            ("GET", "/health") => self.health_page(now),
            ("GET", "/health/ready") => self.ready_page(now),
            ("GET", "/metrics") => return self.scrape(id, client, request, todo),
            ("POST", "/hook/set-status") => return self.hook(now, id, client, request, todo),
            ("POST", "/join") => return self.join(now, id, client, request, todo),
            ("POST", rotate::PATH) => return self.rotate(now, id, client, request, todo),
            ("GET", _) if enquiry::is_route(plain_path) => {
                return self.enquire(now, id, client, request, todo);
            }
            _ if path == "/admin" || path.starts_with("/admin/") => {
                return self.admin(now, id, client, request, todo);
            }
            _ => {
                if Level::Debug <= self.config.log_level {
                    let note = Note::new(Level::Debug, "http").with("route", plain_path).with("status", 404);
                    self.notes.push(note);
                }
                Response { status: 404, headers: Vec::new(), body: b"not found".to_vec() }
            }
        };
        self.respond(now, id, client, response, todo);
    }

    /// The last address that a trusted proxy did not add itself.
    fn believe_proxy(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        todo: &mut Outputs,
    ) {
        let trusted = &self.config.trusted_proxies;
        if !trusted.contains(&client.remote) {
            return;
        }
        // A proxy may add a line of its own instead of adding to the line there is.
        let lines: Vec<&str> = request.headers("x-forwarded-for").collect();
        let addresses = lines.iter().rev().flat_map(|line| line.rsplit(',')).map(address);
        let told = addresses.map_while(|address| address).find(|address| !trusted.contains(address));
        if let Some(address) = told {
            self.move_address(now, id, client, address, todo);
        }
    }

    fn upgrade(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        accept: &str,
        todo: &mut Outputs,
    ) {
        if request.target != "/ws" {
            self.depart(now, id, client);
            return client.connection.abort(id, todo);
        }
        let foreign = request
            .header("origin")
            .is_some_and(|origin| !self.config.allowed_origins.iter().any(|allowed| allowed == origin));
        if foreign {
            self.stats.count(Counter::ForeignOrigin);
            let body = b"origin not allowed: list it in PEERMESH_ALLOWED_ORIGINS".to_vec();
            let response = Response { status: 403, headers: Vec::new(), body };
            return self.respond(now, id, client, response, todo);
        }
        self.stats.count(Counter::ConnectionsTotal);
        client.connection.accept(now.mono, accept, id, todo);
    }

    fn health_page(&self, now: Now) -> Response {
        let (status, word, db) =
            if self.health.is_up() { (200, "ok", "up") } else { (503, "degraded", "down") };
        json(status, &self.about(now, json!({ "status": word, "db": db })))
    }

    fn ready_page(&self, now: Now) -> Response {
        let missing = self.config.expected_migration.as_deref();
        if !self.health.is_up() {
            json(503, &json!({ "status": "not_ready", "reason": "db_down" }))
        } else if let Some(expected) = missing.filter(|expected| !self.health.has_migration(expected)) {
            let reason = "migration_missing";
            json(503, &json!({ "status": "not_ready", "reason": reason, "expected": expected }))
        } else {
            json(200, &self.about(now, json!({ "status": "ready" })))
        }
    }

    fn about(&self, now: Now, mut body: Value) -> Value {
        body["version"] = json!(self.config.version);
        body["gitSha"] = json!(self.config.git_sha);
        body["uptime"] = json!(now.mono.since(self.started).as_secs());
        body
    }

    fn scrape(&mut self, id: ConnId, client: &mut Client, request: &Request, todo: &mut Outputs) {
        let openmetrics =
            request.header("accept").is_some_and(|accept| accept.contains("application/openmetrics-text"));
        client.bound = Bound::Answering;
        client.openmetrics = openmetrics;
        self.publish(todo);
        todo.push(Output::Scrape { conn: id, openmetrics });
    }

    pub(super) fn scraped(&mut self, now: Now, id: ConnId, page: &Bytes, todo: &mut Outputs) {
        self.with_client(now, id, todo, |broker, client, todo| {
            let kind = if client.openmetrics {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            } else {
                "text/plain; version=0.0.4"
            };
            let headers = vec![("Content-Type", kind.to_owned())];
            let response = Response { status: 200, headers, body: page.to_vec() };
            broker.respond(now, id, client, response, todo);
        });
    }

    fn join(&mut self, now: Now, id: ConnId, client: &mut Client, request: &Request, todo: &mut Outputs) {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        match JoinCall::parse(&body, now.mono, self.limits.name_bytes_max()) {
            Ok(call) => self.run_errand(now, id, client, Errand::Join(Box::new(call))),
            Err(error) => {
                let note = Note::new(Level::Info, "join").with("route", "/join").with("ok", false);
                self.notes.push(note.with("error", error));
                let response = json(400, &json!({ "ok": false, "error": error }));
                self.respond(now, id, client, response, todo);
            }
        }
    }

    fn enquire(&mut self, now: Now, id: ConnId, client: &mut Client, request: &Request, todo: &mut Outputs) {
        match enquiry::parse(request, &self.limits) {
            Ok(enquiry) => self.run_errand(now, id, client, Errand::Enquiry(Box::new(enquiry))),
            Err(no) => {
                let is_asker = no.status == 401;
                let counter = if is_asker { Counter::EnquiryUnauthorized } else { Counter::EnquiryBad };
                self.stats.count(counter);
                let response = json(no.status, &json!({ "error": no.code, "message": no.message }));
                self.respond(now, id, client, response, todo);
            }
        }
    }

    fn rotate(&mut self, now: Now, id: ConnId, client: &mut Client, request: &Request, todo: &mut Outputs) {
        match rotate::parse(&request.body) {
            Ok(call) => self.run_errand(now, id, client, Errand::Rotate(Box::new(call))),
            Err(message) => {
                self.stats.count(Counter::EnquiryBad);
                let response = json(400, &json!({ "error": "bad_request", "message": message }));
                self.respond(now, id, client, response, todo);
            }
        }
    }

    fn admin(&mut self, now: Now, id: ConnId, client: &mut Client, request: &Request, todo: &mut Outputs) {
        let allowed = match &self.config.admin_token {
            Some(token) => self.tokens.check(now, client.remote, request, token, &self.limits, &mut self.rng),
            None => Err(no_admin_token()),
        };
        if allowed.is_ok() && request.target.starts_with(RunnerCall::PATH) {
            return self.admin_of_runners(now, id, client, request, todo);
        }
        let parsed = allowed.and_then(|()| {
            admin::parse(&request.method, &request.target, &request.body, now.wall, &self.limits)
                .map_err(|no| json(no.status, &json!({ "error": no.code, "message": no.message })))
        });
        match parsed {
            Ok((mesh, call)) => {
                client.bound = Bound::Answering;
                self.with_meshes(now, |meshes, cx| meshes.admin(cx, SessionId(id), mesh, call));
            }
            Err(response) => {
                if matches!(response.status, 401 | 429) {
                    self.stats.count(Counter::BadToken);
                }
                self.respond(now, id, client, response, todo);
            }
        }
    }
}

/// Bearer tokens: compared in constant time, and slowed down for whoever guesses (AUT-01).
#[derive(Debug)]
pub(super) struct Tokens {
    failures: Index<IpAddr, Failed>,
}

/// Wrong tokens of one address in one minute.
#[derive(Clone, Copy, Debug)]
struct Failed {
    since: Mono,
    count: u64,
}

/// Addresses remembered for guessing before all start afresh.
const ADDRESSES_MAX: usize = 4_096;

impl Tokens {
    pub(super) fn new(rng: &mut Rng) -> Tokens {
        Tokens { failures: Index::new(rng) }
    }

    pub(super) fn check(
        &mut self,
        now: Now,
        remote: IpAddr,
        request: &Request,
        expected: &Secret,
        limits: &Limits,
        rng: &mut Rng,
    ) -> Result<(), Response> {
        let shown = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let hash = |bytes: &[u8]| Sha256::digest(bytes);
        let right = shown.is_some_and(|token| {
            bool::from(hash(token.trim().as_bytes()).as_slice().ct_eq(hash(expected.expose()).as_slice()))
        });
        let failed = self
            .failures
            .find(&remote)
            .copied()
            .filter(|failed| now.mono.millis_since(failed.since) < 60_000);
        if failed.is_some_and(|failed| failed.count >= limits.token_failures_per_minute_max()) {
            let text = "too many wrong tokens from this address: wait a minute";
            return Err(json(429, &json!({ "error": "slow_down", "message": text })));
        }
        if right {
            return Ok(());
        }
        if self.failures.len() >= ADDRESSES_MAX {
            self.failures = Index::new(rng);
        }
        let failed = failed.unwrap_or(Failed { since: now.mono, count: 0 });
        self.failures.insert(remote, Failed { count: failed.count + 1, ..failed });
        Err(unauthorized())
    }
}

/// True when a parameter is named like a token (AUT-02).
pub(super) fn shows_token(query: &str) -> bool {
    query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name)).any(|name| {
        let name = name.to_ascii_lowercase();
        name == "authorization" || name == "token" || name.ends_with("_token")
    })
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

fn no_admin_token() -> Response {
    let text = "this broker has no admin token: start it with PEERMESH_ADMIN_TOKEN, or with a data \
                directory it may write to";
    json(403, &json!({ "error": "no_admin_token", "message": text }))
}

fn unauthorized() -> Response {
    let text = "Authorization: Bearer with the token of this broker is needed";
    json(401, &json!({ "error": "unauthorized", "message": text }))
}

/// A JSON response.
pub(super) fn json(status: u16, body: &Value) -> Response {
    let headers = vec![("Content-Type", "application/json".to_owned())];
    Response { status, headers, body: body.to_string().into_bytes() }
}

/// Seconds after which it is worth to ask again where something is away.
const RETRY_AFTER_S: u64 = 2;

/// Adds what every answer carries: when to come back, if that may help, and the headers of public routes.
pub(super) fn finish(response: &mut Response, client: &Client) {
    if response.status == 503 {
        response.headers.push(("Retry-After", RETRY_AFTER_S.to_string()));
    }
    if client.public {
        response.headers.extend([
            ("Access-Control-Allow-Origin", "*".to_owned()),
            ("Access-Control-Allow-Methods", "POST, GET, OPTIONS".to_owned()),
            (
                "Access-Control-Allow-Headers",
                "Content-Type, X-Mesh-Id, X-Member-Id, X-File-Name, X-Tags, X-Persistent, X-Target-Spec"
                    .to_owned(),
            ),
        ]);
    }
}
