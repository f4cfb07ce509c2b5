//! What is kept of live topics: the drivers against the model, and what each operation means.

use std::collections::HashSet;
use std::sync::Arc;

use peermesh_core::ids::{Epoch, TopicId, TopicNo};
use peermesh_core::rng::Rng;
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Batch, Driver, FedTurn, Found, LiveFence, LiveFound, LiveKey, LiveLoad, LiveOp, LiveQuery, LiveReply,
    LiveRow, Op, Query, Reply,
};
use peermesh_core::time::Wall;

use crate::beside::{Beside, OnPostgres, OnSqlite};
use crate::{found, replies};

const TOPICS: [&str; 3] = ["fleet", "ch\u{e4}t room", "*"];

#[test]
fn sqlite_keeps_of_topics_what_the_model_keeps() {
    (0..60).for_each(|seed| live(seed, Box::new(OnSqlite::new())));
}

#[test]
fn postgres_keeps_of_topics_what_the_model_keeps() {
    (0..10).for_each(|seed| live(seed, Box::new(OnPostgres::new())));
}

/// The same random work for both, some of it twice, with a restart half way.
fn live(seed: u64, mut store: Box<dyn Beside>) {
    let mut model = Model::new([1; 32]);
    let rng = Rng::from_seed([u8::try_from(seed).unwrap(); 32]);
    let mut work = Work { rng, fences: Vec::new(), now: 1_000, place: 0, fed: 0 };
    let mut seen = HashSet::new();
    for round in 0..40 {
        let ops: Vec<Op> = (0..=work.rng.below(12)).map(|_| Op::Live(work.op())).collect();
        let batch = [Arc::new(Batch::from(ops))];
        let wanted = replies(&mut model, &batch);
        assert_eq!(replies(store.writer(), &batch), wanted, "seed {seed}, round {round}: {batch:#?}");
        for reply in wanted.into_iter().flatten() {
            let Reply::Live(reply) = reply else { panic!("{reply:?}") };
            seen.insert(std::mem::discriminant(&reply));
            if let LiveReply::Owned(load) = reply {
                work.fences.push(LiveFence { topic: load.no, epoch: load.epoch });
            }
        }
        if round == 20 {
            model.restart();
            store.reopen();
        }
        for query in questions() {
            let wanted = found(model.read(&query));
            assert_eq!(found(store.reader().read(&query)), wanted, "seed {seed}, round {round}: {query:?}");
        }
    }
    assert!(seen.len() >= 7, "the work reached only {} kinds of replies", seen.len());
}

fn questions() -> Vec<Query> {
    let mut all =
        [(0, 1), (0, 100), (2, 2)].map(|(after, limit)| LiveQuery::Revoked { after, limit }).to_vec();
    all.push(LiveQuery::Feed { topic: None, after: 0, limit: 5 });
    all.push(LiveQuery::Places { topics: [3, 1, 9].map(TopicNo).into() });
    for topic in (1..=4).map(TopicNo) {
        for (history, keys) in [(2, 1), (1_000, 1_000)] {
            let keys_since = Wall::from_millis(1_100);
            all.push(LiveQuery::Topic { topic, history, keys_since, keys });
        }
    }
    all.into_iter().map(Query::Live).collect()
}

struct Work {
    rng: Rng,
    fences: Vec<LiveFence>,
    now: i64,
    place: u64,
    fed: u64,
}

impl Work {
    fn op(&mut self) -> LiveOp {
        self.now += i64::try_from(self.rng.below(20)).unwrap();
        let at = Wall::from_millis(self.now);
        let Some(fence) = self.fence() else { return self.claim(at) };
        match self.rng.below(20) {
            0 => self.claim(at),
            1 if self.rng.below(4) == 0 => LiveOp::Release(vec![fence]),
            2 => LiveOp::Trim { fence, through: self.rng.below(30) },
            3 => LiveOp::Revoke { user: format!("u{}", self.rng.below(3)).into(), at },
            4 => LiveOp::Prune {
                keys_before: Wall::from_millis(self.now - 200),
                gone_before: Wall::from_millis(self.now - 200),
                limit: 2,
                volatile: Box::default(),
            },
            _ => self.append(fence, at),
        }
    }

    fn append(&mut self, fence: LiveFence, at: Wall) -> LiveOp {
        // Sometimes a write that was made before.
        self.place = if self.rng.below(6) == 0 { self.place } else { self.place + 1 };
        let count = if self.rng.below(4) == 0 { 1 + self.rng.below(4) } else { 1 };
        let rows = (0..count).map(|_| self.row(at)).collect();
        let idempotent = (self.rng.below(2) > 0).then(|| {
            let (key, fingerprint) = ([self.byte(4); 32], [self.byte(2); 32]);
            Box::new(LiveKey { key, fingerprint, since: Wall::from_millis(self.now - 100) })
        });
        let fed = (self.rng.below(4) == 0).then(|| self.turn());
        LiveOp::Append { fence, place: self.place, rows, key: idempotent, fed }
    }

