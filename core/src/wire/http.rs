//! HTTP/1.1 requests in, responses out.
//!
//! *Decides* what a well-formed request is and refuses what two readers could read differently: any transfer
//! coding, more than one length, an upgrade with a body (faults HSK-02 to HSK-04).
//! *Does not* route, judge targets or decide whether a connection is kept for a second request.

use super::append_within;
use super::head::{HeadBounds, HeadFlaw, HeadReader};
use super::upgrade;
use crate::config::{Limits, size};

/// A complete request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The raw request target, as sent.
    pub target: String,
    /// Header names (lower case) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What an upgrade needs, when this asks for a valid WebSocket upgrade.
    pub upgrade: Option<Upgrade>,
    /// Its sender would send another one on the same connection.
    pub keeps: bool,
}

impl Request {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// The values of all headers of that (lower-case) name.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// A valid WebSocket upgrade request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The value of `Sec-WebSocket-Accept` for the answer.
    pub accept: String,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Extra headers; length and connection headers are added by the writer.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A refusal as JSON. The text is one of ours and needs no escapes.
    pub(crate) fn refusal(status: u16, error: &'static str) -> Response {
        Response {
            status,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: format!(r#"{{"ok":false,"error":"{error}"}}"#).into_bytes(),
        }
    }
}

/// How far the bytes of a request have come.
#[derive(Debug)]
pub(crate) enum Progress {
    /// All input is used up and more is needed.
    More,
    /// The head is complete, and the peer waits for a word before it sends the body.
    Expected,
    /// The head is complete; the body follows.
    Announced(Box<Request>),
    Request(Box<Request>),
    Refused(Box<Response>),
}

/// Reads one request.
#[derive(Debug, Default)]
pub(crate) struct RequestReader {
    head: HeadReader,
    /// A request whose body is arriving, and the length that was announced, in bytes.
    waiting: Option<(Box<Request>, usize)>,
    /// Heads are shown before their bodies.
    announces: bool,
    /// A head was shown whose peer waits for a word.
    expects: bool,
}

impl RequestReader {
    /// A reader that shows a head before it reads the body.
    pub(crate) fn announcing() -> RequestReader {
        RequestReader { announces: true, ..RequestReader::default() }
    }

    /// True once, when a peer whose head was shown waits for a word before it sends the body.
    pub(crate) fn take_expects(&mut self) -> bool {
        std::mem::take(&mut self.expects)
    }

    /// Reads on and takes what it used off the front of `input`; not to be called again after a result.
    pub(crate) fn read(&mut self, input: &mut &mut [u8], limits: &Limits) -> Progress {
        let (mut request, length) = match self.waiting.take() {
            Some(waiting) => waiting,
            None => match self.head.read(input, HeadBounds::of_request(limits)) {
                Ok(false) => return Progress::More,
                Ok(true) => match parse(self.head.bytes(), limits) {
                    Ok(Parsed { request, body_bytes, expects }) if body_bytes > 0 && self.announces => {
                        self.expects = expects;
                        let head = request.clone();
                        self.waiting = Some((request, body_bytes));
                        return Progress::Announced(head);
                    }
                    Ok(Parsed { request, body_bytes, expects: true }) if body_bytes > 0 => {
                        self.waiting = Some((request, body_bytes));
                        return Progress::Expected;
                    }
                    Ok(parsed) => (parsed.request, parsed.body_bytes),
                    Err(response) => return Progress::Refused(response),
                },
                Err(flaw) => return Progress::Refused(refuse_head(flaw)),
            },
        };
        let left = length - request.body.len();
        let arrived = left.min(input.len());
        let (front, rest) = std::mem::take(input).split_at_mut(arrived);
        append_within(&mut request.body, front, length);
        *input = rest;
        if arrived == left {
            return Progress::Request(request);
        }
        self.waiting = Some((request, length));
        Progress::More
    }

    /// Length of the head read so far, in bytes.
    pub(crate) fn head_bytes(&self) -> usize {
        self.head.bytes().len()
    }

    /// Length of the body that is arriving, as announced, in bytes.
    pub(crate) fn body_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |(_, length)| *length)
    }
}

/// Appends a response: its head, and its body unless it answers a `HEAD`. The connection ends after it,
/// unless it is kept for a request that begins within so many seconds.
pub(crate) fn write_response(out: &mut Vec<u8>, response: &Response, with_body: bool, keep_s: Option<u64>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(response.status.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason(response.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in &response.headers {
        write_header(out, name, value);
    }
    // A 204 has no body, and saying how long it is would be an error.
    if response.status != 204 {
        write_header(out, "Content-Length", &response.body.len().to_string());
    }
    match keep_s {
        None => out.extend_from_slice(b"Connection: close\r\n"),
        Some(seconds) => {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
            write_header(out, "Keep-Alive", &format!("timeout={seconds}"));
        }
    }
    out.extend_from_slice(b"\r\n");
    if with_body && response.status != 204 {
        out.extend_from_slice(&response.body);
    }
}

/// Appends one header. Control characters are left out, so that no value can end its line.
pub(crate) fn write_header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.bytes().filter(|byte| !byte.is_ascii_control()));
    out.extend_from_slice(b"\r\n");
}

