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
    let group = Accept { message: Arc::new(message), mailboxes: Arc::from([ANN, BOB, MailboxNo(9)]) };
    broker.writes(vec![accept(1, Some("id")), Op::Accept(group), settle(1), settle(2), hello(1, 1)]).unwrap();

    let mut client = database.client();
    let mut rows = |sql: &str| -> Vec<String> {
        let json = format!("SELECT to_jsonb(x)::text FROM ({sql}) AS x");
        client.query(&json, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    let bob = "02".repeat(32);
    assert_eq!(
        rows("SELECT id, mesh_id, sender_member_id, target_spec, priority, ciphertext, delivered_at IS NOT NULL AS \
            is_delivered, client_message_id FROM mesh.message_queue ORDER BY id"),
        [
            format!(
                r#"{{"id": "1", "mesh_id": "kitchen", "priority": "next", "ciphertext": "soup", "target_spec": "{bob}", "is_delivered": true, "sender_member_id": "ann", "client_message_id": "id"}}"#
            ),
            r#"{"id": "2", "mesh_id": "kitchen", "priority": "next", "ciphertext": "soup", "target_spec": "@cooks", "is_delivered": true, "sender_member_id": "ann", "client_message_id": "odd \\000 id"}"#.to_owned(),
        ]
    );
    assert_eq!(
        rows("SELECT message_id, recipient_member_id AS who, state FROM mesh.delivery_queue ORDER BY 1, 2"),
        [
            r#"{"who": "bob", "state": "delivered", "message_id": "1"}"#,
            r#"{"who": "ann", "state": "queued", "message_id": "2"}"#,
            r#"{"who": "bob", "state": "delivered", "message_id": "2"}"#,
            r#"{"who": null, "state": "queued", "message_id": "2"}"#,
        ]
    );
    assert_eq!(
        rows(
            "SELECT client_message_id AS id, broker_message_id AS is, destination_kind AS kind FROM \
            mesh.client_message_dedupe ORDER BY 2"
        ),
        [r#"{"id": "id", "is": "1", "kind": "dm"}"#, r#"{"id": "odd \\000 id", "is": "2", "kind": "topic"}"#,]
    );
    assert_eq!(rows("SELECT id FROM mesh.message_history").len(), 2);
    assert_eq!(
        rows("SELECT member_id, session_id, role, cwd, status FROM mesh.presence"),
        [
            r#"{"cwd": "/kitchen", "role": "session", "status": "idle", "member_id": "ann", "session_id": "session"}"#
        ]
    );
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
