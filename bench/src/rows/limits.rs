//! What stops everything else: echoes, one commit, the store's own bulk insert, the disk, a signature check.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use ed25519_dalek::Signer as _;
use postgres::Client;

use super::figures::median;
use super::{Figures, Stage};
use crate::commit::Ledger;
use crate::load::outcome::float;
use crate::load::rival::{self, Kind, Rival};
use crate::load::{Course, Pace, Watched};
use crate::peer::{Sealed, key_of};
use crate::process::thread_cpu;
use crate::wire::echo;

/// Messages of one commit where the store alone is measured.
const BATCH: u64 = 256;
/// Signature checks that are timed.
const CHECKS: u32 = 2_000;
/// Echoes a second on one connection, for comparison with what the broker does not store.
pub(super) const QUIET_PER_SECOND: f64 = 1_000.0;

/// Bytes and frames that come back, at full speed and at light load.
pub(super) fn echoes(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let time = stage.plan.time;
    for (name, kind) in [("raw", echo::Kind::Raw), ("frames", echo::Kind::WebSocket)] {
        let full = Course { pace: Pace::Closed { window: 32 }, time };
        figures.put_outcome(&format!("echo.{name}"), &rival::echo(kind, 10, full, &stage.plan.dir)?);
        let quiet = Course { pace: Pace::Open { rate: QUIET_PER_SECOND, window: 32 }, time };
        figures.put_outcome(&format!("echo.{name}.quiet"), &rival::echo(kind, 1, quiet, &stage.plan.dir)?);
    }
    Ok(())
}

/// What every durable message must wait for, without a broker: bytes come in, another thread syncs them, and
/// they go out; at that rate.
pub(super) fn synced_echo(stage: &Stage<'_>, figures: &mut Figures, rate: f64) -> Result<(), Box<dyn Error>> {
    let course = Course { pace: Pace::Open { rate, window: 32 }, time: stage.plan.time };
    let run = rival::echo(echo::Kind::Synced, 1, course, &stage.plan.dir)?;
    figures.put_outcome("echo.synced.light", &run);
    Ok(())
}

/// One commit of the embedded store for each message, at that rate.
pub(super) fn one_commit(stage: &Stage<'_>, figures: &mut Figures, rate: f64) -> Result<(), Box<dyn Error>> {
    let took = Ledger::open(&stage.plan.dir)?.paced(rate, stage.plan.time)?;
    let middle = median(took.iter().map(|took| took.as_secs_f64() * 1e6));
    figures.put("commit.p50", middle.ok_or("no commit was made")?);
    Ok(())
}

/// The embedded store's own bulk insert of the same rows, and the same bytes in a plain file.
pub(super) fn embedded_store(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let mut ledger = Ledger::open(&stage.plan.dir)?;
    ledger.fill(100_000 / stage.plan.divisor)?;
    let lives = ledger.live(BATCH, stage.plan.time)?;
    let rate = |time: Duration| float(lives.messages) / time.as_secs_f64().max(1e-9);
    figures.put("store.rate", rate(lives.elapsed));
    figures.put("store.cpu", lives.cpu.as_secs_f64() * 1e6 / float(lives.messages.max(1)));
    figures.put("file.rate", rate(lives.raw.elapsed));
    let file = lives.raw.elapsed.as_secs_f64() * 1e6 / float(lives.commits.max(1));
    figures.put("file.sync.us", file);
    Ok(())
}

/// Checks of a hello's signature on one core: what hellos cannot exceed.
pub(super) fn signatures(_: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let key = key_of(1);
    let said = b"mesh|member|key|1700000000000";
    let (signature, public) = (key.sign(said), key.verifying_key().to_bytes());
    let spent = thread_cpu();
    for _ in 0..CHECKS {
        let public = ed25519_dalek::VerifyingKey::from_bytes(black_box(&public))?;
        public.verify_strict(black_box(said), &signature)?;
    }
    figures.put("signatures.rate", f64::from(CHECKS) / thread_cpu().saturating_sub(spent).as_secs_f64());
    Ok(())
}

