//! Lets sessions begin and end, with everything that is theirs: sockets, streams of events, and what is kept
//! of them for the next run.
//!
//! *Always holds:* what is told to be kept outlives the daemon. A session that has ended has no socket and no
//! stream.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::drain::After;
use super::outbox::Answer;
use super::send::refused;
use super::sessions::{self, Registration, Session, Token};
use super::{Daemon, LaneKey, Timer};
use crate::config::size;
use crate::ids::ConnId;
use crate::machine::Outputs;
use crate::note::{Level, Note};
use crate::store::{DaemonFound, Ended, Found, KeptSession, OutboxOp};
use crate::time::Now;

impl Daemon {
    /// Takes a session up. Its program is answered once it is known whether the next run will know it too.
    pub(super) fn register(
        &mut self,
        now: Now,
        conn: ConnId,
        body: &Value,
        todo: &mut Outputs,
    ) -> Result<(), Answer> {
        let registration = sessions::read(body, |slug| self.mesh_of(slug), &self.bounds, now)?;
        let Registration { token, session, presence_flaw } = registration;
        if let Some(flaw) = presence_flaw {
            let note = Note::new(Level::Warn, "session_presence_dropped").with("why", flaw);
            self.notes.push(note.with("session", session.session_id.as_str()));
        }
        let (all, most) = (self.sessions.len() + self.estates.len(), size(self.bounds.sessions_max()));
        // Whoever takes the place of another needs no room, but may leave something of that one behind.
        let room = if self.sessions.like(token, &session).is_empty() { most } else { 2 * most };
        if all >= room {
            return Err(Answer::error(429, "too_many_sessions"));
        }
        self.keep_estates_again();
        let key = session.public_key().map(|key| LaneKey { mesh: session.mesh, session: Some(key) });
        let persona = session.persona();
        let nonce = self.nonce();
        let about = session.kept(&self.config.meshes[session.mesh].signing_key(), nonce).into();
        let mut replaced = Vec::new();
        for (gone_token, gone) in self.sessions.add(token, session) {
            if gone_token != token {
                replaced.push(gone_token.hash());
                self.end_streams_of(now, gone_token, todo);
            }
            let same = gone.public_key().map(|key| LaneKey { mesh: gone.mesh, session: Some(key) });
            if same != key {
                self.bequeath(now, gone, todo);
            }
        }
        if let (Some(key), Some(persona)) = (key, persona) {
            self.drop_estate(key);
            // Whoever registers anew greets anew: its name and groups may be others.
            self.drop_uplink(now, key, todo);
            self.dial(now, key, Some(persona));
        }
        self.show_streams_anew(token);
        self.has_unlooked = true;
        self.arm_sessions();
        self.forget_sessions(replaced);
        let body = json!({
            "ok": true, "registered_at": now.wall.as_millis(), "presence_accepted": key.is_some(),
        });
        let kept = KeptSession { token: token.hash(), about };
        self.stage_out(OutboxOp::KeepSession(kept), After::Registered(conn, body));
        Ok(())
    }

    /// Whether a session is kept is known. One that is not lives for as long as this run does.
    pub(super) fn registered(
        &mut self,
        now: Now,
        conn: ConnId,
        mut body: Value,
        ended: &Ended,
        todo: &mut Outputs,
    ) {
        let is_kept = matches!(ended, Ended::Done(_));
        if let Ended::Refused(error) = ended {
            self.notes.push(Note::new(Level::Error, "session_not_kept").with("error", error.to_string()));
        }
        body["kept"] = is_kept.into();
        self.answer(now, conn, &Answer::new(200, body), todo);
    }

    /// Ends a session because its program says so, and answers once the next run does not know it either.
    pub(super) fn unregister(
        &mut self,
        now: Now,
        conn: ConnId,
        shown: &str,
        todo: &mut Outputs,
    ) -> Result<(), Answer> {
        let token = Token::read(shown).ok_or_else(|| Answer::error(400, "invalid token"))?;
        let was_there = self.sessions.find(token).is_some();
        let body = json!({ "ok": was_there, "token_prefix": shown[..8].to_ascii_lowercase() });
        let answer = Answer::new(if was_there { 200 } else { 404 }, body);
        self.drop_session(now, token, todo);
        self.keep_estates_again();
        // The last word on it: what stands in the batch before it is as durable. One that is not known may
        // still stand on disk, where an earlier word could not be written.
        self.stage_out(OutboxOp::DropSessions(vec![token.hash()]), After::Unregistered(conn, answer));
        Ok(())
    }

    pub(super) fn unregistered(
        &mut self,
        now: Now,
        conn: ConnId,
        answer: Answer,
        ended: &Ended,
        todo: &mut Outputs,
    ) {
        let answer = match ended {
            Ended::Refused(error) => refused(error),
            Ended::Done(_) | Ended::Found(_) => answer,
        };
        self.answer(now, conn, &answer, todo);
    }

