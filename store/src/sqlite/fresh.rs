//! Keys of client message ids that were claimed or forgotten lately, on their way into the table `dedupe`.
//!
//! A key is random: written by itself into a large table it dirties a page of its own, which costs more than
//! the rest of its message. So keys gather here until they are many, and then go down in the order of keys,
//! where neighbours share a page, a slice with each commit. Until then they stand in the rows of `fresh`, one
//! for each commit, which only grows at its end.
//!
//! *Always holds:* what is here is what the rows of `fresh` say, and what the transaction under way adds. A
//! transaction that failed leaves that in doubt, and the rows are read again before the next one.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::BadRow;

/// Keys that gather before they go down. The more there are for each page of the table, the less each costs;
/// a key takes about 40 bytes of memory meanwhile.
const GATHERED_MAX: usize = 131_072;
/// Keys that go down with one commit, at least. With twice as many as the commit brings, they are always down
/// before as many have gathered again. Each may be on a page of its own, and a message that comes alone,
/// after a burst say, waits for all of them.
const SLICE_MIN: usize = 32;
/// How far they are is known to nobody after a failed transaction and to no other process: those that were on
/// their way down are then all down within so many commits, or they might never be.
const RESUMED_COMMITS_MAX: usize = 128;
/// Bytes of one entry in a row of `fresh`.
const ENTRY_BYTES: usize = 16;

/// A key, and the position of the message that it belongs to.
pub(super) type Entry = (i64, i64);

/// What was claimed (true) and forgotten (false) lately.
pub(super) struct Fresh {
    gathered: BTreeMap<Entry, bool>,
    sinking: Option<Sinking>,
    /// What this transaction adds, as it stands in a row of `fresh`.
    added: Vec<u8>,
    is_known: bool,
    /// So many were read that some were on their way down.
    is_resumed: bool,
    gathered_max: usize,
}

/// Those that go down, by their keys.
struct Sinking {
    entries: Vec<(Entry, bool)>,
    /// So many of them are down.
    down: usize,
    /// So many go down with one commit, at least.
    slice_min: usize,
    /// The last row of `fresh` that they came from.
    upto: i64,
}

impl Fresh {
    /// Nothing is known yet.
    pub(super) fn new() -> Fresh {
        Fresh {
            gathered: BTreeMap::new(),
            sinking: None,
            added: Vec::new(),
            is_known: false,
            is_resumed: false,
            gathered_max: GATHERED_MAX,
        }
    }

    /// What a store has at this moment.
    pub(super) fn read(conn: &Connection) -> Result<Fresh, Trouble> {
        let mut fresh = Fresh::new();
        fresh.begin(conn)?;
        Ok(fresh)
    }

    /// To be called when a transaction has begun.
    pub(super) fn begin(&mut self, conn: &Connection) -> Result<(), Trouble> {
        if self.is_known {
            return Ok(());
        }
        (self.gathered, self.sinking) = (BTreeMap::new(), None);
        self.added.clear();
        let mut read = conn.prepare_cached(sql::FRESH_READ)?;
        let mut rows = read.query(())?;
        while let Some(row) = rows.next()? {
            let keys = row.get_ref(0)?.as_blob().map_err(|_| BadRow("fresh keys that are no blob"))?;
            let (entries, rest) = keys.as_chunks::<ENTRY_BYTES>();
            if !rest.is_empty() {
                return Err(BadRow("fresh keys of which the last is cut off").into());
            }
            self.gathered.extend(entries.iter().map(decode));
        }
        (self.is_known, self.is_resumed) = (true, self.gathered.len() >= self.gathered_max);
        Ok(())
    }

    /// Whether it is what the rows say.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// All keys that came or went lately.
    pub(super) fn keys(&self) -> impl Iterator<Item = i64> {
        let sinking = self.sinking.iter().flat_map(|sinking| &sinking.entries);
        self.gathered.keys().chain(sinking.map(|(entry, _)| entry)).map(|(key, _)| *key)
    }

    /// The transaction did not become what it was to be, or nobody knows.
    pub(super) fn doubt(&mut self) {
        self.is_known = false;
    }

    /// An entry comes.
    pub(super) fn add(&mut self, entry: Entry) {
        self.change(entry, true);
    }

    /// An entry goes, wherever it is.
    pub(super) fn remove(&mut self, entry: Entry) {
        self.change(entry, false);
    }

