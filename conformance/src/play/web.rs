//! HTTP as a client sees it: one request on a stream of its own.

use crate::story::{Said, Told};

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Lower-case names, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Reads the first response in these bytes, and says how long it was; none while it is not complete.
    pub(crate) fn read(bytes: &[u8], ended: bool) -> Option<Told<(Response, usize)>> {
        let Some(head_len) = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
        else {
            let shown = || String::from_utf8_lossy(bytes).into_owned();
            return ended.then(|| Err(format!("the stream ended without a response: {:?}", shown()).into()));
        };
        let (mut response, body_len) = match Response::head(&bytes[..head_len]) {
            Ok(head) => head,
            Err(said) => return Some(Err(said)),
        };
        let rest = &bytes[head_len..];
        let body_len = match body_len {
            Some(len) => len,
            // An upgrade has no body: what follows is frames. So has 204.
            None if matches!(response.status, 101 | 204) => 0,
            None if ended => rest.len(),
            None => return None,
        };
        if rest.len() < body_len {
            let missing = body_len - rest.len();
            return ended.then(|| Err(format!("the body ends {missing} bytes too early").into()));
        }
        response.body = rest[..body_len].to_vec();
        Some(Ok((response, head_len + body_len)))
    }

    fn head(head: &[u8]) -> Told<(Response, Option<usize>)> {
        let head = std::str::from_utf8(head).map_err(|_| "a response head that is no text")?;
        let mut lines = head.split("\r\n");
        let bad = || Said(format!("no response head: {head:?}"));
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).ok_or_else(bad)?;
        let status = status.split(' ').next().and_then(|code| code.parse().ok()).ok_or_else(bad)?;
        let mut headers = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(bad)?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let response = Response { status, headers, body: Vec::new() };
        let len = match response.header("content-length") {
            Some(len) => Some(len.parse().map_err(|_| bad())?),
            None => None,
        };
        Ok((response, len))
    }

    /// The first header of that lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// Status and body, for a person who expected something else.
    pub(crate) fn shown(&self) -> String {
        format!("saw {} {:?}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// A request's bytes.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: Option<&[u8]>,
) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: broker.test\r\n");
    if headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("connection")) {
        head.push_str("Connection: close\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body.unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_when_its_body_is() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello!";
        assert!(Response::read(&bytes[..20], false).is_none());
        assert!(Response::read(&bytes[..bytes.len() - 3], false).is_none());
        assert!(Response::read(&bytes[..bytes.len() - 3], true).unwrap().is_err());
        let (response, len) = Response::read(bytes, false).unwrap().unwrap();
        assert_eq!((response.status, &response.body[..], len), (200, &b"hello"[..], bytes.len() - 1));
        assert_eq!(response.header("x"), Some("y"));
    }

    #[test]
    fn a_response_without_a_length_ends_with_the_stream() {
        let bytes = b"HTTP/1.1 404 Not Found\r\n\r\nnot found";
        assert!(Response::read(bytes, false).is_none());
        assert_eq!(Response::read(bytes, true).unwrap().unwrap().0.body, b"not found");
        assert!(Response::read(b"HTTP/1.1 204 \r\n\r\n", false).unwrap().is_ok());
        assert!(Response::read(b"", true).unwrap().is_err());
    }
}
