//! A peer that is no part of peermesh: it writes and reads WebSocket frames by itself, says hello, and does
//! nothing that a test did not ask for.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER_PERMISSIVE;
use ed25519_dalek::SigningKey;
use peermesh_conformance::keys;
use serde_json::{Value, json};

use crate::town::{PATIENCE, Patience, Town};

/// A member of a mesh, with its secret key.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) pubkey: String,
    mesh_id: String,
    member_id: String,
    key: SigningKey,
}

impl Identity {
    /// The identity of a profile that `peermesh join` has made.
    pub(crate) fn of(town: &Town, name: &str) -> Identity {
        let path = town.data().join(format!("profiles/{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let profile: Value = serde_json::from_str(&text).unwrap();
        let field = |name: &str| profile[name].as_str().unwrap_or_else(|| panic!("{name}")).to_owned();
        let seed = HEXLOWER_PERMISSIVE.decode(field("secret_seed").as_bytes()).unwrap();
        Identity {
            name: name.to_owned(),
            pubkey: field("pubkey"),
            mesh_id: field("mesh_id"),
            member_id: field("member_id"),
            key: SigningKey::from_bytes(&seed.try_into().expect("32 bytes")),
        }
    }

    /// A hello as a daemon says it. Every one has a stamp of its own, so that none is taken for a replay.
    fn hello(&self) -> Value {
        let Identity { name, pubkey, mesh_id, member_id, key } = self;
        let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        let stamp = u64::try_from(since.as_millis()).expect("within the next years");
        json!({
            "type": "hello", "protocolVersion": 1, "meshId": mesh_id, "memberId": member_id, "pubkey": pubkey,
            "displayName": name, "sessionId": format!("daemon-{name}"), "pid": 1, "cwd": "/", "hostname": "here",
            "peerType": "ai", "channel": "claudemesh-daemon", "timestamp": stamp,
            "signature": keys::sign_hello(key, mesh_id, member_id, pubkey, &stamp.to_string()),
        })
    }
}

/// What comes from the broker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Message(Value),
    Close {
        code: u16,
        reason: String,
    },
    /// The connection is gone without a word.
    Gone,
}

/// A connection to a broker.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    /// Connects and says hello; what came instead of the answer to it, if anything did.
    pub(crate) fn joins(port: u16, identity: &Identity) -> Result<Peer, Vec<Said>> {
        let mut peer = Peer::dials(port).map_err(|_| vec![Said::Gone])?;
        peer.says(&identity.hello());
        let mut before = Vec::new();
        loop {
            match peer.hears(PATIENCE) {
                Some(Said::Message(message)) if message["type"] == "hello_ack" => return Ok(peer),
                Some(said @ Said::Message(_)) => before.push(said),
                Some(said) => {
                    before.push(said);
                    return Err(before);
                }
                None => return Err(before),
            }
        }
    }

