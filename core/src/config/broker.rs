//! What a broker needs to know before it starts.

use std::net::IpAddr;

use super::{Limits, LiveConfig, RunnerConfig, Secret};
use crate::note::Level;

/// What a broker needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Every bound.
    pub limits: Limits,
    /// The address that invites carry, for example `ws://127.0.0.1:7900/ws`.
    pub public_url: String,
    /// The program's version, as `/health` tells it.
    pub version: String,
    /// The build's commit, as `/health` tells it; `unknown` where there is none.
    pub git_sha: String,
    /// What the admin API accepts; none means that it is closed.
    pub admin_token: Option<Secret>,
    /// What hooks must bring along; none means that they need no token.
    pub hook_token: Option<Secret>,
    /// Origins whose pages may open the socket: scheme, host and port, exactly.
    pub allowed_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpAddr>,
    /// Encrypts owner and root keys in the store; none means that no mesh and no invite can be made.
    pub vault_key: Option<Secret>,
    /// The migration that must have been applied before this broker counts as ready, with or without `.sql`.
    pub expected_migration: Option<String>,
    /// Records below this are not even made.
    pub log_level: Level,
    /// What runners must bring along; none means that they are not served.
    pub runners: Option<RunnerConfig>,
    /// How live topics are served; none means that they are not.
    pub live: Option<LiveConfig>,
}

impl Config {
    /// From the order to drain until open connections are dropped, in milliseconds.
    pub fn drain_ms(&self) -> u64 {
        let live = self.live.as_ref().map_or(0, |_| self.limits.live_drain_ms());
        self.limits.drain_ms().max(live)
    }
}
