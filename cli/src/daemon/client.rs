//! Asks the daemon of this user, by its socket: one request a connection, every wait bounded.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use super::DaemonError;
use super::place::Place;
use crate::http::{self, Answer};

/// From the request to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Asks once.
///
/// # Errors
/// When nobody answers there, or something that is no daemon does.
pub(crate) fn ask(
    place: &Place,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> Result<Answer, DaemonError> {
    let socket = place.socket_path();
    let away = |error: io::Error| DaemonError::Away { socket: socket.clone(), error };
    let mut stream = UnixStream::connect(&socket).map_err(away)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(away)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(away)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    // A daemon may answer and close before it read everything, so a failed write is not the last word.
    let written = stream.write_all(format!("{head}{body}").as_bytes());
    let mut bytes = Vec::new();
    let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
    if bytes.is_empty() {
        let silent = || io::ErrorKind::UnexpectedEof.into();
        return Err(away(read.err().or(written.err()).unwrap_or_else(silent)));
    }
    http::parse(&bytes).map_err(|what| DaemonError::Nonsense { socket, what })
}

/// Asks for a value, and takes a refusal as a failure.
///
/// # Errors
/// As [`ask`]; and the daemon's own words where it refuses.
pub(crate) fn value(
    place: &Place,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> Result<Value, DaemonError> {
    let answer = ask(place, method, target, body)?;
    let value = answer.json();
    if (200..300).contains(&answer.status) {
        return Ok(value);
    }
    let word = value.get("error").and_then(Value::as_str).unwrap_or("no reason was given");
    let detail = value.get("detail").and_then(Value::as_str);
    let said = detail.map_or_else(|| word.to_owned(), |detail| format!("{word}: {detail}"));
    Err(DaemonError::Refused { status: answer.status, said })
}
