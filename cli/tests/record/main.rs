//! Brokers that are recorded, on every runtime of this build: real processes, real traffic, and the same
//! state again from the file.

#[allow(dead_code, reason = "each test file uses its own part of a peer")]
#[path = "../weather/peer.rs"]
mod peer;
mod ring;
#[path = "../town/mod.rs"]
mod town;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use peer::{Identity, Peer};
use rustix::process::Signal;
use serde_json::Value;
use town::{PATIENCE, Process, Ran, Town};

const RUNTIMES: &[&str] = &[
    #[cfg(feature = "smol")]
    "smol",
    #[cfg(feature = "threads")]
    "threads",
];

/// What stands for something sealed.
const WORDS: &str = "the words of one mail";

/// A town whose broker is recorded.
pub(crate) struct Studio {
    pub(crate) town: Town,
}

impl Studio {
    pub(crate) fn new() -> Studio {
        Studio { town: Town::new() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.town.dir().join("records")
    }

    /// A broker that is recorded, once it has its store.
    pub(crate) fn serve(&self, runtime: &str, variables: &[(&str, &str)]) -> Process {
        let dir = self.dir();
        let own = [("PEERMESH_RECORD", dir.to_str().unwrap()), ("PEERMESH_RUNTIME", runtime)];
        self.town.serve_with(&[&own, variables].concat())
    }

    /// The recordings, oldest first.
    pub(crate) fn recordings(&self) -> Vec<PathBuf> {
        let there = fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().path());
        let mut recordings: Vec<PathBuf> =
            there.filter(|path| path.extension().is_some_and(|ending| ending == "peermesh")).collect();
        recordings.sort();
        recordings
    }

    pub(crate) fn replay(&self, file: &Path, more: &[&str]) -> Ran {
        self.town.run(&[&["replay", file.to_str().unwrap(), "--json"], more].concat())
    }

    /// Lives a recording again, twice, and gives what it leads to.
    pub(crate) fn relived(&self, file: &Path) -> Value {
        let (once, twice) = (self.replay(file, &[]), self.replay(file, &[]));
        assert_eq!((once.code, &once.out), (0, &twice.out), "{once:?}");
        once.json()
    }
}

/// A message from one to the other, acknowledged; its id.
pub(crate) fn passes(from: &mut Peer, to: &mut Peer, recipient: &Identity, key: &str, text: &str) -> String {
    from.sends(&recipient.pubkey, key, text);
    let ack = from.hears_ack_of(key);
    let push = to.hears_push();
    to.acks(&push);
    ack["messageId"].as_str().unwrap_or_else(|| panic!("{ack}")).to_owned()
}

/// Ann and Bob, connected.
pub(crate) fn two(town: &Town) -> ((Peer, Identity), (Peer, Identity)) {
    let [ann, bob] = ["ann", "bob"].map(|name| {
        let identity = Identity::of(town, name);
        (Peer::joins_within(PATIENCE, town.port, &identity), identity)
    });
    (ann, bob)
}

/// Ends a broker in good order; the record of the end of its recording.
pub(crate) fn ends(broker: &mut Process) -> Value {
    broker.signal(Signal::TERM);
    let ended = broker.says("recording ended");
    broker.says("shutdown complete");
    assert!(broker.ends(PATIENCE).success());
    ended
}

