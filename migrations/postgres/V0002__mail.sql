-- What is written for every message: one call of `mesh.write` is one batch of any size.
--
-- Advisory locks, all of them (class, number), so that nobody looks for their meaning elsewhere. A
-- transaction takes them in this order:
--   1886221160, 0  somebody brings the tables up to date
--   1886221161, n  broker n lives: held by its own session
--   1886221162, 0  somebody draws numbers for meshes, mailboxes or positions
--   1886221163, n  broker n writes a batch (shared); somebody takes a mesh from it (exclusive)
--   1886221164, 0  somebody walks or changes a chain of colliding keys in `dedupe`

-- Writes what a batch asks for, or nothing of it when it stands on fences that are not held: then `lost` says
-- which, by their places from 1. `again` and `first` pair the positions of messages that were not accepted,
-- since their client ids were known, with the positions of those that own the ids. `owners` has those
-- positions for the client ids that are only looked up (`f_`), in their order, and 0 for one that nobody
-- owns. `seen` tells what is known of all of these owners. `replies` answers `rare` in order; `draws` says
-- that one of those draws a number.
--
-- Arrays of one group belong together. Keys, messages and deliveries come in the order of their tables' keys,
-- so that neighbours share a page.
CREATE FUNCTION mesh.write(
    me integer,
    fence_mesh bigint[], fence_epoch bigint[],
    key bigint[], key_pos bigint[],
    m_pos bigint[], m_at bigint[], m_mesh bigint[], m_sender bigint[], m_session bigint[], m_key bigint[],
    m_recip bigint[], m_prio smallint[], m_target bytea[], m_mailboxes text[], m_cmid bytea[], m_fp bytea[],
    m_reply_to bytea[], m_nonce bytea[], m_cipher bytea[],
    p_recip bigint[], p_prio smallint[], p_pos bigint[], p_bytes integer[],
    n_member bigint[], n_pos bigint[],
    s_recip bigint[], s_prio smallint[], s_pos bigint[], s_at bigint[], s_outcome smallint[],
    t_recip bigint[], t_prio smallint[], t_pos bigint[], t_tries integer[],
    f_key bigint[], f_mesh bigint[], f_sender bigint[], f_cmid bytea[],
    rare jsonb, draws boolean,
    OUT lost bigint[], OUT again bigint[], OUT first bigint[], OUT owners bigint[],
    OUT seen jsonb, OUT replies jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    claimed bigint;
    is_known boolean := false;
BEGIN
    again := '{}';
    first := '{}';
    owners := '{}';
    IF draws THEN
        PERFORM pg_advisory_xact_lock(1886221162, 0);
    END IF;
    PERFORM pg_advisory_xact_lock_shared(1886221163, me);
    IF cardinality(fence_mesh) > 0 THEN
        -- A statement of its own sees what was committed while we waited for the lock.
        lost := ARRAY(
            SELECT f.place FROM unnest(fence_mesh, fence_epoch) WITH ORDINALITY AS f (mesh, epoch, place)
            LEFT JOIN mesh.scope s ON s.mesh = f.mesh
            WHERE s.owner IS DISTINCT FROM me OR s.epoch <> f.epoch);
        IF cardinality(lost) > 0 THEN RETURN; END IF;
    END IF;
    IF cardinality(m_pos) > 0 THEN
        -- Client ids come first: nothing is written for a message whose id is known.
        INSERT INTO mesh.dedupe (key, pos) SELECT unnest(write.key), unnest(key_pos) ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS claimed = ROW_COUNT;
        IF claimed < cardinality(write.key) THEN
            is_known := true;
            SELECT c.again, c.first INTO write.again, write.first
            FROM mesh.contest(write.key, key_pos, m_pos, m_mesh, m_sender, m_cmid) AS c;
        ELSE
            BEGIN
                INSERT INTO mesh.message (pos, at, mesh, sender, session, key, recip, prio, target, mailboxes,
                    cmid, fp, reply_to, nonce, cipher)
                SELECT unnest(m_pos), unnest(m_at), unnest(m_mesh), unnest(m_sender), unnest(m_session),
                    unnest(m_key), unnest(m_recip), unnest(m_prio), unnest(m_target),
                    unnest(m_mailboxes)::bigint[], unnest(m_cmid), unnest(m_fp), unnest(m_reply_to),
                    unnest(m_nonce), unnest(m_cipher);
                INSERT INTO mesh.pending (recip, prio, pos, bytes)
                SELECT unnest(p_recip), unnest(p_prio), unnest(p_pos), unnest(p_bytes);
            EXCEPTION WHEN unique_violation THEN
                -- Some of them are there, without client ids. Asking every row what to do in that case costs
                -- more than finding out when it happens.
                is_known := true;
            END;
        END IF;
        IF is_known THEN
            PERFORM mesh.accept_once(m_pos, m_at, m_mesh, m_sender, m_session, m_key, m_recip, m_prio,
                m_target, m_mailboxes, m_cmid, m_fp, m_reply_to, m_nonce, m_cipher, p_recip, p_prio, p_pos,
                p_bytes, again);
        END IF;
        IF cardinality(n_pos) > 0 THEN
            INSERT INTO mesh.mention (member, pos)
            SELECT n.member, n.pos FROM unnest(n_member, n_pos) AS n (member, pos)
            WHERE n.pos <> ALL (again)
            ON CONFLICT DO NOTHING;
        END IF;
    END IF;
    IF cardinality(f_key) > 0 THEN
        owners := mesh.find(f_key, f_mesh, f_sender, f_cmid);
    END IF;
    IF cardinality(first) > 0 OR cardinality(owners) > 0 THEN
        SELECT jsonb_agg(jsonb_build_object('pos', s.pos, 'at', s.at, 'recip', s.recip, 'prio', s.prio,
            'target', encode(s.target, 'hex'), 'fp', encode(s.fp, 'hex'), 'body', encode(s.body, 'hex'),
            'history_available', s.history_available,
            'receipt', CASE WHEN s.receipted THEN mesh.receipt_at(s.pos) END))
        INTO seen
        FROM mesh.seen s WHERE s.pos = ANY (first || owners);
    END IF;
    IF cardinality(t_pos) > 0 THEN
        UPDATE mesh.pending p SET tries = t.tries
        FROM unnest(t_recip, t_prio, t_pos, t_tries) AS t (recip, prio, pos, tries)
        WHERE p.recip = t.recip AND p.prio = t.prio AND p.pos = t.pos;
    END IF;
    IF cardinality(s_pos) > 0 THEN
        WITH gone AS (
            DELETE FROM mesh.pending p
            USING unnest(s_recip, s_prio, s_pos, s_at, s_outcome) AS s (recip, prio, pos, at, outcome)
            WHERE p.recip = s.recip AND p.prio = s.prio AND p.pos = s.pos
            RETURNING p.pos, p.recip, s.at, s.outcome)
        INSERT INTO mesh.settled (pos, mailbox, at, outcome) SELECT * FROM gone;
    END IF;
    IF rare IS NOT NULL THEN
        replies := mesh.perform_all(me, rare);
    END IF;
END $$;

-- Accepts messages of which some may have been accepted before, but for those (`again`) that repeat others'
-- client ids. A delivery that ended since is not brought back.
CREATE FUNCTION mesh.accept_once(
    m_pos bigint[], m_at bigint[], m_mesh bigint[], m_sender bigint[], m_session bigint[], m_key bigint[],
    m_recip bigint[], m_prio smallint[], m_target bytea[], m_mailboxes text[], m_cmid bytea[], m_fp bytea[],
    m_reply_to bytea[], m_nonce bytea[], m_cipher bytea[],
    p_recip bigint[], p_prio smallint[], p_pos bigint[], p_bytes integer[], again bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mesh.message (pos, at, mesh, sender, session, key, recip, prio, target, mailboxes, cmid, fp,
        reply_to, nonce, cipher)
    SELECT m.pos, m.at, m.mesh, m.sender, m.session, m.key, m.recip, m.prio, m.target, m.mailboxes::bigint[],
        m.cmid, m.fp, m.reply_to, m.nonce, m.cipher
    FROM unnest(m_pos, m_at, m_mesh, m_sender, m_session, m_key, m_recip, m_prio, m_target, m_mailboxes,
        m_cmid, m_fp, m_reply_to, m_nonce, m_cipher) AS m (pos, at, mesh, sender, session, key, recip, prio, target,
        mailboxes, cmid, fp, reply_to, nonce, cipher)
    WHERE m.pos <> ALL (again)
    ON CONFLICT DO NOTHING;
    INSERT INTO mesh.pending (recip, prio, pos, bytes)
    SELECT p.recip, p.prio, p.pos, p.bytes
    FROM unnest(p_recip, p_prio, p_pos, p_bytes) AS p (recip, prio, pos, bytes)
    WHERE p.pos <> ALL (again)
        AND NOT EXISTS (SELECT FROM mesh.settled s WHERE s.pos = p.pos AND s.mailbox = p.recip)
    ON CONFLICT DO NOTHING;
END $$;

-- Lets a message that is kept have the id that it had in a lost history, if that is free.
CREATE FUNCTION mesh.rename(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    of_pos bigint := op ->> 'pos';
    of_old bigint := op ->> 'old';
BEGIN
    INSERT INTO mesh.renamed (pos, old, mesh) SELECT of_pos, of_old, (op ->> 'mesh')::bigint
    WHERE of_old < (SELECT floor FROM mesh.store)
        AND EXISTS (SELECT FROM mesh.message m WHERE m.pos = of_pos)
        AND NOT EXISTS (SELECT FROM mesh.message m WHERE m.pos = of_old)
        AND NOT EXISTS (SELECT FROM mesh.tombstone t WHERE t.pos = of_old)
    ON CONFLICT DO NOTHING;
    RETURN jsonb_build_object('is', 'accepted', 'renamed',
        EXISTS (SELECT FROM mesh.renamed r WHERE r.pos = of_pos AND r.old = of_old));
END $$;

-- SHA-256 of what was sealed, as brokers make it: of each text but the last its length, then the text.
CREATE FUNCTION mesh.digest(nonce bytea, cipher bytea, reply_to bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(int8send(octet_length(nonce)) || nonce || int8send(octet_length(cipher)) || cipher
    || coalesce(reply_to, ''));

-- What is known of those that own client ids.
CREATE VIEW mesh.seen AS
SELECT pos, at, mesh, sender, cmid, recip, prio, target, fp, mesh.digest(nonce, cipher, reply_to) AS body,
    true AS history_available, receipted
FROM mesh.message
UNION ALL
SELECT pos, at, mesh, sender, cmid, recip, prio, target, fp, body, false, receipted FROM mesh.tombstone;

-- The positions of those that own these client ids, in their order; 0 where nobody does.
CREATE FUNCTION mesh.find(keys bigint[], meshes bigint[], senders bigint[], cmids bytea[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    owners bigint[];
    strays bigint[];
    place bigint;
    at bigint;
    holder bigint;
BEGIN
    -- While ids are found, none moves.
    PERFORM pg_advisory_xact_lock_shared(1886221164, 0);
    -- Nearly all of them stand where they wanted to.
    SELECT array_agg(coalesce(s.pos, 0) ORDER BY k.place),
        array_agg(k.place) FILTER (WHERE d.pos IS NOT NULL AND s.pos IS NULL)
    INTO owners, strays
    FROM unnest(keys, meshes, senders, cmids) WITH ORDINALITY AS k (key, mesh, sender, cmid, place)
    LEFT JOIN mesh.dedupe d ON d.key = k.key
    LEFT JOIN mesh.seen s ON s.pos = d.pos AND s.mesh = k.mesh AND s.sender = k.sender AND s.cmid = k.cmid;
    FOREACH place IN ARRAY coalesce(strays, '{}') LOOP
        at := keys[place];
        LOOP
            at := mesh.next_key(at);
            SELECT d.pos INTO holder FROM mesh.dedupe d WHERE d.key = at;
            EXIT WHEN NOT FOUND;
            IF EXISTS (SELECT FROM mesh.seen s WHERE s.pos = holder AND s.mesh = meshes[place]
                AND s.sender = senders[place] AND s.cmid = cmids[place])
            THEN
                owners[place] := holder;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
    RETURN owners;
END $$;

-- Settles whose the client ids are that did not get the place they wanted, among messages that are about to
-- be written: an id that is owned makes its message a repetition (`again`, of `first`), of itself if only a
-- tombstone is left of it; behind another id there is a place for it. Earlier ones of a batch come first.
CREATE FUNCTION mesh.contest(
    keys bigint[], positions bigint[], m_pos bigint[], m_mesh bigint[], m_sender bigint[], m_cmid bytea[],
    OUT again bigint[], OUT first bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    wish record;
    at bigint;
    holder bigint;
BEGIN
    -- Nearly always these are messages that were sent again, and one look tells of what.
    PERFORM pg_advisory_xact_lock_shared(1886221164, 0);
    SELECT coalesce(array_agg(k.pos), '{}'), coalesce(array_agg(d.pos), '{}') INTO again, first
    FROM unnest(keys, positions) AS k (key, pos)
    JOIN mesh.dedupe d ON d.key = k.key
    JOIN unnest(m_pos, m_mesh, m_sender, m_cmid) AS m (pos, mesh, sender, cmid) ON m.pos = k.pos
    JOIN mesh.seen s ON s.pos = d.pos AND s.mesh = m.mesh AND s.sender = m.sender AND s.cmid = m.cmid
    WHERE d.pos <> k.pos OR NOT s.history_available;
    IF NOT EXISTS (
        SELECT FROM unnest(keys, positions) AS k (key, pos) WHERE k.pos <> ALL (again)
        AND NOT EXISTS (SELECT FROM mesh.dedupe d WHERE d.key = k.key AND d.pos = k.pos))
    THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(1886221164, 0);
    FOR wish IN
        SELECT k.key, m.pos, m.mesh, m.sender, m.cmid
        FROM unnest(keys, positions) WITH ORDINALITY AS k (key, pos, place)
        JOIN unnest(m_pos, m_mesh, m_sender, m_cmid) AS m (pos, mesh, sender, cmid) ON m.pos = k.pos
        WHERE k.pos <> ALL (again)
            AND NOT EXISTS (SELECT FROM mesh.dedupe d WHERE d.key = k.key AND d.pos = k.pos)
        ORDER BY k.place
    LOOP
        at := wish.key;
        LOOP
            INSERT INTO mesh.dedupe (key, pos) VALUES (at, wish.pos) ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
            SELECT d.pos INTO holder FROM mesh.dedupe d WHERE d.key = at;
            CONTINUE WHEN NOT FOUND; -- it was freed this moment
            EXIT WHEN holder = wish.pos AND NOT EXISTS (SELECT FROM mesh.tombstone t WHERE t.pos = holder);
            IF EXISTS (SELECT FROM mesh.seen s WHERE s.pos = holder AND s.mesh = wish.mesh
                    AND s.sender = wish.sender AND s.cmid = wish.cmid)
                OR EXISTS (SELECT FROM unnest(m_pos, m_mesh, m_sender, m_cmid) AS m (pos, mesh, sender, cmid)
                    WHERE m.pos = holder AND m.mesh = wish.mesh AND m.sender = wish.sender
                    AND m.cmid = wish.cmid)
            THEN
                again := again || wish.pos;
                first := first || holder;
                EXIT;
            END IF;
            IF holder <> ALL (m_pos) AND NOT EXISTS (SELECT FROM mesh.seen s WHERE s.pos = holder) THEN
                RAISE data_corrupted USING MESSAGE = 'a client message id without its message';
            END IF;
            at := mesh.next_key(at);
        END LOOP;
    END LOOP;
END $$;

-- The key behind a key; the first one behind the last.
CREATE FUNCTION mesh.next_key(key bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN key = 9223372036854775807 THEN -9223372036854775808 ELSE key + 1 END;

-- Removes the client ids of these messages.
CREATE FUNCTION mesh.forget_keys(keys bigint[], positions bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    gone record;
BEGIN
    PERFORM pg_advisory_xact_lock(1886221164, 0);
    -- Nearly all of them stand alone where they wanted to, with nobody behind them.
    DELETE FROM mesh.dedupe d USING unnest(keys, positions) AS k (key, pos)
    WHERE d.key = k.key AND d.pos = k.pos
        AND NOT EXISTS (SELECT FROM mesh.dedupe behind WHERE behind.key = mesh.next_key(k.key));
    FOR gone IN
        SELECT k.key, k.pos FROM unnest(keys, positions) AS k (key, pos)
        WHERE EXISTS (SELECT FROM mesh.dedupe d WHERE d.key = k.key)
    LOOP
        PERFORM mesh.forget_key(gone.key, gone.pos);
    END LOOP;
END $$;

-- Removes one client id, found at its key or behind it, and closes the gap: ids that had to move on because
-- of it move back, or they would not be found any more.
CREATE FUNCTION mesh.forget_key(home bigint, of_pos bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    gap bigint := home;
    at bigint;
    holder bigint;
    wanted bigint;
BEGIN
    LOOP
        DELETE FROM mesh.dedupe d WHERE d.key = gap AND d.pos = of_pos;
        EXIT WHEN FOUND;
        PERFORM FROM mesh.dedupe d WHERE d.key = gap;
        IF NOT FOUND THEN RETURN; END IF; -- it is gone already
        gap := mesh.next_key(gap);
    END LOOP;
    at := gap;
    LOOP
        at := mesh.next_key(at);
        SELECT d.pos INTO holder FROM mesh.dedupe d WHERE d.key = at;
        EXIT WHEN NOT FOUND;
        SELECT coalesce((SELECT m.key FROM mesh.message m WHERE m.pos = holder),
            (SELECT t.key FROM mesh.tombstone t WHERE t.pos = holder)) INTO wanted;
        IF wanted IS NULL THEN
            RAISE data_corrupted USING MESSAGE = 'a client message id without its message';
        END IF;
        -- It may fill the gap if its own key is not between the gap and where it stands. Distances are
        -- numeric, since those of keys at both ends of the range do not fit.
        IF mod(at::numeric - wanted + 18446744073709551616, 18446744073709551616)
            >= mod(at::numeric - gap + 18446744073709551616, 18446744073709551616)
        THEN
            UPDATE mesh.dedupe d SET key = gap WHERE d.key = at;
            gap := at;
        END IF;
    END LOOP;
END $$;

-- Removes at most `size` messages accepted before `messages_before` that nobody waits for, oldest first, and
-- as many ended presences and outlived proofs. The client ids of messages accepted before `keys_before` go
-- with them; of the others tombstones are left, which go by a later call, `size` of them at most. Says how many
-- went of each kind, and for how many messages there is a tombstone.
--
-- Within a block of positions messages are in the order of their age, so the first one that is too young ends
-- its block, however many follow; the walk goes on with the next block, which may be another shard's and
-- older. Of messages that are old and waited for it passes 8192 in one call: they are few, for what nobody
-- takes expires long before it is removed.
CREATE FUNCTION mesh.prune(
    messages_before bigint, keys_before bigint, proofs_before bigint, present bigint, size bigint
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    m record;
    after bigint := 0;
    young bigint;
    ahead integer;
    waiting integer := 0;
    over bigint[] := '{}';
    keys bigint[] := '{}';
    key_positions bigint[] := '{}';
    tombs bigint[] := '{}';
    outlived bigint[] := '{}';
    presences bigint;
    proofs bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1886221164, 0);
    WHILE after IS NOT NULL AND size > 0 LOOP
        young := NULL;
        ahead := 0;
        FOR m IN SELECT pos, at, key FROM mesh.tombstone WHERE pos > after ORDER BY pos LOOP
            IF m.at >= keys_before THEN
                IF m.at > present AND ahead < 8192 THEN
                    ahead := ahead + 1;
                    CONTINUE;
                END IF;
                young := m.pos;
                EXIT;
            END IF;
            outlived := outlived || m.pos;
            keys := keys || m.key;
            key_positions := key_positions || m.pos;
            EXIT WHEN cardinality(outlived) >= size;
        END LOOP;
        after := (SELECT b.first - 1 FROM mesh.block b WHERE b.first > young ORDER BY b.first LIMIT 1);
    END LOOP;
    after := 0;
    WHILE after IS NOT NULL AND size > 0 LOOP
        young := NULL;
        ahead := 0;
        FOR m IN
            SELECT pos, at, key, EXISTS (
                SELECT FROM unnest(coalesce(mailboxes, ARRAY[recip])) AS box (n)
                JOIN mesh.pending p ON p.recip = box.n AND p.prio = message.prio AND p.pos = message.pos
            ) AS is_waited_for
            FROM mesh.message WHERE pos > after ORDER BY pos
        LOOP
            IF m.at >= messages_before THEN
                IF m.at > present AND ahead < 8192 THEN
                    ahead := ahead + 1;
                    CONTINUE;
                END IF;
                young := m.pos;
                EXIT;
            ELSIF m.is_waited_for THEN
                waiting := waiting + 1;
            ELSE
                over := over || m.pos;
                IF m.key IS NOT NULL AND m.at >= keys_before THEN
                    tombs := tombs || m.pos;
                ELSIF m.key IS NOT NULL THEN
                    keys := keys || m.key;
                    key_positions := key_positions || m.pos;
                END IF;
            END IF;
            EXIT WHEN cardinality(over) >= size OR waiting >= 8192;
        END LOOP;
        after := (SELECT b.first - 1 FROM mesh.block b WHERE b.first > young ORDER BY b.first LIMIT 1);
    END LOOP;
    IF cardinality(over) > 0 OR cardinality(outlived) > 0 THEN
        INSERT INTO mesh.tombstone (pos, at, mesh, sender, key, recip, prio, target, cmid, fp, body, receipted)
        SELECT pos, at, mesh, sender, key, recip, prio, target, cmid, fp,
            mesh.digest(nonce, cipher, reply_to), receipted
        FROM mesh.message WHERE pos = ANY (tombs)
        ON CONFLICT DO NOTHING;
        PERFORM mesh.forget_keys(keys, key_positions);
        DELETE FROM mesh.tombstone WHERE pos = ANY (outlived);
        DELETE FROM mesh.message WHERE pos = ANY (over);
        DELETE FROM mesh.settled WHERE pos = ANY (over);
        DELETE FROM mesh.mention WHERE pos = ANY (over);
        DELETE FROM mesh.renamed r WHERE r.pos = ANY (over || outlived)
            AND NOT EXISTS (SELECT FROM mesh.tombstone t WHERE t.pos = r.pos);
        PERFORM mesh.forget_receipts(over || outlived);
        DELETE FROM mesh.block WHERE block.first < (
            SELECT max(b.first) FROM mesh.block b WHERE b.first <= least(
                (SELECT min(pos) FROM mesh.message), (SELECT min(pos) FROM mesh.tombstone)));
    END IF;
    DELETE FROM mesh.presence WHERE id = ANY (ARRAY(
        SELECT id FROM mesh.presence WHERE disconnected_at < mesh.stamp(messages_before)
        ORDER BY disconnected_at, id LIMIT size));
    GET DIAGNOSTICS presences = ROW_COUNT;
    DELETE FROM mesh.proof WHERE proof = ANY (ARRAY(
        SELECT proof FROM mesh.proof WHERE until < proofs_before ORDER BY until, proof LIMIT size));
    GET DIAGNOSTICS proofs = ROW_COUNT;
    RETURN jsonb_build_object('is', 'pruned', 'messages', cardinality(over), 'buried', cardinality(tombs),
        'tombstones', cardinality(outlived), 'presences', presences, 'proofs', proofs);
END $$;
