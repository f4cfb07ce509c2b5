//! Lives a story on a stage, step by step, and says in words for a person where it went otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;

use peermesh_core::note::{Level, Note};
use serde_json::{Map, Value};

use crate::driver::{ADMIN_TOKEN, LIVE_SECRET, LineId, RUNNER_SECRET, Stage};
use crate::keys;
use crate::play::line::Line;
use crate::story::act::{Act, Fate, Peer, Sharing};
use crate::story::names::{Names, Place};
use crate::story::{Said, Step, Story, Told};

mod asks;
mod deeds;
mod hello;
mod line;
mod lives;
mod runners;
mod sights;
pub mod town;
mod web;
mod world;

/// Log records shown with a failure.
const LAST_NOTES: usize = 12;

/// Where a story went otherwise.
#[derive(Debug)]
pub struct Failure {
    path: PathBuf,
    line: usize,
    step: String,
    said: String,
    notes: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { path, line, step, said, notes } = self;
        write!(f, "{}:{line}: {step}\n    {}", path.display(), said.replace('\n', "\n    "))?;
        for note in notes {
            write!(f, "\n      | {note}")?;
        }
        Ok(())
    }
}

/// Lives a story on a stage, and ends the stage.
///
/// # Errors
/// The first step that did not come out as told.
pub fn play(story: &Story, stage: Box<dyn Stage>) -> Result<(), Failure> {
    let mut player = Player {
        stage,
        names: Names::default(),
        lines: BTreeMap::new(),
        hellos: BTreeMap::new(),
        asked: Vec::new(),
        heard: BTreeMap::new(),
        notes: Vec::new(),
        pardoned: story.terms.errors.clone(),
        judged: 0,
        stamp: 0,
        ids: 0,
    };
    player.names.set("admin", ADMIN_TOKEN);
    player.names.set("secret", RUNNER_SECRET);
    player.names.set("live", LIVE_SECRET);
    for step in &story.steps {
        if let Err(said) = player.step(step) {
            return Err(player.fail(story, step, said));
        }
    }
    let Some(last) = story.steps.last() else { return Ok(()) };
    match player.finish() {
        Ok(()) => Ok(()),
        Err((said, notes)) => Err(failure(story, last, said, &notes)),
    }
}

/// What a story has come to.
struct Player {
    stage: Box<dyn Stage>,
    names: Names,
    lines: BTreeMap<Peer, Line>,
    /// The last hello of each peer, as sent.
    hellos: BTreeMap<Peer, String>,
    /// The bytes of the last request that anybody signed.
    asked: Vec<u8>,
    /// The message that each peer heard last.
    heard: BTreeMap<Peer, String>,
    /// All log records.
    notes: Vec<Note>,
    /// Error records that the story expects.
    pardoned: Vec<String>,
    /// How many log records were looked at for errors.
    judged: usize,
    /// The last hello's time, so that no two are signed for the same moment.
    stamp: i64,
    /// Numbers messages that the story gives no id.
    ids: u32,
}

impl Player {
    fn step(&mut self, step: &Step) -> Told<()> {
        self.pump();
        match &step.act {
            Act::Let(name, data, signer) => {
                let text = data.text(&self.names)?;
                let text = match signer {
                    Some(signer) => keys::sign(&keys::pair(signer), &text),
                    None => text,
                };
                self.names.set(name, text);
                Ok(())
            }
            Act::Mesh(name, members) => self.make_mesh(name, members),
            Act::Wait(millis) => self.wait(*millis),
            Act::ClockJumps(millis) => self.stage.jump(*millis),
            Act::Broker(fate) => self.meet(*fate),
            Act::Store(mood) => {
                self.stage.set_mood(*mood);
                Ok(())
            }
            Act::Share(sharing) => self.share(sharing),
            Act::Within(row) => {
                let row = self.fed(row)?;
                self.stage.publish(row)
            }
            Act::Feed(times, row) => self.repeat(*times, |player| player.feed(row)),
            Act::Http(exchange) => self.exchange(exchange),
            Act::Runners(exchange) => self.exchange_with_runners(exchange),
            Act::Live(exchange) => self.exchange_live(exchange),
            Act::Token(name, user, millis, rights) => self.make_token(name, user, *millis, rights),
            Act::Target(act) => self.at_target(act),
            Act::Raw(sent, answer) => self.exchange_raw(sent, answer),
            Act::Metric(series, value) => self.see_metric(series, value),
            Act::Log(wanted, message, pattern) => self.see_log(*wanted, message, pattern.as_ref()),
            Act::Peer(peer, deed) => self.act(peer, deed),
        }?;
        self.pump();
        self.judge()
    }