    /// Mostly behind the last, sometimes that one again or one that is missing a row before it.
    fn turn(&mut self) -> FedTurn {
        self.fed += self.rng.below(4);
        FedTurn { row: self.fed, after: self.fed.saturating_sub(self.rng.below(40)) }
    }

    fn row(&mut self, at: Wall) -> LiveRow {
        let key = (self.rng.below(3) > 0).then(|| format!("e{}", self.rng.below(4)).into());
        let version = (self.rng.below(2) > 0).then(|| self.rng.below(6));
        let gone = key.is_some() && self.rng.below(5) == 0;
        let text =
            if gone { "null".into() } else { format!("{{\"x\":\"\\u0000\u{1f980}{}\"}}", self.now).into() };
        LiveRow { key, version, at, late: false, gone, text }
    }

    fn claim(&mut self, at: Wall) -> LiveOp {
        let topic = TopicId::new(TOPICS[usize::try_from(self.rng.below(3)).unwrap()]);
        LiveOp::Claim { topic, stream: format!("{:x}", self.rng.below(1 << 32)).into(), at }
    }

    /// Mostly the newest ownership, sometimes one that is over.
    fn fence(&mut self) -> Option<LiveFence> {
        let newest = self.fences.len().checked_sub(1)?;
        let back = usize::try_from(self.rng.below(3)).unwrap();
        self.fences.get(newest.saturating_sub(back)).copied()
    }

    fn byte(&mut self, below: u64) -> u8 {
        u8::try_from(self.rng.below(below)).unwrap()
    }
}

#[test]
fn a_topic_keeps_its_name_for_positions_and_its_last_offset_over_restarts_and_owners() {
    for mut store in [Box::new(OnSqlite::new()) as Box<dyn Beside>, Box::new(OnPostgres::new())] {
        let claim = |stream: &str| LiveOp::Claim {
            topic: TopicId::new("t"),
            stream: stream.into(),
            at: Wall::from_millis(1),
        };
        let first = owned(&mut *store, claim("one"));
        assert_eq!((first.no, first.epoch, &*first.stream, first.top), (TopicNo(1), Epoch(1), "one", 0));
        let fence = LiveFence { topic: first.no, epoch: first.epoch };
        let row = LiveRow {
            key: None,
            version: None,
            at: Wall::from_millis(5),
            late: false,
            gone: false,
            text: "1".into(),
        };
        let place = fence.first_place();
        let append = LiveOp::Append {
            fence,
            place,
            rows: [row].into(),
            key: None,
            fed: Some(FedTurn { row: 7, after: 0 }),
        };
        let appended = LiveReply::Appended { offset: 1, late: Vec::new() };
        assert_eq!(writes(&mut *store, append.clone()), appended);
        assert_eq!(writes(&mut *store, append.clone()), appended, "the same write again");
        store.reopen();
        assert_eq!(writes(&mut *store, append), LiveReply::Lost, "it was another life's");
        let second = owned(&mut *store, claim("two"));
        assert_eq!((second.epoch, &*second.stream, second.top, second.fed), (Epoch(2), "one", 1, 7));
    }
}

/// Part of a batch whose outcome nobody knew: it is run again, behind a later write that stands.
#[test]
fn a_write_that_was_a_repetition_is_one_again_when_it_is_run_again() {
    for mut store in [Box::new(OnSqlite::new()) as Box<dyn Beside>, Box::new(OnPostgres::new())] {
        let at = Wall::from_millis(5);
        let first = owned(&mut *store, LiveOp::Claim { topic: TopicId::new("t"), stream: "s".into(), at });
        let fence = LiveFence { topic: first.no, epoch: first.epoch };
        let text = "1".into();
        let rows: Arc<[LiveRow]> =
            [LiveRow { key: None, version: None, at, late: false, gone: false, text }].into();
        let appended = |offset: u64| LiveReply::Appended { offset, late: Vec::new() };
        let append = |place: u64, used: Option<u8>| {
            let key = used.map(|key| LiveKey { key: [key; 32], fingerprint: [0; 32], since: at });
            LiveOp::Append {
                fence,
                place: fence.first_place() + place,
                rows: Arc::clone(&rows),
                key: key.map(Box::new),
                fed: None,
            }
        };
        assert_eq!(writes(&mut *store, append(0, Some(7))), appended(1));
        let repeated = writes(&mut *store, append(1, Some(7)));
        assert!(matches!(&repeated, LiveReply::Repeated(known) if known.offset == 1), "{repeated:?}");
        assert_eq!(writes(&mut *store, append(2, None)), appended(2));
        assert_eq!(writes(&mut *store, append(1, Some(7))), repeated);
        assert_eq!(writes(&mut *store, append(2, None)), appended(2));
    }
}

