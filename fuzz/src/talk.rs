//! A peer of the [`World`]: its stream, and the frames that come back on it.

use peermesh_core::ids::ConnId;
use peermesh_core::machine::Listener;
use serde_json::Value;

use crate::end::UPGRADE;
use crate::ground::Who;
use crate::tree;
use crate::world::World;

/// A connection that speaks frames.
#[derive(Debug)]
pub struct Talk {
    /// Its stream.
    pub conn: ConnId,
    /// Bytes that are no whole frame yet.
    partial: Vec<u8>,
    /// The answer to its upgrade was read.
    upgraded: bool,
}

/// What the broker says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A message, and how it stood.
    Message(Value, String),
    /// A ping with that payload.
    Ping(Vec<u8>),
    /// A close frame.
    Close(u16, String),
}

impl Talk {
    /// Dials and asks for the upgrade in these words.
    pub fn begin(world: &mut World, listener: Listener, request: &[u8]) -> Talk {
        let conn = world.dial(listener);
        world.write(conn, request);
        Talk { conn, partial: Vec::new(), upgraded: false }
    }

    /// Dials, upgrades and says hello.
    pub fn greet(world: &mut World, who: Who) -> Talk {
        let talk = Talk::begin(world, Listener::Mesh, UPGRADE);
        talk.says(world, &who.hello(world.wall()));
        talk
    }

    /// Sends one text message.
    pub fn says(&self, world: &mut World, text: &str) {
        world.write(self.conn, &frame(0x81, text.as_bytes()));
    }

    /// What came since the last look. Pings are answered.
    ///
    /// # Panics
    /// When the broker sends anything but whole, unmasked frames of sound JSON.
    pub fn hears(&mut self, world: &mut World) -> Vec<Heard> {
        self.partial.extend(world.read(self.conn));
        if !self.upgraded {
            let Some(end) = self.partial.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Vec::new();
            };
            if !self.partial.starts_with(b"HTTP/1.1 101 ") {
                return Vec::new();
            }
            self.partial.drain(..end + 4);
            self.upgraded = true;
        }
        let mut heard = Vec::new();
        while let Some((opcode, payload, bytes)) = split(&self.partial) {
            self.partial.drain(..bytes);
            match opcode {
                1 => {
                    let text = String::from_utf8(payload).expect("UTF-8");
                    let value = tree::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
                    heard.push(Heard::Message(value, text));
                }
                8 => {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    heard.push(Heard::Close(code, String::from_utf8_lossy(&payload[2..]).into_owned()));
                }
                9 => {
                    world.write(self.conn, &frame(0x8a, &payload));
                    heard.push(Heard::Ping(payload));
                }
                10 => {}
                other => panic!("opcode {other}"),
            }
        }
        heard
    }
}

/// A frame of a client, whose mask changes nothing.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => bytes.push(0x80 | length),
        (_, Ok(length)) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// Opcode and payload of the frame at the front, and how long it is in all.
fn split(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert!(first & 0xf0 == 0x80 && second < 0x80, "a whole, unmasked frame");
    let (head, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => panic!("nothing that we send is so long"),
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(head..head + length)?;
    Some((first & 0x0f, payload.to_vec(), head + length))
}
