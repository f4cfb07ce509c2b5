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
    pub const LATEST: i32 = 10;

    /// Applies what is missing, all of it in one transaction.
    pub fn runner() -> Runner {
        embedded::migrations::runner().set_grouped(true)
    }

    /// The names of all of them, oldest first.
    pub fn names() -> Vec<String> {
        super::names(&runner())
    }

    /// How many of them have this version or a lower one. Versions grow, but not each number has a step here:
    /// one that only the shared store needs leaves a gap.
    pub fn count_to(version: i64) -> usize {
        runner().get_migrations().iter().filter(|step| i64::from(step.version()) <= version).count()
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

/// The tables of a daemon, which lie in two files.
pub mod daemon {
    use refinery::Runner;

    /// The newest version of either file. A file of a higher version belongs to a newer program.
    pub const LATEST: i32 = 1;

    /// Applies what the outbox misses, all of it in one transaction.
    pub fn outbox() -> Runner {
        of_outbox::migrations::runner().set_grouped(true)
    }

    /// Applies what the inbox misses, all of it in one transaction.
    pub fn inbox() -> Runner {
        of_inbox::migrations::runner().set_grouped(true)
    }

    mod of_outbox {
        refinery::embed_migrations!("daemon/outbox");
    }

    mod of_inbox {
        refinery::embed_migrations!("daemon/inbox");
    }

    #[cfg(test)]
    mod tests {
        use std::path::Path;

        #[test]
        fn every_file_is_embedded_and_the_newest_is_named() {
            for (folder, runner) in [("outbox", super::outbox()), ("inbox", super::inbox())] {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("daemon").join(folder);
                let files = std::fs::read_dir(folder).unwrap().count();
                let newest = runner.get_migrations().iter().map(refinery::Migration::version).max();
                assert_eq!((runner.get_migrations().len(), newest), (files, Some(super::LATEST)));
            }
        }
    }
}

/// The tables of the shared store.
#[cfg(feature = "postgres")]
pub mod postgres {
    use refinery::{Runner, Target};

    /// Where the server keeps the history of migrations.
    pub const HISTORY: &str = "mesh.schema_history";

    /// One migration.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Step {
        /// Its place in the order.
        pub version: i32,
        /// `V0001__mesh` and so on, as its file.
        pub name: String,
        /// Changes when the file does.
        pub checksum: u64,
    }

    /// All of them, oldest first.
    pub fn steps() -> Vec<Step> {
        let runner = embedded::migrations::runner();
        let step = |(migration, name): (&refinery::Migration, String)| Step {
            version: migration.version(),
            name,
            checksum: migration.checksum(),
        };
        let mut sorted: Vec<&refinery::Migration> = runner.get_migrations().iter().collect();
        sorted.sort_by_key(|migration| migration.version());
        sorted.into_iter().zip(super::names(&runner)).map(step).collect()
    }

    /// Applies what is missing up to a version, all of it in one transaction. Applied to one version after
    /// the other, each step stands or falls by itself.
    pub fn runner_to(version: i32) -> Runner {
        let mut runner =
            embedded::migrations::runner().set_grouped(true).set_target(Target::Version(version));
        runner.set_migration_table_name(HISTORY);
        runner
    }

    mod embedded {
        refinery::embed_migrations!("postgres");
    }

    #[cfg(test)]
    mod tests {
        use std::path::Path;

        #[test]
        fn every_file_is_embedded_in_order_and_named_as_it_is() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres");
            let name = |entry: std::io::Result<std::fs::DirEntry>| {
                entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
            };
            let mut files: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
            files.sort();
            let steps = super::steps();
            let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
            assert_eq!(names, files, "a migration is not embedded: touch lib.rs and build again");
            assert!(steps.is_sorted_by_key(|step| step.version));
        }
    }
}
