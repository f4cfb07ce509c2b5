//! The `peermesh` command: the composition root, and the one program of the project.
//!
//! `main` reads the command line, hands each subcommand what it needs, and turns its outcome into an exit
//! code.

mod address;
mod admin;
mod adopt;
mod args;
mod canonical;
mod config;
mod daemon;
mod doctor;
mod failure;
mod health;
mod home;
mod http;
mod input;
mod key;
mod live;
mod local;
mod logs;
#[cfg(feature = "mcp")]
mod mcp;
mod metrics;
mod migrate;
mod peer;
mod prove;
mod replay;
mod report;
mod serve;
mod signals;
mod sim;
mod span;
mod supervisor;
mod terminal;
mod tls;
mod variables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use serde_json::json;

use admin::{Api, Offer, Place, Sending};
use adopt::Adopt;
use args::{Args, Command, Common, Member, Mesh, Runners};
use config::dotenv::DotEnv;
use failure::{Exit, Failure};
use home::Home;
use input::argument;
use live::Live;
use peer::join::Join;
use peer::mentions::Span;
use peer::profile::{self, Profile};
use peer::send::Send;
use peer::via::Via;
use prove::Demand;
use terminal::Terminal;
use variables::read as variable;

#[cfg(not(all(any(feature = "smol", feature = "threads"), any(feature = "sqlite", feature = "postgres"))))]
compile_error!("a broker needs a runtime (feature smol or threads) and a store (feature sqlite or postgres)");

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error).into(),
    };
    let mut terminal = Terminal::new(args.common.json);
    match run(args, &mut terminal) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            terminal.fail(&failure);
            failure.exit().into()
        }
    }
}

/// Help and version are answers; everything else is a command line that cannot be read.
fn refuse(error: &clap::Error) -> Exit {
    let is_answer = error.exit_code() == 0;
    let _ = error.print();
    if is_answer {
        return Exit::Done;
    }
    if std::env::args_os().any(|arg| arg == "--json") {
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default();
        let value = json!({ "error": Exit::Usage.word(), "message": first, "exit": Exit::Usage as u8 });
        let _ = Terminal::new(true).value(&value);
    }
    Exit::Usage
}