struct Parsed {
    request: Box<Request>,
    body_bytes: usize,
    expects: bool,
}

fn parse(head: &[u8], limits: &Limits) -> Result<Parsed, Box<Response>> {
    let mut lines = vec![httparse::EMPTY_HEADER; size(limits.head_headers_max())];
    let mut parsed = httparse::Request::new(&mut lines);
    let Ok(httparse::Status::Complete(_)) = parsed.parse(head) else { return Err(bad("malformed request")) };
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(bad("malformed request"));
    };
    let headers = read_headers(parsed.headers).ok_or_else(|| bad("a header is not UTF-8"))?;
    let mut request = Box::new(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
        upgrade: None,
        keeps: false,
    });
    if request.headers("host").count() > 1 || minor > 0 && request.header("host").is_none() {
        return Err(bad("one Host header is needed"));
    }
    let ends = |value: &str| value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"));
    request.keeps = minor > 0 && !request.headers("connection").any(ends);
    let body_bytes = body_length(&request)?;
    request.upgrade = upgrade::judge(&request, minor, body_bytes)?;
    if body_bytes > limits.message_bytes_max() {
        return Err(Box::new(Response::refusal(413, "payload too large")));
    }
    let expects =
        minor > 0 && request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    Ok(Parsed { request, body_bytes: size(body_bytes), expects })
}

/// Header names in lower case, and values as text; `None` when a value is not UTF-8.
pub(crate) fn read_headers(headers: &[httparse::Header<'_>]) -> Option<Vec<(String, String)>> {
    let read = |header: &httparse::Header<'_>| {
        let value = std::str::from_utf8(header.value).ok()?;
        Some((header.name.to_ascii_lowercase(), value.to_owned()))
    };
    headers.iter().map(read).collect()
}

/// The length of the body, in bytes. Only a single plain `Content-Length` can announce one.
fn body_length(request: &Request) -> Result<u64, Box<Response>> {
    if request.header("transfer-encoding").is_some() {
        return Err(bad("Transfer-Encoding is not supported"));
    }
    let mut lengths = request.headers("content-length");
    let Some(length) = lengths.next() else { return Ok(0) };
    if lengths.next().is_some() {
        return Err(bad("more than one Content-Length"));
    }
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("Content-Length is not a number"));
    }
    // Digits that do not fit a number still are a length: one above every limit.
    Ok(length.parse().unwrap_or(u64::MAX))
}

pub(crate) fn bad(error: &'static str) -> Box<Response> {
    Box::new(Response::refusal(400, error))
}

