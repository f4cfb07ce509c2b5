//! The command line: every subcommand, its flags, and examples in its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use peermesh_core::store;

use crate::canonical::Outline;
use crate::config::Flags;
use crate::daemon::Daemon;
use crate::live::Live;
use crate::peer::via::Via;
use crate::sim::Sim;
use crate::{key, span};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed for a reason that fits no other row
  2  the command line or the configuration is wrong
  3  not found, or refused for good: the same command will fail again
  4  the broker cannot be reached or has no room: try again later
  5  what was waited for did not happen in time
  6  the broker ended because its store cannot be trusted: start it again, or repair it

Examples:
  peermesh serve
  peermesh mesh create demo
  peermesh invite demo --uses 2
  peermesh join peermesh:join:... --as ann
  peermesh send bob 'the build is green' --as ann
  peermesh inbox --as bob";

/// Connects coding agents: peers meet over WebSocket and send each other sealed messages that are not lost.
#[derive(Debug, Parser)]
#[command(name = "peermesh", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that may stand after any subcommand.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// The data directory [default: $PEERMESH_DATA, else $XDG_DATA_HOME/peermesh or ~/.local/share/peermesh]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print exactly one JSON value to standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The broker to talk to [default: the one on the data directory, or the profile's]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) broker: Option<String>,
    /// The profile to act as; needed where there are several
    #[arg(long = "as", global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Trust the authorities of this PEM file too, besides the system's [default: $PEERMESH_CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The admin token of the broker at --broker
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a broker; works without any configuration
    #[command(after_help = "Examples:\n  peermesh serve\n  peermesh serve --data ./mesh --port 7901\n  \
        peermesh serve --public-url ws://mesh.example:7900/ws\n  \
        DATABASE_URL=postgres://mesh@db.example/mesh peermesh serve")]
    Serve(Settings),
    /// Create, list and show meshes
    #[command(subcommand)]
    Mesh(Mesh),
    /// Print a link by which others join a mesh
    #[command(
        after_help = "Examples:\n  peermesh invite demo\n  peermesh invite demo --uses 5 --expires 12h\n  \
        peermesh invite demo --role admin --json"
    )]
    Invite {
        /// Slug or id of the mesh
        mesh: String,
        /// How many peers may join with it
        #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
        uses: u32,
        /// What they may do
        #[arg(long, default_value = "member")]
        role: Role,
        /// For how long it is good, like 30m, 12h or 7d
        #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span::parse)]
        expires: Duration,
    },
    /// List and remove members
    #[command(subcommand)]
    Member(Member),
    /// Look at runners, send them commands, see to their dead events
    #[command(subcommand)]
    Runners(Runners),
    /// Watch live topics, publish to them, see which there are
    #[command(subcommand)]
    Live(Live),
    /// Join a mesh with an invite and keep the profile
    #[command(after_help = "Examples:\n  peermesh join peermesh:join:... --as ann\n  \
        peermesh invite demo | peermesh join - --as bob")]
    Join {
        /// The link that `peermesh invite` printed; `-` reads it from standard input
        invite: String,
    },
    /// Give this member another key, and make the one it has worthless
    #[command(
        after_help = "The member stays who it is: its name, its groups and the mail that waits for it. \
        Whoever has the former\nkey can do nothing with it any more; what others still send to it \
        reaches this host for a while and is\nopened. A daemon that runs takes the new key up. A command \
        that was cut off, or heard no answer, is run\nagain: it ends what was begun. Make another backup.\n\n\
        Examples:\n  peermesh rotate-key\n  peermesh rotate-key --as ann --json"
    )]
    RotateKey,
    /// List who belongs to the mesh and who is there
    #[command(
        after_help = "The list comes from the broker, by the daemon where one runs for this profile.\n\n\
        Examples:\n  peermesh peers\n  peermesh peers --as ann --json"
    )]
    Peers {
        /// Which way to take [default: $PEERMESH_VIA, else auto]
        #[arg(long)]
        via: Option<Via>,
    },
    /// Send a message
    #[command(
        after_help = "A daemon that runs for this profile (peermesh daemon up) takes the message, keeps it \
        on disk and\nsends it when the broker is there. Where it is away or does not take it, the message \
        goes straight to\nthe broker, under the same key, so that it arrives once. --receipt, --mention, \
        --message-id and\n--broker always go straight. With --json, `via` tells which way it went.\n\n\
        Examples:\n  peermesh send bob 'the build is green'\n  \
        peermesh send bob 'stop' --priority now --wait delivered --timeout 1m\n  \
        peermesh send bob 'whenever you are back' --via daemon --wait queued\n  \
        git log -1 | peermesh send '@ops' - --mention bob"
    )]
    Send {
        /// A name, a key, @group, or * for everyone
        to: String,
        /// The text; `-` reads it from standard input
        text: String,
        /// `now` disturbs; `next` and `low` wait until the recipient is idle
        #[arg(long, default_value = "next")]
        priority: Priority,
        /// Return once the daemon has it on disk (queued), the broker has it (accepted), or every recipient
        /// has it (delivered) [default: accepted; queued, if the daemon cannot reach the broker]
        #[arg(long, value_name = "UNTIL")]
        wait: Option<Until>,
        /// For how long to try and to wait
        #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span::parse)]
        timeout: Duration,
        /// The key of this message: sending it again with the same key sends it once
        #[arg(long, value_name = "KEY", value_parser = key::parse)]
        id: Option<String>,
        /// The id the message had, when it is sent again because the broker's store was restored from an
        /// older copy
        #[arg(long, value_name = "ID", requires = "id")]
        message_id: Option<String>,
        /// Ask for the broker's signed receipt, and append it to this file
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
        /// A name or key of somebody who is mentioned, and finds the message with `peermesh mentions`
        #[arg(long = "mention", value_name = "WHO")]
        mentions: Vec<String>,
        /// Which way to take [default: $PEERMESH_VIA, else auto]
        #[arg(long)]
        via: Option<Via>,
    },
    /// Tell what became of a message, and why it waits
    #[command(
        after_help = "MESSAGE is what `peermesh send` printed, or its first 8 characters. Its sender is \
        told of\nevery recipient, a recipient of itself; to everybody else it is unknown.\n\n\
        Examples:\n  peermesh why q3Xk2vZr\n  peermesh why q3Xk2vZr --as bob --json"
    )]
    Why {
        /// The id of the message, or its first 8 characters or more
        message: String,
    },
    /// List the messages that mention this member
    #[command(after_help = "The oldest come first. With --json, `next` is what --after takes to go on.\n\n\
        Examples:\n  peermesh mentions\n  peermesh mentions --limit 200 --json --as bob")]
    Mentions {
        /// Go on after an earlier list: the cursor that it ended with
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
        /// How many at most
        #[arg(long, value_name = "N", default_value = "50", value_parser = at_least_one)]
        limit: u32,
    },
    /// Show what others sent; each message is acknowledged once it is printed
    #[command(after_help = "With --json: an array of messages; with --follow one JSON object a line.\n\n\
        Where a daemon runs for this profile, it has the mail: what was not shown yet is shown and\nmarked. \
        Mail of other sessions is left to them. The variable PEERMESH_SESSION_TOKEN_FILE names the file with \
        the\ntoken of the session that this program belongs to, if it belongs to one.\n\n\
        Examples:\n  peermesh inbox\n  peermesh inbox --follow --as bob\n  peermesh inbox --json --as bob")]
    Inbox {
        /// Stay and show messages as they come
        #[arg(long)]
        follow: bool,
        /// Which way to take [default: $PEERMESH_VIA, else auto]
        #[arg(long)]
        via: Option<Via>,
    },
    /// Show this member's sessions, or say how it is
    #[command(after_help = "Examples:\n  peermesh status\n  peermesh status dnd --as ann")]
    Status {
        /// The status to set
        status: Option<Status>,
    },
    /// Ask a broker how it is; exit code 0 only if all is well
    #[command(after_help = "Examples:\n  peermesh health\n  peermesh health --broker http://127.0.0.1:7900")]
    Health,
    /// Show every setting of a broker and where its value comes from
    #[command(
        after_help = "Order: flag, PEERMESH_* variable, variable of the mesh protocol, file, default.\n\n\
        Examples:\n  peermesh config\n  PEERMESH_LEASE_MS=5000 peermesh config --json"
    )]
    Config(Settings),
    /// Bring the tables of the store up to date, as the start of a broker does
    #[command(after_help = "Examples:\n  DATABASE_URL=postgres://mesh@db.example/mesh peermesh migrate\n  \
        peermesh migrate --check --json")]
    Migrate {
        /// Change nothing; exit code 0 only if nothing is missing
        #[arg(long)]
        check: bool,
        /// The configuration file [default: $PEERMESH_CONFIG, else DIR/peermesh.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Serve from a store that was restored from an older copy: run this once, before any broker
    #[command(
        after_help = "Everything that was accepted after the copy was made is given up, and the store \n\
        begins another history, so that nothing it told before is told again for something else. No broker\n\
        may use the store meanwhile.\n\n\
        Examples:\n  peermesh adopt --check\n  peermesh adopt --data ./mesh\n  \
        DATABASE_URL=postgres://mesh@db.example/mesh peermesh adopt --yes"
    )]
    Adopt {
        /// Change nothing; tell what would be changed
        #[arg(long)]
        check: bool,
        /// Ask nobody
        #[arg(long)]
        yes: bool,
        /// The configuration file [default: $PEERMESH_CONFIG, else DIR/peermesh.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Simulate brokers, peers, network and store on these limits, with faults, and check every promise
    #[command(
        after_help = "Limits are those that `peermesh serve` would run with; nothing is touched. A seed and\n\
        limits always end in the same state. Exit code 1 if a promise did not hold.\n\n\
        Examples:\n  peermesh sim\n  peermesh sim --seeds 100 --config ./peermesh.toml\n  \
        peermesh sim --seed 7 --hours 24\n  peermesh sim --seed 7 --without jumps,deaths,actor-3 --json"
    )]
    Sim(Sim),
    /// Let a coding agent be a peer: a server of the Model Context Protocol on standard input and output
    #[cfg(feature = "mcp")]
    #[command(
        after_help = "The agent's program starts it. It can list peers, send, and receive or wait for \
        messages, all by\nthe daemon (peermesh daemon up), which keeps what comes while no agent runs.\n\n\
        Examples:\n  peermesh mcp --as ann\n  peermesh mcp --as ann --name reviewer"
    )]
    Mcp {
        /// What others see as its name [default: the profile's]
        #[arg(long, value_name = "NAME", value_parser = session_name)]
        name: Option<String>,
    },
    /// See to the daemon, which keeps this host in its meshes
    #[command(subcommand)]
    Daemon(Daemon),
    /// Look for what could be wrong and say the way out
    #[command(after_help = "Examples:\n  peermesh doctor\n  peermesh doctor --data ./mesh --json")]
    Doctor,
    /// Write the canonical form (RFC 8785) of the JSON on standard input, without a line end
    #[command(
        after_help = "Takes up to 16 MiB and 128 levels of JSON in UTF-8. Refused, with exit code 1 and\n\
        nothing printed: a name twice in an object, half a surrogate pair, a number beyond a double.\n\n\
        Examples:\n  echo '{\"b\": 1.50, \"a\": [1e3]}' | peermesh canonicalize\n  \
        peermesh canonicalize --sha256 < message.json"
    )]
    Canonicalize {
        /// Print the SHA-256 of the canonical form instead
        #[arg(long)]
        sha256: bool,
    },
    /// Print the request_fingerprint of a send, whose body is standard input
    #[command(after_help = "The body is taken byte for byte: use printf, not echo.\n\n\
        Examples:\n  printf hello | peermesh fingerprint --to '*'\n  \
        printf hi | peermesh fingerprint --to alice --priority now --meta meta.json\n  \
        printf hi | peermesh fingerprint --kind topic --to builds --layout hex")]
    Fingerprint(Outline),
    /// Check receipts offline: the broker's signature, that none of a mesh is missing, and no key twice
    #[command(after_help = "The file has one receipt a line, as `peermesh send --receipt` keeps them;\n\
        `-` is standard input. They must be all receipts of their meshes, from number 1 on, unless --some\n\
        is given.\n\n\
        Examples:\n  peermesh prove receipts.jsonl --broker-key KEY --some\n  \
        peermesh prove chain.jsonl --broker-key KEY --json")]
    Prove {
        /// The file of receipts
        file: PathBuf,
        /// The broker's public key: `broker_pubkey` of `peermesh mesh show`
        #[arg(long, value_name = "KEY")]
        broker_key: String,
        /// They are some receipts of a chain, not all of it
        #[arg(long)]
        some: bool,
        /// A key may come again so many days later: the broker's dedupe_retention_ms, in days
        #[arg(long, value_name = "DAYS", value_parser = at_least_one)]
        retention_days: Option<u32>,
    },
    /// Live a recording of `peermesh serve --record` again, and print the state it leads to
    #[command(
        after_help = "The recording is lived by the broker's own machines, and after every block the state\n\
        is compared with the one that was recorded: exit code 0 says that it was the same each time.\n\n\
        Examples:\n  peermesh replay records/20261121T113000123Z-4711-1.peermesh\n  \
        peermesh replay FILE --until msg:q3Xk2vZr\n  peermesh replay FILE --until msg:q3Xk2vZr --explain\n  \
        peermesh replay FILE --explain --json"
    )]
    Replay {
        /// The recording
        file: PathBuf,
        /// Stop once this message is accepted (or first named, if that was before the recording began):
        /// msg: and its id, or the first 8 characters of it or more
        #[arg(long, value_name = "msg:ID")]
        until: Option<String>,
        /// Tell what happened: with --until to that message, from its acceptance to the end of the recording;
        /// else every log record again, with its time
        #[arg(long)]
        explain: bool,
    },
    /// Print a completion script
    #[command(after_help = "Example:\n  peermesh completions bash > ~/.bash_completions/peermesh")]
    Completions {
        /// The shell that will read it
        shell: Shell,
    },
}

