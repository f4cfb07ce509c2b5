//! What a recording begins with: everything its machines were made with.
//!
//! *Always holds:* a recording can be lived again without anything else, so it holds the secrets of its
//! broker. It is for the same eyes as the broker's own files.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::coded::{Coded, Tape, coded_enums, coded_structs};
use crate::broker::{Broker, Setup};
use crate::config::{Config, Kept, Limits, LiveConfig, Pattern, RunnerConfig, Secret, Slow, TopicRule};
use crate::ids::ShardId;
use crate::note::Level;
use crate::time::Wall;

/// What a recording begins with.
#[derive(Clone, Debug)]
pub struct Header {
    /// When it began.
    pub began: Wall,
    /// What is kept of what peers say.
    pub payloads: Payloads,
    /// Where the chance of each shard comes from.
    pub seeds: Vec<[u8; 32]>,
    /// Its requests have higher tickets; others were asked for before it began.
    pub last_ticket: u64,
    /// How its broker behaves.
    pub config: Arc<Config>,
}

/// What is kept of the texts that peers seal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payloads {
    /// Everything.
    #[default]
    Full,
    /// Their length, and letters that are the same for the same text and tell nothing of it.
    Hash,
}

impl Payloads {
    /// All of them.
    pub const ALL: [Payloads; 2] = [Payloads::Full, Payloads::Hash];

    /// The word in settings and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Payloads::Full => "full",
            Payloads::Hash => "hash",
        }
    }
}

impl Header {
    /// One machine for each shard, as new as they were when the recording began.
    pub fn machines(&self) -> Vec<Broker> {
        let shards = u16::try_from(self.seeds.len()).unwrap_or(u16::MAX);
        let made = (0..shards).zip(&self.seeds).map(|(shard, seed)| {
            let (config, seed) = (Arc::clone(&self.config), *seed);
            let setup = Setup { shard: ShardId(shard), shards, config, seed };
            Broker::new(setup).asking_from(self.last_ticket)
        });
        made.collect()
    }

    /// The version of the program that recorded.
    pub fn version(&self) -> &str {
        &self.config.version
    }
}

coded_structs! {
    Header { began, payloads, seeds, last_ticket, config }
    Config {
        limits, public_url, version, git_sha, admin_token, hook_token, allowed_origins, trusted_proxies,
        vault_key, expected_migration, log_level, runners, live
    }
    RunnerConfig { secrets, tokens, forwards_heartbeats }
    LiveConfig { secret, rules, has_feed }
    TopicRule { slow, volatile, kept }
    Kept { count, bytes, millis }
}

coded_enums! {
    Payloads { 0 = Full, 1 = Hash }
    Level { 0 = Error, 1 = Warn, 2 = Info, 3 = Debug, 4 = Trace }
    Slow { 0 = Disconnect, 1 = Conflate, 2 = Gap }
}

impl Coded for Limits {
    fn put(&self, to: &mut Vec<u8>) {
        let all = Limits::NAMES.iter().map(|name| ((*name).to_owned(), self.get(name).unwrap_or_default()));
        all.collect::<Vec<(String, u64)>>().put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<Limits> {
        let all: BTreeMap<String, u64> = Vec::take(from)?.into_iter().collect();
        let mut limits = Limits::default();
        // A limit that this build does not know is one that its machines cannot keep to.
        all.into_iter().all(|(name, value)| limits.set(&name, value).is_ok()).then_some(limits)
    }
}

impl Coded for Secret {
    fn put(&self, to: &mut Vec<u8>) {
        self.expose().to_vec().put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<Secret> {
        Vec::<u8>::take(from).map(Secret::new)
    }
}

impl Coded for Pattern {
    fn put(&self, to: &mut Vec<u8>) {
        self.to_string().put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<Pattern> {
        String::take(from).map(|text| Pattern::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RunnerId;

    #[test]
    fn a_header_comes_back_with_every_setting() {
        let mut limits = Limits::default();
        limits.set("lease_ms", 1_234).unwrap();
        let kept = Kept { count: Some(3), bytes: None, millis: Some(9) };
        let rule = TopicRule { slow: Slow::Gap, volatile: true, kept };
        let config = Config {
            limits,
            public_url: "ws://here/ws".to_owned(),
            version: "1.2.3".to_owned(),
            git_sha: "abc".to_owned(),
            admin_token: Some(Secret::new("a")),
            hook_token: None,
            allowed_origins: vec!["https://x".to_owned()],
            trusted_proxies: vec!["10.0.0.1".parse().unwrap()],
            vault_key: Some(Secret::new([7; 32])),
            expected_migration: Some("V0001".to_owned()),
            log_level: Level::Debug,
            runners: Some(RunnerConfig {
                secrets: vec![Secret::new("r")],
                tokens: vec![(RunnerId::new("r1"), Secret::new("t"))],
                forwards_heartbeats: true,
            }),
            live: Some(LiveConfig {
                secret: None,
                rules: vec![(Pattern::new("fleet.*"), rule), (Pattern::new("one"), TopicRule::default())],
                has_feed: true,
            }),
        };
        let header = Header {
            began: Wall::from_millis(5),
            payloads: Payloads::Hash,
            seeds: vec![[1; 32], [2; 32]],
            last_ticket: 9,
            config: Arc::new(config),
        };
        let mut bytes = Vec::new();
        header.put(&mut bytes);
        let mut tape = Tape(&bytes);
        let taken = Header::take(&mut tape).unwrap();
        assert!(tape.is_at_end());
        // What may be shown is compared as it is shown, and secrets by their bytes.
        assert_eq!(format!("{taken:?}"), format!("{header:?}"));
        assert_eq!(taken.config.vault_key, header.config.vault_key);
        assert_eq!(taken.machines().len(), 2);
    }
}
