//! Durable messages over a store that already holds many, beside JetStream; waits at light load and at half
//! of what the broker carries; and the same messages over Postgres.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use peermesh_conformance::server::Server as PostgresServer;

use super::{Figures, Stage, limits};
use crate::load::mesh::{self, Town};
use crate::load::rival::{Kind, Rival};
use crate::load::{Course, Outcome, Pace, Site, Watched};
use crate::server::{Home, Server, Setup};

/// Pairs that are measured, and messages of each on their way: what a recipient may leave unacknowledged.
pub(super) const PAIRS: [u64; 2] = [10, 50];
pub(super) const WINDOW: u64 = 32;
/// Messages a second at light load.
const LIGHT_PER_SECOND: f64 = 100.0;

/// Fills the store by messages that are sent, received and settled.
pub(super) fn fill(stage: &Stage<'_>) -> Result<(), Box<dyn Error>> {
    let site = Site::Own(Box::new(start(stage)?));
    mesh::fill(&site, stage.plan.stored)?;
    if let Site::Own(server) = site {
        server.stop()?;
    }
    // What a broker does not know must not be in its store.
    let copy = bare_home(stage);
    fs::create_dir_all(&copy)?;
    for file in fs::read_dir(home(stage))? {
        let file = file?;
        fs::copy(file.path(), copy.join(file.file_name()))?;
    }
    Ok(())
}

fn start(stage: &Stage<'_>) -> std::io::Result<Server> {
    let setup = Setup { home: Home::Kept(home(stage)), ..stage.plan.setup(mesh::MORE) };
    Server::start(&setup, None)
}

/// The data of a broker whose store is filled.
fn home(stage: &Stage<'_>) -> PathBuf {
    stage.filled.join("mesh")
}

/// A copy of its store for a bare post office.
fn bare_home(stage: &Stage<'_>) -> PathBuf {
    stage.filled.join("bare")
}

/// The start over the filled store, and then its loads.
pub(super) fn over_a_filled_store(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let server = start(stage)?;
    figures.put("start.seconds", server.started_in.as_secs_f64());
    let site = Site::Own(Box::new(server));
    let mut best: f64 = 0.0;
    for pairs in PAIRS {
        let run = carry(&site, pairs, stage, Pace::Closed { window: WINDOW })?;
        figures.put_outcome(&format!("durable.{pairs}"), &run);
        best = run.rate();
        beside(stage, figures, pairs)?;
    }
    let half = Pace::Open { rate: best / 2.0, window: WINDOW };
    figures.put_outcome("half", &carry(&site, PAIRS[1], stage, half)?);
    // What waits for one sync, and what that sync takes, one after the other: disks have moods.
    let light = Pace::Open { rate: LIGHT_PER_SECOND, window: WINDOW };
    figures.put_outcome("light", &carry(&site, PAIRS[0], stage, light)?);
    limits::synced_echo(stage, figures, LIGHT_PER_SECOND)?;
    limits::one_commit(stage, figures, LIGHT_PER_SECOND)?;
    if let Site::Own(server) = site {
        server.stop()?;
    }
    for pairs in PAIRS {
        let course = Course { pace: Pace::Closed { window: WINDOW }, time: stage.plan.time };
        let run = mesh::bare_pairs(&bare_home(stage), pairs, course)?;
        figures.put_outcome(&format!("bare.{pairs}"), &run);
    }
    Ok(())
}

fn carry(site: &Site, pairs: u64, stage: &Stage<'_>, pace: Pace) -> Result<Outcome, Box<dyn Error>> {
    let town = Town { pairs, ..Town::default() };
    Ok(mesh::pairs(site, town, Course { pace, time: stage.plan.time }, None)?.0)
}

/// JetStream with the same pairs, window and time.
fn beside(stage: &Stage<'_>, figures: &mut Figures, pairs: u64) -> Result<(), Box<dyn Error>> {
    let name = format!("jetstream.{pairs}");
    match Rival::start(Kind::JetStream, &stage.plan.dir)? {
        Err(reason) => figures.skip(Kind::JetStream.name(), &reason),
        Ok(rival) => {
            let course = Course { pace: Pace::Closed { window: WINDOW }, time: stage.plan.time };
            let run = rival.pairs(usize::try_from(pairs).unwrap_or(1), course)?;
            figures.put_outcome(&name, &run);
        }
    }
    Ok(())
}

/// Durable messages and the reference test over Postgres, beside bare batches of the same rows.
pub(super) fn on_postgres(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    if let Some(reason) = PostgresServer::missing() {
        return Err(reason.into());
    }
    let server = PostgresServer::new();
    let setup = |shared: &Watched| stage.plan.setup(mesh::MORE).with("DATABASE_URL", &shared.direct_url());
    let shared = Watched::on(&server);
    let site = Site::own(&setup(&shared))?;
    let run = carry(&site, PAIRS[1], stage, Pace::Closed { window: WINDOW })?;
    figures.put_outcome("postgres.50", &run);
    drop(site);
    limits::bare_batches(&shared, stage, figures)?;
    for runtime in ["smol", "threads"] {
        let shared = Watched::on(&server);
        let site = Site::own(&setup(&shared).with("PEERMESH_RUNTIME", runtime))?;
        reference(&site, &format!("reference.postgres.{runtime}"), stage, figures)?;
    }
    Ok(())
}

/// The reference test over the embedded store.
pub(super) fn reference_embedded(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    for runtime in ["smol", "threads"] {
        let site = Site::own(&stage.plan.setup(mesh::MORE).with("PEERMESH_RUNTIME", runtime))?;
        reference(&site, &format!("reference.sqlite.{runtime}"), stage, figures)?;
    }
    Ok(())
}

fn reference(
    site: &Site,
    name: &str,
    stage: &Stage<'_>,
    figures: &mut Figures,
) -> Result<(), Box<dyn Error>> {
    let run = mesh::reference(site, 100, (1_000 / stage.plan.divisor).max(10), 8, None)?;
    figures.put_outcome(name, &run);
    Ok(())
}
