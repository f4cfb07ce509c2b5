//! The SQL that makes and changes peermesh's tables, embedded.
//!
//! *Does not:* touch a database; the store drivers run these under their own lock.
//! *Always holds:* a file that was released is never edited; what changes is added as the next version.

/// The tables of the embedded store.
pub mod sqlite {
    use refinery::Runner;

    /// The newest version in `migrations/sqlite`. A store of a higher version belongs to a newer program.
    pub const LATEST: i32 = 1;

    /// Applies what is missing, all of it in one transaction.
    pub fn runner() -> Runner {
        embedded::migrations::runner().set_grouped(true)
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
        }
    }
}
