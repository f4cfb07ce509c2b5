//! The surface alone, for tests of what no message shows.

use super::{After, Cx, Lives};
use crate::config::{Config, Limits};
use crate::note::Level;
use crate::rng::Rng;
use crate::stats::Stats;
use crate::store::{Durability, Query};
use crate::surface::{Effect, Effects, StoreView, Work};
use crate::time::{Mono, Now, Wall};

pub(super) const NOW: Now = Now { mono: Mono::START, wall: Wall::from_millis(1) };

/// See the module's own words.
pub(super) struct Fixture {
    pub lives: Lives,
    pub config: Config,
}

impl Fixture {
    pub(super) fn new(limits: &[(&str, u64)]) -> Fixture {
        let mut config = Config {
            limits: Limits::default(),
            public_url: String::new(),
            version: String::new(),
            git_sha: String::new(),
            admin_token: None,
            hook_token: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            vault_key: None,
            expected_migration: None,
            log_level: Level::Error,
            runners: None,
            live: None,
        };
        for (name, value) in limits {
            config.limits.set(name, *value).unwrap();
        }
        Fixture { lives: Lives::new(&mut Rng::from_seed([1; 32])), config }
    }

    /// One turn: what is to be done, and what the store is asked.
    pub(super) fn turn(&mut self, act: impl FnOnce(&mut Lives, &mut Cx<'_>)) -> (Vec<Effect>, Vec<Query>) {
        let (mut effects, mut work) = (Effects::default(), Work::<After>::default());
        let durability = Durability::default();
        let mut cx = Cx {
            now: NOW,
            config: &self.config,
            rng: &mut Rng::from_seed([2; 32]),
            stats: &mut Stats::default(),
            notes: &mut Vec::new(),
            effects: &mut effects,
            work: &mut work,
            store: StoreView { down: None, sure: true, doubts: 0, durability, history: None },
        };
        act(&mut self.lives, &mut cx);
        (effects.list, work.questions.into_iter().map(|(query, _)| query).collect())
    }
}
