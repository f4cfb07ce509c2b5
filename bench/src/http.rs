//! Setting up a mesh over HTTP: the same requests for a broker in memory and one on loopback.

use serde_json::{Value, json};

use crate::peer::{Identity, key_of};

/// What a broker under measurement takes as its admin token.
pub const ADMIN_TOKEN: &str = "the-admin-token-of-the-bench";
/// Until when invites last: the year 2100, in Unix seconds.
const FAR: i64 = 4_102_444_800;

/// Something that answers HTTP requests, one a connection.
pub trait Ask {
    /// Why there is no answer.
    type Error;

    /// Takes a whole request and gives the whole answer.
    ///
    /// # Errors
    /// When there is none.
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Self::Error>;
}

/// Why a mesh could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError<E> {
    /// The broker cannot be asked.
    #[error(transparent)]
    Ask(E),
    /// The broker refused, or said something else than expected.
    #[error("{what}: the broker answered {answer}")]
    Answer {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        answer: String,
    },
}

/// Makes a mesh and enrols that many members, whose keys follow from `first` and their places.
///
/// # Errors
/// [`SetUpError`] at the first request that fails.
pub fn found_mesh<A: Ask>(
    broker: &mut A,
    name: &str,
    first: u64,
    members: u64,
) -> Result<Vec<Identity>, SetUpError<A::Error>> {
    found_mesh_as(broker, ADMIN_TOKEN, name, first, members)
}

/// The same with another admin token.
///
/// # Errors
/// [`SetUpError`] at the first request that fails.
pub fn found_mesh_as<A: Ask>(
    broker: &mut A,
    token: &str,
    name: &str,
    first: u64,
    members: u64,
) -> Result<Vec<Identity>, SetUpError<A::Error>> {
    let mut post = |what, target: &str, said: &Value| post(broker, token, what, target, said);
    let mesh = post("mesh", "/admin/meshes", &json!({ "name": name, "slug": name }))?;
    let mesh_id = text(&mesh, "mesh_id", "mesh")?;
    let body = json!({ "uses": members, "expires_at": FAR });
    let invite = post("invite", &format!("/admin/meshes/{name}/invites"), &body)?;
    (first..first + members)
        .map(|place| {
            let key = key_of(place);
            let body = json!({
                "invite_token": invite["invite_token"],
                "invite_payload": invite["invite_payload"],
                "peer_pubkey": crate::peer::hex(key.verifying_key().as_bytes()),
                "display_name": format!("peer-{place}"),
            });
            let joined = post("join", "/join", &body)?;
            Ok(Identity::new(mesh_id.clone(), text(&joined, "memberId", "join")?, place))
        })
        .collect()
}

/// A request that is answered and then over.
pub fn request(method: &str, target: &str, body: Option<&Value>) -> Vec<u8> {
    request_as(ADMIN_TOKEN, method, target, body)
}

fn request_as(token: &str, method: &str, target: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The body of a whole answer.
pub fn body(answer: &[u8]) -> &[u8] {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    &answer[head..]
}

fn post<A: Ask>(
    broker: &mut A,
    token: &str,
    what: &'static str,
    target: &str,
    said: &Value,
) -> Result<Value, SetUpError<A::Error>> {
    let answer = broker.ask(&request_as(token, "POST", target, Some(said))).map_err(SetUpError::Ask)?;
    let status = answer.get(9..12).unwrap_or_default();
    if !status.starts_with(b"2") {
        return Err(SetUpError::Answer { what, answer: String::from_utf8_lossy(&answer).into_owned() });
    }
    Ok(serde_json::from_slice(body(&answer)).unwrap_or_default())
}

fn text<E>(answer: &Value, field: &str, what: &'static str) -> Result<String, SetUpError<E>> {
    let found = answer.get(field).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| SetUpError::Answer { what, answer: answer.to_string() })
}
