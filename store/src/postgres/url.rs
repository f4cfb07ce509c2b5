//! Takes a database URL apart where the client library's own parser does not know enough.

use super::options::OptionsError;

/// The URL without its query.
pub(super) struct Parts<'a> {
    pub(super) base: &'a str,
    /// Settings behind the question mark, decoded, in their order.
    pub(super) settings: Vec<(String, String)>,
}

/// Splits a URL.
///
/// # Errors
/// [`OptionsError`]; no text of it repeats a part that could belong to a password.
pub(super) fn split(url: &str) -> Result<Parts<'_>, OptionsError> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(OptionsError::Scheme);
    }
    let Some((base, query)) = url.split_once('?') else {
        return Ok(Parts { base: url, settings: Vec::new() });
    };
    // The part before the query ends with its host, so a second part of that form began as a password.
    if query.contains('@') && !base.contains('@') {
        return Err(OptionsError::Malformed);
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let settings = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').ok_or(OptionsError::Malformed)?;
        Ok((name.to_owned(), decode(value).ok_or(OptionsError::Malformed)?))
    });
    Ok(Parts { base, settings: settings.collect::<Result<_, _>>()? })
}

/// Undoes percent-encoding; none for what is not encoded rightly.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes a value for the query of a URL.
pub(super) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/,:".contains(&byte);
    let encoded = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_decoded_and_can_be_encoded_again() {
        let parts =
            split("postgres://ann@db/mesh?sslrootcert=%2Fetc%2Fca%20root.pem&sslmode=require").unwrap();
        assert_eq!(parts.base, "postgres://ann@db/mesh");
        let wanted = [("sslrootcert", "/etc/ca root.pem"), ("sslmode", "require")];
        assert_eq!(parts.settings, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(encode("-c geqo=off"), "-c%20geqo%3Doff");
        assert_eq!(decode(&encode("naïve = 100 %")).as_deref(), Some("naïve = 100 %"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for url in ["mysql://db", "postgres:/db", "db", ""] {
            assert!(matches!(split(url), Err(OptionsError::Scheme)), "{url}");
        }
        for url in [
            "postgres://ann:so?up@db/mesh",
            "postgres://db?sslmode",
            "postgres://db?sslmode=%zz",
            "postgres://db?x=%f",
        ] {
            assert!(matches!(split(url), Err(OptionsError::Malformed)), "{url}");
        }
    }
}
