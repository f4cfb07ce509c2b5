//! Stories as text: what is written, as values.
//!
//! *Decides:* whether a text is a story, and says file and line where it is not. *Does not:* know what a
//! broker is.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::story::act::Act;
use crate::story::given::Given;
use crate::story::names::Names;
use crate::story::scan::Scan;

pub mod act;
pub mod given;
pub mod names;
pub mod pattern;
pub mod scan;
mod step;

/// On real sockets no story may wait longer than this in sum, in milliseconds.
const WAITS_MS_MAX: u64 = 4_000;

/// One story.
#[derive(Debug)]
pub struct Story {
    /// Where it was read from.
    pub path: PathBuf,
    /// What it tells, in one sentence.
    pub title: String,
    /// Contract sections, fault rows and numbered defects it covers.
    pub covers: Vec<String>,
    /// What it asks of the broker it is played on.
    pub terms: Terms,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// What a story asks of the broker it is played on.
#[derive(Debug, Default)]
pub struct Terms {
    /// Limits that differ from their defaults.
    pub limits: Vec<(String, u64)>,
    /// Settings that differ from their defaults.
    pub config: Vec<(String, String)>,
    /// How many shards the broker has; at least one.
    pub shards: u16,
    /// Why it is played in memory only, when it is.
    pub memory_only: Option<String>,
    /// Why it takes long on real sockets, when it does: it is played there only if asked for.
    pub long: Option<String>,
    /// Error records that the story provokes on purpose.
    pub errors: Vec<String>,
}

/// One step and where it stands.
#[derive(Debug)]
pub struct Step {
    /// Its line, from 1.
    pub line: usize,
    /// As written.
    pub text: String,
    /// What it means.
    pub act: Act,
}

/// What is wrong, in words for a person. Whoever knows file and line adds them.
#[derive(Debug)]
pub struct Said(pub String);

impl From<String> for Said {
    fn from(text: String) -> Said {
        Said(text)
    }
}

impl From<&str> for Said {
    fn from(text: &str) -> Said {
        Said(text.to_owned())
    }
}

/// A result that can be explained to a person.
pub type Told<T> = Result<T, Said>;

/// A text that is no story.
#[derive(Debug)]
pub struct BadStory {
    path: PathBuf,
    line: usize,
    said: String,
}

impl fmt::Display for BadStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.said)
    }
}

impl Story {
    /// Reads a story.
    ///
    /// # Errors
    /// [`BadStory`], with the line and what is wrong with it.
    pub fn parse(path: &Path, text: &str) -> Result<Story, BadStory> {
        let mut story = Story {
            path: path.to_owned(),
            title: String::new(),
            covers: Vec::new(),
            terms: Terms { shards: 1, ..Terms::default() },
            steps: Vec::new(),
        };
        for (line, text) in logical_lines(text) {
            let bad = |Said(said)| BadStory { path: path.to_owned(), line, said };
            if story.steps.is_empty() && story.header(&text).map_err(bad)? {
                continue;
            }
            let act = Act::parse(&text).map_err(bad)?;
            story.steps.push(Step { line, text, act });
        }
        story.check().map_err(|Said(said)| BadStory { path: path.to_owned(), line: 1, said })?;
        Ok(story)
    }

