//! A secret that can be replaced while it is in use: the former stays good for a while, so that whoever has
//! just read it is not turned away.
//!
//! *Always holds:* what is shown is compared without an early end, with both secrets.

use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::config::Secret;
use crate::time::Mono;

/// The secret that is good, and for a while the one before.
#[derive(Debug)]
pub struct Bearer {
    current: Secret,
    former: Option<(Secret, Mono)>,
}

impl Bearer {
    /// How long a secret is good after it was replaced.
    pub const GRACE: Duration = Duration::from_secs(60);

    /// The only good secret.
    pub fn new(secret: Secret) -> Bearer {
        Bearer { current: secret, former: None }
    }

    /// Puts another secret in the place of the current one, which stays good for [`Bearer::GRACE`]. One that
    /// was replaced before that is good no more.
    pub fn replace(&mut self, now: Mono, fresh: Secret) {
        if is_equal(&self.current, fresh.expose()) {
            return;
        }
        let former = std::mem::replace(&mut self.current, fresh);
        self.former = Some((former, now.after(Bearer::GRACE)));
    }

    /// True when this is what must be shown.
    pub fn is_good(&self, now: Mono, shown: &[u8]) -> bool {
        let former = self.former.as_ref().filter(|(_, until)| now < *until);
        is_equal(&self.current, shown) | former.is_some_and(|(secret, _)| is_equal(secret, shown))
    }
}

fn is_equal(secret: &Secret, shown: &[u8]) -> bool {
    !shown.is_empty() && bool::from(secret.expose().ct_eq(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::START.after(Duration::from_secs(secs))
    }

    #[test]
    fn a_replaced_secret_is_good_for_a_minute_and_no_longer() {
        let mut bearer = Bearer::new(Secret::new(*b"first"));
        assert!(bearer.is_good(at(0), b"first") && !bearer.is_good(at(0), b"second"));
        bearer.replace(at(10), Secret::new(*b"second"));
        for (secs, first) in [(10, true), (69, true), (70, false), (1_000, false)] {
            assert_eq!(bearer.is_good(at(secs), b"first"), first, "after {secs} s");
            assert!(bearer.is_good(at(secs), b"second"));
        }
    }

    #[test]
    fn of_two_that_were_replaced_only_the_later_is_good() {
        let mut bearer = Bearer::new(Secret::new(*b"first"));
        bearer.replace(at(0), Secret::new(*b"second"));
        bearer.replace(at(1), Secret::new(*b"third"));
        let good = |shown: &[u8]| bearer.is_good(at(2), shown);
        assert!(!good(b"first") && good(b"second") && good(b"third"));
    }

    #[test]
    fn a_secret_that_replaces_itself_shortens_no_grace() {
        let mut bearer = Bearer::new(Secret::new(*b"first"));
        bearer.replace(at(0), Secret::new(*b"second"));
        bearer.replace(at(1), Secret::new(*b"second"));
        assert!(bearer.is_good(at(2), b"first"));
    }

    #[test]
    fn nothing_is_never_good() {
        let bearer = Bearer::new(Secret::new(*b""));
        assert!(!bearer.is_good(at(0), b""));
    }
}