/// Settings that have a flag.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// The port [default: $BROKER_PORT, else 7900]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    port: Option<String>,
    /// The address to listen on [default: 0.0.0.0]
    #[arg(long, value_name = "IP")]
    host: Option<String>,
    /// How many threads share the meshes out among themselves [default: 1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shards: Option<String>,
    /// What carries the broker: smol (a thread a shard) or threads (a thread a connection) [default: smol]
    #[arg(long, value_name = "NAME")]
    runtime: Option<String>,
    /// The address that invites carry [default: ws://127.0.0.1:PORT/ws]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The configuration file [default: $PEERMESH_CONFIG, else DIR/peermesh.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Record everything the broker is told into a ring of files, for `peermesh replay`; they hold secrets
    #[arg(long, value_name = "DIR")]
    record: Option<String>,
    /// What is kept of what peers seal: full, or hash (its length, and letters that tell nothing) [default:
    /// full]
    #[arg(long, value_name = "WHAT")]
    record_payloads: Option<String>,
    /// When a full recording gives way to another, for which the broker begins anew in place and everybody
    /// connects again: full, quiet (only while nobody is connected) or never [default: full]
    #[arg(long, value_name = "WHEN")]
    record_renew: Option<String>,
    /// Serve on a Postgres that may lose what it has accepted; every ack then says so
    #[arg(long)]
    allow_relaxed_durability: bool,
}

