-- What is written when somebody comes, goes or is administered: operations as JSON objects, named by `do`,
-- performed in order. Keys, hashes and secrets are hexadecimal, times Unix milliseconds. Each is idempotent
-- by its id.

CREATE FUNCTION mesh.perform_all(me integer, ops jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    op jsonb;
    replies jsonb[] := '{}';
BEGIN
    FOR op IN SELECT value FROM jsonb_array_elements(ops) LOOP
        replies := array_append(replies, mesh.perform(me, op));
    END LOOP;
    RETURN to_jsonb(replies);
END $$;

CREATE FUNCTION mesh.perform(me integer, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    CASE op ->> 'do'
        WHEN 'claim' THEN RETURN mesh.claim(me, op);
        WHEN 'release' THEN RETURN mesh.release(me, op);
        WHEN 'rename' THEN RETURN mesh.rename(op);
        WHEN 'receipts' THEN RETURN mesh.keep_receipts(op);
        WHEN 'keep_signer' THEN RETURN mesh.keep_signer(op);
        WHEN 'lease_positions' THEN RETURN mesh.lease_positions((op ->> 'count')::bigint);
        WHEN 'create_mesh' THEN RETURN mesh.create_mesh(op);
        WHEN 'create_invite' THEN RETURN mesh.create_invite(op);
        WHEN 'enrol' THEN RETURN mesh.enrol(op);
        WHEN 'set_revoked' THEN RETURN mesh.set_revoked(op);
        WHEN 'rotate' THEN RETURN mesh.rotate(op);
        WHEN 'prove' THEN RETURN mesh.prove(op);
        WHEN 'hello' THEN RETURN mesh.hello(op);
        WHEN 'end_presences' THEN RETURN mesh.end_presences(op);
        WHEN 'save_peer' THEN RETURN mesh.save_peer(op);
        WHEN 'keep_hook' THEN RETURN mesh.keep_hook(op);
        WHEN 'apply_hook' THEN RETURN mesh.apply_hook(op);
        WHEN 'runner' THEN RETURN mesh.perform_for_runner(me, op);
        WHEN 'live' THEN RETURN mesh.perform_for_live(me, op);
        WHEN 'prune' THEN
            RETURN mesh.prune((op ->> 'messages_before')::bigint, (op ->> 'keys_before')::bigint,
                (op ->> 'proofs_before')::bigint, (op ->> 'now')::bigint, (op ->> 'limit')::bigint);
    END CASE;
END $$;

-- Makes a mesh the broker's, unless it is a living one's. A broker is alive until its time is over or it is
-- known to have ended.
CREATE FUNCTION mesh.claim(me integer, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    target record;
    held record;
BEGIN
    SELECT n, owner_pubkey INTO target FROM mesh.mesh WHERE id = op ->> 'mesh';
    IF NOT FOUND THEN RETURN '{"is": "no_mesh"}'; END IF;
    IF op ? 'owner' AND target.owner_pubkey <> op ->> 'owner' OR op ? 'member' AND NOT EXISTS (
        SELECT FROM mesh.mailbox b
        WHERE b.mesh = target.n AND b.key = decode(op ->> 'member', 'hex') AND b.member = b.n)
        AND NOT mesh.is_former_key(target.n, decode(op ->> 'member', 'hex'))
    THEN
        RETURN '{"is": "stranger"}';
    END IF;
    -- The row is locked from here on, so of several that claim, one comes after the other.
    INSERT INTO mesh.scope (mesh, epoch) VALUES (target.n, 0) ON CONFLICT DO NOTHING;
    SELECT s.owner, s.epoch, b.ended_at IS NULL AND b.alive_until > clock_timestamp() AS is_alive INTO held
    FROM mesh.scope s LEFT JOIN mesh.broker b ON b.n = s.owner WHERE s.mesh = target.n FOR UPDATE OF s;
    IF held.owner IS DISTINCT FROM me THEN
        IF held.is_alive OR NOT mesh.stop_writes_of(held.owner) THEN
            RETURN '{"is": "owned_elsewhere"}';
        END IF;
        -- It may have come back while its last batch was awaited. Once it lives it asks whether its meshes are
        -- its own, and what it was told must stay true.
        IF EXISTS (SELECT FROM mesh.broker b
            WHERE b.n = held.owner AND b.ended_at IS NULL AND b.alive_until > clock_timestamp())
        THEN
            RETURN '{"is": "owned_elsewhere"}';
        END IF;
        held.epoch := held.epoch + 1;
        UPDATE mesh.scope SET owner = me, epoch = held.epoch WHERE mesh = target.n;
        UPDATE mesh.presence SET disconnected_at = mesh.stamp((op ->> 'at')::bigint)
        WHERE mesh = target.n AND disconnected_at IS NULL;
    END IF;
    RETURN jsonb_build_object('is', 'owned', 'epoch', held.epoch, 'free', (SELECT next FROM mesh.store));
END $$;

-- Waits until no batch of that broker is half way, and keeps it from beginning another before this
-- transaction ends. False when one takes too long.
CREATE FUNCTION mesh.stop_writes_of(broker integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF broker IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(1886221163, broker);
    END IF;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END $$;

CREATE FUNCTION mesh.release(me integer, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    UPDATE mesh.scope s SET owner = NULL
    FROM jsonb_to_recordset(op -> 'scopes') AS f (mesh bigint, epoch bigint)
    WHERE s.mesh = f.mesh AND s.epoch = f.epoch AND s.owner = me;
    RETURN '{"is": "done"}';
END $$;

CREATE FUNCTION mesh.lease_positions(count bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    lease record;
BEGIN
    UPDATE mesh.store SET next = next + count RETURNING next - count AS first, secret INTO lease;
    INSERT INTO mesh.block (first) VALUES (lease.first) ON CONFLICT DO NOTHING;
    RETURN jsonb_build_object('is', 'positions', 'first', lease.first, 'count', count,
        'secret', encode(lease.secret, 'hex'));
END $$;

CREATE FUNCTION mesh.create_mesh(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mesh.mesh (id, n, name, slug, owner_pubkey, owner_secret_key, root_key, created_at)
    SELECT op ->> 'id', mesh.next_number(max(n)), op ->> 'name', op ->> 'slug', op ->> 'owner_key',
        op ->> 'owner_secret', op ->> 'root_key', mesh.stamp((op ->> 'created_at')::bigint)
    FROM mesh.mesh
    ON CONFLICT DO NOTHING;
    RETURN mesh.inserted_or_existing(EXISTS (SELECT FROM mesh.mesh WHERE id = op ->> 'id'));
END $$;

-- A row that exists under its own id is the same write again; one that does not met another's unique name.
CREATE FUNCTION mesh.inserted_or_existing(is_ours boolean) RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN CASE WHEN is_ours THEN jsonb '{"is": "inserted"}' ELSE jsonb '{"is": "existing"}' END;

CREATE FUNCTION mesh.create_invite(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mesh.invite (id, mesh_id, token, max_uses, used_count, role, expires_at, created_at,
        revoked_at)
    VALUES (op ->> 'id', (SELECT id FROM mesh.mesh WHERE n = (op ->> 'mesh')::bigint), op ->> 'token_hash',
        (op ->> 'uses_max')::bigint, (op ->> 'uses')::bigint, (op ->> 'role')::mesh.role,
        mesh.stamp((op ->> 'expires_at')::bigint), mesh.stamp((op ->> 'created_at')::bigint),
        mesh.stamp((op ->> 'revoked_at')::bigint))
    ON CONFLICT DO NOTHING;
    RETURN mesh.inserted_or_existing(EXISTS (SELECT FROM mesh.invite WHERE id = op ->> 'id'));
END $$;

-- True for a key that a member of the mesh had before.
CREATE FUNCTION mesh.is_former_key(of_mesh bigint, of_key bytea) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM mesh.former_key f WHERE f.mesh = of_mesh AND f.key = of_key);

-- True for a key that somebody of the mesh has, or that a member had.
CREATE FUNCTION mesh.is_key_taken(of_mesh bigint, of_key bytea) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM mesh.mailbox b WHERE b.mesh = of_mesh AND b.key = of_key)
    OR mesh.is_former_key(of_mesh, of_key);

CREATE FUNCTION mesh.enrol(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    mailbox bigint;
    of_mesh bigint := op ->> 'mesh';
    of_key bytea := decode(op ->> 'key', 'hex');
BEGIN
    SELECT m.n INTO mailbox FROM mesh.member m WHERE m.id = op ->> 'id';
    IF FOUND THEN RETURN jsonb_build_object('is', 'enrolled', 'mailbox', mailbox); END IF;
    IF mesh.is_key_taken(of_mesh, of_key) THEN RETURN '{"is": "enrol_key_taken"}'; END IF;
    UPDATE mesh.invite SET used_count = used_count + 1 WHERE id = op ->> 'invite' AND used_count < max_uses;
    IF NOT FOUND THEN RETURN '{"is": "exhausted"}'; END IF;
    mailbox := mesh.open_mailbox(of_mesh, of_key, NULL, NULL);
    INSERT INTO mesh.member (id, n, mesh_id, peer_pubkey, display_name, role, joined_at)
    SELECT op ->> 'id', mailbox, g.id, op ->> 'key', op ->> 'name', (op ->> 'role')::mesh.role,
        mesh.stamp((op ->> 'at')::bigint)
    FROM mesh.mesh g WHERE g.n = of_mesh;
    RETURN jsonb_build_object('is', 'enrolled', 'mailbox', mailbox);
END $$;

-- Makes a mailbox; it is its own member's when `of_member` is NULL. The caller draws numbers (see the locks).
CREATE FUNCTION mesh.open_mailbox(of_mesh bigint, of_key bytea, of_member bigint, of_name text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    drawn bigint := mesh.next_number((SELECT max(n) FROM mesh.mailbox));
BEGIN
    INSERT INTO mesh.mailbox (n, mesh, key, member, name)
    VALUES (drawn, of_mesh, of_key, coalesce(of_member, drawn), of_name);
    RETURN drawn;
END $$;

CREATE FUNCTION mesh.set_revoked(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    UPDATE mesh.member SET revoked_at = mesh.stamp((op ->> 'at')::bigint) WHERE n = (op ->> 'member')::bigint;
    RETURN '{"is": "done"}';
END $$;

-- Puts another key in the place of a member's. What was done before is told again: `old` and `key` name it.
CREATE FUNCTION mesh.rotate(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    of_mesh bigint := op ->> 'mesh';
    of_member bigint := op ->> 'member';
    old_key bytea := decode(op ->> 'old', 'hex');
    new_key bytea := decode(op ->> 'key', 'hex');
    has_key bytea;
    former mesh.former_key;
    held record;
BEGIN
    SELECT b.key INTO has_key FROM mesh.mailbox b WHERE b.n = of_member;
    IF has_key = new_key THEN
        SELECT * INTO former FROM mesh.former_key f WHERE f.member = of_member ORDER BY f.below DESC LIMIT 1;
        IF former.key = old_key THEN RETURN mesh.rotated(former); END IF;
    END IF;
    IF has_key IS DISTINCT FROM old_key THEN RETURN '{"is": "rotation_stale"}'; END IF;
    IF mesh.is_key_taken(of_mesh, new_key) THEN RETURN '{"is": "rotation_key_taken"}'; END IF;
    SELECT count(*) AS keys, min(f.until) AS free_at INTO held FROM mesh.former_key f
    WHERE f.member = of_member AND f.until > (op ->> 'at')::bigint;
    IF held.keys >= (op ->> 'former_keys_max')::bigint THEN
        RETURN jsonb_build_object('is', 'rotation_full', 'free_at', held.free_at);
    END IF;
    INSERT INTO mesh.former_key (mesh, key, member, at, until, below)
    VALUES (of_mesh, old_key, of_member, (op ->> 'at')::bigint, (op ->> 'until')::bigint,
        (op ->> 'below')::bigint)
    RETURNING * INTO former;
    UPDATE mesh.mailbox SET key = new_key WHERE n = of_member;
    UPDATE mesh.member SET peer_pubkey = op ->> 'key' WHERE n = of_member;
    RETURN mesh.rotated(former);
END $$;

CREATE FUNCTION mesh.rotated(former mesh.former_key) RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object('is', 'rotated', 'key', encode((former).key, 'hex'), 'member', (former).member,
    'at', (former).at, 'until', (former).until, 'below', (former).below);

-- Uses up a proof. Of two brokers that are shown the same, the second waits for the first.
CREATE FUNCTION mesh.prove(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mesh.proof (proof, proof_by, until)
    VALUES (decode(op ->> 'proof', 'hex'), (op ->> 'by')::bigint, (op ->> 'until')::bigint)
    ON CONFLICT DO NOTHING;
    IF EXISTS (SELECT FROM mesh.proof p
        WHERE p.proof = decode(op ->> 'proof', 'hex') AND p.proof_by = (op ->> 'by')::bigint)
    THEN
        RETURN '{"is": "done"}';
    END IF;
    RETURN '{"is": "replayed"}';
END $$;

CREATE FUNCTION mesh.hello(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    of_proof bytea := decode(op ->> 'proof', 'hex');
    used_by bigint;
    mailbox bigint := op ->> 'member';
BEGIN
    -- Entered before anything else is looked at, so that of two brokers that are shown one proof, the second
    -- waits for the first.
    INSERT INTO mesh.proof (proof, proof_by, until) VALUES (of_proof, (op ->> 'proof_by')::bigint, 0)
    ON CONFLICT DO NOTHING;
    SELECT p.proof_by INTO used_by FROM mesh.proof p WHERE p.proof = of_proof;
    IF used_by <> (op ->> 'proof_by')::bigint THEN RETURN '{"is": "replayed"}'; END IF;
    IF op ? 'session_key' THEN
        mailbox := mesh.session_mailbox(op);
        IF mailbox IS NULL THEN
            -- A proof of a hello that does not stand is not used up; one from before would have a time.
            DELETE FROM mesh.proof WHERE proof = of_proof AND until = 0;
            RETURN '{"is": "key_taken"}';
        END IF;
    END IF;
    UPDATE mesh.proof SET until = (op ->> 'proof_until')::bigint WHERE proof = of_proof;
    RETURN jsonb_build_object('is', 'welcome', 'mailbox', mailbox,
        'hooked', CASE WHEN op ? 'presence' THEN mesh.begin_presence(mailbox, op, op -> 'presence') END);
END $$;

-- The mailbox of a session's key; NULL when the key is another member's or a member's own.
CREATE FUNCTION mesh.session_mailbox(op jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    of_mesh bigint := op ->> 'mesh';
    of_member bigint := op ->> 'member';
    of_key bytea := decode(op ->> 'session_key', 'hex');
    known record;
BEGIN
    SELECT b.n, b.member INTO known FROM mesh.mailbox b WHERE b.mesh = of_mesh AND b.key = of_key;
    IF NOT FOUND AND mesh.is_former_key(of_mesh, of_key) THEN RETURN NULL; END IF;
    IF NOT FOUND THEN RETURN mesh.open_mailbox(of_mesh, of_key, of_member, op ->> 'session_name'); END IF;
    IF known.member <> of_member OR known.n = known.member THEN RETURN NULL; END IF;
    IF op ->> 'session_name' IS NOT NULL THEN
        UPDATE mesh.mailbox SET name = op ->> 'session_name' WHERE n = known.n;
    END IF;
    RETURN known.n;
END $$;

-- Opens the presence. One that is made here takes all waiting hooks of its process and directory; one that
-- was there keeps what it took, and its mesh. Gives what the newest of them says, unless that is too old.
CREATE FUNCTION mesh.begin_presence(of_mailbox bigint, op jsonb, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    of_id text := p ->> 'id';
BEGIN
    UPDATE mesh.presence SET mailbox = of_mailbox, role = p ->> 'kind',
        session_id = p ->> 'session_id', session_pubkey = op ->> 'session_key', pid = (p ->> 'pid')::bigint,
        cwd = p ->> 'cwd', connected_at = mesh.stamp((p ->> 'connected_at')::bigint), disconnected_at = NULL
    WHERE id = of_id;
    IF NOT FOUND THEN
        INSERT INTO mesh.presence (id, mesh, mailbox, member_id, role, session_id, session_pubkey,
            display_name, pid, cwd, connected_at)
        VALUES (of_id, (op ->> 'mesh')::bigint, of_mailbox,
            (SELECT m.id FROM mesh.member m WHERE m.n = (op ->> 'member')::bigint), p ->> 'kind',
            p ->> 'session_id', op ->> 'session_key', op ->> 'session_name', (p ->> 'pid')::bigint,
            p ->> 'cwd', mesh.stamp((p ->> 'connected_at')::bigint));
        UPDATE mesh.pending_status h SET presence_id = of_id, applied_at = mesh.stamp((op ->> 'at')::bigint)
        WHERE md5(h.cwd) = md5(p ->> 'cwd') AND h.cwd = p ->> 'cwd' AND h.pid = (p ->> 'pid')::bigint
            AND h.presence_id IS NULL;
    END IF;
    RETURN (SELECT h.status FROM mesh.pending_status h
        WHERE h.presence_id = of_id AND h.created_at >= mesh.stamp((op ->> 'hooks_since')::bigint)
        ORDER BY h.n DESC LIMIT 1);
END $$;

CREATE FUNCTION mesh.end_presences(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    UPDATE mesh.presence SET disconnected_at = mesh.stamp((op ->> 'at')::bigint)
    WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text(op -> 'ids'))) AND disconnected_at IS NULL;
    RETURN '{"is": "done"}';
END $$;

CREATE FUNCTION mesh.save_peer(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mesh.peer_state AS s (mesh_id, member_id, groups, last_groups, profile, visible, last_summary,
        last_display_name, cumulative_stats, last_seen_at)
    SELECT m.mesh_id, m.id, op -> 'groups', op -> 'last_groups', op -> 'profile', (op ->> 'visible')::boolean,
        op ->> 'summary', op ->> 'display_name', op -> 'stats', mesh.stamp((op ->> 'last_seen')::bigint)
    FROM mesh.member m WHERE m.n = (op ->> 'member')::bigint
    ON CONFLICT (mesh_id, member_id) DO UPDATE SET groups = excluded.groups,
        last_groups = excluded.last_groups, profile = excluded.profile, visible = excluded.visible,
        last_summary = excluded.last_summary,
        last_display_name = excluded.last_display_name, cumulative_stats = excluded.cumulative_stats,
        last_seen_at = excluded.last_seen_at, updated_at = excluded.updated_at;
    RETURN '{"is": "done"}';
END $$;

CREATE FUNCTION mesh.keep_hook(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM mesh.pending_status WHERE created_at < mesh.stamp((op ->> 'stale_before')::bigint);
    INSERT INTO mesh.pending_status (id, pid, cwd, status, created_at)
    VALUES (op ->> 'id', (op ->> 'pid')::bigint, op ->> 'cwd', (op ->> 'status')::mesh.presence_status,
        mesh.stamp((op ->> 'at')::bigint))
    ON CONFLICT (id) DO NOTHING;
    RETURN '{"is": "done"}';
END $$;

CREATE FUNCTION mesh.apply_hook(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    taken_by text;
BEGIN
    UPDATE mesh.pending_status SET presence_id = coalesce(presence_id, op ->> 'presence'),
        applied_at = coalesce(applied_at, mesh.stamp((op ->> 'at')::bigint))
    WHERE id = op ->> 'hook' RETURNING presence_id INTO taken_by;
    IF taken_by = op ->> 'presence' THEN RETURN '{"is": "done"}'; END IF;
    RETURN '{"is": "existing"}';
END $$;
