//! `health`: asks a broker how it is.

use serde_json::Value;

use crate::address::Address;
use crate::failure::Failure;
use crate::home::Home;
use crate::http::{self, Question};
use crate::terminal::Terminal;

/// Prints what the broker says of itself; a failure unless it says that all is well.
pub(crate) fn run(home: &Home, broker: Option<&str>, terminal: &mut Terminal) -> Result<(), Failure> {
    let address = find(home, broker)?;
    let answer =
        http::ask(&address, &Question { method: "GET", target: "/health", token: None, body: None })?;
    let said = match answer.json() {
        Value::Null => Value::from(String::from_utf8_lossy(&answer.body).into_owned()),
        said => said,
    };
    terminal.result(&said, [said.to_string().as_str()])?;
    if answer.status == 200 { Ok(()) } else { Err(Failure::Unhealthy { status: answer.status }) }
}

/// The broker that was asked for, else the one on the data directory.
pub(crate) fn find(home: &Home, broker: Option<&str>) -> Result<Address, Failure> {
    match broker {
        Some(url) => Ok(Address::parse(url)?),
        None => Ok(home.broker_address()?),
    }
}
