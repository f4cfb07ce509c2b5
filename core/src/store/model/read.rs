//! What every question means.

use std::ops::Bound;
use std::sync::Arc;

use super::write::cursor;
use super::{Member, Model};
use crate::ids::{MailboxNo, MeshId, MeshNo, Position};
use crate::store::{
    Cursor, Found, LaneCount, MemberRow, MentionRow, MeshLoad, MeshRow, Message, MessageView, NewMesh,
    OverdueRow, PendingRow, Priority, Query, Renamed, SessionRow,
};
use crate::time::Wall;

impl Model {
    pub(super) fn find(&self, query: &Query) -> Found {
        match query {
            Query::Runner(query) => Found::Runner(self.find_runner(query)),
            Query::Live(query) => Found::Live(self.find_live(query)),
            Query::Daemon(query) => Found::Daemon(self.daemon.find(query)),
            Query::Ping { .. } => Found::Alive(self.alive.clone()),
            Query::Mesh(id) => Found::Mesh(self.mesh_ids.get(id).map(|no| self.load(*no))),
            Query::FindMesh(name) => Found::MeshId(self.find_mesh(name)),
            Query::Meshes { after, limit } => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let page = self.meshes.range((from, Bound::Unbounded)).take(size(*limit));
                Found::Meshes(page.map(|(no, mesh)| self.mesh_row(*no, mesh)).collect())
            }
            Query::Invite(hash) => {
                Found::Invite(self.tokens.get(hash).and_then(|id| self.invites.get(id)).cloned())
            }
            Query::Pending { mailbox, priority, after, limit } => {
                Found::Pending(self.lane(*mailbox, *priority, *after, size(*limit)))
            }
            Query::Overdue { before, after, limit, .. } => {
                Found::Overdue(self.overdue(*before, *after, size(*limit)))
            }
            Query::Message(position) => Found::Message(self.view(*position)),
            Query::Mentions { member, after, limit } => {
                Found::Mentions(self.mentions_of(*member, *after, size(*limit)))
            }
            Query::Depth => Found::Depth(self.pending.len() as u64),
            Query::Check { at, limit } => Found::Checked(self.check(*at, size(*limit))),
            Query::Hooks { since, limit } => {
                let waiting = self.hooks.iter().filter(|hook| hook.applied_to.is_none());
                let fresh = waiting.map(|hook| &hook.row).filter(|row| row.at >= *since);
                Found::Hooks(fresh.take(size(*limit)).cloned().collect())
            }
        }
    }

    fn find_mesh(&self, name: &str) -> Option<MeshId> {
        if let Some(no) = self.slugs.get(name) {
            return self.meshes.get(no).map(|mesh| mesh.id.clone());
        }
        self.mesh_ids.get_key_value(&MeshId::new(name)).map(|(id, _)| id.clone())
    }

    fn load(&self, no: MeshNo) -> MeshLoad {
        let mut load = MeshLoad {
            mesh: self.mesh_row(no, &self.meshes[&no]),
            members: Vec::new(),
            former: Vec::new(),
            sessions: Vec::new(),
            queued: Vec::new(),
            renamed: Vec::new(),
        };
        for (&at, mailbox) in self.mailboxes.iter().filter(|(_, mailbox)| mailbox.mesh == no) {
            match self.members.get(&at) {
                Some(member) => load.members.push(self.member_row(at, member)),
                None => load.sessions.push(SessionRow {
                    no: at,
                    key: mailbox.key,
                    member: mailbox.member,
                    name: mailbox.name.clone(),
                }),
            }
            load.queued.extend(Priority::ALL.into_iter().filter_map(|priority| self.count(at, priority)));
        }
        let former = self.former.iter().filter(|((mesh, _), _)| *mesh == no);
        load.former = former.map(|(_, former)| *former).collect();
        load.former.sort_by_key(|former| (former.member, former.below));
        let renamed = self.renamed.iter().filter(|(_, renamed)| renamed.mesh == no);
        load.renamed = renamed.map(|(&position, renamed)| Renamed { position, old: renamed.old }).collect();
        load
    }

    fn mesh_row(&self, no: MeshNo, mesh: &NewMesh) -> MeshRow {
        let active = |member: &&Member| member.mesh == no && member.revoked_at.is_none();
        MeshRow {
            no,
            id: mesh.id.clone(),
            slug: mesh.slug.clone(),
            name: mesh.name.clone(),
            owner_key: mesh.owner_key,
            owner_secret_sealed: mesh.owner_secret_sealed.clone(),
            root_key_sealed: mesh.root_key_sealed.clone(),
            created_at: mesh.created_at,
            members: self.members.values().filter(active).count() as u64,
        }
    }

    fn member_row(&self, no: MailboxNo, member: &Member) -> MemberRow {
        MemberRow {
            no,
            id: member.id.clone(),
            key: self.mailboxes[&no].key,
            name: member.name.clone(),
            role: member.role,
            role_tag: member.role_tag.clone(),
            default_groups: member.default_groups.clone(),
            message_mode: member.message_mode.clone(),
            joined_at: member.joined_at,
            revoked_at: member.revoked_at,
            state: self.states.get(&no).cloned(),
        }
    }

    fn count(&self, mailbox: MailboxNo, priority: Priority) -> Option<LaneCount> {
        let mut count = LaneCount { mailbox, priority, messages: 0, bytes: 0 };
        for (cursor, _) in self.lane_after(mailbox, priority, Position::ZERO) {
            count.messages += 1;
            count.bytes += self.messages[&cursor.position].message.queued_bytes();
        }
        (count.messages > 0).then_some(count)
    }

    fn lane(&self, mailbox: MailboxNo, priority: Priority, after: Position, limit: usize) -> Vec<PendingRow> {
        self.lane_after(mailbox, priority, after)
            .take(limit)
            .map(|(at, tries)| PendingRow { tries, message: self.messages[&at.position].message.clone() })
            .collect()
    }

    fn lane_after(
        &self,
        mailbox: MailboxNo,
        priority: Priority,
        after: Position,
    ) -> impl Iterator<Item = (Cursor, u32)> {
        let first = Bound::Excluded(Cursor { mailbox, priority, position: after });
        let last = Bound::Included(Cursor { mailbox, priority, position: Position(u64::MAX) });
        self.pending.range((first, last)).map(|(cursor, tries)| (*cursor, *tries))
    }

    fn overdue(&self, before: Wall, after: Option<Cursor>, limit: usize) -> Vec<OverdueRow> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let waiting = self.pending.range((from, Bound::Unbounded)).map(|(cursor, _)| *cursor);
        let waiting = waiting.map(|cursor| (cursor, &self.messages[&cursor.position].message));
        let overdue = waiting.filter(|(_, message)| message.at < before).take(limit);
        overdue
            .map(|(cursor, message)| OverdueRow {
                cursor,
                mesh: self.meshes[&message.mesh].id.clone(),
                bytes: message.queued_bytes(),
            })
            .collect()
    }

    fn mentions_of(&self, member: MailboxNo, after: Position, limit: usize) -> Vec<MentionRow> {
        let page = (Bound::Excluded((member, after)), Bound::Included((member, Position(u64::MAX))));
        let messages = self.mentions.range(page).map(|(_, position)| &self.messages[position].message);
        let row = |message: &Arc<Message>| MentionRow {
            position: message.position,
            at: message.at,
            mesh: message.mesh,
            sender: message.sender,
            session: message.session,
            priority: message.priority,
            target: message.target.clone(),
        };
        messages.take(limit).map(row).collect()
    }

    fn view(&self, position: Position) -> Option<MessageView> {
        let kept = self.messages.get(&position)?;
        let mut mailboxes = kept.mailboxes.to_vec();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        let tries = |mailbox: &MailboxNo| self.pending.get(&cursor(&kept.message, *mailbox)).copied();
        let of_message = (position, MailboxNo(i64::MIN))..=(position, MailboxNo(i64::MAX));
        let settled = self.settled.range(of_message);
        Some(MessageView {
            message: kept.message.clone(),
            pending: mailboxes.iter().filter_map(|mailbox| Some((*mailbox, tries(mailbox)?))).collect(),
            settled: settled.map(|((_, mailbox), (at, outcome))| (*mailbox, *at, *outcome)).collect(),
        })
    }
}

fn size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
