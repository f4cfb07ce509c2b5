//! Client ids whose hashes collide. That never happens by itself, so the write function is called with keys
//! made up.

use peermesh_conformance::server::Database;
use postgres::Client;
use std::collections::BTreeMap;

use crate::desk::Broker;

/// Keys at both ends of the range and in the middle, so that chains meet and run over the end.
const HOMES: [i64; 6] = [i64::MAX - 1, i64::MAX, i64::MIN, i64::MIN + 1, 0, 1];

#[test]
fn f_acc_13_client_ids_whose_hashes_collide_are_told_apart_and_found_after_others_went() {
    let database = Database::migrated();
    drop(Broker::named("one", database.url()));
    let mut table =
        Table { client: database.client(), kept: BTreeMap::new(), buried: BTreeMap::new(), next: 1 };
    let mut chance = 1_u64;
    let mut below = |bound: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % bound
    };
    for _ in 0..300 {
        let several: Vec<u64> = (0..1 + below(4)).map(|_| below(24)).collect();
        table.accepts(&several);
        match below(4) {
            0 => table.forgets_oldest(1 + below(3)),
            1 => table.buries_oldest(1 + below(3)),
            _ => {}
        }
        table.finds_all();
    }
    assert!(table.next > 300);
}

/// A transaction that writes a row, or locks one, has a number of its own; one that only reads has none.
#[test]
fn f_dos_03_resends_and_looks_write_nothing() {
    let database = Database::migrated();
    drop(Broker::named("one", database.url()));
    let mut table =
        Table { client: database.client(), kept: BTreeMap::new(), buried: BTreeMap::new(), next: 1 };
    // Of each home two, so that half of them stand behind others.
    let ids: Vec<u64> = (0..12).collect();
    table.accepts(&ids);
    table.buries_oldest(3);
    table.begins();
    table.accepts(&ids);
    table.accepts(&[7]);
    table.finds_all();
    assert_eq!(table.commits(), None);
    table.begins();
    table.accepts(&[1, 20]);
    assert!(table.commits().is_some(), "a message among resends is written");
}

#[test]
fn f_dos_03_a_resend_goes_by_keys_and_changes_no_row() {
    let database = Database::migrated();
    drop(Broker::named("one", database.url()));
    let mut table =
        Table { client: database.client(), kept: BTreeMap::new(), buried: BTreeMap::new(), next: 1 };
    table.accepts(&(0..6).collect::<Vec<_>>());
    // These tables are so small that the planner would read them through; `plans.rs` asks about large ones.
    table.client.batch_execute("SET enable_seqscan = off").unwrap();
    table.begins();
    let before = table.touched();
    table.accepts(&[3]);
    // The key is tried and then read; its owner is found twice, among messages and not among tombstones.
    let wanted = [("dedupe", 0, 2, 0), ("message", 0, 2, 0), ("tombstone", 0, 2, 0)];
    assert_eq!(since(&before, &table.touched()), wanted.map(|(name, a, b, c)| (name.to_owned(), [a, b, c])));
    assert_eq!(table.commits(), None);
}

/// What came to each table between two looks.
fn since(before: &Touched, after: &Touched) -> Vec<(String, [i64; 3])> {
    let more = |(name, counts): (&String, &[i64; 3])| {
        let earlier = before.get(name).copied().unwrap_or_default();
        (name.clone(), [0, 1, 2].map(|at| counts[at] - earlier[at]))
    };
    after.iter().map(more).filter(|(_, counts)| *counts != [0; 3]).collect()
}

/// Of every table: how often it was read through, how often it was entered by a key, how many rows changed.
type Touched = BTreeMap<String, [i64; 3]>;

/// What has client ids: client id to position.
struct Table {
    client: Client,
    /// Messages.
    kept: BTreeMap<u64, i64>,
    /// What is left of others.
    buried: BTreeMap<u64, i64>,
    next: i64,
}

impl Table {
    /// Accepts a batch of messages with these client ids, and looks whose were known.
    fn accepts(&mut self, ids: &[u64]) {
        let mut wishes = Vec::new();
        let mut wanted = Vec::new();
        for id in ids {
            let position = self.next;
            self.next += 1;
            wishes.push((HOMES[usize::try_from(*id).unwrap() % HOMES.len()], position, format!("id-{id}")));
            match self.kept.get(id).or(self.buried.get(id)) {
                Some(first) => wanted.push((position, *first)),
                None => drop(self.kept.insert(*id, position)),
            }
        }
        let mut found = self.writes(&mut wishes);
        found.sort_unstable();
        assert_eq!(found, wanted, "{ids:?}");
    }

