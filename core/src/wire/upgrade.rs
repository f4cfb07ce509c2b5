//! The WebSocket handshake, both sides (RFC 6455, section 4). No subprotocol and no extension is negotiated.

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

use super::http::{Request, Response, Upgrade, bad, read_headers, write_header};

/// What every server appends to a key before it hashes it (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Judges whether a request is an upgrade: no, a valid one, or one to be refused.
pub(crate) fn judge(request: &Request, minor: u8, body_bytes: u64) -> Result<Option<Upgrade>, Box<Response>> {
    if !names(request.headers("upgrade"), "websocket") {
        return Ok(None);
    }
    if request.method != "GET" || minor == 0 {
        return Err(bad("an upgrade is a GET of HTTP/1.1"));
    }
    if body_bytes > 0 {
        return Err(bad("an upgrade has no body"));
    }
    if !names(request.headers("connection"), "upgrade") {
        return Err(bad("Connection does not name the upgrade"));
    }
    match only(request.headers("sec-websocket-version")) {
        Some("13") => (),
        None => return Err(bad("one Sec-WebSocket-Version is needed")),
        Some(_) => return Err(Box::new(wrong_version())),
    }
    let key = only(request.headers("sec-websocket-key")).unwrap_or_default();
    if BASE64.decode(key.as_bytes()).map_or(0, |key| key.len()) != 16 {
        return Err(bad("Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    Ok(Some(Upgrade { accept: accept_key(key) }))
}

/// Appends the server's agreement.
pub(crate) fn write_agreement(out: &mut Vec<u8>, accept: &str) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    );
    write_header(out, "Sec-WebSocket-Accept", accept);
    out.extend_from_slice(b"\r\n");
}

/// A client's upgrade request, and the accept value that a true server answers.
pub(crate) fn ask(host: &str, path: &str, key: [u8; 16]) -> (Vec<u8>, String) {
    let key = BASE64.encode(&key);
    let mut out = b"GET ".to_vec();
    out.extend(path.bytes().filter(u8::is_ascii_graphic));
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_header(&mut out, "Host", host);
    out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    write_header(&mut out, "Sec-WebSocket-Key", &key);
    out.extend_from_slice(b"\r\n");
    (out, accept_key(&key))
}

/// What a server's answer to an upgrade request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Agreed,
    Declined(u16),
    /// No HTTP, or an agreement to something that was not asked for.
    Nonsense,
}

/// Reads a server's answer, given the accept value that is expected.
pub(crate) fn read_answer(head: &[u8], accept: &str, headers_max: usize) -> Answer {
    let mut lines = vec![httparse::EMPTY_HEADER; headers_max];
    let mut parsed = httparse::Response::new(&mut lines);
    let Ok(httparse::Status::Complete(_)) = parsed.parse(head) else { return Answer::Nonsense };
    let (Some(status), Some(headers)) = (parsed.code, read_headers(parsed.headers)) else {
        return Answer::Nonsense;
    };
    if status != 101 {
        return Answer::Declined(status);
    }
    let all = |name: &'static str| {
        headers.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    };
    let unasked = all("sec-websocket-extensions").chain(all("sec-websocket-protocol")).next();
    let agreed = names(all("upgrade"), "websocket")
        && names(all("connection"), "upgrade")
        && only(all("sec-websocket-accept")) == Some(accept)
        && unasked.is_none();
    if agreed { Answer::Agreed } else { Answer::Nonsense }
}

