//! When an event goes to the target, and what becomes of it.
//!
//! *Always holds:* of one runner one event is on its way at a time, the oldest; what came of it is written,
//! or owed to the store, before the next one goes. A crash in between repeats an event, under the same id.

use super::lane::{State, Tried};
use super::verdict::{Verdict, asked_ms, wait_ms};
use super::{Cx, Runner, Runners, Then, Timer, age_ms, found_of, reply_of};
use crate::config::Limits;
use crate::forward::{Forward, Forwarded};
use crate::ids::{RunnerNo, Ticket};
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::store::{DeadReason, Ended, EventRow, RunnerFound, RunnerOp, RunnerQuery, RunnerReply};
use crate::surface::Effect;
use crate::time::{Mono, Now};
use crate::wire::runner::Glimpse;

/// An event that was not answered that often counts as one error, and no more after that.
const UNANSWERED_ERROR: u32 = 3;

impl Runners {
    /// Sends the oldest event of a runner if nothing keeps it back, or reads what is next.
    pub(super) fn move_lane(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        // What another broker may be sending must not be sent here too.
        if self.draining || !cx.store.sure {
            return;
        }
        let Some(runner) = self.resident.get_mut(&no) else { return };
        if runner.lane.state != State::Idle || !runner.owed.is_empty() {
            return;
        }
        let Some(event) = runner.lane.oldest().map(std::sync::Arc::clone) else {
            if let Some(after) = runner.lane.wanted_page() {
                let limits = &cx.config.limits;
                let limit = u32::try_from(limits.runner_lane_events_max()).unwrap_or(u32::MAX);
                let bytes_max = limits.runner_lane_bytes_max();
                let query = RunnerQuery::Events { runner: runner.id.clone(), after, limit, bytes_max };
                runner.ask(cx, query, Then::Events);
            }
            return;
        };
        if runner.has_unstored_before(&event) {
            return;
        }
        if self.flying.len() as u64 >= cx.config.limits.runner_forwards_share(self.shards.count) {
            runner.lane.state = State::Ready;
            return self.ready.push_back(no);
        }
        runner.lane.state = State::Flying;
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.flying.insert(ticket, (no, event.seq));
        let forward = Forward { ticket, headers: headers(runner, &event), body: event.text.clone() };
        cx.effects.list.push(Effect::Forward(Box::new(forward)));
    }

    /// A page of events was read.
    pub(super) fn events_read(&mut self, cx: &mut Cx<'_>, no: RunnerNo, ended: Ended) {
        let page = match found_of(ended) {
            Some(RunnerFound::Events(rows)) => Some(rows),
            _ => None,
        };
        let Some(runner) = self.resident.get_mut(&no) else { return };
        if page.is_none() {
            let retry = cx.now.mono.after_millis(cx.config.limits.runner_store_retry_ms());
            self.timers.arm_by(Timer::Store(no), retry);
        }
        let is_read = page.is_some();
        let unstored = runner.unstored.front().map(super::event::Unstored::seq);
        runner.lane.take_page(page, unstored);
        if is_read {
            self.move_lane(cx, no);
        }
    }

    /// A request to the target ended.
    pub(crate) fn forwarded(&mut self, cx: &mut Cx<'_>, ticket: Ticket, result: &Forwarded) {
        let flown = self.flying.remove(&ticket);
        let verdict = Verdict::of(result);
        cx.count(match verdict {
            Verdict::Taken => Counter::ForwardTaken,
            Verdict::Refused(_) => Counter::ForwardRefused,
            Verdict::Failed(_) | Verdict::Later(_) => Counter::ForwardDeferred,
            Verdict::Unanswered => Counter::ForwardUnanswered,
        });
        // Whoever waits goes first, or the next event of the same runner would, again and again.
        while (self.flying.len() as u64) < cx.config.limits.runner_forwards_share(self.shards.count)
            && let Some(no) = self.ready.pop_front()
        {
            if let Some(runner) =
                self.resident.get_mut(&no).filter(|runner| runner.lane.state == State::Ready)
            {
                runner.lane.state = State::Idle;
            }
            self.move_lane(cx, no);
        }
        if let Some((no, seq)) = flown
            && let Some(runner) = self.resident.get(&no)
            && let Some(event) = runner.lane.oldest().filter(|event| event.seq == seq)
        {
            let event = (**event).clone();
            self.judge(cx, no, event, verdict, result);
        }
    }

    /// The target took an event, here or in another shard, so it does not fail on everything.
    pub(crate) fn learn_taken(&mut self, at: Mono) {
        self.taken = self.taken.max(Some(at));
    }

    /// What other shards should learn: when the target took an event. They learn it now and then.
    pub(crate) fn news(&mut self, now: Now) -> Option<Mono> {
        const EVERY_MS: u64 = 1_000;
        let taken = self.taken.filter(|at| *at == now.mono)?;
        if self.told.is_some_and(|told| now.mono.millis_since(told) < EVERY_MS) {
            return None;
        }
        self.told = Some(now.mono);
        Some(taken)
    }