    /// Connects and says hello until the broker agrees, which must be before `patience` has passed.
    pub(crate) fn joins_within(patience: Duration, port: u16, identity: &Identity) -> Peer {
        let mut patience = Patience::of(patience);
        loop {
            match Peer::joins(port, identity) {
                Ok(peer) => return peer,
                Err(said) => assert!(patience.lasts(), "{} was not let in: {said:?}", identity.name),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn dials(port: u16) -> io::Result<Peer> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Ok(Peer { stream, unread: Vec::new() })
    }

    /// Says a message. One that cannot be said is noticed when the answer is waited for.
    pub(crate) fn says(&mut self, message: &Value) {
        const TEXT: u8 = 0x1;
        self.writes(TEXT, message.to_string().as_bytes());
    }

    /// Says `text` to somebody, under this key. The text stands for a sealed one.
    pub(crate) fn sends(&mut self, to: &str, key: &str, text: &str) {
        self.sends_for(to, (key, text), false);
    }

    /// The same; with `receipt`, it asks for one.
    pub(crate) fn sends_for(&mut self, to: &str, (key, text): (&str, &str), receipt: bool) {
        self.says(&json!({
            "type": "send", "id": key, "client_message_id": key, "targetSpec": to, "priority": "now",
            "nonce": "bm9uY2Vub25jZW5vbmNlbm9uY2Vub25j", "receipt": receipt,
            "ciphertext": data_encoding::BASE64.encode(text.as_bytes()),
        }));
    }

    /// The answer to the send under this key; messages that come before it are dropped.
    pub(crate) fn hears_ack_of(&mut self, key: &str) -> Value {
        self.hears_first(|message| message["type"] == "ack" && message["id"] == key, "an ack")
    }

    /// The next push of a message.
    pub(crate) fn hears_push(&mut self) -> Value {
        self.hears_first(is_mail, "a push")
    }

    /// Acknowledges a push.
    pub(crate) fn acks(&mut self, push: &Value) {
        self.says(&json!({"type": "client_ack", "brokerMessageId": push["messageId"]}));
    }

    /// True when no message is pushed within this time.
    pub(crate) fn hears_no_push_for(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            match self.hears(until.saturating_duration_since(Instant::now())) {
                Some(Said::Message(message)) if is_mail(&message) => return false,
                Some(Said::Message(_)) => {}
                Some(said) => panic!("{said:?} instead of silence"),
                None => return true,
            }
        }
    }

    /// What ends the connection, and what was said before.
    pub(crate) fn hears_end(&mut self) -> Vec<Said> {
        let mut all = Vec::new();
        loop {
            let said = self.hears(PATIENCE).unwrap_or_else(|| panic!("it goes on after {all:?}"));
            let ends = !matches!(said, Said::Message(_));
            all.push(said);
            if ends {
                return all;
            }
        }
    }

    fn hears_first(&mut self, wanted: impl Fn(&Value) -> bool, what: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.hears(until.saturating_duration_since(Instant::now())) {
                Some(Said::Message(message)) if wanted(&message) => return message,
                Some(Said::Message(_)) => {}
                said => panic!("{said:?} instead of {what}"),
            }
        }
    }

    /// The next thing the broker says, pings aside, which are answered; `None` when nothing came in time.
    pub(crate) fn hears(&mut self, patience: Duration) -> Option<Said> {
        const TEXT: u8 = 0x1;
        const CLOSE: u8 = 0x8;
        const PING: u8 = 0x9;
        const PONG: u8 = 0xa;
        let until = Instant::now() + patience;
        loop {
            while let Some((op, payload)) = self.takes_frame() {
                match op {
                    TEXT => {
                        let message = serde_json::from_slice(&payload).expect("texts of the broker are JSON");
                        return Some(Said::Message(message));
                    }
                    CLOSE => {
                        self.writes(CLOSE, &payload);
                        let code =
                            payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                        let reason =
                            String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                        return Some(Said::Close { code, reason });
                    }
                    PING => self.writes(PONG, &payload),
                    PONG => {}
                    op => panic!("a frame of op {op}"),
                }
            }
            // A time of nothing would mean to wait for ever.
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).expect("a live socket");
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Some(Said::Gone),
                Ok(length) => self.unread.extend_from_slice(&chunk[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Some(Said::Gone),
            }
        }
    }

    /// A whole frame of what was read. The broker never splits a message.
    fn takes_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.unread.first()?, *self.unread.get(1)?);
        assert!(first & 0x80 != 0 && second & 0x80 == 0, "whole and not masked");
        let (head, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes(self.unread.get(2..4)?.try_into().ok()?))),
            127 => {
                let length = u64::from_be_bytes(self.unread.get(2..10)?.try_into().ok()?);
                (10, usize::try_from(length).expect("a message fits into memory"))
            }
            short => (2, usize::from(short)),
        };
        let frame: Vec<u8> =
            (self.unread.len() >= head + length).then(|| self.unread.drain(..head + length).collect())?;
        Some((first & 0xf, frame[head..].to_vec()))
    }

    fn writes(&mut self, op: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | op];
        match u16::try_from(payload.len()).expect("a short message") {
            length @ 0..126 => frame.push(0x80 | length.to_be_bytes()[1]),
            length => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        // A mask of zeros leaves the payload as it is.
        frame.extend([0; 4]);
        frame.extend_from_slice(payload);
        let _ = self.stream.write_all(&frame);
    }
}

/// Whether this is the push of a message that somebody sent.
pub(crate) fn is_mail(message: &Value) -> bool {
    message["type"] == "push" && message["subtype"] != "system"
}
