//! A peer of a mesh: says hello, sends, and acknowledges what is pushed to it.

use std::io;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;

use super::ws::{Socket, put_text};
use super::{Heard, Place, Speaker, Stamp, put_hex, read_hex};
use crate::peer::{Identity, Sealed};

/// The destination that stands for everybody in the mesh.
pub const EVERYBODY: Place = Place::MAX;

/// A member that is connected.
pub struct Peer {
    socket: Socket,
    people: Rc<[Identity]>,
    place: Place,
    sealed: Rc<Sealed>,
}

impl Peer {
    /// A speaker for each of the first so many `people`, in their order: the places of the pool are theirs.
    /// The rest only have addresses.
    pub fn all(people: Vec<Identity>, connected: usize) -> Vec<Box<dyn Speaker>> {
        let (people, sealed) = (Rc::from(people), Rc::new(Sealed::new()));
        let peer = |place| Peer {
            socket: Socket::new("/ws".to_owned(), None),
            people: Rc::clone(&people),
            place,
            sealed: Rc::clone(&sealed),
        };
        (0..connected).map(|place| Box::new(peer(place)) as Box<dyn Speaker>).collect()
    }
}

impl Speaker for Peer {
    fn greet(&mut self, out: &mut Vec<u8>) {
        self.socket.greet(out);
    }

    fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        let me = &self.people[self.place];
        self.socket.hear(bytes, out, &mut |text, out| {
            if text.is_empty() {
                put_text(out, &[me.hello(unix_millis()).as_bytes()]);
                return Ok(());
            }
            match field(text, b"\"type\":\"") {
                Some(b"push") => {
                    let ids = field(text, b"\"messageId\":\"").zip(field(text, b"\"client_message_id\":\""));
                    if let Some((message_id, client_id)) = ids {
                        acknowledge(out, message_id, client_id);
                        read_key(client_id).into_iter().for_each(|stamp| tell(Heard::Arrived(stamp)));
                    }
                }
                Some(b"ack") if memmem::find(text, b"\"queued\":true").is_some() => tell(Heard::Accepted),
                Some(b"ack" | b"error") => tell(Heard::Refused),
                Some(b"hello_ack") => tell(Heard::Ready),
                _ => {}
            }
            Ok(())
        })
    }

    fn say(&mut self, stamp: Stamp, to: Place, out: &mut Vec<u8>) {
        let target = self.people.get(to).map_or("*", |peer| &peer.address);
        let mut key = Vec::with_capacity(36);
        put_key(&mut key, stamp);
        let Sealed { nonce, ciphertext, fingerprint } = &*self.sealed;
        put_text(
            out,
            &[
                b"{\"type\":\"send\",\"targetSpec\":\"",
                target.as_bytes(),
                b"\",\"priority\":\"now\",\"nonce\":\"",
                nonce.as_bytes(),
                b"\",\"ciphertext\":\"",
                ciphertext.as_bytes(),
                b"\",\"id\":\"",
                &key,
                b"\",\"client_message_id\":\"",
                &key,
                b"\",\"request_fingerprint\":\"",
                fingerprint.as_bytes(),
                b"\"}",
            ],
        );
    }
}

/// The stamp in the form of a UUID, as a daemon makes its keys.
fn put_key(key: &mut Vec<u8>, Stamp { flow, number }: Stamp) {
    put_hex(key, flow.into(), 8);
    key.extend_from_slice(b"-0000-4000-8000-");
    put_hex(key, number, 12);
}

fn read_key(key: &[u8]) -> Option<Stamp> {
    let flow = u32::try_from(read_hex(key.get(..8)?)?).ok()?;
    Some(Stamp { flow, number: read_hex(key.get(24..36)?)? })
}

fn acknowledge(out: &mut Vec<u8>, message_id: &[u8], client_id: &[u8]) {
    put_text(
        out,
        &[
            b"{\"type\":\"client_ack\",\"clientMessageId\":\"",
            client_id,
            b"\",\"brokerMessageId\":\"",
            message_id,
            b"\"}",
        ],
    );
}

/// What stands between a label and the next quotation mark.
fn field<'a>(text: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    let rest = &text[memmem::find(text, label)? + label.len()..];
    Some(&rest[..memchr::memchr(b'"', rest)?])
}

fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_uuid_and_tells_the_stamp() {
        let (stamp, mut key) = (Stamp { flow: 7, number: 300 }, Vec::new());
        put_key(&mut key, stamp);
        assert_eq!(key, b"00000007-0000-4000-8000-00000000012c");
        assert_eq!(read_key(&key), Some(stamp));
    }
}
