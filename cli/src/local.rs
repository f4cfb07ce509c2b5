//! Where the broker of this machine listens: as it left word on the data directory, else as the settings of
//! this environment have it.

use crate::address::Address;
use crate::config::{ConfigErrors, Flags, Settings};
use crate::home::{Home, HomeError};

/// The broker that left word. Where the settings name a database, which needs no data directory to leave word
/// in, the place where they have a broker listen stands in.
///
/// # Errors
/// [`HomeError::NoBroker`] where there is neither; and what is wrong with the word.
pub(crate) fn find(home: &Home, env: &dyn Fn(&str) -> Option<String>) -> Result<Address, HomeError> {
    let found = home.broker_address();
    if !matches!(found, Err(HomeError::NoBroker { .. } | HomeError::Io { .. })) {
        return found;
    }
    match Settings::read(Some(home), &Flags::default(), env) {
        Ok(settings) if settings.store.is_shared() => Ok(Address::from(settings.reachable())),
        Ok(_) | Err(_) => found,
    }
}

/// The broker that left word, else whoever is where the settings have one listen.
///
/// # Errors
/// When the settings cannot be used.
pub(crate) fn find_any(
    home: Option<&Home>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Address, ConfigErrors> {
    match home.map(Home::broker_address) {
        Some(Ok(address)) => Ok(address),
        Some(Err(_)) | None => {
            let settings = Settings::read(home, &Flags::default(), env)?;
            Ok(Address::from(settings.reachable()))
        }
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;
    use crate::home::BrokerFile;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        home.prepare().unwrap();
        (dir, home)
    }

    fn container(name: &str) -> Option<String> {
        match name {
            "DATABASE_URL" => Some("postgres://mesh@db/mesh".into()),
            "BROKER_PORT" => Some("7911".into()),
            _ => None,
        }
    }

    #[test]
    fn a_broker_that_left_word_is_found_whatever_the_settings_say() {
        let (_dir, home) = home();
        home.announce(&BrokerFile { url: "http://127.0.0.1:7912".into(), pid: 1 }).unwrap();
        assert_eq!(find(&home, &container).unwrap().endpoint(), ("127.0.0.1", 7912));
        assert_eq!(find_any(Some(&home), &container).unwrap().endpoint(), ("127.0.0.1", 7912));
    }

    #[test]
    fn a_broker_without_a_directory_is_found_where_its_settings_have_it_listen() {
        let (_dir, home) = home();
        assert_eq!(find(&home, &container).unwrap().endpoint(), ("127.0.0.1", 7911));
        assert_eq!(find_any(None, &container).unwrap().endpoint(), ("127.0.0.1", 7911));
        assert_eq!(find_any(None, &|_| None).unwrap().endpoint(), ("127.0.0.1", 7900));
    }

    #[test]
    fn on_the_embedded_store_a_broker_that_left_no_word_does_not_run() {
        let (_dir, home) = home();
        let port_only = |name: &str| (name == "BROKER_PORT").then(|| "7911".to_owned());
        assert!(matches!(find(&home, &port_only), Err(HomeError::NoBroker { .. })));
    }
}