/// The write of a row was refused, and the next row's was on its way already.
#[test]
fn a_row_of_the_feed_is_not_published_without_the_one_before_it() {
    for mut store in [Box::new(OnSqlite::new()) as Box<dyn Beside>, Box::new(OnPostgres::new())] {
        let at = Wall::from_millis(5);
        let first = owned(&mut *store, LiveOp::Claim { topic: TopicId::new("t"), stream: "s".into(), at });
        let fence = LiveFence { topic: first.no, epoch: first.epoch };
        let rows: Arc<[LiveRow]> =
            [LiveRow { key: None, version: None, at, late: false, gone: false, text: "1".into() }].into();
        let append = |place: u64, row: u64, after: u64| LiveOp::Append {
            fence,
            place: fence.first_place() + place,
            rows: Arc::clone(&rows),
            key: None,
            fed: Some(FedTurn { row, after }),
        };
        let appended = |offset: u64| LiveReply::Appended { offset, late: Vec::new() };
        assert_eq!(writes(&mut *store, append(0, 4, 0)), appended(1));
        assert_eq!(writes(&mut *store, append(2, 6, 5)), LiveReply::OutOfTurn { fed: 4 }, "5 is missing");
        assert_eq!(writes(&mut *store, append(3, 5, 4)), appended(2));
        assert_eq!(writes(&mut *store, append(4, 5, 4)), LiveReply::OutOfTurn { fed: 5 }, "it stands");
        assert_eq!(writes(&mut *store, append(3, 5, 4)), appended(2), "the same write again");
        assert_eq!(writes(&mut *store, append(5, 6, 5)), appended(3));
        assert_eq!(writes(&mut *store, append(2, 6, 5)), appended(0), "it had no turn then");
    }
}

/// A batch is one write: it stands as a whole, under one key, and is told the same when it is run again.
#[test]
fn a_batch_stands_as_a_whole_and_each_of_it_is_judged_behind_those_before_it() {
    for mut store in [Box::new(OnSqlite::new()) as Box<dyn Beside>, Box::new(OnPostgres::new())] {
        let at = Wall::from_millis(5);
        let first = owned(&mut *store, LiveOp::Claim { topic: TopicId::new("t"), stream: "s".into(), at });
        let fence = LiveFence { topic: first.no, epoch: first.epoch };
        let row = |key: &str, version: u64, text: &str| {
            let (key, version, text) = (Some(key.into()), Some(version), text.into());
            LiveRow { key, version, at, late: false, gone: false, text }
        };
        let key = Some(Box::new(LiveKey { key: [1; 32], fingerprint: [2; 32], since: at }));
        let append = |place: u64, rows: Arc<[LiveRow]>| {
            let place = fence.first_place() + place;
            LiveOp::Append { fence, place, rows, key: key.clone(), fed: None }
        };
        let batch: Arc<[LiveRow]> = [row("a", 2, "1"), row("b", 7, "2"), row("a", 1, "3")].into();
        let appended = LiveReply::Appended { offset: 3, late: vec![3] };
        assert_eq!(writes(&mut *store, append(0, Arc::clone(&batch))), appended);
        assert_eq!(writes(&mut *store, append(0, Arc::clone(&batch))), appended, "the same write again");
        let repeated = writes(&mut *store, append(1, batch));
        assert!(matches!(&repeated, LiveReply::Repeated(known) if known.offset == 3), "{repeated:?}");
        let query = LiveQuery::Topic { topic: first.no, history: 9, keys_since: at, keys: 9 };
        let Found::Live(LiveFound::Topic(kept)) = found(store.reader().read(&Query::Live(query))) else {
            panic!("no topic");
        };
        let told = |rows: &[(u64, LiveRow)]| -> Vec<(u64, String, bool)> {
            rows.iter().map(|(offset, row)| (*offset, row.text.to_string(), row.late)).collect()
        };
        let text = |offset: u64, text: &str, late: bool| (offset, text.to_owned(), late);
        assert_eq!(told(&kept.history), [text(1, "1", false), text(2, "2", false), text(3, "3", true)]);
        assert_eq!(told(&kept.entities), [text(1, "1", false), text(2, "2", false)]);
    }
}

