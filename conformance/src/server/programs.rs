//! Finds the programs of an installed Postgres server.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the folder of the programs.
const VARIABLE: &str = "PEERMESH_PG_BIN";

/// Where Debian puts them, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The oldest version that peermesh works with.
const VERSION_MIN: u32 = 15;

/// The folder of `postgres` and `initdb`.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
}

/// There is no server that would do.
#[derive(Debug)]
pub(super) struct Missing {
    seen: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "no Postgres server {VERSION_MIN} or newer was found ({}). Tests start one of their own: \
             install it (on Debian: apt-get install postgresql), or name the folder of postgres and \
             initdb in {VARIABLE}",
            if self.seen.is_empty() { "none at all".to_owned() } else { self.seen.join(", ") }
        )
    }
}

impl Programs {
    /// The programs that `PEERMESH_PG_BIN` names, else those on the path, else the newest that Debian has.
    pub(super) fn find() -> Result<Programs, Missing> {
        match std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => Programs::among(vec![folder.into()]),
            None => Programs::among(usual_folders()),
        }
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    fn among(folders: Vec<PathBuf>) -> Result<Programs, Missing> {
        let mut seen = Vec::new();
        for folder in folders {
            match version(&folder) {
                Some(version) if version >= VERSION_MIN && folder.join("initdb").exists() => {
                    return Ok(Programs { folder });
                }
                Some(version) => seen.push(format!("{} has version {version}", folder.display())),
                None => {}
            }
        }
        Err(Missing { seen })
    }
}

fn usual_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    folders.extend(versions.into_iter().map(|(_, folder)| folder));
    folders
}

/// The version of the server in a folder; `None` where there is none.
fn version(folder: &Path) -> Option<u32> {
    let said = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    number_in(&String::from_utf8(said.stdout).ok()?)
}

/// 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn number_in(said: &str) -> Option<u32> {
    let number = said.split(' ').find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()))?;
    number.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Programs, number_in};

    #[test]
    fn a_version_is_read_from_what_the_server_says_of_itself() {
        assert_eq!(number_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(number_in("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(number_in("postgres"), None);
    }

    #[test]
    fn without_a_server_the_package_and_the_variable_are_named() {
        let missing = Programs::among(vec!["/nowhere".into()]).unwrap_err().to_string();
        assert!(missing.contains("apt-get install postgresql"), "{missing}");
        assert!(missing.contains("PEERMESH_PG_BIN"), "{missing}");
    }
}
