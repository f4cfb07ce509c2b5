//! What programs of the host ask of brokers: who is there, and what a mesh remembers.
//!
//! *Decides* which question goes to which mesh, and puts the answers of several meshes together.
//! *Does not* decide what becomes of something that a broker is told; `tell.rs` does.
//! *Always holds:* a question has an answer within its time. What a broker could not be asked is not said to
//! be missing.

use serde_json::{Map, Value, json};

use super::local::Caller;
use super::outbox::Answer;
use super::routes::{Query, nothing};
use super::target;
use super::tell::{UNREACHABLE, Word};
use super::{Call, Daemon, LaneKey};
use crate::ids::ConnId;
use crate::machine::Outputs;
use crate::time::Now;
use crate::wire::admin::decode;
use crate::wire::http::Request;

/// A question that a program waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relay {
    /// Which gathering of answers it belongs to.
    gathering: u64,
    mesh: usize,
}

/// Answers of several meshes to one question.
#[derive(Debug)]
pub(super) struct Gathering {
    conn: ConnId,
    kind: Kind,
    /// Meshes that have not answered.
    open: usize,
    items: Vec<Value>,
    /// Why meshes did not answer, in the order in which that was known.
    silent: Vec<(String, Answer)>,
}

/// What is asked, and how its answers are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A list of everything that all meshes have: its name with the broker, and here.
    List { theirs: &'static str, ours: &'static str },
    /// Who is there; those of daemons too.
    Peers { all: bool },
    /// The first value that a mesh has, by its name with the broker and here; and what is said where none has
    /// it.
    First { theirs: &'static [&'static str], ours: &'static str, missing: Missing },
    /// The id of what a mesh was told to remember.
    Remembered,
}

/// What is said where nobody has it: a word, and what was asked for by its name.
type Missing = (&'static str, &'static str, String);

impl Daemon {
    /// Does what a request asks that brokers answer: an answer, or none when it comes later.
    pub(super) fn relay(
        &mut self,
        now: Now,
        caller: Caller,
        (method, parts): (&str, &[&str]),
        query: &Query<'_>,
        request: &Request,
        todo: &mut Outputs,
    ) -> Result<Option<Answer>, Answer> {
        let text = |name: &str| query.find(name).filter(|text| !text.is_empty());
        let list = |theirs, ours| Kind::List { theirs, ours };
        let (question, kind) = match (method, parts) {
            ("GET", ["peers"]) => {
                let all = text("all").as_deref() == Some("true");
                let question = if all {
                    json!({ "type": "list_peers", "all": true })
                } else {
                    json!({ "type": "list_peers" })
                };
                (question, Kind::Peers { all })
            }
            ("GET", ["state"]) => match text("key") {
                None => (json!({ "type": "list_state" }), list("entries", "entries")),
                Some(key) => {
                    let missing = ("state_not_found", "key", key.clone());
                    let kind = Kind::First { theirs: &["state", "row"], ours: "state", missing };
                    (json!({ "type": "get_state", "key": key }), kind)
                }
            },
            ("GET", ["memory"]) => {
                let asked = text("q").unwrap_or_default();
                (json!({ "type": "recall", "query": asked }), list("matches", "matches"))
            }
            ("GET", ["skills"]) => {
                (json!({ "type": "list_skills", "query": text("query") }), list("skills", "skills"))
            }
            ("GET", ["skills", name]) => {
                let name = decode(name).ok_or_else(nothing)?;
                let missing = ("skill_not_found", "name", name.clone());
                let kind = Kind::First { theirs: &["skill"], ours: "skill", missing };
                (json!({ "type": "get_skill", "name": name }), kind)
            }
            ("POST" | "DELETE", _) => return self.write(now, caller, (method, parts), query, request, todo),
            _ => return Err(nothing()),
        };
        let meshes = self.asked_meshes(query, caller)?;
        self.gather(now, caller.conn, kind, &question, &meshes, todo);
        Ok(None)
    }

