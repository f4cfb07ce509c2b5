//! A small blocking HTTP client: one request a connection, every wait and every length bounded.
//!
//! *Does not:* follow redirects, keep connections, read chunked bodies or speak TLS. It talks to one broker.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::address::Address;
use crate::failure::Exit;
use crate::tls::{self, TlsError};

/// From dialling to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Headers of an answer.
const HEADERS_MAX: usize = 64;

/// What to ask.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) method: &'static str,
    /// Path and query, encoded.
    pub(crate) target: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) body: Option<&'a Value>,
    /// One more header.
    pub(crate) header: Option<(&'static str, &'a str)>,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("cannot reach the broker at {address}: {error}; is it running? start one with: peermesh serve")]
    Unreachable { address: String, error: io::Error },
    /// Nothing of the request was sent.
    #[error("the broker at {address} cannot be trusted: {error}")]
    Distrusted { address: String, error: TlsError },
    #[error("the broker at {address} ended the connection: {error}; try again")]
    Lost { address: String, error: io::Error },
    #[error("the broker at {address} did not answer within {} s; try again", PATIENCE.as_secs())]
    Silent { address: String },
    #[error("{address} does not answer as a broker does ({what}); check the address")]
    Nonsense { address: String, what: String },
}

impl HttpError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            HttpError::Unreachable { .. } | HttpError::Lost { .. } => Exit::Unreachable,
            HttpError::Silent { .. } => Exit::Timeout,
            HttpError::Distrusted { .. } => Exit::Refused,
            HttpError::Nonsense { .. } => Exit::Failed,
        }
    }
}

impl Answer {
    /// The body as JSON; `null` when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Asks once.
pub(crate) fn ask(address: &Address, question: &Question<'_>) -> Result<Answer, HttpError> {
    let until = Instant::now() + PATIENCE;
    let mut stream = dial(address, until).map_err(|error| match error {
        TlsError::Io(error) => HttpError::Unreachable { address: address.to_string(), error },
        error => HttpError::Distrusted { address: address.to_string(), error },
    })?;
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            HttpError::Silent { address: address.to_string() }
        }
        _ => HttpError::Lost { address: address.to_string(), error },
    };
    stream.set_write_timeout(Some(PATIENCE)).map_err(broken)?;
    // A server may answer and close before it read everything, so a failed write is not the last word.
    let written = stream.write_all(&request_bytes(address, question));
    let bytes = match read_answer(&mut stream, until) {
        Ok(bytes) if bytes.is_empty() => return Err(broken(io::ErrorKind::UnexpectedEof.into())),
        Ok(bytes) => bytes,
        Err(error) => return Err(broken(written.err().unwrap_or(error))),
    };
    parse(&bytes).map_err(|what| HttpError::Nonsense { address: address.to_string(), what })
}

/// Opens a stream to the first address of the host that takes it, and lays TLS over it where the address says
/// so, until then at the latest. What comes back is read and written in clear.
///
/// # Errors
/// [`TlsError::Io`] when nobody is reached.
pub(crate) fn dial(address: &Address, until: Instant) -> Result<TcpStream, TlsError> {
    let stream = connect(address, until)?;
    if !address.is_tls() {
        return Ok(stream);
    }
    let clear = tls::secure(stream, address.endpoint().0, until)?;
    // Of either family: they are read, written and closed by the same calls.
    Ok(TcpStream::from(OwnedFd::from(clear)))
}

fn connect(address: &Address, until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for place in address.endpoint().to_socket_addrs()? {
        let left = until.saturating_duration_since(Instant::now());
        // A wait of nothing is refused.
        match TcpStream::connect_timeout(&place, left.max(Duration::from_millis(1))) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Encodes one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn request_bytes(address: &Address, question: &Question<'_>) -> Vec<u8> {
    let Question { method, target, token, body, header } = question;
    let body = body.map(Value::to_string);
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: application/json\r\n",
        address.authority()
    );
    if let Some(token) = token {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if let Some((name, value)) = header {
        // No value can end its line.
        let value: String = value.chars().filter(|letter| !letter.is_control()).collect();
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = &body {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    head.push_str(body.as_deref().unwrap_or_default());
    head.into_bytes()
}

/// Reads until the answer is complete by its own length, or until the stream ends.
fn read_answer(stream: &mut TcpStream, until: Instant) -> io::Result<Vec<u8>> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    let mut whole = None;
    while whole.is_none_or(|length| bytes.len() < length) && bytes.len() <= ANSWER_BYTES_MAX {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        whole = whole.or_else(|| whole_length(&bytes));
    }
    Ok(bytes)
}

/// How long the answer is with its head, once its head is there and says so.
fn whole_length(bytes: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = response.parse(bytes).ok().filter(httparse::Status::is_complete)?.unwrap();
    let length: usize = header(&response, "content-length")?.parse().ok()?;
    head.checked_add(length)
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Answer, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Err("its head is incomplete".into()),
        Err(error) => return Err(error.to_string()),
    };
    if header(&response, "transfer-encoding").is_some() {
        return Err("its body is chunked".into());
    }
    let mut body = bytes.get(head..).unwrap_or_default();
    if let Some(length) = header(&response, "content-length") {
        let length: usize = length.parse().map_err(|_| "its length is no number".to_owned())?;
        body = body.get(..length).ok_or("its body is incomplete or too long")?;
    } else if body.len() > ANSWER_BYTES_MAX {
        return Err("its body is too long".into());
    }
    Ok(Answer { status: response.code.unwrap_or_default(), body: body.to_vec() })
}

fn header<'a>(response: &'a httparse::Response<'_, '_>, name: &str) -> Option<&'a str> {
    let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use serde_json::json;

    use super::*;

    /// A server that reads one request, answers with these bytes and hands the request back.
    fn answering(bytes: &'static [u8]) -> (Address, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).unwrap();
            stream.write_all(bytes).unwrap();
            String::from_utf8(chunk[..count].to_vec()).unwrap()
        });
        (address, served)
    }

    #[test]
    fn one_question_gets_one_answer() {
        let (address, served) =
            answering(b"HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{\"ok\":true} and more");
        let body = json!({ "name": "demo" });
        let question = Question {
            method: "POST",
            target: "/admin/meshes",
            token: Some("t"),
            body: Some(&body),
            header: None,
        };
        let answer = ask(&address, &question).unwrap();
        assert_eq!((answer.status, answer.json()), (201, json!({ "ok": true })));
        let request = served.join().unwrap();
        assert!(request.starts_with("POST /admin/meshes HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        assert!(request.contains("Authorization: Bearer t\r\n") && request.ends_with("{\"name\":\"demo\"}"));
    }

    #[test]
    fn a_broker_that_is_not_there_is_said_to_be_unreachable() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = Address::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let question = Question { method: "GET", target: "/health", token: None, body: None, header: None };
        assert_eq!(ask(&address, &question).unwrap_err().exit(), Exit::Unreachable);
    }

    #[test]
    fn an_answer_that_is_cut_short_or_no_http_is_refused() {
        for bytes in [&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"[..], b"220 smtp.example\r\n"] {
            assert!(parse(bytes).is_err());
        }
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").is_err());
    }

    #[test]
    fn a_path_segment_cannot_leave_its_place() {
        assert_eq!(segment("ann b/../c?d#é"), "ann%20b%2F..%2Fc%3Fd%23%C3%A9");
    }
}
