//! Canonical JSON: its properties over drawn values, its refusals, and its bounds.

use peermesh_core::jcs::{Bounds, Flaw, canonicalize};
use peermesh_core::rng::Rng;
use serde_json::{Map, Value};

fn canonical(text: &str) -> String {
    let bytes =
        canonicalize(text.as_bytes(), Bounds::TOOLS).unwrap_or_else(|refusal| panic!("{refusal}: {text}"));
    String::from_utf8(bytes).unwrap()
}

fn flaw(text: &[u8]) -> Option<Flaw> {
    canonicalize(text, Bounds::TOOLS).err().map(|refusal| refusal.flaw)
}

#[test]
fn a_refusal_says_what_is_wrong_and_where() {
    let said = |text: &[u8]| canonicalize(text, Bounds::TOOLS).unwrap_err().to_string();
    assert_eq!(
        said("{\"gr\u{fc}n\":1,\n \"\u{fc}\": 2,  \"\\u00fc\" : 3 }".as_bytes()),
        "a name that the object has already, at line 2, column 11 (byte 23)"
    );
    assert_eq!(said(b""), "the text ends too early, at line 1, column 1 (byte 0)");
    assert_eq!(said(b"[1,\n2 3]"), "not JSON, at line 2, column 3 (byte 6)");
    assert_eq!(said(b"\n\n\n  \"a"), "the text ends too early, at line 4, column 5 (byte 7)");
    assert_eq!(said(b"[\"\xc3\xa9\xff\"]"), "not UTF-8, at line 1, column 4 (byte 4)");
}

#[test]
fn every_flaw_has_its_word() {
    let cases: [(&[u8], &str); 14] = [
        (b"\xff", "utf8"),
        (b"\xed\xa0\x80", "utf8"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b"[1,]", "syntax"),
        (b"NaN", "syntax"),
        (b"{\"a\"", "truncated"),
        (b"{} {}", "trailing"),
        (b"{\"a\":1,\"\\u0061\":2}", "repeated_name"),
        (b"1e400", "range"),
        (b"[-1.8e308]", "range"),
        (b"\"\t\"", "control"),
        (b"\"\\x\"", "escape"),
        (b"\"\\ud800x\"", "surrogate"),
        (b"{\"\\udfff\":1}", "surrogate"),
    ];
    for (text, word) in cases {
        let found = flaw(text);
        assert_eq!(found.map(Flaw::word), Some(word), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn numbers_that_a_double_rounds_are_taken_as_a_script_takes_them() {
    let digits = "9".repeat(100_000);
    let text = format!(
        "[9007199254740993,1e-400,-1e-400,0.{digits},0e99999999999999999999,1e-99999999999999999999]"
    );
    assert_eq!(canonical(&text), "[9007199254740992,0,0,1,0,0]");
    assert_eq!(flaw(digits.as_bytes()), Some(Flaw::Range));
    assert_eq!(flaw(b"1e99999999999999999999"), Some(Flaw::Range));
    assert_eq!(
        canonical("[999999999999999,-999999999999999,1000000000000000,-0]"),
        "[999999999999999,-999999999999999,1000000000000000,0]"
    );
}

#[test]
fn f_jsn_01_depth_is_bounded_without_recursion() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(canonical(&nested(128)), nested(128));
    assert_eq!(flaw(nested(129).as_bytes()), Some(Flaw::Depth));
    let objects = |depth: usize| "{\"a\":".repeat(depth) + "0" + &"}".repeat(depth);
    assert_eq!(canonical(&objects(128)), objects(128));
    assert_eq!(flaw(objects(129).as_bytes()), Some(Flaw::Depth));
    let deep = Bounds { bytes_max: 4_000_000, depth_max: 2_000_000 };
    assert_eq!(canonicalize(nested(2_000_000).as_bytes(), deep).map(|bytes| bytes.len()), Ok(4_000_000));
}

#[test]
fn size_is_bounded_by_the_caller() {
    let bounds = Bounds { bytes_max: 4, depth_max: 1 };
    assert_eq!(canonicalize(b"1234", bounds), Ok(b"1234".to_vec()));
    assert_eq!(canonicalize(b"12345", bounds).unwrap_err().flaw, Flaw::Size);
}

#[test]
fn f_jsn_02_a_repeated_name_is_found_among_many_and_the_later_one_is_blamed() {
    let mut pairs: Vec<String> = (0..5_000).map(|n| format!("\"name{n}\":[{{\"name7\":0}}]")).collect();
    let text = format!("{{{}}}", pairs.join(","));
    assert_eq!(flaw(text.as_bytes()), None);
    pairs[4_321] = "\"n\\u0061me17\":0".to_owned();
    let text = format!("{{{}}}", pairs.join(","));
    let refusal = canonicalize(text.as_bytes(), Bounds::TOOLS).unwrap_err();
    assert_eq!(refusal.flaw, Flaw::RepeatedName);
    assert!(text[refusal.at..].starts_with("\"n\\u0061me17\""), "{refusal}");
}

#[test]
fn members_stand_in_the_order_of_utf_16() {
    let mut rng = Rng::from_seed([5; 32]);
    for _ in 0..2_000 {
        let mut names: Vec<String> = (0..draw(&mut rng, 12)).map(|_| name(&mut rng)).collect();
        names.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
        names.dedup();
        let written: Vec<String> =
            names.iter().map(|name| Value::from(name.as_str()).to_string() + ":0").collect();
        let mut shuffled = written.clone();
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, draw(&mut rng, place + 1));
        }
        let canonical = canonical(&format!("{{{}}}", shuffled.join(",")));
        assert_eq!(canonical, format!("{{{}}}", written.join(",")));
    }
}

