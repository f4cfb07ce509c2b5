//! Pages about the runners of all shards: each is asked what it knows, and the last answer fills the page.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Broker;
use super::client::{Bound, Client};
use super::relay::Word;
use super::routes::json as answer;
use crate::ids::ConnId;
use crate::machine::{Memory, Output, Outputs};
use crate::runner::Connected;
use crate::stats::Counter;
use crate::time::Now;

/// Pages that wait for what other shards know.
pub(super) type Censuses = BTreeMap<ConnId, Census>;

/// A page on its way.
#[derive(Debug)]
pub(super) struct Census {
    page: Page,
    /// Shards that have not answered.
    missing: usize,
    report: Report,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Health,
    Status,
    Metrics,
}

/// What one shard knows of its runners, or all of them together.
#[derive(Debug, Default)]
pub(super) struct Report {
    connected: Vec<Connected>,
    events: u64,
    commands: u64,
    errors: u64,
    waiting: u64,
}

impl Broker {
    /// Asks every shard what it knows of its runners.
    pub(super) fn take_census(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        page: Page,
        todo: &mut Outputs,
    ) {
        client.bound = Bound::Answering;
        let others: Vec<_> = self.others().collect();
        let census = Census { page, missing: others.len() + 1, report: Report::default() };
        self.censuses.insert(id, census);
        for shard in others {
            self.relay(shard, Word::Census { conn: id }, todo);
        }
        let own = self.report(now);
        if self.gathered(id, own) {
            self.show(now, id, client, todo);
        }
    }

    pub(super) fn counted(&mut self, now: Now, id: ConnId, report: Report, todo: &mut Outputs) {
        if self.gathered(id, report) {
            self.with_client(now, id, todo, |broker, client, todo| broker.show(now, id, client, todo));
        }
    }

    /// What this shard knows of its runners.
    pub(super) fn report(&mut self, now: Now) -> Report {
        Report {
            connected: self.with_runners(now, |runners, cx| runners.connected(cx)),
            events: self.stats.counter(Counter::RunnerEvents),
            commands: self.stats.counter(Counter::RunnerCommands),
            errors: self.stats.counter(Counter::RunnerErrors),
            waiting: self.runners.waiting(),
        }
    }

    /// Adds what one shard knows; true when it was the last.
    fn gathered(&mut self, id: ConnId, part: Report) -> bool {
        let Some(census) = self.censuses.get_mut(&id) else { return false };
        let sum = &mut census.report;
        sum.connected.extend(part.connected);
        sum.events += part.events;
        sum.commands += part.commands;
        sum.errors += part.errors;
        sum.waiting += part.waiting;
        census.missing = census.missing.saturating_sub(1);
        census.missing == 0
    }

    /// Answers with a page of which everything is known, but perhaps how much memory we take.
    fn show(&mut self, now: Now, id: ConnId, client: &mut Client, todo: &mut Outputs) {
        let Some(census) = self.censuses.get_mut(&id) else { return };
        match census.page {
            Page::Health | Page::Metrics => todo.push(Output::Weigh { conn: id }),
            Page::Status => {
                census.report.connected.sort_by_key(|connected| connected.session);
                let connections: Vec<Value> = census.report.connected.iter().map(connection).collect();
                let body = json!({ "connections": connections, "uptime": self.uptime(now) });
                self.censuses.remove(&id);
                self.respond(now, id, client, answer(200, &body), todo);
            }
        }
    }

    pub(super) fn weighed(&mut self, now: Now, id: ConnId, memory: Memory, todo: &mut Outputs) {
        let Some(Census { page, report, .. }) = self.censuses.remove(&id) else { return };
        let memory = json!({
            "rss": memory.rss, "heapTotal": memory.heap_total, "heapUsed": memory.heap_used,
        });
        let body = match page {
            Page::Health => json!({
                "status": "healthy",
                "uptime": self.uptime(now),
                "connections": report.connected.len(),
                "memory": memory,
                "timestamp": now.wall.iso(),
            }),
            Page::Status | Page::Metrics => json!({
                "totalEvents": report.events,
                "totalCommands": report.commands,
                "totalErrors": report.errors,
                "activeConnections": report.connected.len(),
                "failedEventQueueSize": report.waiting,
                "uptime": self.uptime(now),
                "memory": memory,
            }),
        };
        self.with_client(now, id, todo, |broker, client, todo| {
            broker.respond(now, id, client, answer(200, &body), todo);
        });
    }

    /// Seconds since the start.
    fn uptime(&self, now: Now) -> f64 {
        now.mono.since(self.started).as_secs_f64()
    }
}

fn connection(connected: &Connected) -> Value {
    json!({
        "runnerId": connected.id.as_str(),
        "lastHeartbeat": connected.last_heartbeat.as_millis(),
        "lastHeartbeatAge": connected.last_heartbeat_age_ms,
    })
}
