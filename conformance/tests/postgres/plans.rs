//! The server's own word on how it finds rows: by a key, in every statement, those inside functions included.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use peermesh_conformance::server::{Database, Server};
use peermesh_core::ids::{
    HistoryEpoch, HookId, InviteId, MeshId, MeshNo, Position, PresenceId, PublicKey, TopicId,
};
use peermesh_core::store::{
    Accept, CheckPart, CheckPlace, Claimant, Cursor, Draft, Drafts, FedTurn, HookRow, LiveFence, LiveKey,
    LiveOp, LiveQuery, LiveReply, LiveRow, Op, PeerState, Priority, Profile, Query, Reply, Rotation,
    SavedStats, Status,
};
use peermesh_core::time::Wall;

use crate::desk::{ANN, BOB, Broker, accept, enrol, find, hello, invite, mesh, prune, settle};

/// Tables that grow with use.
const GROWING: [&str; 24] = [
    "chain",
    "dedupe",
    "former_key",
    "invite",
    "live_entity",
    "live_feed",
    "live_key",
    "live_publication",
    "live_topic",
    "mailbox",
    "member",
    "mention",
    "mesh",
    "message",
    "peer_state",
    "pending",
    "pending_status",
    "presence",
    "proof",
    "receipt",
    "renamed",
    "scope",
    "settled",
    "tombstone",
];

/// Scans that read all of an index, and why that is right.
const WHOLE: [(&str, &str); 2] = [
    // Counts all rows, now and then.
    ("pending_pkey", "SELECT count(*) FROM mesh.pending"),
    // Looks at every topic that takes rows of the feed, once a minute.
    ("live_topic_fed", "DELETE FROM mesh.live_feed"),
];

