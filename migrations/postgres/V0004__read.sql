-- What is asked in more than one step, and the views for operators.

-- Up to `size` deliveries of messages accepted before `before`, in the order of (mailbox, lane, position),
-- after the given place.
--
-- There is no index on time: it would be written for every message. Positions of one lane are handed out by
-- one shard in the order of its clock, so a lane's overdue deliveries stand at its front, and the walk leaves
-- a lane at the first one that is not, save for those of a clock that was ahead of `present`. It costs a few
-- steps for each lane that is not empty.
CREATE FUNCTION mesh.overdue(
    before bigint, present bigint, after_recip bigint, after_prio smallint, after_pos bigint, size bigint
) RETURNS TABLE (recip bigint, prio smallint, pos bigint, bytes integer, mesh_id text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    left_over bigint := size;
    at bigint;
BEGIN
    recip := after_recip;
    prio := after_prio;
    pos := after_pos;
    WHILE left_over > 0 LOOP
        IF pos IS NULL THEN
            SELECT p.recip, p.prio INTO recip, prio FROM mesh.pending p
            WHERE (p.recip, p.prio) > (overdue.recip, overdue.prio) ORDER BY p.recip, p.prio LIMIT 1;
            EXIT WHEN NOT FOUND;
        END IF;
        FOR pos, bytes, at, mesh_id IN
            SELECT p.pos, p.bytes, m.at, g.id FROM mesh.pending p
            LEFT JOIN mesh.message m ON m.pos = p.pos LEFT JOIN mesh.mesh g ON g.n = m.mesh
            WHERE p.recip = overdue.recip AND p.prio = overdue.prio AND p.pos > coalesce(overdue.pos, 0)
            ORDER BY p.pos
        LOOP
            IF mesh_id IS NULL THEN
                RAISE data_corrupted USING MESSAGE = 'a delivery without its message';
            END IF;
            CONTINUE WHEN at >= before AND at > present;
            EXIT WHEN at >= before OR left_over = 0;
            RETURN NEXT;
            left_over := left_over - 1;
        END LOOP;
        pos := NULL;
    END LOOP;
END $$;

-- Whether the client id that would like to stand at `home` is known for the message at `of_pos`.
CREATE FUNCTION mesh.is_known(home bigint, of_pos bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    at bigint := home;
    holder bigint;
BEGIN
    LOOP
        SELECT d.pos INTO holder FROM mesh.dedupe d WHERE d.key = at;
        IF NOT FOUND THEN RETURN false; END IF;
        IF holder = of_pos THEN RETURN true; END IF;
        at := mesh.next_key(at);
    END LOOP;
END $$;

-- Text from bytes, for people: what is no text is shown in escapes instead of failing.
CREATE FUNCTION mesh.shown(bytes bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN encode(bytes, 'escape');
END $$;

-- In these views a message's id is its position. The id that clients see is derived from the position with
-- the store's secret, by a cipher that SQL does not have. Leases live in the memory of the broker that serves
-- the mesh, and messages expire by the brokers' settings; so the columns for both are empty.

CREATE VIEW mesh.message_history AS
SELECT m.pos::text AS id, g.id AS mesh_id, s.id AS sender_member_id, mesh.shown(m.cmid) AS client_message_id,
    CASE WHEN m.session <> m.sender THEN encode(k.key, 'hex') END AS sender_session_pubkey,
    coalesce(encode(t.key, 'hex'), mesh.shown(m.target)) AS target_spec,
    (enum_range(NULL::mesh.message_priority))[m.prio + 1] AS priority,
    mesh.shown(m.nonce) AS nonce, mesh.shown(m.cipher) AS ciphertext, mesh.shown(m.fp) AS request_fingerprint,
    mesh.shown(m.reply_to) AS reply_to_id, mesh.stamp(m.at) AS created_at
FROM mesh.message m
LEFT JOIN mesh.mesh g ON g.n = m.mesh
LEFT JOIN mesh.member s ON s.n = m.sender
LEFT JOIN mesh.mailbox k ON k.n = m.session
LEFT JOIN mesh.mailbox t ON t.n = m.recip;

CREATE VIEW mesh.message_queue AS
SELECT h.id, h.mesh_id, h.sender_member_id, h.sender_session_pubkey, h.target_spec, h.priority, h.nonce,
    h.ciphertext, h.created_at, d.delivered_at, NULL::timestamp AS expires_at, h.client_message_id,
    h.request_fingerprint,
    NULL::timestamp AS claimed_at, NULL::text AS claim_id, NULL::timestamp AS claim_expires_at
FROM mesh.message_history h
CROSS JOIN LATERAL (
    SELECT mesh.stamp(max(e.at)) AS delivered_at FROM mesh.settled e
    WHERE e.pos = h.id::bigint AND e.outcome = 0
) AS d;

CREATE VIEW mesh.delivery_queue AS
SELECT m.pos::text AS message_id, g.id AS mesh_id, r.id AS recipient_member_id,
    encode(b.key, 'hex') AS recipient_pubkey,
    (enum_range(NULL::mesh.message_priority))[m.prio + 1] AS priority, d.state, d.attempts,
    mesh.stamp(m.at) AS created_at, d.settled_at
FROM (
    SELECT p.pos, p.recip AS mailbox, 'queued' AS state, p.tries AS attempts, NULL::timestamp AS settled_at
    FROM mesh.pending p
    UNION ALL
    SELECT e.pos, e.mailbox, (ARRAY['delivered', 'expired', 'dead', 'dead'])[e.outcome + 1], NULL, mesh.stamp(e.at)
    FROM mesh.settled e
) AS d
JOIN mesh.message m ON m.pos = d.pos
LEFT JOIN mesh.mesh g ON g.n = m.mesh
LEFT JOIN mesh.mailbox b ON b.n = d.mailbox
LEFT JOIN mesh.member r ON r.n = b.member;

-- A client id is known for as long as its message is kept, and longer if it is younger than the brokers'
-- setting.
CREATE VIEW mesh.client_message_dedupe AS
SELECT g.id AS mesh_id, mesh.shown(k.cmid) AS client_message_id, k.pos::text AS broker_message_id,
    CASE WHEN mesh.shown(k.fp) ~ '^[0-9a-f]{64}$' THEN decode(mesh.shown(k.fp), 'hex') END
        AS request_fingerprint,
    CASE WHEN k.recip IS NULL THEN 'topic' ELSE 'dm' END AS destination_kind,
    coalesce(encode(t.key, 'hex'), mesh.shown(k.target)) AS destination_ref,
    mesh.stamp(k.at) AS first_seen_at, NULL::timestamp AS expires_at, k.history_available
FROM (
    SELECT mesh, cmid, pos, fp, recip, target, at, true AS history_available
    FROM mesh.message WHERE cmid IS NOT NULL
    UNION ALL
    SELECT mesh, cmid, pos, fp, recip, target, at, false FROM mesh.tombstone
) AS k
LEFT JOIN mesh.mesh g ON g.n = k.mesh
LEFT JOIN mesh.mailbox t ON t.n = k.recip;