/// A key that was stamped by a clock that ran ahead would be known until that time has come.
#[test]
fn keys_of_a_time_to_come_are_of_the_moment_in_which_their_topic_is_claimed() {
    for mut store in [Box::new(OnSqlite::new()) as Box<dyn Beside>, Box::new(OnPostgres::new())] {
        let (early, ahead) = (Wall::from_millis(5), Wall::from_millis(9_000_000));
        let claim = |at: Wall| LiveOp::Claim { topic: TopicId::new("t"), stream: "s".into(), at };
        let first = owned(&mut *store, claim(early));
        let fence = LiveFence { topic: first.no, epoch: first.epoch };
        for (place, at) in [(0, early), (1, ahead)] {
            let stamp = u8::try_from(place).unwrap();
            let key = LiveKey { key: [stamp; 32], fingerprint: [0; 32], since: early };
            let rows = [LiveRow { key: None, version: None, at, late: false, gone: false, text: "1".into() }];
            let (place, key) = (fence.first_place() + place, Some(Box::new(key)));
            writes(&mut *store, LiveOp::Append { fence, place, rows: rows.into(), key, fed: None });
        }
        owned(&mut *store, claim(Wall::from_millis(700)));
        let query = LiveQuery::Topic { topic: first.no, history: 9, keys_since: early, keys: 9 };
        let Found::Live(LiveFound::Topic(kept)) = found(store.reader().read(&Query::Live(query))) else {
            panic!("no topic");
        };
        assert_eq!(kept.keys.iter().map(|known| known.at.as_millis()).collect::<Vec<_>>(), [5, 700]);
    }
}

#[test]
fn what_other_programs_write_is_found_in_its_order() {
    let mut store = OnPostgres::new();
    let feed = |topic: Option<&str>, after, limit| {
        Query::Live(LiveQuery::Feed { topic: topic.map(TopicId::new), after, limit })
    };
    for (topic, key, version, data) in
        [("a", Some("k"), Some(3), "{\"x\":1}"), ("b", None, Some(-1), "null"), ("a", None, None, "[1,  2]")]
    {
        store.feeds(topic, key, version, data);
    }
    let mut rows = |query: &Query| match found(store.reader().read(query)) {
        Found::Live(LiveFound::Fed { rows, top }) => (rows, top),
        other => panic!("{other:?}"),
    };
    let (all, top) = rows(&feed(None, 0, 9));
    let told: Vec<(u64, &str, Option<u64>, &str)> =
        all.iter().map(|row| (row.id, row.topic.as_str(), row.version, &*row.text)).collect();
    assert_eq!(told, [(1, "a", Some(3), "{\"x\":1}"), (2, "b", None, "null"), (3, "a", None, "[1,  2]")]);
    assert_eq!(top, 3);
    let (of_a, _) = rows(&feed(Some("a"), 1, 9));
    assert_eq!(of_a.iter().map(|row| row.id).collect::<Vec<_>>(), [3]);
    assert_eq!(rows(&feed(None, 0, 0)), (Vec::new(), 3));
}

#[test]
fn rows_of_the_feed_for_topics_that_live_in_memory_only_go_by_their_age() {
    let mut store = OnPostgres::new();
    for topic in ["tmp.a", "tmp.kept", "tmp.a", "other", "tmp.b"] {
        store.feeds(topic, None, None, "1");
    }
    let mut prune = |before_ms: i64, rules: &[(&str, bool)]| {
        let before = Wall::from_millis(before_ms);
        let op = LiveOp::Prune {
            keys_before: before,
            gone_before: before,
            limit: 2,
            volatile: rules.iter().map(|(pattern, volatile)| ((*pattern).into(), *volatile)).collect(),
        };
        writes(&mut store, op);
        let all = Query::Live(LiveQuery::Feed { topic: None, after: 0, limit: 9 });
        match found(store.reader().read(&all)) {
            Found::Live(LiveFound::Fed { rows, .. }) => rows.iter().map(|row| row.id).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    let rules = [("tmp.kept", false), ("tmp.*", true), ("*", false)];
    let (past_ms, future_ms) = (1_000, 4_000_000_000_000);
    assert_eq!(prune(past_ms, &rules), [1, 2, 3, 4, 5]);
    assert_eq!(prune(future_ms, &[]), [1, 2, 3, 4, 5]);
    assert_eq!(prune(future_ms, &rules), [2, 4, 5], "as many as there may be");
    assert_eq!(prune(future_ms, &rules), [2, 4]);
    assert_eq!(prune(future_ms, &rules), [2, 4], "others wait for whoever needs them");
}

fn writes(store: &mut dyn Beside, op: LiveOp) -> LiveReply {
    match replies(store.writer(), &[Arc::new(Batch::from(vec![Op::Live(op)]))]).remove(0).remove(0) {
        Reply::Live(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn owned(store: &mut dyn Beside, op: LiveOp) -> LiveLoad {
    match writes(store, op) {
        LiveReply::Owned(load) => *load,
        other => panic!("{other:?}"),
    }
}