    fn change(&mut self, (key, position): Entry, is_there: bool) {
        self.gathered.insert((key, position), is_there);
        // Positions are not negative, so a negative number is one that goes.
        let mark = if is_there { position } else { !position };
        self.added.extend(key.to_le_bytes());
        self.added.extend(mark.to_le_bytes());
    }

    /// Whether an entry is there, if it came or went lately.
    pub(super) fn get(&self, entry: Entry) -> Option<bool> {
        let is_gathered = self.gathered.get(&entry).copied();
        is_gathered.or_else(|| {
            let sinking = self.sinking.as_ref()?;
            let at = sinking.entries.binary_search_by_key(&entry, |(entry, _)| *entry).ok()?;
            Some(sinking.entries[at].1)
        })
    }

    /// The positions that came to this key lately, and did not go.
    pub(super) fn at(&self, key: i64) -> impl Iterator<Item = i64> {
        let of_key = (key, i64::MIN)..=(key, i64::MAX);
        let sinking = self.sinking.as_ref().map_or(&[][..], |sinking| &sinking.entries);
        let begin = sinking.partition_point(|(entry, _)| entry.0 < key);
        let sinking = sinking[begin..].iter().take_while(move |(entry, _)| entry.0 == key);
        let sinking = sinking.filter(|(entry, _)| !self.gathered.contains_key(entry));
        let all = sinking.map(|(entry, is_there)| (entry, is_there)).chain(self.gathered.range(of_key));
        all.filter_map(|(entry, is_there)| is_there.then_some(entry.1))
    }

    /// What came and went lately in the order of keys, from this entry on, as [`Fresh::read`] found it.
    pub(super) fn read_from(&self, first: Entry) -> impl Iterator<Item = (Entry, bool)> {
        self.gathered.range(first..).map(|(entry, is_there)| (*entry, *is_there))
    }

    /// To be called before the commit: keeps what the transaction added, and takes a slice down.
    pub(super) fn end(&mut self, conn: &Connection) -> Result<(), Trouble> {
        if self.added.is_empty() {
            return Ok(());
        }
        run(conn, sql::FRESH_INSERT, [&self.added])?;
        if self.sinking.is_none() && self.gathered.len() >= self.gathered_max {
            let entries: Vec<_> = std::mem::take(&mut self.gathered).into_iter().collect();
            let resumed = if self.is_resumed { entries.len().div_ceil(RESUMED_COMMITS_MAX) } else { 0 };
            let (upto, slice_min) = (conn.last_insert_rowid(), SLICE_MIN.max(resumed));
            self.is_resumed = false;
            self.sinking = Some(Sinking { entries, down: 0, slice_min, upto });
        }
        let twice = 2 * self.added.len() / ENTRY_BYTES;
        self.added.clear();
        if let Some(sinking) = &mut self.sinking
            && sinking.go_down(conn, twice.max(sinking.slice_min))?
        {
            self.sinking = None;
        }
        Ok(())
    }

    /// A bound that tests can reach.
    #[cfg(test)]
    pub(super) fn set_gathered_max(&mut self, gathered_max: usize) {
        self.gathered_max = gathered_max;
    }
}

impl Sinking {
    /// Takes so many of them down; true when none is left.
    fn go_down(&mut self, conn: &Connection, slice: usize) -> Result<bool, Trouble> {
        let mut insert = conn.prepare_cached(sql::DEDUPE_INSERT)?;
        let mut delete = conn.prepare_cached(sql::DEDUPE_DELETE)?;
        for (entry, is_there) in self.entries[self.down..].iter().take(slice) {
            // Some are down already, where a process before this one died on the way.
            if *is_there {
                insert.execute(*entry)?
            } else {
                delete.execute(*entry)?
            };
        }
        self.down = self.entries.len().min(self.down + slice);
        if self.down < self.entries.len() {
            return Ok(false);
        }
        run(conn, sql::FRESH_DELETE, [self.upto])?;
        Ok(true)
    }
}

/// An entry as it stands in a row of `fresh`.
fn decode(bytes: &[u8; ENTRY_BYTES]) -> (Entry, bool) {
    let (key, mark) = bytes.split_at(ENTRY_BYTES / 2);
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let (key, mark) = (number(key), number(mark));
    if mark < 0 { ((key, !mark), false) } else { ((key, mark), true) }
}