    /// Does what a request wants told to a broker.
    fn write(
        &mut self,
        now: Now,
        caller: Caller,
        (method, parts): (&str, &[&str]),
        query: &Query<'_>,
        request: &Request,
        todo: &mut Outputs,
    ) -> Result<Option<Answer>, Answer> {
        let named = query.find("mesh");
        match (method, parts) {
            ("POST", ["state"]) => {
                let body = self.body(request)?;
                let (key, value) = (body.get("key").and_then(Value::as_str), body.get("value"));
                let (Some(key), Some(value)) = (key, value) else {
                    return Err(Answer::error(400, "key or value is missing"));
                };
                let mesh = self.write_mesh(mesh_of(&body), caller.token)?.0;
                let message = json!({ "type": "set_state", "key": key, "value": value });
                let slug = self.config.meshes[mesh].slug.as_str();
                let done = json!({ "ok": true, "key": key, "mesh": slug });
                self.tell_brokers(now, caller.conn, done, vec![Word::new(mesh, message, &[])], todo);
                Ok(None)
            }
            ("POST", ["memory"]) => {
                let body = self.body(request)?;
                let content = body.get("content").and_then(Value::as_str);
                let content = content.ok_or_else(|| Answer::error(400, "content is missing"))?;
                let mesh = self.write_mesh(mesh_of(&body), caller.token)?.0;
                let tags = body.get("tags").cloned().unwrap_or_else(|| json!([]));
                let question = json!({ "type": "remember", "content": content, "tags": tags });
                self.gather(now, caller.conn, Kind::Remembered, &question, &[mesh], todo);
                Ok(None)
            }
            ("DELETE", ["memory", id]) => {
                let id = decode(id).ok_or_else(nothing)?;
                let mesh = self.write_mesh(named.as_deref(), None)?.0;
                let message = json!({ "type": "forget", "memoryId": id });
                let slug = self.config.meshes[mesh].slug.as_str();
                let done = json!({ "ok": true, "id": id, "mesh": slug });
                self.tell_brokers(now, caller.conn, done, vec![Word::new(mesh, message, &[])], todo);
                Ok(None)
            }
            ("POST", ["profile"]) => {
                let body = self.body(request)?;
                let meshes = self.profile_meshes(mesh_of(&body).or(named.as_deref()), caller)?;
                self.tell_profile(now, caller.conn, &body, &meshes, todo);
                Ok(None)
            }
            _ => Err(nothing()),
        }
    }

    /// Tells brokers how a member is; each part is a message of its own.
    fn tell_profile(&mut self, now: Now, conn: ConnId, body: &Value, meshes: &[usize], todo: &mut Outputs) {
        const OWN: [(&str, &str); 3] =
            [("summary", "set_summary"), ("status", "set_status"), ("visible", "set_visible")];
        let given: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
        let mut messages: Vec<(Value, Vec<&str>)> = OWN
            .iter()
            .filter_map(|(name, kind)| {
                let mut message = json!({ "type": kind });
                message[*name] = given.get(*name)?.clone();
                Some((message, vec![*name]))
            })
            .collect();
        let mut profile = (json!({ "type": "set_profile" }), Vec::new());
        for name in ["avatar", "title", "bio", "capabilities"] {
            if let Some(value) = given.get(name) {
                profile.0[name] = value.clone();
                profile.1.push(name);
            }
        }
        messages.extend((!profile.1.is_empty()).then_some(profile));
        let of_mesh = |mesh: &usize| {
            let words = messages.iter().map(|(message, names)| Word::new(*mesh, message.clone(), names));
            words.collect::<Vec<_>>()
        };
        let words = meshes.iter().flat_map(of_mesh).collect();
        let applied: Vec<&String> = given.keys().filter(|name| *name != "mesh").collect();
        let slugs: Vec<&str> = meshes.iter().map(|mesh| self.config.meshes[*mesh].slug.as_str()).collect();
        let done = json!({ "ok": true, "applied": applied, "meshes": slugs });
        self.tell_brokers(now, conn, done, words, todo);
    }

    fn profile_meshes(&self, named: Option<&str>, caller: Caller) -> Result<Vec<usize>, Answer> {
        let is_session = caller.token.is_some();
        match named.filter(|slug| !slug.trim().is_empty()) {
            None if !is_session => Ok(self.attached().collect()),
            named => Ok(vec![self.write_mesh(named, caller.token)?.0]),
        }
    }

    /// The meshes that a question is about: the one that is named, else the session's, else all.
    fn asked_meshes(&self, query: &Query<'_>, caller: Caller) -> Result<Vec<usize>, Answer> {
        let named = query.find("mesh").filter(|slug| !slug.trim().is_empty());
        match named {
            None if caller.token.is_none() => Ok(self.attached().collect()),
            named => Ok(vec![self.write_mesh(named.as_deref(), caller.token)?.0]),
        }
    }

