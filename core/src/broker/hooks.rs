//! Hook requests on their way through the shards: asked everywhere, then decided once.

use serde_json::{Value, json};

use super::client::{Bound, Client};
use super::relay::Word;
use super::{Broker, routes};
use crate::ids::ConnId;
use crate::kit::bucket::Bucket;
use crate::kit::index::Index;
use crate::machine::Outputs;
use crate::mesh::{Hook, HookFound, Status};
use crate::note::{Level, Note};
use crate::rng::Rng;
use crate::stats::Counter;
use crate::time::{Mono, Now};
use crate::wire::http::{Request, Response};

#[derive(Debug)]
pub(super) struct Hooks {
    next: u64,
    asked: Index<u64, Asked>,
    buckets: Index<(i64, String), Bucket>,
}

/// A hook that waits for what the other shards find.
#[derive(Debug)]
struct Asked {
    conn: ConnId,
    at: Mono,
    hook: Hook,
    found: HookFound,
    missing: usize,
}

/// Buckets kept before all start afresh: a bound on memory that only a flood of made-up pids reaches.
const BUCKETS_MAX: usize = 16_384;

impl Hooks {
    pub(super) fn new(rng: &mut Rng) -> Hooks {
        Hooks { next: 0, asked: Index::new(rng), buckets: Index::new(rng) }
    }
}

impl Broker {
    /// `POST /hook/set-status`, in the contract's order: count, parse, rate, validate, look up, write.
    pub(super) fn hook(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        todo: &mut Outputs,
    ) {
        self.stats.count(Counter::HookRequests);
        match self.judge_hook(now, client, request) {
            Ok(hook) => self.ask_hook(now, id, client, hook, todo),
            Err(response) => self.respond(now, id, client, response, todo),
        }
    }

    fn judge_hook(&mut self, now: Now, client: &Client, request: &Request) -> Result<Hook, Response> {
        if let Some(token) = &self.config.hook_token
            && let Err(response) =
                self.tokens.check(now, client.remote, request, token, &self.limits, &mut self.rng)
        {
            self.stats.count(Counter::BadToken);
            return Err(response);
        }
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|error| refuse(500, &error.to_string()))?;
        let pid = body.get("pid").and_then(Value::as_i64).unwrap_or(0);
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("");
        let (cwd, status) = (text("cwd"), text("status"));
        if self.hooks.buckets.len() >= BUCKETS_MAX {
            self.hooks.buckets = Index::new(&mut self.rng);
        }
        let rate = self.limits.hook_rate_per_minute();
        let key = (pid, cwd.chars().take(1_024).collect());
        if self.hooks.buckets.find_or_insert(key, || Bucket::new(rate, rate)).take(now.mono).is_err() {
            self.stats.count(Counter::HookRateLimited);
            let note = Note::new(Level::Warn, "hook rate limited").with("cwd", cwd).with("pid", pid);
            self.notes.push(note);
            return Err(refuse(429, "rate limited"));
        }
        if cwd.is_empty() || status.is_empty() {
            return Err(refuse(200, "cwd and status required"));
        }
        if cwd.len() as u64 > self.limits.text_bytes_max() {
            return Err(refuse(500, "cwd is too long"));
        }
        let status =
            Status::parse(status).ok_or_else(|| refuse(500, "status must be idle, working or dnd"))?;
        Ok(Hook { pid, cwd: cwd.to_owned(), status })
    }

    fn ask_hook(&mut self, now: Now, id: ConnId, client: &mut Client, hook: Hook, todo: &mut Outputs) {
        let found = self.meshes.find_hooked(self.shards.own, &hook);
        let missing = self.others().count();
        if missing == 0 {
            let response = self.decide_hook(now, now.mono, hook, &found, todo);
            return self.respond(now, id, client, response, todo);
        }
        client.bound = Bound::Answering;
        let ask = self.hooks.next;
        self.hooks.next += 1;
        for shard in self.others() {
            self.relay(shard, Word::Asked { ask, hook: hook.clone() }, todo);
        }
        self.hooks.asked.insert(ask, Asked { conn: id, at: now.mono, hook, found, missing });
    }

    /// Another shard has answered; the last answer decides.
    pub(super) fn hook_found(&mut self, now: Now, ask: u64, found: HookFound, todo: &mut Outputs) {
        let Some(asked) = self.hooks.asked.find_mut(&ask) else { return };
        asked.found.merge(found);
        asked.missing -= 1;
        if asked.missing > 0 {
            return;
        }
        let Some(Asked { conn, at, hook, found, .. }) = self.hooks.asked.remove(&ask) else { return };
        let response = self.decide_hook(now, at, hook, &found, todo);
        self.with_client(now, conn, todo, |broker, client, todo| {
            broker.respond(now, conn, client, response, todo);
        });
    }

    fn decide_hook(
        &mut self,
        now: Now,
        asked: Mono,
        hook: Hook,
        found: &HookFound,
        todo: &mut Outputs,
    ) -> Response {
        let meant = found.verdict().cloned();
        let note = Note::new(Level::Info, "hook")
            .with("route", "/hook/set-status")
            .with("cwd", hook.cwd.as_str())
            .with("pid", hook.pid)
            .with("status", hook.status.word())
            .with("presence_id", meant.as_ref().map(|target| target.id.as_str()))
            .with("pending", meant.is_none())
            .with("latency_ms", now.mono.millis_since(asked));
        self.notes.push(note);
        let Some(target) = meant else {
            for shard in self.others() {
                self.relay(shard, Word::Kept { hook: hook.clone() }, todo);
            }
            self.with_meshes(now, |meshes, cx| meshes.keep_hook(cx, hook));
            return routes::json(200, &json!({ "ok": true, "pending": true }));
        };
        if target.shard == self.shards.own {
            self.with_meshes(now, |meshes, cx| {
                meshes.apply_hook(cx, target.mesh, target.presence, hook.status);
            });
        } else {
            let word = Word::Meant { mesh: target.mesh, presence: target.presence, status: hook.status };
            self.relay(target.shard, word, todo);
        }
        routes::json(200, &json!({ "ok": true, "presence_id": target.id.as_str() }))
    }
}

fn refuse(status: u16, error: &str) -> Response {
    routes::json(status, &json!({ "ok": false, "error": error }))
}
