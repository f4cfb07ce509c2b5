//! What happens in a recording, told while it is lived again: to one message, or to everybody as the log told
//! it.
//!
//! *Decides* from what the machines are told and wish for, and from nothing they have inside, so that it
//! tells what truly went out and came in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use peermesh_core::ids::{ConnId, MailboxNo, Position, ShardId, Ticket};
use peermesh_core::journal::{Fact, Turn, Witness};
use peermesh_core::machine::{Order, Output, Outputs};
use peermesh_core::message_id::MessageIds;
use peermesh_core::note::Note;
use peermesh_core::store::{
    Accept, Answer, Batch, Found, MeshLoad, Op, Reply, Request, Settled, StoreResult, Work,
};
use serde_json::{Value, json};

/// What happens, as it is told.
pub(super) struct Story<'a> {
    /// The id or its beginning.
    wanted: Option<&'a str>,
    tells: bool,
    /// The message's place and whole id, once the store's secret is known.
    message: Option<(Position, String)>,
    /// The turn in which it was accepted, or first named.
    pub(super) reached: Option<Turn>,
    names: BTreeMap<MailboxNo, String>,
    /// Batches on their way that are about it, or make names.
    batches: BTreeMap<(ShardId, Ticket), Arc<Batch>>,
    /// Connections that it was pushed to.
    pushed: BTreeSet<ConnId>,
    cause: String,
    last: Option<Turn>,
    steps: Vec<Told>,
}

