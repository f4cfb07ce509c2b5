//! What a story is played on: a broker with its store, and byte streams to it.
//!
//! [`core`] holds the machines in memory and lets virtual time jump from one event to the next; [`sockets`]
//! starts a runtime on a loopback port over a store on disk. A story cannot tell which one it is on.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::{Config, Limits, LiveConfig, Pattern, RunnerConfig, Secret, TopicRule};
use peermesh_core::ids::{RunnerId, ShardId};
use peermesh_core::machine::Listener;
use peermesh_core::note::{Level, Note};
use peermesh_core::stats::{Counter, Gauge, MESH_LABEL, MeshCounter, Series, Stats};

use crate::driver::target::SharedTarget;
use crate::story::act::{Mood, Sharing};
use crate::story::{Terms, Told};

pub mod attic;
pub mod core;
pub mod moody;
pub mod rival;
pub mod runtime;
pub mod sockets;
pub mod target;

/// What the admin API of every story's broker accepts.
pub const ADMIN_TOKEN: &str = "the-admin-token-of-stories";

/// What a story's runners and their callers show, where it says `config
/// runner_secrets=the-secret-of-runners`.
pub const RUNNER_SECRET: &str = "the-secret-of-runners";

/// Signs the tokens of a story's watchers, where it says `config live_secret=the-secret-of-live-topics`; and
/// is the operator's own.
pub const LIVE_SECRET: &str = "the-secret-of-live-topics";

/// What tells the live series of a story's broker from another's.
pub const INSTANCE: &str = "story";

/// The longest wait for something that must happen, in milliseconds of virtual time.
const PATIENCE_MS: u64 = 2_000;

/// A byte stream to the broker, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId(pub usize);

/// What another program writes for a live topic.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fed {
    /// The topic.
    pub topic: String,
    /// The entity it is about.
    pub key: Option<String>,
    /// Grows with the age of what it says of that entity.
    pub version: Option<u64>,
    /// What it says.
    pub data: serde_json::Value,
}

/// A broker with its store, and byte streams to it.
pub trait Stage {
    /// Opens a byte stream to one of the broker's listeners, from another address than the stage's own if
    /// one is given.
    ///
    /// # Errors
    /// When the broker cannot be reached, or the stage has no such address.
    fn dial(&mut self, at: Listener, from: Option<IpAddr>) -> Told<LineId>;

    /// Where the broker's events go.
    fn target(&self) -> SharedTarget;

    /// Writes to a stream. A stream that is gone is noticed when it is read.
    fn write(&mut self, line: LineId, bytes: &[u8]);

    /// Ends our side of a stream.
    fn hang_up(&mut self, line: LineId);

    /// Forgets a stream: both sides end without a word.
    fn drop_line(&mut self, line: LineId);

    /// Stops and resumes taking bytes from a stream.
    fn set_reading(&mut self, line: LineId, reading: bool);

    /// Appends what arrived on a stream; true when nothing more will come.
    fn read(&mut self, line: LineId, into: &mut Vec<u8>) -> bool;

    /// Lets the world go on until something may have happened; false when the time `until` (in milliseconds
    /// since the story began) came first.
    ///
    /// # Errors
    /// When the broker is gone though nobody ended it.
    fn step(&mut self, until: u64) -> Told<bool>;

    /// Milliseconds since the story began.
    fn now(&self) -> u64;

    /// The longest wait for something that must happen, in milliseconds.
    fn patience_ms(&self) -> u64 {
        PATIENCE_MS
    }

    /// Unix milliseconds, as the broker knows them.
    fn wall(&self) -> i64;

    /// Moves the broker's wall clock.
    ///
    /// # Errors
    /// When this stage has the host's clock.
    fn jump(&mut self, millis: i64) -> Told<()>;

    /// Tells the broker to drain.
    fn drain(&mut self);

    /// Ends the broker in the middle of whatever it does; all its streams end.
    fn cut(&mut self);

    /// True once the broker has ended.
    fn is_over(&self) -> bool;

    /// Starts the broker again, over the same store.
    ///
    /// # Errors
    /// When it does not start.
    fn start(&mut self) -> Told<()>;

    /// Changes the store's mood.
    fn set_mood(&mut self, mood: Mood);