    fn judge(
        &mut self,
        cx: &mut Cx<'_>,
        no: RunnerNo,
        mut event: EventRow,
        verdict: Verdict,
        result: &Forwarded,
    ) {
        let (aging, stamp) = (self.aging(cx.now), self.stamp(cx.now));
        event.tries.sent += 1;
        if let Verdict::Failed(_) = verdict {
            event.tries.failed += 1;
            event.tries.failed_since.get_or_insert(stamp);
        }
        let Some(runner) = self.resident.get_mut(&no) else { return };
        runner.lane.state = State::Idle;
        let (fence, seq) = (runner.fence, event.seq);
        if verdict == Verdict::Taken {
            self.learn_taken(cx.now.mono);
            return self.settle(cx, no, RunnerOp::Taken { fence, seq });
        }
        runner.lane.tried.add(verdict != Verdict::Unanswered);
        if let Verdict::Failed(_) = verdict {
            runner.lane.tried.failed.get_or_insert(cx.now.mono);
        }
        let tried = runner.lane.tried;
        if verdict == Verdict::Unanswered && tried.unanswered == UNANSWERED_ERROR {
            cx.count(Counter::RunnerErrors);
        }
        tell_failure(cx, runner, &event, result, tried);
        // By the time that truly passes: what the clock on the wall says was first may not have been.
        let others = tried.failed < self.taken && tried.failed.is_some();
        if let Some(why) = death(&cx.config.limits, aging, &event, verdict, others) {
            cx.count(match why {
                DeadReason::Refused => Counter::DeadRefused,
                DeadReason::Poison => Counter::DeadPoison,
                DeadReason::TooOld => Counter::DeadTooOld,
            });
            let note = Note::new(Level::Warn, "runner event dead")
                .with("runner_id", runner.id.as_str())
                .with("event_id", event_id(&event))
                .with("event_type", &*event.kind)
                .with("reason", why.word())
                .with("status", verdict.status());
            cx.note(Level::Warn, || note);
            // Whoever looks at it sees the last attempt too.
            let op = RunnerOp::Tried { fence, seq, tries: event.tries };
            runner.stage(cx, op.clone(), Then::Settled(Box::new(op)));
            let bury = RunnerOp::Bury { fence, seq, at: stamp, why, status: verdict.status() };
            return self.settle(cx, no, bury);
        }
        runner.lane.set_tries(event.tries);
        runner.lane.state = State::Waiting;
        let asked = asked_ms(result, cx.now);
        let wait = wait_ms(cx.rng, &cx.config.limits, tried.sum(), asked);
        if let Verdict::Failed(_) = verdict {
            let op = RunnerOp::Tried { fence, seq, tries: event.tries };
            runner.stage(cx, op.clone(), Then::Settled(Box::new(op)));
        }
        self.timers.arm(Timer::Retry(no), cx.now.mono.after_millis(wait));
    }

    /// The oldest event leaves its lane for good.
    fn settle(&mut self, cx: &mut Cx<'_>, no: RunnerNo, op: RunnerOp) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        runner.lane.pop();
        runner.stage(cx, op.clone(), Then::Settled(Box::new(op)));
        if let Some(link) = runner.link.as_ref().filter(|link| link.muted) {
            cx.effects.list.push(Effect::Resume { session: link.session });
        }
        self.move_lane(cx, no);
    }

    /// How an event fared was written, or refused.
    pub(super) fn event_settled(&mut self, cx: &mut Cx<'_>, no: RunnerNo, op: RunnerOp, ended: Ended) {
        if !matches!(reply_of(ended), Some(RunnerReply::Done)) {
            return self.owe(cx, no, op);
        }
        if let (RunnerOp::Unqueue { seq, .. }, Some(runner)) = (op, self.resident.get_mut(&no)) {
            runner.queue.unqueued(seq);
        }
        self.move_lane(cx, no);
    }

    /// The store refused a write that must be made.
    pub(super) fn owe(&mut self, cx: &mut Cx<'_>, no: RunnerNo, op: RunnerOp) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        runner.owed.push(op);
        let retry = cx.now.mono.after_millis(cx.config.limits.runner_store_retry_ms());
        self.timers.arm_by(Timer::Store(no), retry);
    }

    /// The oldest event may be tried again.
    pub(super) fn retry(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        if runner.lane.state == State::Waiting {
            runner.lane.state = State::Idle;
        }
        self.move_lane(cx, no);
    }
}

impl Runner {
    /// An older event still waits for its commit.
    fn has_unstored_before(&self, event: &EventRow) -> bool {
        self.unstored.front().is_some_and(|unstored| unstored.seq() < event.seq)
    }
}