#[test]
fn every_row_is_found_by_a_key() {
    let server = Server::with(&[
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_nested_statements", "on"),
    ]);
    let database = server.database();
    let mut broker = Broker::named("one", database.url());
    broker.founds_kitchen();
    populate(&database);
    let before = server.log().len();
    lives(&mut broker);
    let log = server.log();
    let plans = plans(&log[before..]);
    let mut wrong = String::new();
    let mut seen = BTreeSet::new();
    for (query, nodes) in &plans {
        for node in nodes {
            judge(query, node, &mut seen, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let missing: Vec<_> = GROWING.iter().filter(|table| !seen.contains(**table)).collect();
    assert!(missing.is_empty(), "no statement came to {missing:?}");
    assert!(plans.len() > 60, "only {} plans were seen", plans.len());
}

/// A scan in a plan: its line, and whether a condition on the index stands below it.
struct Node {
    line: String,
    has_condition: bool,
}

/// The queries that were explained, with the scans of their plans.
fn plans(log: &str) -> Vec<(String, Vec<Node>)> {
    let mut plans = Vec::new();
    for entry in log.split("Query Text: ").skip(1) {
        let entry: Vec<&str> = entry.split("\n\t").collect();
        let first = entry.iter().position(|line| line.contains("(cost=")).unwrap_or(entry.len());
        let query = entry[..first].join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        let mut nodes: Vec<Node> = Vec::new();
        for line in &entry[first..] {
            let line = line.lines().next().unwrap_or_default().trim();
            if line.contains(" Scan ") || line.starts_with("Seq Scan") {
                nodes.push(Node { line: line.to_owned(), has_condition: false });
            } else if line.contains("Index Cond:")
                && let Some(node) = nodes.last_mut()
            {
                node.has_condition = true;
            }
        }
        plans.push((query, nodes));
    }
    plans
}

fn judge(query: &str, node: &Node, seen: &mut BTreeSet<String>, wrong: &mut String) {
    let words: Vec<&str> = node.line.split_whitespace().collect();
    let after = |word: &str| words.iter().position(|known| *known == word).and_then(|at| words.get(at + 1));
    let Some(table) = after("on") else { return };
    seen.insert((*table).to_owned());
    let index = after("using").copied().unwrap_or_default();
    let is_whole = WHOLE.iter().any(|(known, text)| *known == index && query.starts_with(text));
    // A bitmap is made from the index below it, which is judged by itself.
    let is_by_key =
        node.line.contains("Index") && node.has_condition || node.line.contains("Bitmap Heap Scan");
    if GROWING.contains(table) && !is_by_key && !is_whole {
        let _ = writeln!(wrong, "{}\n    in {query}", node.line);
    }
}

/// Fills the tables as they are after a while, and lets the server count them.
fn populate(database: &Database) {
    let fill = "
        INSERT INTO mesh.mesh (id, n, name, slug, owner_pubkey, owner_secret_key, root_key, created_at)
            SELECT 'm' || n, n, 'x', 's' || n, encode(sha256(int8send(n)), 'hex'), '', '', now()
            FROM generate_series(2, 2000) n;
        INSERT INTO mesh.scope SELECT n, NULL, 1 FROM generate_series(2, 2000) n;
        INSERT INTO mesh.mailbox SELECT n, 1 + n % 2000, sha256(int8send(n)), n, NULL
            FROM generate_series(3, 20000) n;
        INSERT INTO mesh.member (id, n, mesh_id, peer_pubkey, display_name, joined_at)
            SELECT 'p' || n, n, 'm' || (2 + n % 1999), encode(sha256(int8send(n)), 'hex'), 'x', now()
            FROM generate_series(3, 20000) n;
        INSERT INTO mesh.former_key SELECT 1 + n % 2000, sha256(int8send(-n)), n, 1, 1, 1
            FROM generate_series(3, 20000) n;
        INSERT INTO mesh.peer_state (mesh_id, member_id, groups, last_groups, profile, cumulative_stats)
            SELECT mesh_id, id, '[]', '[]', '{}', '{}' FROM mesh.member WHERE n > 2;
        INSERT INTO mesh.invite (id, mesh_id, token, expires_at, created_at)
            SELECT 'i' || n, 'm2', 't' || n, now(), now() FROM generate_series(1, 5000) n;
        INSERT INTO mesh.presence (id, mesh, mailbox, session_id, pid, cwd, connected_at, disconnected_at)
            SELECT 'p' || n, 1 + n % 2000, n, 's', 1, '/', now(), CASE WHEN n % 5 > 0 THEN now() END
            FROM generate_series(1, 20000) n;
        INSERT INTO mesh.pending_status (id, pid, cwd, status, created_at, presence_id)
            SELECT 'h' || n, n, '/' || n, 'idle', now(), CASE WHEN n % 2 = 0 THEN 'p' || n END
            FROM generate_series(1, 5000) n;
        INSERT INTO mesh.proof SELECT int8send(n), 1, n FROM generate_series(1, 20000) n;
        INSERT INTO mesh.message (pos, at, mesh, sender, session, key, recip, prio, cmid, nonce, cipher)
            SELECT n, n, 2, 3, 3, n * 7919, 1 + n % 20000, 1, 'x', 'x', 'x'
            FROM generate_series(1000, 100000) n;
        INSERT INTO mesh.dedupe SELECT n * 7919, n FROM generate_series(1000, 100000) n;
        INSERT INTO mesh.tombstone (pos, at, mesh, sender, key, recip, prio, cmid, body)
            SELECT 110000 + n, 9000, 2, 3, n * 7907, 1 + n % 20000, 1, 'x', 'x'
            FROM generate_series(1, 50000) n;
        INSERT INTO mesh.pending SELECT 1 + n % 20000, n, 9, 0, 1 FROM generate_series(80000, 100000) n;
        INSERT INTO mesh.settled SELECT n, 1 + n % 20000, 1, 0 FROM generate_series(1000, 79999) n;
        INSERT INTO mesh.chain SELECT n, n, sha256(int8send(n)) FROM generate_series(2, 2000) n;
        INSERT INTO mesh.receipt (mesh, n, pos, ends, previous, link, hash, epoch, content)
            SELECT 2, n, 1000 + n, (n + 63) / 64 * 64, '', '', '', '', '' FROM generate_series(1, 50000) n;
        INSERT INTO mesh.mention SELECT 1 + n % 20000, n FROM generate_series(1000, 100000) n;
        INSERT INTO mesh.block SELECT n * 1000 FROM generate_series(1, 100) n;
        INSERT INTO mesh.live_topic
            SELECT n, 't' || n, NULL, 1, 's', 100, 100, CASE WHEN n % 500 = 0 THEN n ELSE 0 END
            FROM generate_series(1, 20000) n;
        INSERT INTO mesh.live_publication SELECT 1 + n % 1000, n, n, 'k', 1, n, false, false, '1'
            FROM generate_series(1, 100000) n;
        INSERT INTO mesh.live_entity SELECT 1 + n % 1000, 'k' || n, n, 1, n, n % 50 = 0, '1'
            FROM generate_series(1, 50000) n;
        INSERT INTO mesh.live_key SELECT 1 + n % 1000, sha256(int8send(n)), sha256(int8send(n)), n, n
            FROM generate_series(1, 50000) n;
        INSERT INTO mesh.live_feed (topic, data) SELECT 't' || 1 + n % 20000, '1'
            FROM generate_series(1, 50000) n;
        UPDATE mesh.store SET next = 200000, floor = 150000;
        ANALYZE";
    database.client().batch_execute(fill).unwrap();
}

/// Does everything a broker does, twice, so that what is known already is met too.
fn lives(broker: &mut Broker) {
    let owner = Claimant::Owner(PublicKey([9; 32]));
    for by in [Claimant::Broker, owner, Claimant::Member(PublicKey([1; 32]))] {
        broker.write(Op::Claim { mesh: MeshId::new("kitchen"), by, at: Wall::from_millis(1) }).unwrap();
    }
    let fence = broker.takes_kitchen();
    for _ in 0..2 {
        broker.writes_under(&[fence], people()).unwrap();
        let tried = Op::Tried { position: Position(7), mailbox: BOB, priority: Priority::Next, tries: 2 };
        let mail = [6, 7].map(|position| accept(position, Some(&format!("id-{position}"))));
        let again = [accept(8, Some("id-7")), find("id-6"), find("id-99")];
        broker.writes_under(&[fence], [&mail[..], &again, &[settle(6), tried]].concat()).unwrap();
        let receipted = [9, 10].map(receipted);
        broker.writes_under(&[fence], receipted.to_vec()).unwrap();
        broker.write(prune(2_000, 50)).unwrap();
        let (proofs_before, now, limit) = (Wall::from_millis(0), Wall::from_millis(90_000), 50);
        let (messages_before, keys_before) = (Wall::from_millis(3_000), Wall::from_millis(0));
        broker.write(Op::Prune { messages_before, keys_before, proofs_before, now, limit }).unwrap();
    }
    broker.write(Op::Release(vec![fence])).unwrap();
    let kitchen = || "kitchen".to_owned();
    let (mailbox, priority, position) = (BOB, Priority::Next, Position(7));
    let late = Wall::from_millis(90_000);
    for query in [
        Query::Mesh(MeshId::new("kitchen")),
        Query::Mesh(MeshId::new("m7")),
        Query::FindMesh(kitchen()),
        Query::Meshes { after: None, limit: 50 },
        Query::Invite([7; 32]),
        Query::Pending { mailbox, priority, after: Position::ZERO, limit: 50 },
        Query::Overdue { before: late, now: late, after: None, limit: 500 },
        Query::Overdue {
            before: late,
            now: late,
            after: Some(Cursor { mailbox, priority, position }),
            limit: 500,
        },
        Query::Message(position),
        Query::Mentions { member: BOB, after: Position::ZERO, limit: 200 },
        Query::Depth,
        Query::Hooks { since: Wall::from_millis(0), limit: 50 },
        Query::Check { at: CheckPlace::START, limit: 500 },
        Query::Check { at: CheckPlace::of(CheckPart::Messages), limit: 500 },
        Query::Check { at: CheckPlace::of(CheckPart::Tombstones), limit: 500 },
        Query::Check { at: CheckPlace::of(CheckPart::Waiting), limit: 500 },
        Query::Check { at: CheckPlace::of(CheckPart::Ended), limit: 500 },
    ] {
        broker.asks(&query).unwrap();
    }
    live_topics(broker);
    broker.pings().unwrap();
}

/// A message that wants a receipt, and the id it had in a history that is lost.
fn receipted(position: u64) -> Op {
    let Op::Accept(accept) = accept(position, Some(&format!("id-{position}"))) else { unreachable!() };
    let (content, head) = ("{}".into(), r#"{"sequence":"#.into());
    let draft = Draft { content, hash: [1; 32], head, epoch: HistoryEpoch([1; 16]) };
    let drafts = Drafts { plain: draft.clone(), renamed: Some(draft) };
    let old = Some(Position(position + 90));
    Op::Accept(Accept { old, receipt: Some(Box::new(drafts)), ..accept })
}

/// Does everything a broker does with live topics.
fn live_topics(broker: &mut Broker) {
    let at = Wall::from_millis(20);
    let op = |op: LiveOp| Op::Live(op);
    for topic in ["fresh", "t500"] {
        let claim = LiveOp::Claim { topic: TopicId::new(topic), stream: "s".into(), at };
        let Ok(Reply::Live(LiveReply::Owned(load))) = broker.write(op(claim)) else { panic!("{topic}") };
        let fence = LiveFence { topic: load.no, epoch: load.epoch };
        let append = |place: u64, key: u8| {
            let row = LiveRow {
                key: Some("k".into()),
                version: Some(place),
                at,
                late: false,
                gone: false,
                text: "1".into(),
            };
            let key = LiveKey { key: [key; 32], fingerprint: [0; 32], since: Wall::from_millis(0) };
            let place = fence.first_place() + place;
            op(LiveOp::Append {
                fence,
                place,
                rows: [row].into(),
                key: Some(Box::new(key)),
                fed: Some(FedTurn { row: place, after: 0 }),
            })
        };
        // A repetition, and a write that is run again, are met too.
        for write in [append(0, 1), append(1, 1), append(2, 2), append(2, 2)] {
            broker.write(write).unwrap();
        }
        broker.write(op(LiveOp::Trim { fence, through: 1 })).unwrap();
        for query in [
            LiveQuery::Topic { topic: load.no, history: 100, keys_since: Wall::from_millis(0), keys: 100 },
            LiveQuery::Places { topics: [load.no].into() },
            LiveQuery::Feed { topic: None, after: 40_000, limit: 256 },
            LiveQuery::Feed { topic: Some(TopicId::new(topic)), after: 0, limit: 256 },
            LiveQuery::Revoked { after: 40_000, limit: 100 },
        ] {
            broker.asks(&Query::Live(query)).unwrap();
        }
        broker.write(op(LiveOp::Release(vec![fence]))).unwrap();
    }
    let (keys_before, gone_before) = (Wall::from_millis(30), Wall::from_millis(30));
    let volatile = [("u*".into(), true)].into();
    broker.write(op(LiveOp::Prune { keys_before, gone_before, limit: 100, volatile })).unwrap();
}

fn people() -> Vec<Op> {
    let at = Wall::from_millis(10);
    let hook = |id: &str| HookRow {
        id: HookId::new(id),
        pid: 7,
        cwd: "/kitchen".into(),
        status: Status::Working,
        at,
    };
    let presence = PresenceId::new("presence");
    let state = PeerState {
        groups: Vec::new(),
        last_groups: Vec::new(),
        profile: Profile::default(),
        visible: true,
        summary: None,
        display_name: None,
        stats: SavedStats::default(),
        last_seen: at,
    };
    vec![
        Op::LeasePositions { count: 10 },
        mesh("kitchen"),
        mesh("cellar"),
        invite(),
        enrol(3, "carl"),
        Op::SetRevoked { member: ANN, at: None },
        Op::Rotate(Box::new(Rotation {
            mesh: MeshNo(1),
            member: ANN,
            old: PublicKey([1; 32]),
            key: PublicKey([91; 32]),
            at,
            until: at.after_millis(5),
            below: Position(1),
            former_keys_max: 8,
        })),
        Op::KeepHook { hook: Box::new(hook("one")), stale_before: at },
        Op::KeepHook { hook: Box::new(hook("two")), stale_before: at },
        hello(1, 1),
        Op::Prove { proof: [77; 32], by: 1, until: at },
        Op::ApplyHook { hook: HookId::new("two"), presence: presence.clone(), at },
        Op::EndPresences { ids: vec![presence], at },
        Op::SavePeer { member: ANN, state: Box::new(state) },
        Op::CreateInvite(Box::new(peermesh_core::store::InviteRow {
            id: InviteId::new("other"),
            ..match invite() {
                Op::CreateInvite(row) => *row,
                other => panic!("{other:?}"),
            }
        })),
    ]
}
