//! How full outbox and inbox are, and what follows from it.
//!
//! *Decides* when programs are told that room gets scarce, when sends are refused, and when a message that
//! comes is left to its broker.
//! *Always holds:* what was taken before there was no room is kept. A message that cannot be kept is not
//! acknowledged, and no broker is asked for more: mail waits there for as long as it is meant to, instead of
//! being given up after so many deliveries.

use serde_json::json;

use super::events::Kind;
use super::shelf::After;
use super::{Daemon, LaneKey, Timer};
use crate::machine::Outputs;
use crate::note::{Level as Weight, Note};
use crate::store::{Answer, DaemonFound, Ended, Found, InRow, InboxOp, InboxQuery, StoreError, StoreResult};
use crate::time::Now;

/// From this share of its room on, in percent, a store is said to fill.
const HIGH_PERCENT: u64 = 80;
/// From this one on the outbox takes nothing more: the rest is for what was under way.
const REFUSING_PERCENT: u64 = 95;
/// Why a store takes nothing, beside its bounds.
const DISK: &str = "disk";
const STORE: &str = "store";

/// How full a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    #[default]
    Normal,
    /// It fills.
    High,
    /// It takes nothing more.
    Full,
}

impl Level {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Level::Normal => "normal",
            Level::High => "high",
            Level::Full => "full",
        }
    }

    fn of(used: u64, most: u64, full_percent: u64) -> Level {
        let reaches = |percent: u64| used.saturating_mul(100) >= most.saturating_mul(percent);
        match (reaches(full_percent), reaches(HIGH_PERCENT)) {
            (true, _) => Level::Full,
            (false, true) => Level::High,
            (false, false) => Level::Normal,
        }
    }
}

/// How full one of the stores is, as programs were told last.
#[derive(Clone, Copy, Debug, Default)]
struct Gauge {
    told: Level,
    /// Why the last write was refused.
    trouble: Option<&'static str>,
}

/// See the module's own words.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    outbox: Gauge,
    inbox: Gauge,
    /// The room that the inbox takes, in bytes, as far as it is known.
    pub(super) inbox_bytes: u64,
    /// No socket is kept open, since nothing that comes could be kept.
    pub(super) is_inbox_shut: bool,
    /// A message that could not be kept, and is tried again.
    held: Option<(LaneKey, Box<InRow>)>,
}

impl Pressure {
    /// The words of both: outbox, inbox.
    pub(super) const fn words(&self) -> (&'static str, &'static str) {
        (self.outbox.told.word(), self.inbox.told.word())
    }

    pub(super) fn outbox_wrote(&mut self, result: &StoreResult) {
        match result {
            Ok(Answer::Replies(_)) => self.outbox.trouble = None,
            Err(StoreError::Full) => self.outbox.trouble = Some(DISK),
            // A question says nothing of the disk.
            Ok(Answer::Found(_)) | Err(_) => {}
        }
    }
}

impl Daemon {
    /// How full the outbox is by its bounds. A full disk shows when it is written to.
    pub(super) fn outbox_level(&self) -> Level {
        let (load, bounds) = (&self.load, &self.bounds);
        let rows = Level::of(load.rows, bounds.outbox_rows_max(), REFUSING_PERCENT);
        rows.max(Level::of(load.bytes, bounds.outbox_bytes_max(), REFUSING_PERCENT))
    }

    fn inbox_level(&self) -> Level {
        Level::of(self.pressure.inbox_bytes, self.bounds.inbox_bytes_max(), 100)
    }

