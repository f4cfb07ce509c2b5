//! How a publication comes to its offset: judged, written, told.
//!
//! *Decides* what is a repetition. *Always holds:* nobody is told of a publication before its commit; of one
//! topic commits come back in the order in which they were staged; the same key gives the same answer.

use std::sync::Arc;

use serde_json::{Value, json as value};
use sha2::{Digest, Sha256};

use super::coming::Visit;
use super::publication::Publication;
use super::{After, Cx, Identity, Lives, Refusal, Right, is_gated, reply_of};
use crate::config::{Limits, Slow, size};
use crate::ids::TopicNo;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Counter;
use crate::store::{Ended, FedTurn, LiveFence, LiveKey, LiveKnown, LiveOp, LiveReply, LiveRow, Op};
use crate::surface::SessionId;
use crate::time::Mono;
use crate::wire::json;
use crate::wire::live::{Broadcast, Draft, Outbound, Publish, Receipt};

/// Who wants to know what came of it.
#[derive(Clone, Debug)]
pub(super) enum Asker {
    /// A watcher, by what it calls its message.
    Watcher(SessionId, Option<String>),
    /// An HTTP request.
    Request(SessionId),
    /// An HTTP request about several topics, and which of them this is.
    Call(CallNo, usize),
    /// The feed, which asks again by itself.
    Feed,
    /// This process itself, about that topic: nobody waits.
    Within(Box<str>),
}

/// A request about several topics, by its number in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallNo(pub u64);

/// See [`CallNo`].
#[derive(Debug)]
pub(super) struct Call {
    session: SessionId,
    missing: usize,
    topics: Vec<String>,
    results: Vec<Value>,
}

impl Call {
    /// True for a request of that connection.
    pub(super) fn is_of(&self, session: SessionId) -> bool {
        self.session == session
    }
}

/// What came of a publication.
#[derive(Clone, Debug)]
pub(super) struct Stood {
    topic: String,
    epoch: Box<str>,
    offset: u64,
    /// Of a batch, how many.
    count: Option<usize>,
    duplicate: bool,
}

/// What waits for its commit: one publication or a batch.
#[derive(Debug)]
pub(super) struct Unstored {
    place: u64,
    rows: Arc<[LiveRow]>,
    /// Of a batch, how many.
    count: Option<usize>,
    key: Option<LiveKey>,
    fed: Option<FedTurn>,
    came: Mono,
    /// The first of them asked for it, the others for the same.
    askers: Vec<Asker>,
}

impl Lives {
    /// Somebody publishes and may.
    pub(super) fn publish(&mut self, cx: &mut Cx<'_>, asker: Asker, identity: &Identity, publish: Publish) {
        match judge(&publish, &cx.config.limits) {
            Ok(()) => {
                let visit = Visit::Publish(asker, Box::new(publish), None);
                self.visit_as(cx, identity, Right::Publish, visit);
            }
            Err(why) => self.answer(cx, &asker, Err(why)),
        }
    }

    /// This process itself publishes, whichever part of it.
    pub(crate) fn publish_within(&mut self, cx: &mut Cx<'_>, publish: Publish) {
        if !is_gated(cx) {
            return;
        }
        let asker = Asker::Within(publish.topic.as_str().into());
        match judge(&publish, &cx.config.limits) {
            Ok(()) => self.visit(cx, Visit::Publish(asker, Box::new(publish), None)),
            Err(why) => self.answer(cx, &asker, Err(why)),
        }
    }

    /// Somebody publishes the same to many topics; those that it may not are refused one by one.
    pub(super) fn broadcast(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        Broadcast { topics, what }: Broadcast,
        identity: &Identity,
    ) {
        if topics.is_empty() || topics.len() as u64 > cx.config.limits.live_broadcast_max() {
            let why = Refusal::Limit("topics of one broadcast");
            return self.answer(cx, &Asker::Request(session), Err(why));
        }
        self.calls_made += 1;
        let no = CallNo(self.calls_made);
        let results = vec![Value::Null; topics.len()];
        let call = Call { session, missing: topics.len(), topics: topics.clone(), results };
        self.calls.insert(no, call);
        for (at, topic) in topics.into_iter().enumerate() {
            let asker = Asker::Call(no, at);
            if identity.may(Right::Publish, &topic) {
                self.publish(cx, asker, identity, Publish { topic, ..what.clone() });
            } else {
                self.answer(cx, &asker, Err(Refusal::Forbidden));
            }
        }
    }

