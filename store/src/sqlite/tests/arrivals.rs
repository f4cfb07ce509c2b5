//! Deliveries on their way into their lanes: seen, ended and found again wherever they are.

use std::fmt::Debug;

use peermesh_core::ids::MeshId;
use peermesh_core::store::{CheckPart, CheckPlace, NewMesh};

use super::power::{moment, started_from};
use super::*;

/// Commits of one life.
const COMMITS: u64 = 40;
const MAILBOXES: i64 = 4;

#[test]
fn f_acc_02_wherever_deliveries_are_every_process_sees_those_that_wait() {
    let (mut half_way, mut ended_early, mut grew_old) = (0, 0, 0);
    for seed in 0..12 {
        let dir = memory_dir();
        let (mut writer, _) = parts(dir.path());
        // Sometimes they go down at once, sometimes some do, sometimes none.
        writer.arrivals().set_rows_max([0, 3, 1_000][usize::from(seed) % 3]);
        let mut model = Model::new([0; 32]);
        let mesh = || Arc::new(Batch::from(vec![Op::CreateMesh(Box::new(kitchen()))]));
        assert_eq!(replies(&mut writer, &mesh()), replies(&mut model, &mesh()));
        let (mut rng, mut sent) = (Rng::from_seed([seed; 32]), Vec::new());
        for commit in 0..COMMITS {
            let batch = Arc::new(Batch::from(life(&mut rng, &mut sent)));
            let wanted = replies(&mut model, &batch);
            assert_eq!(replies(&mut writer, &batch), wanted, "seed {seed}: {batch:#?}");
            let count = |sql| -> i64 { writer.conn().query_row(sql, (), |row| row.get(0)).unwrap() };
            let lanes = count("SELECT count(*) FROM pending");
            let waits = i64::try_from(depth(&mut model)).unwrap();
            half_way += u32::from(lanes > 0 && waits > lanes);
            grew_old += u32::from(count("SELECT count(*) FROM pending WHERE tries = 0") > 0);
            ended_early += u32::from(lanes < waits);
            let (_dir, mut next) = started_from(&moment(dir.path()));
            for driver in [&mut writer as &mut dyn Driver, &mut next] {
                for query in questions(&mut rng, &sent) {
                    let wanted = format!("{:?}", model.read(&query));
                    assert_eq!(
                        format!("{:?}", driver.read(&query)),
                        wanted,
                        "seed {seed}, {commit}: {query:?}"
                    );
                }
                assert_eq!(checked(driver, 3), checked(&mut model, 50), "seed {seed}, {commit}");
            }
            if rng.below(8) == 0 {
                // The next process goes on with what it finds.
                assert_eq!(replies(&mut next, &batch).len(), batch.ops.len());
                assert_eq!(depth(&mut next), depth(&mut writer), "seed {seed}: {batch:#?}");
            }
        }
    }
    let seen = [half_way, ended_early, grew_old];
    assert!(seen.iter().all(|times| *times > 100), "{seen:?}");
}

#[test]
fn a_delivery_that_ends_in_time_is_in_no_lane_and_its_rows_go() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    let mut last = Vec::new();
    for n in 1..=200 {
        let mut ops = std::mem::take(&mut last);
        let mut life = settled(accept(n, "a", Some("text")));
        last.extend(life.pop());
        ops.append(&mut life);
        write(&mut writer, ops).unwrap();
        assert_eq!(depth(&mut writer), 1);
        let count = |sql| -> i64 { writer.conn().query_row(sql, (), |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM pending"), 0);
        assert!(count("SELECT count(*) FROM arrival") <= 64, "{n}");
    }
}

#[test]
fn deliveries_of_a_failed_transaction_wait_for_nobody() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    write(&mut writer, vec![accept(1, "kept", None)]).unwrap();
    writer.conn().query_row("PRAGMA max_page_count = 1", (), |row| row.get::<_, i64>(0)).unwrap();
    let large = "x".repeat(4 << 20);
    let mut ops = settled(accept(1, "kept", None));
    ops.push(accept_at(2, "lost", &large, 2));
    assert_eq!(write(&mut writer, ops).unwrap_err(), StoreError::Full);
    assert_eq!(depth(&mut writer), 1, "neither ended the first, nor came the second");
    writer.conn().query_row("PRAGMA max_page_count = 1000000", (), |row| row.get::<_, i64>(0)).unwrap();
    write(&mut writer, settled(accept(1, "kept", None))).unwrap();
    assert_eq!(depth(&mut writer), 0);
}

