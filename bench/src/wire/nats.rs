//! A client of NATS: plain subjects, and streams whose messages are acknowledged on both ends.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Heard, PAYLOAD_BYTES, Place, Speaker, Stamp, find_stamp, put_payload, unexpected};

/// What opens every connection.
const CONNECT: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\",\"version\":\"1\",\
    \"protocol\":1,\"headers\":true,\"no_responders\":true}\r\n";
/// The longest wait for an answer while streams are made.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// What a client does with subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Sends to the subject of a place, hears its own. Nothing is stored.
    Pairs,
    /// Sends to one subject that all hear. Nothing is stored.
    Fanout,
    /// Sends to a stream, which acknowledges, and hears by a consumer, which is acknowledged.
    Stream,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    manner: Manner,
    place: Place,
    hears: bool,
    is_ready: bool,
}

impl Client {
    /// A client at that place, which hears what is sent to it or only sends.
    pub fn new(manner: Manner, place: Place, hears: bool) -> Client {
        Client { manner, place, hears, is_ready: false }
    }
}

impl Speaker for Client {
    fn greet(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(CONNECT);
        let place = self.place;
        let subject = match self.manner {
            Manner::Pairs => format!("SUB p.{place} 1\r\n"),
            Manner::Fanout => "SUB f 1\r\n".to_owned(),
            Manner::Stream => format!("SUB d.{place} 1\r\n"),
        };
        if self.hears {
            out.extend_from_slice(subject.as_bytes());
        }
        if self.manner == Manner::Stream {
            out.extend_from_slice(format!("SUB a.{place} 2\r\n").as_bytes());
        }
        out.extend_from_slice(b"PING\r\n");
    }

    fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &bytes[at..]) {
            let (line, body) = (&bytes[at..at + end - usize::from(end > 0)], at + end + 1);
            if line.starts_with(b"MSG ") {
                // MSG subject sid [reply] length
                let mut words = line[4..].split(|byte| *byte == b' ');
                let (_, sid, third, fourth) = (words.next(), words.next(), words.next(), words.next());
                let (reply, length) = if fourth.is_some() { (third, fourth) } else { (None, third) };
                let length = length.and_then(number).ok_or_else(|| unexpected("NATS", line))?;
                let Some(payload) = bytes.get(body..body + length) else { return Ok(at) };
                if bytes.len() < body + length + 2 {
                    return Ok(at);
                }
                if sid == Some(b"2") {
                    let is_taken = memchr::memmem::find(payload, b"\"seq\"").is_some();
                    tell(if is_taken { Heard::Accepted } else { Heard::Refused });
                } else if let Some(stamp) = find_stamp(payload) {
                    if let Some(reply) = reply.filter(|_| self.manner == Manner::Stream) {
                        out.extend_from_slice(b"PUB ");
                        out.extend_from_slice(reply);
                        out.extend_from_slice(b" 4\r\n+ACK\r\n");
                    }
                    tell(Heard::Arrived(stamp));
                }
                at = body + length + 2;
                continue;
            }
            match line {
                b"PING" => out.extend_from_slice(b"PONG\r\n"),
                b"PONG" if !self.is_ready => {
                    self.is_ready = true;
                    tell(Heard::Ready);
                }
                line if line.starts_with(b"-ERR") => return Err(unexpected("NATS", line)),
                _ => {}
            }
            at = body;
        }
        Ok(at)
    }

    fn say(&mut self, stamp: Stamp, to: Place, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = match self.manner {
            Manner::Pairs => write!(out, "PUB p.{to} {PAYLOAD_BYTES}\r\n"),
            Manner::Fanout => write!(out, "PUB f {PAYLOAD_BYTES}\r\n"),
            Manner::Stream => write!(out, "PUB p.{to} a.{} {PAYLOAD_BYTES}\r\n", self.place),
        };
        put_payload(out, stamp);
        out.extend_from_slice(b"\r\n");
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.trim_end().parse().ok()
}

/// Makes a stream in files, and a consumer with explicit acknowledgements for every place that hears.
///
/// # Errors
/// When the server refuses.
pub fn make_stream(server: SocketAddr, places: impl Iterator<Item = Place>) -> io::Result<()> {
    let mut output = TcpStream::connect(server)?;
    output.set_read_timeout(Some(ANSWER_PATIENCE))?;
    let mut input = BufReader::new(output.try_clone()?);
    output.write_all(CONNECT)?;
    output.write_all(b"SUB r 1\r\n")?;
    let mut ask = |subject: &str, body: &str| -> io::Result<()> {
        write!(output, "PUB {subject} r {}\r\n{body}\r\n", body.len())?;
        let mut line = String::new();
        while !line.starts_with("MSG ") {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = line.rsplit(' ').next().and_then(|word| word.trim().parse().ok()).unwrap_or(0);
        let mut answer = vec![0; length + 2];
        input.read_exact(&mut answer)?;
        if memchr::memmem::find(&answer, b"\"error\"").is_some() {
            return Err(unexpected("JetStream", &answer));
        }
        Ok(())
    };
    let stream = r#"{"name":"M","subjects":["p.>"],"storage":"file","retention":"limits","num_replicas":1}"#;
    ask("$JS.API.STREAM.CREATE.M", stream)?;
    for place in places {
        let subjects = format!(r#""deliver_subject":"d.{place}","filter_subject":"p.{place}""#);
        let policies = r#""ack_policy":"explicit","deliver_policy":"all","replay_policy":"instant""#;
        let config =
            format!(r#"{{"stream_name":"M","config":{{"durable_name":"c{place}",{subjects},{policies}}}}}"#);
        ask(&format!("$JS.API.CONSUMER.DURABLE.CREATE.M.c{place}"), &config)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_a_stream_is_told_and_acknowledged_when_all_of_it_is_there() {
        let mut client = Client::new(Manner::Stream, 3, true);
        let stamp = Stamp { flow: 1, number: 2 };
        let mut bytes = b"INFO {}\r\nPONG\r\nMSG d.3 1 $JS.ACK.x 256\r\n".to_vec();
        put_payload(&mut bytes, stamp);
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        let taken = client.hear(&mut bytes, &mut out, &mut |one| heard.push(one)).unwrap();
        assert_eq!(taken, 15, "its last two bytes are missing");
        bytes.extend_from_slice(b"\r\n");
        client.hear(&mut bytes[taken..], &mut out, &mut |one| heard.push(one)).unwrap();
        assert_eq!(heard, [Heard::Ready, Heard::Arrived(stamp)]);
        assert_eq!(out, b"PUB $JS.ACK.x 4\r\n+ACK\r\n");
    }
}
