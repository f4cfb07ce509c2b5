//! Reads the lines of a story.

use peermesh_core::machine::Listener;
use peermesh_core::store::Status;

use crate::story::Told;
use crate::story::act::{
    Act, Asking, Body, Changes, Deed, Exchange, Expected, Fate, FrameSpec, Greeting, Ill, Manner, Mood, Peer,
    Posting, Reason, Rotating, Sending, Sharing, Sight, TargetAct, Telling,
};
use crate::story::given::Data;
use crate::story::pattern::Pattern;
use crate::story::plain;
use crate::story::scan::Scan;

/// How long `nothing` must last when the story does not say, in milliseconds.
const NOTHING_MS: u64 = 30;

impl Act {
    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &str) -> Told<Act> {
        let mut scan = Scan::new(line);
        let first = scan.word();
        let act = match first {
            "let" => {
                let name = scan.word().to_owned();
                if !scan.takes("=") {
                    return Err("wanted: let NAME = \"…\"".into());
                }
                let data = scan.data()?;
                let signer = (scan.takes("signed") && scan.takes("by")).then(|| scan.word().to_owned());
                Act::Let(name, data, signer)
            }
            "mesh" => Act::Mesh(scan.word().to_owned(), members(&mut scan)?),
            "wait" => Act::Wait(scan.millis()?),
            "clock" if scan.takes("jumps") => {
                let back = scan.peek().starts_with('-');
                let mut length = Scan::new(scan.word().trim_start_matches(['+', '-']));
                let millis = i64::try_from(length.millis()?).map_err(|_| "that is too far")?;
                Act::ClockJumps(if back { -millis } else { millis })
            }
            "broker" => Act::Broker(match scan.word() {
                "restarts" => Fate::Restart,
                "crashes" => Fate::Crash,
                "drains" => Fate::Drain,
                other => return Err(format!("a broker restarts, crashes or drains, not: {other}").into()),
            }),
            "store" if scan.takes("is") => Act::Broker(match scan.word() {
                "copied" => Fate::Copy,
                "restored" => Fate::Restore,
                other => return Err(format!("a store is copied or restored, not: {other}").into()),
            }),
            "store" if scan.takes("says") => Act::Share(says(&mut scan)?),
            "store" if scan.takes("mislays") => Act::Share(mislays(&mut scan)?),
            "store" => Act::Store(mood(&mut scan)?),
            "rival" => Act::Share(rival(&mut scan)?),
            "process" if scan.takes("publishes") => Act::Within(scan.json()?.to_owned()),
            "feed" => Act::Feed(times(&mut scan)?, scan.json()?.to_owned()),
            "http" => Act::Http(exchange(&mut scan)?),
            "runners" => Act::Runners(exchange(&mut scan)?),
            "live" => Act::Live(exchange(&mut scan)?),
            "token" => token(&mut scan)?,
            "target" => Act::Target(target(&mut scan)?),
            "raw" => {
                let sent = scan.data()?;
                if !scan.takes("->") {
                    return Err("wanted: raw DATA -> DATA".into());
                }
                Act::Raw(sent, scan.data()?)
            }
            "metric" => Act::Metric(scan.word().to_owned(), scan.word().to_owned()),
            "log" => log(&mut scan, true)?,
            "no" if scan.takes("log") => log(&mut scan, false)?,
            name => Act::Peer(Peer::parse(name)?, Deed::parse(&mut scan)?),
        };
        scan.ends()?;
        Ok(act)
    }
}

impl Peer {
    /// Reads `name`, `name.session`, each with an optional `#number`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Told<Peer> {
        let (identity, number) = text.split_once('#').unwrap_or((text, "1"));
        let (name, session) = match identity.split_once('.') {
            Some((name, session)) => (name, Some(session.to_owned())),
            None => (identity, None),
        };
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '-');
        if !is_word(name) || !session.as_deref().is_none_or(is_word) {
            return Err(format!("no such step, and no name of a peer: {text}").into());
        }
        let number = number.parse().map_err(|_| format!("{number:?} is no number of a connection"))?;
        Ok(Peer { name: name.to_owned(), session, number })
    }
}

