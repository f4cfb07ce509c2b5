//! What operations and questions mean, said by hand and held against every driver.

use peermesh_core::ids::{HookId, MailboxNo, MeshId, Position, PresenceId, PublicKey};
use peermesh_core::store::{
    Claimant, EnrolRefusal, Fence, Found, Op, Outcome, PeerState, Priority, Profile, Query, Reply,
    SavedStats, Status, Target,
};
use peermesh_core::time::Wall;

use crate::desk::{ANN, BOB, Desk, MESH, each, mesh, places};

#[test]
fn f_acc_07_a_message_accepted_again_does_not_bring_back_deliveries_that_ended() {
    each(|desk| {
        desk.accepts(desk.message(1).client_id("a"));
        desk.settles(1, BOB, Outcome::Delivered);
        assert_eq!(desk.accepts(desk.message(1).client_id("a")), Reply::Inserted);
        assert!(desk.lane(BOB, Priority::Next).is_empty());
    });
}

#[test]
fn f_acc_14_a_message_waits_for_exactly_the_mailboxes_it_was_accepted_for() {
    each(|desk| {
        let to = [BOB, MailboxNo(9), ANN, BOB];
        desk.accepts(desk.message(1).to("@group", &to));
        let view = desk.view(1).unwrap();
        assert_eq!(view.pending, [(ANN, 0), (BOB, 0), (MailboxNo(9), 0)]);
        assert_eq!(view.message.target, Target::Spec("@group".into()));
        desk.accepts(desk.message(2).to("*", &[]));
        assert!(desk.view(2).unwrap().pending.is_empty());
    });
}

#[test]
fn f_del_04_settling_for_one_recipient_leaves_the_others_waiting() {
    each(|desk| {
        desk.accepts(desk.message(1).to("*", &[ANN, BOB]));
        desk.settles(1, BOB, Outcome::Delivered);
        let view = desk.view(1).unwrap();
        assert_eq!(view.pending, [(ANN, 0)]);
        assert_eq!(view.settled, [(BOB, desk.now(), Outcome::Delivered)]);
    });
}

#[test]
fn f_del_08_the_first_outcome_stands_and_what_never_waited_does_not_end() {
    each(|desk| {
        desk.accepts(desk.message(1));
        desk.settles(1, BOB, Outcome::Delivered);
        desk.settles(1, BOB, Outcome::Expired);
        desk.settles(1, ANN, Outcome::Dead);
        assert_eq!(desk.view(1).unwrap().settled, [(BOB, desk.now(), Outcome::Delivered)]);
    });
}

#[test]
fn operations_of_one_batch_take_effect_in_their_order() {
    each(|desk| {
        let settle = |position| desk.settle(position, BOB, Outcome::Delivered);
        let ops = [settle(1), desk.message(1).op(), desk.message(2).op(), settle(2), desk.message(3).op()];
        desk.writes(ops);
        assert_eq!(desk.lane(BOB, Priority::Next), [1, 3]);
        assert_eq!(desk.view(2).unwrap().settled.len(), 1);
    });
}

#[test]
fn tries_are_remembered_as_long_as_a_delivery_waits() {
    each(|desk| {
        desk.accepts(desk.message(1));
        let tried =
            |tries| Op::Tried { position: Position(1), mailbox: BOB, priority: Priority::Next, tries };
        desk.writes([tried(3)]);
        assert_eq!(desk.view(1).unwrap().pending, [(BOB, 3)]);
        desk.settles(1, BOB, Outcome::Dead);
        desk.writes([tried(4)]);
        assert!(desk.view(1).unwrap().pending.is_empty());
    });
}

#[test]
fn a_lane_is_read_in_order_and_in_pages() {
    each(|desk| {
        for position in [3, 1, 2] {
            desk.accepts(desk.message(position));
        }
        desk.accepts(desk.message(4).of(Priority::Now));
        assert_eq!(desk.lane_page(BOB, Priority::Next, 0, 2), [1, 2]);
        assert_eq!(desk.lane_page(BOB, Priority::Next, 2, 2), [3]);
        assert_eq!(desk.lane(BOB, Priority::Now), [4]);
        assert!(desk.lane(ANN, Priority::Next).is_empty());
    });
}