fn run(args: Args, terminal: &mut Terminal) -> Result<(), Failure> {
    let Args { common, command } = args;
    // Neither needs a home, and a machine may have none.
    if let Command::Canonicalize { sha256 } = command {
        return canonical::canonicalize(sha256, terminal);
    }
    if let Command::Fingerprint(outline) = &command {
        return canonical::fingerprint(outline, terminal);
    }
    if let Command::Replay { file, until, explain } = &command {
        return replay::run(file, until.as_deref(), *explain, terminal);
    }
    if let Command::Completions { shell } = command {
        return completions(shell, terminal);
    }
    if let &Command::Prove { ref file, ref broker_key, some, retention_days } = &command {
        return prove::run(file, broker_key, Demand { some, retention_days }, terminal);
    }
    variables::check_paths()?;
    let ca_file = common.ca_file.clone().or_else(|| variable("PEERMESH_CA_FILE").map(PathBuf::from));
    if let Some(file) = ca_file.filter(|file| !file.as_os_str().is_empty()) {
        tls::trust_also(&file);
    }
    // Not every command needs a data directory, so where there is none is told by those that do.
    let home = || Home::locate(common.data.as_deref(), &variable);
    let broker = common.broker.as_deref();
    let way = |via: Option<Via>| variables::choose(via, "PEERMESH_VIA", &variable);
    let api = || Ok::<Api, Failure>(Api::find(&home()?, place(&common), &variable)?);
    let acting = || Ok::<Profile, Failure>(profile::choose(&home()?, common.profile.as_deref())?);
    // Only a broker reads the files of its working directory.
    let files = DotEnv::read(Path::new("."));
    let with_files = |name: &str| files.find(name, &variable);
    match command {
        Command::Serve(settings) => serve::run(home(), &settings.flags(&common), &with_files, terminal),
        Command::Mesh(Mesh::Create { name, slug }) => {
            admin::create_mesh(&api()?, &name, slug.as_deref(), terminal)
        }
        Command::Mesh(Mesh::List) => admin::list_meshes(&api()?, terminal),
        Command::Mesh(Mesh::Show { mesh }) => admin::show_mesh(&api()?, &mesh, terminal),
        Command::Invite { mesh, uses, role, expires } => {
            admin::invite(&api()?, &mesh, &Offer { uses, role: role.word(), expires }, terminal)
        }
        Command::Runners(Runners::List) => admin::list_runners(&api()?, terminal),
        Command::Runners(Runners::Send { runner, command, key, wait, queue }) => {
            let sending = Sending { key, wait, queue };
            admin::command_runner(&api()?, &runner, &argument(command)?, &sending, terminal)
        }
        Command::Runners(Runners::Events { runner }) => admin::list_events(&api()?, &runner, terminal),
        Command::Runners(Runners::Dead { runner }) => admin::list_dead(&api()?, &runner, terminal),
        Command::Runners(Runners::Requeue { runner, seq }) => admin::requeue(&api()?, &runner, seq, terminal),
        Command::Live(Live::Sub { topics, from, count, timeout }) => {
            let wish = live::Wish { topics: &topics, from: from.as_deref(), count, timeout };
            live::sub(&live::Port::find(broker, &variable)?, &wish, terminal)
        }
        Command::Live(Live::Pub { topic, value, key, version, id }) => {
            let with = live::With { key: key.as_deref(), version, id: id.as_deref() };
            live::publish(&live::Port::find(broker, &variable)?, &topic, &argument(value)?, &with, terminal)
        }
        Command::Live(Live::Info) => live::info(&live::Port::find(broker, &variable)?, terminal),
        Command::Member(Member::List { mesh }) => admin::list_members(&api()?, &mesh, terminal),
        Command::Member(Member::Remove { mesh, who }) => admin::remove_member(&api()?, &mesh, &who, terminal),
        Command::Join { invite } => {
            let join = Join { invite: &argument(invite)?, name: common.profile.as_deref(), broker };
            peer::join::run(&home()?, &join, &variable, terminal)
        }
        Command::RotateKey => peer::rotate::run(&home()?, &acting()?, broker, terminal),
        Command::Peers { via } => {
            let way = (way(via)?, broker);
            peer::peers::run(&home()?, &acting()?, way, terminal)
        }
        Command::Send { to, text, priority, wait, timeout, id, message_id, receipt, mentions, via } => {
            let (via, text) = (way(via)?, argument(text)?);
            let send = Send {
                to: to.trim(),
                text: &text,
                priority: priority.in_core(),
                wait,
                timeout,
                id: id.as_deref(),
                mentions: &mentions,
                message_id: message_id.as_deref(),
                receipt: receipt.as_deref(),
                broker,
                via,
            };
            peer::send::run(&home()?, &acting()?, &send, terminal)
        }
        Command::Why { message } => peer::why::run(&acting()?, broker, &message, terminal),
        Command::Mentions { after, limit } => {
            let span = Span { after: after.as_deref(), limit: limit.into() };
            peer::mentions::run(&acting()?, broker, &span, terminal)
        }
        Command::Inbox { follow, via } => {
            let way = (way(via)?, broker);
            peer::inbox::run(&home()?, &acting()?, follow, way, terminal)
        }
        Command::Status { status: None } => peer::status::show(&acting()?, broker, terminal),
        Command::Status { status: Some(status) } => {
            peer::status::set(&acting()?, broker, status.word(), terminal)
        }
        Command::Health => health::run(home().ok().as_ref(), broker, &variable, terminal),
        Command::Config(settings) => {
            config::show(home().ok().as_ref(), &settings.flags(&common), &with_files, terminal)
        }
        Command::Migrate { check, config } => {
            migrate::run(home().ok().as_ref(), check, config, &variable, terminal)
        }
        Command::Adopt { check, yes, config } => {
            adopt::run(home().ok().as_ref(), Adopt { check, yes, config }, &variable, terminal)
        }
        Command::Sim(wish) => sim::run(home().ok().as_ref(), &wish, &with_files, terminal),
        #[cfg(feature = "mcp")]
        Command::Mcp { name } => mcp::run(home()?, acting()?, name.as_deref()),
        Command::Daemon(command) => daemon::run(&command, &home()?, &variable, terminal),
        Command::Doctor => doctor::run(&home(), place(&common), &variable, terminal),
        Command::Completions { .. } | Command::Replay { .. } => Ok(()),
        Command::Canonicalize { .. } | Command::Fingerprint(_) | Command::Prove { .. } => Ok(()),
    }
}

fn place(common: &Common) -> Place<'_> {
    Place {
        broker: common.broker.as_deref(),
        token_file: common.admin_token_file.as_deref(),
        by_data: common.data.is_some(),
    }
}

fn completions(shell: clap_complete::Shell, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "peermesh", &mut script);
    Ok(terminal.own_text(&String::from_utf8_lossy(&script))?)
}
