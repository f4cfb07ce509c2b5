//! The command line of `peermesh live`.

use std::time::Duration;

use clap::Subcommand;

use crate::span;

/// Where the token comes from, as every help says it.
const TOKEN: &str = "The token is taken from PEERMESH_LIVE_TOKEN, else LIVE_AUTH_SECRET (the operator's).\n\
                     The broker is at --broker, else http://127.0.0.1:8081 (or LIVE_WS_PORT).";

/// See the module's own words.
#[derive(Debug, Subcommand)]
pub(crate) enum Live {
    /// Watch topics: what holds, and then everything that follows
    #[command(after_help = format!("Examples:\n  peermesh live sub fleet.7\n  \
        peermesh live sub chat --from 8f3a0c11d2b94e07:41 --count 10 --json\n\n\
        With --json: an array of publications; without --count and --timeout one JSON object a line.\n\n\
        {TOKEN}"))]
    Sub {
        /// Their names
        #[arg(required = true)]
        topics: Vec<String>,
        /// Go on behind this position, as `peermesh live sub` shows it; for one topic
        #[arg(long, value_name = "EPOCH:OFFSET")]
        from: Option<String>,
        /// End after so many publications; 0 shows the latest of every entity and ends
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// End after this time; it is a failure when nothing is watched by then, or with --count fewer came
        #[arg(long, value_name = "SPAN", value_parser = span::parse)]
        timeout: Option<Duration>,
    },
    /// Publish to a topic
    #[command(after_help = format!("Examples:\n  peermesh live pub chat '\"hello\"'\n  \
        peermesh live pub fleet '{{\"x\":1}}' --key car7 --version 12 --id 0b1c\n  \
        echo '{{\"x\":1}}' | peermesh live pub fleet -\n\n{TOKEN}"))]
    Pub {
        /// Its name
        topic: String,
        /// JSON; `-` reads it from standard input; `null` with --key removes the entity
        #[arg(value_name = "DATA")]
        value: String,
        /// The entity it is about
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Grows with what it says of the entity: an older one never takes the place of a newer
        #[arg(long, value_name = "N")]
        version: Option<u64>,
        /// The idempotency key: published again with the same key, it stands once
        #[arg(long, value_name = "KEY")]
        id: Option<String>,
    },
    /// Show the topics in memory that the token opens
    #[command(
        after_help = format!("Examples:\n  peermesh live info\n  peermesh live info --json\n\n{TOKEN}")
    )]
    Info,
}
