//! What a rotation means, said by hand and held against every driver.

use peermesh_core::ids::{MailboxNo, Position, PublicKey};
use peermesh_core::store::{Claimant, EnrolRefusal, FormerKey, Op, Reply, Rotation, RotationRefusal};

use crate::desk::{ANN, BOB, Desk, MESH, each};

const STALE: Reply = Reply::RotationRefused(RotationRefusal::Stale);
const TAKEN: Reply = Reply::RotationRefused(RotationRefusal::KeyTaken);

impl Desk {
    fn rotates(&mut self, member: MailboxNo, (old, key): (u8, u8), below: u64) -> Reply {
        let rotation = Rotation {
            mesh: MESH,
            member,
            old: PublicKey([old; 32]),
            key: PublicKey([key; 32]),
            at: self.now(),
            until: self.now().after_millis(500),
            below: Position(below),
            former_keys_max: 2,
        };
        self.writes([Op::Rotate(Box::new(rotation))]).remove(0)
    }
}

#[test]
fn f_acc_07_a_key_is_replaced_once_however_often_that_is_written() {
    each(|desk| {
        let (key, at) = (PublicKey([1; 32]), desk.now());
        let first = FormerKey { key, member: ANN, at, until: at.after_millis(500), below: Position(10) };
        assert_eq!(desk.rotates(ANN, (1, 21), 10), Reply::Rotated(first));
        desk.passes(7);
        assert_eq!(desk.rotates(ANN, (1, 21), 12), Reply::Rotated(first), "it is told as it was done");
        assert_eq!(desk.rotates(ANN, (1, 22), 12), STALE);
        let second = desk.rotates(ANN, (21, 22), 12);
        assert!(matches!(second, Reply::Rotated(FormerKey { below: Position(12), .. })), "{second:?}");
        assert_eq!(desk.rotates(ANN, (1, 21), 13), STALE, "only the latest one is told again");
        let load = desk.load();
        assert_eq!(load.members[0].key, PublicKey([22; 32]));
        let keys: Vec<_> = load.former.iter().map(|former| (former.member, former.key.0[0])).collect();
        assert_eq!((load.former[0], keys), (first, vec![(ANN, 1), (ANN, 21)]));
    });
}

#[test]
fn a_key_that_somebody_has_or_had_is_nobody_elses() {
    each(|desk| {
        desk.writes([desk.hello(ANN, 1, Some(7))]);
        for wanted in [2, 7] {
            assert_eq!(desk.rotates(ANN, (1, wanted), 10), TAKEN, "{wanted}");
        }
        assert!(matches!(desk.rotates(ANN, (1, 21), 10), Reply::Rotated(_)));
        for had in [1, 21] {
            assert_eq!(desk.rotates(BOB, (2, had), 11), TAKEN, "{had}");
            assert_eq!(desk.writes([desk.hello(BOB, 2, Some(had))]), [Reply::KeyTaken], "{had}");
        }
        assert_eq!(desk.rotates(ANN, (21, 1), 11), TAKEN, "a key does not come back");
        desk.invites("more", 1);
        let enrol = desk.enrol("more", 9, 1);
        assert_eq!(desk.writes([enrol]), [Reply::EnrolRefused(EnrolRefusal::KeyTaken)]);
    });
}

#[test]
fn whoever_holds_a_key_that_a_member_had_is_known_to_the_mesh() {
    each(|desk| {
        desk.rotates(ANN, (1, 21), 10);
        for (key, is_known) in [(1, true), (21, true), (22, false)] {
            let claimed = desk.claims(Claimant::Member(PublicKey([key; 32])));
            assert_eq!(matches!(claimed, Reply::Owned { .. }), is_known, "{key}: {claimed:?}");
        }
    });
}

#[test]
fn f_dos_04_so_many_former_keys_reach_a_member_and_no_more() {
    each(|desk| {
        let free_at = desk.now().after_millis(500);
        assert!(matches!(desk.rotates(ANN, (1, 21), 10), Reply::Rotated(_)));
        desk.passes(100);
        assert!(matches!(desk.rotates(ANN, (21, 22), 11), Reply::Rotated(_)));
        let full = Reply::RotationRefused(RotationRefusal::Full { free_at });
        assert_eq!(desk.rotates(ANN, (22, 23), 12), full);
        assert!(matches!(desk.rotates(BOB, (2, 23), 12), Reply::Rotated(_)), "others are not concerned");
        desk.passes(400);
        assert!(matches!(desk.rotates(ANN, (22, 24), 13), Reply::Rotated(_)));
    });
}
