//! A runner and a caller of commands, as programs would have them that know no more than the protocol.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::SECRET;
use crate::town::{PATIENCE, Patience, TRY};

/// A runner's connection.
pub(crate) struct Runner(TcpStream);

/// What a runner hears.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Text(Value),
    Close { code: u16, reason: String },
}

impl Runner {
    /// Connects with the right secret.
    pub(crate) fn connect(port: u16, id: &str) -> io::Result<Runner> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET /socket?runnerId={id} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {SECRET}\r\n\r\n"
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Ok(Runner(stream))
    }

    /// Sends one text under a mask of zeros.
    pub(crate) fn says(&mut self, message: &Value) -> io::Result<()> {
        self.says_text(&message.to_string())
    }

    /// The same with a text that may be no JSON.
    pub(crate) fn says_text(&mut self, text: &str) -> io::Result<()> {
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(length @ ..126) => frame.push(0x80 | length),
            _ => {
                frame.push(0xfe);
                frame.extend(u16::try_from(text.len()).expect("a text of at most 64 KiB").to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame)
    }

    /// Sends an event and waits for its acknowledgement.
    pub(crate) fn tells(&mut self, event: &Value) -> io::Result<()> {
        self.says(event)?;
        while self.hears()?["eventId"] != event["id"] {}
        Ok(())
    }

    /// The next text; an error where the connection is closed instead.
    pub(crate) fn hears(&mut self) -> io::Result<Value> {
        match self.hears_any()? {
            Heard::Text(value) => Ok(value),
            Heard::Close { .. } => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// The next text, or the close.
    pub(crate) fn hears_any(&mut self) -> io::Result<Heard> {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head)?;
            let mut length = usize::from(head[1]);
            if length == 126 {
                let mut long = [0; 2];
                self.0.read_exact(&mut long)?;
                length = usize::from(u16::from_be_bytes(long));
            }
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload)?;
            match head[0] {
                0x81 => return Ok(Heard::Text(serde_json::from_slice(&payload)?)),
                0x88 => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                    return Ok(Heard::Close { code, reason });
                }
                _ => {}
            }
        }
    }

    /// Connects as soon as a broker takes the runner, which a heartbeat with an id shows. Like a real one it
    /// does not wait for ever at one connection while another might be served.
    pub(crate) fn settles(patience: Duration, port: u16, id: &str) -> Runner {
        let mut patience = Patience::of(patience);
        loop {
            let settled = Runner::connect(port, id).and_then(|mut runner| {
                runner.0.set_read_timeout(Some(TRY))?;
                runner.tells(&json!({ "type": "ack", "id": format!("{id} is here") }))?;
                runner.0.set_read_timeout(Some(PATIENCE))?;
                Ok(runner)
            });
            match settled {
                Ok(runner) => return runner,
                Err(error) => assert!(patience.lasts(), "nobody takes the runner {id}: {error}"),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Sends events until each is acknowledged, over as many connections as that takes.
pub(crate) fn sends_all(patience: Duration, port: u16, name: &str, ids: &[String]) {
    let until = Instant::now() + patience;
    let mut runner = None;
    for id in ids {
        while sends_one(port, name, id, &mut runner).is_err() {
            assert!(Instant::now() < until, "{id} was never acknowledged");
            runner = None;
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn sends_one(port: u16, name: &str, id: &str, runner: &mut Option<Runner>) -> io::Result<()> {
    if runner.is_none() {
        *runner = Some(Runner::connect(port, name)?);
    }
    let Some(runner) = runner else { return Err(io::ErrorKind::NotConnected.into()) };
    runner.tells(&json!({ "type": "log-chunk", "id": id, "data": "x" }))
}

/// A request to the runners' port with the right secret: the status of its answer, and the body.
pub(crate) fn ask(port: u16, head: &str, headers: &[(&str, &str)], body: &str) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {SECRET}\r\n\
         Content-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, serde_json::from_str(body).unwrap_or(Value::Null)))
}
