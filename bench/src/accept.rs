//! One message through a broker in memory: send, commit, ack, push, acknowledgement, commit.
//!
//! The sender says `window` sends in one chunk; the store commits them as one batch; the recipient
//! acknowledges all in one chunk. So a window of 1 is a quiet broker, and a large one what a busy broker
//! meets at every wake-up.

use crate::http::found_mesh;
use crate::memory::{Carried, Memory};
use crate::meter::{Meter, Step};
use crate::peer::{Letters, Said, acknowledge, hear};

/// Windows that [`exchange`] can carry: pushes that a mailbox may have unacknowledged by default.
pub const WINDOW_MAX: u64 = 32;

/// What an exchange came to.
#[derive(Debug)]
pub struct Exchange {
    /// Messages that were accepted, delivered and settled.
    pub messages: u64,
    /// What went over the broker's edges for them.
    pub carried: Carried,
    /// What every step allocated for them.
    pub meter: Meter,
}

/// Carries `messages` (rounded up to whole windows) from one peer to another, after a warm-up of that kind.
///
/// # Panics
/// When a message is lost, doubled or refused: then there is nothing to count.
pub fn exchange(meter: Meter, messages: u64, window: u64) -> Exchange {
    let window = window.clamp(1, WINDOW_MAX);
    let mut memory = Memory::new(meter);
    let people = found_mesh(&mut memory, "bench", 0, 2).expect("two members are enrolled");
    let (mut ann, mut bob) = (memory.join(&people[0]), memory.join(&people[1]));
    let mut letters = Letters::new(0, &people[1].address);
    let (mut text, mut ids) = (String::new(), Vec::new());
    let mut round = |memory: &mut Memory| {
        for _ in 0..window {
            letters.next(&mut text);
            ann.say(memory.now(), &text);
        }
        memory.deliver(Step::Send, &mut ann);
        memory.answer(Step::Accepted);
        let (mut accepted, mut pushed) = (0, 0);
        memory.listen(Step::Sent, &mut ann, |text| accepted += u64::from(hear(text) == Said::Accepted));
        memory.listen(Step::Sent, &mut bob, |text| {
            if let Said::Push { message_id, client_id, .. } = hear(text) {
                pushed += 1;
                ids.push((message_id.to_owned(), client_id.to_owned()));
            }
        });
        assert_eq!((accepted, pushed), (window, window), "every send is accepted and pushed once");
        for (message_id, client_id) in ids.drain(..) {
            acknowledge(&mut text, &message_id, &client_id);
            bob.say(memory.now(), &text);
        }
        memory.deliver(Step::Acked, &mut bob);
        memory.answer(Step::Settled);
        memory.pass();
    };
    for _ in 0..WINDOW_MAX {
        round(&mut memory);
    }
    memory.reset();
    let rounds = messages.div_ceil(window);
    for _ in 0..rounds {
        round(&mut memory);
    }
    Exchange { messages: rounds * window, carried: memory.carried(), meter: memory.into_meter() }
}

/// Sends `messages` that are refused for their form: read, judged, answered, and nothing else.
///
/// # Panics
/// When one is not refused.
pub fn refuse(meter: Meter, messages: u64) -> Exchange {
    let mut memory = Memory::new(meter);
    let people = found_mesh(&mut memory, "bench", 0, 2).expect("two members are enrolled");
    let mut ann = memory.join(&people[0]);
    let mut letters = Letters::malformed(0, &people[1].address);
    let mut text = String::new();
    let mut round = |memory: &mut Memory| {
        letters.next(&mut text);
        ann.say(memory.now(), &text);
        memory.deliver(Step::Refused, &mut ann);
        let mut refused = false;
        memory.listen(Step::Sent, &mut ann, |text| refused |= hear(text) == Said::Refused);
        assert!(refused, "such a priority is refused");
    };
    for _ in 0..WINDOW_MAX {
        round(&mut memory);
    }
    memory.reset();
    for _ in 0..messages {
        round(&mut memory);
    }
    Exchange { messages, carried: memory.carried(), meter: memory.into_meter() }
}

/// Sends `messages` to a whole mesh of one sender and so many others, who acknowledge.
///
/// # Panics
/// When one of them does not hear everything once.
pub fn fan_out(meter: Meter, messages: u64, watchers: u64) -> Exchange {
    let mut memory = Memory::new(meter);
    let people = found_mesh(&mut memory, "bench", 0, watchers + 1).expect("members are enrolled");
    let mut ann = memory.join(&people[0]);
    let mut others: Vec<_> = people[1..].iter().map(|who| memory.join(who)).collect();
    let mut letters = Letters::new(0, "*");
    let mut text = String::new();
    let mut round = |memory: &mut Memory| {
        letters.next(&mut text);
        ann.say(memory.now(), &text);
        memory.deliver(Step::Send, &mut ann);
        memory.answer(Step::Fanned);
        memory.listen(Step::Sent, &mut ann, |_| ());
        for bob in &mut others {
            let mut ids = None;
            memory.listen(Step::Sent, bob, |text| {
                if let Said::Push { message_id, client_id, .. } = hear(text) {
                    ids = Some((message_id.to_owned(), client_id.to_owned()));
                }
            });
            let (message_id, client_id) = ids.expect("everybody hears it");
            acknowledge(&mut text, &message_id, &client_id);
            bob.say(memory.now(), &text);
            memory.deliver(Step::Acked, bob);
        }
        memory.answer(Step::Settled);
        memory.pass();
    };
    for _ in 0..WINDOW_MAX {
        round(&mut memory);
    }
    memory.reset();
    for _ in 0..messages {
        round(&mut memory);
    }
    Exchange { messages, carried: memory.carried(), meter: memory.into_meter() }
}

/// A recipient comes back so many times, each time to `waiting` messages (at most [`WINDOW_MAX`]).
///
/// # Panics
/// When it does not find all of them.
pub fn resume(meter: Meter, returns: u64, waiting: u64) -> Exchange {
    let waiting = waiting.clamp(1, WINDOW_MAX);
    let mut memory = Memory::keeping(meter);
    let people = found_mesh(&mut memory, "bench", 0, 2).expect("two members are enrolled");
    let mut ann = memory.join(&people[0]);
    let mut letters = Letters::new(0, &people[1].address);
    let mut text = String::new();
    let mut round = |memory: &mut Memory| {
        for _ in 0..waiting {
            letters.next(&mut text);
            ann.say(memory.now(), &text);
        }
        memory.deliver(Step::Send, &mut ann);
        memory.answer(Step::Accepted);
        memory.listen(Step::Sent, &mut ann, |_| ());
        memory.pass();
        let mut bob = memory.join_as(Step::Hello, Step::Resumed, &people[1]);
        let mut ids = Vec::new();
        memory.listen(Step::Sent, &mut bob, |text| {
            if let Said::Push { message_id, client_id, .. } = hear(text) {
                ids.push((message_id.to_owned(), client_id.to_owned()));
            }
        });
        assert_eq!(ids.len() as u64, waiting, "all that waited comes");
        for (message_id, client_id) in ids {
            acknowledge(&mut text, &message_id, &client_id);
            bob.say(memory.now(), &text);
        }
        memory.deliver(Step::Acked, &mut bob);
        memory.answer(Step::Settled);
        memory.pass();
        memory.leave(&bob);
    };
    for _ in 0..4 {
        round(&mut memory);
    }
    memory.reset();
    for _ in 0..returns {
        round(&mut memory);
    }
    Exchange { messages: returns * waiting, carried: memory.carried(), meter: memory.into_meter() }
}