    fn gather(
        &mut self,
        now: Now,
        conn: ConnId,
        kind: Kind,
        question: &Value,
        meshes: &[usize],
        todo: &mut Outputs,
    ) {
        self.gathered += 1;
        let gathering = self.gathered;
        let begun = Gathering { conn, kind, open: meshes.len(), items: Vec::new(), silent: Vec::new() };
        self.gatherings.insert(gathering, begun);
        for mesh in meshes {
            let member = LaneKey { mesh: *mesh, session: None };
            let relay = Relay { gathering, mesh: *mesh };
            let (asked, call) = (question.clone(), Call::Relay(relay));
            let unasked = self.with_uplink(now, member, todo, |uplink, cx| uplink.call(asked, call, cx));
            if unasked.is_none_or(|unheard| unheard.is_some()) {
                self.relayed(now, relay, None, todo);
            }
        }
        if meshes.is_empty() {
            self.finish_gathering(now, gathering, todo);
        }
    }

    /// A broker answered, or did not.
    pub(super) fn relayed(&mut self, now: Now, relay: Relay, answer: Option<Value>, todo: &mut Outputs) {
        let slug = self.config.meshes[relay.mesh].slug.clone();
        let failure = match &answer {
            None => Some(self.away(relay.mesh, "it did not answer")),
            // One that says that it has none has answered.
            Some(answer) => self.refusal(relay.mesh, answer).filter(|had| had.body["error"] != "not_found"),
        };
        let Some(gathering) = self.gatherings.get_mut(&relay.gathering) else { return };
        gathering.open = gathering.open.saturating_sub(1);
        match failure {
            Some(failure) => gathering.silent.push((slug, failure)),
            None => gathering.take(&slug, answer),
        }
        if gathering.open == 0 {
            self.finish_gathering(now, relay.gathering, todo);
        }
    }

    fn finish_gathering(&mut self, now: Now, gathering: u64, todo: &mut Outputs) {
        if let Some(gathering) = self.gatherings.remove(&gathering) {
            self.answer(now, gathering.conn, &gathering.answer(), todo);
        }
    }
}

impl Gathering {
    fn take(&mut self, slug: &str, answer: Option<Value>) {
        let Some(mut answer) = answer else { return };
        let mut items = match &self.kind {
            Kind::List { theirs, .. } => list(&mut answer, theirs),
            Kind::Peers { all } => {
                let mut peers = list(&mut answer, "peers");
                peers.retain(|peer| *all || !target::is_control_plane(peer));
                peers
            }
            Kind::First { theirs, .. } => {
                let found = theirs.iter().filter_map(|name| answer.get_mut(*name).map(Value::take));
                found.filter(Value::is_object).take(1).collect()
            }
            Kind::Remembered => {
                let id = answer.get("memoryId").filter(|id| id.is_string());
                id.map(|id| json!({ "id": id })).into_iter().collect()
            }
        };
        for item in items.iter_mut().filter(|item| item.is_object()) {
            item["mesh"] = slug.into();
        }
        self.items.append(&mut items);
    }

    fn answer(self) -> Answer {
        let Gathering { kind, items, silent, .. } = self;
        let named = |ours: &str, value: Value| Map::from_iter([(ours.to_owned(), value)]);
        let mut body = match kind {
            Kind::List { ours, .. } => named(ours, items.into()),
            Kind::Peers { .. } => named("peers", items.into()),
            Kind::First { ours, missing, .. } => {
                match (items.into_iter().next(), silent.into_iter().next()) {
                    (Some(item), _) => return Answer::new(200, named(ours, item).into()),
                    // Whoever did not answer may have it.
                    (None, Some((_, failure))) => return failure,
                    (None, None) => return not_there(missing),
                }
            }
            Kind::Remembered => match (items.into_iter().next(), silent.into_iter().next()) {
                (Some(item), _) => return Answer::new(200, item),
                (None, Some((_, refusal))) if refusal.body["error"] != UNREACHABLE => return refusal,
                (None, _) => return Answer::error(502, "remember_timeout"),
            },
        };
        let silent = silent.into_iter().map(|(slug, mut failure)| (slug, failure.body["error"].take()));
        let silent: Map<String, Value> = silent.collect();
        if !silent.is_empty() {
            body.insert("unanswered".to_owned(), silent.into());
        }
        Answer::new(200, body.into())
    }
}

fn not_there((error, name, value): Missing) -> Answer {
    let mut refusal = json!({ "error": error });
    refusal[name] = value.into();
    Answer::new(404, refusal)
}

fn list(answer: &mut Value, name: &str) -> Vec<Value> {
    match answer.get_mut(name).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn mesh_of(body: &Value) -> Option<&str> {
    body.get("mesh").and_then(Value::as_str)
}
