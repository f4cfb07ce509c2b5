//! Sends what the outbox holds: lane by lane, each row until a broker has it or it is given up.
//!
//! *Decides* when a row is tried, what an answer means for it, and when it is given up.
//! *Always holds:* a lane has one row under way, so that its order is that of acceptance, and a row that
//! waits holds back its own lane only. A row is marked in the store before it is sent. A session's rows leave
//! by the session's socket or not at all: they are sealed with its key. No lost socket, no missing answer
//! and no refusal that passes ever gives a row up; only age, a final refusal, or many that say nothing do.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::events::Kind;
use super::outbox::{self, Answer, Verdict};
use super::routes::Requeued;
use super::send::{Accepting, Wish};
use super::{Daemon, LaneKey, Timer};
use crate::ids::{ConnId, PublicKey};
use crate::kit::backoff::spread;
use crate::machine::Outputs;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::seal::{self, Sealed};
use crate::store::{
    Attempt, DaemonFound, DaemonOp, DaemonReply, Ended, Found, LaneName, Op, OutRow, OutboxOp, OutboxQuery,
    RecipientKind, Reply,
};
use crate::time::{Mono, Now};

/// Where to go on when the store of the outbox has answered.
#[derive(Debug)]
pub(super) enum After {
    /// Rows that were in flight, and that nobody waits for, are pending again.
    Reclaimed,
    /// Lanes in which something waits are known.
    Lanes,
    /// How much waits is known.
    Load,
    /// The sessions of an earlier run are known.
    Sessions,
    /// A page of a lane came.
    Page(LaneKey),
    /// This row is marked as being under way, by the so-manieth mark.
    Taken(LaneKey, Box<str>, u64),
    /// A session is kept, or is not; its program waits for this answer.
    Registered(ConnId, Value),
    /// A session is forgotten, or is not; its program waits for this answer.
    Unregistered(ConnId, Answer),
    /// An attempt is recorded.
    Settled,
    /// Rows were given up: of this lane, or of all lanes of its mesh, for this reason.
    Buried(LaneName, Box<str>),
    /// What had ended long ago is forgotten.
    Forgotten,
    /// Whether something is pending of a session that has ended is known, whose lane was woken so often when
    /// it was asked.
    Weighed(LaneKey, u64),
    /// What is needed of a session that has ended is kept, or is not.
    EstateKept,
    /// Whether the key of a request was used is known.
    Looked(Box<Wish>),
    /// The row of a request is on disk.
    Enqueued(Box<Accepting>),
    /// A program wants to see rows.
    Listed(ConnId),
    /// A row was put in line again.
    Requeued(Box<Requeued>),
}

/// Rows that no broker will get, as programs are told of them.
#[derive(Debug)]
pub(super) struct GivenUp {
    mesh: Box<str>,
    /// Whose they are; none for rows of several.
    whose: Option<(RecipientKind, PublicKey)>,
    about: Value,
}

/// A line of rows of one identity.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The next rows, oldest first; empty while nobody is there to take them.
    page: VecDeque<OutRow>,
    /// The place of the last row that was read.
    after: u64,
    /// More may stand in the store than was read.
    more: bool,
    /// A page is being read.
    asked: bool,
    /// What was read may no longer be what stands in the store.
    stale: bool,
    /// Rows that are being written.
    coming: u32,
    /// How often it was said that something may be there.
    wakes: u64,
    /// The mark that was made last.
    mark: u64,
    step: Step,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    /// Its first row is not tried before this.
    Waiting(Mono),
    /// Its first row is being marked.
    Taking,
    /// Its first row was sent; an answer is awaited until then.
    Sending(Mono),
}

/// What a row says of an attempt whose socket went away, or whose answer never came.
const SOCKET_LOST: &str = "broker_disconnected";
const NO_ANSWER: &str = "ack_timeout";
/// What it says of one over whose length the broker ended the connection, and how often it is tried.
const TOO_LARGE: &str = "too_large: the broker takes no message of this length";
const TOO_LARGE_MAX: u32 = 2;

