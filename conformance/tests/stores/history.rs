//! A store that was restored from an older copy, and what adopting it means: the same for every store.

use std::sync::Arc;

use peermesh_conformance::driver::attic::{Attic, Databases, Folder};
use peermesh_conformance::driver::rival::{Shared, Sides};
use peermesh_conformance::server::Database;
use peermesh_core::ids::{Epoch, HistoryEpoch, MeshId, Position, RunnerId, RunnerSeq};
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Accepted, Adopted, Batch, Claimant, Driver, Found, Op, Outcome, Query, Renamed, Reply, RunnerLoad,
    RunnerOp, RunnerReply, StoreResult,
};
use peermesh_core::time::Wall;
use peermesh_store::postgres::Postgres;
use tempfile::TempDir;

use crate::beside::{memory_dir, open_postgres, open_sqlite};
use crate::desk::{BOB, Desk, mesh};

const EPOCH: HistoryEpoch = HistoryEpoch([0xab; 16]);
const AT: Wall = Wall::from_millis(77_000);
const RENAMED: Reply = Reply::Accepted(Accepted { renamed: true, receipt: None });
const NOT_RENAMED: Reply = Reply::Accepted(Accepted { renamed: false, receipt: None });

#[test]
fn f_sto_14_nothing_that_a_lost_history_numbered_is_numbered_again() {
    each(|lost| {
        let first = leased(&mut lost.desk, 40);
        let Reply::Owned { epoch, .. } = lost.desk.claims(Claimant::Broker) else { panic!("not ours") };
        let before = claimed(&mut lost.desk, "r1");
        lost.is_copied();
        let lost_places = leased(&mut lost.desk, 40);
        lost.desk.found_mesh("lost");
        lost.desk.writes([lost.desk.hello(BOB, 7, Some(9))]);
        let lost_claim = claimed(&mut lost.desk, "r2");
        lost.is_restored();

        let Found::Alive(alive) = lost.desk.asks(&Query::Ping { hold_ms: 0 }) else { panic!("dead") };
        assert_eq!((alive.history.epoch, alive.history.since), (EPOCH, AT));
        assert_eq!(alive.history.floor.0, first + 40 + Adopted::POSITIONS);
        let next = leased(&mut lost.desk, 40);
        assert!(next >= alive.history.floor.0 && next > lost_places + 40);

        // Meshes, mailboxes, runners: names that a lost history made stay unused, too.
        lost.desk.writes([mesh("found", "found")]);
        let found = number_of(&mut lost.desk, "found");
        assert!(found > Adopted::NUMBERS, "{found}");
        let Reply::Welcome { mailbox, .. } = lost.desk.writes([lost.desk.hello(BOB, 8, Some(8))])[0] else {
            panic!("not welcome")
        };
        assert!(mailbox.0 > Adopted::NUMBERS, "{mailbox:?}");
        let other = claimed(&mut lost.desk, "r3");
        assert!(other.no.0 > lost_claim.no.0 + 1, "{other:?}");

        // What is still there was voided: nobody owns it, and no word of an owner can come true again.
        let again = claimed(&mut lost.desk, "r1");
        assert_eq!((again.no, again.epoch), (before.no, Epoch(before.epoch.0 + Adopted::EPOCHS + 1)));
        assert!(RunnerSeq::first_of(again.epoch) > RunnerSeq::first_of(Epoch(before.epoch.0 + 1_000)));
        let Reply::Owned { epoch: now, free } = lost.desk.claims(Claimant::Broker) else {
            panic!("not ours")
        };
        assert_eq!(now, Epoch(epoch.0 + Adopted::EPOCHS + 1));
        assert!(free > alive.history.floor);
    });
}

#[test]
fn f_sto_14_a_message_that_is_sent_again_has_its_old_id_if_nothing_else_has_it() {
    each(|lost| {
        let first = leased(&mut lost.desk, 40);
        assert_eq!(lost.desk.accepts(lost.desk.message(first).client_id("a")), Reply::Inserted);
        lost.is_copied();
        lost.is_restored();
        let next = leased(&mut lost.desk, 40);
        let desk = &mut lost.desk;
        let again = |desk: &Desk, at: u64, id: &str, old: u64| desk.message(at).client_id(id).once_at(old);

        let reply = desk.accepts(again(desk, next, "b", first + 1));
        assert_eq!(reply, RENAMED);
        let reply = desk.accepts(again(desk, next, "b", first + 1));
        assert_eq!(reply, RENAMED, "the same write again");
        let taken = again(desk, next + 1, "c", first + 1);
        assert_eq!(desk.accepts(taken), NOT_RENAMED, "another one has it");
        let kept = again(desk, next + 2, "d", first);
        assert_eq!(desk.accepts(kept), NOT_RENAMED, "a message stands there");
        let ours = again(desk, next + 3, "e", next + 30);
        assert_eq!(desk.accepts(ours), NOT_RENAMED, "this history gives it out");
        let known = again(desk, next + 4, "a", first + 5);
        assert!(matches!(desk.accepts(known), Reply::Known(seen) if seen.position.0 == first));
        let known = desk.message(next + 5).client_id("f").once_at(first + 5);
        assert_eq!(desk.accepts(known), RENAMED, "what was not accepted takes no id");
        let renamed = |position, old| Renamed { position: Position(position), old: Position(old) };
        let wanted = [renamed(next, first + 1), renamed(next + 5, first + 5)];
        assert_eq!(desk.load().renamed, wanted);
    });
}

