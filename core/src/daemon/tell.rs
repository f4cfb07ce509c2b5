//! What programs of the host want told to brokers: what a mesh is to know or to forget, and how a member is.
//!
//! *Decides* what its program is answered: that it is done once every broker has said so, what was refused
//! and why, and that nobody can tell where a broker says nothing.
//! *Always holds:* what a broker refused, or was not told, is not said to be done.

use serde_json::{Value, json};

use super::outbox::Answer;
use super::uplink::Uplink;
use super::{Call, Daemon, LaneKey};
use crate::ids::ConnId;
use crate::machine::Outputs;
use crate::time::Now;

/// The word for a broker that said nothing.
pub(super) const UNREACHABLE: &str = "broker_unreachable";

/// Something for the broker of a mesh.
#[derive(Debug)]
pub(super) struct Word {
    mesh: usize,
    message: Value,
    /// The fields of a request that it carries.
    fields: Vec<String>,
}

impl Word {
    pub(super) fn new(mesh: usize, message: Value, fields: &[&str]) -> Word {
        Word { mesh, message, fields: fields.iter().map(|name| (*name).to_owned()).collect() }
    }
}

/// A word that a broker has not answered.
#[derive(Debug)]
pub(super) struct Hearing {
    telling: u64,
    fields: Vec<String>,
}

/// All words of one request.
#[derive(Debug)]
pub(super) struct Telling {
    conn: ConnId,
    /// The answer when everything is done.
    done: Value,
    /// Words without an answer.
    open: usize,
    /// Fields that brokers took.
    applied: Vec<String>,
    /// A broker said nothing.
    is_unsure: bool,
    /// The first that was not done.
    failure: Option<Answer>,
}

impl Daemon {
    /// Tells brokers something; `done` is the answer once they have done it.
    pub(super) fn tell_brokers(
        &mut self,
        now: Now,
        conn: ConnId,
        done: Value,
        words: Vec<Word>,
        todo: &mut Outputs,
    ) {
        self.told += 1;
        let telling = self.told;
        let open = words.len();
        let begun = Telling { conn, done, open, applied: Vec::new(), is_unsure: false, failure: None };
        self.tellings.insert(telling, begun);
        for Word { mesh, message, fields } in words {
            let member = LaneKey { mesh, session: None };
            let call = Call::Tell(Hearing { telling, fields });
            let told = self.with_uplink(now, member, todo, |uplink, cx| uplink.call(message, call, cx));
            if told.is_none_or(|unheard| unheard.is_some()) {
                let away = self.away(mesh, "nothing was changed");
                self.word_ended(now, telling, Err(away), todo);
            }
        }
        if open == 0 {
            self.finish_telling(now, telling, todo);
        }
    }

    /// A broker answered a word, or did not.
    pub(super) fn hearing_ended(
        &mut self,
        now: Now,
        key: LaneKey,
        hearing: &Hearing,
        answer: Option<&Value>,
        todo: &mut Outputs,
    ) {
        let is_open = self.uplinks.get(&key).is_some_and(Uplink::is_open);
        let outcome = match answer {
            Some(answer) => self.refusal(key.mesh, answer).map_or(Ok(true), Err),
            // Deployed brokers do some of this without a word.
            None if is_open => Ok(false),
            None => Err(self.away(key.mesh, "whether it was done is not known")),
        };
        if let (Some(telling), Ok(_)) = (self.tellings.get_mut(&hearing.telling), &outcome) {
            telling.applied.extend(hearing.fields.iter().cloned());
        }
        self.word_ended(now, hearing.telling, outcome, todo);
    }

    /// Whether a word was done and confirmed, or the answer to its program.
    fn word_ended(&mut self, now: Now, place: u64, outcome: Result<bool, Answer>, todo: &mut Outputs) {
        let Some(telling) = self.tellings.get_mut(&place) else { return };
        telling.open = telling.open.saturating_sub(1);
        match outcome {
            Ok(is_sure) => telling.is_unsure |= !is_sure,
            Err(failure) => _ = telling.failure.get_or_insert(failure),
        }
        if telling.open == 0 {
            self.finish_telling(now, place, todo);
        }
    }

    fn finish_telling(&mut self, now: Now, place: u64, todo: &mut Outputs) {
        let Some(Telling { conn, mut done, mut applied, is_unsure, failure, .. }) =
            self.tellings.remove(&place)
        else {
            return;
        };
        let answer = match failure {
            Some(mut failure) => {
                if done.get("applied").is_some() {
                    applied.sort_unstable();
                    applied.dedup();
                    failure.body["applied"] = json!(applied);
                }
                failure
            }
            None => {
                done["confirmed"] = (!is_unsure).into();
                Answer::new(200, done)
            }
        };
        self.answer(now, conn, &answer, todo);
    }

    /// What a program is answered where a broker refused.
    pub(super) fn refusal(&self, mesh: usize, answer: &Value) -> Option<Answer> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        text("type").filter(|kind| *kind == "error")?;
        let code = text("code").unwrap_or("refused");
        // The broker understood, and the request is what is wrong; else it is the broker that cannot.
        let status = if matches!(code, "invalid_argument" | "bad_request") { 400 } else { 502 };
        let slug = self.config.meshes[mesh].slug.as_str();
        Some(Answer::new(status, json!({ "error": code, "detail": text("message"), "mesh": slug })))
    }

    /// What a program is answered where a broker said nothing.
    pub(super) fn away(&self, mesh: usize, what: &str) -> Answer {
        let slug = self.config.meshes[mesh].slug.as_str();
        let detail = format!("the broker of {slug} is away; {what}");
        Answer::new(502, json!({ "error": UNREACHABLE, "detail": detail, "mesh": slug }))
    }
}
