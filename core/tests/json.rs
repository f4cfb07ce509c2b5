//! The strict look at JSON messages.

use peermesh_core::config::Limits;
use peermesh_core::rng::Rng;
use peermesh_core::wire::json::{Flaw, check};

fn flaw(text: &str) -> Option<Flaw> {
    check(text, &Limits::default()).err().map(|fault| fault.flaw)
}

#[track_caller]
fn refused(text: &str, wanted: Flaw) {
    let got = flaw(text);
    assert_eq!(got, Some(wanted), "{text}");
}

#[test]
fn an_ordinary_message_passes() {
    let message = r#" {"type":"send","id":"a","tags":["x","y"],"n":-12,"f":1.5e-3,"none":null,"yes":true,
        "no":false,"empty":{},"list":[],"deep":{"a":[{"b":[]}]},
        "text":"\u00e9\ud83d\ude00 \"\\\/\b\f\n\r\t é😀"} "#;
    assert_eq!(check(message, &Limits::default()), Ok(()));
    assert_eq!(flaw("{}"), None);
}

#[test]
fn what_is_no_object_is_refused() {
    for text in ["", " ", "[]", "null", "1", "\"a\"", "\u{feff}{}", "x{}"] {
        refused(text, Flaw::NoObject);
    }
}

#[test]
fn f_frm_06_text_after_the_object_is_refused() {
    for text in ["{}{}", "{} x", "{},", "{}}", "{}\0"] {
        refused(text, Flaw::Trailing);
    }
}

