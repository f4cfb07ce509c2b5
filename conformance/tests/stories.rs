//! Every story, on every stage.
//!
//! `PEERMESH_STORY=name` plays only stories whose path contains that text.

use std::fs;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use peermesh_conformance::driver::core::Memory;
use peermesh_conformance::driver::runtime::Runtime;
use peermesh_conformance::driver::sockets::Sockets;
use peermesh_conformance::driver::{self, Stage};
use peermesh_conformance::play::play;
use peermesh_conformance::story::{Story, Terms, Told};

/// Stories on real sockets spend their time waiting, so many can be under way on few processors.
const AT_ONCE: usize = 8;
/// More stories than this that fail at once are no matter of the machine.
const SECOND_CHANCES: usize = 12;

/// Held by each test that plays on real sockets: two at once would take each other's time.
static SOCKETS: Mutex<()> = Mutex::new(());

#[test]
fn every_story_holds_in_memory() {
    assert_none_failed(&outcomes(&stories(), 1, |story| Ok(Box::new(Memory::new(&story.terms)?))));
}

#[test]
fn every_story_holds_on_smol() {
    assert_all_hold(&short_stories(), |terms| Sockets::new(Runtime::Smol, terms));
}

#[test]
fn every_story_holds_on_threads() {
    assert_all_hold(&short_stories(), |terms| Sockets::new(Runtime::Threads, terms));
}

#[test]
fn every_story_holds_on_smol_over_postgres() {
    assert_all_hold(&short_stories(), |terms| Sockets::on_postgres(Runtime::Smol, terms));
}

#[test]
#[ignore = "both halves of it are tested without, for ./check --long"]
fn every_story_holds_on_threads_over_postgres() {
    assert_all_hold(&short_stories(), |terms| Sockets::on_postgres(Runtime::Threads, terms));
}

#[test]
#[ignore = "minutes of real time, for ./check --long"]
fn every_long_story_holds_on_both_runtimes_too() {
    let mut stories = stories();
    stories.retain(|story| story.terms.long.is_some());
    assert!(!stories.is_empty());
    for runtime in [Runtime::Smol, Runtime::Threads] {
        assert_all_hold(&stories, |terms| Sockets::new(runtime, terms));
    }
}

#[test]
fn every_story_asks_for_a_broker_that_can_be() {
    for story in stories() {
        if let Err(said) = driver::config(&story.terms) {
            panic!("{}: {}", story.path.display(), said.0);
        }
    }
}

/// Plays stories on real sockets. Where a machine stood still in the middle of a story, that story is played
/// again, alone: what is wrong with a broker is so in memory, too, or shows itself once more. It is said,
/// never silent.
fn assert_all_hold(stories: &[Story], stage: impl Fn(&Terms) -> Told<Sockets> + Sync) {
    let _alone = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    let stage = |story: &Story| -> Told<Box<dyn Stage>> { Ok(Box::new(stage(&story.terms)?)) };
    let mut failures = outcomes(stories, AT_ONCE, stage);
    if failures.len() <= SECOND_CHANCES {
        failures.retain_mut(|(at, failure)| {
            // Past the test's capture: whoever reads the output of a run that went well is to see it.
            let _ = writeln!(io::stderr(), "\nplayed again, because of this:\n{failure}\n");
            match outcome(&stories[*at], stage) {
                Some(again) => {
                    *failure = again;
                    true
                }
                None => false,
            }
        });
    }
    assert_none_failed(&failures);
}

fn assert_none_failed(failures: &[(usize, String)]) {
    let said: Vec<&str> = failures.iter().map(|(_, failure)| failure.as_str()).collect();
    assert!(said.is_empty(), "\n\n{}\n", said.join("\n\n"));
}

/// Those that can be played in real time, and shortly.
fn short_stories() -> Vec<Story> {
    let mut stories = stories();
    stories.retain(|story| story.terms.memory_only.is_none() && story.terms.long.is_none());
    stories
}

/// All stories, in order of their paths.
fn stories() -> Vec<Story> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths = Vec::new();
    collect(&cases, &mut paths);
    paths.sort();
    if let Ok(wanted) = std::env::var("PEERMESH_STORY") {
        paths.retain(|path| path.to_string_lossy().contains(&wanted));
        assert!(!paths.is_empty(), "no story has {wanted:?} in its path");
    }
    paths
        .iter()
        .map(|path| {
            let shown = path.strip_prefix(&cases).unwrap();
            Story::parse(shown, &fs::read_to_string(path).unwrap()).unwrap_or_else(|bad| panic!("{bad}"))
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "story") {
            paths.push(path);
        }
    }
}

/// Plays stories, some at once, and gives what failed with its place, in the stories' order.
fn outcomes(
    stories: &[Story],
    at_once: usize,
    stage: impl Fn(&Story) -> Told<Box<dyn Stage>> + Sync,
) -> Vec<(usize, String)> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..at_once.min(stories.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some(story) = stories.get(at) else { return };
                    if let Some(failure) = outcome(story, &stage) {
                        failed.lock().unwrap().push((at, failure));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    failed
}

fn outcome(story: &Story, stage: impl Fn(&Story) -> Told<Box<dyn Stage>>) -> Option<String> {
    let lived = panic::catch_unwind(AssertUnwindSafe(|| match stage(story) {
        Ok(stage) => play(story, stage).map_err(|failure| failure.to_string()),
        Err(said) => Err(format!("{}: {}", story.path.display(), said.0)),
    }));
    match lived {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            Some(format!("{}: panicked: {text}", story.path.display()))
        }
    }
}
