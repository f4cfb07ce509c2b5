//! Cutting the same bytes elsewhere changes nothing.

use std::sync::Arc;

use peermesh_core::config::Limits;
use peermesh_core::conn::Chunk;
use peermesh_core::rng::Rng;

use super::end::{End, UPGRADE, frame, limits};

/// A number below `bound`.
pub(crate) fn pick(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(u64::try_from(bound).unwrap())).unwrap()
}

/// Frames as a client may send them, with a fault in about every second stream.
pub(crate) fn conversation(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..pick(rng, 8) {
        match pick(rng, 10) {
            0..=3 => bytes.extend(frame(0x81, text(rng).as_bytes())),
            4 => bytes.extend(frame(0x82, text(rng).as_bytes())),
            5 => bytes.extend(fragments(rng)),
            6 => bytes.extend(frame(0x89, b"ping")),
            7 => bytes.extend(frame(0x8a, text(rng).get(..9).unwrap_or_default().as_bytes())),
            _ => bytes.extend(odd(rng)),
        }
    }
    bytes
}

fn text(rng: &mut Rng) -> String {
    let length = match pick(rng, 20) {
        at @ 0..=7 => [0, 1, 5, 125, 126, 300, 4_000, 65_536][at],
        _ => pick(rng, 60),
    };
    let letters = ['a', 'z', '{', 'ß', '€', '😀'];
    let pattern: String = (0..20).map(|_| letters[pick(rng, letters.len())]).collect();
    let mut text = pattern.repeat(length / pattern.len());
    let rest = pattern.floor_char_boundary(length - text.len());
    text.push_str(&pattern[..rest]);
    text.push_str(&"a".repeat(length - text.len()));
    text
}

fn fragments(rng: &mut Rng) -> Vec<u8> {
    let text = text(rng).into_bytes();
    let mut parts: Vec<&[u8]> = text.chunks(text.len() / 5 + 1).collect();
    parts.push(b"");
    let last = parts.len() - 1;
    let mut bytes = Vec::new();
    for (at, part) in parts.into_iter().enumerate() {
        let opcode = if at == 0 { 0x01 } else { 0x00 };
        bytes.extend(frame(if at == last { opcode | 0x80 } else { opcode }, part));
        if pick(rng, 4) == 0 {
            bytes.extend(frame(0x89, b"between"));
        }
    }
    bytes
}

/// Something that ends the conversation: a close frame or a fault.
fn odd(rng: &mut Rng) -> Vec<u8> {
    let codes = [1000, 1001, 1002, 1005, 1006, 1015, 2000, 3000, 4008, 999, 5000];
    match pick(rng, 12) {
        0 => frame(0x88, b""),
        1 | 2 => {
            let code: u16 = codes[pick(rng, codes.len())];
            frame(0x88, &[&code.to_be_bytes(), "tschüß".as_bytes()].concat())
        }
        3 => frame(0x88, b"\x03\xe8\xff\xfe"),
        4 => frame(0x88, b"\x03"),
        5 => frame(0x81, b"broken \xff letter"),
        6 => [frame(0x01, b"cut \xe2\x82"), frame(0x80, b"off")].concat(),
        7 => frame([0xc1, 0xa1, 0x91, 0x83, 0x8b][pick(rng, 5)], b"x"),
        8 => frame(0x80, b"continues nothing"),
        9 => [frame(0x01, b"one"), frame(0x81, b"two")].concat(),
        10 => frame(0x89, &[b'x'; 126]),
        _ => frame(0x81, &[b'x'; 65_537]),
    }
}

fn requests(rng: &mut Rng) -> Vec<u8> {
    if pick(rng, 3) > 0 {
        return UPGRADE.as_bytes().to_vec();
    }
    let heads = [
        UPGRADE.replace("13", "8"),
        UPGRADE.replace("Connection: Upgrade\r\n", ""),
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello and more".to_owned(),
        "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\n\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(5_000)),
    ];
    heads[pick(rng, heads.len())].clone().into_bytes()
}

/// Changes a few of the first bytes.
fn garble(rng: &mut Rng, bytes: &mut [u8]) {
    let reach = bytes.len().min(400);
    for _ in 0..=pick(rng, 3) {
        let byte = [b'\r', b'\n', b' ', b':', b'x', 0, 0x80, 0xff][pick(rng, 8)];
        bytes[pick(rng, reach)] = byte;
    }
}

/// Reads the bytes cut by `cut`, with a pause at some events if `pauses`.
fn outcome(
    bytes: &[u8],
    limits: &Arc<Limits>,
    pauses: bool,
    mut cut: impl FnMut() -> usize,
) -> (Vec<String>, Vec<u8>, usize) {
    let mut server = End::server(limits);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(cut().clamp(1, rest.len()));
        if pauses && part.len() % 3 == 0 {
            server.conn.keep(Chunk::new(&mut part.to_vec()));
        } else {
            server.reads(part);
        }
        rest = after;
    }
    server.reads(&[]);
    (server.saw(), server.wrote(), server.ended.len())
}

#[test]
fn the_same_bytes_cut_differently_give_the_same_events_and_answers() {
    let mut rng = Rng::from_seed([11; 32]);
    let (mut broken, mut clean) = (0, 0);
    for round in 0..150 {
        let mut bytes = requests(&mut rng);
        bytes.extend(conversation(&mut rng));
        if pick(&mut rng, 3) == 0 {
            garble(&mut rng, &mut bytes);
        }
        let limits = limits(&[("hello_bytes_max", [16_384, 1_048_576][round % 2])]);
        let whole = outcome(&bytes, &limits, false, || usize::MAX);
        assert_eq!(outcome(&bytes, &limits, false, || 1), whole, "round {round}, byte by byte");
        for longest in [3, 17, 400, 20_000] {
            let cuts = outcome(&bytes, &limits, false, || 1 + pick(&mut rng, longest));
            assert_eq!(cuts, whole, "round {round}, pieces up to {longest}");
            let paused = outcome(&bytes, &limits, true, || 1 + pick(&mut rng, longest));
            assert_eq!(paused, whole, "round {round}, pieces up to {longest}, with pauses");
        }
        if whole.0.last().is_some_and(|seen| seen.starts_with("broken")) { broken += 1 } else { clean += 1 }
    }
    assert!(broken > 25 && clean > 50, "{broken} {clean}");
}
