//! Two peers that do what daemons do: one sends until everything is acknowledged, the other takes what comes.
//! Both come back when the connection ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peer::{Identity, Peer, Said, is_mail};

/// Sends that are on their way at once, as many as a broker reads before it waits.
const WINDOW: usize = 64;

/// After a refusal that may pass, and after the end of a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// What one sender was told.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The ids that acks have named, by key.
    pub(crate) ids: BTreeMap<String, BTreeSet<String>>,
    /// Refusals that may pass.
    pub(crate) retries: Vec<String>,
    /// When each key was acknowledged first.
    pub(crate) acked_at: Vec<Instant>,
}

/// Sends one message under each key, again and again until it is acknowledged. Gives up after `patience`
/// without any progress.
pub(crate) fn sends_all(
    port: u16,
    sender: &Identity,
    to: &str,
    keys: Vec<String>,
    patience: Duration,
    progress: impl Fn(usize),
) -> Sent {
    let mut sent = Sent::default();
    let mut waiting: Vec<String> = keys.into_iter().rev().collect();
    let mut under_way: BTreeSet<String> = BTreeSet::new();
    let mut last = Instant::now();
    while !waiting.is_empty() || !under_way.is_empty() {
        assert!(
            last.elapsed() < patience,
            "{} left; {:?}",
            waiting.len() + under_way.len(),
            sent.retries.last()
        );
        let Ok(mut peer) = Peer::joins(port, sender) else {
            thread::sleep(PAUSE);
            continue;
        };
        // What was not acknowledged on the connection before is sent again, under its own key.
        waiting.extend(std::mem::take(&mut under_way).into_iter().rev());
        loop {
            assert!(last.elapsed() < patience, "{} left", waiting.len() + under_way.len());
            while under_way.len() < WINDOW
                && let Some(key) = waiting.pop()
            {
                peer.sends(to, &key, &key);
                under_way.insert(key);
            }
            if under_way.is_empty() {
                break;
            }
            match peer.hears(patience) {
                Some(Said::Message(message)) if message["type"] == "ack" => {
                    let key = message["id"].as_str().expect("an id").to_owned();
                    under_way.remove(&key);
                    match message["error"].as_str() {
                        None => {
                            let id = message["messageId"].as_str().expect("an id").to_owned();
                            sent.ids.entry(key).or_default().insert(id);
                            sent.acked_at.push(Instant::now());
                            last = Instant::now();
                            progress(sent.ids.len());
                        }
                        Some(refusal) => {
                            assert!(refusal.starts_with("retry: "), "{refusal}");
                            sent.retries.push(refusal.to_owned());
                            waiting.push(key);
                            thread::sleep(PAUSE);
                        }
                    }
                }
                Some(Said::Message(_)) => {}
                Some(Said::Close { .. } | Said::Gone) | None => break,
            }
        }
    }
    sent
}

/// A recipient in a thread of its own.
#[derive(Debug)]
pub(crate) struct Recipient {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Received>,
}

/// What a recipient was pushed.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The broker's ids by the sender's key.
    pub(crate) ids: BTreeMap<String, BTreeSet<String>>,
}

impl Recipient {
    /// Takes and acknowledges what comes.
    pub(crate) fn starts(port: u16, identity: Identity) -> Recipient {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || takes_all(port, &identity, &told));
        Recipient { is_over, thread }
    }

    /// Ends once nothing has come for a while, and tells what came.
    pub(crate) fn ends(self) -> Received {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the recipient does not panic")
    }
}

fn takes_all(port: u16, identity: &Identity, is_over: &AtomicBool) -> Received {
    const QUIET: Duration = Duration::from_millis(1_000);
    let mut received = Received::default();
    let mut takes = |push: &Value| {
        let field = |name: &str| push[name].as_str().expect("a text").to_owned();
        received.ids.entry(field("client_message_id")).or_default().insert(field("messageId"));
    };
    loop {
        let Ok(mut peer) = Peer::joins(port, identity) else {
            thread::sleep(PAUSE);
            continue;
        };
        loop {
            match peer.hears(QUIET) {
                Some(Said::Message(message)) if is_mail(&message) => {
                    takes(&message);
                    peer.acks(&message);
                }
                Some(Said::Message(_)) => {}
                Some(Said::Close { .. } | Said::Gone) => break,
                None if is_over.load(Ordering::Relaxed) => return received,
                None => {}
            }
        }
    }
}