impl Daemon {
    /// What comes of a store request of the outbox.
    pub(super) fn outbox_stored(&mut self, now: Now, after: After, ended: Ended, todo: &mut Outputs) {
        match after {
            After::Reclaimed => self.reclaimed(now, &ended),
            After::Lanes => self.lanes_found(now, ended),
            After::Sessions => self.restore_sessions(now, ended, todo),
            After::Load => {
                if let Ended::Found(found) = ended
                    && let Found::Daemon(DaemonFound::Load(load)) = *found
                {
                    self.load = load;
                }
            }
            After::Page(key) => self.page_came(now, key, ended),
            After::Taken(key, id, mark) => self.taken(now, key, (&id, mark), &ended, todo),
            After::Settled => self.recorded(now, &ended),
            After::Registered(conn, body) => self.registered(now, conn, body, &ended, todo),
            After::Unregistered(conn, answer) => self.unregistered(now, conn, answer, &ended, todo),
            After::Buried(lane, error) => self.buried(lane, &error, &ended),
            After::Forgotten => self.forgotten(now, &ended),
            After::Weighed(key, wakes) => self.estate_weighed(now, (key, wakes), ended, todo),
            After::EstateKept => self.estate_kept(&ended),
            After::Looked(wish) => self.looked(now, *wish, ended, todo),
            After::Enqueued(accepting) => self.enqueued(now, &accepting, ended, todo),
            After::Listed(conn) => self.rows_listed(now, conn, ended, todo),
            After::Requeued(requeued) => self.requeued(now, *requeued, &ended, todo),
        }
    }

    /// A row is being written for this lane.
    pub(super) fn lane_expects(&mut self, key: LaneKey) {
        let lane = self.lanes.entry(key).or_default();
        lane.coming = lane.coming.saturating_add(1);
    }