    /// The topic of a publication is in memory.
    pub(super) fn accept(
        &mut self,
        cx: &mut Cx<'_>,
        no: TopicNo,
        asker: Asker,
        mut publish: Publish,
        fed: Option<u64>,
    ) {
        if self.draining {
            return self.answer(cx, &asker, Err(Refusal::ShuttingDown));
        }
        let times = self.clock.read(cx.now);
        let Some(topic) = self.topics.get_mut(&no) else { return };
        let limits = &cx.config.limits;
        topic.tidy(limits, times);
        if topic.rule.slow == Slow::Conflate {
            publish.drafts.iter_mut().for_each(|draft| _ = draft.key.get_or_insert_default());
        }
        let key = publish.idempotency_key.as_deref().filter(|_| !planted("publication_key_forgotten"));
        let key = key.map(|key| LiveKey {
            key: Sha256::digest(key.as_bytes()).into(),
            fingerprint: fingerprint(&publish),
            since: times.kept.before_millis(limits.live_keys_ms()),
        });
        let count = publish.batch_of();
        if let Some(key) = &key {
            if let Some(known) = topic.keys.find(&key.key).copied() {
                return self.answer_known(cx, no, (&[asker], count), *key, known);
            }
            let same = topic.unstored.iter_mut().find(|one| one.key.is_some_and(|used| used.key == key.key));
            if let Some(one) = same {
                if one.key.is_some_and(|used| used.fingerprint == key.fingerprint) {
                    return one.askers.push(asker);
                }
                return self.answer(cx, &asker, Err(Refusal::Conflict));
            }
        }
        if !topic.has_room_for(&publish.drafts, limits) {
            let why = Refusal::Limit("entities of one topic");
            if let Some(row) = fed {
                super::feed::refuse_row(cx, &publish.topic, row, why);
            }
            return self.answer(cx, &asker, Err(why));
        }
        let waiting: usize = topic.unstored.iter().map(|one| one.rows.len()).sum();
        if waiting + publish.drafts.len() > size(limits.live_unstored_max()) {
            if fed.is_some() {
                self.feed_again(cx, no);
            }
            return self.answer(cx, &asker, Err(Refusal::Unavailable));
        }
        let rows = publish.drafts.into_iter().map(|draft| LiveRow {
            gone: draft.removes(),
            key: draft.key.map(Into::into),
            version: draft.version,
            at: times.kept,
            late: false,
            text: draft.data.into(),
        });
        let (place, fence) = (topic.place, topic.fence);
        topic.place += 1;
        let (came, fed) = (cx.now.mono, fed.map(|row| topic.turn_of(row)));
        let one = Unstored { place, rows: rows.collect(), count, key, fed, came, askers: vec![asker] };
        match fence {
            Some(fence) if !planted("publication_told_before_commit") => self.stage(cx, fence, one),
            _ => {
                let offset = topic.top + one.rows.len() as u64;
                self.stand(cx, no, &one, offset, None);
            }
        }
    }

    fn stage(&mut self, cx: &mut Cx<'_>, fence: LiveFence, one: Unstored) {
        let Some(topic) = self.topics.get_mut(&fence.topic) else { return };
        let Unstored { place, rows, key, fed, .. } = &one;
        let (rows, key) = (Arc::clone(rows), key.map(Box::new));
        let op = LiveOp::Append { fence, place: *place, rows, key, fed: *fed };
        cx.stage(Op::Live(op), None, After::Appended(fence, one.place));
        topic.outstanding += 1;
        topic.unstored.push_back(one);
    }

