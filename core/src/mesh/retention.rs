//! What grows must shrink: mail that nobody took expires, and old rows go, in bounded pages.

use super::{After, Cx, Mesh, Meshes};
use crate::ids::MeshId;
use crate::note::{Level, Note};
use crate::stats::Gauge;
use crate::store::{Ended, Found, Op, Outcome, OverdueRow, Query, Reply, Settled};
use crate::time::{Now, Wall};

/// Rows of one page.
const PAGE: u32 = 500;

impl Meshes {
    /// Starts a round, unless one is running. `is_mine` says which meshes this shard owns; only the first
    /// shard removes old rows.
    pub(crate) fn tidy(&mut self, cx: &mut Cx<'_>, first_shard: bool) {
        // Before the first positions are leased no mesh is served, so what the store answers would be lost on
        // it.
        if self.retention_running || self.positions.ids.is_none() {
            return;
        }
        self.retention_running = true;
        self.overdue_after = None;
        self.ask_overdue(cx);
        if first_shard {
            self.prune(cx);
        }
    }

    /// The time by which mail and records age. A wall clock that runs ahead of the time that has truly passed
    /// does not make them older, or a wrong clock would end them in masses, keys of idempotency included
    /// (I21).
    fn age_by(&self, now: Now) -> Wall {
        let began = self.began.unwrap_or(now);
        now.wall.min(began.wall.after_millis(now.mono.millis_since(began.mono)))
    }

    fn prune(&self, cx: &mut Cx<'_>) {
        let now = self.age_by(cx.now);
        let messages_before = now.before_millis(cx.config.limits.retention_ms());
        cx.stage(Op::Prune { messages_before, proofs_before: now, limit: PAGE }, After::Pruned);
    }

    fn ask_overdue(&mut self, cx: &mut Cx<'_>) {
        let before = self.age_by(cx.now).before_millis(cx.config.limits.message_ttl_ms());
        cx.ask(Query::Overdue { before, after: self.overdue_after, limit: PAGE }, After::Overdue);
    }

    pub(super) fn overdue_read(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        let rows = match ended {
            Ended::Found(found) => match *found {
                Found::Overdue(rows) => rows,
                _ => Vec::new(),
            },
            Ended::Done(_) | Ended::Refused(_) => Vec::new(),
        };
        let full = rows.len() >= PAGE as usize;
        self.overdue_after = rows.last().map(|row| row.cursor);
        for row in rows {
            if self.shards.owns(&row.mesh) {
                self.expire(cx, &row);
            }
        }
        if full {
            self.ask_overdue(cx);
        } else {
            self.retention_running = false;
        }
    }

    fn expire(&mut self, cx: &mut Cx<'_>, row: &OverdueRow) {
        let no = self.by_id.find(&row.mesh).copied();
        match no.and_then(|no| self.resident.get_mut(&no)) {
            Some(mesh) => mesh.expire(cx, row),
            None => cx.stage(Op::Settle(expired(cx, row)), After::Nothing),
        }
    }

    pub(super) fn pruned(&mut self, cx: &mut Cx<'_>, ended: &Ended) {
        if let Ended::Done(Reply::Pruned { rows }) = ended {
            let rows = *rows;
            if rows > 0 {
                cx.note(Level::Info, || Note::new(Level::Info, "old rows removed").with("rows", rows));
            }
            if rows >= PAGE {
                self.prune(cx);
            }
        }
    }

    /// True for meshes this shard owns.
    pub(crate) fn owns(&self, mesh: &MeshId) -> bool {
        self.shards.owns(mesh)
    }
}

impl Mesh {
    /// A delivery waited too long. One that is leased may still be acknowledged, and is looked at again
    /// later.
    fn expire(&mut self, cx: &mut Cx<'_>, row: &OverdueRow) {
        let cursor = row.cursor;
        if self.mailbox(cursor.mailbox).expire(cursor.position) {
            self.end_row(cx, expired(cx, row), row.bytes);
        }
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