#[test]
fn overdue_deliveries_are_found_in_every_lane_and_in_pages() {
    each(|desk| {
        for position in 1..=3 {
            desk.accepts(desk.message(position).to("*", &[ANN, BOB]));
        }
        let deadline = desk.now();
        desk.passes(10);
        desk.accepts(desk.message(4).to("*", &[ANN, BOB]));
        assert!(desk.overdue(deadline, None, 9).is_empty(), "accepted at the deadline is not before it");
        let deadline = desk.now();
        let first = desk.overdue(deadline, None, 4);
        assert_eq!(places(&first), [(ANN, 1), (ANN, 2), (ANN, 3), (BOB, 1)]);
        assert_eq!(places(&desk.overdue(deadline, first.last().copied(), 4)), [(BOB, 2), (BOB, 3)]);
    });
}

#[test]
fn f_tim_01_what_a_clock_ahead_accepted_holds_up_nothing_behind_it() {
    const YEARS_MS: i64 = 300_000_000_000;
    each(|desk| {
        let never = Wall::from_millis(0);
        desk.passes(YEARS_MS);
        // Of the first only the key is left, the second nobody waits for, the third somebody does.
        desk.accepts(desk.message(1).client_id("ahead"));
        desk.settles(1, BOB, Outcome::Delivered);
        assert_eq!(desk.prunes_keys(desk.now().after_millis(1), never, 9), 1);
        desk.writes([desk.message(2).op(), desk.message(3).op()]);
        desk.settles(2, BOB, Outcome::Delivered);
        desk.passes(-YEARS_MS);
        desk.writes([desk.message(4).client_id("behind").op(), desk.message(5).op()]);
        desk.settles(4, BOB, Outcome::Delivered);
        desk.passes(1_000);
        desk.accepts(desk.message(6));
        let before = desk.now();
        assert_eq!(places(&desk.overdue(before, None, 9)), [(BOB, 5)]);
        assert_eq!(desk.prunes_keys(before, never, 9), 1);
        assert!(desk.view(2).is_some() && desk.view(4).is_none());
        assert_eq!(desk.prunes_keys(before, before, 9), 1);
        assert_eq!(desk.finds("behind"), Reply::Free);
        assert!(matches!(desk.finds("ahead"), Reply::Known(_)));
        assert_eq!(desk.lane(BOB, Priority::Next), [3, 5, 6]);
    });
}

#[test]
fn pruning_takes_ended_presences_and_outlived_proofs_too() {
    each(|desk| {
        desk.writes([desk.hello(ANN, 1, None), desk.hello(ANN, 2, None)]);
        desk.writes([Op::EndPresences { ids: vec![PresenceId::new("presence-1")], at: desk.now() }]);
        desk.passes(1_000);
        assert_eq!(desk.prunes(desk.now(), 9), 2, "two proofs, and one presence of two");
        desk.claims(Claimant::Broker);
        desk.passes(1);
        assert_eq!(desk.prunes(desk.now(), 9), 1);
        assert_eq!(desk.writes([desk.hello(ANN, 1, None)]), [Reply::Welcome { mailbox: ANN, hooked: None }]);
    });
}

#[test]
fn an_invite_is_spent_once_for_each_member_and_no_more_often_than_it_may_be() {
    each(|desk| {
        desk.invites("two", 2);
        let [carl, dora, eric] = [3, 4, 5].map(|n| desk.enrol("two", n, n));
        assert_eq!(desk.writes([carl.clone()]), [Reply::Enrolled { mailbox: MailboxNo(3) }]);
        assert_eq!(desk.writes([carl, dora]), [3, 4].map(|no| Reply::Enrolled { mailbox: MailboxNo(no) }));
        assert_eq!(desk.writes([eric]), [Reply::EnrolRefused(EnrolRefusal::Exhausted)]);
        assert_eq!(desk.writes([desk.enrol("none", 6, 6)]), [Reply::EnrolRefused(EnrolRefusal::Exhausted)]);
        let Found::Invite(Some(invite)) = desk.asks(&Query::Invite([2; 32])) else { panic!() };
        assert_eq!(invite.uses, 2);
    });
}

#[test]
fn a_key_that_is_in_the_mesh_cannot_enrol_and_spends_nothing() {
    each(|desk| {
        desk.invites("two", 2);
        desk.writes([desk.hello(ANN, 1, Some(7))]);
        for taken in [1, 7] {
            assert_eq!(
                desk.writes([desk.enrol("two", 9, taken)]),
                [Reply::EnrolRefused(EnrolRefusal::KeyTaken)]
            );
        }
        let Found::Invite(Some(invite)) = desk.asks(&Query::Invite([2; 32])) else { panic!() };
        assert_eq!(invite.uses, 0);
    });
}