    fn writes(&mut self, wishes: &mut [(i64, i64, String)]) -> Vec<(i64, i64)> {
        let column = |pick: fn(&(i64, i64, String)) -> i64, wishes: &[_]| -> Vec<i64> {
            wishes.iter().map(pick).collect()
        };
        let (positions, homes) = (column(|wish| wish.1, wishes), column(|wish| wish.0, wishes));
        let ids: Vec<Vec<u8>> = wishes.iter().map(|wish| wish.2.clone().into_bytes()).collect();
        wishes.sort_by_key(|wish| wish.0);
        let (keys, key_positions) = (column(|wish| wish.0, wishes), column(|wish| wish.1, wishes));
        let call = "SELECT again, first FROM mesh.write(1, '{}', '{}', $1, $2, $3, $3, $4, $4, $4, $5, $4, \
            array_fill(1::smallint, $7), $6, array_fill('{}'::text, $7), $6, $6, $6, $6, $6, '{}', '{}', \
            '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', \
            '{}', NULL, false)";
        let (ones, size) = (vec![1_i64; wishes.len()], vec![i32::try_from(wishes.len()).unwrap()]);
        let row = self
            .client
            .query_one(call, &[&keys, &key_positions, &positions, &ones, &homes, &ids, &size])
            .unwrap();
        let (again, first): (Vec<i64>, Vec<i64>) = (row.get(0), row.get(1));
        again.into_iter().zip(first).collect()
    }

    fn begins(&mut self) {
        self.client.batch_execute("BEGIN").unwrap();
    }

    /// What this session did, as far as it has not told the server yet; it tells it between transactions.
    fn touched(&mut self) -> Touched {
        let ask = "SELECT relname::text, seq_scan, coalesce(idx_scan, 0), n_tup_ins + n_tup_upd + n_tup_del \
            FROM pg_stat_xact_user_tables WHERE schemaname = 'mesh'";
        let rows = self.client.query(ask, &[]).unwrap();
        rows.iter().map(|row| (row.get(0), [row.get(1), row.get(2), row.get(3)])).collect()
    }

    /// Gives the number of the transaction, if it wrote anything.
    fn commits(&mut self) -> Option<String> {
        let ask = "SELECT pg_current_xact_id_if_assigned()::text";
        let number = self.client.query_one(ask, &[]).unwrap().get(0);
        self.client.batch_execute("COMMIT").unwrap();
        number
    }

    /// Looks for every client id there may be, alone.
    fn finds_all(&mut self) {
        let ids: Vec<u64> = (0..24).collect();
        let homes: Vec<i64> =
            ids.iter().map(|id| HOMES[usize::try_from(*id).unwrap() % HOMES.len()]).collect();
        let names: Vec<Vec<u8>> = ids.iter().map(|id| format!("id-{id}").into_bytes()).collect();
        let (ones, call) = (vec![1_i64; ids.len()], "SELECT mesh.find($1, $2, $2, $3)");
        let found: Vec<i64> = self.client.query_one(call, &[&homes, &ones, &names]).unwrap().get(0);
        let known = |id: &u64| self.kept.get(id).or(self.buried.get(id)).copied().unwrap_or(0);
        assert_eq!(found, ids.iter().map(known).collect::<Vec<_>>());
    }

    /// Removes the oldest messages, which nobody waits for, and the oldest of what is left of others.
    fn forgets_oldest(&mut self, count: u64) {
        let removed = self.prunes(i64::MAX, i64::MAX, count);
        let gone =
            [first_of(&mut self.kept, count), first_of(&mut self.buried, count)].map(|gone| gone.len());
        assert_eq!(removed, gone.into_iter().max().unwrap());
        self.counts_keys();
    }

    /// Removes the oldest of the kept messages, but not their client ids.
    fn buries_oldest(&mut self, count: u64) {
        let removed = self.prunes(i64::MAX, 0, count);
        let gone = first_of(&mut self.kept, count);
        assert_eq!(removed, gone.len());
        self.buried.extend(gone);
        self.counts_keys();
    }

    fn prunes(&mut self, messages_before: i64, keys_before: i64, count: u64) -> usize {
        let (now, count) = (i64::MAX, i64::try_from(count).unwrap());
        let call = "SELECT greatest((gone ->> 'messages')::bigint, (gone ->> 'tombstones')::bigint) \
            FROM mesh.prune($1, $2, 0, $3, $4) AS gone";
        let row = self.client.query_one(call, &[&messages_before, &keys_before, &now, &count]).unwrap();
        usize::try_from(row.get::<_, i64>(0)).unwrap()
    }

    fn counts_keys(&mut self) {
        let left: i64 = self.client.query_one("SELECT count(*) FROM mesh.dedupe", &[]).unwrap().get(0);
        assert_eq!(left, i64::try_from(self.kept.len() + self.buried.len()).unwrap());
        for table in ["message", "tombstone"] {
            let lost = format!("SELECT count(*) FROM mesh.{table} m WHERE NOT mesh.is_known(m.key, m.pos)");
            assert_eq!(self.client.query_one(&lost, &[]).unwrap().get::<_, i64>(0), 0, "of {table}");
        }
    }
}

/// Takes out those with the lowest positions.
fn first_of(list: &mut BTreeMap<u64, i64>, count: u64) -> Vec<(u64, i64)> {
    let mut all: Vec<(u64, i64)> = list.iter().map(|(id, position)| (*id, *position)).collect();
    all.sort_unstable_by_key(|(_, position)| *position);
    all.truncate(usize::try_from(count).unwrap());
    list.retain(|id, _| !all.iter().any(|(gone, _)| gone == id));
    all
}
