//! As much of HTTP and WebSocket as a caller, a runner, a target and a bare relay need, over blocking
//! streams.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What opens the runners' port.
pub(super) const SECRET: &str = "the-secret-of-the-bench";

/// A stream whose bytes are gathered before they are looked at.
pub(super) type Input = BufReader<TcpStream>;

/// Connects, without waiting to fill packets.
pub(super) fn connect(addr: SocketAddr) -> io::Result<(Input, TcpStream)> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    Ok((BufReader::new(stream.try_clone()?), stream))
}

/// A head of HTTP, and the body that its length announces.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// The first line.
    pub(super) first: String,
    /// The rest of the head, in lower case.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// The value of a header by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

/// Reads the next message; none at the end of the stream.
pub(super) fn read_message(input: &mut Input) -> io::Result<Option<Message>> {
    let mut message = Message::default();
    if input.read_line(&mut message.first)? == 0 {
        return Ok(None);
    }
    loop {
        let start = message.head.len();
        if input.read_line(&mut message.head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if message.head[start..].trim_end().is_empty() {
            break;
        }
    }
    message.head.make_ascii_lowercase();
    let length = message.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    message.body.resize(length, 0);
    input.read_exact(&mut message.body)?;
    Ok(Some(message))
}

/// Upgrades a stream to the socket of that runner.
pub(super) fn upgrade(addr: SocketAddr, runner: &str) -> io::Result<(Input, TcpStream)> {
    let (mut input, mut output) = connect(addr)?;
    write!(
        output,
        "GET /socket?runnerId={runner} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {SECRET}\r\n\r\n"
    )?;
    let answer = read_message(&mut input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if answer.first.contains(" 101 ") { Ok((input, output)) } else { Err(io::Error::other(answer.first)) }
}

/// Appends one text frame, under a mask of zeros where a client sends it.
pub(super) fn put_frame(out: &mut Vec<u8>, text: &[u8], masked: bool) -> io::Result<()> {
    let mask = if masked { 0x80 } else { 0 };
    out.push(0x81);
    match u8::try_from(text.len()) {
        Ok(length @ ..126) => out.push(mask | length),
        _ => {
            out.push(mask | 126);
            let length = u16::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            out.extend(length.to_be_bytes());
        }
    }
    if masked {
        out.extend([0; 4]);
    }
    out.extend(text);
    Ok(())
}

/// Reads the next frame, unmasked: its op code and its payload.
pub(super) fn read_frame(input: &mut Input, payload: &mut Vec<u8>) -> io::Result<u8> {
    let mut head = [0; 2];
    input.read_exact(&mut head)?;
    let length = match head[1] & 0x7f {
        126 => {
            let mut long = [0; 2];
            input.read_exact(&mut long)?;
            usize::from(u16::from_be_bytes(long))
        }
        127 => return Err(io::ErrorKind::InvalidData.into()),
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    if head[1] & 0x80 != 0 {
        input.read_exact(&mut mask)?;
    }
    payload.resize(length, 0);
    input.read_exact(payload)?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(head[0] & 0x0f)
}

/// The number in the id of a command or an event of this bench: `"id":"n-123"`.
pub(super) fn number_of(text: &[u8]) -> Option<usize> {
    let start = text.windows(8).position(|window| window == b"\"id\":\"n-")? + 8;
    let digits = text[start..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_ids() {
        assert_eq!(number_of(br#"{"type":"x","id":"n-1207","y":1}"#), Some(1_207));
        assert_eq!(number_of(br#"{"type":"x"}"#), None);
    }
}
