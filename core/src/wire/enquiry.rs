//! What members ask over HTTP: the target of `GET /v1/…` and the header that says who asks (mesh protocol
//! 1.7).
//!
//! *Decides* forms only. *Does not* check the signature, nor know any mesh: `mesh/enquiry.rs` does.

use super::admin::{BadCall, decode};
use super::http::Request;
use crate::config::Limits;
use crate::ids::PublicKey;

/// A request whose parts have the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enquiry {
    pub credential: Credential,
    pub question: Question,
}

/// Who asks, as the `Authorization` header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub mesh_id: String,
    pub member_id: String,
    pub key: PublicKey,
    /// Unix milliseconds.
    pub timestamp: i64,
    pub signature: [u8; 64],
    /// What the signature must be over.
    pub signed: String,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// What became of the message with this id or prefix.
    Message(String),
    /// Who mentions the asker.
    Mentions {
        /// The `next` of an earlier page.
        after: Option<String>,
        limit: u32,
    },
}

const MESSAGES: &str = "/v1/messages/";
const MENTIONS: &str = "/v1/mentions";
const SCHEME: &str = "peermesh ";
/// Mentions of a page that asks for no number.
const PAGE: u64 = 50;

/// True for paths that members ask.
pub(crate) fn is_route(path: &str) -> bool {
    path == MENTIONS || path.strip_prefix(MESSAGES).is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

/// Reads a request on one of those paths: first who asks, then what.
pub(crate) fn parse(request: &Request, limits: &Limits) -> Result<Enquiry, BadCall> {
    let credential = credential(request).ok_or_else(|| BadCall {
        status: 401,
        code: "bad_authorization",
        message: "Authorization: Peermesh meshId|memberId|pubkey|timestamp|signature is needed".to_owned(),
    })?;
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let question = match path.strip_prefix(MESSAGES) {
        Some(id) => message(id, query)?,
        None => mentions(query, limits)?,
    };
    Ok(Enquiry { credential, question })
}

/// The one header of its name, with five parts of their forms. Nothing in it can hold the sign that parts
/// them, so the signed bytes can be read in one way only.
fn credential(request: &Request) -> Option<Credential> {
    let mut shown = request.headers("authorization");
    let (only, None) = (shown.next()?, shown.next()) else { return None };
    let scheme = only.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))?;
    let parts: Vec<&str> = only[scheme.len()..].trim().split('|').collect();
    let [mesh_id, member_id, key, timestamp, signature] = parts[..] else { return None };
    let signed = format!(
        "peermesh-http|{}|{}|{mesh_id}|{member_id}|{key}|{timestamp}",
        request.method, request.target
    );
    let at: i64 = timestamp.parse().ok()?;
    let signature = data_encoding::HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok()?;
    Some(Credential {
        mesh_id: mesh_id.to_owned(),
        member_id: member_id.to_owned(),
        key: PublicKey::from_hex(key)?,
        timestamp: at,
        signature: signature.try_into().ok()?,
        signed,
    })
}

fn message(id: &str, query: &str) -> Result<Question, BadCall> {
    match query {
        "" => Ok(Question::Message(id.to_owned())),
        _ => Err(bad("no parameter is taken here".to_owned())),
    }
}

fn mentions(query: &str, limits: &Limits) -> Result<Question, BadCall> {
    let max = limits.page_rows_max();
    let (mut after, mut limit) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = match name {
            "after" => &mut after,
            "limit" => &mut limit,
            _ => return Err(bad("the only parameters are after and limit".to_owned())),
        };
        if place.replace(value).is_some() {
            return Err(bad(format!("{name} stands twice")));
        }
    }
    let limit = match limit {
        None => PAGE.min(max),
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=max).contains(limit))
            .ok_or_else(|| bad(format!("limit: {text:?} is not a whole number from 1 to {max}")))?,
    };
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let after = match after {
        None => None,
        Some(text) => Some(decode(text).ok_or_else(|| bad(format!("after: {text:?} is not encoded well")))?),
    };
    Ok(Question::Mentions { after, limit })
}