impl Deed {
    fn parse(scan: &mut Scan<'_>) -> Told<Deed> {
        Ok(match scan.word() {
            "runs" if scan.takes("as") => {
                let id = scan.word().to_owned();
                let headers = if scan.takes("with") { scan.pairs()? } else { Vec::new() };
                Deed::Runs(id, headers, if scan.takes("->") { scan.number()? } else { 101 })
            }
            "watches" => {
                let path = if scan.peek().starts_with('/') { scan.word() } else { "/" }.to_owned();
                let headers = if scan.takes("with") { scan.pairs()? } else { Vec::new() };
                Deed::Watches(path, headers, if scan.takes("->") { scan.number()? } else { 101 })
            }
            "streams" => {
                let target = scan.word().to_owned();
                Deed::Streams(target, if scan.takes("with") { scan.pairs()? } else { Vec::new() })
            }
            "posts" => Deed::Posts(posting(scan, false)?),
            "keeps" if scan.takes("posting") => Deed::Posts(posting(scan, true)?),
            "asks" => Deed::Asks(Box::new(asking(scan)?)),
            "rotates" if scan.takes("to") => Deed::Rotates(Box::new(rotating(scan, true)?)),
            "begins" if scan.takes("to") && scan.takes("rotate") && scan.takes("to") => {
                Deed::Rotates(Box::new(rotating(scan, false)?))
            }
            "gets" => Deed::Gets(scan.number()?, pattern(scan)?),
            "dials" => {
                let listener = if scan.takes("live") { Listener::Live } else { Listener::Mesh };
                let from = match scan.takes("from") {
                    true => Some(scan.word().parse().map_err(|_| "wanted an address after `from`")?),
                    false => None,
                };
                Deed::Dials(listener, from)
            }
            "opens" => {
                let headers = if scan.takes("with") { scan.pairs()? } else { Vec::new() };
                Deed::Opens(headers, if scan.takes("->") { scan.number()? } else { 101 })
            }
            "greets" => Deed::Greets(greeting(scan, false)?),
            "connects" => Deed::Greets(greeting(scan, true)?),
            "repeats" if scan.takes("hello") && scan.takes("of") => Deed::Repeats(Peer::parse(scan.word())?),
            "joins" => Deed::Joins(scan.word().to_owned()),
            "sends" => Deed::Sends(times(scan)?, sending(scan)?),
            "tells" => Deed::Tells(Telling {
                whom: scan.word().to_owned(),
                text: scan.data()?,
                id: if scan.takes("as") { Some(scan.word().to_owned()) } else { None },
                with: if scan.takes("with") { changes(scan)? } else { Changes::default() },
            }),
            "sees" => Deed::Sees(times(scan)?, sight(scan)?),
            "hears" => Deed::Hears(scan.data()?, pattern(scan)?),
            "acks" => Deed::Acks(if scan.is_done() { None } else { Some(scan.word().to_owned()) }),
            "closes" if scan.is_done() => Deed::Closes(1000, String::new()),
            "closes" => Deed::Closes(scan.number()?, reason(scan)?.unwrap_or_default()),
            "hangs" if scan.takes("up") => Deed::HangsUp,
            "drops" => Deed::Drops,
            "stops" if scan.takes("reading") => Deed::Reads(false),
            "reads" if scan.takes("again") => Deed::Reads(true),
            "ignores" if scan.takes("pings") => Deed::Answers(false),
            "answers" if scan.takes("pings") => Deed::Answers(true),
            other => return Err(format!("a peer cannot do this: {other} {}", scan.peek()).into()),
        })
    }
}

fn members(scan: &mut Scan<'_>) -> Told<Vec<(String, String)>> {
    if !scan.takes("with") {
        return Ok(Vec::new());
    }
    let list = scan.rest().split(',').map(|item| {
        let (name, role) = match item.trim().split_once('(') {
            Some((name, role)) => (name.trim(), role.trim_end_matches(')')),
            None => (item.trim(), "member"),
        };
        let peer = Peer::parse(name)?;
        match peer.session {
            None => Ok((peer.name, role.to_owned())),
            Some(_) => Err(format!("{name} is a session, not a member").into()),
        }
    });
    list.collect()
}

