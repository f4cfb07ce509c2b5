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
    let mut table = Table { client: database.client(), kept: BTreeMap::new(), next: 1 };
    let mut chance = 1_u64;
    let mut below = |bound: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % bound
    };
    for _ in 0..300 {
        let several: Vec<u64> = (0..1 + below(4)).map(|_| below(24)).collect();
        table.accepts(&several);
        if below(2) == 0 {
            table.forgets_oldest(1 + below(3));
        }
    }
    assert!(table.next > 300);
}

/// The messages that are kept: client id to position.
struct Table {
    client: Client,
    kept: BTreeMap<u64, i64>,
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
            match self.kept.get(id) {
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
            '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL, false)";
        let (ones, size) = (vec![1_i64; wishes.len()], vec![i32::try_from(wishes.len()).unwrap()]);
        let row = self
            .client
            .query_one(call, &[&keys, &key_positions, &positions, &ones, &homes, &ids, &size])
            .unwrap();
        let (again, first): (Vec<i64>, Vec<i64>) = (row.get(0), row.get(1));
        again.into_iter().zip(first).collect()
    }

    /// Removes the oldest of the kept messages, which nobody waits for.
    fn forgets_oldest(&mut self, count: u64) {
        let mut kept: Vec<(i64, u64)> = self.kept.iter().map(|(id, position)| (*position, *id)).collect();
        kept.sort_unstable();
        kept.truncate(usize::try_from(count).unwrap());
        let removed: i64 = self
            .client
            .query_one("SELECT mesh.prune(9223372036854775807, 0, $1)", &[&i64::try_from(count).unwrap()])
            .unwrap()
            .get(0);
        assert_eq!(removed, i64::try_from(kept.len()).unwrap());
        for (_, id) in kept {
            self.kept.remove(&id);
        }
        let left: i64 = self.client.query_one("SELECT count(*) FROM mesh.dedupe", &[]).unwrap().get(0);
        assert_eq!(left, i64::try_from(self.kept.len()).unwrap());
    }
}