/// One thing that happened.
struct Told {
    turn: Turn,
    kind: &'static str,
    text: String,
    fields: Vec<(&'static str, Value)>,
}

impl<'a> Story<'a> {
    pub(super) fn new(wanted: Option<&'a str>, tells: bool) -> Story<'a> {
        Story {
            wanted,
            tells,
            message: None,
            reached: None,
            names: BTreeMap::new(),
            batches: BTreeMap::new(),
            pushed: BTreeSet::new(),
            cause: String::new(),
            last: None,
            steps: Vec::new(),
        }
    }

    pub(super) fn last(&self) -> Option<Turn> {
        self.last
    }

    pub(super) fn message_id(&self) -> Option<&str> {
        self.message.as_ref().map(|(_, id)| id.as_str())
    }

    /// What was told, for programs; nothing where nothing was to be told.
    pub(super) fn values(&self) -> Option<Value> {
        let value = |told: &Told| {
            let mut value = json!({
                "at": told.turn.now.wall.iso(),
                "shard": told.turn.shard.0,
                "turn": told.turn.number,
                "what": told.kind,
            });
            if self.wanted.is_some() {
                value["text"] = told.text.as_str().into();
            }
            for (name, field) in &told.fields {
                value[*name] = field.clone();
            }
            value
        };
        self.tells.then(|| self.steps.iter().map(value).collect())
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let line = |told: &Told| {
            let fields: Vec<String> = match self.wanted {
                Some(_) => Vec::new(),
                None => told.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect(),
            };
            let Turn { shard, number, now } = told.turn;
            format!("{}  {shard}:{number:<8}  {}{}", now.wall.iso(), told.text, fields.concat())
        };
        self.steps.iter().map(line).collect()
    }

    fn tell(&mut self, turn: Turn, kind: &'static str, text: String) {
        if self.tells {
            self.steps.push(Told { turn, kind, text, fields: Vec::new() });
        }
    }

    fn is_named(&mut self, turn: Turn) {
        self.reached.get_or_insert(turn);
    }

    fn is_it(&self, position: Position) -> bool {
        self.message.as_ref().is_some_and(|(wanted, _)| *wanted == position)
    }

    fn who(&self, mailbox: MailboxNo) -> String {
        match self.names.get(&mailbox) {
            Some(name) => format!("{name} (mailbox {mailbox})"),
            None => format!("mailbox {mailbox}"),
        }
    }

    fn stored(&mut self, turn: Turn, ticket: Ticket, result: &StoreResult) {
        let batch = self.batches.remove(&(turn.shard, ticket));
        match result {
            Ok(Answer::Replies(replies)) => {
                for reply in replies {
                    self.learn_secret(reply);
                }
                let ops = batch.iter().flat_map(|batch| &batch.ops);
                for (op, reply) in ops.zip(replies) {
                    self.answered(turn, op, reply);
                }
            }
            Ok(Answer::Found(found)) => match &**found {
                Found::Mesh(Some(load)) => self.learn_names(load),
                Found::Pending(rows) if rows.iter().any(|row| self.is_it(row.message.position)) => {
                    self.is_named(turn);
                    let text = "read from the store into memory, to be delivered".to_owned();
                    self.tell(turn, "read", text);
                }
                _ => {}
            },
            Err(error) if batch.is_some_and(|batch| batch.ops.iter().any(|op| self.concerns(op))) => {
                self.tell(turn, "refused", format!("the store did not write it: {error}"));
            }
            Err(_) => {}
        }
    }

    fn learn_secret(&mut self, reply: &Reply) {
        let (Reply::Positions { secret, .. }, Some(wanted), None) = (reply, self.wanted, &self.message)
        else {
            return;
        };
        let ids = MessageIds::new(*secret);
        self.message = ids.resolve(wanted).map(|position| (position, ids.encode(position).to_string()));
    }

    fn learn_names(&mut self, load: &MeshLoad) {
        for member in &load.members {
            self.names.insert(member.no, member.name.clone());
        }
        for session in &load.sessions {
            if let Some(name) = &session.name {
                self.names.insert(session.no, name.clone());
            }
        }
    }

    /// The store has done something.
    fn answered(&mut self, turn: Turn, op: &Op, reply: &Reply) {
        match (op, reply) {
            (Op::Enrol(enrol), Reply::Enrolled { mailbox }) => {
                self.names.insert(*mailbox, enrol.name.clone());
            }
            (Op::Accept(accept), Reply::Inserted | Reply::Accepted(_))
                if self.is_it(accept.message.position) =>
            {
                self.is_named(turn);
                let text = "accepted: the store has written it, so it may be acknowledged and delivered";
                self.tell(turn, "accepted", text.to_owned());
            }
            (Op::Accept(accept), reply) if self.is_it(accept.message.position) => {
                let why = match reply {
                    Reply::Known(_) => "its key was used before: the first message stands".to_owned(),
                    other => format!("the store replied {other:?}"),
                };
                self.tell(turn, "not_accepted", format!("not accepted: {why}"));
            }
            (Op::Settle(settled), _) if self.is_it(settled.position) => {
                let text = format!("{}: that is written", self.who(settled.mailbox));
                self.tell(turn, "settled", text);
            }
            _ => {}
        }
    }

    fn concerns(&self, op: &Op) -> bool {
        match op {
            Op::Accept(accept) => self.is_it(accept.message.position),
            Op::Settle(settled) => self.is_it(settled.position),
            Op::Tried { position, .. } => self.is_it(*position),
            _ => false,
        }
    }

    fn asked(&mut self, turn: Turn, request: &Request) {
        let Work::Write(batch) = &request.work else { return };
        let mut is_kept = false;
        for op in &batch.ops {
            is_kept |= matches!(op, Op::Enrol(_)) || self.concerns(op);
            match op {
                _ if !self.concerns(op) => {}
                Op::Accept(accept) => self.is_sent(turn, accept),
                Op::Settle(settled) => self.is_ended(turn, settled),
                Op::Tried { mailbox, tries, .. } => {
                    self.is_named(turn);
                    let text = format!("{}: it is kept that {tries} tries were made", self.who(*mailbox));
                    self.tell(turn, "tried", text);
                }
                _ => {}
            }
        }
        if is_kept {
            self.batches.insert((turn.shard, request.ticket), Arc::clone(batch));
        }
    }

    fn is_sent(&mut self, turn: Turn, accept: &Accept) {
        let message = &accept.message;
        let mailboxes: Vec<String> = accept.mailboxes.iter().map(|mailbox| self.who(*mailbox)).collect();
        let text = format!(
            "sent by {} with priority {}, for {} ({} bytes): it goes to the store",
            self.who(message.session),
            message.priority.word(),
            match mailboxes.is_empty() {
                true => "nobody".to_owned(),
                false => mailboxes.join(", "),
            },
            message.queued_bytes(),
        );
        self.tell(turn, "sent", text);
    }

    fn is_ended(&mut self, turn: Turn, settled: &Settled) {
        self.is_named(turn);
        let text =
            format!("{}: {}, because {}", self.who(settled.mailbox), settled.outcome.word(), self.cause);
        self.tell(turn, "settling", text);
    }

    /// Bytes go to a peer: does what stands in them name the message?
    fn wrote(&mut self, turn: Turn, conn: ConnId, bytes: &[u8]) {
        let Some((_, id)) = &self.message else { return };
        let id = id.as_bytes();
        let places: Vec<usize> = find_all(bytes, id).collect();
        for place in places {
            let kind = kind_before(&bytes[..place]);
            self.is_named(turn);
            let (what, text) = match kind {
                Some("ack") => ("acknowledged", format!("acknowledged to its sender, on connection {conn}")),
                Some("push") if self.pushed.insert(conn) => {
                    ("pushed", format!("pushed to connection {conn}; it is lent until acknowledged"))
                }
                Some("push") => {
                    ("pushed_again", format!("pushed again to connection {conn}: {}", self.cause))
                }
                Some(kind) => ("named", format!("named in `{kind}` to connection {conn}")),
                None => ("named", format!("named to connection {conn}")),
            };
            self.tell(turn, what, text);
        }
    }

    fn noted(&mut self, turn: Turn, note: &Note) {
        if self.tells && self.wanted.is_none() {
            let text = format!("{:<5} {}", note.level.word(), note.msg);
            let mut fields = vec![("level", Value::from(note.level.word()))];
            fields.extend(note.fields.iter().cloned());
            self.steps.push(Told { turn, kind: note.msg, text, fields });
        }
    }
}

impl Witness for Story<'_> {
    fn told(&mut self, turn: Turn, fact: &Fact) {
        self.last = Some(turn);
        self.cause = cause(fact);
        match fact {
            Fact::Stored(ticket, result) => self.stored(turn, *ticket, result),
            Fact::Closed(conn, _) if self.pushed.contains(conn) => {
                let text = format!("connection {conn}, which it was pushed to, ended");
                self.tell(turn, "connection_ended", text);
            }
            _ => {}
        }
    }