fn refuse_head(flaw: HeadFlaw) -> Box<Response> {
    Box::new(match flaw {
        HeadFlaw::LongLine => Response::refusal(414, "request line too long"),
        HeadFlaw::LongHeader => Response::refusal(431, "header too long"),
        HeadFlaw::ManyHeaders => Response::refusal(431, "too many headers"),
        HeadFlaw::LongHead => Response::refusal(431, "request head too long"),
        HeadFlaw::BareLineEnd => Response::refusal(400, "a line must end in CR LF"),
        HeadFlaw::Folded => Response::refusal(400, "folded headers are not supported"),
        HeadFlaw::Empty => Response::refusal(400, "empty request line"),
    })
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        // A reason may be empty; the number says it all.
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(pieces: usize, text: &str, limits: &Limits) -> Progress {
        let mut reader = RequestReader::default();
        for part in text.as_bytes().to_vec().chunks_mut(pieces) {
            let mut rest = part;
            loop {
                match reader.read(&mut rest, limits) {
                    Progress::More => break,
                    Progress::Expected | Progress::Announced(_) => (),
                    done => return done,
                }
            }
        }
        Progress::More
    }

    fn request(text: &str) -> Request {
        match read_in(7, text, &Limits::default()) {
            Progress::Request(request) => *request,
            other => panic!("no request: {other:?}"),
        }
    }

    fn refusal(text: &str) -> u16 {
        match read_in(11, text, &Limits::default()) {
            Progress::Refused(response) => response.status,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_with_lower_case_names_and_its_body() {
        let text =
            "POST /hook/set-status HTTP/1.1\r\nHost: a\r\nX-Two:  b \r\nContent-Length: 5\r\n\r\nhello";
        let got = request(text);
        assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/hook/set-status"));
        assert_eq!((got.header("x-two"), got.header("X-Two")), (Some("b"), None));
        assert_eq!((got.body.as_slice(), got.upgrade), (b"hello".as_slice(), None));
    }

    #[test]
    fn s_hsk_04_odd_targets_are_handed_on_raw() {
        for target in ["//health", "/%2e%2e/health", "http://other/health", "*", "/a?b=/health"] {
            assert_eq!(request(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).target, target);
        }
        assert_eq!(request("GET /health HTTP/1.0\r\n\r\n").target, "/health");
    }

    #[test]
    fn s_hsk_03_what_two_readers_could_read_differently_is_refused() {
        for headers in [
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Content-Length: 3\r\nContent-Length: 4",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3, 3",
            "Content-Length: +3",
            "Content-Length: -1",
            "Content-Length: 0x3",
            "Content-Length:",
            "Content-Length : 3",
            "X Y: z",
            ": z",
            "X: \u{1}",
            "Host: b",
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\nabc");
            assert_eq!(refusal(&text), 400, "{headers:?}");
        }
        assert_eq!(refusal("GET / HTTP/1.1\r\n\r\n"), 400, "no host");
        assert_eq!(refusal("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 400);
        assert_eq!(refusal("GET /\r\n\r\n"), 400);
        assert_eq!(refusal("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
        assert_eq!(refusal("\u{16}\u{3}\u{1} hello of another protocol\r\n\r\n"), 400);
    }

    #[test]
    fn s_hsk_02_a_head_over_its_bounds_is_refused_with_414_or_431() {
        let long = "x".repeat(4_096);
        assert_eq!(refusal(&format!("GET /{long}")), 414);
        assert_eq!(refusal(&format!("GET / HTTP/1.1\r\nX: {long}")), 431);
        assert_eq!(refusal(&format!("GET / HTTP/1.1\r\n{}", "a:\r\n".repeat(65))), 431);
        let large = format!("X: {}\r\n", &long[..4_000]).repeat(6);
        assert_eq!(refusal(&format!("GET / HTTP/1.1\r\n{large}")), 431);
    }

    #[test]
    fn a_body_over_the_limit_is_refused_by_its_announced_length() {
        for length in ["65537", "18446744073709551616", "99999999999999999999999999"] {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            let Progress::Refused(response) = read_in(99, &text, &Limits::default()) else {
                panic!("{length}")
            };
            assert_eq!(response.status, 413);
            assert_eq!(response.body, br#"{"ok":false,"error":"payload too large"}"#);
            assert_eq!(response.headers, [("Content-Type", "application/json".to_owned())]);
        }
        let text =
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n{}", "x".repeat(65_536));
        assert_eq!(request(&text).body.len(), 65_536);
    }

    #[test]
    fn a_body_is_stored_as_it_comes_and_not_as_it_is_announced() {
        let mut reader = RequestReader::default();
        let mut text = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n0123456789".to_vec();
        assert!(matches!(reader.read(&mut text.as_mut_slice(), &Limits::default()), Progress::More));
        assert_eq!(reader.body_bytes(), 60_000);
        assert!(reader.waiting.is_some_and(|(request, _)| request.body.capacity() <= 20));
    }

    #[test]
    fn a_peer_that_waits_for_a_word_before_its_body_is_noticed() {
        let mut reader = RequestReader::default();
        let text = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi";
        let mut bytes = text.as_bytes().to_vec();
        let mut rest = bytes.as_mut_slice();
        assert!(matches!(reader.read(&mut rest, &Limits::default()), Progress::Expected));
        let Progress::Request(request) = reader.read(&mut rest, &Limits::default()) else { panic!() };
        assert_eq!(request.body, b"hi");
    }

    #[test]
    fn a_response_says_its_length_and_that_it_is_the_last() {
        let response = |status: u16| Response {
            status,
            headers: vec![("X-A", "b\r\nX-Forged: c".to_owned())],
            body: b"not found".to_vec(),
        };
        let written = |status: u16, with_body: bool| {
            let mut out = Vec::new();
            write_response(&mut out, &response(status), with_body, None);
            String::from_utf8(out).unwrap()
        };
        let head =
            "HTTP/1.1 404 Not Found\r\nX-A: bX-Forged: c\r\nContent-Length: 9\r\nConnection: close\r\n\r\n";
        assert_eq!(written(404, true), format!("{head}not found"));
        assert_eq!(written(404, false), head);
        assert!(written(204, true).ends_with("X-Forged: c\r\nConnection: close\r\n\r\n"));
        let mut kept = Vec::new();
        write_response(&mut kept, &response(200), true, Some(60));
        let wanted = "Content-Length: 9\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60\r\n\r\nnot found";
        assert!(String::from_utf8(kept).unwrap().ends_with(wanted));
    }

    #[test]
    fn a_request_says_whether_another_may_follow_it() {
        let keeps = |version: &str, headers: &str| {
            request(&format!("GET / HTTP/{version}\r\nHost: a\r\n{headers}\r\n")).keeps
        };
        assert!(keeps("1.1", "") && keeps("1.1", "Connection: keep-alive\r\n"));
        assert!(!keeps("1.1", "Connection: Close\r\n") && !keeps("1.1", "Connection: x, close\r\n"));
        assert!(!keeps("1.0", "") && !keeps("1.0", "Connection: keep-alive\r\n"));
    }
}