    /// The store has written a publication, or not.
    pub(super) fn appended(&mut self, cx: &mut Cx<'_>, fence: LiveFence, place: u64, ended: Ended) {
        let (no, times) = (fence.topic, self.clock.read(cx.now));
        let Some(topic) = self.topics.get_mut(&no).filter(|topic| topic.fence == Some(fence)) else { return };
        topic.outstanding = topic.outstanding.saturating_sub(1);
        let at = topic.unstored.iter().position(|one| one.place == place);
        let Some(one) = at.and_then(|at| topic.unstored.remove(at)) else { return };
        match reply_of(ended) {
            // Offset 0 says that it is gone, which nothing of ours can have removed.
            Some(LiveReply::Appended { offset, late }) if offset > 0 => {
                self.stand(cx, no, &one, offset, Some(&late));
                self.feed_on(cx, no);
            }
            Some(LiveReply::Repeated(known)) => {
                let aged = times.aged(known.at);
                topic.keys.learn(known, aged, size(cx.config.limits.live_keys_max()));
                let Some(key) = one.key else { return };
                if let Some(FedTurn { row, .. }) = one.fed {
                    topic.fed = topic.fed.max(row);
                }
                self.answer_known(cx, no, (&one.askers, one.count), key, known);
            }
            Some(LiveReply::OutOfTurn { fed }) => {
                topic.fed = topic.fed.max(fed);
                self.feed_again(cx, no);
                self.feed_on(cx, no);
            }
            Some(LiveReply::Lost) => {
                self.answer_all(cx, &one.askers, Refusal::NotOwner);
                return self.lose(cx, no, "not-owner");
            }
            _ => {
                self.answer_all(cx, &one.askers, Refusal::Unavailable);
                if one.fed.is_some() {
                    self.feed_again(cx, no);
                }
            }
        }
        self.may_forget(cx, no);
    }

    /// Publications stand, the last of them at that offset: everybody learns of them. Which of them are late
    /// is the store's word, where there is one.
    fn stand(&mut self, cx: &mut Cx<'_>, no: TopicNo, one: &Unstored, offset: u64, late: Option<&[u64]>) {
        let times = self.clock.read(cx.now);
        let Some(topic) = self.topics.get_mut(&no) else { return };
        let limits = &cx.config.limits;
        let mut publications = Vec::with_capacity(one.rows.len());
        for (row, offset) in one.rows.iter().zip(offset + 1 - one.rows.len() as u64..) {
            let late = late.map_or_else(|| topic.is_late(row), |late| late.contains(&offset));
            let row = LiveRow { late, ..row.clone() };
            let publication = Arc::new(Publication::of(offset, &row, one.came, times.steady));
            topic.apply(&publication, limits, times);
            publications.push(publication);
        }
        topic.fed = topic.fed.max(one.fed.map_or(0, |turn| turn.row));
        if let (Some(LiveKey { key, fingerprint, .. }), Some(last)) = (one.key, one.rows.last()) {
            let known = LiveKnown { key, fingerprint, offset, at: last.at };
            topic.keys.learn(known, times.steady, size(limits.live_keys_max()));
        }
        cx.stats.add(Counter::LivePublications, publications.len() as u64);
        let mut stood = topic.stood(offset, one.count, false);
        for asker in &one.askers {
            if stood.duplicate {
                cx.count(Counter::LiveDuplicates);
            }
            self.answer(cx, asker, Ok(stood.clone()));
            stood.duplicate = true;
        }
        let told = if planted("batch_told_in_part") { 1 } else { publications.len() };
        for publication in publications.iter().take(told) {
            self.spread(cx, no, publication);
        }
        self.trim(cx, no, TRIM_STEP);
        self.may_forget(cx, no);
    }

    fn answer_known(
        &mut self,
        cx: &mut Cx<'_>,
        no: TopicNo,
        (askers, count): (&[Asker], Option<usize>),
        key: LiveKey,
        known: LiveKnown,
    ) {
        if known.fingerprint != key.fingerprint {
            return self.answer_all(cx, askers, Refusal::Conflict);
        }
        let Some(topic) = self.topics.get(&no) else { return };
        let stood = topic.stood(known.offset, count, true);
        for asker in askers {
            cx.count(Counter::LiveDuplicates);
            self.answer(cx, asker, Ok(stood.clone()));
        }
        self.may_forget(cx, no);
    }

    pub(super) fn answer_all(&mut self, cx: &mut Cx<'_>, askers: &[Asker], why: Refusal) {
        for asker in askers {
            self.answer(cx, asker, Err(why));
        }
    }

