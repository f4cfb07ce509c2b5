//! A store is lost, an older copy takes its place, and an operator adopts it: nothing is doubled, and no id
//! is told for two messages.

mod town;

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::driver::attic::copy_files;
use peermesh_conformance::server::Database;
use rustix::process::Signal;
use serde_json::Value;
use town::{PATIENCE, Process, Ran, Town};

/// From a signal to the end of the process.
const SHUTDOWN: Duration = Duration::from_secs(6);

/// A town on one kind of store.
struct Ground {
    town: Town,
    /// None on the embedded store.
    database: Option<Database>,
}

impl Ground {
    fn variables(&self) -> Vec<(&'static str, String)> {
        let url = self.database.as_ref().map(|database| ("DATABASE_URL", database.url().to_owned()));
        url.into_iter().collect()
    }

    fn serve(&self) -> Process {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.town.serve_with(&variables)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.town.command(arguments);
        command.envs(self.variables());
        Ran::from(command.output().unwrap())
    }

    /// The same, again while it says that it may work later: a copy remembers the lease of a broker that had
    /// just ended.
    fn run_patiently(&self, arguments: &[&str]) -> Ran {
        let until = Instant::now() + PATIENCE;
        loop {
            let ran = self.run(arguments);
            if ran.code != 4 || Instant::now() >= until {
                return ran;
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Where all receipts are kept.
    fn receipts(&self) -> String {
        self.town.dir().join("receipts.jsonl").to_str().unwrap().to_owned()
    }

    /// Sends under a key, and keeps the receipt; what the broker said of it.
    fn sends(&self, key: &str, before: Option<&str>) -> String {
        let file = self.receipts();
        let mut arguments = vec!["send", "bob", key, "--id", key, "--as", "ann", "--receipt", &file];
        arguments.extend(before.into_iter().flat_map(|id| ["--message-id", id]));
        self.town.json(&arguments)["message_id"].as_str().unwrap().to_owned()
    }

    fn epoch(&self) -> String {
        self.town.json(&["mesh", "show", "demo"])["history_epoch"].as_str().unwrap().to_owned()
    }
}

/// Lives through the loss of a store whose copy is made by `copy` and put back by `restore`.
fn live<C>(ground: &Ground, copy: impl FnOnce(&Ground) -> C, restore: impl FnOnce(&Ground, C)) {
    let mut broker = ground.serve();
    ground.town.settle(&["ann", "bob"]);
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for key in ["kept-1", "kept-2"] {
        told.insert(key.to_owned(), ground.sends(key, None));
    }
    assert_eq!(ground.town.inbox("bob"), ["kept-1", "kept-2"]);
    let before = ground.epoch();
    let refused = ground.run(&["adopt", "--yes"]);
    assert!(refused.code == 3 && refused.err.contains("stop it first"), "a broker runs: {refused:?}");
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0));
    let kept = copy(ground);

    let broker = ground.serve();
    for key in ["lost-1", "lost-2", "lost-3"] {
        told.insert(key.to_owned(), ground.sends(key, None));
    }
    assert_eq!(ground.town.inbox("bob"), ["lost-1", "lost-2", "lost-3"]);
    broker.kill();
    restore(ground, kept);

    let look = ground.run_patiently(&["adopt", "--check", "--json"]);
    assert_eq!(look.code, 0, "{look:?}");
    assert_eq!(
        (&look.json()["adopted"], &look.json()["history_epoch"]),
        (&false.into(), &before.as_str().into())
    );
    let unasked = ground.run(&["adopt"]);
    assert!(unasked.code == 2 && unasked.err.contains("--yes"), "{unasked:?}");
    let adopted = ground.run(&["adopt", "--yes", "--json"]);
    assert_eq!(adopted.code, 0, "{adopted:?}");
    let adopted = adopted.json();
    assert_eq!((&adopted["adopted"], &adopted["lost_epoch"]), (&true.into(), &before.as_str().into()));

    let mut broker = ground.serve();
    assert_eq!(Value::from(ground.epoch()), adopted["history_epoch"]);
    let doctor = ground.run(&["doctor"]);
    assert!(doctor.out.contains(adopted["history_epoch"].as_str().unwrap()), "{doctor:?}");
    // A sender goes through what it was told, and sends everything again: under its key, and with its id.
    for (key, id) in &told {
        assert_eq!(ground.sends(key, Some(id)), *id, "{key}");
        assert_eq!(ground.sends(key, Some(id)), *id, "{key}, once more");
    }
    told.insert("new".to_owned(), ground.sends("new", None));
    let mut ids: Vec<&String> = told.values().collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), told.len(), "an id was told for two messages: {told:?}");
    // What the restored store knew as delivered is not delivered again; what it lost is, under its old id.
    assert_eq!(ground.town.inbox("bob"), ["lost-1", "lost-2", "lost-3", "new"]);
    proves(ground, &before);
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
}