    /// That row is on disk, or is not.
    pub(super) fn lane_got(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.coming = lane.coming.saturating_sub(1);
        }
    }

    /// True when nothing of a lane is under way, nor about to be.
    pub(super) fn is_at_rest(&self, key: LaneKey) -> bool {
        let is_still = |lane: &Lane| lane.step == Step::Idle && lane.page.is_empty() && lane.coming == 0;
        self.in_order && self.lanes.get(&key).is_none_or(is_still)
    }

    /// How often a lane was woken.
    pub(super) fn wakes(&self, key: LaneKey) -> u64 {
        self.lanes.get(&key).map_or(0, |lane| lane.wakes)
    }

    /// True when it is also sure that the store has nothing of it.
    pub(super) fn is_drained(&self, key: LaneKey) -> bool {
        let is_read = |lane: &Lane| !lane.more && !lane.asked && !lane.stale;
        self.is_at_rest(key) && self.lanes.get(&key).is_some_and(is_read)
    }

    /// Something may be there to be sent.
    pub(super) fn wake_lane(&mut self, now: Now, key: LaneKey) {
        let lane = self.lanes.entry(key).or_default();
        (lane.more, lane.wakes) = (true, lane.wakes + 1);
        self.advance(now, key);
    }

    /// A socket can be used: what was lost with the one before is tried at once.
    pub(super) fn lane_open(&mut self, now: Now, key: LaneKey) {
        let lane = self.lanes.entry(key).or_default();
        lane.more = true;
        if let Step::Waiting(_) = lane.step
            && let Some(row) = lane.page.front_mut()
            && matches!(row.last_error.as_deref(), Some(SOCKET_LOST | NO_ANSWER))
        {
            row.next_attempt_at = now.wall;
            lane.step = Step::Idle;
        }
        self.advance(now, key);
    }

    /// A socket is gone.
    pub(super) fn lane_lost(&mut self, now: Now, key: LaneKey) {
        let sent = self.lanes.get(&key).is_some_and(|lane| matches!(lane.step, Step::Sending(_)));
        if sent {
            let error = SOCKET_LOST.to_owned();
            let verdict = match planted("lost_socket_ends_a_row") {
                true => Verdict::Final { error },
                false => Verdict::Later { error, after_ms: 0 },
            };
            self.settle(now, key, verdict);
        }
    }

    /// A broker ended the connection because it was sent something too long: the row under way, unless it was
    /// something else, which the next try will show. Without this the row would keep its lane for ever.
    pub(super) fn lane_burst(&mut self, now: Now, key: LaneKey) {
        let sent = self.lanes.get(&key).is_some_and(|lane| matches!(lane.step, Step::Sending(_)));
        if sent {
            self.settle(now, key, Verdict::TooLarge);
        }
    }

    /// A mesh was left. A row that is being marked there is given up with all others, which it would escape
    /// as one that is in flight.
    pub(super) fn drop_lanes(&mut self, mesh: usize) {
        let error = no_broker(&self.config.meshes[mesh].slug);
        let gone: Vec<LaneKey> = self.lanes.keys().filter(|key| key.mesh == mesh).copied().collect();
        for key in gone {
            let Some(lane) = self.lanes.remove(&key) else { continue };
            if let (Step::Taking, Some(row)) = (lane.step, lane.page.front()) {
                let (id, attempts) = (row.id.clone(), row.attempts.saturating_add(1));
                let outcome = outbox::dead(&error);
                self.stage_out(OutboxOp::Settle { id, attempts, outcome }, After::Settled);
            }
        }
    }

    /// The clock of a lane.
    pub(super) fn lane_due(&mut self, now: Now, key: LaneKey) {
        match self.lanes.get(&key).map(|lane| lane.step) {
            Some(Step::Sending(until)) if until <= now.mono => {
                self.settle(now, key, Verdict::Later { error: NO_ANSWER.to_owned(), after_ms: 0 });
            }
            Some(Step::Sending(until)) => self.timers.arm(Timer::Lane(key), until),
            Some(Step::Idle | Step::Waiting(_) | Step::Taking) => self.advance(now, key),
            None => {}
        }
    }

    /// Takes the next step of a lane, if there is one.
    fn advance(&mut self, now: Now, key: LaneKey) {
        let is_open = self.uplinks.get(&key).is_some_and(super::Uplink::is_open);
        let is_open = is_open && self.in_order && !self.stop.is_on();
        // What the operator demands of a broker is known before the first message is.
        let is_fit = self.config.require_features.is_empty() || self.brokers[key.mesh].features.is_some();
        let (name, limit) = (self.lane_name(key), self.bounds.drain_batch_max());
        let longest_ms = self.bounds.drain_retry_ms_max();
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        match lane.step {
            Step::Taking | Step::Sending(_) => return,
            Step::Waiting(until) if until > now.mono => return self.timers.arm(Timer::Lane(key), until),
            Step::Waiting(_) => {
                lane.step = Step::Idle;
                // It has waited. What was written while a clock was ahead would wait until that time is true.
                if let Some(row) = lane.page.front_mut().filter(|_| !planted("clock_ahead_holds_a_row")) {
                    row.next_attempt_at = row.next_attempt_at.min(now.wall);
                }
            }
            Step::Idle => {}
        }
        if lane.stale {
            // An answer that is under way is to a question that counts no more: it is awaited, and left out.
            if lane.asked {
                return;
            }
            (lane.stale, lane.after, lane.more) = (false, 0, true);
            lane.page.clear();
        }
        if !is_open || !is_fit {
            return;
        }
        if let Some(row) = lane.page.front() {
            // A clock that jumped back must not hold a row for longer than any wait lasts.
            let wait_ms = row.next_attempt_at.as_millis().saturating_sub(now.wall.as_millis());
            let wait_ms = u64::try_from(wait_ms).unwrap_or(0).min(longest_ms);
            // What was never tried waits for nothing, whatever its clock said.
            let wait_ms = if row.attempts == 0 && !planted("clock_ahead_holds_a_row") { 0 } else { wait_ms };
            if wait_ms > 0 {
                let until = now.mono.after_millis(wait_ms);
                lane.step = Step::Waiting(until);
                return self.timers.arm(Timer::Lane(key), until);
            }
            lane.step = Step::Taking;
            let id = row.id.clone();
            let op = OutboxOp::Take { id: id.clone(), attempts: row.attempts.saturating_add(1) };
            self.marks += 1;
            lane.mark = self.marks;
            self.stage_out(op, After::Taken(key, id, self.marks));
        } else if lane.more && !lane.asked {
            (lane.more, lane.asked) = (false, true);
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let query = OutboxQuery::Lane { lane: name, after: lane.after, limit };
            self.ask_out(query, After::Page(key));
        }
    }

    fn page_came(&mut self, now: Now, key: LaneKey, ended: Ended) {
        let full = usize::try_from(self.bounds.drain_batch_max()).unwrap_or(usize::MAX);
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.asked = false;
        match ended {
            Ended::Found(found) => {
                if let Found::Daemon(DaemonFound::Out(rows)) = *found
                    && !lane.stale
                {
                    lane.more |= rows.len() >= full;
                    lane.after = rows.last().map_or(lane.after, |row| row.seq);
                    lane.page.extend(rows);
                }
                self.advance(now, key);
            }
            Ended::Done(_) | Ended::Refused(_) => {
                lane.more = true;
                self.pause(now, key);
            }
        }
    }

    /// The store did not do what it was asked: the lane waits a moment.
    fn pause(&mut self, now: Now, key: LaneKey) {
        let until = now.mono.after_millis(self.bounds.drain_poll_ms());
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.step = Step::Waiting(until);
            self.timers.arm(Timer::Lane(key), until);
        }
    }

    fn taken(&mut self, now: Now, key: LaneKey, (id, mark): (&str, u64), ended: &Ended, todo: &mut Outputs) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        // A mesh that was left and joined again has another lane; what the former one took is given up.
        let is_first = lane.mark == mark && lane.page.front().is_some_and(|row| *row.id == *id);
        if lane.step != Step::Taking || !is_first {
            return;
        }
        match ended {
            Ended::Done(Reply::Daemon(DaemonReply::Done)) => {}
            // An operator was first.
            Ended::Done(_) => {
                lane.page.pop_front();
                lane.step = Step::Idle;
                return self.advance(now, key);
            }
            Ended::Found(_) | Ended::Refused(_) => return self.pause(now, key),
        }
        let until = now.mono.after_millis(self.bounds.drain_ack_ms());
        lane.step = Step::Sending(until);
        let Some(row) = lane.page.front_mut() else { return };
        row.attempts = row.attempts.saturating_add(1);
        let mut frame = outbox::send_frame(row);
        let (target, nonce, ciphertext) = (row.target.clone(), row.nonce.clone(), row.ciphertext.clone());
        if let Some(body) = self.seal_anew(key, &target, &nonce, &ciphertext) {
            (frame["nonce"], frame["ciphertext"]) = (body.nonce.into(), body.ciphertext.into());
        }
        self.timers.arm(Timer::Lane(key), until);
        let by = if planted("session_row_by_the_member") { LaneKey { session: None, ..key } } else { key };
        let sent = self.with_uplink(now, by, todo, |uplink, cx| uplink.send(&frame, cx));
        if sent != Some(true) {
            self.lane_lost(now, key);
        }
    }

    /// Seals what a key that the member had before has sealed with the one it has: others know it by no
    /// other, and would not open it.
    fn seal_anew(&mut self, key: LaneKey, target: &str, nonce: &str, ciphertext: &str) -> Option<Sealed> {
        let fresh = self.nonce();
        let own = &self.config.meshes[key.mesh];
        let is_of_member = key.session.is_none() && !own.former.is_empty();
        let to = PublicKey::from_hex(target).filter(|_| is_of_member)?;
        let (body, member) =
            (Sealed { nonce: nonce.to_owned(), ciphertext: ciphertext.to_owned() }, own.signing_key());
        if seal::open(&member, to, &body).is_ok() {
            return None;
        }
        let text = own.former.iter().find_map(|secret| seal::open_by(secret, to, &body).ok())?;
        seal::seal(&member, to, &text, fresh)
    }

    /// A broker answered a send.
    pub(super) fn acked(&mut self, now: Now, key: LaneKey, ack: &Value) {
        let id = ack.get("id").and_then(Value::as_str);
        let is_awaited = self.lanes.get(&key).is_some_and(|lane| {
            let sent = lane.page.front().map(|row| &*row.client_message_id);
            matches!(lane.step, Step::Sending(_)) && sent.is_some() && sent == id
        });
        if is_awaited {
            self.settle(now, key, outbox::read_ack(ack));
        }
    }

    /// The attempt that is under way has ended so.
    fn settle(&mut self, now: Now, key: LaneKey, verdict: Verdict) {
        let most = self.bounds.drain_refusals_max();
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(row) = lane.page.front() else { return };
        let refusals = match verdict {
            Verdict::Unclear { .. } | Verdict::TooLarge => row.refusals.saturating_add(1),
            Verdict::Taken { .. } | Verdict::Later { .. } | Verdict::Final { .. } => row.refusals,
        };
        let (outcome, wait_ms) = match verdict {
            Verdict::Taken { id, reach } => {
                (Attempt::Done { at: now.wall, broker_message_id: id.into(), reach }, None)
            }
            Verdict::Final { error } => (outbox::dead(&error), None),
            Verdict::Unclear { error } if u64::from(refusals) >= most => {
                (outbox::dead(&format!("max_attempts: {error}")), None)
            }
            Verdict::Unclear { error } => (again(now, error, refusals), Some(0)),
            Verdict::TooLarge if refusals >= TOO_LARGE_MAX => (outbox::dead(TOO_LARGE), None),
            Verdict::TooLarge => (again(now, TOO_LARGE.to_owned(), refusals), Some(0)),
            Verdict::Later { error, after_ms } => (again(now, error, refusals), Some(after_ms)),
        };
        match wait_ms {
            Some(told_ms) => self.try_again(now, key, outcome, told_ms),
            None => self.leave(now, key, outcome),
        }
    }

    /// The first row of a lane has come to its end.
    fn leave(&mut self, now: Now, key: LaneKey, outcome: Attempt) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(row) = lane.page.pop_front() else { return };
        lane.step = Step::Idle;
        self.load.rows = self.load.rows.saturating_sub(1);
        let bytes = u64::try_from(row.ciphertext.len()).unwrap_or(u64::MAX);
        self.load.bytes = self.load.bytes.saturating_sub(bytes);
        if let Attempt::Dead { error } = &outcome {
            let note = Note::new(Level::Warn, "drain_permanent_failure").with("id", &*row.id);
            self.notes.push(note.with("mesh", &*row.lane.mesh).with("error", &**error));
            let about = json!({
                "id": row.id, "client_message_id": row.client_message_id, "to": row.target, "error": error,
            });
            self.give_up(row.lane.clone(), about);
        }
        let op = OutboxOp::Settle { id: row.id, attempts: row.attempts, outcome };
        self.stage_out(op, After::Settled);
        self.advance(now, key);
    }

    /// The first row of a lane is tried later, and its lane waits for it.
    fn try_again(&mut self, now: Now, key: LaneKey, outcome: Attempt, told_ms: u64) {
        let (base_ms, most_ms) = (self.bounds.drain_retry_ms_base(), self.bounds.drain_retry_ms_max());
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(row) = lane.page.front_mut() else { return };
        let due_ms = 2_u64.pow(row.attempts.min(12)).saturating_mul(base_ms).min(most_ms);
        let wait_ms = spread(due_ms, &mut self.rng).max(told_ms.min(most_ms));
        let next_attempt_at = now.wall.after_millis(wait_ms);
        let Attempt::Again { error, refusals, .. } = outcome else { return };
        (row.next_attempt_at, row.refusals, row.last_error) =
            (next_attempt_at, refusals, Some(error.clone()));
        let outcome = Attempt::Again { next_attempt_at, error, refusals };
        let op = OutboxOp::Settle { id: row.id.clone(), attempts: row.attempts, outcome };
        let until = now.mono.after_millis(wait_ms);
        lane.step = Step::Waiting(until);
        self.timers.arm(Timer::Lane(key), until);
        if planted("row_passed_while_it_waits") {
            lane.page.rotate_left(1);
        }
        self.stage_out(op, After::Settled);
    }

    /// What became of an attempt is in the store, or is not: then the row is in flight there, and is put in
    /// line again before anything else is sent that could pass it.
    fn recorded(&mut self, now: Now, ended: &Ended) {
        if matches!(ended, Ended::Refused(_)) && !planted("unrecorded_row_passed") {
            self.in_order = false;
            self.timers.arm(Timer::Reclaim, now.mono.after_millis(self.bounds.drain_poll_ms()));
        }
    }

    /// Makes rows pending again that are in flight and that nobody waits for.
    pub(super) fn reclaim(&mut self, now: Now) {
        let is_ours = |lane: &&Lane| matches!(lane.step, Step::Taking | Step::Sending(_));
        let ours = self.lanes.values().filter(is_ours).filter_map(|lane| lane.page.front());
        let but = ours.map(|row| row.id.clone()).collect();
        let op = match planted("inflight_left_for_ever") {
            true => OutboxOp::Bury { mesh: "".into(), before: None, error: "".into() },
            false => OutboxOp::Reclaim { next_attempt_at: now.wall, but },
        };
        self.stage_out(op, After::Reclaimed);
    }

    fn reclaimed(&mut self, now: Now, ended: &Ended) {
        let Ended::Done(Reply::Daemon(DaemonReply::Changed { rows })) = ended else {
            self.timers.arm(Timer::Reclaim, now.mono.after_millis(self.bounds.drain_poll_ms()));
            return;
        };
        let is_first = !std::mem::replace(&mut self.in_order, true);
        if *rows > 0 {
            self.notes.push(Note::new(Level::Info, "drain_reclaimed").with("rows", *rows));
            self.lanes.values_mut().for_each(|lane| lane.stale = true);
        }
        if is_first {
            self.weigh_estates();
        }
        if *rows > 0 || is_first {
            // Sockets that were open before have waited for this.
            let open: Vec<LaneKey> = self.lanes.keys().copied().collect();
            open.into_iter().for_each(|key| self.advance(now, key));
            self.ask_out(OutboxQuery::Lanes, After::Lanes);
            self.ask_out(OutboxQuery::Load, After::Load);
        }
        self.timers.arm(Timer::Reclaim, now.mono.after_millis(self.bounds.drain_reclaim_ms()));
    }

    fn lanes_found(&mut self, now: Now, ended: Ended) {
        let Ended::Found(found) = ended else {
            return self.timers.arm(Timer::Reclaim, now.mono.after_millis(self.bounds.drain_poll_ms()));
        };
        let Found::Daemon(DaemonFound::Lanes(names)) = *found else { return };
        for name in names {
            match self.mesh_of(&name.mesh) {
                Some(mesh) => self.lane_found(now, mesh, name),
                None => self.bury_mesh(name.mesh),
            }
        }
    }

    /// Gives up what is too old, mesh by mesh. A clock that runs ahead makes nothing older.
    pub(super) fn sweep_outbox(&mut self, now: Now) {
        let began = self.began.filter(|_| !planted("row_aged_by_the_wall_clock"));
        let by = began.map_or(now, |began| now.aging_since(began));
        let attached = self.config.meshes.iter().zip(&self.brokers).filter(|(_, broker)| !broker.is_left);
        for (mesh, broker) in attached {
            let age_ms = broker.age_ms.unwrap_or(self.bounds.outbox_age_ms());
            let error: Box<str> = format!("max_age: not accepted within {} h", age_ms / 3_600_000).into();
            let before = Some(by.wall.before_millis(age_ms));
            let lane = LaneName { mesh: mesh.slug.as_str().into(), session: None };
            let op = OutboxOp::Bury { mesh: lane.mesh.clone(), before, error: error.clone() };
            self.outbox.stage(Op::Daemon(DaemonOp::Outbox(op)), None, After::Buried(lane, error));
        }
        self.forget_ended(now);
        self.keep_estates_again();
        self.weigh_estates();
        self.ask_out(OutboxQuery::Lanes, After::Lanes);
        self.ask_out(OutboxQuery::Load, After::Load);
        self.measure_inbox();
        self.timers.arm(Timer::Sweep, now.mono.after_millis(self.bounds.outbox_sweep_ms()));
    }

    fn buried(&mut self, lane: LaneName, error: &str, ended: &Ended) {
        if let Ended::Done(Reply::Daemon(DaemonReply::Changed { rows: rows @ 1.. })) = ended {
            self.notes.push(Note::new(Level::Warn, "drain_expired").with("rows", *rows));
            self.give_up(lane, json!({ "rows": rows, "error": error }));
        }
    }

    fn give_up(&mut self, lane: LaneName, about: Value) {
        let is_one = about.get("id").is_some();
        let member = || self.mesh_of(&lane.mesh).map(|mesh| self.config.meshes[mesh].public_key());
        let whose = match lane.session {
            Some(session) => Some((RecipientKind::Session, session)),
            None if is_one => member().map(|key| (RecipientKind::Member, key)),
            None => None,
        };
        self.given_up.push(GivenUp { mesh: lane.mesh, whose, about });
    }

    /// Tells programs of what no broker will get.
    pub(super) fn tell_given_up(&mut self, now: Now, todo: &mut Outputs) {
        for GivenUp { mesh, whose, mut about } in std::mem::take(&mut self.given_up) {
            let place = self.mesh_of(&mesh);
            about["mesh"] = (*mesh).into();
            self.tell(now, Kind::OutboxDead, place, whose, about, todo);
        }
    }

    pub(super) fn lane_name(&self, key: LaneKey) -> LaneName {
        LaneName { mesh: self.config.meshes[key.mesh].slug.as_str().into(), session: key.session }
    }
}

/// What a row says of a mesh that this host does not belong to.
pub(super) fn no_broker(slug: &str) -> String {
    format!("no_broker_for_mesh:{slug}")
}

/// An attempt that is made again; when is decided by how often it was made.
fn again(now: Now, error: String, refusals: u32) -> Attempt {
    Attempt::Again { next_attempt_at: now.wall, error: error.into(), refusals }
}
