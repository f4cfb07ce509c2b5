-- What is kept of live topics (live protocol): publications within bounds, the latest value of every entity, keys of
-- idempotency, whose rights were taken back, and what other programs write for topics. Offsets have no gaps.

CREATE TABLE mesh.live_topic (
    n      bigint PRIMARY KEY,
    id     text NOT NULL UNIQUE,
    owner  integer, -- which broker serves it; NULL when none does
    epoch  bigint NOT NULL,
    stream text NOT NULL, -- what its offsets are called; another word means that something may be missing
    top    bigint NOT NULL, -- the last offset that was given out
    place  bigint NOT NULL, -- the last write that was given one
    fed    bigint NOT NULL  -- the last row of the feed among its publications
);

-- Topics that take rows of the feed: few of many.
CREATE INDEX live_topic_fed ON mesh.live_topic (n) WHERE fed > 0;

CREATE TABLE mesh.live_publication (
    topic     bigint NOT NULL,
    at_offset bigint NOT NULL,
    place     bigint NOT NULL, -- which write made it
    key       text,
    version   bigint,
    at        bigint NOT NULL,
    late      boolean NOT NULL,
    gone      boolean NOT NULL,
    body      text NOT NULL,
    PRIMARY KEY (topic, at_offset)
);

-- The latest value of every entity, or its removal.
CREATE TABLE mesh.live_entity (
    topic     bigint NOT NULL,
    key       text COLLATE "C" NOT NULL,
    at_offset bigint NOT NULL,
    version   bigint,
    at        bigint NOT NULL,
    gone      boolean NOT NULL,
    body      text NOT NULL,
    PRIMARY KEY (topic, key)
);

CREATE INDEX live_entity_gone ON mesh.live_entity (at, topic, key) WHERE gone;

CREATE TABLE mesh.live_key (
    topic       bigint NOT NULL,
    key         bytea NOT NULL,
    fingerprint bytea NOT NULL,
    at_offset   bigint NOT NULL,
    at          bigint NOT NULL,
    PRIMARY KEY (topic, key)
);

CREATE INDEX live_key_by_age ON mesh.live_key (at, topic, key);

CREATE TABLE mesh.live_revoked (
    name   text COLLATE "C" PRIMARY KEY,
    at     bigint NOT NULL,
    change bigint NOT NULL -- its place in the order in which they were written last
);

CREATE INDEX live_revoked_by_change ON mesh.live_revoked (change);

ALTER TABLE mesh.live_publication ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE mesh.live_entity ALTER COLUMN body SET STORAGE EXTERNAL;

-- Where other programs write for live topics.
CREATE TABLE mesh.live_feed (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic   text NOT NULL,
    key     text,
    version bigint,
    data    json NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX live_feed_by_topic ON mesh.live_feed (topic, id);

-- Rows become visible in the order of their ids: whoever writes holds the others up until the end of its transaction.
CREATE FUNCTION mesh.live_feed_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('mesh.live_feed'));
    RETURN NULL;
END $$;

CREATE TRIGGER in_order BEFORE INSERT ON mesh.live_feed
    FOR EACH STATEMENT EXECUTE FUNCTION mesh.live_feed_in_order();

CREATE FUNCTION mesh.live_feed_hint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('peermesh_live', '');
    RETURN NULL;
END $$;

CREATE TRIGGER hint AFTER INSERT ON mesh.live_feed FOR EACH STATEMENT EXECUTE FUNCTION mesh.live_feed_hint();

