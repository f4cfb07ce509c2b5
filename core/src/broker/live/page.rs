//! The page at the root of live topics' port: one document that loads nothing and speaks only to its broker.
//!
//! *Always holds:* the document is the same for everybody and holds nothing of anybody; its policy names its
//! own style and script by their hashes, so that nothing else of the kind runs in it (WEB-02).

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::wire::http::Response;

const DOCUMENT: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The answer to a request for it.
pub(super) fn page() -> Response {
    let hash = |text: &str| BASE64.encode(&Sha256::digest(text.as_bytes()));
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let document = DOCUMENT.replace("{style}", STYLE).replace("{script}", SCRIPT);
    let headers = vec![
        ("Content-Type", "text/html; charset=utf-8".to_owned()),
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("Referrer-Policy", "no-referrer".to_owned()),
        ("Cache-Control", "no-store".to_owned()),
    ];
    Response { status: 200, headers, body: document.into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_web_02_the_page_makes_text_of_everything_and_its_policy_lets_nothing_else_in() {
        for way_in in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("]
        {
            assert!(!SCRIPT.contains(way_in), "{way_in}");
        }
        let response = page();
        let policy = response.headers.iter().find(|(name, _)| *name == "Content-Security-Policy");
        let policy = &policy.unwrap().1;
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        let document = String::from_utf8(response.body).unwrap();
        assert!(!document.contains("http:") && !document.contains("https://") && !document.contains("src="));
        assert!(document.contains(SCRIPT) && document.contains(STYLE), "the hashes are of what stands there");
        assert!(!SCRIPT.contains("</") && !STYLE.contains('<'), "neither ends its element early");
    }
}
