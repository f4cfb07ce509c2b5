//! Recordings of whole towns are lived again, and every broker comes to the state that it had.

use peermesh_conformance::sim::{self, Plan};
use peermesh_core::ids::ShardId;
use peermesh_core::journal::{
    Blocks, End, EndReason, Fact, JournalError, Payloads, Relive, ReliveError, Scribe, Step, Turn, Witness,
};
use peermesh_core::machine::{Input, Machine, Order, Outputs};
use peermesh_core::store::{Answer, Reply};
use peermesh_core::time::{Mono, Now, Wall};

/// Every life of every broker of these towns.
fn lives(seeds: std::ops::RangeInclusive<u64>, payloads: Payloads) -> Vec<Vec<u8>> {
    let towns = seeds.map(|seed| sim::run_recorded(&Plan::of(seed), payloads));
    towns
        .flat_map(|(outcome, recordings)| {
            assert!(outcome.violation.is_none(), "{:?}", outcome.violation);
            recordings
        })
        .collect()
}

fn relived(file: &[u8]) -> Result<Relive<'_>, ReliveError> {
    let mut relive = Relive::open(file)?;
    assert_eq!(relive.to_the_end(&mut ())?, Step::Ended);
    Ok(relive)
}

#[test]
fn i18_every_recorded_life_is_lived_again_to_the_same_state() {
    let lives = lives(1..=6, Payloads::Full);
    let mut of_several_shards = 0;
    for life in &lives {
        let relive = relived(life).unwrap();
        let end = relive.end().unwrap();
        assert_eq!(relive.shards(), end.shards);
        of_several_shards += usize::from(end.shards.iter().filter(|(turns, _)| *turns > 100).count() > 1);
    }
    assert!(lives.len() > 6 && of_several_shards > 0, "{} lives, {of_several_shards}", lives.len());
}

#[test]
fn a_recording_without_payloads_leads_to_the_same_state() {
    let mut answered_as_known = 0;
    for (no, life) in lives(1..=6, Payloads::Hash).iter().enumerate() {
        let mut relive = Relive::open(life).unwrap();
        let mut known = Known::default();
        let end = relive.to_the_end(&mut known).unwrap_or_else(|error| panic!("life {no}: {error}"));
        assert_eq!((end, relive.shards()), (Step::Ended, relive.end().unwrap().shards.clone()));
        answered_as_known += known.0;
    }
    // Those are the answers that no letter of what was sealed comes with.
    assert!(answered_as_known > 20, "{answered_as_known}");
}

/// Counts keys that the store had before.
#[derive(Default)]
struct Known(usize);

impl Witness for Known {
    fn told(&mut self, _: Turn, fact: &Fact) {
        if let Fact::Stored(_, Ok(Answer::Replies(replies))) = fact {
            self.0 += replies.iter().filter(|reply| matches!(reply, Reply::Known(_))).count();
        }
    }

    fn said(&mut self, _: Turn, _: &Outputs) {}
}

#[test]
fn a_recording_that_stops_anywhere_is_lived_up_to_there() {
    let life = lives(3..=3, Payloads::Full).into_iter().max_by_key(Vec::len).unwrap();
    let turns = |file: &[u8]| relived(file).unwrap().shards().iter().map(|(turns, _)| turns).sum::<u64>();
    let whole = turns(&life);
    let mut lived = Vec::new();
    for part in [4, 3, 2] {
        let cut = &life[..life.len() / part];
        lived.push(turns(cut));
        assert!(Relive::open(cut).unwrap().end().is_none());
    }
    assert!(lived.is_sorted() && lived[0] > 0 && lived[2] < whole, "{lived:?} of {whole}");
    for beginning in [16, 40] {
        assert_eq!(Relive::open(&life[..beginning]).unwrap_err(), JournalError::Headless);
    }
}

#[test]
fn damage_and_holes_are_named_and_what_stands_before_them_is_lived() {
    let life = lives(5..=5, Payloads::Full).into_iter().max_by_key(Vec::len).unwrap();
    let middle = life.len() / 2;
    let mut damaged = life.clone();
    damaged[middle] ^= 4;
    let mut relive = Relive::open(&damaged).unwrap();
    let error = relive.to_the_end(&mut ()).unwrap_err();
    let ReliveError::Journal(JournalError::Damaged { at }) = error else { panic!("{error}") };
    assert!(at <= middle && relive.shards().iter().any(|(turns, _)| *turns > 0));

    // A whole block is taken out: the header is the first.
    let block =
        |at: usize| 12 + usize::try_from(u32::from_le_bytes(life[at..at + 4].try_into().unwrap())).unwrap();
    let first = 16 + block(16);
    let holed = [&life[..first], &life[first + block(first)..]].concat();
    let error = relived(&holed).unwrap_err();
    assert!(matches!(error, ReliveError::Hole { from: 1, .. }), "{error}");
}

/// A machine that panics leaves the fact that it was told, and nothing after it.
#[test]
fn the_turn_a_broker_failed_in_is_lived_last_and_only_when_asked_for() {
    let life = lives(2..=2, Payloads::Full).pop().unwrap();
    let (mut header, _) = Blocks::open(&life).unwrap();
    header.seeds.truncate(1);
    let (mut machine, mut scribe) =
        (header.machines().remove(0), Scribe::new(ShardId(0), Payloads::Full, [0; 16]));
    let mut todo = Outputs::new();
    let at = |millis| Now { mono: Mono::START.after_millis(millis), wall: Wall::from_millis(0) };
    scribe.told(at(1), &Input::Wake);
    let deadline = machine.handle(at(1), Input::Wake, &mut todo);
    scribe.said(&todo, 0, deadline);
    let state = scribe.state();
    scribe.told(at(2), &Input::Order(Order::Drain));
    assert!(scribe.is_in_turn() && scribe.state() == state);
    let block = scribe.take_block(Vec::new()).unwrap();
    let end = End { why: EndReason::Failed, shards: vec![(1, state)] };
    let file = [header.beginning(), block, end.block()].concat();
    let mut relive = Relive::open(&file).unwrap();
    assert_eq!(relive.to_the_end(&mut ()), Ok(Step::Fatal));
    assert_eq!(relive.shards(), end.shards);
    assert_eq!(relive.step(&mut ()), Ok(Step::Lived));
    assert_eq!(relive.step(&mut ()), Ok(Step::Ended));
}

#[test]
fn what_is_no_recording_is_told_from_one_of_another_format() {
    let refused = |file: &[u8]| Relive::open(file).unwrap_err();
    assert_eq!(refused(b""), JournalError::Foreign);
    assert_eq!(refused(b"SQLite format 3\0and more of it"), JournalError::Foreign);
    assert_eq!(refused(b"peermesh-record\x09and more"), JournalError::Format(9));
}
