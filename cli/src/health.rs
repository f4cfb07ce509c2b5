//! `health`: asks a broker how it is.

use std::io;

use serde_json::Value;

use crate::address::Address;
use crate::failure::Failure;
use crate::home::Home;
use crate::http::{self, HttpError, Question};
use crate::local;
use crate::terminal::Terminal;

/// Prints what the broker says of itself; a failure unless it says that all is well.
pub(crate) fn run(
    home: Option<&Home>,
    broker: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let address = match broker {
        Some(url) => Address::parse(url)?,
        None => local::find_any(home, env)?,
    };
    let answer = http::ask(
        &address,
        &Question { method: "GET", target: "/health", token: None, body: None, header: None },
    )
    .map_err(absent)?;
    let said = match answer.json() {
        Value::Null => Value::from(String::from_utf8_lossy(&answer.body).into_owned()),
        said => said,
    };
    terminal.result(&said, [said.to_string().as_str()])?;
    if answer.status == 200 { Ok(()) } else { Err(Failure::Unhealthy { status: answer.status }) }
}

/// Whoever asks how a broker is has nothing else to wait for: one that takes the question and is silent is as
/// good as away.
fn absent(error: HttpError) -> HttpError {
    match error {
        HttpError::Silent { address } => {
            let why = "it takes connections and does not answer";
            HttpError::Unreachable { address, error: io::Error::new(io::ErrorKind::TimedOut, why) }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_broker_that_is_silent_is_as_unreachable_as_one_that_is_away() {
        let silent = absent(HttpError::Silent { address: "http://127.0.0.1:1".into() });
        assert_eq!(silent.exit(), Exit::Unreachable, "{silent}");
        assert!(silent.to_string().contains("does not answer"), "{silent}");
    }
}