    fn said(&mut self, turn: Turn, outputs: &Outputs) {
        for output in outputs.list() {
            match output {
                Output::Store(request) => self.asked(turn, request),
                Output::Send { conn, bytes } => self.wrote(turn, *conn, outputs.bytes(bytes)),
                Output::Note(note) => self.noted(turn, note),
                _ => {}
            }
        }
    }
}

/// Why something happens, in words.
fn cause(fact: &Fact) -> String {
    match fact {
        Fact::Received(conn, _) => format!("connection {conn} said so"),
        Fact::Closed(conn, _) => format!("connection {conn} ended"),
        Fact::Opened(conn, ..) | Fact::Adopted(conn) => format!("connection {conn} came"),
        Fact::Sent(conn, _) => format!("connection {conn} can take more"),
        Fact::Stored(..) => "the store answered".to_owned(),
        Fact::Wake => "its time had come".to_owned(),
        Fact::Order(Order::Drain) => "the broker was told to stop".to_owned(),
        Fact::Relayed(_) => "another shard said so".to_owned(),
        Fact::Scraped(..) | Fact::Weighed(..) | Fact::Forwarded(..) | Fact::Order(Order::Feed) => {
            "something else was told".to_owned()
        }
    }
}

/// Where a text stands in bytes.
fn find_all<'b>(bytes: &'b [u8], text: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    bytes.windows(text.len()).enumerate().filter(move |(_, window)| *window == text).map(|(at, _)| at)
}

/// The type of the last message that begins in these bytes.
fn kind_before(bytes: &[u8]) -> Option<&str> {
    const TYPE: &[u8] = b"{\"type\":\"";
    let at = bytes.windows(TYPE.len()).rposition(|window| window == TYPE)? + TYPE.len();
    let kind = bytes.get(at..)?;
    std::str::from_utf8(kind.split(|byte| *byte == b'"').next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_message_is_known_by_the_type_of_what_it_stands_in() {
        let bytes = br#"..{"type":"ack","messageId":"abc"}..{"type":"push","messageId":"abc"}"#;
        let kinds: Vec<_> = find_all(bytes, b"abc").map(|at| kind_before(&bytes[..at])).collect();
        assert_eq!(kinds, [Some("ack"), Some("push")]);
        assert_eq!(kind_before(b"abc"), None);
    }
}