-- Performs one operation on a topic, if the broker is its owner under the epoch that the operation names.
CREATE FUNCTION mesh.perform_for_live(me integer, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    t bigint := (op ->> 'topic')::bigint;
BEGIN
    IF t IS NOT NULL AND NOT EXISTS (
        SELECT FROM mesh.live_topic WHERE n = t AND owner = me AND epoch = (op ->> 'epoch')::bigint)
    THEN
        RETURN '{"is": "live_lost"}';
    END IF;
    CASE op ->> 'what'
        WHEN 'claim' THEN RETURN mesh.claim_topic(me, op ->> 'id', op ->> 'stream', (op ->> 'at')::bigint);
        WHEN 'release' THEN
            UPDATE mesh.live_topic l SET owner = NULL
            FROM jsonb_to_recordset(op -> 'scopes') AS f (topic bigint, epoch bigint)
            WHERE l.n = f.topic AND l.epoch = f.epoch AND l.owner = me;
        WHEN 'append' THEN RETURN mesh.append_live(t, op);
        WHEN 'trim' THEN
            DELETE FROM mesh.live_publication WHERE topic = t AND at_offset <= (op ->> 'through')::bigint;
        WHEN 'revoke' THEN
            -- Whoever writes holds the others up, so that none becomes visible behind a later one.
            PERFORM pg_advisory_xact_lock(hashtext('mesh.live_revoked'));
            INSERT INTO mesh.live_revoked AS r (name, at, change)
            VALUES (op ->> 'user', (op ->> 'at')::bigint,
                (SELECT coalesce(max(change), 0) + 1 FROM mesh.live_revoked))
            ON CONFLICT (name) DO UPDATE SET at = greatest(r.at, excluded.at), change = excluded.change;
        WHEN 'prune' THEN
            RETURN jsonb_build_object('is', 'live_pruned', 'rows', mesh.prune_live(
                (op ->> 'keys_before')::bigint, (op ->> 'gone_before')::bigint, (op ->> 'limit')::bigint,
                op -> 'volatile'));
    END CASE;
    RETURN '{"is": "live_done"}';
END $$;

-- Makes a topic the broker's under a fresh epoch, unless it is another living one's.
CREATE FUNCTION mesh.claim_topic(me integer, of_id text, of_stream text, of_at bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    held record;
BEGIN
    INSERT INTO mesh.live_topic (n, id, epoch, stream, top, place, fed)
    VALUES ((SELECT coalesce(max(n), 0) + 1 FROM mesh.live_topic), of_id, 0, of_stream, 0, 0, 0)
    ON CONFLICT (id) DO NOTHING;
    -- The row is locked from here on, so of several that claim, one comes after the other.
    SELECT t.n, t.owner, t.epoch, t.stream, t.top, t.fed,
        b.ended_at IS NULL AND b.alive_until > clock_timestamp() AS is_alive INTO held
    FROM mesh.live_topic t LEFT JOIN mesh.broker b ON b.n = t.owner WHERE t.id = of_id FOR UPDATE OF t;
    IF held.owner IS DISTINCT FROM me AND (held.is_alive OR NOT mesh.stop_writes_of(held.owner)) THEN
        RETURN '{"is": "live_elsewhere"}';
    END IF;
    -- It may have come back while its last batch was awaited. Once it lives it asks whether its topics are its
    -- own, and what it was told must stay true.
    IF held.owner IS DISTINCT FROM me AND EXISTS (SELECT FROM mesh.broker b
        WHERE b.n = held.owner AND b.ended_at IS NULL AND b.alive_until > clock_timestamp())
    THEN
        RETURN '{"is": "live_elsewhere"}';
    END IF;
    UPDATE mesh.live_topic SET owner = me, epoch = held.epoch + 1 WHERE n = held.n;
    -- Keys of a time to come are of a clock that ran ahead.
    UPDATE mesh.live_key SET at = of_at WHERE topic = held.n AND at > of_at;
    RETURN jsonb_build_object('is', 'live_owned', 'topic', held.n, 'epoch', held.epoch + 1,
        'stream', held.stream, 'top', held.top, 'fed', held.fed);
END $$;

-- Keeps publications at the next offsets, all under one place.
CREATE FUNCTION mesh.append_live(t bigint, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    known record;
    o bigint;
    p bigint := (op ->> 'place')::bigint;
    r jsonb;
    is_late boolean;
    lates bigint[] := '{}';
    k bytea := decode(op ->> 'idempotency_key', 'hex');
BEGIN
    SELECT place INTO o FROM mesh.live_topic WHERE n = t;
    IF p <= o THEN
        SELECT max(x.at_offset) AS at_offset,
            coalesce(jsonb_agg(x.at_offset ORDER BY x.at_offset) FILTER (WHERE x.late), '[]') AS late
        INTO known FROM mesh.live_publication x WHERE x.topic = t AND x.place = p;
        IF known.at_offset IS NOT NULL THEN
            RETURN jsonb_build_object('is', 'live_appended', 'offset', known.at_offset, 'late', known.late);
        END IF;
    ELSIF op ->> 'fed' IS NOT NULL THEN
        -- A row of the feed is published behind the one before it and never without it.
        UPDATE mesh.live_topic SET fed = (op ->> 'fed')::bigint
        WHERE n = t AND fed >= (op ->> 'fed_after')::bigint AND fed < (op ->> 'fed')::bigint;
        IF NOT FOUND THEN
            RETURN jsonb_build_object('is', 'live_out_of_turn', 'fed',
                (SELECT fed FROM mesh.live_topic WHERE n = t));
        END IF;
    END IF;
    IF k IS NOT NULL THEN
        SELECT * INTO known FROM mesh.live_key WHERE topic = t AND key = k AND at >= (op ->> 'since')::bigint;
        IF FOUND THEN
            RETURN jsonb_build_object('is', 'live_repeated', 'key', encode(known.key, 'hex'),
                'fingerprint', encode(known.fingerprint, 'hex'), 'offset', known.at_offset, 'at', known.at);
        END IF;
    END IF;
    IF p <= o THEN
        RETURN '{"is": "live_appended", "offset": 0, "late": []}';
    END IF;
    UPDATE mesh.live_topic SET top = top + jsonb_array_length(op -> 'rows'), place = p WHERE n = t
    RETURNING top - jsonb_array_length(op -> 'rows') INTO o;
    FOR r IN SELECT value FROM jsonb_array_elements(op -> 'rows') LOOP
        o := o + 1;
        is_late := false;
        IF r ->> 'key' IS NOT NULL THEN
            INSERT INTO mesh.live_entity AS e (topic, key, at_offset, version, at, gone, body)
            VALUES (t, r ->> 'key', o, (r ->> 'version')::bigint, (r ->> 'at')::bigint, (r ->> 'gone')::boolean,
                r ->> 'body')
            ON CONFLICT (topic, key) DO UPDATE SET at_offset = excluded.at_offset, version = excluded.version,
                at = excluded.at, gone = excluded.gone, body = excluded.body
            WHERE e.version IS NULL OR excluded.version IS NULL OR excluded.version > e.version;
            is_late := NOT FOUND;
        END IF;
        IF is_late THEN
            lates := lates || o;
        END IF;
        INSERT INTO mesh.live_publication (topic, at_offset, place, key, version, at, late, gone, body)
        VALUES (t, o, p, r ->> 'key', (r ->> 'version')::bigint, (r ->> 'at')::bigint, is_late,
            (r ->> 'gone')::boolean, r ->> 'body');
    END LOOP;
    IF k IS NOT NULL THEN
        INSERT INTO mesh.live_key (topic, key, fingerprint, at_offset, at)
        VALUES (t, k, decode(op ->> 'fingerprint', 'hex'), o, (r ->> 'at')::bigint)
        ON CONFLICT (topic, key) DO UPDATE SET fingerprint = excluded.fingerprint, at_offset = excluded.at_offset,
            at = excluded.at;
    END IF;
    RETURN jsonb_build_object('is', 'live_appended', 'offset', o, 'late', to_jsonb(lates));
END $$;

-- Removes what is old, at most `size` rows of each kind, and tells of which most went. Rows of the feed go once they
-- stand among the publications of their topic, and without that where it lives in memory only: `rules` has pairs of a
-- pattern and whether it does, of which the first that fits a topic counts.
CREATE FUNCTION mesh.prune_live(keys_before bigint, gone_before bigint, size bigint, rules jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    gone_rows bigint;
    most bigint := 0;
BEGIN
    DELETE FROM mesh.live_key WHERE (topic, key) IN
        (SELECT topic, key FROM mesh.live_key WHERE at < keys_before ORDER BY at, topic, key LIMIT size);
    GET DIAGNOSTICS gone_rows = ROW_COUNT;
    most := greatest(most, gone_rows);
    DELETE FROM mesh.live_entity WHERE (topic, key) IN
        (SELECT topic, key FROM mesh.live_entity WHERE gone AND at < gone_before
         ORDER BY at, topic, key LIMIT size);
    GET DIAGNOSTICS gone_rows = ROW_COUNT;
    most := greatest(most, gone_rows);
    -- By topic, so that rows which wait for somebody to need their topic are not walked over every time.
    DELETE FROM mesh.live_feed WHERE id IN
        (SELECT old.id FROM mesh.live_topic t CROSS JOIN LATERAL
            (SELECT f.id, f.at FROM mesh.live_feed f WHERE f.topic = t.id AND f.id <= t.fed
             ORDER BY f.id LIMIT size) AS old
         WHERE t.fed > 0 AND old.at < to_timestamp(gone_before / 1000.0) LIMIT size);
    IF jsonb_array_length(rules) > 0 THEN
        DELETE FROM mesh.live_feed WHERE id IN
            (WITH RECURSIVE waiting (topic) AS
                ((SELECT topic FROM mesh.live_feed WHERE topic >= '' ORDER BY topic LIMIT 1)
                 UNION ALL
                 SELECT (SELECT f.topic FROM mesh.live_feed f WHERE f.topic > w.topic ORDER BY f.topic LIMIT 1)
                 FROM waiting w WHERE w.topic IS NOT NULL)
             SELECT old.id FROM waiting w CROSS JOIN LATERAL
                (SELECT f.id, f.at FROM mesh.live_feed f WHERE f.topic = w.topic ORDER BY f.id LIMIT size) AS old
             WHERE old.at < to_timestamp(gone_before / 1000.0) AND
                (SELECT (r.rule ->> 1)::boolean FROM jsonb_array_elements(rules) WITH ORDINALITY AS r (rule, n)
                 WHERE CASE WHEN right(r.rule ->> 0, 1) = '*' THEN starts_with(w.topic, left(r.rule ->> 0, -1))
                    ELSE w.topic = r.rule ->> 0 END
                 ORDER BY r.n LIMIT 1)
             LIMIT size);
    END IF;
    RETURN most;
END $$;
