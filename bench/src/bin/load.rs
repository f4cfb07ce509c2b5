//! The load generator's command line.

use std::error::Error;
use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use peermesh_bench::load::mesh::{self, Town};
use peermesh_bench::load::rival::{self, Kind, Rival};
use peermesh_bench::load::{Course, Outcome, Pace, Site, live, plot, runner};
use peermesh_bench::server::{Home, Setup};
use peermesh_bench::table::Table;
use peermesh_bench::wire::{echo, office, relay};
use serde_json::{Value, json};

/// Puts a load on a broker and says what came of it.
///
/// Starts a broker of its own on loopback, or loads the one at --url. Every run is bounded in time and ends
/// by itself. Messages are 256 bytes before their encoding.
#[derive(Debug, Parser)]
#[command(name = "peermesh-load", disable_help_subcommand = true, version)]
struct Command {
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Pairs of peers: durable messages from a sender to a recipient, who acknowledges
    Mesh {
        /// Pairs of a sender and a recipient
        #[arg(long, default_value_t = 10)]
        pairs: u64,
        /// Peers that only stay connected
        #[arg(long, default_value_t = 0)]
        idle: u64,
        /// Meshes that all of them are spread over [default: as many as have 100 members each]
        #[arg(long, default_value_t = 0)]
        meshes: u64,
        /// Messages that wait for absent members of the one mesh before the measuring begins
        #[arg(long, default_value_t = 0)]
        queued: u64,
        /// The limit: the same pairs at a bare post office instead of a broker, which stores and passes on
        #[arg(long, conflicts_with_all = ["idle", "meshes", "queued", "url", "program", "settings"])]
        bare: bool,
        #[command(flatten)]
        course: CourseArgs,
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        shown: Shown,
    },
    /// One peer sends to everybody in its mesh
    Broadcast {
        /// How many hear it
        #[arg(long, default_value_t = 99)]
        watchers: u64,
        /// The limit: the same at a bare post office instead of a broker, which stores and passes on
        #[arg(long, conflicts_with_all = ["url", "program", "settings"])]
        bare: bool,
        #[command(flatten)]
        course: CourseArgs,
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        shown: Shown,
    },
    /// The reference test: every peer sends so many messages to random others
    Reference {
        /// Peers
        #[arg(long, default_value_t = 100)]
        peers: u64,
        /// Messages of each
        #[arg(long, default_value_t = 1_000)]
        messages: u64,
        /// Messages of a peer on their way
        #[arg(long, default_value_t = 8)]
        window: u64,
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        shown: Shown,
    },
    /// Runners: commands to them, or events from them with --events
    Runner {
        /// Runners, each with one connection
        #[arg(long, default_value_t = 16)]
        runners: usize,
        /// Callers, each with one command on its way
        #[arg(long, default_value_t = 16)]
        callers: usize,
        /// Events of each runner instead of commands to them; needs a broker of its own
        #[arg(long, conflicts_with = "url")]
        events: bool,
        /// The limit: the same by a bare relay instead of a broker, which stores nothing
        #[arg(long, conflicts_with_all = ["url", "program", "dir", "settings"])]
        relay: bool,
        #[command(flatten)]
        course: CourseArgs,
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        shown: Shown,
    },
    /// Live topics: one publisher, many watchers
    Live {
        /// Watchers of the topic
        #[arg(long, default_value_t = 100)]
        watchers: u64,
        #[command(flatten)]
        course: CourseArgs,
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        shown: Shown,
    },
    /// The same pairs on what stands beside the broker: nats, jetstream, redis or mosquitto
    Rival {
        /// Which
        #[arg(value_parser = rival_of)]
        name: Kind,
        /// Pairs of a sender and a recipient
        #[arg(long, default_value_t = 10)]
        pairs: usize,
        /// Watchers of one sender instead of pairs
        #[arg(long)]
        watchers: Option<usize>,
        #[command(flatten)]
        course: CourseArgs,
        /// Where its files go [default: the folder of this program]
        #[arg(long)]
        dir: Option<PathBuf>,
        #[command(flatten)]
        shown: Shown,
    },
    /// The limit: bytes that come back, or frames by the broker's frame layer with --frames, or bytes that a
    /// second thread has synced with --synced
    Limit {
        /// Connections
        #[arg(long, default_value_t = 10)]
        connections: usize,
        /// WebSocket frames instead of bare bytes
        #[arg(long, conflicts_with = "synced")]
        frames: bool,
        /// Bytes that a second thread appends to a file and syncs before they come back
        #[arg(long)]
        synced: bool,
        /// Where that file goes: on the disk that is to be measured [default: the folder of this program]
        #[arg(long)]
        dir: Option<PathBuf>,
        #[command(flatten)]
        course: CourseArgs,
        #[command(flatten)]
        shown: Shown,
    },
    /// Is the relay that `runner --relay` measures
    #[command(hide = true)]
    Relaying {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        target: SocketAddr,
        #[arg(long)]
        posts: usize,
    },
    /// Is the post office that `mesh --bare` and `broadcast --bare` measure
    #[command(hide = true)]
    Office {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        dir: PathBuf,
    },
    /// Is the echo that `limit` measures
    #[command(hide = true)]
    Echo {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        frames: bool,
        #[arg(long)]
        synced: bool,
        #[arg(long)]
        dir: PathBuf,
    },
}

