//! The end of a life: faults stop, what waits is delivered, and every promise is judged.

use std::mem;

use peermesh_conformance::keys;
use peermesh_conformance::story::Told;
use peermesh_conformance::story::act::Peer;
use serde_json::{Value, json};

use crate::eyes::{Key, member_of, text};
use crate::life::{IDENTITIES, LEASE_MS, Life};

/// How long anything may take that must happen while all is well, in milliseconds.
const PATIENCE_MS: u64 = 10_000;
/// Resends of accepted keys while nothing may be spent.
const RESENDS: usize = 40;

impl Life {
    /// A connection that is welcome.
    pub(crate) fn greet_until_welcome(&mut self, name: &'static str) -> Told<()> {
        let mut left_ms = PATIENCE_MS;
        loop {
            let peer = self.peer(name);
            self.town.cut(&peer);
            self.greet(name)?;
            for _ in 0..50 {
                self.town.wait(5)?;
                left_ms = left_ms.saturating_sub(5);
                self.look_at(name)?;
                if self.peers[name].welcome {
                    return Ok(());
                }
            }
            // The store may have to be found again.
            if left_ms == 0 {
                return Err(format!("{name} is not let in though all is well").into());
            }
        }
    }

    /// Faults stop: everybody is there, idle and answers.
    pub(crate) fn make_peace(&mut self) -> Told<()> {
        self.note("peace".to_owned());
        self.heal()?;
        self.town.wait(500)?;
        self.look()?;
        for name in IDENTITIES {
            self.greet_until_welcome(name)?;
            let peer = self.peer(name);
            self.town.send(&peer, &json!({"type": "set_status", "status": "idle"}));
        }
        self.settle()
    }

    /// Everybody takes what comes, until nothing comes any more.
    fn settle(&mut self) -> Told<()> {
        let mut quiet = 0;
        while quiet < 6 {
            quiet += 1;
            self.town.wait(LEASE_MS)?;
            self.look()?;
            for name in IDENTITIES {
                let peer = self.peer(name);
                let Some(mind) = self.peers.get_mut(name) else { continue };
                for (id, _) in mem::take(&mut mind.unacked) {
                    quiet = 0;
                    if !name.ends_with("tty") {
                        self.town.send(&peer, &json!({"type": "client_ack", "brokerMessageId": id}));
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn judge(&mut self) -> Told<()> {
        for (key, id) in self.eyes.ids() {
            let status = json!({"type": "message_status", "messageId": id, "_reqId": id});
            let status = self.ask(&status, |frame| frame["_reqId"] == *id)?;
            self.eyes.judge(&key, &status, &self.by_key)?;
        }
        self.judge_store()?;
        self.judge_budget()?;
        // What counts as queued is gone, too.
        let bob = self.peer("bob");
        self.town.cut(&bob);
        self.greet("bob")?;
        let bob = self.peer("bob");
        for _ in 0..PATIENCE_MS / 5 {
            self.town.wait(5)?;
            match self.town.take(&bob).first() {
                Some(ack) if ack["type"] == "hello_ack" && ack["queued"] == 0 => return Ok(()),
                None => {}
                other => return Err(format!("{} still has mail: {other:?}", member_of("bob")).into()),
            }
        }
        Err("bob is not let in".into())
    }

    /// Every key has one message, every message its key, and there are no others (I2, I15). A check that
    /// finds rows that do not agree logs an error, for which every life fails.
    fn judge_store(&mut self) -> Told<()> {
        // One that is running has begun before the peace.
        let wanted = self.town.count_notes("keys checked") + 2;
        for _ in 0..PATIENCE_MS / 50 {
            if self.town.count_notes("keys checked") >= wanted {
                break;
            }
            self.town.wait(50)?;
        }
        let noted = |field| self.town.noted("keys checked", field).unwrap_or_default();
        let (keys, messages) = (noted("keys"), noted("messages"));
        let fits = |stored: usize| keys == stored && messages == stored;
        if noted("complete") != true || keys != messages || !self.eyes.stored().is_none_or(fits) {
            let stored = self.eyes.stored();
            return Err(format!("{keys} keys, {messages} messages, {stored:?} that were heard of").into());
        }
        Ok(())
    }

    /// Resends of what was accepted leave the whole budget to what comes next (I14).
    fn judge_budget(&mut self) -> Told<()> {
        let Some(burst) = self.burst else { return Ok(()) };
        let known: Vec<_> =
            self.eyes.ids().into_iter().map(|(key, _)| key).filter(|(sender, _)| sender == "ann").collect();
        if known.is_empty() {
            return Ok(());
        }
        // The budget fills by five sends a second.
        self.town.wait(burst * 200 + 100)?;
        for n in 0..RESENDS {
            let key = &known[n % known.len()];
            let again = self.eyes.sent[key].first();
            let ack = self.ask_to_send(key, again)?;
            if ack["duplicate"] != true {
                return Err(format!("{n}: a resend is answered {ack}").into());
            }
        }
        for n in 0..burst {
            let id = format!("last-{n}");
            let last = json!({"type": "send", "id": id, "client_message_id": id, "priority": "now",
                "targetSpec": keys::public("bob"), "nonce": "", "ciphertext": "bGFzdA=="});
            let key = ("ann".to_owned(), id);
            self.eyes.begins(&key, "bob", [last.clone(), last]);
            let ack = self.ask_to_send(&key, 0)?;
            // One that was answered late is a duplicate when it comes again.
            if ack["queued"] != true {
                return Err(format!("after {RESENDS} resends, the {n}. message gets {ack}").into());
            }
        }
        self.settle()
    }

    fn ask_to_send(&mut self, key: &Key, meaning: usize) -> Told<Value> {
        let Peer { number, .. } = self.peer("ann");
        let frame = self.eyes.sends(("ann".to_owned(), number), key, meaning);
        let (frame, _) = frame.ok_or_else(|| format!("{key:?} was never sent"))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let ack = self.ask(&frame, |answer| answer["type"] == "ack" && answer["id"] == frame["id"])?;
            // On a busy machine a store may take longer than these lives let an answer take.
            let is_late = text(&ack, "error").starts_with("retry: store_down");
            if !is_late || tries > 200 {
                return Ok(ack);
            }
            self.town.wait(20)?;
        }
    }

    /// Asks for something as Ann, and gives the answer.
    fn ask(&mut self, question: &Value, is_answer: impl Fn(&Value) -> bool) -> Told<Value> {
        let ann = self.peer("ann");
        self.town.send(&ann, question);
        let mut seen = Vec::new();
        for _ in 0..PATIENCE_MS {
            self.town.wait(1)?;
            let frames = self.town.take(&ann);
            frames.iter().try_for_each(|frame| self.hear("ann", frame))?;
            seen.extend(frames);
            if let Some(answer) = seen.iter().find(|frame| is_answer(frame)) {
                return Ok(answer.clone());
            }
        }
        Err(format!("no answer to {question}: {seen:?}").into())
    }
}