/// Receipts of both histories are sound: the one before went on to number 5, the one after it goes on behind
/// number 2, where the copy was made.
fn proves(ground: &Ground, before: &str) {
    let key = ground.town.json(&["mesh", "show", "demo"])["broker_pubkey"].as_str().unwrap().to_owned();
    let proved = ground.town.json(&["prove", &ground.receipts(), "--broker-key", &key]);
    let chain = &proved["meshes"][0];
    let range =
        |history: &Value| [&history["first"], &history["last"]].map(|number| number.as_u64().unwrap());
    let [lost, next] = [0, 1].map(|place| &chain["histories"][place]);
    assert_eq!((lost["history_epoch"].as_str(), range(lost)), (Some(before), [1, 5]), "{proved}");
    assert_eq!((next["history_epoch"].as_str(), range(next)), (Some(&*ground.epoch()), [3, 6]), "{proved}");
    assert_eq!(chain["receipts"], 9, "those that were told twice are told the same: {proved}");
}

#[test]
fn f_sto_14_a_data_directory_restored_from_an_older_copy_is_adopted() {
    let ground = Ground { town: Town::new(), database: None };
    let copy = |ground: &Ground| {
        let copy = tempfile::tempdir().unwrap();
        for name in ["peermesh.db", "peermesh.db-wal", "key", "admin-token"] {
            let file = ground.town.data().join(name);
            if file.exists() {
                fs::copy(file, copy.path().join(name)).unwrap();
            }
        }
        copy
    };
    let restore = |ground: &Ground, copy: tempfile::TempDir| {
        for name in ["peermesh.db", "peermesh.db-wal", "peermesh.db-shm"] {
            let _ = fs::remove_file(ground.town.data().join(name));
        }
        copy_files(copy.path(), &ground.town.data()).unwrap();
    };
    live(&ground, copy, restore);
    let half = Town::new();
    fs::create_dir_all(half.data()).unwrap();
    fs::write(half.data().join("peermesh.db"), []).unwrap();
    let refused = half.run(&["adopt", "--yes"]);
    assert!(refused.code == 3 && refused.err.contains("peermesh.db-wal"), "{refused:?}");
    let empty = Town::new();
    let nothing = empty.run(&["adopt", "--check"]);
    assert!(nothing.code == 3 && nothing.err.contains("no store"), "{nothing:?}");
    assert!(!empty.data().exists(), "a look makes nothing");
}

#[test]
fn f_sto_14_a_database_restored_from_an_older_copy_is_adopted() {
    let ground = Ground { town: Town::new(), database: Some(Database::fresh()) };
    let database = |ground: &Ground| ground.database.as_ref().unwrap().copied();
    live(&ground, database, |ground, copy| ground.database.as_ref().unwrap().restored_from(&copy));
}

/// A broker that goes on while its database is replaced must not serve from an older one.
#[test]
fn f_sto_14_a_broker_does_not_serve_from_a_database_that_has_gone_back() {
    let ground = Ground { town: Town::new(), database: Some(Database::fresh()) };
    let database = ground.database.as_ref().unwrap();
    let mut broker = ground.serve();
    ground.town.settle(&["ann", "bob"]);
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0));
    let copy = database.copied();
    let mut broker = ground.serve();
    ground.sends("lost", None);
    database.restored_from(&copy);
    while !broker.says("db ping failed")["error"].as_str().unwrap_or_default().contains("gone back") {}
}