/// How fast, and how long.
#[derive(Debug, Args)]
struct CourseArgs {
    /// Messages of each sender on their way
    #[arg(long, default_value_t = 16)]
    window: u64,
    /// An open loop: messages a second that are due whatever became of earlier ones. Waits count from when
    /// a message was due [default: a closed loop, as fast as the window lets it]
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds that are measured, after a third of that as warm-up
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
}

impl CourseArgs {
    fn course(&self) -> Course {
        let window = self.window.max(1);
        let pace =
            self.rate.map_or(Pace::Closed { window }, |rate| Pace::Open { rate: rate.max(0.01), window });
        Course { pace, time: Duration::from_secs_f64(self.seconds) }
    }
}

/// Whom the load is on.
#[derive(Debug, Args)]
struct SiteArgs {
    /// A broker that runs already: ws://HOST:PORT of the port that the load is on
    #[arg(long)]
    url: Option<String>,
    /// What opens it: the admin token for peers, the secret of the port for runners and watchers
    #[arg(long, requires = "url", env = "PEERMESH_LOAD_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Its process, if it runs here and its costs are wanted
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// The broker [default: the program `peermesh` beside this one]
    #[arg(long, conflicts_with = "url")]
    program: Option<PathBuf>,
    /// Where its data goes: on the disk that is to be measured [default: the folder of this program]
    #[arg(long, conflicts_with = "url")]
    dir: Option<PathBuf>,
    /// A setting of the broker, NAME=VALUE of its environment; may be given again. Rates of sends, hellos and
    /// watchers are switched off by themselves
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting, conflicts_with = "url")]
    settings: Vec<(String, String)>,
}

impl SiteArgs {
    fn setup(&self, needs: &[(&str, &str)]) -> std::io::Result<Setup> {
        let program = self.program.clone().map_or_else(|| beside("peermesh"), Ok)?;
        let dir = self.dir.clone().map_or_else(|| beside("."), Ok)?;
        let needs = needs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let more = needs.chain(self.settings.iter().cloned()).collect();
        Ok(Setup { program, home: Home::Fresh(dir), more })
    }

    /// A folder of its own for a store without a broker.
    fn home(&self) -> std::io::Result<tempfile::TempDir> {
        tempfile::tempdir_in(self.dir.clone().map_or_else(|| beside("."), Ok)?)
    }

    fn site(&self, needs: &[(&str, &str)]) -> Result<Site, Box<dyn Error>> {
        let Some(url) = &self.url else { return Ok(Site::own(&self.setup(needs)?)?) };
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or(rest);
        let addr = host.to_socket_addrs()?.next().ok_or_else(|| format!("--url: {host} has no address"))?;
        let token = self.token.clone().ok_or("--url needs --token: what opens the port")?;
        Ok(Site::Other { addr, token, process: self.pid })
    }
}

/// How the result is shown.
#[derive(Debug, Args)]
struct Shown {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the waits into this file, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

impl Shown {
    fn show(&self, name: &str, outcome: &Outcome, more: Value) -> Result<(), Box<dyn Error>> {
        if let Some(path) = &self.plot {
            plot::waits(path, name, &[(name.to_owned(), outcome)])?;
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            let mut value = outcome.json();
            value["load"] = name.into();
            if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
                value.extend(more);
            }
            return Ok(writeln!(out, "{value}")?);
        }
        let mut table = Table::new(&[name, ""]);
        for (what, shown) in lines(outcome) {
            table.row([what.to_owned(), shown]);
        }
        if let Value::Object(more) = more {
            more.into_iter().for_each(|(name, value)| table.row([name.replace('_', " "), value.to_string()]));
        }
        Ok(write!(out, "{table}")?)
    }
}

fn lines(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let mib =
        |bytes: u64| format!("{:.1}", f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1_024.0);
    vec![
        ("messages/s", format!("{:.0}", outcome.rate())),
        ("messages", outcome.messages.to_string()),
        ("seconds", format!("{:.2}", outcome.elapsed.as_secs_f64())),
        ("p50 us", format!("{:.0}", outcome.wait_us(50.0))),
        ("p99 us", format!("{:.0}", outcome.wait_us(99.0))),
        ("p99.9 us", format!("{:.0}", outcome.wait_us(99.9))),
        ("longest us", format!("{:.0}", outcome.wait_us(100.0))),
        ("server CPU s / 1,000", format!("{:.5}", outcome.cpu_us() / 1e3)),
        ("  of it kernel", format!("{:.5}", outcome.each(outcome.cpu.kernel) / 1e3)),
        ("  of it shards", format!("{:.5}", outcome.each(outcome.cpu.shards) / 1e3)),
        ("  of it store", format!("{:.5}", outcome.each(outcome.cpu.store) / 1e3)),
        ("generator CPU s / 1,000", format!("{:.5}", outcome.each(outcome.generator_cpu) / 1e3)),
        ("server RSS MiB, at the end", mib(outcome.rss_bytes)),
        ("server RSS MiB, at most", mib(outcome.rss_peak_bytes)),
        ("commits", outcome.commits.to_string()),
        (
            "sent · arrived · accepted",
            format!("{} · {} · {}", outcome.sent, outcome.arrivals, outcome.accepted),
        ),
        ("lost · doubled", format!("{} · {}", outcome.lost, outcome.doubled)),
        ("refused · out of order", format!("{} · {}", outcome.refused, outcome.disordered)),
    ]
}