fn bad(message: String) -> BadCall {
    BadCall { status: 400, code: "bad_request", message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str, authorization: &[&str]) -> Result<Enquiry, String> {
        let headers = authorization.iter().map(|value| ("authorization".to_owned(), (*value).to_owned()));
        let request = Request {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: headers.collect(),
            body: Vec::new(),
            upgrade: None,
            keeps: false,
        };
        parse(&request, &Limits::default()).map_err(|no| no.message)
    }

    fn shown(mesh: &str, timestamp: &str) -> String {
        format!("Peermesh {mesh}|ann|{}|{timestamp}|{}", "ab".repeat(32), "0A".repeat(64))
    }

    #[test]
    fn the_signed_bytes_name_method_target_and_every_part_of_the_header() {
        let target = "/v1/mentions?limit=7";
        let enquiry = asked(target, &[&shown("m1", "1700")]).unwrap();
        let key = "ab".repeat(32);
        assert_eq!(enquiry.credential.signed, format!("peermesh-http|GET|{target}|m1|ann|{key}|1700"));
        assert_eq!(enquiry.question, Question::Mentions { after: None, limit: 7 });
        assert_eq!((enquiry.credential.timestamp, enquiry.credential.signature), (1_700, [10; 64]));
    }

    #[test]
    fn the_contracts_vector_verifies() {
        let member = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        let signature = "b8bbc2993d6261b2dbba67200f19a1cb2ca361e6abcb661f20b8887996367341\
                         c579dcacf034da5531448556f0920d87d7ec753d9f3dd5bffb673053d611290d";
        let shown = format!("Peermesh mesh-1|mem-1|{member}|1700000000000|{signature}");
        let Credential { key, signature, signed, .. } =
            asked("/v1/mentions?limit=5", &[&shown]).unwrap().credential;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&key.0).unwrap();
        let signature = ed25519_dalek::Signature::from_bytes(&signature);
        assert!(key.verify_strict(signed.as_bytes(), &signature).is_ok());
    }

    #[test]
    fn f_aut_08_a_header_of_another_form_names_nobody() {
        let good = shown("m1", "1700");
        assert!(asked("/v1/mentions", &[&good.replace("Peermesh", "PEERMESH")]).is_ok());
        let bearer = good.replace("Peermesh", "Bearer");
        let (short, long) = (good.replace("|ann", ""), good.replace("|ann", "|ann|bob"));
        let upper = good.replace("ab", "AB");
        for wrong in [&bearer, &short, &long, &upper, &shown("m1", "1.5"), &shown("m1", ""), "Peermesh", ""] {
            let refused = asked("/v1/mentions", &[wrong]).unwrap_err();
            assert!(refused.starts_with("Authorization: Peermesh"), "{wrong}: {refused}");
        }
        assert!(asked("/v1/mentions", &[]).is_err());
        assert!(asked("/v1/mentions", &[&good, &good]).is_err(), "two could be read differently");
    }

    #[test]
    fn f_dos_04_a_page_has_at_most_two_hundred_rows() {
        let page = |query: &str| {
            let asked = asked(&format!("/v1/mentions{query}"), &[&shown("m1", "1")]);
            asked.map(|enquiry| enquiry.question)
        };
        let mentions =
            |after: Option<&str>, limit| Ok(Question::Mentions { after: after.map(str::to_owned), limit });
        assert_eq!(page(""), mentions(None, 50));
        assert_eq!(page("?after=abc&limit=200"), mentions(Some("abc"), 200));
        assert_eq!(page("?after=0f%3aab"), mentions(Some("0f:ab"), 50));
        for (query, named) in [
            ("?limit=201", "limit"),
            ("?after=%zz", "after"),
            ("?limit=0", "limit"),
            ("?limit=", "limit"),
            ("?limit=1&limit=2", "limit stands twice"),
            ("?before=x", "after and limit"),
        ] {
            assert!(page(query).unwrap_err().contains(named), "{query}");
        }
    }

    #[test]
    fn a_message_is_asked_for_by_its_id_alone() {
        let of = |id: &str| asked(&format!("/v1/messages/{id}"), &[&shown("m1", "1")]);
        assert_eq!(of("abcd1234").unwrap().question, Question::Message("abcd1234".to_owned()));
        assert!(of("abcd1234?x=1").is_err());
        assert!(is_route("/v1/messages/x") && is_route("/v1/mentions"));
        assert!(!is_route("/v1/messages/") && !is_route("/v1/messages/a/b") && !is_route("/v1/mentionsx"));
    }
}