#[test]
fn i18_a_recorded_broker_is_lived_again_to_the_state_it_ended_in() {
    for runtime in RUNTIMES {
        let studio = Studio::new();
        let mut broker = studio.serve(runtime, &[("PEERMESH_SHARDS", "2")]);
        studio.town.settle(&["ann", "bob"]);
        let ((mut ann, _), (mut bob, bobs)) = two(&studio.town);
        for nth in 0..40 {
            passes(&mut ann, &mut bob, &bobs, &format!("k{nth}"), &"x".repeat(200 * nth));
        }
        drop(ann);
        assert_eq!(studio.town.run(&["health"]).code, 0);
        let ended = ends(&mut broker);

        let files = studio.recordings();
        assert_eq!((files.len(), &ended["why"]), (1, &"finished".into()), "{runtime}: {ended}");
        assert_eq!(ended["file"], files[0].to_str().unwrap());
        let relived = studio.relived(&files[0]);
        assert_eq!(relived["state_hash"], ended["state_hash"], "{runtime}: {relived}");
        assert_eq!((&relived["turns"], &relived["ended"]), (&ended["turns"], &"finished".into()));
        assert_eq!(relived["state_hash"].as_str().unwrap().len(), 32);
        assert_eq!(relived["shards"].as_array().unwrap().len(), 2);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&files[0]), mode(&studio.dir())), (0o600, 0o700));
    }
}

#[test]
fn a_broker_that_is_killed_leaves_a_recording_up_to_moments_before() {
    for runtime in RUNTIMES {
        let studio = Studio::new();
        let broker = studio.serve(runtime, &[]);
        studio.town.settle(&["ann", "bob"]);
        let ((mut ann, _), (mut bob, bobs)) = two(&studio.town);
        let first = passes(&mut ann, &mut bob, &bobs, "first", "x");
        // Longer than blocks are fetched apart: this much is surely written.
        std::thread::sleep(Duration::from_secs(1));
        for nth in 0..100 {
            ann.sends(&bobs.pubkey, &format!("k{nth}"), &"y".repeat(5_000));
        }
        broker.kill();
        let files = studio.recordings();
        let relived = studio.relived(&files[0]);
        assert_eq!(relived["ended"], "cut off", "{relived}");
        let until = studio.replay(&files[0], &["--until", &format!("msg:{first}")]).json();
        assert!(until["turns"].as_u64() < relived["turns"].as_u64(), "{until}");

        // The next life is a recording of its own.
        let mut broker = studio.serve(runtime, &[]);
        let ended = ends(&mut broker);
        let files = studio.recordings();
        assert_eq!(files.len(), 2);
        assert_eq!(studio.relived(&files[1])["state_hash"], ended["state_hash"]);
    }
}

