//! Deliveries that came lately, on their way into the table `pending`.
//!
//! Nearly every delivery ends a few commits after it came. Two statements for a row that comes and goes cost
//! more than the rest of a message's delivery, so deliveries stand first in the rows of `arrival`, one for
//! each commit. What ends meanwhile never comes into `pending`; the others go down when their row is old.
//!
//! *Always holds:* a delivery waits that stands in `pending`, or in a row of `arrival` while no row of
//! `settled` says that it ended. What is in memory is what these say, and what the transaction under way
//! changes. A transaction that failed leaves that in doubt, and the rows are read again before the next one.
//! Whoever removes messages, and with them the rows that say what ended, takes everything down first.

use std::collections::{HashMap, HashSet, VecDeque};

use peermesh_core::ids::MailboxNo;
use peermesh_core::store::{Cursor, Message};
use rusqlite::{CachedStatement, Connection};

use super::settled::Lookup;
use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::{self, BadRow};

/// Rows of `arrival`, at most; when there are more, the oldest go until half as many are left, or a slice of
/// deliveries went with them. A recipient that answers does so within fewer commits.
const ROWS_MAX: usize = 64;
/// Deliveries that stand in those rows, at most: whoever reads a lane reads them all.
const ARRIVALS_MAX: usize = 131_072;
/// Deliveries of one row, at most. What a commit brings beyond goes down at once.
const ROW_MAX: usize = 65_536;
/// Room for so many that wait is kept while few do.
const WAITING_KEPT: usize = 8_192;
/// Deliveries that go down with one commit, at least. With twice as many as the commit brings, they never
/// gather.
const SLICE_MIN: usize = 256;
/// Bytes of one delivery in a row of `arrival`.
const ARRIVAL_BYTES: usize = 25;

/// A delivery, ordered as in `pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    pub recip: i64,
    pub rank: i64,
    pub position: i64,
    pub bytes: i64,
}

/// What the writer knows of deliveries that came lately.
pub(super) struct Arrivals {
    /// The rows of `arrival`, oldest first.
    rows: VecDeque<Row>,
    /// Deliveries in them.
    size: usize,
    /// Those that wait and are not in `pending`, by their places there, with their bytes.
    waiting: HashMap<[i64; 3], i64>,
    /// What this transaction adds.
    added: Vec<Arrival>,
    is_known: bool,
    /// This process has had a transaction.
    has_begun: bool,
    rows_max: usize,
}

/// One row of `arrival`.
struct Row {
    n: i64,
    arrivals: Vec<Arrival>,
}

impl Arrival {
    pub(super) fn new(message: &Message, to: MailboxNo) -> Arrival {
        Arrival {
            recip: to.0,
            rank: i64::from(message.priority.rank()),
            position: rows::position_column(message.position),
            bytes: rows::count_column(message.queued_bytes()),
        }
    }

    /// Its place among those of `pending`.
    pub(super) fn order(&self) -> [i64; 3] {
        [self.recip, self.rank, self.position]
    }

    /// The same, as the machine says it.
    pub(super) fn cursor(&self) -> Result<Cursor, BadRow> {
        Ok(Cursor {
            mailbox: MailboxNo(self.recip),
            priority: rows::priority(self.rank)?,
            position: rows::position(self.position)?,
        })
    }

    fn encode(&self, row: &mut Vec<u8>) {
        row.extend(self.recip.to_le_bytes());
        row.extend(self.position.to_le_bytes());
        row.extend(self.bytes.to_le_bytes());
        row.push(u8::try_from(self.rank).unwrap_or(u8::MAX));
    }

    fn decode(bytes: &[u8; ARRIVAL_BYTES]) -> Arrival {
        let number = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        Arrival { recip: number(0), position: number(8), bytes: number(16), rank: i64::from(bytes[24]) }
    }
}

/// Tells whether deliveries that came lately wait, and only here.
struct Judge<'a> {
    in_lane: CachedStatement<'a>,
    ended: Lookup<'a>,
}

