//! What must belong together: a page of the check, from one state of the store.

use std::cell::OnceCell;
use std::collections::HashSet;

use peermesh_core::ids::{MailboxNo, MeshId, MeshNo, Position};
use peermesh_core::store::{CheckPage, CheckPart, CheckPlace, Stray, StrayKind};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::arrivals;
use super::fresh::{Entry, Fresh};
use super::prune::mailboxes_of;
use super::settled::{self, End, Lookup};
use super::sql;
use super::trouble::Trouble;
use super::write::store_row;
use crate::rows::{self, DedupeKeys, Name};

/// One page, which ends at `limit` rows or with the row that goes over it.
pub(super) fn page(conn: &Connection, at: CheckPlace, limit: u32) -> Result<CheckPage, Trouble> {
    let [_, two, three] = at.from;
    let mut walk = Walk {
        conn,
        limit,
        rows: 0,
        size: 0,
        strays: Vec::new(),
        last: None,
        arrivals: OnceCell::new(),
        settled: Lookup::new(conn),
    };
    match at.part {
        CheckPart::Keys => walk.keys(at.from)?,
        CheckPart::Messages => {
            let keys = Known::new(conn)?;
            walk.on(sql::CHECK_MESSAGES, (three, limit), |walk, row| walk.message(&keys, row))?;
        }
        CheckPart::Tombstones => {
            let keys = Known::new(conn)?;
            walk.on(sql::CHECK_TOMBSTONES, (three, limit), |walk, row| walk.tombstone(&keys, row))?;
        }
        CheckPart::Waiting => walk.waiting(at.from)?,
        CheckPart::Ended => walk.ended((two, three))?,
    }
    let Walk { rows, strays, last, .. } = walk;
    Ok(CheckPage { rows, strays, next: CheckPlace::behind(at.part, last) })
}

/// What is known under which key at this moment.
struct Known {
    hash: DedupeKeys,
    fresh: Fresh,
}

impl Known {
    fn new(conn: &Connection) -> Result<Known, Trouble> {
        Ok(Known { hash: DedupeKeys::new(&store_row(conn)?.1), fresh: Fresh::read(conn)? })
    }

    fn has(&self, conn: &Connection, entry: Entry) -> Result<bool, Trouble> {
        match self.fresh.get(entry) {
            Some(is_there) => Ok(is_there),
            None => Ok(conn.prepare_cached(sql::DEDUPE_HAS)?.exists(entry)?),
        }
    }
}

struct Walk<'a> {
    conn: &'a Connection,
    limit: u32,
    rows: u64,
    /// The same with the recipients of messages.
    size: u64,
    strays: Vec<Stray>,
    /// The row that filled the page.
    last: Option<[i64; 3]>,
    /// Deliveries that came lately, once somebody asked for them.
    arrivals: OnceCell<HashSet<(i64, i64)>>,
    settled: Lookup<'a>,
}

/// By what a row is ordered, and for how many rows it counts in its page; none if it is not looked at.
type Looked = ([i64; 3], u64);