#[test]
fn f_sto_14_an_id_is_kept_for_as_long_as_its_message_or_the_key_of_it() {
    each(|lost| {
        let first = leased(&mut lost.desk, 40);
        lost.is_copied();
        lost.is_restored();
        let next = leased(&mut lost.desk, 40);
        let desk = &mut lost.desk;
        let start = desk.now();
        for (place, id) in (0..).zip(["a", "b"]) {
            let draft = desk.message(next + place).client_id(id).once_at(first + place);
            assert_eq!(desk.accepts(draft), RENAMED);
            desk.settles(next + place, BOB, Outcome::Delivered);
        }
        desk.passes(100);
        assert_eq!(desk.prunes_keys(desk.now(), start, 9), 2);
        assert_eq!(desk.load().renamed.len(), 2, "their keys are known, and so are their ids");
        let taken = desk.message(next + 7).client_id("c").once_at(first);
        assert_eq!(desk.accepts(taken), NOT_RENAMED);
        assert_eq!(desk.prunes_keys(desk.now(), desk.now(), 1), 1);
        assert_eq!(desk.load().renamed.len(), 1);
        assert_eq!(desk.prunes_keys(desk.now(), desk.now(), 1), 1);
        assert!(desk.load().renamed.is_empty());
    });
}

#[test]
fn f_sto_14_a_store_that_was_adopted_too_often_is_refused() {
    let mut model = Model::new([7; 32]);
    let adoptions = (0..).take_while(|_| model.adopt(EPOCH, AT).is_some()).count();
    assert_eq!(adoptions, 197, "until the ids of messages would run out");
}

/// Tells the same story of every store.
fn each(story: impl Fn(&mut Lost)) {
    let places: [Box<dyn Place>; 3] =
        [Box::new(InMemory::default()), Box::new(OnDisk::new()), Box::new(OnServer::new())];
    for mut place in places {
        let desk = Desk::furnished(place.open());
        story(&mut Lost { desk, place });
    }
}

/// A desk whose store is copied, lost and restored.
struct Lost {
    desk: Desk,
    place: Box<dyn Place>,
}

impl Lost {
    fn is_copied(&mut self) {
        drop(self.desk.moves_to(Box::new(Model::new([0; 32]))));
        self.place.copy();
        self.desk.moves_to(self.place.open());
    }

    /// The copy takes the store's place and is adopted.
    fn is_restored(&mut self) {
        drop(self.desk.moves_to(Box::new(Model::new([0; 32]))));
        self.place.restore();
        self.desk.moves_to(self.place.open());
    }
}

trait Place {
    fn open(&mut self) -> Box<dyn Driver>;
    fn copy(&mut self);
    fn restore(&mut self);
}

#[derive(Default)]
struct InMemory {
    store: Shared,
    sides: Sides,
    copy: Option<Model>,
}

impl Place for InMemory {
    fn open(&mut self) -> Box<dyn Driver> {
        self.store.restart(&mut self.sides);
        Box::new(self.store.clone())
    }

    fn copy(&mut self) {
        self.copy = Some(self.store.snapshot());
    }

    fn restore(&mut self) {
        self.store.restore(&mut self.sides, self.copy.clone().unwrap(), EPOCH, AT).unwrap();
    }
}

struct OnDisk {
    dir: Arc<TempDir>,
    attic: Folder,
}

impl OnDisk {
    fn new() -> OnDisk {
        let dir = Arc::new(memory_dir());
        OnDisk { attic: Folder::of(&dir), dir }
    }
}

impl Place for OnDisk {
    fn open(&mut self) -> Box<dyn Driver> {
        open_sqlite(self.dir.path()).writer
    }

    fn copy(&mut self) {
        self.attic.copy().unwrap();
    }

    fn restore(&mut self) {
        self.attic.restore(EPOCH, AT).unwrap();
    }
}

struct OnServer {
    database: Arc<Database>,
    attic: Databases,
}

impl OnServer {
    fn new() -> OnServer {
        let database = Arc::new(Database::fresh());
        OnServer { attic: Databases::of(&database), database }
    }
}

impl Place for OnServer {
    fn open(&mut self) -> Box<dyn Driver> {
        Box::new(Whole(open_postgres(&self.database, "one")))
    }

    fn copy(&mut self) {
        self.attic.copy().unwrap();
    }

    fn restore(&mut self) {
        self.attic.restore(EPOCH, AT).unwrap();
    }
}

/// All lanes of a broker as one.
struct Whole(Postgres);

impl Driver for Whole {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        self.0.writers[0].write(batches)
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        match query {
            Query::Ping { .. } => self.0.health.read(query),
            _ => self.0.writers[0].read(query),
        }
    }
}

/// The first of so many positions.
fn leased(desk: &mut Desk, count: u64) -> u64 {
    match desk.writes([Op::LeasePositions { count }])[..] {
        [Reply::Positions { first, .. }] => first.0,
        ref other => panic!("{other:?}"),
    }
}

fn claimed(desk: &mut Desk, runner: &str) -> RunnerLoad {
    let claim = RunnerOp::Claim { runner: RunnerId::new(runner) };
    match desk.writes([Op::Runner(claim)]).remove(0) {
        Reply::Runner(RunnerReply::Owned(load)) => *load,
        other => panic!("{other:?}"),
    }
}

/// The number of the mesh with this id.
fn number_of(desk: &mut Desk, id: &str) -> i64 {
    match desk.asks(&Query::Mesh(MeshId::new(id))) {
        Found::Mesh(Some(load)) => load.mesh.no.0,
        other => panic!("{other:?}"),
    }
}
