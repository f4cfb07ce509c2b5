//! What grows must shrink: mail that nobody took expires, and old rows go, in bounded pages.

use std::collections::{BTreeMap, BTreeSet};

use super::residence::Waiting;
use super::{After, Cx, Mesh, Meshes};
use crate::ids::{MailboxNo, MeshId, Position};
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::{Counter, Gauge};
use crate::store::{Cursor, Ended, Found, Op, Outcome, OverdueRow, Pruned, Query, Reply, Settled};
use crate::time::{Now, Wall};

/// Rows of one page.
const PAGE: u32 = 500;

/// A round of looking for overdue deliveries.
#[derive(Debug, Default)]
pub(super) struct Round {
    running: bool,
    /// Where it goes on; none at the beginning.
    after: Option<Cursor>,
    /// The last page was full.
    more: bool,
    /// Meshes of the last page that were not looked at yet.
    meshes: usize,
    /// While a page is read: deliveries that ended meanwhile, which it may show all the same.
    ended: Option<BTreeSet<(MailboxNo, Position)>>,
    /// Deliveries that this round has ended.
    expired: u64,
    /// Old rows that were removed since that was last told.
    removed: Removed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Removed {
    messages: u64,
    buried: u64,
    tombstones: u64,
    presences: u64,
    proofs: u64,
}

impl Round {
    pub(super) fn has_ended(&mut self, settled: &Settled) {
        if let Some(ended) = &mut self.ended {
            ended.insert((settled.mailbox, settled.position));
        }
    }
}

impl Meshes {
    /// Starts a round, unless one is running. Only the first shard removes old rows and checks the rest.
    pub(crate) fn tidy(&mut self, cx: &mut Cx<'_>, first_shard: bool) {
        // Before the first positions are leased no mesh is served, so what the store answers would be lost on
        // it.
        if self.retention.running || self.positions.ids.is_none() {
            return;
        }
        let removed = self.retention.removed;
        self.retention = Round { running: true, removed, ..Round::default() };
        self.ask_overdue(cx);
        if first_shard {
            self.prune(cx);
            self.check_if_due(cx);
        }
    }

    fn age_by(&self, now: Now) -> Wall {
        age_by(self.began.unwrap_or(now), now)
    }

    fn prune(&self, cx: &mut Cx<'_>) {
        let now = self.age_by(cx.now);
        let limits = &cx.config.limits;
        let span_ms = if planted("retention_without_span") { 0 } else { limits.retention_ms() };
        let messages_before = now.before_millis(span_ms);
        // A key that says when it was made is refused as too old by the clock of its maker, and maybe by
        // another broker's, which may be behind ours by so much.
        let keys_before =
            now.before_millis(limits.dedupe_retention_ms().saturating_add(limits.hello_skew_ms()));
        let prune = Op::Prune { messages_before, keys_before, proofs_before: now, now, limit: PAGE };
        cx.stage(prune, None, After::Pruned);
    }

    fn ask_overdue(&mut self, cx: &mut Cx<'_>) {
        let now = self.age_by(cx.now);
        let before = now.before_millis(cx.config.limits.message_ttl_ms());
        self.retention.ended = Some(BTreeSet::new());
        cx.ask(Query::Overdue { before, now, after: self.retention.after, limit: PAGE }, After::Overdue);
    }

    pub(super) fn overdue_read(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        let rows = match ended {
            Ended::Found(found) => match *found {
                Found::Overdue(rows) => rows,
                _ => Vec::new(),
            },
            Ended::Done(_) | Ended::Refused(_) => Vec::new(),
        };
        self.retention.more = rows.len() >= PAGE as usize;
        self.retention.after = rows.last().map(|row| row.cursor);
        let ended = self.retention.ended.take().unwrap_or_default();
        let mut meshes: BTreeMap<MeshId, Vec<OverdueRow>> = BTreeMap::new();
        for row in rows {
            let Cursor { mailbox, position, .. } = row.cursor;
            if self.shards.owns(&row.mesh) && !ended.contains(&(mailbox, position)) {
                meshes.entry(row.mesh.clone()).or_default().push(row);
            }
        }
        if meshes.is_empty() {
            return self.page_ended(cx);
        }
        self.retention.meshes = meshes.len();
        for (mesh, rows) in meshes {
            self.visit(cx, mesh, Waiting::Expiry(rows));
        }
    }