    /// Tells programs what has changed, and closes or opens the doors to brokers.
    pub(super) fn tell_pressure(&mut self, now: Now, todo: &mut Outputs) {
        let level = |by_bounds, gauge: Gauge| if gauge.trouble.is_some() { Level::Full } else { by_bounds };
        let (outbox, inbox) = (self.pressure.outbox, self.pressure.inbox);
        let level_out = level(self.outbox_level(), outbox);
        if level_out != outbox.told {
            self.pressure.outbox.told = level_out;
            let room = (self.load.bytes, self.bounds.outbox_bytes_max());
            self.tell_level(now, Kind::OutboxPressure(level_out), level_out, outbox, room, todo);
        }
        let level_in = level(self.inbox_level(), inbox);
        if level_in != inbox.told {
            self.pressure.inbox.told = level_in;
            let room = (self.pressure.inbox_bytes, self.bounds.inbox_bytes_max());
            self.tell_level(now, Kind::InboxPressure(level_in), level_in, inbox, room, todo);
        }
        let is_shut = level_in == Level::Full;
        if is_shut != self.pressure.is_inbox_shut && !self.stop.is_on() {
            self.pressure.is_inbox_shut = is_shut;
            let keys: Vec<LaneKey> = self.uplinks.keys().copied().collect();
            for key in keys {
                self.with_uplink(now, key, todo, |uplink, cx| match is_shut {
                    true => uplink.shut(cx),
                    false => uplink.reopen(cx),
                });
            }
        }
    }

    fn tell_level(
        &mut self,
        now: Now,
        kind: Kind,
        level: Level,
        gauge: Gauge,
        (used, most): (u64, u64),
        todo: &mut Outputs,
    ) {
        let cause = match level {
            Level::Normal => None,
            Level::High | Level::Full => Some(gauge.trouble.unwrap_or("bounds")),
        };
        let weight = if level == Level::Normal { Weight::Info } else { Weight::Warn };
        let note = Note::new(weight, "storage_pressure").with("kind", kind.word()).with("used", used);
        self.notes.push(note.with("limit", most).with("cause", cause));
        let fields = json!({ "level": level.word(), "used": used, "limit": most, "cause": cause });
        self.tell(now, kind, None, None, fields, todo);
    }

    /// Asks how much room the inbox takes.
    pub(super) fn measure_inbox(&mut self) {
        self.ask_in(InboxQuery::Room, After::Room);
    }

    pub(super) fn inbox_measured(&mut self, ended: Ended) {
        if let Ended::Found(found) = ended
            && let Found::Daemon(DaemonFound::Room { bytes }) = *found
        {
            self.pressure.inbox_bytes = bytes;
        }
    }

    /// A message is on disk.
    pub(super) fn inbox_grew(&mut self, row: &InRow) {
        self.pressure.inbox_bytes = self.pressure.inbox_bytes.saturating_add(row.room_bytes());
    }

    pub(super) fn is_inbox_full(&self) -> bool {
        self.inbox_level() == Level::Full
    }

    /// A message could not be kept. It is tried again by itself: a broker that sends it anew takes a message
    /// that it has sent often in vain for one that its recipient dies of, and gives it up.
    pub(super) fn inbox_refused(&mut self, now: Now, key: LaneKey, row: &InRow, ended: &Ended) {
        let is_full = matches!(ended, Ended::Refused(StoreError::Full));
        self.pressure.inbox.trouble = Some(if is_full { DISK } else { STORE });
        self.pressure.held.get_or_insert_with(|| (key, Box::new(row.clone())));
        self.timers.arm(Timer::Probe, now.mono.after_millis(self.bounds.drain_poll_ms()));
    }

    pub(super) fn probe_inbox(&mut self) {
        if let Some((key, row)) = self.pressure.held.take() {
            self.stage_in(InboxOp::Receive(row.clone()), After::Probed(key, row));
        }
    }

    pub(super) fn probed(&mut self, now: Now, key: LaneKey, row: &InRow, ended: &Ended, todo: &mut Outputs) {
        if matches!(ended, Ended::Done(_)) {
            self.pressure.inbox.trouble = None;
            // Its broker hears of it when it sends it again.
            self.kept(now, key, row, ended, todo);
        } else {
            self.inbox_refused(now, key, row, ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_fills_from_four_fifths_on_and_the_outbox_keeps_a_reserve() {
        for (used, outbox, inbox) in [
            (79, Level::Normal, Level::Normal),
            (80, Level::High, Level::High),
            (94, Level::High, Level::High),
            (95, Level::Full, Level::High),
            (100, Level::Full, Level::Full),
            (u64::MAX, Level::Full, Level::Full),
        ] {
            assert_eq!(Level::of(used, 100, REFUSING_PERCENT), outbox, "{used}");
            assert_eq!(Level::of(used, 100, 100), inbox, "{used}");
        }
    }
}