fn main() -> ExitCode {
    match run(Command::parse().load) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when standard error is gone too.
            let _ = writeln!(std::io::stderr(), "peermesh-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(load: Load) -> Result<(), Box<dyn Error>> {
    match load {
        Load::Mesh { pairs, bare: true, course, site, shown, .. } => {
            let home = site.home()?;
            let outcome = mesh::bare_pairs(home.path(), pairs, course.course())?;
            shown.show("mesh, bare", &outcome, Value::Null)
        }
        Load::Mesh { pairs, idle, meshes, queued, bare: false, course, site, shown } => {
            let (site, town) = (site.site(mesh::MORE)?, Town { pairs, idle, meshes, queued });
            let (outcome, census) = mesh::pairs(&site, town, course.course(), None)?;
            shown.show("mesh", &outcome, census.json())
        }
        Load::Broadcast { watchers, bare, course, site, shown } => {
            let course = course.course();
            let (name, outcome) = if bare {
                ("broadcast, bare", mesh::bare_broadcast(site.home()?.path(), watchers, course)?)
            } else {
                ("broadcast", mesh::broadcast(&site.site(mesh::MORE)?, watchers, course)?)
            };
            shown.show(name, &outcome, json!({ "watchers": watchers }))
        }
        Load::Reference { peers, messages, window, site, shown } => {
            let outcome = mesh::reference(&site.site(mesh::MORE)?, peers, messages, window, None)?;
            shown.show("reference", &outcome, json!({ "peers": peers }))
        }
        Load::Runner { runners, callers, events, relay, course, site, shown } => {
            let course = course.course();
            let (name, outcome) = match (events, relay) {
                (true, false) => {
                    ("runner events", runner::events(&site.setup(mesh::MORE)?, runners, course)?)
                }
                (false, false) => {
                    let site = site.site(mesh::MORE)?;
                    ("runner commands", runner::commands(&site, callers, runners, course)?)
                }
                (true, true) => ("runner events, relayed", runner::relayed_events(runners, course)?),
                (false, true) => {
                    ("runner commands, relayed", runner::relayed_commands(callers, runners, course)?)
                }
            };
            shown.show(name, &outcome, json!({ "runners": runners }))
        }
        Load::Live { watchers, course, site, shown } => {
            let outcome = live::fanout(&site.site(live::MORE)?, watchers, course.course())?;
            shown.show("live", &outcome, json!({ "watchers": watchers }))
        }
        Load::Rival { name, pairs, watchers, course, dir, shown } => {
            let dir = dir.map_or_else(|| beside("."), Ok)?;
            let rival = Rival::start(name, &dir)??;
            let course = course.course();
            let outcome =
                watchers.map_or_else(|| rival.pairs(pairs, course), |count| rival.fanout(count, course))?;
            shown.show(name.name(), &outcome, Value::Null)
        }
        Load::Limit { connections, frames, synced, dir, course, shown } => {
            let kind = echo_kind(frames, synced);
            let name = match kind {
                echo::Kind::Raw => "echo",
                echo::Kind::WebSocket => "echo of frames",
                echo::Kind::Synced => "echo of synced bytes",
            };
            let dir = dir.map_or_else(|| beside("."), Ok)?;
            shown.show(name, &rival::echo(kind, connections, course.course(), &dir)?, Value::Null)
        }
        Load::Relaying { listen, target, posts } => Ok(relay::serve(listen, target, posts.max(1))?),
        Load::Office { listen, dir } => Ok(office::serve(listen, &dir)?),
        Load::Echo { listen, frames, synced, dir } => {
            Ok(echo::serve(listen, echo_kind(frames, synced), &dir)?)
        }
    }
}

fn echo_kind(frames: bool, synced: bool) -> echo::Kind {
    match (frames, synced) {
        (true, _) => echo::Kind::WebSocket,
        (_, true) => echo::Kind::Synced,
        _ => echo::Kind::Raw,
    }
}

/// A file beside this program.
fn beside(name: &str) -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

fn rival_of(name: &str) -> Result<Kind, String> {
    match name {
        "nats" => Ok(Kind::Nats),
        "jetstream" => Ok(Kind::JetStream),
        "redis" => Ok(Kind::Redis),
        "mosquitto" => Ok(Kind::Mosquitto),
        other => Err(format!("{other} is none of nats, jetstream, redis, mosquitto")),
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if (0.05..=600.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.05 to 600 seconds".to_owned()) }
}
