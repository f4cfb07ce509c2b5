//! The steps of a run, and those that need no module of their own.

use std::error::Error;

use super::limits::QUIET_PER_SECOND;
use super::{Figures, Stage, Step, durable, limits};
use crate::load::mesh::{self, Town};
use crate::load::outcome::float;
use crate::load::rival::{Kind, Rival};
use crate::load::{Course, Pace, Site, live, runner};

/// Watchers of one publication.
pub(super) const WATCHERS: [u64; 2] = [100, 1_000];
/// Messages that wait in a mesh while others are carried.
pub(super) const QUEUED: [u64; 3] = [10, 1_000, 100_000];
/// Meshes with somebody in each while a few carry.
pub(super) const MESHES: [u64; 3] = [1, 100, 10_000];
/// Pairs that carry while queues and meshes grow.
const GROWTH_PAIRS: u64 = 20;
/// Runners, and callers of commands; events of a runner on their way.
const RUNNERS: usize = 64;
const CALLERS: usize = 64;
const EVENT_WINDOW: u64 = 16;

/// Watchers that read nothing, and how much is published meanwhile: far more than may wait for each.
pub(super) const STALLED: u32 = 50;
const STALLED_PUBLICATIONS: u64 = 30_000;
/// Peers that say hello at once and stay.
pub(super) const CROWD: u64 = 10_000;

/// What a mesh of more than a hundred needs besides.
pub(super) const LARGE_MESH: &[(&str, &str)] = &[
    ("SEND_RATE_LIMIT_PER_MIN", "0"),
    ("PEERMESH_HELLOS_PER_MINUTE_MAX", "1000000"),
    ("MAX_CONNECTIONS_PER_MESH", "2000"),
    ("PEERMESH_RECIPIENTS_MAX", "2000"),
    ("PEERMESH_QUEUED_PER_MESH_MAX", "1000000"),
];

/// All of them, in the order of a run.
pub(super) fn all() -> Vec<Step> {
    vec![
        Step { name: "durable", run: durable::over_a_filled_store },
        Step { name: "store", run: limits::embedded_store },
        Step { name: "echo", run: limits::echoes },
        Step { name: "ephemeral", run: ephemeral },
        Step { name: "fanout", run: fanout },
        Step { name: "stalled", run: stalled },
        Step { name: "idle", run: idle },
        Step { name: "signatures", run: limits::signatures },
        Step { name: "runners", run: runners },
        Step { name: "reference", run: durable::reference_embedded },
        Step { name: "postgres", run: durable::on_postgres },
        Step { name: "queues", run: queues },
        Step { name: "meshes", run: meshes },
        Step { name: "rivals", run: limits::rivals },
    ]
}

/// A publication that is not stored, to one watcher.
fn ephemeral(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let course = Course { pace: Pace::Open { rate: QUIET_PER_SECOND, window: 32 }, time: stage.plan.time };
    let site = Site::own(&stage.plan.setup(live::MORE))?;
    figures.put_outcome("live.quiet", &live::fanout(&site, 1, course)?);
    Ok(())
}

/// One to a hundred and to a thousand: a live topic, a mesh, NATS core, and Mosquitto.
fn fanout(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    for watchers in WATCHERS {
        let course = Course { pace: Pace::Closed { window: durable::WINDOW }, time: stage.plan.time };
        let site = Site::own(&stage.plan.setup(live::MORE))?;
        figures.put_outcome(&format!("live.{watchers}"), &live::fanout(&site, watchers, course)?);
        drop(site);
        let site = Site::own(&stage.plan.setup(LARGE_MESH))?;
        figures.put_outcome(&format!("broadcast.{watchers}"), &mesh::broadcast(&site, watchers, course)?);
        drop(site);
        let home = tempfile::tempdir_in(&stage.plan.dir)?;
        let bare = mesh::bare_broadcast(home.path(), watchers, course)?;
        figures.put_outcome(&format!("bare.broadcast.{watchers}"), &bare);
        for (name, kind) in [("nats", Kind::Nats), ("mosquitto", Kind::Mosquitto)] {
            match Rival::start(kind, &stage.plan.dir)? {
                Err(reason) => figures.skip(kind.name(), &reason),
                Ok(rival) => {
                    let count = usize::try_from(watchers).unwrap_or(1);
                    figures.put_outcome(&format!("{name}.fanout.{watchers}"), &rival.fanout(count, course)?);
                }
            }
        }
    }
    Ok(())
}

