//! Whether a server keeps the promises that our answers rest on.

use std::time::Duration;

use peermesh_core::store::Durability;

use super::link::Link;
use super::sql;
use super::trouble::Trouble;

/// The oldest server whose functions and views the tables use.
const OLDEST: i32 = 150_000;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fitness {
    /// It will do, for answers of this worth.
    Fit(Durability),
    /// It does not take writes at the moment: a copy, or one that was told so.
    ReadOnly,
    /// It will not do.
    Unfit(String),
}

/// Asks for settings that decide whether a confirmed commit survives.
pub(super) fn examine(link: &mut Link, limit: Duration, allow_relaxed: bool) -> Result<Fitness, Trouble> {
    let said = link.query(limit, sql::SETTINGS, &[])?;
    let setting = |name: &str| {
        let row = said.iter().find(|row| row.get::<_, &str>(0) == name);
        row.map(|row| row.get::<_, String>(1)).unwrap_or_default()
    };
    Ok(judge(&setting, allow_relaxed))
}

fn judge(setting: &dyn Fn(&str) -> String, allow_relaxed: bool) -> Fitness {
    let version = setting("server_version_num");
    if version.parse::<i32>().unwrap_or_default() < OLDEST {
        return Fitness::Unfit(format!("the server is older than Postgres 15 (it says {version})"));
    }
    let encoding = setting("server_encoding");
    if encoding != "UTF8" {
        return Fitness::Unfit(format!("the database's encoding is {encoding} instead of UTF8"));
    }
    if setting("transaction_read_only") == "on" {
        return Fitness::ReadOnly;
    }
    let has_standby = !setting("synchronous_standby_names").is_empty();
    let commit = setting("synchronous_commit");
    let is_commit_weak = match commit.as_str() {
        "on" | "remote_apply" => false,
        // Enough for this server alone, but not for the copy that takes over when it is lost.
        "local" | "remote_write" => has_standby,
        _ => true,
    };
    let off = ["fsync", "full_page_writes"].into_iter().filter(|name| setting(name) != "on");
    let mut weak: Vec<String> = off.map(|name| format!("{name} = {}", setting(name))).collect();
    if is_commit_weak {
        weak.push(format!("synchronous_commit = {commit}"));
    }
    match (weak.is_empty(), allow_relaxed) {
        (true, _) => Fitness::Fit(Durability::Synced),
        (false, true) => Fitness::Fit(Durability::Relaxed),
        (false, false) => Fitness::Unfit(format!(
            "the server may lose what it confirmed ({}); make it durable, or allow that and every answer \
             will say so",
            weak.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A good server, but for these settings.
    fn with(changes: &[(&str, &str)], allow_relaxed: bool) -> Fitness {
        let good = [
            ("server_version_num", "150018"),
            ("server_encoding", "UTF8"),
            ("transaction_read_only", "off"),
            ("synchronous_standby_names", ""),
            ("synchronous_commit", "on"),
            ("fsync", "on"),
            ("full_page_writes", "on"),
        ];
        let setting = |name: &str| {
            let found = changes.iter().chain(&good).find(|(known, _)| *known == name);
            found.unwrap().1.to_owned()
        };
        judge(&setting, allow_relaxed)
    }

    #[test]
    fn f_sto_09_a_server_that_may_lose_what_it_confirmed_is_refused_unless_that_is_allowed() {
        assert_eq!(with(&[], false), Fitness::Fit(Durability::Synced));
        assert_eq!(with(&[], true), Fitness::Fit(Durability::Synced));
        for weak in [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")] {
            let Fitness::Unfit(why) = with(&[weak], false) else { panic!("{weak:?}") };
            assert!(why.contains(weak.0), "{why}");
            assert_eq!(with(&[weak], true), Fitness::Fit(Durability::Relaxed));
        }
    }

    #[test]
    fn f_sto_09_a_commit_that_no_standby_has_is_weak_where_there_is_one() {
        for commit in ["local", "remote_write"] {
            let alone = [("synchronous_commit", commit)];
            assert_eq!(with(&alone, false), Fitness::Fit(Durability::Synced));
            let copied = [alone[0], ("synchronous_standby_names", "other")];
            assert_eq!(with(&copied, true), Fitness::Fit(Durability::Relaxed));
        }
        let copied = [("synchronous_commit", "remote_apply"), ("synchronous_standby_names", "other")];
        assert_eq!(with(&copied, false), Fitness::Fit(Durability::Synced));
    }

    #[test]
    fn a_server_that_is_too_old_or_of_another_encoding_is_refused_and_a_copy_is_waited_for() {
        assert!(matches!(with(&[("server_version_num", "140011")], true), Fitness::Unfit(_)));
        assert!(matches!(with(&[("server_encoding", "SQL_ASCII")], true), Fitness::Unfit(_)));
        assert_eq!(with(&[("transaction_read_only", "on")], false), Fitness::ReadOnly);
    }
}