fn mood(scan: &mut Scan<'_>) -> Told<Mood> {
    let ill = match (scan.word(), scan.peek()) {
        ("heals", _) => return Ok(Mood::default()),
        ("delays", _) => return Ok(Mood { ill: None, delay_ms: scan.millis()? }),
        ("fails", "unavailable") => Ill::Unavailable,
        ("fails", "full") => Ill::Full,
        ("fails", "corrupt") => Ill::Corrupt,
        ("forgets", "replies") => Ill::ForgetsReplies,
        ("loses", "commits") => Ill::LosesCommits,
        ("refuses", rest) if rest.split_whitespace().eq(["one", "write"]) => {
            scan.rest();
            Ill::RefusesOne
        }
        (word, rest) => return Err(format!("a store does not do this: {word} {rest}").into()),
    };
    scan.word();
    Ok(Mood { ill: Some(ill), delay_ms: 0 })
}

fn mislays(scan: &mut Scan<'_>) -> Told<Sharing> {
    match (scan.word(), scan.word(), scan.word()) {
        ("the", "last", "message") => Ok(Sharing::Mislays),
        ("the", "last", "publication") if scan.takes("of") => {
            Ok(Sharing::MislaysPublication(scan.word().to_owned()))
        }
        (.., last) => Err(format!("a store mislays the last message or publication, not: {last}").into()),
    }
}

fn says(scan: &mut Scan<'_>) -> Told<Sharing> {
    let (mut lease_ms, mut durability) = (None, None);
    for (name, value) in plain(scan)? {
        match name.as_str() {
            "lease_ms" => lease_ms = Some(value.parse().map_err(|_| format!("{value} is no number"))?),
            "durability" => durability = Some(value),
            _ => return Err(format!("a store does not say this: {name}").into()),
        }
    }
    Ok(Sharing::Says { lease_ms, durability })
}

fn rival(scan: &mut Scan<'_>) -> Told<Sharing> {
    Ok(match scan.word() {
        "takes" if scan.takes("runner") => Sharing::TakesRunner(scan.word().to_owned()),
        "robs" if scan.takes("runner") => Sharing::RobsRunner(scan.word().to_owned()),
        "robs" if scan.takes("topic") => Sharing::RobsTopic(scan.word().to_owned()),
        "takes" => Sharing::Takes(scan.word().to_owned()),
        "robs" => Sharing::Robs(scan.word().to_owned()),
        "dies" => Sharing::Dies,
        "repeats" => {
            let text = scan.string()?.to_owned();
            if !scan.takes("as") {
                return Err("wanted: rival repeats \"…\" as ID".into());
            }
            Sharing::Repeats { text, id: scan.word().to_owned() }
        }
        "keeps" if scan.takes("hook") => {
            let status = Status::parse(scan.word()).ok_or("a hook says idle, working or dnd")?;
            Sharing::Keeps { status, pid: scan.number()?, cwd: scan.word().to_owned() }
        }
        "applies" if scan.takes("hook") => Sharing::Applies { nth: scan.number()? },
        other => return Err(format!("another broker does not do this: {other} {}", scan.peek()).into()),
    })
}

fn exchange(scan: &mut Scan<'_>) -> Told<Exchange> {
    let (method, target) = (scan.word().to_owned(), scan.word().to_owned());
    let headers = if scan.takes("with") { scan.pairs()? } else { Vec::new() };
    let body = body(scan)?;
    answered(scan, Exchange { method, target, headers, body, ..Exchange::default() })
}

fn asking(scan: &mut Scan<'_>) -> Told<Asking> {
    let (method, target) = ("GET".to_owned(), scan.word().to_owned());
    let with = if scan.takes("with") { changes(scan)? } else { Changes::default() };
    let then = if scan.takes("then") { changes(scan)? } else { Changes::default() };
    let exchange = answered(scan, Exchange { method, target, ..Exchange::default() })?;
    Ok(Asking { exchange, with, then })
}