    /// Lets another broker that shares the store do something; meshes by their ids.
    ///
    /// # Errors
    /// When it cannot, or the store of this stage is not shared.
    fn share(&mut self, _: &Sharing) -> Told<()> {
        Err("the store of this stage has one broker".into())
    }

    /// Lets another program write something into the feed of live topics, which tells the broker so.
    ///
    /// # Errors
    /// When there is no feed on this stage.
    fn feed(&mut self, _: Fed) -> Told<()> {
        Err("the store of this stage has no feed".into())
    }

    /// Lets the process itself publish something to a live topic.
    ///
    /// # Errors
    /// When this stage has no way to tell it.
    fn publish(&mut self, _: Fed) -> Told<()> {
        Err("the process of this stage is a stranger's".into())
    }

    /// Copies the store. No broker runs.
    ///
    /// # Errors
    /// When that does not work.
    fn copy_store(&mut self) -> Told<()>;

    /// Puts the copy into the store's place and adopts it. No broker runs.
    ///
    /// # Errors
    /// When that does not work, or there is no copy.
    fn restore_store(&mut self) -> Told<()>;

    /// Takes the log records since the last call.
    fn notes(&mut self) -> Vec<Note>;

    /// Ends the world.
    ///
    /// # Errors
    /// When it does not end in good order.
    fn end(self: Box<Self>) -> Told<()>;
}

/// The shards of one life of a broker. Every life has its own seed, and the same life always the same.
pub(crate) fn brokers(config: &Arc<Config>, shards: u16, life: u8) -> Vec<Broker> {
    (0..shards)
        .map(|shard| {
            let mut seed = [life; 32];
            seed[..2].copy_from_slice(&shard.to_le_bytes());
            Broker::new(Setup { shard: ShardId(shard), shards, config: Arc::clone(config), seed })
        })
        .collect()
}

/// The configuration a story asks for.
///
/// # Errors
/// What is wrong with it.
pub fn config(terms: &Terms) -> Told<Arc<Config>> {
    let mut limits = Limits::default();
    // Counters are looked at by stories, so they are published often.
    limits.set("stats_ms", 50).map_err(|error| error.to_string())?;
    for (name, value) in &terms.limits {
        limits.set(name, *value).map_err(|error| error.to_string())?;
    }
    if let Err(errors) = limits.check() {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        return Err(lines.join("; ").into());
    }
    let mut config = Config {
        limits,
        public_url: "ws://broker.test/ws".to_owned(),
        version: "0.1.0".to_owned(),
        git_sha: "story".to_owned(),
        admin_token: Some(Secret::new(ADMIN_TOKEN)),
        hook_token: None,
        allowed_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        vault_key: Some(Secret::new([7; 32])),
        expected_migration: None,
        log_level: Level::Trace,
        runners: None,
        live: None,
    };
    for (name, value) in &terms.config {
        let list = || value.split(',').map(str::trim);
        match name.as_str() {
            "public_url" => config.public_url.clone_from(value),
            "admin_token" if value == "none" => config.admin_token = None,
            "vault_key" if value == "none" => config.vault_key = None,
            "expected_migration" => config.expected_migration = Some(value.clone()),
            "hook_token" => config.hook_token = Some(Secret::new(value.as_bytes())),
            "allowed_origins" => config.allowed_origins = list().map(str::to_owned).collect(),
            "trusted_proxies" => {
                let addresses: Result<_, _> = list().map(str::parse).collect();
                config.trusted_proxies = addresses.map_err(|_| format!("config {name}: {value}"))?;
            }
            "runner_secrets" => {
                let secrets = list().map(Secret::new).collect();
                let tokens = Vec::new();
                config.runners = Some(RunnerConfig { secrets, tokens, forwards_heartbeats: true });
            }
            "runner_tokens" | "forwards_heartbeats" => {
                let runners = config.runners.as_mut().ok_or("runner_secrets come first")?;
                runners.forwards_heartbeats &= !(name == "forwards_heartbeats" && value == "no");
                let pairs = list().filter_map(|pair| pair.split_once(':'));
                runners.tokens.extend(pairs.map(|(id, token)| (RunnerId::new(id), Secret::new(token))));
            }
            "live" if value == "on" => config.live = Some(LiveConfig::default()),
            "live_secret" => {
                let secret = Some(Secret::new(value.as_bytes()));
                config.live = Some(LiveConfig { secret, ..LiveConfig::default() });
            }
            "live_topics" => {
                let live = config.live.as_mut().ok_or("live or live_secret come first")?;
                let rules: Option<Vec<_>> = list().map(rule).collect();
                live.rules = rules.ok_or_else(|| format!("config {name}: {value}"))?;
            }
            "live_feed" => config.live.as_mut().ok_or("live_secret comes first")?.has_feed = value == "on",
            "log_level" => {
                config.log_level = Level::parse(value).ok_or_else(|| format!("config {name}: {value}"))?;
            }
            _ => return Err(format!("no such setting: {name}").into()),
        }
    }
    Ok(Arc::new(config))
}

