//! The drivers against the model: the same random work, the same replies and answers.

mod beside;
mod check;
mod desk;
mod history;
mod keys;
mod live;
mod meaning;
mod mentions;
mod receipts;
mod rotate;
mod runner;
mod traffic;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Answer, Batch, Driver, EnrolRefusal, Found, Op, Query, Reply, RotationRefusal, StoreResult,
};
use peermesh_store::sqlite::{self, OpenError};
use tempfile::TempDir;

use beside::{Beside, OnPostgres, OnSqlite, open_sqlite};
use traffic::Traffic;

/// Seeds of one run for each kind of store, and rounds of work with each of them.
const SQLITE_SEEDS: u64 = 200;
const POSTGRES_SEEDS: u64 = 40;
const ROUNDS: usize = 24;

/// Every kind of reply that the work must reach.
const REPLIES: [&str; 25] = [
    "accepted",
    "accepted with a receipt",
    "done",
    "enrolled",
    "exhausted",
    "former key",
    "former key stale",
    "former key taken",
    "former keys full",
    "free key",
    "key taken",
    "known message",
    "known receipt",
    "known slug",
    "known tombstone",
    "leased",
    "no mesh",
    "nothing to prune",
    "owned",
    "pruned",
    "replayed",
    "session key taken",
    "stranger",
    "welcome",
    "welcome and hooked",
];

#[test]
fn sqlite_answers_as_the_model_does() {
    all_live(SQLITE_SEEDS, || Box::new(OnSqlite::new()));
}

#[test]
fn postgres_answers_as_the_model_does() {
    all_live(POSTGRES_SEEDS, || Box::new(OnPostgres::new()));
}

fn all_live(seeds: u64, store: fn() -> Box<dyn Beside>) {
    let seen: BTreeSet<&'static str> = std::thread::scope(|scope| {
        let half =
            |odd| move || (0..seeds).filter(|seed| seed % 2 == odd).flat_map(|n| live(n, store())).collect();
        let halves: [ScopedJoinHandle<'_, BTreeSet<_>>; 2] = [scope.spawn(half(0)), scope.spawn(half(1))];
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), REPLIES, "the work did not reach every kind of reply");
}

/// One store's life beside the model's: some batches merged into one commit, some run twice, the store opened
/// again half way, and at the end everything compared. Gives the kinds of replies that came.
fn live(seed: u64, store: Box<dyn Beside>) -> BTreeSet<&'static str> {
    let mut pair = Pair::new(seed, store);
    for round in 0..ROUNDS {
        pair.works();
        for _ in 0..3 {
            let query = pair.traffic.question();
            pair.compare(&query);
        }
        if round == ROUNDS / 2 {
            pair.reopens();
        }
    }
    pair.takes_stock();
    pair.seen
}

#[test]
fn f_sto_05_a_second_process_is_refused_and_told_who_has_the_lock() {
    let dir = TempDir::new().unwrap();
    let first = open_sqlite(dir.path());
    let error = sqlite::open(dir.path(), 0).unwrap_err();
    let OpenError::Locked { pid, .. } = &error else { panic!("{error}") };
    assert_eq!(pid.as_deref(), Some(std::process::id().to_string().as_str()));
    assert!(error.to_string().contains(&format!("{}", dir.path().join("lock").display())));
    drop(first);
    open_sqlite(dir.path());
}

/// A model and a store that live through the same.
struct Pair {
    seed: u64,
    traffic: Traffic,
    model: Model,
    store: Box<dyn Beside>,
    seen: BTreeSet<&'static str>,
}

impl Pair {
    fn new(seed: u64, mut store: Box<dyn Beside>) -> Pair {
        let mut model = Model::new(secret_of(store.writer()));
        secret_of(&mut model);
        Pair { seed, traffic: Traffic::new(seed), model, store, seen: BTreeSet::new() }
    }

    fn works(&mut self) {
        let count = 1 + self.traffic.below(3);
        let batches: Vec<Arc<Batch>> = (0..count).map(|_| self.traffic.batch()).collect();
        let alone: Vec<Vec<Reply>> = batches
            .iter()
            .map(|batch| replies(&mut self.model, std::slice::from_ref(batch)).remove(0))
            .collect();
        let merged = replies(self.store.writer(), &batches);
        assert_eq!(merged, alone, "seed {}: {batches:#?}", self.seed);
        if Traffic::are_repeatable(&batches) && self.traffic.below(3) == 0 {
            let again = replies(self.store.writer(), &batches);
            let same = again.iter().flatten().zip(alone.iter().flatten()).all(|(one, two)| is_same(one, two));
            assert!(same, "seed {}: run again: {batches:#?}\n{again:?}\n{alone:?}", self.seed);
        }
        for (batch, replies) in batches.iter().zip(&alone) {
            self.seen.extend(replies.iter().map(kind));
            self.traffic.learn(batch, replies);
        }
    }

