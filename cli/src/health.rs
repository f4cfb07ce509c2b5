//! `health`: asks a broker how it is.

use serde_json::Value;

use crate::address::Address;
use crate::failure::Failure;
use crate::home::Home;
use crate::http::{self, Question};
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
    )?;
    let said = match answer.json() {
        Value::Null => Value::from(String::from_utf8_lossy(&answer.body).into_owned()),
        said => said,
    };
    terminal.result(&said, [said.to_string().as_str()])?;
    if answer.status == 200 { Ok(()) } else { Err(Failure::Unhealthy { status: answer.status }) }
}