    /// Takes a header line; false when it is none.
    fn header(&mut self, text: &str) -> Told<bool> {
        let mut scan = Scan::new(text);
        match scan.word() {
            "story:" => scan.rest().trim().clone_into(&mut self.title),
            "covers:" => {
                self.covers.extend(scan.rest().split(';').map(|item| item.trim().to_owned()));
            }
            "limits" => {
                for (name, value) in plain(&mut scan)? {
                    let value = value.parse().map_err(|_| format!("limit {name}: {value} is no number"))?;
                    self.terms.limits.push((name, value));
                }
                scan.ends()?;
            }
            "config" => {
                self.terms.config.extend(plain(&mut scan)?);
                scan.ends()?;
            }
            "shards" => {
                let shards = scan.word();
                self.terms.shards = shards.parse().map_err(|_| format!("shards: {shards} is no number"))?;
            }
            "memory-only:" => self.terms.memory_only = Some(scan.rest().trim().to_owned()),
            "long:" => self.terms.long = Some(scan.rest().trim().to_owned()),
            "error:" => self.terms.errors.push(scan.rest().trim().to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self) -> Told<()> {
        if self.title.is_empty() || self.covers.iter().all(String::is_empty) || self.steps.is_empty() {
            return Err("a story has a `story:` line, a `covers:` line and steps".into());
        }
        if self.terms.shards == 0 {
            return Err("a broker has at least one shard".into());
        }
        let waits: u64 = self.steps.iter().map(|step| step.act.waits_ms()).sum();
        if waits > WAITS_MS_MAX && self.terms.memory_only.is_none() && self.terms.long.is_none() {
            return Err(format!(
                "waits {waits} of at most {WAITS_MS_MAX} ms: scale limits down, or say `memory-only:` and why"
            )
            .into());
        }
        Ok(())
    }
}

/// Pairs whose values are texts without names in them: no name has a value yet.
fn plain(scan: &mut Scan<'_>) -> Told<Vec<(String, String)>> {
    let known = Names::default();
    let pairs: Vec<(String, Given)> = scan.pairs()?;
    pairs.into_iter().map(|(name, value)| Ok((name, value.text(&known)?))).collect()
}

/// Joins indented lines to the one before; drops comments and empty lines. Numbers are those of first lines.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, before)) if line.starts_with([' ', '\t']) => {
                before.push('\n');
                before.push_str(content);
            }
            _ => lines.push((at + 1, content.to_owned())),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "story: a\ncovers: mesh protocol 3.2; defect 1\n";

    fn parse(body: &str) -> Result<Story, BadStory> {
        Story::parse(Path::new("x.story"), &format!("{HEAD}{body}"))
    }

    #[test]
    fn headers_come_before_steps_and_indented_lines_go_on() {
        let story = parse(
            "limits lease_ms=300 grace_ms=10\nconfig hook_token=abc\nshards 2\nerror: db ping failed\n\n\
             # a remark\nann sends {\"type\":\n  \"x\"}\nwait 2s\n",
        )
        .unwrap();
        assert_eq!(story.covers, ["mesh protocol 3.2", "defect 1"]);
        assert_eq!(story.terms.limits, [("lease_ms".to_owned(), 300), ("grace_ms".to_owned(), 10)]);
        assert_eq!(story.terms.config, [("hook_token".to_owned(), "abc".to_owned())]);
        assert_eq!((story.terms.shards, story.terms.errors.len()), (2, 1));
        let at: Vec<_> = story.steps.iter().map(|step| (step.line, step.text.as_str())).collect();
        assert_eq!(at, [(9, "ann sends {\"type\":\n\"x\"}"), (11, "wait 2s")]);
    }

    #[test]
    fn a_bad_line_is_named_with_file_and_number() {
        let error = parse("wait 1s\nann juggles\n").unwrap_err().to_string();
        assert!(error.starts_with("x.story:4: "), "{error}");
        assert!(error.contains("juggles"), "{error}");
    }

    #[test]
    fn a_story_that_would_wait_too_long_on_real_sockets_must_say_that_it_does_not_run_there() {
        assert!(parse("wait 30s\n").is_err());
        assert!(parse("memory-only: thirty seconds of silence\nwait 30s\n").is_ok());
    }

    #[test]
    fn a_story_without_title_cover_or_steps_is_none() {
        assert!(parse("").is_err());
        assert!(Story::parse(Path::new("x"), "covers: a\nwait 1s").is_err());
        assert!(Story::parse(Path::new("x"), "story: a\nwait 1s").is_err());
    }
}
