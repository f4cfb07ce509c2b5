//! The names of every setting: one table, from which variables, file keys and the shown rows follow.

/// One setting that is no limit. Its own variable is `PEERMESH_` and its name in capitals.
#[derive(Debug)]
pub(super) struct Setting {
    /// The key in the configuration file.
    pub(super) name: &'static str,
    /// The variable that the mesh protocol gives it.
    pub(super) protocol: Option<&'static str>,
    /// The flag that sets it.
    pub(super) flag: Option<&'static str>,
}

const fn setting(name: &'static str, protocol: Option<&'static str>, flag: Option<&'static str>) -> Setting {
    Setting { name, protocol, flag }
}

pub(super) const PORT: Setting = setting("port", Some("BROKER_PORT"), Some("--port"));
pub(super) const HOST: Setting = setting("host", None, Some("--host"));
pub(super) const SHARDS: Setting = setting("shards", None, Some("--shards"));
pub(super) const RUNTIME: Setting = setting("runtime", None, Some("--runtime"));
pub(super) const PUBLIC_URL: Setting = setting("public_url", None, Some("--public-url"));
pub(super) const LOG: Setting = setting("log", None, None);
pub(super) const ALLOWED_ORIGINS: Setting = setting("allowed_origins", None, None);
pub(super) const TRUSTED_PROXIES: Setting = setting("trusted_proxies", None, None);
pub(super) const KEY_FILE: Setting = setting("key_file", None, None);
pub(super) const ADMIN_TOKEN: Setting = setting("admin_token", None, None);
pub(super) const HOOK_TOKEN: Setting = setting("hook_token", Some("HOOK_TOKEN"), None);
pub(super) const GIT_SHA: Setting = setting("git_sha", Some("GIT_SHA"), None);
pub(super) const DATABASE_URL: Setting = setting("database_url", Some("DATABASE_URL"), None);
pub(super) const POSTGRES_CONNECTIONS: Setting = setting("postgres_connections", None, None);
pub(super) const INSTANCE_ID: Setting = setting("instance_id", None, None);
pub(super) const SKIP_MIGRATE: Setting = setting("skip_migrate", Some("BROKER_SKIP_MIGRATE"), None);
pub(super) const EXPECTED_MIGRATION: Setting =
    setting("expected_migration", Some("EXPECTED_MIGRATION"), None);
pub(super) const ALLOW_RELAXED_DURABILITY: Setting =
    setting("allow_relaxed_durability", None, Some("--allow-relaxed-durability"));
/// Not the mesh's port, whatever it is called elsewhere.
pub(super) const RUNNER_PORT: Setting = setting("runner_port", Some("PORT"), None);
pub(super) const RUNNER_SHARED_SECRET: Setting =
    setting("runner_shared_secret", Some("RUNNER_SHARED_SECRET"), None);
pub(super) const RUNNER_SHARED_SECRET_NEXT: Setting =
    setting("runner_shared_secret_next", Some("RUNNER_SHARED_SECRET_NEXT"), None);
pub(super) const RUNNER_TOKENS: Setting = setting("runner_tokens", Some("RUNNER_TOKENS"), None);
pub(super) const RUNNER_EVENT_TARGET_URL: Setting =
    setting("runner_event_target_url", Some("RUNNER_EVENT_TARGET_URL"), None);
pub(super) const RUNNER_FORWARD_HEARTBEATS: Setting =
    setting("runner_forward_heartbeats", Some("RUNNER_FORWARD_HEARTBEATS"), None);
pub(super) const LIVE_PORT: Setting = setting("live_port", Some("LIVE_WS_PORT"), None);
pub(super) const LIVE_HOST: Setting = setting("live_host", Some("LIVE_WS_HOST"), None);
pub(super) const LIVE_AUTH: Setting = setting("live_auth", Some("LIVE_AUTH_SECRET"), None);
pub(super) const LIVE_TOPICS: Setting = setting("live_topics", None, None);
pub(super) const LIVE_FEED: Setting = setting("live_feed", None, None);
/// Keys of the table `live` in the configuration file, and the settings or limits that they are. Any of them
/// turns live topics on.
pub(super) const LIVE_KEYS: &[(&str, &str)] = &[
    ("port", "live_port"),
    ("host", "live_host"),
    ("auth", "live_auth"),
    ("topics", "live_topics"),
    ("feed", "live_feed"),
    ("ping_interval_ms", "limits.live_ping_ms"),
    ("drain_timeout_ms", "limits.live_drain_ms"),
];
/// What reports call the place where this runs.
pub(super) const NODE_ENV: Setting = setting("node_env", Some("NODE_ENV"), None);
pub(super) const SENTRY_DSN: Setting = setting("sentry_dsn", Some("SENTRY_DSN"), None);
pub(super) const SENTRY_RELEASE: Setting = setting("sentry_release", Some("SENTRY_RELEASE"), None);
pub(super) const SENTRY_TRACES_SAMPLE_RATE: Setting =
    setting("sentry_traces_sample_rate", Some("SENTRY_TRACES_SAMPLE_RATE"), None);