    /// One mesh of the page was looked at, or cannot be; so many of its deliveries expired.
    pub(super) fn expiry_ended(&mut self, cx: &mut Cx<'_>, expired: u64) {
        self.retention.expired += expired;
        self.retention.meshes = self.retention.meshes.saturating_sub(1);
        if self.retention.meshes == 0 {
            self.page_ended(cx);
        }
    }

    fn page_ended(&mut self, cx: &mut Cx<'_>) {
        if self.retention.more {
            return self.ask_overdue(cx);
        }
        self.retention.running = false;
        let expired = self.retention.expired;
        if expired > 0 {
            cx.note(Level::Info, || Note::new(Level::Info, "mail expired").with("deliveries", expired));
        }
    }

    pub(super) fn pruned(&mut self, cx: &mut Cx<'_>, ended: &Ended) {
        if let Ended::Done(Reply::Pruned(pruned)) = ended {
            self.retention.removed.add(cx, pruned);
            if pruned.most() >= PAGE {
                return self.prune(cx);
            }
        }
        std::mem::take(&mut self.retention.removed).tell(cx);
    }
}

impl Removed {
    fn add(&mut self, cx: &mut Cx<'_>, pruned: &Pruned) {
        for (sum, rows, counter) in [
            (&mut self.messages, pruned.messages, Counter::RemovedMessages),
            (&mut self.buried, pruned.buried, Counter::Buried),
            (&mut self.tombstones, pruned.tombstones, Counter::RemovedTombstones),
            (&mut self.presences, pruned.presences, Counter::RemovedPresences),
            (&mut self.proofs, pruned.proofs, Counter::RemovedProofs),
        ] {
            *sum += u64::from(rows);
            cx.stats.add(counter, u64::from(rows));
        }
    }

    fn tell(self, cx: &mut Cx<'_>) {
        let Removed { messages, buried, tombstones, presences, proofs } = self;
        if messages + tombstones + presences + proofs == 0 {
            return;
        }
        cx.note(Level::Info, || {
            let note = Note::new(Level::Info, "old rows removed").with("messages", messages);
            let note = note.with("buried", buried).with("tombstones", tombstones);
            note.with("presences", presences).with("proofs", proofs)
        });
    }
}

/// The time by which mail, records and keys age in a process that began then.
pub(super) fn age_by(began: Now, now: Now) -> Wall {
    if planted("age_by_the_wall_clock") { now.wall } else { now.aging_since(began).wall }
}

/// What is written beside mail and keys, which age by it.
pub(super) fn stamp(began: Now, now: Now) -> Wall {
    if planted("stamp_by_the_wall_clock") { now.wall } else { now.stamping_since(began).wall }
}

impl Mesh {
    /// Deliveries waited too long; so many of them end. One that is leased may still be acknowledged, and is
    /// looked at again later.
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>, rows: &[OverdueRow]) -> u64 {
        let mut ended = 0;
        for row in rows {
            if self.mailbox(row.cursor.mailbox).expire(row.cursor.position) {
                self.end_row(cx, expired(cx, row), row.bytes);
                ended += 1;
            }
        }
        ended
    }
}

fn expired(cx: &Cx<'_>, row: &OverdueRow) -> Settled {
    Settled {
        position: row.cursor.position,
        mailbox: row.cursor.mailbox,
        priority: row.cursor.priority,
        at: cx.now.wall,
        outcome: Outcome::Expired,
    }
}

/// Asks how much waits in the whole store, for the gauge.
pub(crate) fn ask_depth(cx: &mut Cx<'_>) {
    cx.ask(Query::Depth, After::Depth);
}

pub(super) fn depth_read(cx: &mut Cx<'_>, ended: &Ended) {
    if let Ended::Found(found) = ended
        && let Found::Depth(depth) = **found
    {
        cx.stats.set(Gauge::QueueDepth, i64::try_from(depth).unwrap_or(i64::MAX));
    }
}
