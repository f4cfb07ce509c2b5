//! The SQL that makes and changes peermesh's tables, embedded.
//!
//! *Does not:* touch a database; the store drivers run these under their own lock.
//! *Always holds:* a file that was released is never edited; what changes is added as the next version.

/// What migrations are called, oldest first: `V0001__mesh` and so on, as their files.
fn names(runner: &refinery::Runner) -> Vec<String> {
    let mut migrations: Vec<&refinery::Migration> = runner.get_migrations().iter().collect();
    migrations.sort_by_key(|migration| migration.version());
    migrations.iter().map(|migration| format!("V{:04}__{}", migration.version(), migration.name())).collect()
}

/// The tables of the embedded store.
pub mod sqlite {
    use refinery::Runner;

    /// The newest version in `migrations/sqlite`. A store of a higher version belongs to a newer program.
    pub const LATEST: i32 = 1;

    /// Applies what is missing, all of it in one transaction.
    pub fn runner() -> Runner {
        embedded::migrations::runner().set_grouped(true)
    }

    /// The names of all of them, oldest first.
    pub fn names() -> Vec<String> {
        super::names(&runner())
    }

    mod embedded {
        refinery::embed_migrations!("sqlite");
    }

    #[cfg(test)]
    mod tests {
        use std::path::Path;

        #[test]
        fn every_file_is_embedded_and_the_newest_is_named() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sqlite");
            let files = std::fs::read_dir(folder).unwrap().count();
            let runner = super::runner();
            let mut versions: Vec<i32> =
                runner.get_migrations().iter().map(refinery::Migration::version).collect();
            versions.sort_unstable();
            assert_eq!(versions.len(), files, "a migration is not embedded: touch lib.rs and build again");
            assert_eq!(versions.last(), Some(&super::LATEST));
            assert_eq!(super::names()[0], "V0001__mesh");
        }
    }
}