    /// Tells whoever asked what came of it.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_>, asker: &Asker, came: Result<Stood, Refusal>) {
        match asker {
            Asker::Watcher(session, id) => match came {
                Ok(stood) => {
                    let (id, topic) = (id.as_deref(), stood.topic.as_str());
                    let told = Outbound::Published { id, topic, receipt: stood.receipt() };
                    self.tell(cx, *session, &told);
                }
                Err(why) => self.refuse(cx, *session, id.as_deref(), None, why),
            },
            Asker::Request(session) => {
                let status = came.as_ref().map_or_else(|why| why.row().1, |_| 200);
                cx.answer(*session, status, &body(&came));
            }
            Asker::Call(no, at) => {
                let Some(call) = self.calls.get_mut(no) else { return };
                let mut result = body(&came);
                result["topic"] = call.topics[*at].as_str().into();
                call.results[*at] = result;
                call.missing -= 1;
                if call.missing == 0
                    && let Some(call) = self.calls.remove(no)
                {
                    cx.answer(call.session, 200, &value!({ "results": call.results }));
                }
            }
            Asker::Feed => {}
            Asker::Within(topic) => {
                let Err(why) = came else { return };
                let (code, _, bound) = why.row();
                cx.note(Level::Warn, || {
                    let note = Note::new(Level::Warn, "publication dropped").with("topic", &**topic);
                    note.with("why", if code == "limit-exceeded" { bound.unwrap_or(code) } else { code })
                });
            }
        }
    }
}

/// Publications that the history dropped before the store is told to forget them, so that it is told of many
/// at once.
const TRIM_STEP: u64 = 64;

impl Unstored {
    pub(super) fn askers(&self) -> &[Asker] {
        &self.askers
    }

    /// True for a row of the feed.
    pub(super) fn is_fed(&self) -> bool {
        self.fed.is_some()
    }
}

impl Stood {
    fn receipt(&self) -> Receipt<'_> {
        Receipt { epoch: &self.epoch, offset: self.offset, count: self.count, duplicate: self.duplicate }
    }
}

impl super::topic::Topic {
    fn stood(&self, offset: u64, count: Option<usize>, duplicate: bool) -> Stood {
        Stood { topic: self.name.as_str().to_owned(), epoch: self.epoch.clone(), offset, count, duplicate }
    }
}

fn body(came: &Result<Stood, Refusal>) -> Value {
    match came {
        Ok(stood) => serde_json::to_value(stood.receipt()).unwrap_or_default(),
        Err(why) => {
            let (code, _, message) = why.row();
            value!({ "error": code, "message": message })
        }
    }
}

/// Whether a topic may be called so. Not every store tells U+0000 from all other characters.
pub(super) fn judge_name(name: &str, limits: &Limits) -> Result<(), Refusal> {
    if name.is_empty() || name.len() as u64 > limits.live_name_bytes_max() {
        return Err(Refusal::Limit("length of a topic's name"));
    }
    if name.contains('\0') {
        return Err(Refusal::Limit("characters of a topic's name"));
    }
    Ok(())
}

/// Whether names are within their bounds.
pub(super) fn judge(publish: &Publish, limits: &Limits) -> Result<(), Refusal> {
    judge_name(&publish.topic, limits)?;
    let fits = |text: &str| text.len() as u64 <= limits.live_name_bytes_max();
    let is_text = |text: &str| !text.contains('\0');
    if publish.drafts.len() as u64 > limits.live_batch_max().min(limits.live_unstored_max()) {
        return Err(Refusal::Limit("publications of one batch"));
    }
    let is_odd = |key: &str| key.is_empty() || !fits(key);
    if publish.idempotency_key.as_deref().is_some_and(is_odd) {
        return Err(Refusal::Limit("length of an idempotency key"));
    }
    if !publish.idempotency_key.as_deref().is_none_or(is_text) {
        return Err(Refusal::Limit("characters of an idempotency key"));
    }
    for Draft { key, version, data } in &publish.drafts {
        if !key.as_deref().is_none_or(fits) {
            return Err(Refusal::Limit("length of a key"));
        }
        if !key.as_deref().is_none_or(is_text) {
            return Err(Refusal::Limit("characters of a key"));
        }
        if json::depth(data) > limits.live_data_depth_max() {
            return Err(Refusal::Limit("depth of the data"));
        }
        if version.is_some_and(|version| i64::try_from(version).is_err()) {
            return Err(Refusal::Limit("size of a version"));
        }
    }
    Ok(())
}

/// What a key of idempotency stands for.
fn fingerprint(publish: &Publish) -> [u8; 32] {
    let mut hash = Sha256::new();
    if publish.is_batch {
        hash.update(b"batch");
    }
    for Draft { key, version, data } in &publish.drafts {
        let version = version.map(|version| version.to_string());
        for part in [key.as_deref(), version.as_deref(), Some(data)] {
            let part = part.map(str::as_bytes);
            hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
            hash.update(part.unwrap_or_default());
        }
    }
    hash.finalize().into()
}
