//! A town to be steered by a program instead of a story: the same peers on the same stage, one deed at a
//! time.

use std::collections::BTreeMap;
use std::mem;

use peermesh_core::note::{Level, Note};
use serde_json::Value;

use crate::driver::core::Memory;
use crate::driver::{LIVE_SECRET, Stage};
use crate::play::hello::hello;
use crate::play::{Player, forget, record, shown};
use crate::story::act::{Changes, Deed, Fate, Greeting, Mood, Peer, Sharing};
use crate::story::given::Given;
use crate::story::names::Names;
use crate::story::{Terms, Told};

/// A broker on a stage, and peers that do what they are told.
#[allow(missing_debug_implementations, reason = "its stage holds machines")]
pub struct Town {
    pub(super) player: Player,
}

impl Town {
    /// A broker in memory, as these terms want it.
    ///
    /// # Errors
    /// When the terms are no configuration.
    pub fn new(terms: &Terms) -> Told<Town> {
        Ok(Town::on(Box::new(Memory::new(terms)?), terms))
    }

    /// The same on a stage that was made by these terms.
    pub fn on(stage: Box<dyn Stage>, terms: &Terms) -> Town {
        let player = Player {
            stage,
            names: Names::default(),
            lines: BTreeMap::new(),
            hellos: BTreeMap::new(),
            asked: Vec::new(),
            heard: BTreeMap::new(),
            notes: Vec::new(),
            pardoned: terms.errors.clone(),
            judged: 0,
            stamp: 0,
            ids: 0,
        };
        Town { player }
    }

    /// Makes a mesh and enrols its members.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn make_mesh(&mut self, name: &str, members: &[&str]) -> Told<()> {
        let members: Vec<_> =
            members.iter().map(|member| ((*member).to_owned(), "member".to_owned())).collect();
        self.player.names.set("admin", crate::driver::ADMIN_TOKEN);
        self.player.make_mesh(name, &members)
    }

    /// Opens a connection and says hello on it; whether the broker agrees shows in what arrives.
    ///
    /// # Errors
    /// When the peer has a connection, or there is no upgrade.
    pub fn greet(&mut self, peer: &Peer, legacy: bool) -> Told<()> {
        let (with, then) = (Changes::default(), Changes::default());
        self.player.act(peer, &Deed::Greets(Greeting { legacy, awaited: false, with, then }))
    }

    /// Opens a connection to live topics with the operator's token.
    ///
    /// # Errors
    /// When the peer has a connection, or there is no upgrade.
    pub fn watch(&mut self, peer: &Peer) -> Told<()> {
        let token = Given::Quoted(format!("Bearer {LIVE_SECRET}"));
        self.player.watch(peer, "/", &[("Authorization".to_owned(), token)], 101)
    }

    /// A counter or a gauge of the metrics page; none when there is no such line yet.
    ///
    /// # Errors
    /// When there is no page.
    pub fn metric(&mut self, series: &str) -> Told<Option<u64>> {
        self.player.metric(series)
    }

    /// Code and reason of the close frame that came, if one did.
    pub fn close_of(&self, peer: &Peer) -> Option<(u16, String)> {
        self.player.lines.get(peer)?.close.clone()
    }

    /// A hello that a peer could say right now, on a connection that is not of this town.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn hello(&mut self, peer: &Peer) -> Told<String> {
        let player = &mut self.player;
        let greeting =
            Greeting { legacy: false, awaited: false, with: Changes::default(), then: Changes::default() };
        player.stamp = player.stage.wall().max(player.stamp + 1);
        hello(peer, &greeting, &player.names, player.stamp, player.stamp)
    }

    /// Sends one message. One without a connection says nothing.
    pub fn send(&mut self, peer: &Peer, message: &Value) {
        if let Ok((line, stage)) = self.player.line_on_stage(peer) {
            line.send_text(&message.to_string(), stage);
        }
    }

    /// Cuts a connection.
    pub fn cut(&mut self, peer: &Peer) {
        if let Some(line) = self.player.lines.remove(peer) {
            forget(self.player.stage.as_mut(), line.id);
        }
    }

    /// Stops and resumes taking bytes from a connection.
    pub fn set_reading(&mut self, peer: &Peer, reading: bool) {
        if let Ok((line, stage)) = self.player.line_on_stage(peer) {
            stage.set_reading(line.id, reading);
        }
    }

    /// Takes what arrived on a connection, system events left out, in order.
    pub fn take(&mut self, peer: &Peer) -> Vec<Value> {
        self.player.pump();
        let Ok(line) = self.player.line(peer) else { return Vec::new() };
        line.events.clear();
        mem::take(&mut line.frames).into()
    }

    /// True once a connection has ended or is ending, or when there is none.
    pub fn is_gone(&self, peer: &Peer) -> bool {
        self.player.lines.get(peer).is_none_or(|line| line.ended || line.close.is_some())
    }

    /// What the broker did on a connection that no broker may do.
    pub fn broken(&self, peer: &Peer) -> Option<String> {
        self.player.lines.get(peer)?.broken.as_ref().map(|said| said.0.clone())
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// When the broker is gone, or spins.
    pub fn wait(&mut self, millis: u64) -> Told<()> {
        self.player.wait(millis)?;
        self.player.judge()
    }

    /// Ends the broker, in good order or in the middle of things, and starts it again. All connections end.
    ///
    /// # Errors
    /// When it does not end, or does not start.
    pub fn restart(&mut self, crash: bool) -> Told<()> {
        self.player.meet(if crash { Fate::Crash } else { Fate::Restart })
    }

    /// Tells the broker to drain, no more.
    pub fn drain(&mut self) {
        self.player.stage.drain();
    }

    /// Changes the store's mood.
    pub fn set_mood(&mut self, mood: Mood) {
        self.player.stage.set_mood(mood);
    }

    /// Moves the broker's wall clock.
    ///
    /// # Errors
    /// When this stage has the host's clock.
    pub fn jump(&mut self, millis: i64) -> Told<()> {
        self.player.stage.jump(millis)
    }

    /// Lets another broker that shares the store do something; meshes by their names.
    ///
    /// # Errors
    /// When it cannot.
    pub fn share(&mut self, sharing: &Sharing) -> Told<()> {
        self.player.share(sharing)
    }

    /// What the last log record of that name says in a field.
    pub fn noted(&self, message: &str, field: &str) -> Option<Value> {
        let note = self.player.notes.iter().rfind(|note| note.msg == message)?;
        Some(record(note)[field].clone())
    }

    /// How many log records of that name there are.
    pub fn count_notes(&self, message: &str) -> usize {
        self.player.notes.iter().filter(|note| note.msg == message).count()
    }

    /// Ends the broker and its stage.
    ///
    /// # Errors
    /// When it does not end in good order.
    pub fn end(self) -> Told<()> {
        self.player.stage.end()
    }

    /// The last log records, for a person.
    pub fn last_notes(&self, count: usize) -> String {
        let notes = &self.player.notes[self.player.notes.len().saturating_sub(count)..];
        notes.iter().filter(|note| note.level != Level::Trace).map(line_of).collect()
    }
}

fn line_of(note: &Note) -> String {
    format!("      | {}\n", shown(note))
}
