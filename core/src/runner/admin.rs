//! What an operator sees of runners, and does about dead events.

use serde_json::{Value, json};

use super::forward::event_id;
use super::residence::Visit;
use super::{After, Cx, Runners, Then, Timer, found_of, reply_of};
use crate::ids::{RunnerNo, RunnerSeq};
use crate::store::{
    DeadRow, Ended, EventRow, Query, RunnerFound, RunnerOp, RunnerQuery, RunnerReply, RunnerRow,
};
use crate::surface::SessionId;
use crate::wire::bookmark::Bookmark;
use crate::wire::runner::RunnerCall;

/// Rows of one answer.
const PAGE: u32 = 200;
/// Length of all events of one answer, in bytes.
const PAGE_BYTES: u64 = 1_024 * 1_024;

impl Runners {
    /// An admin asks for something.
    pub(crate) fn admin(&mut self, cx: &mut Cx<'_>, session: SessionId, call: RunnerCall) {
        let history = cx.store.history;
        let query = match call {
            RunnerCall::List { after } => after.resume(history).map(|place| {
                let after = RunnerNo(i64::try_from(place).unwrap_or(i64::MAX));
                RunnerQuery::Runners { after, limit: PAGE }
            }),
            RunnerCall::Events { runner, after } => after.resume(history).map(|place| RunnerQuery::Events {
                runner,
                after: RunnerSeq(place),
                limit: PAGE,
                bytes_max: PAGE_BYTES,
            }),
            RunnerCall::Dead { runner, after } => after.resume(history).map(|place| RunnerQuery::Dead {
                runner,
                after: RunnerSeq(place),
                limit: PAGE,
            }),
            RunnerCall::Requeue { runner, seq } => {
                if runner.as_str().len() as u64 > cx.config.limits.name_bytes_max() {
                    return cx.answer(session, 404, &no_such_event());
                }
                return self.visit(cx, runner, Visit::Requeue(session, seq));
            }
            // The broker knows how to answer these.
            RunnerCall::Connected | RunnerCall::Send { .. } => return,
        };
        match query {
            Ok(query) => cx.ask(Query::Runner(query), After::Listed(session)),
            Err(stop) => {
                let (status, code, message) = stop.answer();
                cx.answer(session, status, &json!({ "error": code, "message": message }));
            }
        }
    }

    pub(super) fn requeue(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId, seq: RunnerSeq) {
        let at = self.stamp(cx.now);
        let Some(runner) = self.resident.get_mut(&no) else { return };
        let (fence, to) = (runner.fence, runner.place());
        let op = RunnerOp::Requeue { fence, seq, to, at };
        runner.stage(cx, op, Then::Requeued(session));
    }

    pub(super) fn event_requeued(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId, ended: Ended) {
        let (status, body) = match reply_of(ended) {
            Some(RunnerReply::Requeued(event)) => {
                let body = json!({ "ok": true, "seq": event.seq.0 });
                if let Some(runner) = self.resident.get_mut(&no) {
                    runner.lane.push(&cx.config.limits, (*event).into());
                }
                self.timers.disarm(Timer::Forget(no));
                self.move_lane(cx, no);
                (200, body)
            }
            Some(RunnerReply::Missing) => (404, no_such_event()),
            _ => (503, json!({ "error": "store_unavailable", "message": "the store did not answer" })),
        };
        cx.answer(session, status, &body);
    }
}

fn no_such_event() -> Value {
    json!({ "error": "not_found", "message": "no dead event of that runner has that place" })
}

/// Rows were read for an admin.
pub(super) fn listed(cx: &mut Cx<'_>, session: SessionId, ended: Ended) {
    let body = match found_of(ended) {
        Some(RunnerFound::Runners(rows)) => {
            let last = rows.last().and_then(|row| u64::try_from(row.no.0).ok());
            let next = next_of(cx, rows.len(), last);
            json!({ "runners": rows.iter().map(runner_json).collect::<Vec<_>>(), "next": next })
        }
        Some(RunnerFound::Events(rows)) => {
            // A page may end before it is full, because its events are long.
            let next = bookmark(cx, rows.last().map(|row| row.seq.0));
            json!({ "events": rows.iter().map(event_json).collect::<Vec<_>>(), "next": next })
        }
        Some(RunnerFound::Dead(rows)) => {
            let next = next_of(cx, rows.len(), rows.last().map(|row| row.event.seq.0));
            json!({ "events": rows.iter().map(dead_json).collect::<Vec<_>>(), "next": next })
        }
        _ => {
            let body = json!({ "error": "store_unavailable", "message": "the store did not answer" });
            return cx.answer(session, 503, &body);
        }
    };
    cx.answer(session, 200, &body);
}

/// Where the next page begins, if this one is full.
fn next_of(cx: &Cx<'_>, rows: usize, last: Option<u64>) -> Option<String> {
    bookmark(cx, last.filter(|_| rows as u64 >= u64::from(PAGE)))
}

fn bookmark(cx: &Cx<'_>, place: Option<u64>) -> Option<String> {
    place.map(|place| Bookmark::new(cx.store.history, place).to_string())
}

fn runner_json(row: &RunnerRow) -> Value {
    json!({
        "no": row.no.0,
        "runnerId": row.id.as_str(),
        "events": row.events,
        "commands": row.commands,
        "dead": row.dead,
    })
}

fn event_json(event: &EventRow) -> Value {
    json!({
        "seq": event.seq.0,
        "eventId": event_id(event),
        "type": *event.kind,
        "acceptedAt": event.at.iso(),
        "attempts": event.tries.sent,
        "bytes": event.text.len(),
    })
}

fn dead_json(row: &DeadRow) -> Value {
    let mut value = event_json(&row.event);
    value["diedAt"] = json!(row.died.iso());
    value["reason"] = json!(row.why.word());
    value["status"] = json!(row.status);
    value
}
