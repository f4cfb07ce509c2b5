//! A broker of the old kind, in memory: it tells of no features, and answers what its test wants.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use peermesh_core::config::Limits;
use peermesh_core::conn::{Chunk, Connection, Event, Lapse};
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Cause, Deadline, Ending, Input, Machine, Output, Outputs};
use peermesh_core::time::{Mono, Now};
use serde_json::{Value, json};

use crate::host::Town;
use crate::world::Place;

/// What a broker answers to a message; nothing where it is silent.
type Answers = Rc<dyn Fn(&Value) -> Option<Value>>;

/// What it was told, as it came.
pub(crate) type Heard = Rc<RefCell<Vec<Value>>>;

/// Puts one in the place of the town's broker.
pub(crate) fn stands_in(
    town: &mut Town,
    answers: impl Fn(&Value) -> Option<Value> + 'static,
) -> (Place, Heard) {
    let (answers, heard): (Answers, Heard) = (Rc::new(answers), Rc::default());
    let told = Rc::clone(&heard);
    let place = town.world.add(Box::new(move |_| {
        let limits = Arc::new(Limits::default());
        let (answers, heard) = (Rc::clone(&answers), Rc::clone(&heard));
        Box::new(Elder { limits, answers, heard, conns: BTreeMap::new() })
    }));
    town.world.serve(Some(place));
    (place, told)
}

/// How many of that kind it was told.
pub(crate) fn count(heard: &Heard, kind: &str) -> usize {
    heard.borrow().iter().filter(|message| message["type"] == kind).count()
}

/// See the module's own words.
struct Elder {
    limits: Arc<Limits>,
    answers: Answers,
    heard: Heard,
    conns: BTreeMap<ConnId, (Connection, bool)>,
}

impl Elder {
    fn with(&mut self, id: ConnId, todo: &mut Outputs, act: impl FnOnce(&mut Connection, &mut Outputs)) {
        let Some((connection, granted)) = self.conns.get_mut(&id) else { return };
        act(connection, todo);
        if connection.is_over() {
            self.conns.remove(&id);
        } else if !*granted {
            *granted = true;
            todo.push(Output::Read { conn: id });
        }
    }

    fn hear(&mut self, now: Mono, id: ConnId, bytes: &mut [u8], todo: &mut Outputs) {
        let (answers, heard) = (Rc::clone(&self.answers), Rc::clone(&self.heard));
        if let Some((_, granted)) = self.conns.get_mut(&id) {
            *granted = false;
        }
        self.with(id, todo, |connection, todo| {
            let mut chunk = Chunk::new(bytes);
            while let Some(event) = connection.next(now, &mut chunk, id, todo) {
                match event {
                    Event::Request(request) => {
                        let upgrade = request.upgrade.as_ref().expect("a daemon wants a socket");
                        connection.accept(now, &upgrade.accept, id, todo);
                        connection.start_keepalive(now);
                    }
                    Event::Message(text) => {
                        let message: Value = serde_json::from_str(&text).unwrap();
                        let answer = match message["type"].as_str() {
                            Some("hello") => Some(json!({ "type": "hello_ack" })),
                            _ => answers(&message),
                        };
                        if let Some(mut answer) = answer {
                            // Questions are told apart by this, and nothing else has it.
                            if !message["_reqId"].is_null() {
                                answer["_reqId"] = message["_reqId"].clone();
                            }
                            connection.send(now, answer.to_string().as_bytes(), id, todo);
                        }
                        heard.borrow_mut().push(message);
                    }
                    _ => {}
                }
            }
        });
    }

    fn wake(&mut self, now: Mono, todo: &mut Outputs) {
        let due = |(id, (connection, _)): (&ConnId, &(Connection, bool))| {
            connection.deadline().filter(|at| *at <= now).map(|_| *id)
        };
        for id in self.conns.iter().filter_map(due).collect::<Vec<_>>() {
            self.with(id, todo, |connection, todo| match connection.wake(now, id, todo) {
                None => {}
                Some(Lapse::Fault(fault)) => connection.close(now, fault, id, todo),
                Some(Lapse::Dead) => connection.abort(id, todo),
            });
        }
    }
}

impl Machine for Elder {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        let now = now.mono;
        match input {
            Input::Opened { conn, .. } => {
                self.conns.insert(conn, (Connection::server(&self.limits), false));
                self.with(conn, todo, |_, _| ());
            }
            Input::Received { conn, bytes } => self.hear(now, conn, bytes, todo),
            Input::Sent { conn, bytes } => self.with(conn, todo, |connection, todo| {
                connection.sent(now, bytes, conn, todo);
            }),
            Input::Closed { conn, how: Ending::Finished } => self.with(conn, todo, |connection, todo| {
                connection.ended(now, conn, todo);
            }),
            Input::Closed { conn, how: Ending::Broken } => drop(self.conns.remove(&conn)),
            _ => self.wake(now, todo),
        }
        let deadline = self.conns.values().filter_map(|(connection, _)| connection.deadline()).min();
        deadline.map(|at| Deadline { at, cause: Cause::Silence })
    }
}
