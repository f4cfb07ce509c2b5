//! Rights that were taken back: nothing is told to connections that had them, nor to any that comes later and
//! shows a token that was made before, wherever that has to be known.

use std::collections::BTreeMap;

use peermesh_core::ids::ConnId;

use crate::sim::actor::user_of;
use crate::sim::heard::Heard;
use crate::sim::marks::{Mark, Tally};
use crate::sim::oracle::rules::{Judged, Rule, broken};
use crate::sim::oracle::{Conn, Oracle, Party, Said};

/// See the module's own words.
#[derive(Debug, Default)]
pub(in crate::sim::oracle) struct Rights {
    /// Connections that may not hear anything; false for those that may still be told the end of a frame
    /// whose beginning had left before, which nobody can take back.
    barred: BTreeMap<ConnId, bool>,
    /// When the token was made that each watcher shows, in Unix milliseconds.
    made: BTreeMap<usize, i64>,
    /// Brokers that must know, by their places, and users: their tokens made by then open nothing there.
    lost: BTreeMap<(usize, String), i64>,
}

impl Oracle {
    /// A watcher shows a token from here on that was made at that time, in Unix milliseconds.
    pub(in crate::sim) fn shows_token(&mut self, watcher: usize, made_ms: i64) {
        self.topics.rights.made.insert(watcher, made_ms);
    }

    /// Somebody is told that the rights of a user were taken back: nothing more is told to that user's
    /// connections there.
    pub(in crate::sim::oracle) fn rights_taken_back(
        &mut self,
        said: &Said<'_>,
        status: u16,
        tally: &mut Tally,
    ) {
        let Some(asker) = self.conns.get(&said.conn) else { return };
        let (Party::Revoker { user, asked_ms }, 200) = (&asker.party, status) else { return };
        tally.mark(Mark::LiveRevoked);
        // What was opened since shows a token that may have been made later.
        let is_barred = |id: &ConnId, conn: &Conn| {
            *id < said.conn
                && conn.node == asker.node
                && matches!(conn.party, Party::Watcher(watcher) if user_of(watcher) == *user)
        };
        let rights = &mut self.topics.rights;
        for (conn, _) in self.conns.iter().filter(|(id, conn)| is_barred(id, conn)) {
            rights.barred.entry(*conn).or_insert(false);
        }
        let by = rights.lost.entry((asker.node, user.clone())).or_insert(*asked_ms);
        *by = (*by).max(*asked_ms);
    }
}

impl Rights {
    /// A broker begins a life: it knows whatever was taken back at any of them.
    pub(in crate::sim::oracle) fn began(&mut self, node: usize) {
        for ((_, user), asked_ms) in self.lost.clone() {
            let by = self.lost.entry((node, user)).or_insert(asked_ms);
            *by = (*by).max(asked_ms);
        }
    }

    /// A watcher comes to a broker, with the token that it shows.
    pub(in crate::sim::oracle) fn comes(&mut self, conn: ConnId, node: usize, watcher: usize) {
        let lost = self.lost.get(&(node, user_of(watcher)));
        if lost.zip(self.made.get(&watcher)).is_some_and(|(by, made)| made <= by) {
            self.barred.insert(conn, true);
        }
    }

    /// Something is told to a connection.
    pub(super) fn told(&mut self, conn: ConnId, heard: &Heard) -> Judged {
        match self.barred.get_mut(&conn).map(|told| std::mem::replace(told, true)) {
            Some(true) => broken(Rule::I16, format!("{} is told to one without rights", heard.shown())),
            Some(false) | None => Ok(()),
        }
    }
}