impl Settings {
    /// As the settings' reader takes them.
    pub(crate) fn flags(self, common: &Common) -> Flags {
        let Settings { port, host, shards, runtime, public_url, config, .. } = self;
        let Settings { record, record_payloads, record_renew, allow_relaxed_durability, .. } = self;
        let data = common.data.is_some();
        Flags {
            data,
            port,
            host,
            shards,
            runtime,
            public_url,
            config,
            record,
            record_payloads,
            record_renew,
            allow_relaxed_durability,
        }
    }
}

/// A name that others can type.
#[cfg(feature = "mcp")]
fn session_name(text: &str) -> Result<String, &'static str> {
    let fits = (1..=64).contains(&text.trim().len()) && !text.contains(char::is_control);
    if fits { Ok(text.trim().to_owned()) } else { Err("use 1 to 64 letters without control characters") }
}

fn at_least_one(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|&count| count > 0).ok_or("use a whole number from 1 on")
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mesh {
    /// Make a mesh
    #[command(
        after_help = "Examples:\n  peermesh mesh create demo\n  peermesh mesh create 'Team Blue' --slug blue"
    )]
    Create {
        /// What people call it
        name: String,
        /// What commands call it [default: made from the name]
        #[arg(long)]
        slug: Option<String>,
    },
    /// List every mesh of the broker
    #[command(after_help = "Example:\n  peermesh mesh list --json")]
    List,
    /// Show one mesh
    #[command(after_help = "Example:\n  peermesh mesh show demo")]
    Show {
        /// Slug or id
        mesh: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runners {
    /// List every runner ever heard of, who is connected, and what waits
    #[command(after_help = "Example:\n  peermesh runners list")]
    List,
    /// Send a command to a runner
    #[command(after_help = "Examples:\n  \
        peermesh runners send r1 '{\"type\":\"runner-health-check\"}' --wait 5s\n  \
        peermesh runners send r1 - --queue 1h < command.json")]
    Send {
        /// The runner's id
        runner: String,
        /// The command as JSON; `-` reads it from standard input
        command: String,
        /// The key of this command: sending it again with the same key runs it once
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Wait that long for the runner's ack, at most 8s
        #[arg(long, value_name = "SPAN", value_parser = span::parse)]
        wait: Option<Duration>,
        /// Keep it that long for a runner that is away
        #[arg(long, value_name = "SPAN", value_parser = span::parse)]
        queue: Option<Duration>,
    },
    /// List events of a runner that the event target has not taken
    #[command(after_help = "Example:\n  peermesh runners events r1")]
    Events {
        /// The runner's id
        runner: String,
    },
    /// List events of a runner that are not sent any more, and why
    #[command(after_help = "Example:\n  peermesh runners dead r1 --json")]
    Dead {
        /// The runner's id
        runner: String,
    },
    /// Send a dead event again
    #[command(after_help = "Example:\n  peermesh runners requeue r1 4294967297")]
    Requeue {
        /// The runner's id
        runner: String,
        /// The event's place, as `peermesh runners dead` shows it
        seq: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// List the members of a mesh
    #[command(after_help = "Example:\n  peermesh member list demo")]
    List {
        /// Slug or id of the mesh
        mesh: String,
    },
    /// Remove a member; its connections end at once
    #[command(after_help = "Example:\n  peermesh member remove demo bob")]
    Remove {
        /// Slug or id of the mesh
        mesh: String,
        /// Id, key or name of the member
        who: String,
    },
}

/// What a send waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// The daemon, or else the broker, has it
    Queued,
    /// The broker has it
    Accepted,
    /// Every recipient has it
    Delivered,
}

/// How urgent a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Priority {
    Now,
    Next,
    Low,
}