impl Walk<'_> {
    fn on(
        &mut self,
        sql: &str,
        params: impl Params,
        mut look: impl FnMut(&mut Self, &Row<'_>) -> Result<Looked, Trouble>,
    ) -> Result<(), Trouble> {
        let mut read = self.conn.prepare_cached(sql)?;
        let mut rows = read.query(params)?;
        let mut seen = 0;
        while self.last.is_none()
            && let Some(row) = rows.next()?
        {
            let (order, count) = look(self, row)?;
            self.count(order, count);
            seen += 1;
            if seen == self.limit {
                self.last = Some(order);
            }
        }
        Ok(())
    }

    fn count(&mut self, order: [i64; 3], count: u64) {
        self.rows += count.min(1);
        self.size += count;
        if self.size >= u64::from(self.limit) {
            self.last = Some(order);
        }
    }

    /// Keys: those of the table (`from` is [below 1, key, position]), then those on their way into it ([1,
    /// ..]).
    fn keys(&mut self, [part, key, position]: [i64; 3]) -> Result<(), Trouble> {
        let fresh = Fresh::read(self.conn)?;
        let mut first = (key, position);
        if part < 1 {
            self.on(sql::CHECK_KEYS, (key, position, self.limit), |walk, row| {
                let entry @ (key, position) = (row.get(0)?, row.get(1)?);
                // What came or went since has the last word on it.
                let is_last_word = fresh.get(entry).is_none();
                if is_last_word {
                    walk.key(position, row.get(2)?)?;
                }
                Ok(([0, key, position], u64::from(is_last_word)))
            })?;
            first = (i64::MIN, i64::MIN);
        }
        let mut belongs = self.conn.prepare_cached(sql::CHECK_KEY)?;
        for (entry, is_there) in fresh.read_from(first) {
            if self.last.is_some() {
                break;
            }
            if is_there {
                self.key(entry.1, belongs.query_row([entry.1], |row| row.get(0))?)?;
                self.count([1, entry.0, entry.1], 1);
            }
        }
        Ok(())
    }

    fn key(&mut self, position: i64, belongs: bool) -> Result<(), Trouble> {
        if !belongs {
            // What is left of a message may say whose it was.
            let ended = settled::of_message(self.conn, position)?;
            let mesh = ended.first().map(|end| self.read_mesh(sql::MESH_OF_MAILBOX, end.mailbox));
            self.found(StrayKind::KeyWithoutMessage, position, mesh.transpose()?.flatten())?;
        }
        Ok(())
    }

    fn message(&mut self, keys: &Known, row: &Row<'_>) -> Result<Looked, Trouble> {
        let (position, mesh, sender): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let priority: i64 = row.get(3)?;
        if let Some(id) = row.get::<_, Option<Box<str>>>(6)? {
            self.is_known(keys, (mesh, sender, &id), position)?;
        }
        let mailboxes = mailboxes_of(row.get(4)?, row.get(5)?)?;
        let mut waits = self.conn.prepare_cached(sql::PENDING_READ)?;
        for mailbox in &mailboxes {
            let (is_in_lane, has_ended) =
                (waits.exists((mailbox.0, priority, position))?, self.settled.has(position, mailbox.0)?);
            let has_fate = match (is_in_lane, has_ended) {
                (false, false) => self.came_lately((position, mailbox.0))?,
                (is_in_lane, has_ended) => is_in_lane != has_ended,
            };
            if !has_fate {
                let mesh = self.read_mesh(sql::MESH_ID, mesh)?;
                self.found(StrayKind::RecipientWithoutFate, position, mesh)?;
            }
        }
        Ok(([0, 0, position], 1 + mailboxes.len() as u64))
    }

    fn tombstone(&mut self, keys: &Known, row: &Row<'_>) -> Result<Looked, Trouble> {
        let (position, mesh, sender): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let id: Box<str> = row.get(3)?;
        self.is_known(keys, (mesh, sender, &id), position)?;
        Ok(([0, 0, position], 1))
    }

    fn came_lately(&self, delivery: (i64, i64)) -> Result<bool, Trouble> {
        let all = match self.arrivals.get() {
            Some(all) => all,
            None => {
                let all = arrivals::all(self.conn)?;
                self.arrivals.get_or_init(|| all)
            }
        };
        Ok(all.contains(&delivery))
    }

    /// Deliveries that wait: those of the table, and those on their way into it, in one order. As many of
    /// each are read as one page holds.
    fn waiting(&mut self, from: [i64; 3]) -> Result<(), Trouble> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (mut page, [recip, rank, position]) = (Vec::new(), from);
        let mut read = self.conn.prepare_cached(sql::CHECK_PENDING)?;
        let mut rows = read.query((recip, rank, position, self.limit))?;
        while let Some(row) = rows.next()? {
            page.push(([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?));
        }
        let mut belongs = self.conn.prepare_cached(sql::MESSAGE_EXISTS)?;
        let (first, mut came) = (page.len(), page.len());
        arrivals::each_waiting(
            self.conn,
            |arrival| arrival.order() >= from,
            |arrival| {
                page.push((arrival.order(), belongs.exists([arrival.position])?));
                came += 1;
                Ok(came - first < limit)
            },
        )?;
        page.sort_unstable();
        for (order @ [recip, _, position], has_message) in page.into_iter().take(limit) {
            self.delivery((position, recip), has_message)?;
            self.count(order, 1);
        }
        Ok(())
    }

    /// Deliveries that ended.
    fn ended(&mut self, from: (i64, i64)) -> Result<(), Trouble> {
        let mut belongs = self.conn.prepare_cached(sql::MESSAGE_EXISTS)?;
        settled::each_from(self.conn, from, |End { position, mailbox, .. }| {
            self.delivery((position, mailbox), belongs.exists([position])?)?;
            self.count([0, position, mailbox], 1);
            Ok(self.last.is_none())
        })
    }

    fn delivery(&mut self, (position, mailbox): (i64, i64), has_message: bool) -> Result<(), Trouble> {
        if !has_message {
            let mesh = self.read_mesh(sql::MESH_OF_MAILBOX, mailbox)?;
            self.found(StrayKind::DeliveryWithoutMessage, position, mesh)?;
        }
        Ok(())
    }

    /// Whether a message or tombstone is found under its name.
    fn is_known(
        &mut self,
        keys: &Known,
        (mesh, sender, id): (i64, i64, &str),
        position: i64,
    ) -> Result<(), Trouble> {
        let name = Name { mesh: MeshNo(mesh), sender: MailboxNo(sender), id };
        if !keys.has(self.conn, (name.home(&keys.hash), position))? {
            let mesh = self.read_mesh(sql::MESH_ID, mesh)?;
            self.found(StrayKind::MessageWithoutKey, position, mesh)?;
        }
        Ok(())
    }

    fn read_mesh(&self, sql: &str, by: i64) -> Result<Option<MeshId>, Trouble> {
        let mut read = self.conn.prepare_cached(sql)?;
        let id: Option<String> = read.query_row([by], |row| row.get(0)).optional()?;
        Ok(id.map(MeshId::new))
    }

    fn found(&mut self, kind: StrayKind, position: i64, mesh: Option<MeshId>) -> Result<(), Trouble> {
        let position: Position = rows::position(position)?;
        self.strays.push(Stray { kind, position, mesh });
        Ok(())
    }
}