pub(super) const RECORD: Setting = setting("record", None, Some("--record"));
pub(super) const RECORD_PAYLOADS: Setting = setting("record_payloads", None, Some("--record-payloads"));
pub(super) const RECORD_RENEW: Setting = setting("record_renew", None, Some("--record-renew"));

/// All of them, to tell a known key of the file from an unknown one.
pub(super) const SETTINGS: &[&Setting] = &[
    &PORT,
    &HOST,
    &SHARDS,
    &RUNTIME,
    &PUBLIC_URL,
    &LOG,
    &ALLOWED_ORIGINS,
    &TRUSTED_PROXIES,
    &KEY_FILE,
    &ADMIN_TOKEN,
    &HOOK_TOKEN,
    &GIT_SHA,
    &DATABASE_URL,
    &POSTGRES_CONNECTIONS,
    &INSTANCE_ID,
    &SKIP_MIGRATE,
    &EXPECTED_MIGRATION,
    &ALLOW_RELAXED_DURABILITY,
    &RUNNER_PORT,
    &RUNNER_SHARED_SECRET,
    &RUNNER_SHARED_SECRET_NEXT,
    &RUNNER_TOKENS,
    &RUNNER_EVENT_TARGET_URL,
    &RUNNER_FORWARD_HEARTBEATS,
    &LIVE_PORT,
    &LIVE_HOST,
    &LIVE_AUTH,
    &LIVE_TOPICS,
    &LIVE_FEED,
    &NODE_ENV,
    &SENTRY_DSN,
    &SENTRY_RELEASE,
    &SENTRY_TRACES_SAMPLE_RATE,
    &RECORD,
    &RECORD_PAYLOADS,
    &RECORD_RENEW,
];

/// A limit that the mesh protocol names: its variable, and how many of the limit's units one of its units is.
#[derive(Debug)]
pub(super) struct ProtocolLimit {
    pub(super) limit: &'static str,
    pub(super) variable: &'static str,
    pub(super) scale: u64,
    /// Zero has a meaning (no limit, or the rule that computes it).
    pub(super) zero: bool,
}

pub(super) const PROTOCOL_LIMITS: &[ProtocolLimit] = &[
    ProtocolLimit { limit: "status_ttl_ms", variable: "STATUS_TTL_SECONDS", scale: 1_000, zero: false },
    ProtocolLimit {
        limit: "hook_fresh_ms",
        variable: "HOOK_FRESH_WINDOW_SECONDS",
        scale: 1_000,
        zero: false,
    },
    ProtocolLimit {
        limit: "connections_per_mesh_max",
        variable: "MAX_CONNECTIONS_PER_MESH",
        scale: 1,
        zero: false,
    },
    ProtocolLimit {
        limit: "runner_event_age_ms",
        variable: "RUNNER_EVENT_MAX_AGE_HOURS",
        scale: 3_600_000,
        zero: false,
    },
    ProtocolLimit { limit: "message_bytes_max", variable: "MAX_MESSAGE_BYTES", scale: 1, zero: false },
    ProtocolLimit {
        limit: "hook_rate_per_minute",
        variable: "HOOK_RATE_LIMIT_PER_MIN",
        scale: 1,
        zero: false,
    },
    ProtocolLimit {
        limit: "send_rate_per_minute",
        variable: "SEND_RATE_LIMIT_PER_MIN",
        scale: 1,
        zero: true,
    },
    ProtocolLimit { limit: "live_ping_ms", variable: "LIVE_WS_PING_INTERVAL_MS", scale: 1, zero: false },
    ProtocolLimit { limit: "live_drain_ms", variable: "LIVE_WS_DRAIN_TIMEOUT_MS", scale: 1, zero: false },
    ProtocolLimit { limit: "send_rate_burst", variable: "SEND_RATE_LIMIT_BURST", scale: 1, zero: true },
];

#[cfg(test)]
mod tests {
    use peermesh_core::config::Limits;

    use super::*;

    #[test]
    fn every_limit_of_the_protocol_is_one_of_ours() {
        assert!(PROTOCOL_LIMITS.iter().all(|row| Limits::NAMES.contains(&row.limit)));
        for (key, name) in LIVE_KEYS {
            let is_limit = name.strip_prefix("limits.").is_some_and(|name| Limits::NAMES.contains(&name));
            assert!(is_limit || SETTINGS.iter().any(|setting| setting.name == *name), "{key}");
        }
    }

    #[test]
    fn no_two_settings_share_a_name() {
        for (at, setting) in SETTINGS.iter().enumerate() {
            assert!(SETTINGS[..at].iter().all(|other| other.name != setting.name), "{}", setting.name);
            assert!(!Limits::NAMES.contains(&setting.name));
        }
    }
}
