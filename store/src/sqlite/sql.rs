//! Every statement this driver runs, so that one test can ask the planner about each of them.

macro_rules! statements {
    ($($(#[$doc:meta])* $NAME:ident = $sql:expr;)+) => {
        $($(#[$doc])* pub(super) const $NAME: &str = $sql;)+

        /// All of them, by name.
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($NAME), $NAME)),+];
    };
}

/// The columns of a message as `read::message` takes them, with an optional table prefix.
macro_rules! message_columns {
    ($m:literal) => {
        concat!(
            $m,
            "pos, ",
            $m,
            "at, ",
            $m,
            "mesh, ",
            $m,
            "sender, ",
            $m,
            "session, ",
            $m,
            "prio, ",
            $m,
            "recip, ",
            $m,
            "target, ",
            $m,
            "cmid, ",
            $m,
            "fp, ",
            $m,
            "reply_to, ",
            $m,
            "nonce, ",
            $m,
            "cipher"
        )
    };
}

/// The columns of a mesh as `read::mesh` takes them.
macro_rules! mesh_columns {
    () => {
        "n, id, slug, name, owner_key, owner_secret_sealed, root_key_sealed, created_at, \
         (SELECT count(*) FROM member WHERE member.mesh = mesh.n AND member.revoked_at IS NULL)"
    };
}

/// A number that no row of this table has, nor had in a history that is lost.
macro_rules! next_number {
    ($table:literal) => {
        concat!(
            "(SELECT max(coalesce((SELECT max(n) FROM ",
            $table,
            "), 0), numbers) + 1 FROM store WHERE one = 1)"
        )
    };
}

statements! {
    BEGIN = "BEGIN IMMEDIATE";
    BEGIN_READ = "BEGIN";
    COMMIT = "COMMIT";
    ROLLBACK = "ROLLBACK";

    STORE_READ = "SELECT next, secret FROM store WHERE one = 1";
    HISTORY_READ = "SELECT history, since, floor FROM store WHERE one = 1";
    STORE_NEXT = "UPDATE store SET next = ?1 WHERE one = 1";
    BLOCK_INSERT = "INSERT INTO block (first) VALUES (?1) ON CONFLICT DO NOTHING";
    BLOCK_NEXT = "SELECT first FROM block WHERE first > ?1 ORDER BY first LIMIT 1";
    BLOCK_PRUNE = "DELETE FROM block WHERE first < \
        (SELECT max(first) FROM block WHERE first <= nullif(min( \
        coalesce((SELECT min(pos) FROM message), 9223372036854775807), \
        coalesce((SELECT min(pos) FROM tombstone), 9223372036854775807)), 9223372036854775807))";

    MESH_INSERT = concat!(
        "INSERT INTO mesh (n, id, slug, name, owner_key, owner_secret_sealed, root_key_sealed, created_at) \
        VALUES (", next_number!("mesh"), ", ?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING"
    );
    MESH_HAS_ID = "SELECT id FROM mesh WHERE id = ?1";
    MESH_HAS_SLUG = "SELECT id FROM mesh WHERE slug = ?1";
    MESH_READ = concat!("SELECT ", mesh_columns!(), " FROM mesh WHERE id = ?1");
    MESH_PAGE = concat!("SELECT ", mesh_columns!(), " FROM mesh WHERE n > ?1 ORDER BY n LIMIT ?2");

    INVITE_INSERT = "INSERT INTO invite \
        (id, token_hash, mesh, uses_max, uses, role, expires_at, created_at, revoked_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
    INVITE_HAS_ID = "SELECT 1 FROM invite WHERE id = ?1";
    INVITE_SPEND = "UPDATE invite SET uses = uses + 1 WHERE id = ?1 AND uses < uses_max";
    INVITE_READ = "SELECT id, mesh, token_hash, uses_max, uses, role, expires_at, created_at, revoked_at \
        FROM invite WHERE token_hash = ?1";

    MAILBOX_NEXT = concat!("SELECT ", next_number!("mailbox"));
    MAILBOX_INSERT = "INSERT INTO mailbox (n, mesh, key, member, name) VALUES (?1, ?2, ?3, ?4, ?5)";
    MAILBOX_OF_KEY = "SELECT n, member FROM mailbox WHERE mesh = ?1 AND key = ?2";
    MAILBOX_KEY = "SELECT key FROM mailbox WHERE n = ?1";
    MAILBOX_REKEY = "UPDATE mailbox SET key = ?2 WHERE n = ?1";
    MAILBOX_RENAME = "UPDATE mailbox SET name = ?2 WHERE n = ?1";
    MAILBOXES = "SELECT n, key, member, name FROM mailbox WHERE mesh = ?1 ORDER BY n";

    MEMBER_INSERT = "INSERT INTO member \
        (n, mesh, id, name, role, default_groups_json, message_mode, joined_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    MEMBER_HAS_ID = "SELECT n FROM member WHERE id = ?1";
    MEMBER_REVOKE = "UPDATE member SET revoked_at = ?2 WHERE n = ?1";
    MEMBERS = "SELECT m.n, m.id, b.key, m.name, m.role, m.role_tag, m.default_groups_json, m.message_mode, \
        m.joined_at, m.revoked_at, s.groups_json, s.last_groups_json, s.profile_json, s.visible, s.summary, \
        s.display_name, s.stats_json, s.last_seen \
        FROM member m CROSS JOIN mailbox b LEFT JOIN peer_state s ON s.member = m.n \
        WHERE m.mesh = ?1 AND b.n = m.n ORDER BY m.n";

    FORMER_HAS_KEY = "SELECT 1 FROM former_key WHERE mesh = ?1 AND key = ?2";
    FORMER_INSERT = "INSERT INTO former_key (mesh, key, member, at, until, below) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    FORMER_LAST = "SELECT key, member, at, until, below FROM former_key WHERE member = ?1 \
        ORDER BY below DESC LIMIT 1";
    FORMER_OPEN = "SELECT count(*), min(until) FROM former_key WHERE member = ?1 AND until > ?2";
    FORMER_OF_MESH = "SELECT key, member, at, until, below FROM former_key WHERE mesh = ?1 \
        ORDER BY member, below";

    PEER_SAVE = "INSERT INTO peer_state (member, groups_json, last_groups_json, profile_json, visible, \
        summary, display_name, stats_json, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
        ON CONFLICT (member) DO UPDATE SET groups_json = excluded.groups_json, \
        last_groups_json = excluded.last_groups_json, profile_json = excluded.profile_json, \
        visible = excluded.visible, summary = excluded.summary, display_name = excluded.display_name, \
        stats_json = excluded.stats_json, last_seen = excluded.last_seen";

    PROOF_READ = "SELECT proof_by FROM proof WHERE proof = ?1";
    PROOF_SAVE = "INSERT INTO proof (proof, proof_by, until) VALUES (?1, ?2, ?3) \
        ON CONFLICT (proof) DO UPDATE SET until = excluded.until";
    PROOF_PRUNE = "DELETE FROM proof WHERE proof IN \
        (SELECT proof FROM proof WHERE until < ?1 ORDER BY until, proof LIMIT ?2)";

    PRESENCE_SAVE = "INSERT INTO presence \
        (id, mesh, member, mailbox, kind, session_id, pid, cwd, connected_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO UPDATE SET \
        mailbox = excluded.mailbox, kind = excluded.kind, session_id = excluded.session_id, \
        pid = excluded.pid, cwd = excluded.cwd, connected_at = excluded.connected_at, ended_at = NULL";
    PRESENCE_END = "UPDATE presence SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL";
    PRESENCE_END_OF_MESH = "UPDATE presence SET ended_at = ?2 WHERE mesh = ?1 AND ended_at IS NULL";
    PRESENCE_EXISTS = "SELECT 1 FROM presence WHERE id = ?1";
    PRESENCE_PRUNE = "DELETE FROM presence WHERE id IN \
        (SELECT id FROM presence WHERE ended_at < ?1 ORDER BY ended_at, id LIMIT ?2)";

    LIFE = "SELECT random()";
    SCOPE_READ = "SELECT life, epoch FROM scope WHERE mesh = ?1";
    SCOPE_TAKE = "INSERT INTO scope (mesh, life, epoch) VALUES (?1, ?2, ?3) \
        ON CONFLICT (mesh) DO UPDATE SET life = excluded.life, epoch = excluded.epoch";
    SCOPE_RELEASE = "UPDATE scope SET life = NULL WHERE mesh = ?1 AND life = ?2 AND epoch = ?3";
    MESH_NUMBER = "SELECT n, owner_key FROM mesh WHERE id = ?1";
    MEMBER_HAS_KEY = "SELECT 1 FROM mailbox WHERE mesh = ?1 AND key = ?2 AND member = n";

    HOOK_KEEP = "INSERT INTO hook (id, pid, cwd, status, at) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT DO NOTHING";
    HOOK_FORGET_OLD = "DELETE FROM hook WHERE at < ?1";
    HOOK_TAKE = "UPDATE hook SET presence = ?3 WHERE cwd = ?1 AND pid = ?2 AND presence IS NULL";
    HOOK_TAKEN = "SELECT status FROM hook WHERE presence = ?1 AND at >= ?2 ORDER BY n DESC LIMIT 1";
    HOOK_APPLY = "UPDATE hook SET presence = coalesce(presence, ?2) WHERE id = ?1 RETURNING presence";
    HOOKS = "SELECT id, pid, cwd, status, at FROM hook \
        WHERE presence IS NULL AND at >= ?1 ORDER BY n LIMIT ?2";

    FRESH_READ = "SELECT keys FROM fresh ORDER BY n";
    FRESH_INSERT = "INSERT INTO fresh (keys) VALUES (?1)";
    FRESH_DELETE = "DELETE FROM fresh WHERE n <= ?1";
    DEDUPE_INSERT = "INSERT INTO dedupe (key, pos) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    DEDUPE_DELETE = "DELETE FROM dedupe WHERE key = ?1 AND pos = ?2";
    /// Keys in their order, from one on.
    DEDUPE_KEYS = "SELECT key FROM dedupe WHERE key >= ?1 ORDER BY key LIMIT ?2";
    DEDUPE_HAS = "SELECT 1 FROM dedupe WHERE key = ?1 AND pos = ?2";
    /// What is kept of a position: its message and its receipt, with columns like those of `DEDUPE_HOLDERS`.
    KEPT_AT = concat!(
        "SELECT d.pos, ", message_columns!("m."), ", r.n FROM (SELECT ?1 AS pos) d \
        LEFT JOIN message m ON m.pos = d.pos LEFT JOIN receipt r ON r.pos = d.pos"
    );
    /// Who stands at a key, with the message it belongs to; its columns are empty where that is not kept (or
    /// not yet).
    DEDUPE_HOLDERS = concat!(
        "SELECT d.pos, ", message_columns!("m."),
        ", r.n FROM dedupe d LEFT JOIN message m ON m.pos = d.pos LEFT JOIN receipt r ON r.pos = d.pos \
        WHERE d.key = ?1"
    );

    MESSAGE_INSERT = "INSERT INTO message \
        (pos, at, mesh, sender, session, prio, recip, target, mailboxes, cmid, fp, reply_to, nonce, cipher) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
        ON CONFLICT DO NOTHING";
    MESSAGE_READ = concat!("SELECT ", message_columns!(""), ", mailboxes FROM message WHERE pos = ?1");
    MESSAGE_SCAN = "SELECT pos, at, mesh, sender, prio, recip, mailboxes, cmid FROM message \
        WHERE pos > ?1 ORDER BY pos";
    MESSAGE_DELETE = "DELETE FROM message WHERE pos = ?1";

    TOMBSTONE_INSERT = "INSERT INTO tombstone (pos, at, mesh, sender, prio, recip, target, cmid, fp, body) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
    TOMBSTONE_READ = "SELECT at, mesh, sender, prio, recip, target, cmid, fp, body FROM tombstone \
        WHERE pos = ?1";
    TOMBSTONE_SCAN = "SELECT pos, at, mesh, sender, cmid FROM tombstone WHERE pos > ?1 ORDER BY pos";
    TOMBSTONE_DELETE = "DELETE FROM tombstone WHERE pos = ?1";

    /// A message that is kept gets the id that it had in a lost history, if that is free.
    RENAME = "INSERT INTO renamed (pos, old, mesh) SELECT ?1, ?2, ?3 \
        WHERE ?2 < (SELECT floor FROM store WHERE one = 1) \
        AND EXISTS (SELECT 1 FROM message WHERE pos = ?1) \
        AND NOT EXISTS (SELECT 1 FROM message WHERE pos = ?2) \
        AND NOT EXISTS (SELECT 1 FROM tombstone WHERE pos = ?2) ON CONFLICT DO NOTHING";
    RENAMED_READ = "SELECT 1 FROM renamed WHERE pos = ?1";
    RENAMED_AS = "SELECT 1 FROM renamed WHERE pos = ?1 AND old = ?2";
    RENAMED = "SELECT pos, old FROM renamed WHERE mesh = ?1 ORDER BY pos";
    RENAMED_PRUNE = "DELETE FROM renamed WHERE NOT EXISTS (SELECT 1 FROM message WHERE pos = renamed.pos) \
        AND NOT EXISTS (SELECT 1 FROM tombstone WHERE pos = renamed.pos)";

    ADOPT_LOOK = "SELECT history, next, (SELECT coalesce(max(epoch), 0) FROM runner) FROM store \
        WHERE one = 1";
    ADOPT_STORE = "UPDATE store SET history = ?1, since = ?2, next = ?3, floor = ?3, \
        numbers = ?4 + max(numbers, coalesce((SELECT max(n) FROM mesh), 0), \
            coalesce((SELECT max(n) FROM mailbox), 0), coalesce((SELECT max(n) FROM runner), 0)) \
        WHERE one = 1";
    ADOPT_SCOPES = "UPDATE scope SET life = NULL, epoch = epoch + ?1";
    ADOPT_RUNNERS = "UPDATE runner SET life = NULL, epoch = epoch + ?1";
    ADOPT_TOPICS = "UPDATE live_topic SET life = NULL, stream = ?1 || '.' || n";

    SIGNER_KEEP = "INSERT INTO signer (one, public, sealed) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING";
    SIGNER_READ = "SELECT public, sealed FROM signer WHERE one = 1";
    CHAIN_READ = "SELECT n, link FROM chain WHERE mesh = ?1";
    CHAIN_SAVE = "INSERT INTO chain (mesh, n, link) VALUES (?1, ?2, ?3) \
        ON CONFLICT (mesh) DO UPDATE SET n = excluded.n, link = excluded.link";
    RECEIPT_INSERT = "INSERT INTO receipt (mesh, n, pos, ends, previous, link, hash, epoch, content) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    RECEIPT_AT = "SELECT mesh, n, ends, previous, link, epoch, content FROM receipt WHERE pos = ?1";
    RECEIPT_PATH = "SELECT hash, link FROM receipt WHERE mesh = ?1 AND n > ?2 AND n <= ?3 ORDER BY n";
    RECEIPT_ANY = "SELECT 1 FROM receipt LIMIT 1";
    /// All receipts that share a signature with that of this message, unless a message of them is known. They
    /// stand side by side, at most `RUN_MAX` of them.
    RECEIPT_FORGET = "WITH run AS (SELECT o.mesh, o.n, o.pos FROM receipt r JOIN receipt o \
            ON o.mesh = r.mesh AND o.n > r.ends - 64 AND o.n <= r.ends AND o.ends = r.ends WHERE r.pos = ?1) \
        DELETE FROM receipt WHERE (mesh, n) IN (SELECT mesh, n FROM run) AND NOT EXISTS (SELECT 1 FROM run \
            WHERE EXISTS (SELECT 1 FROM message m WHERE m.pos = run.pos) \
            OR EXISTS (SELECT 1 FROM tombstone t WHERE t.pos = run.pos))";
    MESSAGE_EXISTS = "SELECT 1 FROM message WHERE pos = ?1";

    ARRIVAL_INSERT = "INSERT INTO arrival (deliveries) VALUES (?1)";
    ARRIVAL_READ = "SELECT n, deliveries FROM arrival ORDER BY n";
    ARRIVAL_DELETE = "DELETE FROM arrival WHERE n <= ?1";

    PENDING_INSERT = "INSERT INTO pending (recip, prio, pos, bytes) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT DO NOTHING";
    PENDING_DELETE = "DELETE FROM pending WHERE recip = ?1 AND prio = ?2 AND pos = ?3";
    PENDING_TRIED = "UPDATE pending SET tries = ?4 WHERE recip = ?1 AND prio = ?2 AND pos = ?3";
    PENDING_READ = "SELECT tries FROM pending WHERE recip = ?1 AND prio = ?2 AND pos = ?3";
    PENDING_COUNT = "SELECT prio, count(*), sum(bytes) FROM pending WHERE recip = ?1 \
        GROUP BY prio ORDER BY prio";
    PENDING_DEPTH = "SELECT count(*) FROM pending";
    LANE_PAGE = concat!(
        "SELECT p.tries, ", message_columns!("m."), " FROM pending p LEFT JOIN message m ON m.pos = p.pos \
        WHERE p.recip = ?1 AND p.prio = ?2 AND p.pos > ?3 ORDER BY p.pos LIMIT ?4"
    );
    LANE_AGES = "SELECT p.pos, p.bytes, m.at, g.id FROM pending p LEFT JOIN message m ON m.pos = p.pos \
        LEFT JOIN mesh g ON g.n = m.mesh WHERE p.recip = ?1 AND p.prio = ?2 AND p.pos > ?3 ORDER BY p.pos";
    MESSAGE_AGE = "SELECT m.at, g.id FROM message m LEFT JOIN mesh g ON g.n = m.mesh WHERE m.pos = ?1";
    LANE_NEXT = "SELECT recip, prio FROM pending WHERE (recip, prio) > (?1, ?2) ORDER BY recip, prio LIMIT 1";

    SETTLED_INSERT = "INSERT INTO settled (pos, mailbox, deliveries) VALUES (?1, ?2, ?3) \
        ON CONFLICT DO UPDATE SET deliveries = CAST(deliveries || excluded.deliveries AS BLOB)";
    SETTLED_READ = "SELECT pos, deliveries FROM settled WHERE pos BETWEEN ?1 AND ?2 ORDER BY pos, mailbox";
    SETTLED_DELETE = "DELETE FROM settled WHERE pos BETWEEN ?1 AND ?2";

    MENTION_INSERT = "INSERT INTO mention (member, pos) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    MENTION_PAGE = "SELECT m.pos, m.at, m.mesh, m.sender, m.session, m.prio, m.recip, m.target \
        FROM mention n LEFT JOIN message m ON m.pos = n.pos \
        WHERE n.member = ?1 AND n.pos > ?2 ORDER BY n.pos LIMIT ?3";
    MENTION_DELETE = "DELETE FROM mention WHERE pos = ?1";

    CHECK_KEYS = "SELECT d.key, d.pos, \
        EXISTS (SELECT 1 FROM message m WHERE m.pos = d.pos AND m.cmid IS NOT NULL) \
            OR EXISTS (SELECT 1 FROM tombstone t WHERE t.pos = d.pos) \
        FROM dedupe d WHERE (d.key, d.pos) >= (?1, ?2) ORDER BY d.key, d.pos LIMIT ?3";
    CHECK_KEY = "SELECT EXISTS (SELECT 1 FROM message m WHERE m.pos = ?1 AND m.cmid IS NOT NULL) \
        OR EXISTS (SELECT 1 FROM tombstone t WHERE t.pos = ?1)";
    CHECK_MESSAGES = "SELECT pos, mesh, sender, prio, recip, mailboxes, cmid FROM message \
        WHERE pos >= ?1 ORDER BY pos LIMIT ?2";
    CHECK_TOMBSTONES = "SELECT pos, mesh, sender, cmid FROM tombstone WHERE pos >= ?1 ORDER BY pos LIMIT ?2";
    CHECK_PENDING = "SELECT p.recip, p.prio, p.pos, \
        EXISTS (SELECT 1 FROM message m WHERE m.pos = p.pos) FROM pending p \
        WHERE (p.recip, p.prio, p.pos) >= (?1, ?2, ?3) ORDER BY p.recip, p.prio, p.pos LIMIT ?4";
    MESH_ID = "SELECT id FROM mesh WHERE n = ?1";
    MESH_OF_MAILBOX = "SELECT g.id FROM mailbox b CROSS JOIN mesh g WHERE b.n = ?1 AND g.n = b.mesh";

    RUNNER_CLAIM = concat!(
        "INSERT INTO runner (n, id, life, epoch) VALUES (", next_number!("runner"), ", ?1, ?2, 1) \
        ON CONFLICT (id) DO UPDATE SET life = excluded.life, epoch = epoch + 1 RETURNING n, epoch"
    );
    RUNNER_RELEASE = "UPDATE runner SET life = NULL WHERE n = ?1 AND life = ?2 AND epoch = ?3";
    RUNNER_IS_OURS = "SELECT 1 FROM runner WHERE n = ?1 AND life = ?2 AND epoch = ?3";
    RUNNER_COUNT = "SELECT (SELECT count(*) FROM runner_event WHERE runner = ?1), \
        (SELECT coalesce(sum(bytes), 0) FROM runner_event WHERE runner = ?1), \
        (SELECT count(*) FROM runner_command WHERE runner = ?1)";
    RUNNER_WAITING = "SELECT n, id FROM runner WHERE n > ?1 \
        AND (EXISTS (SELECT 1 FROM runner_event WHERE runner = n) \
            OR EXISTS (SELECT 1 FROM runner_command WHERE runner = n)) ORDER BY n LIMIT ?2";
    RUNNER_PAGE = "SELECT n, id, (SELECT count(*) FROM runner_event WHERE runner = n), \
        (SELECT count(*) FROM runner_command WHERE runner = n), \
        (SELECT count(*) FROM runner_dead WHERE runner = n) FROM runner WHERE n > ?1 ORDER BY n LIMIT ?2";
    RUNNER_DEPTH = "SELECT (SELECT count(*) FROM runner_event), (SELECT count(*) FROM runner_command), \
        (SELECT count(*) FROM runner_dead)";

    EVENT_INSERT = "INSERT INTO runner_event \
        (runner, seq, id, kind, at, sent, failed, failed_since, bytes, body) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
    EVENT_TRIED = "UPDATE runner_event SET sent = ?3, failed = ?4, failed_since = ?5 \
        WHERE runner = ?1 AND seq = ?2";
    EVENT_DELETE = "DELETE FROM runner_event WHERE runner = ?1 AND seq = ?2";
    EVENT_BURY = "INSERT INTO runner_dead \
        (runner, seq, id, kind, at, sent, failed, failed_since, bytes, died, why, status, body) \
        SELECT runner, seq, id, kind, at, sent, failed, failed_since, bytes, ?3, ?4, ?5, body \
        FROM runner_event WHERE runner = ?1 AND seq = ?2 ON CONFLICT DO NOTHING";
    EVENT_READ = "SELECT seq, id, kind, at, sent, failed, failed_since, body \
        FROM runner_event WHERE runner = ?1 AND seq = ?2";
    EVENT_PAGE = "SELECT seq, id, kind, at, sent, failed, failed_since, body FROM runner_event \
        WHERE runner = (SELECT n FROM runner WHERE id = ?1) AND seq > ?2 ORDER BY seq LIMIT ?3";
    DEAD_READ = "SELECT seq, id, kind, at, sent, failed, failed_since, body \
        FROM runner_dead WHERE runner = ?1 AND seq = ?2";
    DEAD_PAGE = "SELECT seq, id, kind, at, sent, failed, failed_since, body, died, why, status \
        FROM runner_dead WHERE runner = (SELECT n FROM runner WHERE id = ?1) AND seq > ?2 \
        ORDER BY seq LIMIT ?3";
    DEAD_DELETE = "DELETE FROM runner_dead WHERE runner = ?1 AND seq = ?2";
    DEAD_PRUNE = "DELETE FROM runner_dead WHERE (runner, seq) IN \
        (SELECT runner, seq FROM runner_dead WHERE died < ?1 ORDER BY died, runner, seq LIMIT ?2)";
    SEEN_INSERT = "INSERT INTO runner_seen (runner, id, seq, at) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT DO NOTHING";
    SEEN_READ = "SELECT seq FROM runner_seen WHERE runner = ?1 AND id = ?2";
    SEEN_PRUNE = "DELETE FROM runner_seen WHERE (runner, id) IN \
        (SELECT runner, id FROM runner_seen WHERE at < ?1 ORDER BY at, runner, id LIMIT ?2)";
    COMMAND_INSERT = "INSERT INTO runner_command (runner, seq, id, expires, body) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    COMMAND_DELETE = "DELETE FROM runner_command WHERE runner = ?1 AND seq = ?2";
    COMMAND_PAGE = "SELECT seq, id, expires, body FROM runner_command \
        WHERE runner = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    COMMAND_EXPIRED = "SELECT seq, id, expires, '' FROM runner_command \
        WHERE runner = ?1 AND seq > ?2 AND expires < ?4 ORDER BY seq LIMIT ?3";
    KEY_INSERT = "INSERT INTO runner_key (runner, key, fingerprint, command, at) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    KEY_READ = "SELECT key, fingerprint, command, at, status, answer FROM runner_key \
        WHERE runner = ?1 AND key = ?2";
    KEY_ANSWER = "UPDATE runner_key SET status = ?3, answer = ?4 WHERE runner = ?1 AND key = ?2";
    KEY_DELETE = "DELETE FROM runner_key WHERE runner = ?1 AND key = ?2";
    KEY_PRUNE = "DELETE FROM runner_key WHERE (runner, key) IN \
        (SELECT runner, key FROM runner_key WHERE at < ?1 ORDER BY at, runner, key LIMIT ?2)";

    TOPIC_CLAIM = "INSERT INTO live_topic (id, life, epoch, stream, top, place, fed) \
        VALUES (?1, ?2, 1, ?3, 0, 0, 0) \
        ON CONFLICT (id) DO UPDATE SET life = excluded.life, epoch = epoch + 1 \
        RETURNING n, epoch, stream, top, fed";
    TOPIC_RELEASE = "UPDATE live_topic SET life = NULL WHERE n = ?1 AND life = ?2 AND epoch = ?3";
    TOPIC_IS_OURS = "SELECT 1 FROM live_topic WHERE n = ?1 AND life = ?2 AND epoch = ?3";
    TOPIC_STANDS = "SELECT epoch, top FROM live_topic WHERE n = ?1";
    TOPIC_PLACE = "SELECT place FROM live_topic WHERE n = ?1";
    TOPIC_NEXT = "UPDATE live_topic SET top = top + ?3, place = ?2 WHERE n = ?1 RETURNING top";
    TOPIC_FED = "UPDATE live_topic SET fed = ?2 WHERE n = ?1 AND fed BETWEEN ?3 AND ?2 - 1";
    TOPIC_TAKEN = "SELECT fed FROM live_topic WHERE n = ?1";
    PUBLICATIONS_OF_PLACE = "SELECT at_offset, late FROM live_publication \
        WHERE topic = ?1 AND place = ?2 ORDER BY at_offset";
    PUBLICATION_INSERT = "INSERT INTO live_publication \
        (topic, at_offset, place, key, version, at, late, gone, body) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    PUBLICATION_TRIM = "DELETE FROM live_publication WHERE topic = ?1 AND at_offset <= ?2";
    PUBLICATION_LAST = "SELECT at_offset, key, version, at, gone, body, late FROM live_publication \
        WHERE topic = ?1 ORDER BY at_offset DESC LIMIT ?2";
    ENTITY_PUT = "INSERT INTO live_entity (topic, key, at_offset, version, at, gone, body) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (topic, key) DO UPDATE \
        SET at_offset = excluded.at_offset, version = excluded.version, at = excluded.at, \
            gone = excluded.gone, body = excluded.body \
        WHERE version IS NULL OR excluded.version IS NULL OR excluded.version > version";
    ENTITIES = "SELECT at_offset, key, version, at, gone, body FROM live_entity WHERE topic = ?1 \
        ORDER BY key";
    ENTITY_PRUNE = "DELETE FROM live_entity WHERE (topic, key) IN (SELECT topic, key FROM live_entity \
        WHERE gone = 1 AND at < ?1 ORDER BY at, topic, key LIMIT ?2)";
    LIVE_KEY_PUT = "INSERT INTO live_key (topic, key, fingerprint, at_offset, at) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (topic, key) DO UPDATE \
        SET fingerprint = excluded.fingerprint, at_offset = excluded.at_offset, at = excluded.at";
    LIVE_KEY_READ = "SELECT key, fingerprint, at_offset, at FROM live_key \
        WHERE topic = ?1 AND key = ?2 AND at >= ?3";
    LIVE_KEYS = "SELECT key, fingerprint, at_offset, at FROM live_key WHERE topic = ?1 AND at >= ?2 \
        ORDER BY at DESC, at_offset DESC LIMIT ?3";
    LIVE_KEYS_AHEAD = "UPDATE live_key SET at = ?2 WHERE topic = ?1 AND at > ?2";
    LIVE_KEY_PRUNE = "DELETE FROM live_key WHERE (topic, key) IN \
        (SELECT topic, key FROM live_key WHERE at < ?1 ORDER BY at, topic, key LIMIT ?2)";
    REVOKE = "INSERT INTO live_revoked (user, at, change) \
        VALUES (?1, ?2, (SELECT coalesce(max(change), 0) + 1 FROM live_revoked)) \
        ON CONFLICT (user) DO UPDATE SET at = max(at, excluded.at), change = excluded.change";
    REVOKED = "SELECT change, user, at FROM live_revoked WHERE change > ?1 ORDER BY change LIMIT ?2";
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    /// Statements that read a whole table, and why that is right.
    const SCANS: &[&str] = &[
        "PENDING_DEPTH", // counts all rows, every `depth_ms`
        "RUNNER_DEPTH",  // the same
        "FRESH_READ",    // all that wait are wanted, and few wait
        "ARRIVAL_READ",  // the same
        "RECEIPT_ANY",   // one row, if there is one
        "KEPT_AT",       // the one position that is asked for
        "RENAMED_PRUNE", // has rows only after a history was lost
        "ADOPT_SCOPES",  // an operator's, once after a disaster
        "ADOPT_RUNNERS", // the same
        "ADOPT_TOPICS",  // the same
        "HOOKS",         // all that wait are wanted, and few wait: `pending_statuses_max` bounds them
    ];

    #[test]
    fn every_statement_finds_its_rows_by_a_key() {
        let mut conn = Connection::open_in_memory().unwrap();
        peermesh_migrations::sqlite::runner().run(&mut conn).unwrap();
        for (name, sql) in super::ALL {
            let plan = plan(&conn, sql);
            let scans = plan.iter().any(|step| step.starts_with("SCAN") && step != "SCAN CONSTANT ROW");
            assert_eq!(scans, SCANS.contains(name), "{name}: {plan:#?}");
        }
    }

    #[test]
    fn the_statements_of_a_message_use_the_key_they_were_made_for() {
        let mut conn = Connection::open_in_memory().unwrap();
        peermesh_migrations::sqlite::runner().run(&mut conn).unwrap();
        for (sql, wanted) in [
            (super::PENDING_DELETE, "SEARCH pending USING PRIMARY KEY (recip=? AND prio=? AND pos=?)"),
            (super::LANE_PAGE, "SEARCH p USING PRIMARY KEY (recip=? AND prio=? AND pos>?)"),
            (super::LANE_NEXT, "SEARCH pending USING PRIMARY KEY ((recip,prio)>(?,?))"),
            (super::SETTLED_READ, "SEARCH settled USING PRIMARY KEY (pos>? AND pos<?)"),
            (super::PRESENCE_END, "SEARCH presence USING PRIMARY KEY (id=?)"),
            (super::PRESENCE_END_OF_MESH, "SEARCH presence USING INDEX presence_open (mesh=?)"),
            (super::HOOK_TAKE, "SEARCH hook USING INDEX hook_of_place (cwd=? AND pid=?)"),
            (super::DEDUPE_HAS, "SEARCH dedupe USING PRIMARY KEY (key=? AND pos=?)"),
            (super::DEDUPE_KEYS, "SEARCH dedupe USING PRIMARY KEY (key>?)"),
            (super::DEDUPE_HOLDERS, "SEARCH d USING PRIMARY KEY (key=?)"),
            (super::FRESH_DELETE, "SEARCH fresh USING INTEGER PRIMARY KEY (rowid<?)"),
            (super::ARRIVAL_DELETE, "SEARCH arrival USING INTEGER PRIMARY KEY (rowid<?)"),
            (super::MESSAGE_SCAN, "SEARCH message USING INTEGER PRIMARY KEY (rowid>?)"),
            (super::TOMBSTONE_SCAN, "SEARCH tombstone USING INTEGER PRIMARY KEY (rowid>?)"),
        ] {
            let plan = plan(&conn, sql);
            assert_eq!(plan.first().map(String::as_str), Some(wanted), "{sql}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql} sorts: {plan:#?}");
        }
    }

    /// How the planner goes about a statement. Its parameters stay unbound: the plan does not depend on them.
    fn plan(conn: &Connection, sql: &str) -> Vec<String> {
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = explain.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get(3).unwrap());
        }
        steps
    }
}
