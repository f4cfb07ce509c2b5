//! Ends sessions whose process has ended.
//!
//! *Decides* by what the system says of a process, and by nothing that programs say: one that was there and
//! is gone has ended, and so has one whose number another process has since, which its start tells. A process
//! that was never found is in a place that the daemon does not see (another container): silence alone ends
//! its session.
//! *Does not* look itself: whoever carries the daemon does, at least every `session_look_ms`.

use super::Daemon;
use super::drain::After;
use super::sessions::{Session, Token};
use crate::machine::{Deadline, Outputs};
use crate::note::{Level, Note};
use crate::store::{KeptSession, OutboxOp};
use crate::time::Now;

/// What the system says of a process number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// No process of this user has it.
    Gone,
    /// A process has it. Its start, in whatever form the system tells it, tells it from others that had the
    /// same number or will; none where the system does not tell it.
    There(Option<Box<str>>),
    /// The system says nothing.
    Untold,
}

/// What is known of the process of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody has looked yet.
    #[default]
    Unlooked,
    /// It was not there at the first look.
    Never,
    /// It was there, and began then.
    There(Option<Box<str>>),
}

/// What a look makes of a session.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    /// It is remembered with what was seen.
    Remember(Seen),
    End(&'static str),
}

fn judge(seen: &Seen, found: &Process) -> Verdict {
    match (seen, found) {
        (Seen::Unlooked, Process::Gone) => Verdict::Remember(Seen::Never),
        (Seen::Unlooked | Seen::There(None), Process::There(start)) => {
            let is_news = *seen == Seen::Unlooked || start.is_some();
            if is_news { Verdict::Remember(Seen::There(start.clone())) } else { Verdict::Keep }
        }
        (Seen::There(_), Process::Gone) => Verdict::End("its process has ended"),
        (Seen::There(Some(had)), Process::There(Some(has))) if had != has => {
            Verdict::End("its process has ended, and another has its number")
        }
        // Whoever has the number by this time is not the process that registered.
        (Seen::Never, _)
        | (Seen::There(_), Process::There(_))
        | (Seen::Unlooked | Seen::There(_), Process::Untold) => Verdict::Keep,
    }
}

impl Daemon {
    /// Numbers of the processes of sessions that nobody has looked at yet. They should be looked at at once,
    /// for a process that ends before its first look is taken for one that cannot be seen.
    pub fn unlooked(&mut self) -> Vec<u32> {
        let is_news = std::mem::take(&mut self.has_unlooked);
        if !is_news {
            return Vec::new();
        }
        self.sessions.iter().filter(|session| session.seen == Seen::Unlooked).map(Session::pid).collect()
    }

    /// Numbers of the processes of all sessions.
    pub fn processes(&self) -> Vec<u32> {
        self.sessions.iter().map(Session::pid).collect()
    }

    /// Learns what the system says of processes. Sessions of those that have ended end, and the answer is
    /// when the daemon wants to be woken, as that of `handle`.
    #[must_use = "the machine must be woken at its deadline"]
    pub fn found(&mut self, now: Now, looks: &[(u32, Process)], todo: &mut Outputs) -> Option<Deadline> {
        let tokens: Vec<Token> = self.sessions.tokens();
        for token in tokens {
            let Some(session) = self.sessions.find(token) else { continue };
            let Some((_, process)) = looks.iter().find(|(pid, _)| *pid == session.pid()) else { continue };
            match judge(&session.seen, process) {
                Verdict::Keep => {}
                Verdict::Remember(seen) => self.remember(token, seen),
                Verdict::End(why) => self.end_gone(now, token, why, todo),
            }
        }
        self.note_untold(looks);
        self.end_turn(now, todo)
    }

    fn remember(&mut self, token: Token, seen: Seen) {
        let nonce = self.nonce();
        let Some(session) = self.sessions.find_mut(token) else { return };
        if seen == Seen::Never {
            let note = Note::new(Level::Warn, "session_process_unseen").with("pid", session.pid());
            self.notes.push(note.with("session", session.session_id.as_str()));
        }
        session.seen = seen;
        // The start is kept, so that a later run tells a number that was given away meanwhile.
        let about = session.kept(&self.config.meshes[session.mesh].signing_key(), nonce).into();
        self.stage_out(OutboxOp::KeepSession(KeptSession { token: token.hash(), about }), After::Settled);
    }

    fn end_gone(&mut self, now: Now, token: Token, why: &'static str, todo: &mut Outputs) {
        let Some(gone) = self.sessions.find(token) else { return };
        let note = Note::new(Level::Info, "session_ended").with("session", gone.session_id.as_str());
        self.notes.push(note.with("pid", gone.pid()).with("why", why));
        self.drop_session(now, token, todo);
    }

    /// Says once what the system does not tell.
    fn note_untold(&mut self, looks: &[(u32, Process)]) {
        if self.has_told_lack {
            return;
        }
        let lack = looks.iter().find_map(|(_, process)| match process {
            Process::Untold => Some("whether a process is there: silence alone ends sessions"),
            Process::There(None) => Some("when a process began: a number that is used again is not noticed"),
            Process::Gone | Process::There(Some(_)) => None,
        });
        if let Some(what) = lack {
            self.has_told_lack = true;
            self.notes.push(Note::new(Level::Warn, "processes_untold").with("what", what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(start: &str) -> Process {
        Process::There(Some(start.into()))
    }

    #[test]
    fn a_session_ends_with_its_process_and_with_nothing_else() {
        let seen = Seen::There(Some("a".into()));
        assert!(matches!(judge(&seen, &Process::Gone), Verdict::End(_)));
        assert!(matches!(judge(&seen, &there("b")), Verdict::End(why) if why.contains("another")));
        assert_eq!(judge(&seen, &there("a")), Verdict::Keep);
        assert_eq!(judge(&seen, &Process::There(None)), Verdict::Keep);
        assert_eq!(judge(&seen, &Process::Untold), Verdict::Keep);
        assert!(matches!(judge(&Seen::There(None), &Process::Gone), Verdict::End(_)));
    }

    #[test]
    fn a_process_that_is_not_seen_from_here_is_nobody_elses_either() {
        assert_eq!(judge(&Seen::Unlooked, &Process::Gone), Verdict::Remember(Seen::Never));
        assert_eq!(judge(&Seen::Never, &Process::Gone), Verdict::Keep);
        assert_eq!(judge(&Seen::Never, &there("b")), Verdict::Keep);
        assert_eq!(judge(&Seen::Unlooked, &Process::Untold), Verdict::Keep);
    }

    #[test]
    fn a_start_that_the_system_tells_later_is_kept_from_then_on() {
        let learned = Seen::There(Some("a".into()));
        assert_eq!(judge(&Seen::Unlooked, &there("a")), Verdict::Remember(learned.clone()));
        assert_eq!(judge(&Seen::There(None), &there("a")), Verdict::Remember(learned));
        assert_eq!(judge(&Seen::Unlooked, &Process::There(None)), Verdict::Remember(Seen::There(None)));
        assert_eq!(judge(&Seen::There(None), &Process::There(None)), Verdict::Keep);
    }
}
