//! What a broker would find in its database.

use peermesh_core::store::Durability;
use peermesh_store::postgres::{self, MigrateError, Options, Server, Unfitness};

use super::Check;

/// Asks the server, and looks at its tables, without changing anything.
pub(super) fn look(options: &Options) -> Vec<Check> {
    let name = "postgres";
    match postgres::inspect(options) {
        Err(why) => {
            let way_out = "start it, or correct DATABASE_URL; a broker goes on trying";
            vec![Check::fail(name, format!("{} cannot be used: {why}", options.place()), way_out)]
        }
        Ok(server) => {
            let reached = format!("version {} at {}", server.version, options.place());
            let mut checks =
                vec![Check::ok(name, reached), settings(&server), tables(options), rights(&server)];
            checks.extend(server.history.map(super::history));
            checks
        }
    }
}

fn settings(server: &Server) -> Check {
    let name = "durability";
    match &server.fitness {
        Ok(Durability::Synced) => Check::ok(name, "what the server has committed survives a loss of power"),
        Ok(Durability::Relaxed) => Check::warn(
            name,
            "the server may lose what it has committed, and that was allowed",
            "switch on fsync, full_page_writes and synchronous_commit there",
        ),
        Err(error @ Unfitness::ReadOnly) => {
            Check::fail(name, error.to_string(), "name the server that does in DATABASE_URL")
        }
        Err(error @ Unfitness::Refused(_)) => {
            let way_out = "mend that, or pass --allow-relaxed-durability if it is about durability";
            Check::fail(name, error.to_string(), way_out)
        }
    }
}

fn rights(server: &Server) -> Check {
    let name = "rights";
    if server.forbidden.is_empty() {
        return Check::ok(name, "this role may read and write every table there is");
    }
    let text = format!("this role may not read and write: {}", server.forbidden.join(", "));
    let way_out =
        "let it own the schema mesh, or grant it SELECT, INSERT, UPDATE and DELETE on all its tables";
    Check::fail(name, text, way_out)
}

fn tables(options: &Options) -> Check {
    let name = "tables";
    let way_out = "apply them with: peermesh migrate";
    match postgres::migrate(options, true) {
        Ok(report) if report.pending.is_empty() => {
            let newest = report.applied.last().map_or("no migration", String::as_str);
            Check::ok(name, format!("up to date ({newest})"))
        }
        Ok(report) => {
            let text = format!("migrations are missing: {}", report.pending.join(", "));
            // Unless it was told not to, a broker applies them when it starts.
            if options.skip_migrate {
                Check::fail(name, text, way_out)
            } else {
                Check::warn(name, text, way_out)
            }
        }
        Err(error @ (MigrateError::Unavailable(_) | MigrateError::Busy)) => {
            Check::fail(name, error.to_string(), "try again")
        }
        Err(error) => Check::fail(name, error.to_string(), "see the reason in this line"),
    }
}
