-- Messages that mention somebody: one member's are one range of the key, in the order of positions.
CREATE TABLE mesh.mention (
    member bigint NOT NULL, -- the mailbox of its own key
    pos    bigint NOT NULL,
    PRIMARY KEY (member, pos)
);

-- They go with their message.
CREATE INDEX mention_of_message ON mesh.mention (pos);

-- What operators read of them. As in the other views, a message's id is its position.
CREATE VIEW mesh.mention_index AS
SELECT n.pos::text AS message_id, g.id AS mesh_id, r.id AS recipient_member_id, s.id AS sender_member_id,
    mesh.stamp(m.at) AS created_at
FROM mesh.mention n
JOIN mesh.message m ON m.pos = n.pos
LEFT JOIN mesh.mesh g ON g.n = m.mesh
LEFT JOIN mesh.member r ON r.n = n.member
LEFT JOIN mesh.member s ON s.n = m.sender;
