//! Hooks on their way through the shards: asked everywhere, then decided once. One that means nobody waits in
//! the store, where every broker that shares it looks.

use serde_json::{Value, json};

use super::client::{Bound, Client};
use super::relay::Word;
use super::{After, Broker, routes};
use crate::config::Limits;
use crate::ids::{ConnId, HookId};
use crate::kit::bucket::Bucket;
use crate::kit::index::Index;
use crate::machine::Outputs;
use crate::mesh::{Hook, HookFound, HookTarget};
use crate::note::{Level, Note};
use crate::rng::Rng;
use crate::stats::Counter;
use crate::store::{Ended, Found, HookRow, Op, Query, Reply, Status};
use crate::time::{Mono, Now};
use crate::wire::http::{Request, Response};

#[derive(Debug)]
pub(super) struct Hooks {
    next: u64,
    asked: Index<u64, Asked>,
    /// By the hash of a pid and a directory, which may be long.
    buckets: Index<u64, Bucket>,
    /// Spent by every hook that comes to wait in the store.
    kept: Bucket,
    /// Waiting hooks of the last look that were not decided yet.
    open: usize,
}

/// A hook whose meaning the other shards are asked for.
#[derive(Debug)]
struct Asked {
    origin: Origin,
    at: Mono,
    hook: Hook,
    found: HookFound,
    missing: usize,
}

#[derive(Clone, Debug)]
enum Origin {
    /// A request brought it.
    Request(ConnId),
    /// It waits in the store.
    Waiting(HookId),
}

/// Where a hook goes on when the store has answered.
#[derive(Debug)]
pub(super) enum Step {
    /// It waits in the store; whoever brought it waits for that.
    Kept(ConnId),
    /// Those that wait were read.
    Waiting,
    /// One of them is this presence's.
    Taken { target: HookTarget, status: Status },
}

/// Buckets kept before all start afresh: a bound on memory that only a flood of made-up pids reaches.
const BUCKETS_MAX: usize = 16_384;
/// Characters of a directory that nobody vouched for, in the log.
const CLAIM_CHARS: usize = 64;
/// Waiting hooks of one look.
const PAGE: u32 = 256;

