//! Topics that live in memory only: no store says what was published to them, so what is told of them must
//! fit together (I16), and nobody may call what is lost by a name that still stands.

use std::collections::BTreeMap;

use peermesh_core::ids::ConnId;

use super::Publication;
use crate::sim::heard::{Heard, HeardKind, Item};
use crate::sim::marks::{Mark, Tally};
use crate::sim::oracle::Said;
use crate::sim::oracle::rules::{Judged, Rule, Violation, broken};

/// What was told of such topics, by the names of their positions.
#[derive(Debug, Default)]
pub(super) struct Fleeting {
    lives: BTreeMap<String, Life>,
    /// Under which name each connection watches.
    shown: BTreeMap<ConnId, String>,
}

/// One life of one topic.
#[derive(Debug)]
struct Life {
    /// The broker that lives it, by its place, and in which of its own lives.
    of: (usize, u32),
    rows: BTreeMap<u64, Item>,
    /// Where publications were said to stand, by what their publishers call them.
    answered: BTreeMap<String, u64>,
    /// Up to which offset it was judged which of them are late.
    judged: u64,
    /// The version of each entity's value there. That of one that was removed is forgotten after a while.
    versions: BTreeMap<String, Option<u64>>,
}

impl Fleeting {
    /// Something about such a topic leaves a broker.
    pub(super) fn said(
        &mut self,
        said: &Said<'_>,
        node: usize,
        heard: &Heard,
        sent: Option<&Publication>,
        tally: &mut Tally,
    ) -> Judged {
        let of = (node, said.life);
        match heard.kind {
            HeardKind::Subscribed => {
                self.shown.insert(said.conn, heard.epoch.clone());
                self.life(of, &heard.epoch)?.shows(heard)
            }
            HeardKind::Position => {
                let Some(epoch) = self.shown.get(&said.conn).cloned() else { return Ok(()) };
                tally.mark(Mark::LiveVolatile);
                self.life(of, &epoch)?.learn(&heard.item())
            }
            HeardKind::Published => self.life(of, &heard.epoch)?.answers(heard, sent),
            _ => Ok(()),
        }
    }

    /// The last offset that anybody was told under a name.
    pub(super) fn top(&self, epoch: &str) -> u64 {
        let last = self.lives.get(epoch).and_then(|life| life.rows.keys().next_back());
        last.copied().unwrap_or(0)
    }

    fn life(&mut self, of: (usize, u32), epoch: &str) -> Result<&mut Life, Violation> {
        let fresh = || {
            let (rows, answered, versions) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
            Life { of, rows, answered, judged: 0, versions }
        };
        let life = self.lives.entry(epoch.to_owned()).or_insert_with(fresh);
        if life.of != of {
            broken(Rule::I9, format!("{epoch} names positions of two lives"))?;
        }
        Ok(life)
    }
}

impl Life {
    /// Everybody is told the same of an offset.
    fn learn(&mut self, item: &Item) -> Judged {
        let known = self.rows.entry(item.offset).or_insert_with(|| item.clone());
        let is_same = (&known.key, known.version, known.late) == (&item.key, item.version, item.late)
            && known.text() == item.text();
        match is_same {
            true => self.judge_late(),
            false => broken(Rule::I2, format!("{item:?} was {known:?} before")),
        }
    }

    /// A version that is no greater than what is known of its entity is late, and no other: of everything
    /// that follows what was judged.
    fn judge_late(&mut self) -> Judged {
        while let Some(item) = self.rows.get(&(self.judged + 1)) {
            self.judged += 1;
            let Some(key) = &item.key else { continue };
            let known = self.versions.get(key);
            let is_late = item.version.zip(known.copied().flatten()).is_some_and(|(new, old)| new <= old);
            if known.is_some() && item.late != is_late {
                let text = format!("offset {} counts as late: {}", item.offset, item.late);
                return broken(Rule::I16, text);
            }
            match (item.late, item.text()) {
                (true, _) => {}
                (false, "null") => _ = self.versions.remove(key),
                (false, _) => _ = self.versions.insert(key.clone(), item.version),
            }
        }
        Ok(())
    }

    /// A publisher is told one offset however often it asks, and what others see there is what it sent.
    fn answers(&mut self, heard: &Heard, sent: Option<&Publication>) -> Judged {
        let first = *self.answered.entry(heard.id.clone()).or_insert(heard.offset);
        if first != heard.offset {
            return broken(Rule::I2, format!("{} stands at {first} and at {}", heard.id, heard.offset));
        }
        let Some(sent) = sent else { return Ok(()) };
        let from = (heard.offset + 1).saturating_sub(sent.parts.len() as u64);
        for (part, offset) in sent.parts.iter().zip(from..) {
            let Some(known) = self.rows.get(&offset) else { continue };
            let is_same =
                (&known.key, known.version) == (&part.key, part.version) && known.text() == part.text;
            if !is_same {
                return broken(Rule::I2, format!("{} is told to stand where {known:?} does", heard.id));
            }
        }
        Ok(())
    }

    /// A start shows what holds, as far as all is known that was published.
    fn shows(&mut self, heard: &Heard) -> Judged {
        for item in heard.snapshot.iter().chain(&heard.publications).flatten() {
            self.learn(item)?;
        }
        if let Some(snapshot) = heard.snapshot.as_ref().filter(|_| heard.offset > self.judged) {
            // Nobody was told of some publications before, and here is what came of them.
            self.judged = heard.offset;
            let held = snapshot.iter().filter_map(|item| Some((item.key.clone()?, item.version)));
            self.versions = held.collect();
        }
        let is_known = self.rows.range(..=heard.offset).count() as u64 == heard.offset;
        let Some(snapshot) = heard.snapshot.as_ref().filter(|_| is_known) else { return Ok(()) };
        let mut holds: BTreeMap<&str, u64> = BTreeMap::new();
        for (offset, item) in self.rows.range(..=heard.offset).filter(|(_, item)| !item.late) {
            match (item.key.as_deref(), item.text()) {
                (Some(key), "null") => _ = holds.remove(key),
                (Some(key), _) => _ = holds.insert(key, *offset),
                (None, _) => {}
            }
        }
        let shown = snapshot.iter().filter_map(|item| Some((item.key.as_deref()?, item.offset)));
        match shown.eq(holds.iter().map(|(key, offset)| (*key, *offset))) {
            true => Ok(()),
            false => broken(Rule::I16, format!("{} shows not what holds: {holds:?}", heard.shown())),
        }
    }
}