macro_rules! words {
    ($($(#[$doc:meta])* $Enum:ident { $($Variant:ident = $word:literal),+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub(crate) enum $Enum { $($Variant),+ }

        impl $Enum {
            /// The word on the wire.
            pub(crate) const fn word(self) -> &'static str {
                match self { $($Enum::$Variant => $word),+ }
            }
        }
    )+};
}

words! {
    /// What an invite lets its users become.
    Role { Member = "member", Admin = "admin" }
    /// How a peer is.
    Status { Idle = "idle", Working = "working", Dnd = "dnd" }
}

impl Priority {
    /// As the core has it.
    pub(crate) const fn in_core(self) -> store::Priority {
        match self {
            Priority::Now => store::Priority::Now,
            Priority::Next => store::Priority::Next,
            Priority::Low => store::Priority::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn common_flags_may_stand_after_any_subcommand() {
        let line =
            "peermesh mesh show demo --json --data /d --broker http://x --as ann --admin-token-file /t";
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        assert!(args.common.json && args.common.broker.is_some() && args.common.profile.is_some());
        assert!(Args::try_parse_from("peermesh --json peers".split(' ')).unwrap().common.json);
    }

    #[test]
    fn every_subcommand_shows_an_example() {
        fn look(command: &clap::Command, names: &str) {
            if command.get_subcommands().next().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{names} has no example");
            }
            for sub in command.get_subcommands() {
                look(sub, &format!("{names} {}", sub.get_name()));
            }
        }
        look(&Args::command(), "peermesh");
    }

    #[test]
    fn words_are_those_of_the_wire() {
        for status in Status::value_variants() {
            assert_eq!(status.to_possible_value().unwrap().get_name(), status.word());
        }
        for priority in Priority::value_variants() {
            assert_eq!(priority.to_possible_value().unwrap().get_name(), priority.in_core().word());
        }
    }
}
