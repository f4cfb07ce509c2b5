//! What an admin asks for, by its path.

use crate::ids::{RunnerId, RunnerSeq};
use crate::wire::bookmark::Bookmark;

/// Something an admin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunnerCall {
    /// Who is connected.
    Connected,
    /// Every runner ever heard of, behind this one.
    List { after: Bookmark },
    /// Events of one runner that wait, behind this place.
    Events { runner: RunnerId, after: Bookmark },
    /// Dead events of one runner, behind this place.
    Dead { runner: RunnerId, after: Bookmark },
    /// Puts a dead event back.
    Requeue { runner: RunnerId, seq: RunnerSeq },
    /// Sends a command, which is the body.
    Send { runner: RunnerId },
}

impl RunnerCall {
    /// The paths of the admin API below this one are about runners.
    pub(crate) const PATH: &str = "/admin/runners";

    /// What is asked for; `None` when nothing that exists.
    pub(crate) fn parse(method: &str, target: &str) -> Option<RunnerCall> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments: Vec<String> =
            path.strip_prefix(RunnerCall::PATH)?.split('/').map(decode_segment).collect::<Option<_>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let after = query.split('&').find_map(|pair| pair.strip_prefix("after="));
        let runner = |id: &str| RunnerId::new(id);
        let place = || after.map_or(Some(Bookmark::START), Bookmark::parse);
        Some(match (method, segments.as_slice()) {
            ("GET", [""]) => RunnerCall::List { after: place()? },
            ("GET", ["", "connections"]) => RunnerCall::Connected,
            ("GET", ["", id, "events"]) => RunnerCall::Events { runner: runner(id), after: place()? },
            ("GET", ["", id, "dead"]) => RunnerCall::Dead { runner: runner(id), after: place()? },
            ("POST", ["", id, "dead", seq, "requeue"]) => {
                RunnerCall::Requeue { runner: runner(id), seq: RunnerSeq(seq.parse().ok()?) }
            }
            ("POST", ["", id, "commands"]) => RunnerCall::Send { runner: runner(id) },
            _ => return None,
        })
    }
}

/// A value of a query, decoded as forms are; `None` when it cannot be.
pub(crate) fn decode(value: &str) -> Option<String> {
    decode_with(value, b' ')
}

fn decode_segment(value: &str) -> Option<String> {
    decode_with(value, b'+')
}

fn decode_with(value: &str, plus: u8) -> Option<String> {
    let mut bytes = value.bytes();
    let mut plain = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                plain.extend(data_encoding::HEXUPPER_PERMISSIVE.decode(&pair).ok()?);
            }
            b'+' => plain.push(plus),
            other => plain.push(other),
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_asks_by_path() {
        let parse = |method: &str, rest: &str| RunnerCall::parse(method, &format!("/admin/runners{rest}"));
        let after = Bookmark::new(None, 7);
        assert_eq!(parse("GET", "?after=7"), Some(RunnerCall::List { after }));
        assert_eq!(parse("GET", "/connections"), Some(RunnerCall::Connected));
        let runner = RunnerId::new("a/b+c");
        let seq = RunnerSeq(9);
        assert_eq!(parse("POST", "/a%2Fb+c/dead/9/requeue"), Some(RunnerCall::Requeue { runner, seq }));
        assert_eq!(parse("GET", "/a/dead?after=x"), None);
        assert_eq!(parse("DELETE", "/a"), None);
        assert_eq!(parse("GET", "x"), None);
    }
}