#[test]
fn a_proof_serves_one_hello_however_often_that_is_written() {
    each(|desk| {
        let first = desk.hello(ANN, 1, Some(7));
        assert_eq!(desk.writes([first.clone()]), [Reply::Welcome { mailbox: MailboxNo(3), hooked: None }]);
        assert_eq!(desk.writes([first.clone()]), [Reply::Welcome { mailbox: MailboxNo(3), hooked: None }]);
        let Op::Hello(mut copied) = first else { panic!() };
        copied.proof_by += 1;
        assert_eq!(desk.writes([Op::Hello(copied)]), [Reply::Replayed]);
    });
}

#[test]
fn a_session_key_belongs_to_the_member_that_showed_it_first() {
    each(|desk| {
        assert_eq!(
            desk.writes([desk.hello(ANN, 1, Some(7))]),
            [Reply::Welcome { mailbox: MailboxNo(3), hooked: None }]
        );
        let by_bob = [(2, 7), (3, 1), (4, 2), (2, 8)].map(|(n, key)| desk.hello(BOB, n, Some(key)));
        let taken = Reply::KeyTaken;
        // Ann's session's, Ann's own, his own, and one that is free; the proof of the first is still unused.
        let wanted =
            [taken.clone(), taken.clone(), taken, Reply::Welcome { mailbox: MailboxNo(4), hooked: None }];
        assert_eq!(desk.writes(by_bob), wanted);
        let load = desk.load();
        let sessions: Vec<_> = load.sessions.iter().map(|session| (session.no.0, session.member)).collect();
        assert_eq!(sessions, [(3, ANN), (4, BOB)]);
    });
}

#[test]
fn a_mesh_is_loaded_with_its_people_their_state_and_what_waits_for_them() {
    each(|desk| {
        let state = PeerState {
            groups: Vec::new(),
            last_groups: Vec::new(),
            profile: Profile { bio: Some("soup".into()), ..Profile::default() },
            visible: true,
            summary: Some("stirring".into()),
            display_name: None,
            stats: SavedStats { errors: u64::MAX, ..SavedStats::default() },
            last_seen: desk.now(),
        };
        desk.writes([Op::SavePeer { member: ANN, state: Box::new(state.clone()) }]);
        desk.writes([Op::SetRevoked { member: BOB, at: Some(desk.now()) }]);
        for position in 1..=2 {
            desk.accepts(desk.message(position).to("*", &[ANN, BOB]));
        }
        let load = desk.load();
        assert_eq!((load.mesh.no, load.mesh.members, load.members.len()), (MESH, 1, 2));
        assert_eq!(load.members[0].state, Some(state));
        assert_eq!((load.members[1].revoked_at, &load.members[1].state), (Some(desk.now()), &None));
        let counts: Vec<_> =
            load.queued.iter().map(|lane| (lane.mailbox, lane.messages, lane.bytes)).collect();
        assert_eq!(counts, [(ANN, 2, 2 * "noncetext".len() as u64), (BOB, 2, 2 * "noncetext".len() as u64)]);
    });
}

#[test]
fn a_slug_names_one_mesh_and_a_mesh_is_made_once() {
    each(|desk| {
        assert_eq!(
            desk.writes([mesh("1", "kitchen"), mesh("2", "kitchen")]),
            [Reply::Inserted, Reply::Existing]
        );
        assert_eq!(desk.asks(&Query::FindMesh("2".into())), Found::MeshId(None));
        assert_eq!(desk.asks(&Query::FindMesh("kitchen".into())), Found::MeshId(Some(MeshId::new("1"))));
        assert_eq!(desk.asks(&Query::FindMesh("1".into())), Found::MeshId(Some(MeshId::new("1"))));
        let Found::Meshes(meshes) = desk.asks(&Query::Meshes { after: None, limit: 9 }) else { panic!() };
        assert_eq!(meshes.len(), 1);
        let page = desk.asks(&Query::Meshes { after: Some(MESH), limit: 9 });
        assert_eq!(page, Found::Meshes(Vec::new()));
    });
}

