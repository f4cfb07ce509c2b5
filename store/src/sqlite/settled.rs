//! Deliveries that ended, many to a row.
//!
//! A row of its own for each would be the second of two statements of a message. What ends together mostly
//! came together, so it stands together: one row of `settled` for what a commit ended within a span of
//! positions. Whoever asks for one delivery reads the rows of its span.
//!
//! *Always holds:* a delivery that ended stands in exactly one row, and that row is named by a delivery of
//! the same span.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, Row};

use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::BadRow;

/// Positions of one span. With more of them a row holds more, and a question about one delivery reads more
/// of others.
const SPAN: i64 = 32;
/// Bytes of one delivery in a row.
const END_BYTES: usize = 18;

/// A delivery that ended, as its columns say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub position: i64,
    pub mailbox: i64,
    pub at: i64,
    pub outcome: u8,
}

impl End {
    fn encode(&self, row: &mut Vec<u8>) {
        row.push((self.position - span_of(self.position)).to_le_bytes()[0]);
        row.extend(self.mailbox.to_be_bytes());
        row.extend(self.at.to_be_bytes());
        row.push(self.outcome);
    }

    fn decode(span: i64, bytes: &[u8; END_BYTES]) -> End {
        let number = |at: usize| i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let position = span + i64::from(bytes[0]);
        End { position, mailbox: number(1), at: number(9), outcome: bytes[17] }
    }

    fn name(&self) -> (i64, i64) {
        (self.position, self.mailbox)
    }
}

/// The first position of a position's span.
fn span_of(position: i64) -> i64 {
    position & -SPAN
}

/// Adds what a transaction ended.
pub(super) fn add(conn: &Connection, mut ended: Vec<End>) -> Result<(), Trouble> {
    ended.sort_unstable();
    let mut insert = conn.prepare_cached(sql::SETTLED_INSERT)?;
    for together in ended.chunk_by(|one, next| span_of(one.position) == span_of(next.position)) {
        add_row(&mut insert, together)?;
    }
    Ok(())
}

/// Adds one row; all of it is of one span, in its order.
fn add_row(insert: &mut CachedStatement<'_>, together: &[End]) -> Result<(), Trouble> {
    let Some(first) = together.first() else { return Ok(()) };
    let mut row = Vec::with_capacity(together.len() * END_BYTES);
    together.iter().for_each(|end| end.encode(&mut row));
    insert.execute((first.position, first.mailbox, row))?;
    Ok(())
}

/// How the deliveries of one message ended, by mailbox.
pub(super) fn of_message(conn: &Connection, position: i64) -> Result<Vec<End>, Trouble> {
    of_span(conn, span_of(position), |end| end.position == position)
}

/// What ended in a span and is wanted, in its order.
fn of_span(conn: &Connection, span: i64, wanted: impl Fn(&End) -> bool) -> Result<Vec<End>, Trouble> {
    let mut ended = Vec::new();
    let mut read = conn.prepare_cached(sql::SETTLED_READ)?;
    let mut rows = read.query((span, span + (SPAN - 1)))?;
    while let Some(row) = rows.next()? {
        ends(row, &wanted, &mut ended)?;
    }
    put_in_order(&mut ended);
    Ok(ended)
}

/// Takes everything that ended one by one, in the order of position and mailbox, from one of them on, until
/// `take` has enough.
pub(super) fn each_from(
    conn: &Connection,
    from: (i64, i64),
    mut take: impl FnMut(End) -> Result<bool, Trouble>,
) -> Result<(), Trouble> {
    let mut read = conn.prepare_cached(sql::SETTLED_READ)?;
    let mut rows = read.query((span_of(from.0), i64::MAX))?;
    let (mut ended, mut span) = (Vec::new(), None);
    loop {
        let row = rows.next()?;
        let next = row.map(|row| row.get::<_, i64>(0)).transpose()?.map(span_of);
        if next != span {
            put_in_order(&mut ended);
            for end in ended.drain(..) {
                if !take(end)? {
                    return Ok(());
                }
            }
            span = next;
        }
        let Some(row) = row else { return Ok(()) };
        ends(row, |end| end.name() >= from, &mut ended)?;
    }
}

/// One after the other. A store in which a delivery ended twice is damaged, and still tells of one end.
fn put_in_order(ended: &mut Vec<End>) {
    // Mostly they are a few runs that are in order already.
    ended.sort();
    ended.dedup_by_key(|end| end.name());
}

/// Removes everything that is known of these messages, each of which is named once.
pub(super) fn forget(conn: &Connection, positions: impl Iterator<Item = i64>) -> Result<(), Trouble> {
    let mut positions: Vec<i64> = positions.collect();
    positions.sort_unstable();
    let mut insert = conn.prepare_cached(sql::SETTLED_INSERT)?;
    for gone in positions.chunk_by(|one, next| span_of(*one) == span_of(*next)) {
        let span = span_of(gone[0]);
        let kept = of_span(conn, span, |end| gone.binary_search(&end.position).is_err())?;
        run(conn, sql::SETTLED_DELETE, (span, span + (SPAN - 1)))?;
        add_row(&mut insert, &kept)?;
    }
    Ok(())
}

/// Appends what a row holds and is wanted.
fn ends(row: &Row<'_>, wanted: impl Fn(&End) -> bool, into: &mut Vec<End>) -> Result<(), Trouble> {
    let span = span_of(row.get(0)?);
    let list = row.get_ref(1)?.as_blob().map_err(|_| BadRow("ended deliveries that are no blob"))?;
    let (ended, rest) = list.as_chunks::<END_BYTES>();
    if !rest.is_empty() {
        return Err(BadRow("ended deliveries of which the last is cut off").into());
    }
    if ended.iter().any(|bytes| i64::from(bytes[0]) >= SPAN) {
        return Err(BadRow("an ended delivery of another span").into());
    }
    into.extend(ended.iter().map(|bytes| End::decode(span, bytes)).filter(wanted));
    Ok(())
}

/// Tells of many deliveries whether they ended; reads each span once.
pub(super) struct Lookup<'a> {
    conn: &'a Connection,
    /// Positions and mailboxes of what ended in each, in order.
    spans: HashMap<i64, Vec<(i64, i64)>>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(conn: &'a Connection) -> Lookup<'a> {
        Lookup { conn, spans: HashMap::new() }
    }

    pub(super) fn has(&mut self, position: i64, mailbox: i64) -> Result<bool, Trouble> {
        let span = span_of(position);
        let ended = match self.spans.get(&span) {
            Some(ended) => ended,
            None => {
                let ended = of_span(self.conn, span, |_| true)?.iter().map(End::name).collect();
                self.spans.entry(span).or_insert(ended)
            }
        };
        Ok(ended.binary_search(&(position, mailbox)).is_ok())
    }
}