#[test]
fn a_message_to_more_than_a_row_holds_reaches_all_of_them() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    let all: Vec<MailboxNo> = (1..=70_000).map(MailboxNo).collect();
    let mut ops = vec![accept(1, "a", None)];
    let Op::Accept(accept) = &mut ops[0] else { panic!() };
    accept.mailboxes = all.into();
    write(&mut writer, ops).unwrap();
    assert_eq!(depth(&mut writer), 70_000);
    let rows: i64 = writer.conn().query_row("SELECT count(*) FROM pending", (), |row| row.get(0)).unwrap();
    assert!(rows > 0 && rows < 70_000, "{rows}");
}

fn kitchen() -> NewMesh {
    NewMesh {
        id: MeshId::new("kitchen"),
        slug: "kitchen".to_owned(),
        name: "Kitchen".to_owned(),
        owner_key: peermesh_core::ids::PublicKey([1; 32]),
        owner_secret_sealed: Vec::new(),
        root_key_sealed: Vec::new(),
        created_at: Wall::from_millis(0),
    }
}

fn below<T: TryFrom<u64, Error: Debug>>(rng: &mut Rng, bound: u64) -> T {
    T::try_from(rng.below(bound)).unwrap()
}

fn millis(millis: u64) -> Wall {
    Wall::from_millis(i64::try_from(millis).unwrap())
}

/// Some messages to one or several; some of those that wait end or are tried again, also such as never
/// waited; and now and then the old ones go.
fn life(rng: &mut Rng, sent: &mut Vec<Accept>) -> Vec<Op> {
    let mut ops = Vec::new();
    for _ in 0..1 + rng.below(6) {
        let position = sent.len() as u64 + 1;
        let Op::Accept(mut one) = accept(position, "a", Some("text")) else { panic!() };
        let to: Vec<MailboxNo> = (1..=MAILBOXES).filter(|_| rng.below(3) == 0).map(MailboxNo).collect();
        let message = Arc::make_mut(&mut one.message);
        message.priority = Priority::ALL[below::<usize>(rng, 3)];
        (message.target, one.mailboxes) = (Target::Spec("*".into()), to.into());
        ops.push(Op::Accept(one.clone()));
        sent.push(one);
    }
    for _ in 0..rng.below(16) {
        // Mostly late ones, in which most end soon.
        let reach = 1 + rng.below(60);
        let back: usize = below(rng, reach);
        let one = &sent[sent.len().saturating_sub(1 + back)];
        let (position, mailbox) =
            (one.message.position, MailboxNo(1 + below::<i64>(rng, MAILBOXES.cast_unsigned())));
        let priority = if rng.below(9) == 0 { Priority::Low } else { one.message.priority };
        let (at, outcome) = (millis(position.0), Outcome::Delivered);
        ops.push(match rng.below(6) {
            0 => Op::Tried { position, mailbox, priority, tries: below(rng, 5) },
            _ => Op::Settle(Settled { position, mailbox, priority, at, outcome }),
        });
    }
    if rng.below(12) == 0 {
        let before = millis((sent.len() as u64).saturating_sub(1 + rng.below(40)));
        let (at, limit) = (below(rng, ops.len() as u64 + 1), 1 + below::<u32>(rng, 30));
        ops.insert(at, prune_all(before, limit));
    }
    ops
}

/// Questions about everything that waits, in pages of any length.
fn questions(rng: &mut Rng, sent: &[Accept]) -> Vec<Query> {
    let limit = [1, 3, 1_000][below::<usize>(rng, 3)];
    let after = Position(rng.below(2) * rng.below(sent.len() as u64));
    let before = millis(rng.below(sent.len() as u64 + 2));
    let mut queries = vec![Query::Depth, Query::Mesh(MeshId::new("kitchen"))];
    queries.push(Query::Overdue { before, now: ALWAYS, after: None, limit });
    for mailbox in (1..=MAILBOXES).map(MailboxNo) {
        let lane = |priority| Query::Pending { mailbox, priority, after, limit };
        queries.extend(Priority::ALL.map(lane));
        let cursor = peermesh_core::store::Cursor { mailbox, priority: Priority::Next, position: after };
        queries.push(Query::Overdue { before, now: ALWAYS, after: Some(cursor), limit });
    }
    let late = sent.iter().rev().take(40);
    queries.extend(late.map(|one| Query::Message(one.message.position)));
    queries
}

/// How many rows each part of the check has, and what does not belong together.
fn checked(
    driver: &mut dyn Driver,
    limit: u32,
) -> ([u64; CheckPart::ALL.len()], Vec<impl Debug + PartialEq>) {
    let (mut place, mut rows, mut strays) = (Some(CheckPlace::START), [0; CheckPart::ALL.len()], Vec::new());
    while let Some(at) = place {
        let Ok(Answer::Found(found)) = driver.read(&Query::Check { at, limit }) else { panic!() };
        let Found::Checked(page) = *found else { panic!("{found:?}") };
        rows[at.part as usize] += page.rows;
        strays.extend(page.strays);
        place = page.next;
    }
    (rows, strays)
}