    fn share(&mut self, sharing: &Sharing) -> Told<()> {
        let id = |name: &String| self.names.fill(&format!("${name}.id"), Place::Plain);
        let sharing = match sharing {
            Sharing::Takes(name) => Sharing::Takes(id(name)?),
            Sharing::Robs(name) => Sharing::Robs(id(name)?),
            Sharing::Dies
            | Sharing::TakesRunner(_)
            | Sharing::RobsRunner(_)
            | Sharing::RobsTopic(_)
            | Sharing::Repeats { .. }
            | Sharing::Keeps { .. }
            | Sharing::Applies { .. }
            | Sharing::Mislays
            | Sharing::MislaysPublication(_)
            | Sharing::Says { .. } => sharing.clone(),
        };
        self.stage.share(&sharing)
    }

    fn wait(&mut self, millis: u64) -> Told<()> {
        let until = self.stage.now() + millis;
        while self.stage.step(until)? {
            self.pump();
        }
        Ok(())
    }

    fn meet(&mut self, fate: Fate) -> Told<()> {
        match fate {
            Fate::Drain => {
                self.stage.drain();
                return Ok(());
            }
            Fate::Restart | Fate::Copy | Fate::Restore => self.stage.drain(),
            Fate::Crash => self.stage.cut(),
        }
        let over =
            self.until(3 * self.stage.patience_ms(), |player| player.stage.is_over().then_some(Ok(())))?;
        over.ok_or("the broker does not end")?;
        self.lines.values_mut().for_each(|line| line.past = true);
        match fate {
            Fate::Copy => self.stage.copy_store()?,
            Fate::Restore => self.stage.restore_store()?,
            Fate::Restart | Fate::Crash | Fate::Drain => {}
        }
        self.stage.start()
    }

    /// Lets the world go on until `found` finds something, for at most so many milliseconds.
    fn until<T>(
        &mut self,
        millis: u64,
        mut found: impl FnMut(&mut Player) -> Option<Told<T>>,
    ) -> Told<Option<T>> {
        let until = self.stage.now() + millis;
        loop {
            self.pump();
            if let Some(found) = found(self) {
                return found.map(Some);
            }
            if !self.stage.step(until)? {
                self.pump();
                return found(self).transpose();
            }
        }
    }

    /// Takes what arrived for all peers, and the log.
    fn pump(&mut self) {
        for line in self.lines.values_mut() {
            line.pump(self.stage.as_mut());
        }
        self.notes.extend(self.stage.notes());
    }

    /// An error record that the story does not expect fails it.
    fn judge(&mut self) -> Told<()> {
        let news = &self.notes[self.judged..];
        let error = news.iter().find(|note| {
            note.level == Level::Error && !self.pardoned.iter().any(|pardoned| pardoned == note.msg)
        });
        let verdict = error.map_or(Ok(()), |note| Err(format!("the broker logged: {}", shown(note)).into()));
        self.judged = self.notes.len();
        verdict
    }

    fn line(&mut self, peer: &Peer) -> Told<&mut Line> {
        self.lines.get_mut(peer).ok_or_else(|| "it has no connection".into())
    }

    /// A peer's stream with the stage it lies on.
    fn line_on_stage(&mut self, peer: &Peer) -> Told<(&mut Line, &mut dyn Stage)> {
        let line = self.lines.get_mut(peer).ok_or("it has no connection")?;
        Ok((line, self.stage.as_mut()))
    }

    fn finish(mut self) -> Result<(), (Said, Vec<Note>)> {
        let ended = self.stage.end();
        match ended {
            Ok(()) => Ok(()),
            Err(said) => Err((said, std::mem::take(&mut self.notes))),
        }
    }

    fn fail(mut self, story: &Story, step: &Step, Said(mut said): Said) -> Failure {
        self.pump();
        let notes = std::mem::take(&mut self.notes);
        // A broker that panicked explains the rest.
        if let Err((Said(more), _)) = self.finish() {
            said = format!("{said}\n{more}");
        }
        failure(story, step, Said(said), &notes)
    }
}

fn failure(story: &Story, step: &Step, Said(said): Said, notes: &[Note]) -> Failure {
    let last = notes.len().saturating_sub(LAST_NOTES);
    Failure {
        path: story.path.clone(),
        line: step.line,
        step: step.text.clone(),
        said,
        notes: notes[last..].iter().map(shown).collect(),
    }
}

fn shown(note: &Note) -> String {
    let mut text = format!("{} {}", note.level.word(), note.msg);
    for (name, value) in &note.fields {
        // Writing to a String cannot fail.
        let _ = write!(text, " {name}={value}");
    }
    text
}

/// A log record as JSON, to be held against a pattern.
fn record(note: &Note) -> Value {
    let mut fields = Map::new();
    fields.insert("level".to_owned(), note.level.word().into());
    fields.extend(note.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Value::Object(fields)
}

/// The place of a stream that nobody looks at any more.
fn forget(stage: &mut dyn Stage, line: LineId) {
    stage.drop_line(line);
}
