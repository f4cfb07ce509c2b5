//! Requests, read by three: the core, the rules of RFC 9112 as they stand below, and httparse's own reading.
//!
//! Input: what arrives on a stream.

use data_encoding::BASE64;
use peermesh_core::config::Limits;
use peermesh_core::wire::http::Request;

use crate::end::{End, Seen, limits};

/// Lets all three read the bytes.
///
/// # Panics
/// When they disagree.
pub fn run(bytes: &[u8]) {
    let limits = limits(&[]);
    let mut end = End::server(&limits, true);
    end.reads(bytes);
    let first = end.seen.first();
    match (judge(bytes, &limits), first) {
        (Verdict::More, None) => {}
        (Verdict::Refused(status), Some(Seen::Refused(ours))) => assert_eq!(*ours, status),
        (Verdict::Request(expected), Some(Seen::Request(request))) => {
            assert_eq!(Asked::of(request), expected);
            agree(bytes, request, &limits);
        }
        (verdict, first) => panic!("{verdict:?}, but {first:?}"),
    }
}

/// What httparse makes of the same head must be what we take from it.
fn agree(bytes: &[u8], request: &Request, limits: &Limits) {
    let mut lines = vec![httparse::EMPTY_HEADER; size(limits.head_headers_max())];
    let mut parsed = httparse::Request::new(&mut lines);
    assert!(parsed.parse(bytes).is_ok_and(|status| status.is_complete()));
    assert_eq!((parsed.method, parsed.path), (Some(&*request.method), Some(&*request.target)));
    let headers = parsed.headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value));
    assert!(headers.eq(request.headers.iter().map(|(name, value)| (name.clone(), value.as_bytes()))));
}

/// What the bytes are.
#[derive(Debug)]
enum Verdict {
    /// The beginning of a request.
    More,
    /// Refused with this status.
    Refused(u16),
    Request(Asked),
}

/// What a request asks.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    upgrades: bool,
    keeps: bool,
}

impl Asked {
    fn of(request: &Request) -> Asked {
        let Request { method, target, headers, body, upgrade, keeps } = request.clone();
        Asked { method, target, headers, body, upgrades: upgrade.is_some(), keeps }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(have, _)| have == name).map(|(_, value)| value.as_str()).collect()
    }

    /// One of the comma-separated lists of that name has the word.
    fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name)
            .iter()
            .flat_map(|list| list.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(word))
    }
}

fn judge(bytes: &[u8], limits: &Limits) -> Verdict {
    let head_bytes = match find_end(bytes, limits) {
        Ok(Some(head_bytes)) => head_bytes,
        Ok(None) => return Verdict::More,
        Err(status) => return Verdict::Refused(status),
    };
    let (head, rest) = bytes.split_at(head_bytes);
    let Some((mut asked, is_1_1)) = read_head(head) else { return Verdict::Refused(400) };
    match measure(&asked, is_1_1, limits) {
        Ok(body) if rest.len() < body => Verdict::More,
        Ok(body) => {
            asked.body = rest[..body].to_vec();
            asked.upgrades = asked.lists("upgrade", "websocket");
            asked.keeps = is_1_1 && !asked.lists("connection", "close");
            Verdict::Request(asked)
        }
        Err(status) => Verdict::Refused(status),
    }
}

/// Where the head ends, or the status for the first byte that no head may have there.
fn find_end(bytes: &[u8], limits: &Limits) -> Result<Option<usize>, u16> {
    let mut flaws = vec![(size(limits.head_bytes_max().min(limits.hello_bytes_max())), 431)];
    let mut end = None;
    let (mut begins, mut lines) = (0, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        let returned = at > begins && bytes[at - 1] == b'\r';
        match byte {
            b'\n' if returned && at == begins + 1 => {
                if lines == 0 {
                    flaws.push((at, 400));
                }
                end = Some(at);
                break;
            }
            b'\n' if returned => {
                lines += 1;
                begins = at + 1;
                if lines > size(limits.head_headers_max()) + 1 {
                    flaws.push((at, 431));
                }
            }
            b'\n' => flaws.push((at, 400)),
            _ if returned => flaws.push((at, 400)),
            b' ' | b'\t' if at == begins && lines > 0 => flaws.push((at, 400)),
            b'\r' => {}
            _ if lines == 0 && at - begins >= size(limits.head_line_bytes_max()) => flaws.push((at, 414)),
            _ if lines > 0 && at - begins >= size(limits.head_header_bytes_max()) => flaws.push((at, 431)),
            _ => {}
        }
        if flaws.len() > 1 {
            break;
        }
    }
    // The earliest counts; where two meet, the length of the whole does.
    let (place, status) = flaws.into_iter().min_by_key(|(place, _)| *place).unwrap_or_default();
    match end {
        Some(end) if end < place => Ok(Some(end + 1)),
        _ if place < bytes.len() => Err(status),
        _ => Ok(None),
    }
}

/// The lines of a head, as RFC 9112 spells them; and whether it is HTTP/1.1.
fn read_head(head: &[u8]) -> Option<(Asked, bool)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_target = !target.is_empty() && target.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    let is_1_1 = version == "HTTP/1.1";
    if words.next().is_some() || !is_token(method) || !is_target || !(is_1_1 || version == "HTTP/1.0") {
        return None;
    }
    let mut headers = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        if !is_token(name) || value.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
            return None;
        }
        headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let (method, target) = (method.to_owned(), target.to_owned());
    Some((Asked { method, target, headers, body: Vec::new(), upgrades: false, keeps: false }, is_1_1))
}

fn is_token(word: &str) -> bool {
    let odd = "!#$%&'*+-.^_`|~";
    !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || odd.contains(letter))
}

/// How long the body is, or the status of what the headers may not say.
fn measure(asked: &Asked, is_1_1: bool, limits: &Limits) -> Result<usize, u16> {
    let hosts = asked.all("host").len();
    if hosts > 1 || is_1_1 && hosts == 0 || !asked.all("transfer-encoding").is_empty() {
        return Err(400);
    }
    let body: u128 = match asked.all("content-length").as_slice() {
        [] => 0,
        [digits] if !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit()) => {
            digits.parse().unwrap_or(u128::MAX)
        }
        _ => return Err(400),
    };
    if asked.lists("upgrade", "websocket") {
        let key = match asked.all("sec-websocket-key").as_slice() {
            [key] => BASE64.decode(key.as_bytes()).unwrap_or_default().len(),
            _ => 0,
        };
        let versions = asked.all("sec-websocket-version");
        if !is_1_1 || asked.method != "GET" || body > 0 || !asked.lists("connection", "upgrade") {
            return Err(400);
        }
        match versions.as_slice() {
            ["13"] => {}
            [_] => return Err(426),
            _ => return Err(400),
        }
        if key != 16 {
            return Err(400);
        }
    }
    if body > u128::from(limits.message_bytes_max()) {
        Err(413)
    } else {
        usize::try_from(body).map_err(|_| 413)
    }
}

fn size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
