-- Receipts: messages whose senders asked for one stand in a chain of their mesh.

-- The key of all brokers of this database that receipts are signed with.
CREATE TABLE mesh.signer (
    one     boolean PRIMARY KEY CHECK (one),
    public  text NOT NULL, -- hexadecimal
    sealed  text NOT NULL, -- the secret key, under the brokers' key file; hexadecimal
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The last receipt of each mesh. It stays when the receipt goes.
CREATE TABLE mesh.chain (
    mesh bigint PRIMARY KEY,
    n    bigint NOT NULL,
    link bytea NOT NULL
);

-- Numbered from 1 without a gap. Those from one commit share a signature, on the link of `ends`, and are
-- kept as long as one of their messages is known.
CREATE TABLE mesh.receipt (
    mesh     bigint NOT NULL,
    n        bigint NOT NULL,
    pos      bigint NOT NULL UNIQUE,
    ends     bigint NOT NULL,
    previous bytea NOT NULL, -- the link before its own
    link     bytea NOT NULL, -- SHA-256 of the previous one and of what is linked
    hash     bytea NOT NULL, -- SHA-256 of the content
    epoch    bytea NOT NULL, -- the history it was entered under
    content  text NOT NULL,  -- what it says, as canonical JSON
    PRIMARY KEY (mesh, n)
);

CREATE FUNCTION mesh.keep_signer(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mesh.signer (one, public, sealed) VALUES (true, op ->> 'public', op ->> 'sealed')
    ON CONFLICT DO NOTHING;
    RETURN (SELECT jsonb_build_object('is', 'signer', 'public', s.public, 'sealed', s.sealed)
        FROM mesh.signer s);
END $$;

-- Enters the receipts that a batch asks for: `of` has them in the order of positions, each with the drafts
-- for both ids its message may have. What is not kept as a message gets none, and what has one keeps it.
-- Tells each message's, in that order.
CREATE FUNCTION mesh.keep_receipts(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    item record;
    before bigint;
    head bytea;
    this bytea;
BEGIN
    FOR item IN
        SELECT i.mesh, i.pos, draft, i.place, row_number() OVER own AS rank,
            count(*) OVER (PARTITION BY i.batch, i.mesh) AS count
        FROM (
            SELECT (v ->> 'batch')::bigint AS batch, (v ->> 'mesh')::bigint AS mesh,
                (v ->> 'pos')::bigint AS pos, v AS wish, place,
                row_number() OVER (PARTITION BY v ->> 'pos' ORDER BY place) AS nth
            FROM jsonb_array_elements(op -> 'of') WITH ORDINALITY AS e (v, place)
        ) AS i
        CROSS JOIN LATERAL (SELECT CASE
            WHEN i.wish -> 'renamed' <> 'null' AND EXISTS (SELECT FROM mesh.renamed r WHERE r.pos = i.pos)
            THEN i.wish -> 'renamed' ELSE i.wish -> 'plain' END AS draft) AS d
        WHERE i.nth = 1 AND EXISTS (SELECT FROM mesh.message m WHERE m.pos = i.pos)
            AND NOT EXISTS (SELECT FROM mesh.receipt r WHERE r.pos = i.pos)
        WINDOW own AS (PARTITION BY i.batch, i.mesh ORDER BY i.place)
        ORDER BY i.batch, i.mesh, i.place
    LOOP
        IF item.rank = 1 THEN
            SELECT c.n, c.link INTO before, head FROM mesh.chain c WHERE c.mesh = item.mesh FOR UPDATE;
            IF NOT FOUND THEN
                before := 0;
                head := decode(repeat('00', 32), 'hex');
            END IF;
        END IF;
        this := sha256(head
            || convert_to((item.draft ->> 'head') || (before + item.rank)::text || '}', 'UTF8'));
        INSERT INTO mesh.receipt (mesh, n, pos, ends, previous, link, hash, epoch, content)
        VALUES (item.mesh, before + item.rank, item.pos,
            before + least((item.rank + 63) / 64 * 64, item.count), head, this,
            decode(item.draft ->> 'hash', 'hex'), decode(item.draft ->> 'epoch', 'hex'),
            item.draft ->> 'content');
        UPDATE mesh.message SET receipted = true WHERE pos = item.pos;
        head := this;
        IF item.rank = item.count THEN
            INSERT INTO mesh.chain (mesh, n, link) VALUES (item.mesh, before + item.count, head)
            ON CONFLICT (mesh) DO UPDATE SET n = excluded.n, link = excluded.link;
        END IF;
    END LOOP;
    RETURN (SELECT jsonb_build_object('is', 'receipts', 'of', jsonb_agg(jsonb_build_object(
            'renamed', EXISTS (SELECT FROM mesh.renamed r WHERE r.pos = (v ->> 'pos')::bigint),
            'receipt', mesh.receipt_at((v ->> 'pos')::bigint)) ORDER BY place))
        FROM jsonb_array_elements(op -> 'of') WITH ORDINALITY AS e (v, place));
END $$;

-- The receipt of a message: with the hashes of those behind it, to the one that is signed, and the link of
-- that.
CREATE FUNCTION mesh.receipt_at(of_pos bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('sequence', r.n, 'previous', encode(r.previous, 'hex'), 'content', r.content,
        'epoch', encode(r.epoch, 'hex'),
        'path', coalesce((SELECT jsonb_agg(encode(b.hash, 'hex') ORDER BY b.n) FROM mesh.receipt b
            WHERE b.mesh = r.mesh AND b.n > r.n AND b.n <= r.ends), '[]'),
        'end', (SELECT encode(e.link, 'hex') FROM mesh.receipt e WHERE e.mesh = r.mesh AND e.n = r.ends))
    FROM mesh.receipt r WHERE r.pos = of_pos
$$;

-- Forgets the receipts of messages that are not known any more, with all that share their signatures; one of
-- those that is known keeps them all.
CREATE FUNCTION mesh.forget_receipts(gone bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM mesh.receipt r
    USING (SELECT DISTINCT g.mesh, g.ends FROM mesh.receipt g WHERE g.pos = ANY (gone)) AS run
    WHERE r.mesh = run.mesh AND r.n > run.ends - 64 AND r.n <= run.ends AND r.ends = run.ends
        AND NOT EXISTS (
            SELECT FROM mesh.receipt o
            WHERE o.mesh = run.mesh AND o.n > run.ends - 64 AND o.n <= run.ends AND o.ends = run.ends
                AND (EXISTS (SELECT FROM mesh.message m WHERE m.pos = o.pos)
                    OR EXISTS (SELECT FROM mesh.tombstone t WHERE t.pos = o.pos)));
END $$;