fn rotating(scan: &mut Scan<'_>, waits: bool) -> Told<Rotating> {
    let to = scan.word().to_owned();
    let with = if scan.takes("with") { changes(scan)? } else { Changes::default() };
    let then = if scan.takes("then") { changes(scan)? } else { Changes::default() };
    let wanted = if waits { Some(answered(scan, Exchange::default())?) } else { None };
    Ok(Rotating { to, with, then, wanted })
}

/// Reads what must come back.
fn answered(scan: &mut Scan<'_>, asked: Exchange) -> Told<Exchange> {
    if !scan.takes("->") {
        return Err(format!("wanted -> STATUS at: {}", scan.peek()).into());
    }
    let status = scan.number()?;
    let expect_headers = if scan.takes("with") { scan.pairs()? } else { Vec::new() };
    let expect = match scan.peek().chars().next() {
        None => Expected::Anything,
        Some('"') => Expected::Part(scan.data()?),
        Some(_) => Expected::Json(Pattern::parse(scan.rest())?),
    };
    Ok(Exchange { status, expect_headers, expect, ..asked })
}

fn body(scan: &mut Scan<'_>) -> Told<Body> {
    Ok(match scan.peek().chars().next() {
        Some('"') => Body::Data(scan.data()?),
        Some('{' | '[') => Body::Json(scan.json()?.to_owned()),
        _ => Body::None,
    })
}

fn token(scan: &mut Scan<'_>) -> Told<Act> {
    let name = scan.word().to_owned();
    if !scan.takes("for") {
        return Err("wanted: token NAME for USER [lasting LENGTH] {RIGHTS}".into());
    }
    let user = scan.word().to_owned();
    let lasting = if scan.takes("lasting") { scan.millis()? } else { TOKEN_MS };
    Ok(Act::Token(name, user, lasting, scan.json()?.to_owned()))
}

/// How long a token lasts when the story does not say, in milliseconds.
const TOKEN_MS: u64 = 3_600_000;

fn posting(scan: &mut Scan<'_>, keeps: bool) -> Told<Posting> {
    let target = scan.word().to_owned();
    let headers = if scan.takes("with") { scan.pairs()? } else { Vec::new() };
    Ok(Posting { keeps, target, headers, body: body(scan)? })
}

fn target(scan: &mut Scan<'_>) -> Told<TargetAct> {
    let manner = match scan.word() {
        "sees" if scan.takes("nothing") => return Ok(TargetAct::SeesNothing(lasting(scan)?)),
        "sees" => {
            let headers = if scan.takes("with") { scan.pairs()? } else { Vec::new() };
            return Ok(TargetAct::Sees(pattern(scan)?, headers));
        }
        "heals" => Manner::default(),
        "loses" if scan.takes("replies") => Manner::LosesReplies,
        "is" if scan.takes("down") => Manner::Down,
        "hangs" => Manner::Hangs { millis: scan.millis()? },
        "answers" => {
            let (status, mut retry_after, mut after_ms) = (scan.number()?, None, 0);
            for (name, value) in plain(scan)? {
                match name.as_str() {
                    "retry_after" => retry_after = Some(value),
                    "after_ms" => after_ms = value.parse().map_err(|_| "after_ms is a number")?,
                    _ => return Err(format!("a target does not answer with this: {name}").into()),
                }
            }
            Manner::Answers { status, retry_after, after_ms }
        }
        other => return Err(format!("a target does not do this: {other} {}", scan.peek()).into()),
    };
    Ok(TargetAct::Behaves(manner))
}

fn log(scan: &mut Scan<'_>, wanted: bool) -> Told<Act> {
    let message = scan.string()?.to_owned();
    Ok(Act::Log(wanted, message, pattern(scan)?))
}

fn greeting(scan: &mut Scan<'_>, awaited: bool) -> Told<Greeting> {
    Ok(Greeting {
        awaited,
        legacy: scan.takes("legacy"),
        with: if scan.takes("with") { changes(scan)? } else { Changes::default() },
        then: if scan.takes("then") { changes(scan)? } else { Changes::default() },
    })
}