    fn compare(&mut self, query: &Query) {
        let wanted = found(self.model.read(query));
        assert_eq!(found(self.store.reader().read(query)), wanted, "seed {}: {query:?}", self.seed);
    }

    fn reopens(&mut self) {
        let secret = secret_of(&mut self.model);
        self.model.restart();
        self.store.reopen();
        assert_eq!(secret_of(self.store.writer()), secret);
        self.takes_stock();
    }

    fn takes_stock(&mut self) {
        for query in self.traffic.inventory() {
            self.compare(&query);
        }
        let checked = check::check(self.store.reader(), 40);
        assert_eq!(checked, check::check(&mut self.model, 7), "seed {}", self.seed);
        assert_eq!(checked.1, [], "seed {}", self.seed);
        let finds = [Arc::new(Batch::from(self.traffic.all_keys()))];
        assert_eq!(
            replies(self.store.writer(), &finds),
            replies(&mut self.model, &finds),
            "seed {}",
            self.seed
        );
    }
}

/// Whether a repetition was answered as the first run was. An enrolment that was refused is refused again,
/// but what came after it in its batch may have given it another reason.
fn is_same(again: &Reply, first: &Reply) -> bool {
    let refused = |reply: &Reply| matches!(reply, Reply::EnrolRefused(_));
    again == first || refused(again) && refused(first)
}

fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Runner(_) => "runner",
        Reply::Live(_) => "live",
        Reply::Daemon(_) => "daemon",
        Reply::Done => "done",
        Reply::Inserted => "accepted",
        Reply::Accepted(asked) if asked.receipt.is_some() => "accepted with a receipt",
        Reply::Accepted(_) => "accepted",
        Reply::Signer(_) => "signer",
        Reply::Existing => "known slug",
        Reply::Known(seen) if !seen.history_available => "known tombstone",
        Reply::Known(seen) if seen.receipt.is_some() => "known receipt",
        Reply::Known(_) => "known message",
        Reply::Free => "free key",
        Reply::Positions { .. } => "leased",
        Reply::Owned { .. } => "owned",
        Reply::OwnedElsewhere => "owned elsewhere",
        Reply::NoMesh => "no mesh",
        Reply::Stranger => "stranger",
        Reply::Enrolled { .. } => "enrolled",
        Reply::EnrolRefused(EnrolRefusal::Exhausted) => "exhausted",
        Reply::EnrolRefused(EnrolRefusal::KeyTaken) => "key taken",
        Reply::Welcome { hooked: None, .. } => "welcome",
        Reply::Welcome { hooked: Some(_), .. } => "welcome and hooked",
        Reply::Rotated(_) => "former key",
        Reply::RotationRefused(RotationRefusal::Stale) => "former key stale",
        Reply::RotationRefused(RotationRefusal::KeyTaken) => "former key taken",
        Reply::RotationRefused(RotationRefusal::Full { .. }) => "former keys full",
        Reply::Replayed => "replayed",
        Reply::KeyTaken => "session key taken",
        Reply::Pruned(pruned) if pruned.most() == 0 => "nothing to prune",
        Reply::Pruned(_) => "pruned",
    }
}

/// Leases one position, which tells the secret.
fn secret_of(driver: &mut dyn Driver) -> [u8; 32] {
    let batch = Arc::new(Batch::from(vec![Op::LeasePositions { count: 1 }]));
    match replies(driver, &[batch]).remove(0).remove(0) {
        Reply::Positions { secret, .. } => secret,
        other => panic!("{other:?}"),
    }
}

/// What a lane does with batches: it writes them, and lets the driver rest.
fn replies(driver: &mut dyn Driver, batches: &[Arc<Batch>]) -> Vec<Vec<Reply>> {
    let results = driver.write(batches);
    driver.rest();
    let replies = |result| match result {
        Ok(Answer::Replies(replies)) => replies,
        other => panic!("{other:?}"),
    };
    results.into_iter().map(replies).collect()
}

fn found(result: StoreResult) -> Found {
    match result {
        Ok(Answer::Found(found)) => *found,
        other => panic!("{other:?}"),
    }
}