#[test]
fn what_happened_to_a_message_is_told_step_by_step() {
    let studio = Studio::new();
    let mut broker = studio.serve(RUNTIMES[0], &[]);
    studio.town.settle(&["ann", "bob"]);
    let ((mut ann, _), (mut bob, bobs)) = two(&studio.town);
    passes(&mut ann, &mut bob, &bobs, "other", "x");
    let id = passes(&mut ann, &mut bob, &bobs, "this", "y");
    passes(&mut ann, &mut bob, &bobs, "later", "z");
    ends(&mut broker);
    let file = &studio.recordings()[0];
    let until = format!("msg:{}", &id[..8]);

    let stopped = studio.replay(file, &["--until", &until]).json();
    assert_eq!(stopped["until"]["message_id"], id.as_str(), "{stopped}");
    assert_eq!(stopped["until"]["state_hash"].as_str().unwrap().len(), 32);
    assert_eq!(stopped["turns"], stopped["until"]["turn"], "one shard, which stops there");

    let told = studio.replay(file, &["--until", &until, "--explain"]).json();
    assert_eq!(told["until"], stopped["until"]);
    let steps: Vec<&str> =
        told["steps"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect();
    assert_eq!(steps, ["sent", "accepted", "acknowledged", "pushed", "settling", "settled"], "{told}");
    let plain = studio.town.run(&["replay", file.to_str().unwrap(), "--until", &until, "--explain"]);
    for word in
        ["sent by ann", "for bob", "accepted: the store", "delivered, because connection", "state hash"]
    {
        assert!(plain.out.contains(word), "{word:?} is missing:\n{}", plain.out);
    }
    let records = studio.replay(file, &["--explain"]).json();
    let records = records["records"].as_array().unwrap();
    assert!(records.iter().any(|record| record["what"] == "ws hello"), "{records:?}");

    let unknown = studio.replay(file, &["--until", "msg:AAAAAAAAAAAA"]);
    assert_eq!((unknown.code, &unknown.json()["error"]), (3, &"refused".into()));
    assert_eq!(studio.replay(file, &["--until", "AAAA"]).code, 2);
}

#[test]
fn a_recording_without_payloads_holds_none_and_leads_to_the_same_state() {
    for (payloads, is_there) in [("full", true), ("hash", false)] {
        let studio = Studio::new();
        let variables = [("PEERMESH_RECORD_PAYLOADS", payloads)];
        let mut broker = studio.serve(RUNTIMES[0], &variables);
        studio.town.settle(&["ann", "bob"]);
        let ((mut ann, _), (bob, bobs)) = two(&studio.town);
        drop(bob);
        ann.sends(&bobs.pubkey, "k", WORDS);
        ann.hears_ack_of("k");
        ends(&mut broker);
        drop(ann);
        // In this life the message is read from the store, unmasked.
        let mut broker = studio.serve(RUNTIMES[0], &variables);
        let ((ann, _), (mut bob, _)) = two(&studio.town);
        let push = bob.hears_push();
        bob.acks(&push);
        drop((ann, bob));
        let ended = ends(&mut broker);
        for (nth, file) in studio.recordings().iter().enumerate() {
            let relived = studio.relived(file);
            assert_eq!((&relived["ended"], &relived["payloads"]), (&"finished".into(), &payloads.into()));
            if nth == 1 {
                assert_eq!(relived["state_hash"], ended["state_hash"]);
                let (bytes, sealed) = (fs::read(file).unwrap(), BASE64.encode(WORDS.as_bytes()));
                let found = bytes.windows(sealed.len()).any(|part| part == sealed.as_bytes());
                assert_eq!(found, is_there, "{payloads}");
            }
        }
    }
}

#[test]
fn a_file_that_is_no_recording_is_refused_with_the_reason() {
    let studio = Studio::new();
    let mut broker = studio.serve(RUNTIMES[0], &[]);
    ends(&mut broker);
    let whole = fs::read(&studio.recordings()[0]).unwrap();
    let refused = |bytes: &[u8], wanted: &str| {
        let path = studio.dir().join("tried");
        fs::write(&path, bytes).unwrap();
        let ran = studio.replay(&path, &[]);
        assert!(ran.code == 1 && ran.err.contains(wanted), "{wanted}: {ran:?}");
    };
    refused(b"SQLite format 3\0", "no recording of a broker");
    refused(b"peermesh-record\x07", "format 7");
    refused(&whole[..20], "ends before its header does");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    refused(&damaged, "damaged at byte");
    assert_eq!(studio.replay(&studio.dir().join("nothing"), &[]).code, 3);

    let mut taken = studio.serve(RUNTIMES[0], &[]);
    let other = Town::new();
    let port = other.port.to_string();
    let dir = studio.dir();
    let ran =
        other.run(&["serve", "--host", "127.0.0.1", "--port", &port, "--record", dir.to_str().unwrap()]);
    assert!(ran.code == 1 && ran.err.contains("another broker records in"), "{ran:?}");
    ends(&mut taken);
}

/// Starts a recorded broker that may write files of so many half KiB only.
pub(crate) fn serve_with_short_files(studio: &Studio, blocks: u32, variables: &[(&str, &str)]) -> Process {
    let (port, dir) = (studio.town.port.to_string(), studio.dir());
    let arguments = ["serve", "--host", "127.0.0.1", "--port", &port, "--record", dir.to_str().unwrap()];
    let serve = studio.town.command(&arguments);
    let mut command = Command::new("/bin/sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(serve.get_program()).args(serve.get_args());
    command.env_clear().envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.envs(variables.iter().copied()).current_dir(studio.town.dir());
    let mut broker = Process::logging(command);
    broker.says("db healthy");
    broker
}