impl<'a> Judge<'a> {
    fn new(conn: &'a Connection) -> Result<Judge<'a>, Trouble> {
        Ok(Judge { in_lane: conn.prepare_cached(sql::PENDING_READ)?, ended: Lookup::new(conn) })
    }

    fn waits(&mut self, arrival: &Arrival) -> Result<bool, Trouble> {
        let has_ended = self.ended.has(arrival.position, arrival.recip)?;
        Ok(!has_ended && !self.in_lane.exists(arrival.order())?)
    }
}

/// Those of the deliveries that came lately that wait and are not in `pending`, as far as they are `wanted`,
/// in the order of `pending`.
pub(super) fn waiting(conn: &Connection, wanted: impl Fn(&Arrival) -> bool) -> Result<Vec<Arrival>, Trouble> {
    let mut found = Vec::new();
    each_waiting(conn, wanted, |arrival| {
        found.push(arrival);
        Ok(true)
    })?;
    Ok(found)
}

/// Takes them one by one, until `take` has enough.
pub(super) fn each_waiting(
    conn: &Connection,
    wanted: impl Fn(&Arrival) -> bool,
    mut take: impl FnMut(Arrival) -> Result<bool, Trouble>,
) -> Result<(), Trouble> {
    let mut came = Vec::new();
    each_row(conn, |_, arrivals| {
        came.extend(arrivals.filter(&wanted));
        Ok(())
    })?;
    came.sort_unstable();
    let mut judge = Judge::new(conn)?;
    for arrival in came {
        if judge.waits(&arrival)? && !take(arrival)? {
            break;
        }
    }
    Ok(())
}

/// Position and mailbox of everything that came lately, whatever became of it.
pub(super) fn all(conn: &Connection) -> Result<HashSet<(i64, i64)>, Trouble> {
    let mut all = HashSet::new();
    each_row(conn, |_, arrivals| {
        all.extend(arrivals.map(|arrival| (arrival.position, arrival.recip)));
        Ok(())
    })?;
    Ok(all)
}

fn each_row(
    conn: &Connection,
    mut take: impl FnMut(i64, &mut dyn Iterator<Item = Arrival>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut read = conn.prepare_cached(sql::ARRIVAL_READ)?;
    let mut rows = read.query(())?;
    while let Some(row) = rows.next()? {
        let list = row.get_ref(1)?.as_blob().map_err(|_| BadRow("arrivals that are no blob"))?;
        let (arrivals, rest) = list.as_chunks::<ARRIVAL_BYTES>();
        if !rest.is_empty() {
            return Err(BadRow("arrivals of which the last is cut off").into());
        }
        take(row.get(0)?, &mut arrivals.iter().map(Arrival::decode))?;
    }
    Ok(())
}

impl Arrivals {
    /// Nothing is known yet.
    pub(super) fn new() -> Arrivals {
        Arrivals {
            rows: VecDeque::new(),
            size: 0,
            waiting: HashMap::new(),
            added: Vec::new(),
            is_known: false,
            has_begun: false,
            rows_max: ROWS_MAX,
        }
    }

    /// To be called when a transaction has begun.
    pub(super) fn begin(&mut self, conn: &Connection) -> Result<(), Trouble> {
        if self.is_known {
            return Ok(());
        }
        (self.rows, self.waiting, self.size) = (VecDeque::new(), HashMap::new(), 0);
        self.added.clear();
        let mut judge = Judge::new(conn)?;
        each_row(conn, |n, arrivals| {
            let arrivals: Vec<Arrival> = arrivals.collect();
            for arrival in &arrivals {
                if judge.waits(arrival)? {
                    self.waiting.insert(arrival.order(), arrival.bytes);
                }
            }
            self.size += arrivals.len();
            self.rows.push_back(Row { n, arrivals });
            Ok(())
        })?;
        self.is_known = true;
        // A process that begins has everything to read, and nobody who waits for this commit yet.
        if !self.has_begun {
            self.go_down_all(conn)?;
            self.has_begun = true;
        }
        Ok(())
    }

    /// The transaction did not become what it was to be, or nobody knows.
    pub(super) fn doubt(&mut self) {
        self.is_known = false;
    }

    /// A delivery comes. A mailbox that is named twice is told once.
    pub(super) fn add(&mut self, arrival: Arrival) {
        if self.waiting.insert(arrival.order(), arrival.bytes).is_none() {
            self.added.push(arrival);
        }
    }

    /// A delivery ends, or goes on in `pending`: its bytes, if it waited here.
    pub(super) fn remove(&mut self, at: Cursor) -> Option<i64> {
        let Cursor { mailbox, priority, position } = at;
        self.waiting.remove(&[mailbox.0, i64::from(priority.rank()), rows::position_column(position)])
    }

    /// Whether the delivery at this place among those of `pending` waits here.
    pub(super) fn has(&self, order: [i64; 3]) -> bool {
        self.waiting.contains_key(&order)
    }

    /// To be called before the commit: keeps what the transaction added, and takes what is old down.
    pub(super) fn end(&mut self, conn: &Connection) -> Result<(), Trouble> {
        // A burst must not hold its memory for ever.
        if self.waiting.capacity() > WAITING_KEPT && self.waiting.len() < self.waiting.capacity() / 8 {
            self.waiting.shrink_to(2 * self.waiting.len());
        }
        if self.added.is_empty() {
            // All of a burst has ended: its rows are of no use, and readers would go on reading them.
            let is_over = self.waiting.is_empty() && self.size > WAITING_KEPT;
            return if is_over { self.go_down(conn, usize::MAX, 0) } else { Ok(()) };
        }
        let mut arrivals = std::mem::take(&mut self.added);
        if arrivals.len() > ROW_MAX {
            self.take_down(conn, &mut arrivals.split_off(ROW_MAX))?;
        }
        let mut row = Vec::with_capacity(arrivals.len() * ARRIVAL_BYTES);
        arrivals.iter().for_each(|arrival| arrival.encode(&mut row));
        run(conn, sql::ARRIVAL_INSERT, [row])?;
        let slice = SLICE_MIN.max(2 * arrivals.len());
        self.size += arrivals.len();
        self.rows.push_back(Row { n: conn.last_insert_rowid(), arrivals });
        if self.rows.len() > self.rows_max || self.size > ARRIVALS_MAX {
            self.go_down(conn, slice, self.rows_max / 2)?;
        }
        Ok(())
    }

    /// Takes everything down.
    pub(super) fn go_down_all(&mut self, conn: &Connection) -> Result<(), Trouble> {
        // What this transaction added has no row, and needs none.
        let mut added = std::mem::take(&mut self.added);
        self.take_down(conn, &mut added)?;
        self.go_down(conn, usize::MAX, 0)
    }

    /// Takes the oldest rows down, until so many deliveries went or so few rows are left.
    fn go_down(&mut self, conn: &Connection, slice: usize, kept: usize) -> Result<(), Trouble> {
        let (mut upto, mut going) = (None, Vec::new());
        while (self.rows.len() > kept || self.size > ARRIVALS_MAX)
            && going.len() < slice
            && let Some(row) = self.rows.pop_front()
        {
            upto = Some(row.n);
            self.size -= row.arrivals.len();
            let waits = |arrival: &Arrival| self.has(arrival.order());
            going.extend(row.arrivals.into_iter().filter(waits));
        }
        self.take_down(conn, &mut going)?;
        match upto {
            Some(upto) => run(conn, sql::ARRIVAL_DELETE, [upto]).map(drop),
            None => Ok(()),
        }
    }

    /// Enters those that still wait into `pending`.
    fn take_down(&mut self, conn: &Connection, going: &mut [Arrival]) -> Result<(), Trouble> {
        going.sort_unstable();
        let mut insert = conn.prepare_cached(sql::PENDING_INSERT)?;
        for arrival in going {
            let order @ [recip, rank, position] = arrival.order();
            if let Some(bytes) = self.waiting.remove(&order) {
                insert.execute((recip, rank, position, bytes))?;
            }
        }
        Ok(())
    }

    /// A bound that tests can reach.
    #[cfg(test)]
    pub(super) fn set_rows_max(&mut self, rows_max: usize) {
        self.rows_max = rows_max;
    }
}