#[test]
fn f_acc_07_a_repeated_lease_takes_another_block() {
    each(|desk| {
        let lease = Op::LeasePositions { count: 10 };
        let leased = desk.writes([lease.clone(), lease]);
        let blocks: Vec<_> = leased
            .iter()
            .map(|reply| match reply {
                Reply::Positions { first, count, .. } => (first.0, *count),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(blocks, [(1, 10), (11, 10)]);
    });
}

#[test]
fn a_mesh_is_claimed_once_and_again_only_after_it_was_given_up() {
    each(|desk| {
        desk.writes([desk.hello(ANN, 1, None)]);
        let Reply::Owned { epoch: first, .. } = desk.claims(Claimant::Member(PublicKey([1; 32]))) else {
            panic!()
        };
        desk.writes([desk.hello(ANN, 2, None)]);
        let Reply::Owned { epoch: same, .. } = desk.claims(Claimant::Broker) else { panic!() };
        assert_eq!(first, same);
        desk.passes(1_000);
        assert_eq!(desk.prunes(desk.now(), 9), 2, "two proofs; of the presences one ended by the claim");
        desk.writes([Op::Release(vec![Fence { mesh: MESH, epoch: first }])]);
        let Reply::Owned { epoch: second, .. } = desk.claims(Claimant::Broker) else { panic!() };
        assert!(second > first);
        desk.writes([Op::Release(vec![Fence { mesh: MESH, epoch: first }])]);
        let Reply::Owned { epoch: still, .. } = desk.claims(Claimant::Broker) else { panic!() };
        assert_eq!(second, still, "an old epoch gives nothing up");
    });
}

#[test]
fn nothing_is_claimed_for_somebody_the_mesh_does_not_know() {
    each(|desk| {
        assert_eq!(desk.claims(Claimant::Member(PublicKey([9; 32]))), Reply::Stranger);
        assert_eq!(desk.claims(Claimant::Owner(PublicKey([9; 32]))), Reply::Stranger);
        assert!(matches!(desk.claims(Claimant::Owner(PublicKey([0; 32]))), Reply::Owned { .. }));
        let nowhere = Op::Claim { mesh: MeshId::new("9"), by: Claimant::Broker, at: desk.now() };
        assert_eq!(desk.writes([nowhere]), [Reply::NoMesh]);
        desk.writes([desk.hello(ANN, 1, Some(7))]);
        assert_eq!(desk.claims(Claimant::Member(PublicKey([7; 32]))), Reply::Stranger, "a session's key");
    });
}

#[test]
fn positions_above_a_claims_word_were_given_out_by_nobody() {
    each(|desk| {
        let [Reply::Positions { first, count, .. }] = desk.writes([Op::LeasePositions { count: 40 }])[..]
        else {
            panic!()
        };
        let Reply::Owned { free, .. } = desk.claims(Claimant::Broker) else { panic!() };
        assert_eq!(free, Position(first.0 + count));
    });
}

#[test]
fn a_hook_waits_for_the_first_presence_of_its_place_and_the_newest_one_counts() {
    each(|desk| {
        desk.keeps_hook("old");
        desk.keeps_hook("dnd");
        assert_eq!(desk.waiting_hooks(), ["old", "dnd"]);
        let first = desk.hello(ANN, 1, None);
        let welcome = Reply::Welcome { mailbox: ANN, hooked: Some(Status::Dnd) };
        let twice = [(); 2].map(|()| desk.writes([first.clone()]).remove(0));
        assert_eq!(twice, [welcome.clone(), welcome], "the same write again says the same");
        assert!(desk.waiting_hooks().is_empty());
        let later = Reply::Welcome { mailbox: ANN, hooked: None };
        assert_eq!(desk.writes([desk.hello(ANN, 2, None)]), [later]);
    });
}

#[test]
fn a_hook_that_is_too_old_is_not_taken_and_goes_with_the_next_one() {
    each(|desk| {
        desk.keeps_hook("late");
        desk.passes(11);
        let welcome = Reply::Welcome { mailbox: ANN, hooked: None };
        assert_eq!(desk.writes([desk.hello(ANN, 1, None)]), [welcome]);
        desk.keeps_hook("one");
        desk.passes(101);
        desk.keeps_hook("two");
        let all = desk.asks(&Query::Hooks { since: Wall::from_millis(0), limit: 9 });
        assert!(matches!(all, Found::Hooks(rows) if rows.len() == 1));
    });
}

#[test]
fn a_hook_is_applied_to_one_presence_only() {
    each(|desk| {
        desk.keeps_hook("one");
        let apply = |desk: &Desk, presence: &str| Op::ApplyHook {
            hook: HookId::new("one"),
            presence: PresenceId::new(presence),
            at: desk.now(),
        };
        let [ann, bob] = ["ann", "bob"].map(|name| apply(desk, name));
        assert_eq!(desk.writes([ann.clone()]), [Reply::Done]);
        assert_eq!(desk.writes([ann, bob]), [Reply::Done, Reply::Existing]);
        assert!(desk.waiting_hooks().is_empty());
    });
}