    /// Ends a session with everything that is its own, where there is one.
    pub(super) fn drop_session(&mut self, now: Now, token: Token, todo: &mut Outputs) {
        if let Some(gone) = self.sessions.remove(token) {
            self.forget_sessions(vec![token.hash()]);
            self.end_streams_of(now, token, todo);
            self.bequeath(now, gone, todo);
        }
        self.arm_sessions();
    }

    /// The member of a mesh has another key: what is kept of its sessions is sealed with that one.
    pub(super) fn seal_sessions_anew(&mut self, mesh: usize) {
        let member = self.config.meshes[mesh].signing_key();
        for token in self.sessions.of_mesh(mesh) {
            let nonce = self.nonce();
            let kept = self.sessions.find(token).map(|session| session.kept(&member, nonce));
            if let Some(about) = kept.map(Into::into) {
                let kept = KeptSession { token: token.hash(), about };
                self.stage_out(OutboxOp::KeepSession(kept), After::Settled);
            }
            self.show_streams_anew(token);
        }
        let left: Vec<LaneKey> = self.estates.keys().filter(|key| key.mesh == mesh).copied().collect();
        left.into_iter().for_each(|key| self.keep_estate(key));
    }

    /// Ends the sessions that were silent for too long.
    pub(super) fn expire_sessions(&mut self, now: Now, todo: &mut Outputs) {
        // Whoever listens is there, though it asks nothing.
        for token in self.events.tokens() {
            self.sessions.touch(token, now.mono);
        }
        for (token, session_id) in self.sessions.silent(now.mono, self.bounds.session_idle_ms()) {
            self.notes.push(Note::new(Level::Info, "session_expired").with("session", session_id));
            self.drop_session(now, token, todo);
        }
        self.arm_sessions();
    }

    pub(super) fn forget_sessions(&mut self, tokens: Vec<[u8; 32]>) {
        if !tokens.is_empty() {
            self.keep_estates_again();
            self.stage_out(OutboxOp::DropSessions(tokens), After::Settled);
        }
    }

    /// The sessions of an earlier run are known: each gets its socket again, and so does what others left.
    pub(super) fn restore_sessions(&mut self, now: Now, ended: Ended, todo: &mut Outputs) {
        let Ended::Found(found) = ended else {
            // Who does not know them must not judge their tokens.
            return self.timers.arm(Timer::Restore, now.mono.after_millis(self.bounds.drain_poll_ms()));
        };
        let Found::Daemon(DaemonFound::Sessions(rows)) = *found else { return };
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        let mut persisted = 0_u64;
        for KeptSession { token, about } in rows {
            let about: Value = serde_json::from_str(&about).unwrap_or_default();
            let mesh = about.get("mesh").and_then(Value::as_str).and_then(|slug| self.mesh_of(slug));
            let session = mesh.and_then(|mesh| {
                Session::restored(&about, mesh, &self.config.meshes[mesh], &self.bounds, now)
            });
            if about.get("ended") == Some(&Value::Bool(true)) {
                left.extend(session);
                continue;
            }
            persisted += 1;
            kept.extend(session.map(|session| (Token::of_hash(token), session)));
        }
        let revived = self.revive(now, kept, &mut left);
        left.into_iter().for_each(|session| self.restore_estate(now, session));
        // What a former key sealed is lost with it.
        let changed: Vec<usize> =
            self.attached().filter(|mesh| !self.config.meshes[*mesh].former.is_empty()).collect();
        changed.into_iter().for_each(|mesh| self.seal_sessions_anew(mesh));
        self.arm_sessions();
        let note = Note::new(Level::Info, "sessions_rehydrated").with("revived", revived);
        self.notes.push(note.with("persisted", persisted));
        self.sessions.is_known = true;
        self.serve_early(now, todo);
    }

    /// Gives each session of an earlier run its socket again; says how many there were. An older one of the
    /// same id or key was replaced, though the store refused to say so: it has left what it had.
    fn revive(&mut self, now: Now, mut kept: Vec<(Token, Session)>, left: &mut Vec<Session>) -> u64 {
        kept.sort_by_key(|(_, session)| Reverse(session.registered_at));
        let (mut revived, mut replaced) = (0, Vec::new());
        for (token, session) in kept {
            if !self.sessions.like(token, &session).is_empty() {
                replaced.push(token.hash());
                left.push(session);
                continue;
            }
            if let (Some(key), Some(persona)) = (session.public_key(), session.persona()) {
                let key = LaneKey { mesh: session.mesh, session: Some(key) };
                self.dial(now, key, Some(persona));
            }
            self.sessions.add(token, session);
            self.has_unlooked = true;
            revived += 1;
        }
        self.forget_sessions(replaced);
        revived
    }

    fn arm_sessions(&mut self) {
        match self.sessions.deadline(self.bounds.session_idle_ms()) {
            Some(at) => self.timers.arm(Timer::Sessions, at),
            None => self.timers.disarm(Timer::Sessions),
        }
    }
}
