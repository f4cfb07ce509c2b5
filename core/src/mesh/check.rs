//! The check of keys: whether keys, messages and deliveries agree, once in `orphan_check_ms`.
//!
//! *Does not* repair anything. *Always holds:* one page is read at a time, so whatever else wants to read
//! waits for one page at most.

use super::{After, Cx, Meshes};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::stats::{Counter, MeshCounter, OTHER_MESHES};
use crate::store::{CheckPage, CheckPart, CheckPlace, Ended, Found, Query, Stray, StrayKind};
use crate::time::Mono;

/// Rows of one page.
const PAGE: u32 = 500;
/// What is found is counted; of one check, so much is logged.
const LOGGED_MAX: u64 = 16;

#[derive(Debug, Default)]
pub(super) struct Check {
    /// What the running check has seen so far.
    running: Option<Tally>,
    /// When the next one is due; none before the first.
    due: Option<Mono>,
}

#[derive(Debug)]
struct Tally {
    began: Mono,
    /// Rows of each part.
    rows: [u64; CheckPart::ALL.len()],
    found: u64,
}

impl Meshes {
    /// Starts a check when one is due and none is running.
    pub(super) fn check_if_due(&mut self, cx: &mut Cx<'_>) {
        if self.check.running.is_some() || self.check.due.is_some_and(|due| due > cx.now.mono) {
            return;
        }
        self.check.running = Some(Tally { began: cx.now.mono, rows: Default::default(), found: 0 });
        ask(cx, CheckPlace::START);
    }

    pub(super) fn checked(&mut self, cx: &mut Cx<'_>, at: CheckPlace, ended: Ended) {
        let page = match ended {
            Ended::Found(found) => match *found {
                Found::Checked(page) => Some(page),
                _ => None,
            },
            Ended::Done(_) | Ended::Refused(_) => None,
        };
        let Some(mut tally) = self.check.running.take() else { return };
        let Some(CheckPage { rows, strays, next }) = page else {
            // The next sweep begins it again.
            return tally.tell(cx, false);
        };
        tally.rows[at.part as usize] += rows;
        for stray in &strays {
            tally.found += 1;
            report(cx, self.positions.ids.as_ref().filter(|_| tally.found <= LOGGED_MAX), stray);
        }
        if let Some(next) = next {
            self.check.running = Some(tally);
            return ask(cx, next);
        }
        cx.count(Counter::KeyChecks);
        tally.tell(cx, true);
        self.check.due = Some(tally.began.after_millis(cx.config.limits.orphan_check_ms()));
    }
}

impl Tally {
    fn tell(&self, cx: &mut Cx<'_>, complete: bool) {
        let [keys, messages, tombstones, waiting, over] = self.rows;
        let latency_ms = cx.now.mono.millis_since(self.began);
        cx.note(Level::Info, || {
            let note = Note::new(Level::Info, "keys checked").with("keys", keys).with("messages", messages);
            let note = note.with("tombstones", tombstones).with("waiting", waiting).with("ended", over);
            note.with("found", self.found).with("complete", complete).with("latency_ms", latency_ms)
        });
    }
}

fn ask(cx: &mut Cx<'_>, at: CheckPlace) {
    cx.ask(Query::Check { at, limit: PAGE }, After::Checked(at));
}

/// Counts what was found, and logs it if it gets an id to be named by.
fn report(cx: &mut Cx<'_>, ids: Option<&MessageIds>, stray: &Stray) {
    let mesh = stray.mesh.as_ref().map_or(OTHER_MESHES, |mesh| mesh.as_str());
    match stray.kind {
        StrayKind::KeyWithoutMessage => cx.stats.count_of(MeshCounter::Orphans, mesh),
        StrayKind::MessageWithoutKey
        | StrayKind::RecipientWithoutFate
        | StrayKind::DeliveryWithoutMessage => cx.count(Counter::AtomicityViolations),
    }
    let Some(ids) = ids else { return };
    cx.note(Level::Error, || {
        let message_id = ids.encode(stray.position);
        let note = Note::new(Level::Error, "keys check found").with("what", stray.kind.word());
        note.with("mesh_id", mesh).with("message_id", &*message_id)
    });
}
