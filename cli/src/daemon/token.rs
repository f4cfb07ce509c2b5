//! The token that programs show which come by TCP: 32 random bytes in base64url, in a file of ours.

use data_encoding::BASE64URL_NOPAD;

use super::place::Place;
use crate::home::{self, HomeError};

/// The token of that place; made on first use.
pub(crate) fn make(place: &Place) -> Result<String, HomeError> {
    let path = place.token_path();
    if !home::exists(&path)? {
        // Another process that starts at the same time may be first; its token is as good.
        home::publish_first(&path, mint()?.1.as_slice())?;
    }
    home::read_token(&path)
}

/// Puts a fresh token in the place of whatever is there, and says it.
pub(crate) fn rotate(place: &Place) -> Result<String, HomeError> {
    let (token, line) = mint()?;
    home::replace(&place.token_path(), &line)?;
    Ok(token)
}

fn mint() -> Result<(String, Vec<u8>), HomeError> {
    let token = BASE64URL_NOPAD.encode(&home::random::<32>()?);
    let line = format!("{token}\n").into_bytes();
    Ok((token, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::{Home, mode_of};

    #[test]
    fn s_loc_01_the_token_is_made_once_replaced_on_demand_and_only_we_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        let place = Place::prepare(&home).unwrap();
        let first = make(&place).unwrap();
        assert_eq!((first.len(), make(&place).unwrap()), (43, first.clone()));
        let second = rotate(&place).unwrap();
        assert_ne!(second, first);
        assert_eq!(make(&place).unwrap(), second);
        assert_eq!(mode_of(&place.token_path()).unwrap(), 0o600);
        assert_eq!(mode_of(place.dir()).unwrap(), 0o700);
    }
}