/// Watchers that read nothing while much is published.
fn stalled(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let site = Site::own(&stage.plan.setup(live::MORE))?;
    figures.put_outcome("stalled", &live::stalled(&site, usize::try_from(STALLED)?, STALLED_PUBLICATIONS)?);
    Ok(())
}

/// Peers that only stay connected, on both runtimes, and their hellos.
fn idle(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let course = Course { pace: Pace::Closed { window: 1 }, time: stage.plan.time };
    for (runtime, count) in [("smol", CROWD), ("threads", 1_000)] {
        let site = Site::own(&stage.plan.setup(mesh::MORE).with("PEERMESH_RUNTIME", runtime))?;
        let town = Town { idle: count / stage.plan.divisor, ..Town::default() };
        let (_, census) = mesh::pairs(&site, town, course, None)?;
        figures.put(format!("idle.{runtime}.kib"), census.bytes_each() / 1_024.0);
        figures.put(format!("hellos.{runtime}"), census.hellos_per_second());
        figures.put(format!("idle.{runtime}.peak"), float(census.after.rss_peak_bytes) / 1_048_576.0);
    }
    Ok(())
}

/// Commands to runners and events from them, each beside a relay that stores nothing.
fn runners(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let commands = Course { pace: Pace::Closed { window: 1 }, time: stage.plan.time };
    let site = Site::own(&stage.plan.setup(mesh::MORE))?;
    figures.put_outcome("commands", &runner::commands(&site, CALLERS, RUNNERS, commands)?);
    drop(site);
    let events = Course { pace: Pace::Closed { window: EVENT_WINDOW }, ..commands };
    let setup = stage.plan.setup(mesh::MORE).with("PEERMESH_RUNNER_FORWARDS_MAX", &RUNNERS.to_string());
    figures.put_outcome("events", &runner::events(&setup, RUNNERS, events)?);
    figures.put_outcome("relay.commands", &runner::relayed_commands(CALLERS, RUNNERS, commands)?);
    figures.put_outcome("relay.events", &runner::relayed_events(RUNNERS, events)?);
    Ok(())
}

/// What a message costs while few and many wait in its mesh.
fn queues(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let course = Course { pace: Pace::Closed { window: 16 }, time: stage.plan.time };
    for queued in QUEUED {
        let setup = stage.plan.setup(LARGE_MESH).with("PEERMESH_QUEUED_PER_MAILBOX_MAX", "100000");
        let site = Site::own(&setup)?;
        let town = Town {
            pairs: GROWTH_PAIRS,
            meshes: 1,
            queued: (queued / stage.plan.divisor).max(1),
            ..Town::default()
        };
        figures.put_outcome(&format!("queued.{queued}"), &mesh::pairs(&site, town, course, None)?.0);
    }
    Ok(())
}

/// What a message costs while there are few and many meshes, with somebody in each.
fn meshes(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let course = Course { pace: Pace::Closed { window: 16 }, time: stage.plan.time };
    for meshes in MESHES {
        let site = Site::own(&stage.plan.setup(mesh::MORE))?;
        let meshes_there = (meshes / stage.plan.divisor).max(1);
        let town = Town { pairs: GROWTH_PAIRS, idle: meshes_there, meshes: meshes_there, ..Town::default() };
        figures.put_outcome(&format!("meshes.{meshes}"), &mesh::pairs(&site, town, course, None)?.0);
    }
    Ok(())
}