/// `PATTERN=disconnect|conflate|gap[:volatile][:count=N]…`
fn rule(text: &str) -> Option<(Pattern, TopicRule)> {
    let (pattern, rule) = text.split_once('=')?;
    Some((Pattern::new(pattern), TopicRule::parse(rule)?))
}

/// The metrics page of a story's broker: every series on a line, the shards taken together.
pub(crate) fn page(shards: &[Stats]) -> Bytes {
    let labelled = |label: Option<(&str, &str)>| {
        label.map(|(name, value)| format!("{{{name}=\"{value}\"}}")).unwrap_or_default()
    };
    let of_instance = |series: &Series| {
        let own = format!("instance_id=\"{INSTANCE}\"");
        match series.label {
            _ if !series.is_of_instance() => labelled(series.label),
            Some((name, value)) => format!("{{{own},{name}=\"{value}\"}}"),
            None => format!("{{{own}}}"),
        }
    };
    let mut lines = Vec::new();
    for counter in Counter::ALL {
        let series = counter.series();
        let sum: i128 = shards.iter().map(|stats| i128::from(stats.counter(*counter))).sum();
        lines.push((series.name, of_instance(&series), sum));
    }
    for counter in MeshCounter::ALL {
        // A mesh is counted where it lives.
        for (mesh, count) in shards.iter().flat_map(|stats| stats.by_mesh(*counter)) {
            lines.push((counter.series().name, labelled(Some((MESH_LABEL, mesh))), i128::from(count)));
        }
    }
    for gauge in Gauge::ALL {
        let values = shards.iter().map(|stats| i128::from(stats.gauge(*gauge)));
        // A broker is as healthy as its least healthy shard.
        let value = if *gauge == Gauge::DbHealthy { values.min().unwrap_or(0) } else { values.sum() };
        lines.push((gauge.series().name, of_instance(&gauge.series()), value));
    }
    let mut page = String::new();
    for (name, label, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{name}{label} {value}");
    }
    Bytes::from(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(limits: &[(&str, u64)], settings: &[(&str, &str)]) -> Terms {
        Terms {
            limits: limits.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            config: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            shards: 1,
            ..Terms::default()
        }
    }

    #[test]
    fn a_story_sets_limits_and_settings_by_their_names() {
        let terms = terms(&[("lease_ms", 300)], &[("trusted_proxies", "10.0.0.1, ::1"), ("hook_token", "x")]);
        let config = config(&terms).unwrap();
        assert_eq!((config.limits.lease_ms(), config.trusted_proxies.len()), (300, 2));
        assert!(config.hook_token.is_some());
    }

    #[test]
    fn what_does_not_exist_or_contradicts_itself_is_refused() {
        assert!(config(&terms(&[("no_such", 1)], &[])).is_err());
        assert!(config(&terms(&[("pong_ms", 50)], &[])).is_err());
        assert!(config(&terms(&[], &[("no_such", "x")])).is_err());
    }

    #[test]
    fn the_page_sums_the_shards() {
        let mut one = Stats::default();
        one.count(Counter::RoutedNow);
        let page = page(&[one.clone(), one]);
        let page = std::str::from_utf8(&page).unwrap();
        assert!(page.lines().any(|line| line == "broker_messages_routed_total{priority=\"now\"} 2"));
        assert!(page.lines().any(|line| line == "broker_connections_active 0"));
    }
}
