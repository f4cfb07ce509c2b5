//! Many senders retry every message, whatever they were told, while the broker is killed again and again.
//!
//! In the end there is one message for each key: accepted, stored and delivered once, under the one id that
//! every answer has named. Half of the keys ask for receipts, which are the same in every answer, and are
//! proved to be one chain.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ground::{Ground, health_becomes};
use crate::peer::{Identity, Peer, Said};
use crate::post::Recipient;
use crate::town::{PATIENCE, Process, Town};

/// Each sends messages of its own under keys of its own.
const SENDERS: usize = 50;
/// How often every key is answered as accepted before its sender is content: the first time and three more.
const ANSWERS: usize = 4;
/// Sends of one connection at once.
const WINDOW: usize = 16;
/// After a refusal that may pass, and after the end of a connection.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks at the whole store all the time, and says how much is there.
const VARIABLES: &[(&str, &str)] = &[
    ("SEND_RATE_LIMIT_PER_MIN", "0"),
    ("PEERMESH_RETENTION_SWEEP_MS", "400"),
    ("PEERMESH_ORPHAN_CHECK_MS", "400"),
];

/// What the broker stands on.
enum Store {
    Sqlite(Town),
    Postgres(Ground),
}

impl Store {
    fn town(&self) -> &Town {
        match self {
            Store::Sqlite(town) => town,
            Store::Postgres(ground) => &ground.town,
        }
    }

    fn serve(&self) -> Process {
        let broker = match self {
            Store::Sqlite(town) => town.listen_with(VARIABLES),
            Store::Postgres(ground) => ground.start(&ground.town, VARIABLES),
        };
        health_becomes(self.town().port, 200, PATIENCE);
        broker
    }
}

#[test]
fn f_acc_08_fifty_senders_that_retry_everything_have_one_message_a_key_over_sqlite() {
    retries(&Store::Sqlite(Town::new()), 8, 4);
}

#[test]
fn f_acc_08_fifty_senders_that_retry_everything_have_one_message_a_key_over_postgres() {
    retries(&Store::Postgres(Ground::new()), 8, 4);
}

#[test]
#[ignore = "minutes of kills, for ./check --long"]
fn f_acc_08_the_same_for_long() {
    retries(&Store::Sqlite(Town::new()), 200, 40);
    retries(&Store::Postgres(Ground::new()), 200, 40);
}

/// Lets every sender send that many messages while the broker is killed that often.
fn retries(store: &Store, messages: usize, kills: usize) {
    let names: Vec<String> = (0..SENDERS).map(|n| format!("ann{n:02}")).collect();
    let mut broker = store.serve();
    let everybody: Vec<&str> = names.iter().map(String::as_str).chain(["bob"]).collect();
    store.town().settle(&everybody);
    let (port, bob) = (store.town().port, Identity::of(store.town(), "bob"));
    let recipient = Recipient::starts(port, bob.clone());
    let answers = AtomicUsize::new(0);
    let (sent, mut broker) = thread::scope(|scope| {
        let (to, answers) = (&bob.pubkey, &answers);
        let senders: Vec<_> = names
            .iter()
            .map(|name| {
                let identity = Identity::of(store.town(), name);
                scope.spawn(move || Sender::new(identity, to, messages).sends_all(port, answers))
            })
            .collect();
        for kill in 1..=kills {
            progresses(answers, SENDERS * messages * ANSWERS * kill / (kills + 1));
            // A few milliseconds more or less, so that it dies at any point of an accept.
            thread::sleep(Duration::from_micros(chance() % 20_000));
            broker.kill();
            broker = store.serve();
        }
        let sent: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
        (sent, broker)
    });
    let (receipts, sent) =
        sent.into_iter().flatten().map(|(key, told)| (told.receipts, (key, told.ids))).unzip();
    proves(store.town(), receipts, SENDERS * messages.div_ceil(2));
    let sent: BTreeMap<String, BTreeSet<String>> = sent;
    assert_eq!(sent.len(), SENDERS * messages, "every key was accepted");
    assert!(sent.values().all(|ids| ids.len() == 1), "a key has one id for ever");
    let ids: BTreeSet<&String> = sent.values().flatten().collect();
    assert_eq!(ids.len(), sent.len(), "and an id one key");
    assert_eq!(recipient.ends().ids, sent, "what was delivered is what was accepted");
    let stored = settled(&mut broker);
    let wanted = u64::try_from(sent.len()).unwrap();
    for (field, wanted) in
        [("keys", wanted), ("messages", wanted), ("waiting", 0), ("ended", wanted), ("found", 0)]
    {
        assert_eq!(stored[field], wanted, "{field}: {stored}");
    }
}

