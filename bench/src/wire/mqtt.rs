//! A client of MQTT 3.1.1 at quality of service 1: every message is acknowledged on both ends.

use std::io;

use super::{Heard, Place, Speaker, Stamp, find_stamp, put_payload, unexpected};

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
/// The topic that everybody hears.
const ALL: &str = "f";

/// One connection.
#[derive(Debug)]
pub struct Client {
    place: Place,
    /// The topic it hears, if any.
    topic: Option<String>,
    packet: u16,
}

impl Client {
    /// A client at that place, which hears what is sent to it, or only sends.
    pub fn new(place: Place, hears: bool) -> Client {
        Client { place, topic: hears.then(|| topic_of(place)), packet: 0 }
    }

    /// A client that hears what is sent to everybody.
    pub fn watcher(place: Place) -> Client {
        Client { place, topic: Some(ALL.to_owned()), packet: 0 }
    }
}

impl Speaker for Client {
    fn greet(&mut self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        put_text(&mut body, "MQTT");
        // Version 4, a clean session, no keepalive.
        body.extend([4, 2, 0, 0]);
        put_text(&mut body, &format!("c{}", self.place));
        put_packet(out, 0x10, &body);
    }

    fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        let mut at = 0;
        while let Some((head, length)) = measure(&bytes[at..]) {
            let Some(body) = bytes.get(at + head..at + head + length) else { break };
            match (bytes[at] >> 4, &self.topic) {
                (CONNACK, Some(topic)) if body == [0, 0] => {
                    let mut wish = vec![0, 1];
                    put_text(&mut wish, topic);
                    wish.push(1);
                    put_packet(out, 0x82, &wish);
                }
                (CONNACK, None) if body == [0, 0] => tell(Heard::Ready),
                (SUBACK, _) => tell(Heard::Ready),
                (PUBACK, _) => tell(Heard::Accepted),
                (PUBLISH, _) => {
                    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                    put_packet(out, 0x40, &body[2 + topic..4 + topic]);
                    // The number of the packet may look like the beginning of a stamp.
                    find_stamp(&body[4 + topic..]).into_iter().for_each(|stamp| tell(Heard::Arrived(stamp)));
                }
                _ => return Err(unexpected("the MQTT broker", &bytes[at..])),
            }
            at += head + length;
        }
        Ok(at)
    }

    fn say(&mut self, stamp: Stamp, to: Place, out: &mut Vec<u8>) {
        let topic = if to == super::mesh::EVERYBODY { ALL.to_owned() } else { topic_of(to) };
        self.packet = self.packet.checked_add(1).unwrap_or(1);
        let mut body = Vec::new();
        put_text(&mut body, &topic);
        body.extend(self.packet.to_be_bytes());
        put_payload(&mut body, stamp);
        put_packet(out, 0x32, &body);
    }
}

fn topic_of(place: Place) -> String {
    format!("p/{place}")
}

/// A text with its length before it.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_packet(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        out.push(low | if length > 0 { 0x80 } else { 0 });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
}

/// Bytes of the head of the packet at the beginning, and of the rest.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (place, byte) in bytes.get(1..)?.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((2 + place, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_acknowledged_by_its_number_and_told() {
        let (mut sender, mut recipient) = (Client::new(0, false), Client::new(1, true));
        let stamp = Stamp { flow: 4, number: 5 };
        let mut packet = Vec::new();
        sender.say(stamp, 1, &mut packet);
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        let half = packet.len() / 2;
        assert_eq!(recipient.hear(&mut packet[..half], &mut out, &mut |_| ()).unwrap(), 0);
        let taken = recipient.hear(&mut packet, &mut out, &mut |one| heard.push(one)).unwrap();
        assert_eq!((taken, &heard[..]), (packet.len(), &[Heard::Arrived(stamp)][..]));
        assert_eq!(out, [0x40, 2, 0, 1]);
        sender.packet = 0x7e7d;
        packet.clear();
        sender.say(stamp, 1, &mut packet);
        recipient.hear(&mut packet, &mut out, &mut |one| heard.push(one)).unwrap();
        assert_eq!(heard.len(), 2, "a packet whose number has the byte of the mark");
    }
}
