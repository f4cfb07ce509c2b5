//! The files `.env` and `.env.local` of the working directory, as far as they are about runners.
//!
//! Programs of all kinds keep such files, so nothing else is taken from them: a `DATABASE_URL` there is the
//! web app's. Variables of the environment come first, then `.env.local`, then `.env`.

use std::collections::BTreeMap;
use std::path::Path;

/// Variables that count, by their beginnings.
const OURS: [&str; 3] = ["RUNNER_", "PEERMESH_RUNNER_", "SENTRY_"];
/// Variables that count, by their names.
const OURS_TOO: [&str; 2] = ["PORT", "NODE_ENV"];

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct DotEnv(BTreeMap<String, String>);

impl DotEnv {
    /// Reads what is there. A file that cannot be read counts as one that is not there.
    pub(crate) fn read(dir: &Path) -> DotEnv {
        let mut all = BTreeMap::new();
        for name in [".env", ".env.local"] {
            if let Ok(text) = std::fs::read_to_string(dir.join(name)) {
                all.extend(text.lines().filter_map(entry));
            }
        }
        all.retain(|name, _| {
            OURS.iter().any(|start| name.starts_with(start)) || OURS_TOO.contains(&name.as_str())
        });
        DotEnv(all)
    }

    /// A variable of the environment, or else of the files.
    pub(crate) fn find(&self, name: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        env(name).or_else(|| self.0.get(name).cloned())
    }
}

/// A line `NAME=value`, perhaps after `export`, perhaps in quotes, perhaps with a remark.
fn entry(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !is_name {
        return None;
    }
    let quoted = value.chars().next().filter(|quote| ['"', '\''].contains(quote));
    let value = match quoted.and_then(|quote| value[1..].split_once(quote)) {
        Some((inside, _)) => inside,
        None => value.split(" #").next().unwrap_or(value).trim_end(),
    };
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_file_comes_before_the_common_one_and_the_environment_before_both() {
        let dir = tempfile::tempdir().unwrap();
        let common = "# remark\nexport RUNNER_SHARED_SECRET = \"from env\"\nPORT=4100 # here\n\
                      DATABASE_URL=postgres://app\nRUNNER_EVENT_TARGET_URL='http://a'\nodd line\n";
        std::fs::write(dir.path().join(".env"), common).unwrap();
        std::fs::write(dir.path().join(".env.local"), "RUNNER_SHARED_SECRET=local#1\n").unwrap();
        let found = DotEnv::read(dir.path());
        let env = |name: &str| (name == "PORT").then(|| "4200".to_owned());
        let find = |name: &str| found.find(name, &env);
        assert_eq!(find("RUNNER_SHARED_SECRET").as_deref(), Some("local#1"));
        assert_eq!(find("PORT").as_deref(), Some("4200"));
        assert_eq!(found.find("PORT", &|_| None).as_deref(), Some("4100"));
        assert_eq!(find("RUNNER_EVENT_TARGET_URL").as_deref(), Some("http://a"));
        assert_eq!(find("DATABASE_URL"), None, "that is the app's");
    }

    #[test]
    fn files_that_are_not_there_say_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(DotEnv::read(dir.path()).find("PORT", &|_| None), None);
    }
}
