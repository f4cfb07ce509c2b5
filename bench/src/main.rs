//! The bench's command line: one subcommand for each idea.

mod report;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use peermesh_bench::commit::{Ledger, Lives};
use peermesh_bench::load::mesh::{self, Town};
use peermesh_bench::load::{Course, Outcome, Pace, Site, Watched};
use peermesh_bench::meter::Meter;
use peermesh_bench::server::{Home, Setup};
use peermesh_bench::summary::Form;
use peermesh_bench::table::{Table, per};
use peermesh_bench::{accept, codec, fanout, rows};
use peermesh_conformance::server::Server;

/// Counts what a message costs, and measures what a broker carries.
#[derive(Debug, Parser)]
#[command(name = "peermesh-bench", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Reads, judges and writes frames, for a tool that counts instructions
    Codec {
        /// How many frames
        #[arg(long, default_value_t = 1_000)]
        frames: u64,
    },
    /// Carries messages through a broker in memory, for a tool that counts instructions
    Accept {
        /// How many messages
        #[arg(long, default_value_t = 1_000)]
        messages: u64,
        /// Messages in one chunk and one commit, at most 32
        #[arg(long, default_value_t = 1)]
        window: u64,
    },
    /// Carries messages to a whole mesh in memory, for a tool that counts instructions
    Broadcast {
        /// How many messages
        #[arg(long, default_value_t = 200)]
        messages: u64,
        /// Members that hear each
        #[arg(long, default_value_t = 50)]
        watchers: u64,
    },
    /// Publishes to the watchers of a live topic in memory, for a tool that counts instructions
    Publish {
        /// How many publications
        #[arg(long, default_value_t = 200)]
        publications: u64,
        /// Watchers of the topic
        #[arg(long, default_value_t = 50)]
        watchers: u64,
    },
    /// Lets a recipient come back to waiting mail, in memory, for a tool that counts instructions
    Resume {
        /// How often
        #[arg(long, default_value_t = 200)]
        returns: u64,
        /// Messages that wait each time, at most 32
        #[arg(long, default_value_t = 32)]
        waiting: u64,
    },
    /// Publishes to a live topic with several numbers of watchers, beside a plain write of the same frames
    Fanout {
        /// Watchers of the topic
        #[arg(long, value_delimiter = ',', default_value = "1,10,100,1000")]
        watchers: Vec<u64>,
        /// Publications
        #[arg(long, default_value_t = 200)]
        publications: u64,
        /// Bytes of data of each
        #[arg(long, default_value_t = 200)]
        bytes: usize,
        #[command(flatten)]
        shown: Shown,
    },
    /// Sends what is refused for its form, for a tool that counts instructions
    Refuse {
        /// How many sends
        #[arg(long, default_value_t = 1_000)]
        messages: u64,
    },
    /// Accepts and settles in the embedded store, in commits of several sizes, beside a plain file
    Commit {
        /// Settled messages in the file before the measuring begins
        #[arg(long, default_value_t = 0)]
        rows: u64,
        /// Messages of one commit
        #[arg(long, value_delimiter = ',', default_value = "1,16,64,256,1024")]
        batches: Vec<u64>,
        /// Seconds for each size, and at most as many for the plain file
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
        #[command(flatten)]
        place: Place,
    },
    /// Measures every row of the table of goals beside its limits and rivals, and writes the page of results
    All {
        /// How often all of it is measured
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Once, shortly, with crowds and queues of a twentieth: to see that everything works
        #[arg(long)]
        quick: bool,
        /// Seconds that are measured for each load, after a third of that as warm-up [default: 2]
        #[arg(long)]
        seconds: Option<f64>,
        /// Messages in the store before durable messages are measured [default: 1000000]
        #[arg(long)]
        stored: Option<u64>,
        /// Only steps whose names begin so: durable, store, echo, ephemeral, fanout, stalled, idle,
        /// signatures, runners, reference, postgres, queues, meshes, rivals
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// The page, whose marked part is replaced
        #[arg(long, default_value = "bench/RESULTS.md")]
        page: PathBuf,
        /// Every figure of every run goes here too, as JSON
        #[arg(long)]
        json: Option<PathBuf>,
        /// The broker [default: the program `peermesh` beside this one]
        #[arg(long)]
        program: Option<PathBuf>,
        /// The same built with threads and the embedded store only, for its size
        #[arg(long)]
        small: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Compares two builds: the same load on both, in turns
    Compare {
        /// The program it is compared with
        before: PathBuf,
        /// The program in question
        after: PathBuf,
        /// Pairs of a sender and a recipient
        #[arg(long, default_value_t = 50)]
        pairs: u64,
        /// Messages of each pair on their way
        #[arg(long, default_value_t = 16)]
        window: u64,
        /// How often both are measured
        #[arg(long, default_value_t = 7)]
        runs: usize,
        /// Seconds that are measured for each load, after a third of that as warm-up
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
        #[command(flatten)]
        place: Place,
    },
    /// Starts a Postgres server and the broker on it, and counts what a message asks of the server
    Postgres {
        /// Senders that each have one message on its way
        #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
        senders: Vec<u64>,
        /// Seconds that are measured for each of them, after a third of that as warm-up
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// The broker [default: the program `peermesh` beside this one]
        #[arg(long)]
        program: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
}

/// How often something is measured, and how the medians are printed.
#[derive(Debug, clap::Args)]
struct Shown {
    /// How often all of it is done; shown are medians
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a table in Markdown
    #[arg(long)]
    markdown: bool,
}

impl Shown {
    fn form(&self) -> Form {
        match (self.json, self.markdown) {
            (true, _) => Form::Json,
            (_, true) => Form::Markdown,
            _ => Form::Text,
        }
    }
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Where files go: on the disk that is to be measured [default: the directory of this program]
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Place {
    fn dir(self) -> std::io::Result<PathBuf> {
        match self.dir {
            Some(dir) => Ok(dir),
            None => beside("."),
        }
    }
}

/// A file beside this program.
fn beside(name: &str) -> std::io::Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.set_file_name(name);
    Ok(path)
}

fn main() -> ExitCode {
    match run(Args::parse().bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when standard error is gone too.
            let _ =
                std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("peermesh-bench: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(bench: Bench) -> Result<(), Box<dyn Error>> {
    match bench {
        Bench::Codec { frames } => {
            codec::frames(Meter::marking(), frames);
        }
        Bench::Accept { messages, window } => {
            accept::exchange(Meter::marking(), messages, window);
        }
        Bench::Broadcast { messages, watchers } => {
            accept::fan_out(Meter::marking(), messages, watchers);
        }
        Bench::Publish { publications, watchers } => {
            fanout::count(Meter::marking(), watchers, publications, 200)?;
        }
        Bench::Resume { returns, waiting } => {
            accept::resume(Meter::marking(), returns, waiting);
        }
        Bench::Fanout { watchers, publications, bytes, shown } => {
            report::fanout(&watchers, publications, bytes, shown.runs, shown.form())?;
        }
        Bench::Refuse { messages } => {
            accept::refuse(Meter::marking(), messages);
        }
        Bench::Commit { rows, batches, seconds, place } => {
            commit(rows, &batches, Duration::from_secs_f64(seconds), place)?;
        }
        Bench::All { runs, quick, seconds, stored, only, page, json, program, small, place } => {
            let plan = rows::Plan {
                program: program.map_or_else(|| beside("peermesh"), Ok)?,
                small,
                dir: place.dir()?,
                runs: if quick { 1 } else { runs },
                time: Duration::from_secs_f64(seconds.unwrap_or(if quick { 0.3 } else { 2.0 })),
                stored: stored.unwrap_or(if quick { 50_000 } else { 1_000_000 }),
                divisor: if quick { 20 } else { 1 },
                only,
            };
            rows::all(&plan, &page, json.as_deref())?;
        }
        Bench::Compare { before, after, pairs, window, runs, seconds, place } => {
            let (dir, time) = (place.dir()?, Duration::from_secs_f64(seconds));
            rows::compare(&rows::Comparison { before, after, dir, pairs, window, runs, time })?;
        }
        Bench::Postgres { senders, seconds, program, place } => {
            let program = program.map_or_else(|| beside("peermesh"), Ok)?;
            ask_postgres(&program, &place.dir()?, &senders, Duration::from_secs_f64(seconds))?;
        }
    }
    Ok(())
}

fn commit(rows: u64, batches: &[u64], time: Duration, place: Place) -> Result<(), Box<dyn Error>> {
    let dir = place.dir()?;
    let mut table = Table::new(&[
        "batch",
        "messages",
        "CPU us/msg",
        "msg/s",
        "commits/s",
        "WAL B/msg",
        "written B/msg",
        "raw CPU us/msg",
        "raw msg/s",
    ]);
    let mut ledger = Ledger::open(&dir)?;
    ledger.fill(rows)?;
    let mut runs = Vec::new();
    for &batch in batches {
        let lives = ledger.live(batch, time)?;
        let Lives { messages, commits, cpu, elapsed, written_bytes, raw, .. } = lives;
        table.row([
            batch.to_string(),
            messages.to_string(),
            micros_per(cpu, messages),
            rate(messages, elapsed),
            rate(commits, elapsed),
            per(lives.wal_bytes(), messages, 0),
            per(written_bytes, messages, 0),
            micros_per(raw.cpu, messages),
            rate(messages, raw.elapsed),
        ]);
        runs.push(lives);
    }
    table.print()?;
    show_tables(ledger, &runs)?;
    Ok(())
}

/// Where the pages of the log belong: what each table costs a message, by the size of the commit.
fn show_tables(ledger: Ledger, runs: &[Lives]) -> Result<(), Box<dyn Error>> {
    let mut head = vec!["table".to_owned(), "rows".to_owned(), "file B/msg".to_owned()];
    head.extend(runs.iter().map(|lives| format!("WAL pages/msg at {}", lives.batch)));
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    let stored = ledger.stored();
    for size in ledger.tables()?.into_iter().filter(|size| size.rows > 0).take(4) {
        let mut row = vec![size.name, size.rows.to_string(), per(size.pages.len() as u64 * 4_096, stored, 1)];
        row.extend(runs.iter().map(|lives| {
            let written = size.pages.iter().filter_map(|page| lives.pages.get(page)).sum();
            per(written, lives.messages, 3)
        }));
        table.row(row);
    }
    table.print()?;
    Ok(())
}

fn ask_postgres(program: &Path, dir: &Path, senders: &[u64], time: Duration) -> Result<(), Box<dyn Error>> {
    let mut table = Table::new(&[
        "senders",
        "messages/s",
        "msg/commit",
        "statements/msg",
        "round trips/msg",
        "transactions/msg",
        "statements/commit",
        "CPU us/msg",
        "p50 us",
        "p99 us",
        "lost",
        "doubled",
        "refused",
    ]);
    let server = Server::new();
    for &pairs in senders {
        let shared = Watched::on(&server);
        let run = asked(program, dir, pairs, time, &shared)?;
        table.row([
            pairs.to_string(),
            rate(run.messages, run.elapsed),
            per(run.messages, run.commits, 1),
            per(run.statements, run.messages, 3),
            per(run.round_trips, run.messages, 3),
            per(run.transactions, run.messages, 3),
            per(run.statements, run.commits, 2),
            micros_per(run.cpu.whole, run.messages),
            format!("{:.0}", run.wait_us(50.0)),
            format!("{:.0}", run.wait_us(99.0)),
            run.lost.to_string(),
            run.doubled.to_string(),
            run.refused.to_string(),
        ]);
    }
    table.print()?;
    Ok(())
}

/// One message of each sender on its way, through a broker on that database.
fn asked(
    program: &Path,
    dir: &Path,
    pairs: u64,
    time: Duration,
    shared: &Watched,
) -> Result<Outcome, Box<dyn Error>> {
    let more = mesh::MORE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let setup = Setup { program: program.into(), home: Home::Fresh(dir.into()), more };
    let site = Site::own(&setup.with("DATABASE_URL", &shared.url()))?;
    let course = Course { pace: Pace::Closed { window: 1 }, time };
    let town = Town { pairs, ..Town::default() };
    Ok(mesh::pairs(&site, town, course, Some(shared))?.0)
}

fn micros_per(time: Duration, count: u64) -> String {
    per(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), count.saturating_mul(1_000), 2)
}

fn rate(count: u64, time: Duration) -> String {
    per(count.saturating_mul(1_000_000), u64::try_from(time.as_micros()).unwrap_or(u64::MAX), 0)
}