/// What stands beside the broker, with as many pairs.
pub(super) fn rivals(stage: &Stage<'_>, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let course = Course { pace: Pace::Closed { window: super::durable::WINDOW }, time: stage.plan.time };
    for (name, kind) in [("nats", Kind::Nats), ("redis", Kind::Redis), ("mosquitto", Kind::Mosquitto)] {
        match Rival::start(kind, &stage.plan.dir)? {
            Err(reason) => figures.skip(kind.name(), &reason),
            Ok(rival) => figures.put_outcome(&format!("{name}.50"), &rival.pairs(50, course)?),
        }
    }
    Ok(())
}

/// The rows of a message in bare batches on Postgres: one statement and one commit for each batch, which
/// accepts it and settles the one before.
pub(super) fn bare_batches(
    shared: &Watched,
    stage: &Stage<'_>,
    figures: &mut Figures,
) -> Result<(), Box<dyn Error>> {
    let mut client = shared.session();
    client.batch_execute(
        "CREATE SCHEMA bare; SET search_path TO bare;
         CREATE TABLE message (pos bigint PRIMARY KEY, mesh int, sender int, session int, recip int,
             prio smallint, at bigint, nonce text, cipher text, cmid text, fp bytea);
         CREATE TABLE dedupe (key bigint PRIMARY KEY, pos bigint);
         CREATE TABLE pending (recip int, prio smallint, pos bigint, PRIMARY KEY (recip, prio, pos));
         CREATE TABLE settled (pos bigint, recip int, at bigint, outcome smallint,
             PRIMARY KEY (pos, recip));",
    )?;
    let statement = client.prepare(
        "WITH new AS (SELECT * FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::text[])
                 AS t (pos, recip, key, cmid)),
             m AS (INSERT INTO message SELECT pos, 1, recip, recip, recip, 1::smallint, 1700000000000,
                 $5, $6, cmid, $7 FROM new),
             d AS (INSERT INTO dedupe SELECT key, pos FROM new),
             p AS (INSERT INTO pending SELECT recip, 1::smallint, pos FROM new),
             gone AS (DELETE FROM pending WHERE pos = ANY($8::bigint[]) RETURNING pos, recip)
         INSERT INTO settled SELECT pos, recip, 1700000000000, 1::smallint FROM gone",
    )?;
    let sealed = Sealed::new();
    let (mut next, mut before, began) = (1_i64, Vec::new(), Instant::now());
    while began.elapsed() < stage.plan.time {
        before = batch(&mut client, &statement, &sealed, next, &before)?;
        next += i64::try_from(BATCH).unwrap_or(1);
    }
    let count = u64::try_from(next - 1).unwrap_or(0);
    figures.put("batches.rate", float(count) / began.elapsed().as_secs_f64());
    Ok(())
}

/// One batch from that position on, which settles those before. Gives its positions.
fn batch(
    client: &mut Client,
    statement: &postgres::Statement,
    sealed: &Sealed,
    first: i64,
    before: &Vec<i64>,
) -> Result<Vec<i64>, postgres::Error> {
    let places: Vec<i64> = (first..first + i64::try_from(BATCH).unwrap_or(1)).collect();
    // Any mixing will do: neighbours in time are not neighbours among recipients and keys.
    let mixed = |place: &i64| place.wrapping_mul(0x1e37_79b9_7f4a_7c15);
    let recipients: Vec<i32> =
        places.iter().map(|place| i32::try_from(mixed(place) >> 54).unwrap_or(0)).collect();
    let keys: Vec<i64> = places.iter().map(mixed).collect();
    let names: Vec<String> =
        places.iter().map(|place| format!("{place:08x}-0000-4000-8000-{place:012x}")).collect();
    let fingerprint: &[u8] = &[0xf1; 32];
    client.execute(
        statement,
        &[&places, &recipients, &keys, &names, &sealed.nonce, &sealed.ciphertext, &fingerprint, before],
    )?;
    Ok(places)
}