/// Why an event is not tried again, if it is not. Age counts only after a try, so that nothing is dead that
/// was never sent.
fn death(limits: &Limits, now: Now, event: &EventRow, verdict: Verdict, others: bool) -> Option<DeadReason> {
    if let Verdict::Refused(_) = verdict {
        return Some(DeadReason::Refused);
    }
    let tries = &event.tries;
    let is_poison = u64::from(tries.failed) >= limits.runner_poison_answers_max()
        && tries.failed_since.is_some_and(|since| age_ms(now, since) >= limits.runner_poison_ms())
        && others;
    if is_poison && matches!(verdict, Verdict::Failed(_)) {
        return Some(DeadReason::Poison);
    }
    (age_ms(now, event.at) >= limits.runner_event_age_ms()).then_some(DeadReason::TooOld)
}

fn tell_failure(cx: &mut Cx<'_>, runner: &Runner, event: &EventRow, result: &Forwarded, tried: Tried) {
    let (status, why) = match result {
        Forwarded::Answered { status, .. } => (Some(*status), None),
        Forwarded::Failed { why } => (None, Some(why.as_str())),
    };
    cx.note(Level::Info, || {
        Note::new(Level::Info, "runner event not taken")
            .with("runner_id", runner.id.as_str())
            .with("event_id", event_id(event))
            .with("event_type", &*event.kind)
            .with("attempt", event.tries.sent)
            .with("answered", tried.answered)
            .with("unanswered", tried.unanswered)
            .with("status", status)
            .with("error", why)
    });
}

/// What a target calls an event: the id its runner gave it, else its place.
pub(super) fn event_id(event: &EventRow) -> String {
    match &event.id {
        // It must not look like a place.
        Some(id) => match id.strip_prefix("seq:") {
            Some(rest) => format!("seq%3A{}", visible(rest)),
            None => visible(id),
        },
        None => format!("seq:{}", event.seq),
    }
}

fn headers(runner: &Runner, event: &EventRow) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("X-Runner-Id", visible(runner.id.as_str())),
        ("X-Event-Id", event_id(event)),
        ("X-Event-Seq", event.seq.to_string()),
        ("X-Event-Attempt", event.tries.sent.saturating_add(1).to_string()),
    ];
    // Few events have one, and the others need not be read again for it. A name may be written with escapes.
    let may_have_one = event.text.contains("_sentry") || event.text.contains("\\u");
    let glimpse = if may_have_one { Glimpse::of(&event.text) } else { None };
    if let Some(trace) = glimpse.and_then(|glimpse| glimpse.trace) {
        headers.push(("sentry-trace", trace.parent().to_owned()));
        headers.extend(trace.baggage().map(|baggage| ("baggage", baggage.to_owned())));
    }
    headers
}

/// A text as a header can hold it: what is not visible is written in hex, and so is the sign of hex, so that
/// two texts never look the same. So are blanks, which a header loses at its ends.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            shown.push(char::from(byte));
        } else {
            shown.push('%');
            shown.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RunnerSeq;
    use crate::store::EventTries;
    use crate::time::{Mono, Wall};

    fn event(failed: u32, since: i64) -> EventRow {
        let failed_since = (failed > 0).then(|| Wall::from_millis(since));
        EventRow {
            seq: RunnerSeq(5),
            id: None,
            kind: "error".into(),
            at: Wall::from_millis(0),
            tries: EventTries { sent: failed, failed, failed_since },
            text: "{}".into(),
        }
    }

    fn at(millis: i64) -> Now {
        Now { mono: Mono::START, wall: Wall::from_millis(millis) }
    }

    #[test]
    fn f_evt_01_an_event_is_poison_only_when_it_alone_fails_for_long() {
        const LATE: i64 = 15 * 60_000;
        let limits = Limits::default();
        let judge =
            |failed, now, others| death(&limits, at(now), &event(failed, 0), Verdict::Failed(500), others);
        assert_eq!(judge(5, LATE, true), Some(DeadReason::Poison));
        assert_eq!(judge(4, LATE, true), None);
        assert_eq!(judge(5, LATE - 1, true), None);
        assert_eq!(judge(500, LATE, false), None, "the target fails on everything");
        let unanswered = death(&limits, at(LATE), &event(5, 0), Verdict::Unanswered, true);
        assert_eq!(unanswered, None, "what was not answered never counts");
    }

    #[test]
    fn an_event_dies_of_age_whatever_happened() {
        let limits = Limits::default();
        let age = i64::try_from(limits.runner_event_age_ms()).unwrap();
        for verdict in [Verdict::Unanswered, Verdict::Later(429), Verdict::Failed(500)] {
            assert_eq!(death(&limits, at(age), &event(0, 0), verdict, false), Some(DeadReason::TooOld));
            assert_eq!(death(&limits, at(age - 1), &event(0, 0), verdict, false), None);
        }
    }

    #[test]
    fn f_inj_04_ids_are_shown_as_a_header_can_hold_them_and_no_two_look_the_same() {
        assert_eq!(visible("run-1"), "run-1");
        assert_eq!(visible("a\r\nX: y\u{e4}"), "a%0D%0AX:%20y%C3%A4");
        assert_eq!(visible("100%"), "100%25");
        assert_eq!(event_id(&event(0, 0)), "seq:5");
        assert_eq!(event_id(&EventRow { id: Some("seq:5".into()), ..event(0, 0) }), "seq%3A5");
    }
}