#[test]
fn a_fault_says_what_is_wrong_and_where() {
    let fault = check(r#"{"a":1,"a":2}"#, &Limits::default()).unwrap_err();
    assert_eq!(fault.to_string(), "repeated key at byte 8");
}

#[test]
fn text_that_is_not_json_is_refused() {
    for text in [
        "{a:1}",
        "{'a':1}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[,1]}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":.5}"#,
        r#"{"a":1.}"#,
        r#"{"a":1e}"#,
        r#"{"a":- 1}"#,
        r#"{"a":0x1}"#,
        r#"{"a":NaN}"#,
        r#"{"a":Infinity}"#,
        r#"{"a":tru}"#,
        r#"{"a":nul}"#,
        r#"{"a":1]}"#,
        r#"{"a":[1}}"#,
        r#"{"a" 1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":1}/*x*/"#,
        r#"{"a":[1 2]}"#,
        r#"{1:2}"#,
    ] {
        let got = flaw(text);
        assert!(matches!(got, Some(Flaw::Syntax | Flaw::Trailing)), "{text}: {got:?}");
    }
    refused(r#"{"a":"\x"}"#, Flaw::Escape);
    refused(r#"{"a":"\u12g4"}"#, Flaw::Escape);
    refused("{\"a\":\"tab\there and a long tail\"}", Flaw::Control);
}

#[test]
fn every_beginning_of_a_message_is_unfinished() {
    let message = r#"{"a":[1,{"b":"\ud83d\ude00"},-2.5e+3],"c":null,"long":"0123456789abcdef"}"#;
    for end in 1..message.len() {
        let got = flaw(&message[..end]);
        // A number may end anywhere and a word is judged as a whole; everything else says that more is
        // needed.
        let expected = [Some(Flaw::Truncated), Some(Flaw::Syntax), Some(Flaw::Surrogate)];
        assert!(expected.contains(&got), "{}: {got:?}", &message[..end]);
    }
}

#[test]
fn f_jsn_01_depth_is_bounded_without_recursion() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(flaw(&nested(16)), None);
    refused(&nested(17), Flaw::Depth);
    refused(&"{\"a\":".repeat(1_000_000), Flaw::Depth);
    let mut limits = Limits::default();
    limits.set("json_depth_max", 128).unwrap();
    assert_eq!(check(&nested(128), &limits), Ok(()));
    assert!(check(&nested(129), &limits).is_err());
}

#[test]
fn f_jsn_01_objects_arrays_keys_and_numbers_are_bounded() {
    let object = |keys: usize| {
        let pairs: Vec<String> = (0..keys).map(|key| format!("\"k{key}\":0")).collect();
        format!("{{{}}}", pairs.join(","))
    };
    assert_eq!(flaw(&object(128)), None);
    refused(&object(129), Flaw::Keys);
    let array = |items: usize| format!("{{\"a\":[{}]}}", vec!["0"; items].join(","));
    assert_eq!(flaw(&array(4_096)), None);
    refused(&array(4_097), Flaw::Items);
    assert_eq!(flaw(&format!("{{\"{}\":0}}", "k".repeat(128))), None);
    refused(&format!("{{\"{}\":0}}", "k".repeat(129)), Flaw::LongKey);
    assert_eq!(flaw(r#"{"a":1.000000000000000001}"#), None);
    refused(r#"{"a":1.0000000000000000001}"#, Flaw::LongNumber);
    refused(&format!("{{\"a\":{}}}", "9".repeat(10_000)), Flaw::LongNumber);
}

#[test]
fn f_jsn_02_a_repeated_key_is_refused_in_its_own_object_only() {
    refused(r#"{"a":1,"b":2,"a":3}"#, Flaw::RepeatedKey);
    refused(r#"{"x":{"a":1,"a":1}}"#, Flaw::RepeatedKey);
    refused(r#"{"x":[{"y":0},{"":1,"":1}]}"#, Flaw::RepeatedKey);
    assert_eq!(flaw(r#"{"a":{"a":{"a":1},"b":1},"b":{"a":1},"c":[{"a":1},{"a":1}]}"#), None);
    refused(r#"{"a":{"b":1,"c":2},"d":0,"a":1}"#, Flaw::RepeatedKey);
    assert_eq!(flaw(r#"{"ab":1,"aB":1,"a":1,"b":1}"#), None);
}

#[test]
fn f_jsn_02_keys_that_differ_by_escapes_only_are_the_same() {
    refused(r#"{"type":1,"t\u0079pe":2}"#, Flaw::RepeatedKey);
    refused(r#"{"a\/b":1,"a/b":2}"#, Flaw::RepeatedKey);
    refused(r#"{"\ud83d\ude00":1,"😀":2}"#, Flaw::RepeatedKey);
    assert_eq!(flaw(r#"{"\u0041":1,"\u0061":2,"\"":3,"\\":4}"#), None);
}

#[test]
fn f_jsn_02_repeated_keys_are_found_among_many() {
    let pairs = |names: &[String]| {
        let pairs: Vec<String> = names.iter().map(|name| format!("\"{name}\":0")).collect();
        format!("{{\"outer\":{{{}}},\"after\":0}}", pairs.join(","))
    };
    let mut names: Vec<String> = (0..100).map(|key| format!("key{key}")).collect();
    assert_eq!(flaw(&pairs(&names)), None);
    names[90] = "key\\u0037".to_owned();
    let fault = check(&pairs(&names), &Limits::default()).unwrap_err();
    assert_eq!((fault.flaw, &pairs(&names)[fault.at..fault.at + 9]), (Flaw::RepeatedKey, "key\\u0037"));
}

#[test]
fn f_jsn_02_names_of_a_language_are_plain_keys() {
    assert_eq!(flaw(r#"{"__proto__":{"a":1},"constructor":1,"toString":2}"#), None);
}

#[test]
fn f_jsn_03_integers_stay_where_all_readers_agree() {
    assert_eq!(flaw(r#"{"a":9007199254740991,"b":-9007199254740991,"c":0}"#), None);
    for number in
        ["9007199254740992", "-9007199254740992", "9223372036854775808", "99999999999999999999", "-0"]
    {
        refused(&format!("{{\"a\":{number}}}"), Flaw::Range);
    }
    refused(r#"{"a":1e400}"#, Flaw::Range);
    refused(r#"{"a":-1e400}"#, Flaw::Range);
    assert_eq!(flaw(r#"{"a":1e300,"b":1E-400}"#), None);
}

#[test]
fn f_jsn_03_lone_surrogates_and_nul_are_refused() {
    for text in [r"\ud800", r"\udc00", r"\ud83d\u0041", r"\ud83dx", r"\ude00\ud83d", r"\ud83d\ud83d\ude00"] {
        refused(&format!("{{\"a\":\"{text}\"}}"), Flaw::Surrogate);
    }
    refused(r#"{"a":"x\u0000y"}"#, Flaw::Control);
    refused("{\"a\":\"x\0y\"}", Flaw::Control);
    refused(r#"{"\u0000":1}"#, Flaw::Control);
}

/// Whatever passes can be read, and what serde refuses for its grammar never passes.
#[test]
fn the_look_and_the_reader_agree_on_mangled_messages() {
    let seed =
        r#"{"type":"send","id":"a-\u00e9","tags":["x",{"y":[1,2.5,-3e2]}],"n":-12,"deep":{"a":[null,true]}}"#;
    let alphabet: Vec<char> = "{}[]\",:\\u0019-+.eE trufalsn\té".chars().collect();
    let mut rng = Rng::from_seed([3; 32]);
    let mut pick = |bound: usize| usize::try_from(rng.below(u64::try_from(bound).unwrap())).unwrap();
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut text: Vec<char> = seed.chars().collect();
        for _ in 0..=pick(3) {
            let at = pick(text.len());
            match pick(3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, alphabet[pick(alphabet.len())]),
                _ => text[at] = alphabet[pick(alphabet.len())],
            }
        }
        let text: String = text.into_iter().collect();
        let readable = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok();
        let got = flaw(&text);
        match got {
            None => {
                assert!(readable, "passed, but cannot be read: {text}");
                passed += 1;
            }
            Some(Flaw::RepeatedKey | Flaw::Range | Flaw::LongNumber | Flaw::Control) => (),
            Some(flaw) => {
                assert!(!readable, "{flaw:?}, but can be read: {text}");
                refused += 1;
            }
        }
    }
    assert!(passed > 1_000 && refused > 1_000, "{passed} {refused}");
}
