//! The account that a server of tests runs under, where the tests run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// An account without rights.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to use instead of root; `None` where the tests do not run as root.
    pub(super) fn beside_root() -> Option<Account> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let accounts = fs::read_to_string("/etc/passwd").expect("a list of accounts");
        let found = ["postgres", "nobody"].into_iter().find_map(|name| Account::named(&accounts, name));
        Some(found.expect("Postgres does not run as root, and there is no account postgres or nobody"))
    }

    /// Makes a file or folder its own.
    pub(super) fn takes(&self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    }

    /// Runs a command under it.
    pub(super) fn runs(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    fn named(accounts: &str, name: &str) -> Option<Account> {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        let (uid, gid) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        (uid != 0).then_some(Account { uid, gid })
    }
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn an_account_is_found_by_its_whole_name_and_is_never_root() {
        let accounts =
            "root:x:0:0::/root:/bin/sh\nnobody2:x:7:7::/:/bin/sh\nnobody:x:65534:65533::/:/bin/sh\n";
        assert_eq!(Account::named(accounts, "nobody"), Some(Account { uid: 65_534, gid: 65_533 }));
        assert_eq!(Account::named(accounts, "root"), None);
        assert_eq!(Account::named(accounts, "postgres"), None);
    }
}
