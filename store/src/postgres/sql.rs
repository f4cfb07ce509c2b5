//! Every statement this driver runs, so that one test can ask the planner about each of them.

macro_rules! statements {
    ($($(#[$doc:meta])* $NAME:ident = $sql:expr;)+) => {
        $($(#[$doc])* pub(super) const $NAME: &str = $sql;)+

        /// All of them, by name.
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($NAME), $NAME)),+];
    };
}

/// The columns of a message as `read::message` takes them, of the table named `m`.
macro_rules! message_columns {
    () => {
        "m.pos, m.at, m.mesh, m.sender, m.session, m.prio, m.recip, m.target, m.cmid, m.fp, m.reply_to, \
         m.nonce, m.cipher"
    };
}

/// The columns of a mesh as `people::mesh` takes them, of the table named `g`.
macro_rules! mesh_columns {
    () => {
        "g.n, g.id, g.slug, g.name, g.owner_pubkey, g.owner_secret_key, g.root_key, \
         mesh.unix_ms(g.created_at), \
         (SELECT count(*) FROM mesh.member m WHERE m.mesh_id = g.id AND m.revoked_at IS NULL)"
    };
}

statements! {
    PUBLICATION_LAST = "SELECT at_offset, key, version, at, gone, body, late FROM mesh.live_publication \
        WHERE topic = $1 ORDER BY at_offset DESC LIMIT $2";
    ENTITIES = "SELECT at_offset, key, version, at, gone, body FROM mesh.live_entity WHERE topic = $1 \
        ORDER BY key";
    LIVE_KEYS = "SELECT key, fingerprint, at_offset, at FROM mesh.live_key WHERE topic = $1 AND at >= $2 \
        ORDER BY at DESC, at_offset DESC LIMIT $3";
    TOPICS_STAND = "SELECT n, epoch, top FROM mesh.live_topic WHERE n = ANY ($1) ORDER BY n";
    REVOKED = "SELECT change, name, at FROM mesh.live_revoked WHERE change > $1 ORDER BY change LIMIT $2";
    FEED = "SELECT id, topic, key, version, data::text FROM mesh.live_feed WHERE id > $1 \
        ORDER BY id LIMIT $2";
    FEED_OF = "SELECT id, topic, key, version, data::text FROM mesh.live_feed WHERE topic = $1 AND id > $2 \
        ORDER BY id LIMIT $3";
    FEED_TOP = "SELECT coalesce(max(id), 0) FROM mesh.live_feed";
    RUNNER_WAITING = "SELECT r.n, r.id FROM mesh.runner r WHERE r.n > $1 \
        AND (EXISTS (SELECT FROM mesh.runner_event e WHERE e.runner = r.n) \
            OR EXISTS (SELECT FROM mesh.runner_command c WHERE c.runner = r.n)) ORDER BY r.n LIMIT $2";
    RUNNER_PAGE = "SELECT r.n, r.id, (SELECT count(*) FROM mesh.runner_event e WHERE e.runner = r.n), \
        (SELECT count(*) FROM mesh.runner_command c WHERE c.runner = r.n), \
        (SELECT count(*) FROM mesh.runner_dead d WHERE d.runner = r.n) \
        FROM mesh.runner r WHERE r.n > $1 ORDER BY r.n LIMIT $2";
    RUNNER_DEPTH = "SELECT (SELECT count(*) FROM mesh.runner_event), \
        (SELECT count(*) FROM mesh.runner_command), (SELECT count(*) FROM mesh.runner_dead)";
    /// The window gives the length of all rows before one, so that a page ends with the first that goes over.
    EVENT_PAGE = "SELECT seq, id, kind, at, sent, failed, failed_since, body FROM (\
        SELECT *, sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) AS before FROM (\
            SELECT * FROM mesh.runner_event \
            WHERE runner = (SELECT n FROM mesh.runner WHERE id = $1) AND seq > $2 ORDER BY seq LIMIT $3\
        ) AS page) AS page WHERE before <= $4 ORDER BY seq";
    DEAD_PAGE = "SELECT seq, id, kind, at, sent, failed, failed_since, body, died, why, status \
        FROM mesh.runner_dead WHERE runner = (SELECT n FROM mesh.runner WHERE id = $1) AND seq > $2 \
        ORDER BY seq LIMIT $3";
    COMMAND_PAGE = "SELECT seq, id, expires, body FROM (\
        SELECT *, sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) AS before FROM (\
            SELECT * FROM mesh.runner_command WHERE runner = $1 AND seq > $2 ORDER BY seq LIMIT $3\
        ) AS page) AS page WHERE before <= $4 ORDER BY seq";
    COMMAND_EXPIRED = "SELECT seq, id, expires, '' AS body FROM mesh.runner_command \
        WHERE runner = $1 AND seq > $2 AND expires < $4 ORDER BY seq LIMIT $3";

    SETTINGS = "SELECT s.name, current_setting(s.name) FROM unnest(ARRAY['server_version_num', \
        'server_encoding', 'transaction_read_only', 'synchronous_standby_names', 'synchronous_commit', \
        'fsync', 'full_page_writes']) AS s (name)";

    STORE_ROW = "SELECT secret, history, since, floor, next FROM mesh.store";
    BROKER_REGISTER = "INSERT INTO mesh.broker (name, started_at, alive_until) \
        VALUES ($1, clock_timestamp(), clock_timestamp() + $2 * interval '1 millisecond') RETURNING n";
    /// The lease may be lost in a crash of the server; it is soon put off again, and sparing the disk a write
    /// a second is worth that.
    BROKER_RENEW = "INSERT INTO mesh.broker (n, name, started_at, alive_until) \
        SELECT $1, $2, clock_timestamp(), clock_timestamp() + $3 * interval '1 millisecond' \
        FROM set_config('synchronous_commit', 'off', true) \
        ON CONFLICT (n) DO UPDATE SET alive_until = excluded.alive_until, ended_at = NULL \
        RETURNING (SELECT next FROM mesh.store)";
    /// Whether the database remembers us, who were told that it does.
    BROKER_KNOWN = "SELECT EXISTS (SELECT FROM mesh.broker b WHERE b.n = $1 AND b.name = $2)";
    BROKER_PREDECESSORS = "SELECT n FROM mesh.broker WHERE name = $1 AND n <> $2 AND ended_at IS NULL \
        ORDER BY n DESC LIMIT 16";
    BROKER_ENDED = "UPDATE mesh.broker SET ended_at = clock_timestamp() WHERE n = ANY ($1)";
    BROKER_FORGET = "DELETE FROM mesh.broker b WHERE b.n = ANY (ARRAY(SELECT o.n FROM mesh.broker o \
        WHERE o.alive_until < clock_timestamp() - interval '7 days' \
        AND NOT EXISTS (SELECT FROM mesh.scope s WHERE s.owner = o.n) LIMIT 100))";
    LIFE_LOCK = "SELECT pg_try_advisory_lock(1886221161, $1)";
    LIFE_UNLOCK = "SELECT pg_advisory_unlock(1886221161, $1)";

    MIGRATE_LOCK = "SELECT pg_try_advisory_lock(1886221160, 0)";
    MIGRATE_UNLOCK = "SELECT pg_advisory_unlock(1886221160, 0)";
    SCHEMA_EXISTS = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'mesh'), \
        to_regclass('mesh.schema_history') IS NOT NULL";
    HISTORY = "SELECT version, name, checksum FROM mesh.schema_history ORDER BY version";

    WRITE = "SELECT lost, again, first, owners, seen, replies FROM mesh.write($1, $2, $3, $4, $5, $6, \
        $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, \
        $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41)";

    /// Nobody becomes a broker from here to the end of the transaction.
    ADOPT_LOCK = "LOCK TABLE mesh.broker IN SHARE ROW EXCLUSIVE MODE";
    ADOPT_DRAW = "SELECT pg_advisory_xact_lock(1886221162, 0)";
    /// Brokers that live: by what they left in writing, or by the lock that their session holds.
    ADOPT_LIVING = "SELECT b.name, \
        ceil(extract(epoch FROM b.alive_until - clock_timestamp()) * 1000)::bigint \
        FROM mesh.broker b WHERE b.ended_at IS NULL AND b.alive_until > clock_timestamp() UNION ALL SELECT \
        coalesce((SELECT b.name FROM mesh.broker b WHERE b.n::bigint = l.objid::bigint), ''), NULL \
        FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = 1886221161 AND l.granted \
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) \
        ORDER BY 2 NULLS FIRST LIMIT 1";
    ADOPT_LOOK = "SELECT s.history, s.next, (SELECT coalesce(max(epoch), 0) FROM mesh.runner), \
        (SELECT coalesce(max(n), 0) FROM mesh.broker)::bigint FROM mesh.store s";
    ADOPT_STOP = "SELECT coalesce(bool_and(mesh.stop_writes_of(n)), true) FROM mesh.broker";
    ADOPT_STORE = "UPDATE mesh.store SET history = $1, since = $2, next = $3, floor = $3, \
        numbers = $4 + greatest(numbers, (SELECT max(n) FROM mesh.mesh), (SELECT max(n) FROM mesh.mailbox), \
            (SELECT max(n) FROM mesh.runner))";
    ADOPT_SCOPES = "UPDATE mesh.scope SET owner = NULL, epoch = epoch + $1";
    ADOPT_RUNNERS = "UPDATE mesh.runner SET owner = NULL, epoch = epoch + $1";
    ADOPT_TOPICS = "UPDATE mesh.live_topic SET owner = NULL, stream = $1 || '.' || n";
    ADOPT_BROKERS = "UPDATE mesh.broker SET ended_at = coalesce(ended_at, clock_timestamp())";
    ADOPT_BROKER_NUMBERS = "SELECT setval(pg_get_serial_sequence('mesh.broker', 'n'), $1)";

    RENAMED = "SELECT r.pos, r.old FROM mesh.renamed r WHERE r.mesh = $1 ORDER BY r.pos";
    MESH_READ = concat!("SELECT ", mesh_columns!(), " FROM mesh.mesh g WHERE g.id = $1");
    MESH_PAGE =
        concat!("SELECT ", mesh_columns!(), " FROM mesh.mesh g WHERE g.n > $1 ORDER BY g.n LIMIT $2");
    /// A slug is looked up before an id.
    MESH_FIND = "SELECT coalesce((SELECT id FROM mesh.mesh WHERE slug = $1), \
        (SELECT id FROM mesh.mesh WHERE id = $1))";
    MEMBERS = "SELECT m.n, m.id, m.peer_pubkey, m.display_name, m.role::text, m.role_tag, m.default_groups, \
        m.message_mode, mesh.unix_ms(m.joined_at), mesh.unix_ms(m.revoked_at), s.groups, s.last_groups, \
        s.profile, s.visible, s.last_summary, s.last_display_name, s.cumulative_stats, \
        mesh.unix_ms(s.last_seen_at) \
        FROM mesh.member m LEFT JOIN mesh.peer_state s ON s.mesh_id = m.mesh_id AND s.member_id = m.id \
        WHERE m.mesh_id = $1 ORDER BY m.n";
    MAILBOXES = "SELECT b.n, b.key, b.member, b.name FROM mesh.mailbox b WHERE b.mesh = $1 ORDER BY b.n";
    FORMER = "SELECT f.key, f.member, f.at, f.until, f.below FROM mesh.former_key f WHERE f.mesh = $1 \
        ORDER BY f.member, f.below";
    LANES = "SELECT p.recip, p.prio, count(*), sum(p.bytes)::bigint FROM mesh.mailbox b \
        JOIN mesh.pending p ON p.recip = b.n WHERE b.mesh = $1 GROUP BY p.recip, p.prio \
        ORDER BY p.recip, p.prio";
    INVITE_READ = "SELECT i.id, g.n, i.token, i.max_uses, i.used_count, i.role::text, \
        mesh.unix_ms(i.expires_at), mesh.unix_ms(i.created_at), mesh.unix_ms(i.revoked_at) \
        FROM mesh.invite i JOIN mesh.mesh g ON g.id = i.mesh_id WHERE i.token = $1";

    LANE_PAGE = concat!(
        "SELECT p.tries, ", message_columns!(), " FROM mesh.pending p \
        LEFT JOIN mesh.message m ON m.pos = p.pos \
        WHERE p.recip = $1 AND p.prio = $2 AND p.pos > $3 ORDER BY p.pos LIMIT $4"
    );
    OVERDUE = "SELECT o.recip, o.prio, o.pos, o.bytes, o.mesh_id \
        FROM mesh.overdue($1, $2, $3, $4, $5, $6) AS o";
    MESSAGE_READ = concat!("SELECT ", message_columns!(), ", coalesce(m.mailboxes, ARRAY[m.recip]) \
        FROM mesh.message m WHERE m.pos = $1");
    MESSAGE_PENDING = "SELECT p.recip, p.tries FROM unnest($1::bigint[]) AS box (n) \
        JOIN mesh.pending p ON p.recip = box.n AND p.prio = $2 AND p.pos = $3 ORDER BY p.recip";
    MESSAGE_SETTLED = "SELECT e.mailbox, e.at, e.outcome FROM mesh.settled e WHERE e.pos = $1 \
        ORDER BY e.mailbox";
    MENTION_PAGE = "SELECT m.pos, m.at, m.mesh, m.sender, m.session, m.prio, m.recip, m.target \
        FROM mesh.mention n LEFT JOIN mesh.message m ON m.pos = n.pos \
        WHERE n.member = $1 AND n.pos > $2 ORDER BY n.pos LIMIT $3";
    DEPTH = "SELECT count(*) FROM mesh.pending";

    /// Columns of every statement of the check: by what the row is ordered (three), for how many rows it
    /// counts in its page, its message, whose it is if something is wrong, whether it stands alone, and how
    /// many recipients are without a fate. What is asked for each row are scalar subqueries: nothing else is
    /// sure to go by a key.
    CHECK_KEYS = "SELECT 0::bigint, 0::bigint, k.key, 1::bigint, k.pos, CASE WHEN NOT k.is_kept THEN (\
            SELECT g.id FROM mesh.settled e JOIN mesh.mailbox b ON b.n = e.mailbox \
            JOIN mesh.mesh g ON g.n = b.mesh WHERE e.pos = k.pos LIMIT 1) END, NOT k.is_kept, 0::bigint \
        FROM (SELECT d.key, d.pos, coalesce(\
                (SELECT m.cmid IS NOT NULL FROM mesh.message m WHERE m.pos = d.pos), \
                (SELECT true FROM mesh.tombstone t WHERE t.pos = d.pos), false) AS is_kept \
            FROM mesh.dedupe d WHERE d.key >= $1 ORDER BY d.key LIMIT $2) AS k ORDER BY k.key";
    CHECK_MESSAGES = "SELECT 0::bigint, 0::bigint, m.pos, m.size, m.pos, \
            CASE WHEN m.is_lost OR m.fateless > 0 THEN \
                (SELECT g.id FROM mesh.mesh g WHERE g.n = m.mesh) END, m.is_lost, m.fateless \
        FROM (SELECT m.pos, m.mesh, m.size, \
                m.key IS NOT NULL AND NOT mesh.is_known(m.key, m.pos) AS is_lost, \
                (SELECT count(*) FROM unnest(m.boxes) AS box (n) WHERE \
                    (SELECT count(*) FROM mesh.pending p \
                        WHERE p.recip = box.n AND p.prio = m.prio AND p.pos = m.pos) \
                    + (SELECT count(*) FROM mesh.settled e WHERE e.pos = m.pos AND e.mailbox = box.n) \
                    <> 1) AS fateless \
            FROM (SELECT *, sum(size) OVER (ORDER BY pos) - size AS before FROM (\
                SELECT pos, mesh, prio, key, coalesce(mailboxes, ARRAY[recip]) AS boxes, \
                    1 + cardinality(coalesce(mailboxes, ARRAY[recip]))::bigint AS size \
                FROM mesh.message WHERE pos >= $1 ORDER BY pos LIMIT $2) AS page) AS m \
            WHERE m.before < $2 OFFSET 0) AS m ORDER BY m.pos";
    CHECK_TOMBSTONES = "SELECT 0::bigint, 0::bigint, t.pos, 1::bigint, t.pos, \
            CASE WHEN t.is_lost THEN (SELECT g.id FROM mesh.mesh g WHERE g.n = t.mesh) END, \
            t.is_lost, 0::bigint \
        FROM (SELECT t.pos, t.mesh, NOT mesh.is_known(t.key, t.pos) AS is_lost FROM mesh.tombstone t \
            WHERE t.pos >= $1 ORDER BY t.pos LIMIT $2) AS t ORDER BY t.pos";
    CHECK_PENDING = "SELECT p.recip, p.prio::bigint, p.pos, 1::bigint, p.pos, CASE WHEN NOT p.is_kept THEN (\
            SELECT g.id FROM mesh.mailbox b JOIN mesh.mesh g ON g.n = b.mesh WHERE b.n = p.recip) END, \
            NOT p.is_kept, 0::bigint \
        FROM (SELECT p.recip, p.prio, p.pos, \
                coalesce((SELECT true FROM mesh.message m WHERE m.pos = p.pos), false) AS is_kept \
            FROM mesh.pending p WHERE (p.recip, p.prio, p.pos) >= ($1, $2, $3) \
            ORDER BY p.recip, p.prio, p.pos LIMIT $4) AS p ORDER BY p.recip, p.prio, p.pos";
    CHECK_SETTLED = "SELECT 0::bigint, e.pos, e.mailbox, 1::bigint, e.pos, CASE WHEN NOT e.is_kept THEN (\
            SELECT g.id FROM mesh.mailbox b JOIN mesh.mesh g ON g.n = b.mesh WHERE b.n = e.mailbox) END, \
            NOT e.is_kept, 0::bigint \
        FROM (SELECT e.pos, e.mailbox, \
                coalesce((SELECT true FROM mesh.message m WHERE m.pos = e.pos), false) AS is_kept \
            FROM mesh.settled e WHERE (e.pos, e.mailbox) >= ($1, $2) \
            ORDER BY e.pos, e.mailbox LIMIT $3) AS e ORDER BY e.pos, e.mailbox";
    HOOKS = "SELECT h.id, h.pid, h.cwd, h.status::text, mesh.unix_ms(h.created_at) \
        FROM mesh.pending_status h \
        WHERE h.presence_id IS NULL AND h.created_at >= mesh.stamp($1) ORDER BY h.n LIMIT $2";
}
