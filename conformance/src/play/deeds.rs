//! What peers do.

use peermesh_core::machine::Listener;
use serde_json::json;

use crate::keys;
use crate::play::hello::{apply, hello};
use crate::play::line::Line;
use crate::play::{Player, forget};
use crate::story::act::{Deed, Greeting, Peer, Sending, Sight, Telling};
use crate::story::given::{Data, Given};
use crate::story::names::Place;
use crate::story::{Said, Told};

/// A nonce of 24 bytes; stories need no secrecy.
const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Player {
    pub(crate) fn act(&mut self, peer: &Peer, deed: &Deed) -> Told<()> {
        match deed {
            Deed::Dials(listener, from) => {
                self.make_way(peer)?;
                let line = self.stage.dial(*listener, *from)?;
                self.lines.insert(peer.clone(), Line::new(line));
                Ok(())
            }
            Deed::Runs(id, headers, status) => self.run_as(peer, id, headers, *status),
            Deed::Watches(path, headers, status) => self.watch(peer, path, headers, *status),
            Deed::Streams(target, headers) => self.stream(peer, target, headers),
            Deed::Posts(posting) => self.post(peer, posting),
            Deed::Asks(asking) => self.enquire(peer, asking),
            Deed::Rotates(rotating) => self.rotate(peer, rotating),
            Deed::Gets(status, pattern) => self.get(peer, *status, pattern.as_ref()),
            Deed::Opens(headers, status) => self.open(peer, headers, *status),
            Deed::Greets(greeting) => self.greet(peer, greeting),
            Deed::Repeats(whose) => {
                let text = self.hellos.get(whose).ok_or("nobody said hello there")?.clone();
                self.say_hello(peer, text)
            }
            Deed::Joins(mesh) => self.join(&peer.name, mesh, "member"),
            Deed::Sends(times, sending) => self.repeat(*times, |player| player.send(peer, sending)),
            Deed::Tells(telling) => self.tell(peer, telling),
            Deed::Sees(times, sight) => self.repeat(*times, |player| player.see(peer, sight)),
            Deed::Hears(text, pattern) => self.hear(peer, text, pattern.as_ref()),
            Deed::Acks(id) => self.ack(peer, id.as_deref()),
            Deed::Closes(code, reason) => self.close(peer, *code, reason),
            Deed::HangsUp => {
                let line = self.line(peer)?.id;
                self.stage.hang_up(line);
                Ok(())
            }
            Deed::Drops => {
                let line = self.lines.remove(peer).ok_or("it has no connection")?;
                forget(self.stage.as_mut(), line.id);
                Ok(())
            }
            Deed::Reads(reading) => {
                let line = self.line(peer)?.id;
                self.stage.set_reading(line, *reading);
                Ok(())
            }
            Deed::Answers(answers) => {
                self.line(peer)?.answers = *answers;
                Ok(())
            }
        }
    }

    /// Does something once, or several times with `$n` counting from 1.
    pub(crate) fn repeat(&mut self, times: u32, mut deed: impl FnMut(&mut Player) -> Told<()>) -> Told<()> {
        if times == 1 {
            return deed(self);
        }
        for n in 1..=times {
            self.names.set("n", n);
            deed(self).map_err(|Said(said)| Said(format!("the {n}th time: {said}")))?;
        }
        Ok(())
    }

    /// A peer whose stream is over may begin anew.
    pub(crate) fn make_way(&mut self, peer: &Peer) -> Told<()> {
        match self.lines.get(peer) {
            Some(line) if !line.is_over() => Err("it has a connection; a second one is called NAME#2".into()),
            _ => {
                if let Some(line) = self.lines.remove(peer) {
                    forget(self.stage.as_mut(), line.id);
                }
                Ok(())
            }
        }
    }

    fn open(&mut self, peer: &Peer, headers: &[(String, Given)], wanted: u16) -> Told<()> {
        let dialled = self.lines.get(peer).is_some_and(|line| !line.open && !line.is_over());
        if !dialled {
            self.act(peer, &Deed::Dials(Listener::Mesh, None))?;
        }
        let mut filled = Vec::new();
        for (name, value) in headers {
            filled.push((name.clone(), value.text(&self.names)?));
        }
        let (line, stage) = self.line_on_stage(peer)?;
        line.ask("/ws", &filled, stage);
        self.await_upgrade(peer, wanted)
    }

    pub(crate) fn await_upgrade(&mut self, peer: &Peer, wanted: u16) -> Told<()> {
        let status = self.until(self.stage.patience_ms(), |player| player.lines.get_mut(peer)?.answer())?;
        match status {
            Some(status) if status == wanted => Ok(()),
            Some(status) => Err(format!("wanted {wanted} for the upgrade, saw {status}").into()),
            None => Err(format!("no answer to the upgrade; {}", self.line(peer)?.shown()).into()),
        }
    }

    fn greet(&mut self, peer: &Peer, greeting: &Greeting) -> Told<()> {
        let now = self.stage.wall();
        // A signature is good for one hello, so no two may have the same time.
        self.stamp = now.max(self.stamp + 1);
        let text = hello(peer, greeting, &self.names, self.stamp, now)?;
        self.say_hello(peer, text)?;
        if !greeting.awaited {
            return Ok(());
        }
        self.see(peer, &Sight::Frame("hello_ack".to_owned(), None))?;
        let line = self.line(peer)?;
        match line.first.as_deref() {
            Some("hello_ack") => Ok(()),
            other => Err(format!("hello_ack must be the first frame after the hello, saw {other:?}").into()),
        }
    }

    fn say_hello(&mut self, peer: &Peer, text: String) -> Told<()> {
        let fresh = |line: &Line| line.open && !line.greeted && !line.is_over();
        if !self.lines.get(peer).is_some_and(fresh) {
            self.open(peer, &[], 101)?;
        }
        let (line, stage) = self.line_on_stage(peer)?;
        line.greeted = true;
        line.send_text(&text, stage);
        self.hellos.insert(peer.clone(), text);
        Ok(())
    }

    fn send(&mut self, peer: &Peer, sending: &Sending) -> Told<()> {
        match sending {
            Sending::Json(text) => {
                let text = self.names.fill(text, Place::Json)?;
                let (line, stage) = self.line_on_stage(peer)?;
                line.send_text(&text, stage);
            }
            Sending::Frame(spec, data) => {
                let payload = data.bytes(&self.names)?;
                let (line, stage) = self.line_on_stage(peer)?;
                line.send(spec, &payload, stage);
            }
            Sending::Bytes(data) => {
                let bytes = data.bytes(&self.names)?;
                let line = self.line(peer)?.id;
                self.stage.write(line, &bytes);
            }
        }
        Ok(())
    }

    fn tell(&mut self, peer: &Peer, telling: &Telling) -> Told<()> {
        self.ids += 1;
        let id = match &telling.id {
            Some(id) => self.names.fill(id, Place::Plain)?,
            None => format!("told-{}", self.ids),
        };
        let target = match Peer::parse(&telling.whom) {
            Ok(whom) => keys::public(&whom.identity()),
            Err(_) => self.names.fill(&telling.whom, Place::Plain)?,
        };
        let mut message = json!({
            "type": "send",
            "id": id,
            "client_message_id": id,
            "targetSpec": target,
            "priority": "next",
            "nonce": NONCE,
            "ciphertext": self.sealed(&telling.text)?,
        });
        apply(&telling.with, &mut message, &self.names, self.stage.wall())?;
        let (line, stage) = self.line_on_stage(peer)?;
        line.send_text(&message.to_string(), stage);
        Ok(())
    }

    /// What stands for a text on the wire. The broker cannot tell it from a sealed one.
    pub(crate) fn sealed(&self, text: &Data) -> Told<String> {
        Ok(data_encoding::BASE64.encode(&text.bytes(&self.names)?))
    }

    fn ack(&mut self, peer: &Peer, id: Option<&str>) -> Told<()> {
        let id = match id {
            Some(id) => self.names.fill(id, Place::Plain)?,
            None => self.heard.get(peer).ok_or("it heard nothing to acknowledge")?.clone(),
        };
        let ack = json!({"type": "client_ack", "brokerMessageId": id});
        let (line, stage) = self.line_on_stage(peer)?;
        line.send_text(&ack.to_string(), stage);
        Ok(())
    }

    fn close(&mut self, peer: &Peer, code: u16, reason: &str) -> Told<()> {
        let (line, stage) = self.line_on_stage(peer)?;
        line.send_close(code, reason, stage);
        let over = self.until(self.stage.patience_ms(), |player| {
            let line = player.lines.get(peer)?;
            (line.close.is_some() && line.ended).then_some(Ok(()))
        })?;
        over.ok_or("the broker does not say goodbye")?;
        self.lines.remove(peer);
        Ok(())
    }
}