#[test]
fn a_canonical_text_is_its_own_means_the_same_and_equals_that_of_another_writer() {
    let mut rng = Rng::from_seed([6; 32]);
    for _ in 0..5_000 {
        let value = value(&mut rng, 5);
        let text = written(&mut rng, &value);
        let canonical = canonical(&text);
        assert_eq!(canonical, self::canonical(&canonical), "{text}");
        let read: Value = serde_json::from_str(&canonical).unwrap();
        assert!(same(&read, &value), "{text}\n{canonical}");
        assert_eq!(canonical, serde_json_canonicalizer::to_string(&value).unwrap(), "{text}");
    }
}

/// Whatever another reader takes is taken, but for what it overlooks.
#[test]
fn this_reader_and_another_agree_on_mangled_texts() {
    let seed =
        r#"{"type":"\ud83d\ude00","id":"a-\u00e9","tags":["x",{"y":[1,2.5,-3e2]}],"n":-12,"a":[null,true]}"#;
    let alphabet: Vec<char> = "{}[]\",:\\u0019-+.eEdc trufalsn\té".chars().collect();
    let mut rng = Rng::from_seed([4; 32]);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut text: Vec<char> = seed.chars().collect();
        for _ in 0..=draw(&mut rng, 3) {
            let at = draw(&mut rng, text.len());
            match draw(&mut rng, 3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, alphabet[draw(&mut rng, alphabet.len())]),
                _ => text[at] = alphabet[draw(&mut rng, alphabet.len())],
            }
        }
        let text: String = text.into_iter().collect();
        let readable = serde_json::from_str::<Value>(&text).ok();
        match (canonicalize(text.as_bytes(), Bounds::TOOLS), readable) {
            (Ok(canonical), Some(value)) => {
                assert_eq!(canonical, serde_json_canonicalizer::to_vec(&value).unwrap(), "{text}");
                taken += 1;
            }
            (Err(_), None) => refused += 1,
            (Err(refusal), Some(_)) => assert_eq!(refusal.flaw, Flaw::RepeatedName, "{text}"),
            (Ok(_), None) => panic!("taken, but another reader refuses it: {text}"),
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} {refused}");
}

fn draw(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(u64::try_from(bound).unwrap())).unwrap()
}

/// A short name of letters that are easy to bring into the wrong order.
fn name(rng: &mut Rng) -> String {
    const LETTERS: [char; 16] = [
        '\0',
        '\n',
        '"',
        '\\',
        '1',
        'B',
        'a',
        '\u{7f}',
        'é',
        '\u{301}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{ffff}',
        '\u{10000}',
        '😀',
        '\u{10ffff}',
    ];
    (0..draw(rng, 4)).map(|_| LETTERS[draw(rng, LETTERS.len())]).collect()
}

fn value(rng: &mut Rng, depth: usize) -> Value {
    match draw(rng, if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => Value::Bool(draw(rng, 2) == 0),
        2 => Value::from(name(rng)),
        3 => Value::from(f64::from_bits(rng.next_u64())),
        4 => Value::from(rng.next_u64() >> draw(rng, 64)),
        5 => (0..draw(rng, 5)).map(|_| value(rng, depth - 1)).collect(),
        _ => Value::Object(
            (0..draw(rng, 5)).map(|_| (name(rng), value(rng, depth - 1))).collect::<Map<_, _>>(),
        ),
    }
}

/// One of the many ways to write a value.
fn written(rng: &mut Rng, value: &Value) -> String {
    let text = match value {
        Value::String(text) => string(rng, text),
        Value::Number(number) if draw(rng, 2) == 0 => format!("{:e}", number.as_f64().unwrap()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| written(rng, item)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let mut pairs: Vec<String> =
                members.iter().map(|(name, value)| string(rng, name) + ":" + &written(rng, value)).collect();
            pairs.reverse();
            format!("{{{}}}", pairs.join(","))
        }
        other => other.to_string(),
    };
    let space = ["", "", " ", "\n\t", "\r\n"][draw(rng, 5)];
    format!("{space}{text}{space}")
}

fn string(rng: &mut Rng, text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if draw(rng, 3) == 0 {
            quoted.extend(letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")));
        } else {
            let shown = Value::from(letter.to_string()).to_string();
            quoted.push_str(&shown[1..shown.len() - 1]);
        }
    }
    quoted + "\""
}

/// Equal, where numbers are doubles and zero has no sign.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}
