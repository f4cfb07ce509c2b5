//! Asks the daemon of this user, by its socket: one request a connection, every wait bounded.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::DaemonError;
use super::place::Place;
use crate::http::{self, Answer};

/// From the request to the last byte of the answer, where the request says nothing else.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What to ask, and as whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) method: &'a str,
    /// Path and query, encoded.
    pub(crate) target: &'a str,
    pub(crate) body: Option<&'a Value>,
    /// The token of the session that asks.
    pub(crate) session: Option<&'a str>,
    /// From the request to the last byte of the answer.
    pub(crate) patience: Duration,
}

impl<'a> Question<'a> {
    /// A question of a program without a session.
    pub(crate) fn new(method: &'a str, target: &'a str, body: Option<&'a Value>) -> Question<'a> {
        Question { method, target, body, session: None, patience: PATIENCE }
    }
}

/// Asks once.
///
/// # Errors
/// [`DaemonError::Away`] when nobody listens there, [`DaemonError::Silent`] when a request was made and got
/// no answer: the daemon may have done what was asked. [`DaemonError::Nonsense`] when something else answers.
pub(crate) fn put(place: &Place, question: &Question<'_>) -> Result<Answer, DaemonError> {
    let socket = place.socket_path();
    let until = Instant::now() + question.patience;
    let mut stream = connect(place)?;
    let silent = |error: io::Error| DaemonError::Silent { socket: socket.clone(), error };
    stream.set_write_timeout(Some(question.patience)).map_err(silent)?;
    // A daemon may answer and close before it read everything, so a failed write is not the last word.
    let written = stream.write_all(&bytes_of(question, "Connection: close\r\n"));
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    let read = loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        stream.set_read_timeout(Some(left)).map_err(silent)?;
        match stream.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
        if u64::try_from(bytes.len()).is_ok_and(|length| length > ANSWER_BYTES_MAX) {
            break Ok(());
        }
    };
    if bytes.is_empty() {
        let nothing = || io::ErrorKind::UnexpectedEof.into();
        return Err(silent(read.err().or(written.err()).unwrap_or_else(nothing)));
    }
    http::parse(&bytes).map_err(|what| match read {
        Err(error) => silent(error),
        Ok(()) => DaemonError::Nonsense { socket: socket.clone(), what },
    })
}

/// Asks once, as a program without a session.
///
/// # Errors
/// As [`put`].
pub(crate) fn ask(
    place: &Place,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> Result<Answer, DaemonError> {
    put(place, &Question::new(method, target, body))
}

/// Asks for a value, and takes a refusal as a failure.
///
/// # Errors
/// As [`put`]; and the daemon's own words where it refuses.
pub(crate) fn value(
    place: &Place,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> Result<Value, DaemonError> {
    judge(&ask(place, method, target, body)?)
}

/// The value of an answer.
///
/// # Errors
/// The daemon's own words where it refused.
pub(crate) fn judge(answer: &Answer) -> Result<Value, DaemonError> {
    let value = answer.json();
    if (200..300).contains(&answer.status) {
        return Ok(value);
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let word = text("error").unwrap_or("no reason was given");
    let said = text("detail").map_or_else(|| word.to_owned(), |detail| format!("{word}: {detail}"));
    Err(DaemonError::Refused { status: answer.status, said })
}

/// Connects to the socket, if it is there and somebody listens.
///
/// # Errors
/// [`DaemonError::Away`] otherwise.
pub(super) fn connect(place: &Place) -> Result<UnixStream, DaemonError> {
    let socket = place.socket_path();
    UnixStream::connect(&socket).map_err(|error| DaemonError::Away { socket, error })
}

/// The request as it is sent, with these headers besides.
pub(super) fn bytes_of(question: &Question<'_>, headers: &str) -> Vec<u8> {
    let Question { method, target, body, session, patience: _ } = question;
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let shown = session.map(|token| format!("Authorization: ClaudeMesh-Session {token}\r\n"));
    let shown = shown.unwrap_or_default();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}{shown}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    format!("{head}{body}").into_bytes()
}
