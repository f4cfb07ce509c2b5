//! Variables of the environment, as commands take them.
//!
//! *Always holds:* an empty variable counts as unset, and one that cannot be used is refused by its name.

use std::env::{self, VarError};

use clap::ValueEnum;
use peermesh_core::config::ConfigError;

/// Those that name a path.
const PATHS: [&str; 8] = [
    "PEERMESH_DATA",
    "PEERMESH_CONFIG",
    "PEERMESH_KEY_FILE",
    "PEERMESH_CA_FILE",
    "PEERMESH_RECORD",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "HOME",
];

/// A variable of the environment; one that is not UTF-8 is read as far as it is, and then refused by its
/// parser. Any text is a path, so those are looked at before: [`check_paths`].
pub(crate) fn read(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Makes sure that every path which a variable names can be read as text: one that cannot would become
/// another path.
///
/// # Errors
/// Names the first that cannot.
pub(crate) fn check_paths() -> Result<(), ConfigError> {
    let wanted = "a path in UTF-8; name another, or unset it";
    PATHS.iter().try_for_each(|&name| match env::var(name) {
        Err(VarError::NotUnicode(path)) => Err(ConfigError::new(name, path.display(), wanted)),
        Ok(_) | Err(VarError::NotPresent) => Ok(()),
    })
}

/// What the flag says, else what the variable says, else the default.
///
/// # Errors
/// When the variable says something else than the words that the flag takes.
pub(crate) fn choose<T: ValueEnum + Default>(
    flag: Option<T>,
    name: &'static str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<T, ConfigError> {
    if let Some(chosen) = flag {
        return Ok(chosen);
    }
    let Some(word) = env(name).filter(|word| !word.is_empty()) else { return Ok(T::default()) };
    T::from_str(&word, false).map_err(|_| {
        let known = T::value_variants().iter().filter_map(T::to_possible_value);
        let words: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
        ConfigError::new(name, word, format!("one of {}", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::via::Via;

    #[test]
    fn a_flag_comes_before_its_variable_and_an_empty_variable_is_none() {
        let via = |flag, word: &'static str| choose::<Via>(flag, "PEERMESH_VIA", &|_| Some(word.to_owned()));
        assert_eq!(via(Some(Via::Daemon), "broker"), Ok(Via::Daemon));
        assert_eq!(via(None, "broker"), Ok(Via::Broker));
        assert_eq!(via(None, ""), Ok(Via::Auto));
        assert_eq!(choose::<Via>(None, "PEERMESH_VIA", &|_| None), Ok(Via::Auto));
        assert_eq!(via(Some(Via::Daemon), "Broker"), Ok(Via::Daemon), "what is not used is not looked at");
        let error = via(None, "Broker").unwrap_err().to_string();
        assert_eq!(error, "PEERMESH_VIA: Broker is not one of auto, daemon, broker");
    }
}