fn accept_key(key: &str) -> String {
    BASE64.encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn wrong_version() -> Response {
    let mut response = Response::refusal(426, "only Sec-WebSocket-Version 13 is supported");
    response.headers.push(("Sec-WebSocket-Version", "13".to_owned()));
    response.headers.push(("Upgrade", "websocket".to_owned()));
    response
}

/// True when one of the comma-separated lists names the word.
fn names<'a>(mut lists: impl Iterator<Item = &'a str>, word: &str) -> bool {
    lists.any(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
}

/// The only one, if there is exactly one.
fn only<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = values.next();
    if values.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn asks(change: impl FnOnce(&mut Request)) -> Result<Option<Upgrade>, u16> {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut request = Request {
            method: "GET".to_owned(),
            target: "/ws".to_owned(),
            headers: vec![
                header("upgrade", "websocket"),
                header("connection", "keep-alive, Upgrade"),
                header("sec-websocket-version", "13"),
                header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                header("sec-websocket-protocol", "chat"),
                header("sec-websocket-extensions", "permessage-deflate"),
            ],
            body: Vec::new(),
            upgrade: None,
            keeps: false,
        };
        change(&mut request);
        judge(&request, 1, 0).map_err(|response| response.status)
    }

    #[test]
    fn the_key_of_the_standard_gives_its_accept_value() {
        assert_eq!(asks(|_| ()), Ok(Some(Upgrade { accept: ACCEPT.to_owned() })));
        assert_eq!(ask("a", "/", *b"the sample nonce").1, ACCEPT);
    }

    #[test]
    fn s_hsk_04_an_upgrade_that_lacks_something_is_refused() {
        assert_eq!(asks(|request| request.method = "POST".to_owned()), Err(400));
        for at in [1, 2, 3] {
            assert_eq!(asks(|request| drop(request.headers.remove(at))), Err(400), "{at} is missing");
            let twice = |request: &mut Request| request.headers.push(request.headers[at].clone());
            assert_eq!(asks(twice), if at == 1 { asks(|_| ()) } else { Err(400) }, "{at} stands twice");
        }
        for key in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZQ==x"] {
            assert_eq!(asks(|request| request.headers[3].1 = key.to_owned()), Err(400), "{key:?}");
        }
    }

    #[test]
    fn s_hsk_04_another_version_is_told_which_one_we_speak() {
        assert_eq!(asks(|request| request.headers[2].1 = "8".to_owned()), Err(426));
        let response = wrong_version();
        assert!(response.headers.contains(&("Sec-WebSocket-Version", "13".to_owned())));
    }

    #[test]
    fn another_upgrade_is_an_ordinary_request() {
        assert_eq!(asks(|request| request.headers[0].1 = "h2c".to_owned()), Ok(None));
    }

    #[test]
    fn s_hsk_03_an_upgrade_with_a_body_or_of_http_1_0_is_refused() {
        let request = Request {
            method: "GET".to_owned(),
            target: "/ws".to_owned(),
            headers: vec![("upgrade".to_owned(), "WebSocket".to_owned())],
            body: Vec::new(),
            upgrade: None,
            keeps: false,
        };
        assert!(judge(&request, 1, 1).is_err());
        assert!(judge(&request, 0, 0).is_err());
    }

    #[test]
    fn an_answer_agrees_only_to_what_was_asked() {
        let answer = |lines: &str| read_answer(format!("HTTP/1.1 {lines}\r\n\r\n").as_bytes(), ACCEPT, 8);
        let agreed =
            format!("101 x\r\nupgrade: WebSocket\r\nconnection: upgrade\r\nsec-websocket-accept: {ACCEPT}");
        assert_eq!(answer(&agreed), Answer::Agreed);
        assert_eq!(answer(&agreed.replace("s3p", "S3p")), Answer::Nonsense);
        assert_eq!(answer(&format!("{agreed}\r\nSec-WebSocket-Extensions: x")), Answer::Nonsense);
        assert_eq!(answer(&format!("{agreed}\r\nSec-WebSocket-Protocol: x")), Answer::Nonsense);
        assert_eq!(answer("101 x"), Answer::Nonsense);
        assert_eq!(answer("404 Not Found"), Answer::Declined(404));
        assert_eq!(answer("many words"), Answer::Nonsense);
    }

    #[test]
    fn f_inj_04_a_client_cannot_be_made_to_send_a_second_header() {
        let (bytes, _) = ask("a\r\nX: y", "/ws HTTP/1.1\r\nX: y", [0; 16]);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("GET /wsHTTP/1.1X:y HTTP/1.1\r\nHost: aX: y\r\nUpgrade"));
    }
}
