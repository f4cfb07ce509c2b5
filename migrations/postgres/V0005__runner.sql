-- What is kept for runners (runner protocol). Places (`seq`) grow with every event and command of a runner and are
-- never used twice. Bodies are JSON as it came; EXTERNAL keeps the server from compressing what is read back soon.

CREATE TABLE mesh.runner (
    n     bigint PRIMARY KEY,
    id    text NOT NULL UNIQUE,
    owner integer, -- which broker serves it; NULL when none does
    epoch bigint NOT NULL
);

-- Events that the target has not taken.
CREATE TABLE mesh.runner_event (
    runner       bigint NOT NULL,
    seq          bigint NOT NULL,
    id           text, -- what the runner calls it
    kind         text NOT NULL,
    at           bigint NOT NULL,
    sent         bigint NOT NULL,
    failed       bigint NOT NULL,
    failed_since bigint,
    body         text NOT NULL,
    PRIMARY KEY (runner, seq)
);

-- Ids of events that were accepted, taken or not; of those without one, names made of their places.
CREATE TABLE mesh.runner_seen (
    runner bigint NOT NULL,
    id     text COLLATE "C" NOT NULL,
    seq    bigint NOT NULL,
    at     bigint NOT NULL,
    PRIMARY KEY (runner, id)
);

CREATE INDEX runner_seen_by_age ON mesh.runner_seen (at, runner, id);

-- Events that are not sent any more.
CREATE TABLE mesh.runner_dead (
    runner       bigint NOT NULL,
    seq          bigint NOT NULL,
    id           text,
    kind         text NOT NULL,
    at           bigint NOT NULL,
    sent         bigint NOT NULL,
    failed       bigint NOT NULL,
    failed_since bigint,
    died         bigint NOT NULL,
    why          text NOT NULL,
    status       integer, -- what the target answered last
    body         text NOT NULL,
    PRIMARY KEY (runner, seq)
);

CREATE INDEX runner_dead_by_age ON mesh.runner_dead (died, runner, seq);

-- Commands that wait for a runner that is away.
CREATE TABLE mesh.runner_command (
    runner  bigint NOT NULL,
    seq     bigint NOT NULL,
    id      text NOT NULL,
    expires bigint NOT NULL,
    body    text NOT NULL,
    PRIMARY KEY (runner, seq)
);

-- Keys of idempotency, and what their callers were told.
CREATE TABLE mesh.runner_key (
    runner      bigint NOT NULL,
    key         bytea NOT NULL,
    fingerprint bytea NOT NULL,
    command     text NOT NULL,
    at          bigint NOT NULL,
    status      integer, -- NULL while nobody knows
    answer      text,
    PRIMARY KEY (runner, key)
);

CREATE INDEX runner_key_by_age ON mesh.runner_key (at, runner, key);

ALTER TABLE mesh.runner_event ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE mesh.runner_dead ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE mesh.runner_command ALTER COLUMN body SET STORAGE EXTERNAL;