impl Hooks {
    pub(super) fn new(rng: &mut Rng, limits: &Limits) -> Hooks {
        let (count, window_ms) = (limits.pending_statuses_max(), limits.pending_status_ms());
        let per_minute = count.saturating_mul(60_000).div_ceil(window_ms);
        Hooks {
            next: 0,
            asked: Index::new(rng),
            buckets: Index::new(rng),
            kept: Bucket::new(per_minute, count),
            open: 0,
        }
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
        let key = self.hooks.buckets.hash(&(pid, cwd));
        if self.hooks.buckets.find_or_insert(key, || Bucket::new(rate, rate)).take(now.mono).is_err() {
            self.stats.count(Counter::HookRateLimited);
            let cwd: String = cwd.chars().take(CLAIM_CHARS).collect();
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

    /// Asks every shard whom a hook could mean. The connection of a request waits for the last answer.
    fn ask_hook(&mut self, now: Now, id: ConnId, client: &mut Client, hook: Hook, todo: &mut Outputs) {
        client.bound = Bound::Answering;
        if let Some(response) = self.look_for(now, Origin::Request(id), hook, todo) {
            self.respond(now, id, client, response, todo);
        }
    }

    fn look_for(&mut self, now: Now, origin: Origin, hook: Hook, todo: &mut Outputs) -> Option<Response> {
        let found = self.meshes.find_hooked(self.shards.own, &hook);
        let missing = self.others().count();
        let asked = Asked { origin, at: now.mono, hook, found, missing };
        if missing == 0 {
            return self.decide_hook(now, asked, todo);
        }
        let ask = self.hooks.next;
        self.hooks.next += 1;
        for shard in self.others() {
            self.relay(shard, Word::Asked { ask, hook: asked.hook.clone() }, todo);
        }
        self.hooks.asked.insert(ask, asked);
        None
    }

    /// Another shard has answered; the last answer decides.
    pub(super) fn hook_found(&mut self, now: Now, ask: u64, found: HookFound, todo: &mut Outputs) {
        let Some(asked) = self.hooks.asked.find_mut(&ask) else { return };
        asked.found.merge(found);
        asked.missing -= 1;
        if asked.missing > 0 {
            return;
        }
        let Some(asked) = self.hooks.asked.remove(&ask) else { return };
        let origin = asked.origin.clone();
        if let (Some(response), Origin::Request(conn)) = (self.decide_hook(now, asked, todo), origin) {
            self.answer_hook(now, conn, response, todo);
        }
    }

    fn answer_hook(&mut self, now: Now, conn: ConnId, response: Response, todo: &mut Outputs) {
        self.with_client(now, conn, todo, |broker, client, todo| {
            // Whoever was told that it took too long waits for nothing any more.
            if matches!(client.bound, Bound::Answering) {
                broker.respond(now, conn, client, response, todo);
            }
        });
    }

    /// Everybody was asked. The answer to a request, unless it waits for the store.
    fn decide_hook(&mut self, now: Now, asked: Asked, todo: &mut Outputs) -> Option<Response> {
        let Asked { origin, at, hook, found, .. } = asked;
        let meant = found.verdict().cloned();
        let conn = match origin {
            Origin::Request(conn) => conn,
            Origin::Waiting(id) => {
                self.take_hook(now, id, meant, hook.status);
                return None;
            }
        };
        let note = Note::new(Level::Info, "hook")
            .with("route", "/hook/set-status")
            .with("cwd", hook.cwd.as_str())
            .with("pid", hook.pid)
            .with("status", hook.status.word())
            .with("presence_id", meant.as_ref().map(|target| target.id.as_str()))
            .with("pending", meant.is_none())
            .with("latency_ms", now.mono.millis_since(at));
        self.notes.push(note);
        match meant {
            Some(target) => {
                let body = json!({ "ok": true, "presence_id": target.id.as_str() });
                self.apply_hook(now, &target, hook.status, todo);
                Some(routes::json(200, &body))
            }
            None => self.keep_hook(now, conn, hook),
        }
    }

    fn apply_hook(&mut self, now: Now, target: &HookTarget, status: Status, todo: &mut Outputs) {
        let (fence, presence) = (target.fence, target.presence);
        if target.shard == self.shards.own {
            self.with_meshes(now, |meshes, cx| meshes.apply_hook(cx, fence, presence, status));
        } else {
            self.relay(target.shard, Word::Meant { fence, presence, status }, todo);
        }
    }

    /// A hook that means nobody here waits in the store: for a hello, or for another broker that has whom it
    /// means.
    fn keep_hook(&mut self, now: Now, conn: ConnId, hook: Hook) -> Option<Response> {
        if self.health.view(now).down.is_some() {
            return Some(refuse(503, "store_down"));
        }
        if self.hooks.kept.take(now.mono).is_err() {
            self.stats.count(Counter::HookRateLimited);
            return Some(refuse(429, "rate limited"));
        }
        let Hook { pid, cwd, status } = hook;
        let row = HookRow { id: HookId::mint(&mut self.rng), pid, cwd, status, at: now.wall };
        let stale_before = now.wall.before_millis(self.limits.pending_status_ms());
        let op = Op::KeepHook { hook: Box::new(row), stale_before };
        self.commits.stage(op, None, After::Hook(Step::Kept(conn)));
        None
    }

    /// Looks for hooks that came to other brokers and may mean somebody here.
    pub(super) fn ask_hooks(&mut self, now: Now) {
        let alone = !self.health.is_shared() || self.health.view(now).down.is_some();
        if alone || self.drain.is_on() || self.hooks.open > 0 {
            return;
        }
        self.hooks.open = 1;
        let since = now.wall.before_millis(self.limits.pending_status_ms());
        self.commits.ask(Query::Hooks { since, limit: PAGE }, After::Hook(Step::Waiting));
    }

    /// Everybody was asked whom a waiting hook means: if it is one presence of ours, it is taken from the
    /// store first, because another broker may think the same.
    fn take_hook(&mut self, now: Now, hook: HookId, meant: Option<HookTarget>, status: Status) {
        let Some(target) = meant else {
            self.hooks.open -= 1;
            return;
        };
        let (fence, presence) = (target.fence, target.id.clone());
        let op = Op::ApplyHook { hook, presence, at: now.wall };
        self.commits.stage(op, Some(fence), After::Hook(Step::Taken { target, status }));
    }

    /// The store has answered.
    pub(super) fn hook_stored(&mut self, now: Now, step: Step, ended: Ended, todo: &mut Outputs) {
        match step {
            Step::Kept(conn) => {
                let response = match ended {
                    Ended::Done(_) | Ended::Found(_) => {
                        routes::json(200, &json!({ "ok": true, "pending": true }))
                    }
                    Ended::Refused(_) => refuse(503, "store_down"),
                };
                self.answer_hook(now, conn, response, todo);
            }
            Step::Waiting => {
                let rows = match ended {
                    Ended::Found(found) => match *found {
                        Found::Hooks(rows) => rows,
                        _ => Vec::new(),
                    },
                    Ended::Done(_) | Ended::Refused(_) => Vec::new(),
                };
                self.hooks.open = rows.len();
                for HookRow { id, pid, cwd, status, .. } in rows {
                    self.look_for(now, Origin::Waiting(id), Hook { pid, cwd, status }, todo);
                }
            }
            Step::Taken { target, status } => {
                self.hooks.open -= 1;
                if let Ended::Done(Reply::Done) = ended {
                    self.apply_hook(now, &target, status, todo);
                }
            }
        }
    }
}

fn refuse(status: u16, error: &str) -> Response {
    routes::json(status, &json!({ "ok": false, "error": error }))
}