fn changes(scan: &mut Scan<'_>) -> Told<Changes> {
    let mut changes = Changes::default();
    loop {
        let set = scan.pairs()?;
        let mut ahead = *scan;
        let unset = ahead.word().strip_prefix('!');
        if set.is_empty() && unset.is_none() {
            return Ok(changes);
        }
        changes.set.extend(set);
        if let Some(path) = unset {
            changes.unset.push(path.to_owned());
            *scan = ahead;
        }
    }
}

fn times(scan: &mut Scan<'_>) -> Told<u32> {
    let mut ahead = *scan;
    let count = ahead.word().parse();
    match count {
        Ok(count) if ahead.takes("times") => {
            *scan = ahead;
            Ok(count)
        }
        _ => Ok(1),
    }
}

fn sending(scan: &mut Scan<'_>) -> Told<Sending> {
    if scan.peek().starts_with('{') {
        return Ok(Sending::Json(scan.rest().to_owned()));
    }
    Ok(match scan.word() {
        "text" => Sending::Frame(FrameSpec::of(1), scan.data()?),
        "binary" => Sending::Frame(FrameSpec::of(2), scan.data()?),
        "ping" => Sending::Frame(FrameSpec::of(9), scan.data()?),
        "pong" => Sending::Frame(FrameSpec::of(10), scan.data()?),
        "bytes" => Sending::Bytes(scan.data()?),
        "frame" => {
            let mut frame = FrameSpec::of(1);
            for (name, value) in plain(scan)? {
                let bad = || format!("frame: {name}={value}");
                match name.as_str() {
                    "op" => frame.op = value.parse().ok().filter(|op| *op < 16).ok_or_else(bad)?,
                    "fin" => frame.fin = value == "1",
                    "rsv" => frame.rsv = value.parse().ok().filter(|rsv| *rsv < 8).ok_or_else(bad)?,
                    "mask" => frame.mask = value == "1",
                    "length" => frame.length = Some(value.parse().map_err(|_| bad())?),
                    _ => return Err(bad().into()),
                }
            }
            Sending::Frame(frame, scan.data()?)
        }
        other => {
            return Err(
                format!("sends {{json}}, text, binary, ping, pong, bytes or frame, not: {other}").into()
            );
        }
    })
}

fn sight(scan: &mut Scan<'_>) -> Told<Sight> {
    if scan.peek().starts_with('{') {
        return Ok(Sight::Frame(String::new(), pattern(scan)?));
    }
    Ok(match scan.word() {
        "nothing" => Sight::Nothing(lasting(scan)?),
        "event" => Sight::Event(scan.word().to_owned(), pattern(scan)?),
        "no" if scan.takes("event") => Sight::NoEvent(scan.word().to_owned(), lasting(scan)?),
        "close" => Sight::Close(scan.number()?, seen_reason(scan)?),
        "end" => Sight::End,
        "ping" => Sight::Ping,
        "pong" => Sight::Pong(scan.data()?),
        "bytes" => Sight::Bytes(scan.data()?),
        kind => Sight::Frame(kind.to_owned(), pattern(scan)?),
    })
}

fn lasting(scan: &mut Scan<'_>) -> Told<u64> {
    if scan.takes("for") { scan.millis() } else { Ok(NOTHING_MS) }
}

fn reason(scan: &mut Scan<'_>) -> Told<Option<String>> {
    Ok(match scan.peek() {
        "" => None,
        text if text.starts_with('"') => Some(scan.string()?.to_owned()),
        _ => Some(scan.word().to_owned()),
    })
}

fn seen_reason(scan: &mut Scan<'_>) -> Told<Option<Reason>> {
    Ok(match scan.peek().chars().next() {
        None => None,
        Some('{') => Some(Reason::Object(Pattern::parse(scan.rest())?)),
        Some('"') => Some(Reason::Text(scan.data()?)),
        Some(_) => Some(Reason::Text(Data { parts: vec![(scan.word().to_owned(), 1)] })),
    })
}

fn pattern(scan: &mut Scan<'_>) -> Told<Option<Pattern>> {
    if scan.is_done() { Ok(None) } else { Pattern::parse(scan.rest()).map(Some) }
}