-- Performs one operation on a runner, if the broker is its owner under the epoch that the operation names.
CREATE FUNCTION mesh.perform_for_runner(me integer, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    r bigint := (op ->> 'runner')::bigint;
    s bigint := (op ->> 'seq')::bigint;
BEGIN
    IF r IS NOT NULL AND NOT EXISTS (
        SELECT FROM mesh.runner WHERE n = r AND owner = me AND epoch = (op ->> 'epoch')::bigint)
    THEN
        RETURN '{"is": "runner_lost"}';
    END IF;
    CASE op ->> 'what'
        WHEN 'claim' THEN RETURN mesh.claim_runner(me, op ->> 'id');
        WHEN 'release' THEN
            UPDATE mesh.runner t SET owner = NULL
            FROM jsonb_to_recordset(op -> 'scopes') AS f (runner bigint, epoch bigint)
            WHERE t.n = f.runner AND t.epoch = f.epoch AND t.owner = me;
        WHEN 'accept' THEN RETURN mesh.accept_event(r, s, op);
        WHEN 'tried' THEN
            UPDATE mesh.runner_event SET sent = (op ->> 'sent')::bigint, failed = (op ->> 'failed')::bigint,
                failed_since = (op ->> 'failed_since')::bigint
            WHERE runner = r AND seq = s;
        WHEN 'taken' THEN DELETE FROM mesh.runner_event WHERE runner = r AND seq = s;
        WHEN 'bury' THEN
            WITH gone AS (DELETE FROM mesh.runner_event WHERE runner = r AND seq = s RETURNING *)
            INSERT INTO mesh.runner_dead
                (runner, seq, id, kind, at, sent, failed, failed_since, died, why, status, body)
            SELECT runner, seq, id, kind, at, sent, failed, failed_since, (op ->> 'at')::bigint, op ->> 'why',
                (op ->> 'status')::integer, body
            FROM gone ON CONFLICT DO NOTHING;
        WHEN 'requeue' THEN RETURN mesh.requeue_event(r, s, (op ->> 'to')::bigint, (op ->> 'at')::bigint);
        WHEN 'begin' THEN RETURN mesh.begin_command(r, op);
        WHEN 'answered' THEN
            UPDATE mesh.runner_key SET status = (op ->> 'status')::integer, answer = op ->> 'answer'
            WHERE runner = r AND key = decode(op ->> 'key', 'hex');
        WHEN 'forget' THEN DELETE FROM mesh.runner_key WHERE runner = r AND key = decode(op ->> 'key', 'hex');
        WHEN 'queue' THEN
            INSERT INTO mesh.runner_command (runner, seq, id, expires, body)
            VALUES (r, s, op ->> 'id', (op ->> 'expires')::bigint, op ->> 'body') ON CONFLICT DO NOTHING;
            RETURN '{"is": "runner_inserted"}';
        WHEN 'unqueue' THEN DELETE FROM mesh.runner_command WHERE runner = r AND seq = s;
        WHEN 'prune' THEN
            RETURN jsonb_build_object('is', 'runner_pruned', 'rows',
                mesh.prune_runners((op ->> 'before')::bigint, (op ->> 'limit')::bigint));
    END CASE;
    RETURN '{"is": "runner_done"}';
END $$;

-- Makes a runner the broker's under a fresh epoch, unless it is another living one's.
CREATE FUNCTION mesh.claim_runner(me integer, of_id text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    held record;
BEGIN
    INSERT INTO mesh.runner (n, id, epoch)
    VALUES (mesh.next_number((SELECT max(n) FROM mesh.runner)), of_id, 0) ON CONFLICT (id) DO NOTHING;
    -- The row is locked from here on, so of several that claim, one comes after the other.
    SELECT t.n, t.owner, t.epoch, b.ended_at IS NULL AND b.alive_until > clock_timestamp() AS is_alive INTO held
    FROM mesh.runner t LEFT JOIN mesh.broker b ON b.n = t.owner WHERE t.id = of_id FOR UPDATE OF t;
    IF held.owner IS DISTINCT FROM me AND (held.is_alive OR NOT mesh.stop_writes_of(held.owner)) THEN
        RETURN '{"is": "runner_elsewhere"}';
    END IF;
    -- It may have come back while its last batch was awaited. Once it lives it asks whether its runners are its
    -- own, and what it was told must stay true.
    IF held.owner IS DISTINCT FROM me AND EXISTS (SELECT FROM mesh.broker b
        WHERE b.n = held.owner AND b.ended_at IS NULL AND b.alive_until > clock_timestamp())
    THEN
        RETURN '{"is": "runner_elsewhere"}';
    END IF;
    UPDATE mesh.runner SET owner = me, epoch = held.epoch + 1 WHERE n = held.n;
    RETURN jsonb_build_object('is', 'runner_owned', 'runner', held.n, 'epoch', held.epoch + 1,
        'events', (SELECT count(*) FROM mesh.runner_event WHERE runner = held.n),
        'bytes', (SELECT coalesce(sum(octet_length(body)), 0) FROM mesh.runner_event WHERE runner = held.n),
        'commands', (SELECT count(*) FROM mesh.runner_command WHERE runner = held.n));
END $$;

CREATE FUNCTION mesh.accept_event(r bigint, s bigint, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    first bigint;
BEGIN
    INSERT INTO mesh.runner_seen (runner, id, seq, at) VALUES (r, op ->> 'known_as', s, (op ->> 'at')::bigint)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT seq INTO first FROM mesh.runner_seen WHERE runner = r AND id = op ->> 'known_as';
        RETURN CASE WHEN first = s THEN '{"is": "runner_inserted"}' ELSE '{"is": "runner_known"}' END;
    END IF;
    INSERT INTO mesh.runner_event (runner, seq, id, kind, at, sent, failed, failed_since, body)
    VALUES (r, s, op ->> 'id', op ->> 'kind', (op ->> 'at')::bigint, (op ->> 'sent')::bigint,
        (op ->> 'failed')::bigint, (op ->> 'failed_since')::bigint, op ->> 'body')
    ON CONFLICT DO NOTHING;
    RETURN '{"is": "runner_inserted"}';
END $$;

CREATE FUNCTION mesh.requeue_event(r bigint, s bigint, place bigint, now bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    e record;
BEGIN
    SELECT * INTO e FROM mesh.runner_event WHERE runner = r AND seq = place;
    IF NOT FOUND THEN
        DELETE FROM mesh.runner_dead WHERE runner = r AND seq = s RETURNING * INTO e;
        IF NOT FOUND THEN RETURN '{"is": "runner_missing"}'; END IF;
        INSERT INTO mesh.runner_event (runner, seq, id, kind, at, sent, failed, failed_since, body)
        VALUES (r, place, e.id, e.kind, now, 0, 0, NULL, e.body);
        SELECT * INTO e FROM mesh.runner_event WHERE runner = r AND seq = place;
    END IF;
    RETURN jsonb_build_object('is', 'runner_requeued', 'seq', e.seq, 'id', e.id, 'kind', e.kind, 'at', e.at,
        'sent', e.sent, 'failed', e.failed, 'failed_since', e.failed_since, 'body', e.body);
END $$;

CREATE FUNCTION mesh.begin_command(r bigint, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    known record;
BEGIN
    INSERT INTO mesh.runner_key (runner, key, fingerprint, command, at)
    VALUES (r, decode(op ->> 'key', 'hex'), decode(op ->> 'fingerprint', 'hex'), op ->> 'command',
        (op ->> 'at')::bigint)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN RETURN '{"is": "runner_inserted"}'; END IF;
    SELECT * INTO known FROM mesh.runner_key WHERE runner = r AND key = decode(op ->> 'key', 'hex');
    RETURN jsonb_build_object('is', 'runner_begun', 'key', encode(known.key, 'hex'),
        'fingerprint', encode(known.fingerprint, 'hex'), 'command', known.command, 'at', known.at,
        'status', known.status, 'answer', known.answer);
END $$;

-- Removes what is old, at most `size` rows of each kind, and tells of which most went.
CREATE FUNCTION mesh.prune_runners(before bigint, size bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
    most bigint := 0;
BEGIN
    DELETE FROM mesh.runner_seen WHERE (runner, id) IN
        (SELECT runner, id FROM mesh.runner_seen WHERE at < before ORDER BY at, runner, id LIMIT size);
    GET DIAGNOSTICS gone = ROW_COUNT;
    most := greatest(most, gone);
    DELETE FROM mesh.runner_key WHERE (runner, key) IN
        (SELECT runner, key FROM mesh.runner_key WHERE at < before ORDER BY at, runner, key LIMIT size);
    GET DIAGNOSTICS gone = ROW_COUNT;
    most := greatest(most, gone);
    DELETE FROM mesh.runner_dead WHERE (runner, seq) IN
        (SELECT runner, seq FROM mesh.runner_dead WHERE died < before ORDER BY died, runner, seq LIMIT size);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN greatest(most, gone);
END $$;
