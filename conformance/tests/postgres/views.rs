//! What operators read: the relations they know, over tables that are laid out otherwise.

use std::sync::Arc;

use peermesh_core::ids::{MailboxNo, Position};
use peermesh_core::store::{Accept, Op, Target};

use crate::desk::{ANN, BOB, accept, hello, kitchen, settle};

#[test]
fn the_relations_that_operators_know_show_messages_and_deliveries() {
    let (mut broker, database) = kitchen();
    let Op::Accept(draft) = accept(2, Some("odd \0 id")) else { panic!() };
    let mut message = (*draft.message).clone();
    message.target = Target::Spec("@cooks".into());
    message.position = Position(2);
    let mailboxes = Arc::from([ANN, BOB, MailboxNo(9)]);
    let mentions = Arc::from([BOB]);
    let group = Accept { message: Arc::new(message), mailboxes, mentions, old: None, receipt: None };
    broker.writes(vec![accept(1, Some("id")), Op::Accept(group), settle(1), settle(2), hello(1, 1)]).unwrap();

    let mut client = database.client();
    let mut rows = |columns: &str, relation: &str| -> Vec<String> {
        let sql = format!("SELECT concat_ws(' | ', {columns}) FROM mesh.{relation} ORDER BY 1");
        client.query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(
        rows("id, mesh_id, sender_member_id, left(target_spec, 6), ciphertext, delivered_at IS NULL", {
            "message_queue"
        }),
        ["1 | kitchen | ann | 020202 | soup | f", "2 | kitchen | ann | @cooks | soup | f"]
    );
    assert_eq!(
        rows("message_id, recipient_member_id, priority, state, attempts", "delivery_queue"),
        ["1 | bob | next | delivered", "2 | ann | next | queued | 0", "2 | bob | next | delivered", {
            "2 | next | queued | 0"
        }]
    );
    assert_eq!(
        rows("broker_message_id, client_message_id, destination_kind", "client_message_dedupe"),
        ["1 | id | dm", "2 | odd \\000 id | topic"]
    );
    assert_eq!(rows("id, reply_to_id, created_at", "message_history"), {
        ["1 | 1970-01-01 00:00:00.001", "2 | 1970-01-01 00:00:00.002"]
    });
    assert_eq!(
        rows("message_id, mesh_id, recipient_member_id, sender_member_id", "mention_index"),
        ["1 | kitchen | ann | ann", "1 | kitchen | bob | ann", "2 | kitchen | bob | ann"]
    );
    assert_eq!(rows("member_id, role, cwd, status", "presence"), ["ann | session | /kitchen | idle"]);
}

#[test]
fn f_tim_05_no_time_is_too_far_away_to_be_kept() {
    let (_broker, database) = kitchen();
    let mut client = database.client();
    for (ms, wanted) in [
        (0_i64, 0_i64),
        (-1, -1),
        (1_767_323_045_678, 1_767_323_045_678),
        (i64::MAX, 253_402_300_799_999),
        (i64::MIN, -62_135_596_800_000),
    ] {
        let back = client.query_one("SELECT mesh.unix_ms(mesh.stamp($1))", &[&ms]).unwrap();
        assert_eq!(back.get::<_, i64>(0), wanted);
    }
    let ends = "SELECT mesh.unix_ms('infinity'), mesh.unix_ms('-infinity')";
    let ends = client.query_one(ends, &[]).unwrap();
    assert_eq!((ends.get::<_, i64>(0), ends.get::<_, i64>(1)), (i64::MAX, i64::MIN));
}