/// Of those who asked, each has one receipt, and all are one chain.
fn proves(town: &Town, receipts: Vec<BTreeSet<String>>, wanted: usize) {
    assert!(receipts.iter().all(|told| told.len() <= 1), "a key has one receipt for ever");
    let receipts: Vec<String> = receipts.into_iter().flatten().collect();
    assert_eq!(receipts.len(), wanted, "every second key has one");
    let file = town.dir().join("receipts.jsonl");
    fs::write(&file, receipts.join("\n")).unwrap();
    let shown = town.json(&["mesh", "show", "demo"]);
    let key = shown["broker_pubkey"].as_str().expect("a key");
    let proved = town.json(&["prove", file.to_str().unwrap(), "--broker-key", key]);
    let chain = &proved["meshes"][0];
    assert_eq!(
        (&chain["receipts"], &chain["first"], &chain["last"]),
        (&wanted.into(), &1.into(), &wanted.into())
    );
}

/// What the check of keys says once nothing waits any more.
fn settled(broker: &mut Process) -> Value {
    let until = Instant::now() + PATIENCE;
    // The one that is running may have begun before the last acknowledgement.
    broker.says("keys checked");
    loop {
        let checked = broker.says("keys checked");
        if checked["waiting"] == 0 || Instant::now() > until {
            return checked;
        }
    }
}

fn progresses(answers: &AtomicUsize, wanted: usize) {
    let until = Instant::now() + PATIENCE * 3;
    while answers.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < until, "{} of {wanted} answers", answers.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(1));
    }
}

fn chance() -> u64 {
    RandomState::new().hash_one(())
}

/// One that sends each message again until it was answered often enough.
struct Sender<'a> {
    identity: Identity,
    to: &'a str,
    /// What is to be sent, each key as often as an answer to it is still wanted.
    waiting: VecDeque<String>,
    under_way: Vec<String>,
    /// What answers have told, by key.
    told: BTreeMap<String, Told>,
}

/// What answers to one key have told.
#[derive(Debug, Default)]
struct Told {
    ids: BTreeSet<String>,
    receipts: BTreeSet<String>,
}

impl Sender<'_> {
    fn new(identity: Identity, to: &str, messages: usize) -> Sender<'_> {
        let key = |n| format!("{}-{n}", identity.name);
        // Two by two, so that half of the resends meet the send before them on its way.
        let keys = |n| [key(n), key(n)];
        let once: Vec<String> = (0..messages).flat_map(keys).collect();
        let waiting = (0..ANSWERS / 2).flat_map(|_| once.iter().cloned()).collect();
        Sender { identity, to, waiting, under_way: Vec::new(), told: BTreeMap::new() }
    }

    fn sends_all(mut self, port: u16, answers: &AtomicUsize) -> BTreeMap<String, Told> {
        let mut last = Instant::now();
        while !self.waiting.is_empty() || !self.under_way.is_empty() {
            assert!(last.elapsed() < PATIENCE * 3, "{} is not served", self.identity.name);
            let Ok(mut peer) = Peer::joins(port, &self.identity) else {
                thread::sleep(PAUSE);
                continue;
            };
            // What was not answered on the connection before is sent again.
            self.waiting.extend(self.under_way.drain(..));
            while self.exchanges(&mut peer, answers) {
                last = Instant::now();
            }
        }
        self.told
    }

    /// Sends what there is room for and hears one answer; false when the connection is over, or all is done.
    fn exchanges(&mut self, peer: &mut Peer, answers: &AtomicUsize) -> bool {
        while self.under_way.len() < WINDOW
            && let Some(key) = self.waiting.pop_front()
        {
            peer.sends_for(self.to, (&key, &key), asks(&key));
            self.under_way.push(key);
        }
        if self.under_way.is_empty() {
            return false;
        }
        let ack = match peer.hears(PATIENCE) {
            Some(Said::Message(message)) if message["type"] == "ack" => message,
            Some(Said::Message(_)) => return true,
            Some(Said::Close { .. } | Said::Gone) | None => return false,
        };
        let key = ack["id"].as_str().expect("an id").to_owned();
        let place = self.under_way.iter().position(|under_way| *under_way == key).expect("a send of ours");
        self.under_way.swap_remove(place);
        match ack["error"].as_str() {
            None => {
                let told = self.told.entry(key.clone()).or_default();
                told.ids.insert(ack["messageId"].as_str().expect("an id").to_owned());
                assert_eq!(ack["receipt"].is_object(), asks(&key), "{ack}");
                told.receipts.extend(ack["receipt"].is_object().then(|| ack["receipt"].to_string()));
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Some(refusal) => {
                assert!(refusal.starts_with("retry: "), "{refusal}");
                self.waiting.push_back(key);
                thread::sleep(PAUSE);
            }
        }
        true
    }
}

/// Every second key of a sender asks for a receipt.
fn asks(key: &str) -> bool {
    key.ends_with(['0', '2', '4', '6', '8'])
}
