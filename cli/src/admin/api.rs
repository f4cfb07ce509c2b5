//! The admin API as this command uses it: where it is, which token it takes, what its refusals mean.

use std::path::Path;

use peermesh_core::config::Secret;
use serde_json::Value;

use super::AdminError;
use crate::address::Address;
use crate::home::{self, Home};
use crate::http::{self, Answer, Question};
use crate::local;

/// A broker and the token that opens its admin API.
#[derive(Debug)]
pub(crate) struct Api {
    address: Address,
    token: Secret,
    /// What the command line said, for whoever types the next command.
    flags: String,
}

/// What the command line says about where the broker is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'a> {
    pub(crate) broker: Option<&'a str>,
    pub(crate) token_file: Option<&'a Path>,
    /// The data directory was named by its flag.
    pub(crate) by_data: bool,
}

impl Api {
    /// Finds broker and token.
    ///
    /// The token of the data directory is only for the broker on it, so an address from the command line
    /// needs a token from there too, unless the data directory stands beside it.
    pub(crate) fn find(
        home: &Home,
        place: Place<'_>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Api, AdminError> {
        let address = match place.broker {
            Some(url) => Address::parse(url)?,
            None => local::find(home, env)?,
        };
        let from_env = env("PEERMESH_ADMIN_TOKEN").filter(|token| !token.is_empty());
        let token = match (place.token_file, from_env) {
            (Some(file), _) => home::read_named_token(file).map_err(AdminError::TokenFile)?,
            (None, Some(token)) => token,
            (None, None) if place.broker.is_none() || place.by_data => home.read_token()?,
            (None, None) => return Err(AdminError::NoToken),
        };
        Ok(Api { address, token: Secret::new(token), flags: flags_of(home, place) })
    }

    /// What a command that is typed next needs after it to come to the same broker.
    pub(super) fn flags(&self) -> &str {
        &self.flags
    }

    /// Asks, and gives the answer of a success.
    pub(super) fn ask(
        &self,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Value, AdminError> {
        self.ask_with(method, target, body, None)
    }

    /// The same with one more header.
    pub(super) fn ask_with(
        &self,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
        header: Option<(&'static str, &str)>,
    ) -> Result<Value, AdminError> {
        let token = String::from_utf8_lossy(self.token.expose());
        let question = Question { method, target, token: Some(&token), body, header };
        let answer = http::ask(&self.address, &question)?;
        judge(&answer, target, &self.address)
    }

    /// Asks for the first page of meshes, only to see whether the token is accepted.
    pub(crate) fn try_token(&self) -> Result<(), AdminError> {
        self.ask("GET", "/admin/meshes", None).map(|_| ())
    }
}

fn flags_of(home: &Home, place: Place<'_>) -> String {
    let broker = place.broker.map(|url| format!(" --broker {}", home::quoted(url)));
    let file = place.token_file.map(|file| home::quoted(&file.display().to_string()));
    let file = file.map(|file| format!(" --admin-token-file {file}"));
    [Some(home.as_flag()), broker, file].into_iter().flatten().collect()
}

/// One text of an answer.
pub(super) fn text<'a>(answer: &'a Value, field: &'static str) -> Result<&'a str, AdminError> {
    answer.get(field).and_then(Value::as_str).ok_or(AdminError::Incomplete { field })
}

/// One list of an answer.
pub(super) fn rows<'a>(answer: &'a Value, field: &'static str) -> Result<&'a [Value], AdminError> {
    answer.get(field).and_then(Value::as_array).map(Vec::as_slice).ok_or(AdminError::Incomplete { field })
}

/// A value as a cell of a table.
pub(super) fn cell(row: &Value, field: &str) -> String {
    match row.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn judge(answer: &Answer, target: &str, address: &Address) -> Result<Value, AdminError> {
    let said = answer.json();
    let text = |field: &str| said.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = || format!("status {}", answer.status);
    // What runners and their callers are told has one text, which is the reason itself.
    let (code, message) = match (text("error"), text("message")) {
        (word, message) if word.is_empty() => (status(), message),
        (word, message) if message.is_empty() => (status(), word),
        both => both,
    };
    match answer.status {
        200..=299 => Ok(said),
        401 => Err(AdminError::BadToken),
        404 if code == "not_found" => {
            let (what, see) = what_was_asked(target);
            Err(AdminError::NotFound { what, message, see })
        }
        // The ports of runners and of watchers answer so, and whatever else is no broker.
        404 if code != "runners_off" => Err(AdminError::NoAdmin { address: address.to_string() }),
        429 | 500.. => Err(AdminError::Busy { code, message }),
        _ => Err(AdminError::Refused { code, message }),
    }
}

/// What a path names, and the command that lists what there is: the mesh, the member in it, or a runner.
fn what_was_asked(target: &str) -> (String, String) {
    if target.starts_with("/admin/runners") {
        return ("such a runner or event".to_owned(), "runners list".to_owned());
    }
    let mut parts = target.trim_start_matches("/admin/meshes/").split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(mesh), Some("members"), Some(member)) => {
            (format!("mesh {mesh} or its member {member}"), format!("member list {mesh}"))
        }
        (mesh, _, _) => (format!("mesh {}", mesh.unwrap_or_default()), "mesh list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        home.prepare().unwrap();
        home.make_token().unwrap();
        (dir, home)
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn the_token_of_the_data_directory_never_goes_to_another_broker() {
        let (_dir, home) = home();
        let place = Place { broker: Some("http://mesh.example"), ..Place::default() };
        assert!(matches!(Api::find(&home, place, &|_| None), Err(AdminError::NoToken)));
        assert!(Api::find(&home, Place { by_data: true, ..place }, &|_| None).is_ok());
        let env = |name: &str| (name == "PEERMESH_ADMIN_TOKEN").then(|| "t".to_owned());
        assert_eq!(Api::find(&home, place, &env).unwrap().token.expose(), b"t");
    }

    #[test]
    fn a_token_file_comes_before_the_variable() {
        let (dir, home) = home();
        let file = dir.path().join("token");
        home::publish(&file, b"from-file\n").unwrap();
        let env = |name: &str| (name == "PEERMESH_ADMIN_TOKEN").then(|| "from-env".to_owned());
        let place = Place { broker: Some("http://127.0.0.1:1"), token_file: Some(&file), by_data: false };
        let api = Api::find(&home, place, &env).unwrap();
        assert_eq!(api.token.expose(), b"from-file");
        let (data, file) = (home.dir().display(), file.display());
        let flags = format!(" --data {data} --broker http://127.0.0.1:1 --admin-token-file {file}");
        assert_eq!(api.flags(), flags, "they lead the next command to the same broker");
    }

    #[test]
    fn statuses_become_exit_codes() {
        let judged = |status, body: &str, target: &str| {
            judge(&answer(status, body), target, &Address::parse("http://x:1").unwrap()).unwrap_err()
        };
        let exit = |status, body: &str| judged(status, body, "/admin/meshes/demo").exit();
        let taken = "{\"error\":\"slug_taken\",\"message\":\"demo exists\"}";
        assert_eq!([exit(401, ""), exit(404, "{}"), exit(409, taken)], [Exit::Refused; 3]);
        assert_eq!([exit(429, "{}"), exit(503, "")], [Exit::Unreachable; 2]);
        let error = judged(409, taken, "/admin/meshes").to_string();
        assert!(error.contains("demo exists (slug_taken)"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_named_with_the_command_that_lists_what_is() {
        let judged = |body: &str, target: &str| {
            let address = Address::parse("http://127.0.0.1:4000").unwrap();
            judge(&answer(404, body), target, &address).unwrap_err().to_string()
        };
        let missing = "{\"error\":\"not_found\",\"message\":\"no such thing\"}";
        for (target, words) in [
            ("/admin/meshes/demo", "mesh demo does not exist (no such thing); see: peermesh mesh list"),
            ("/admin/meshes/demo/members/bob", "its member bob does not exist (no such thing)"),
            ("/admin/meshes/demo/members/bob", "see: peermesh member list demo"),
            ("/admin/runners/r1/dead/1/requeue", "see: peermesh runners list"),
        ] {
            let error = judged(missing, target);
            assert!(error.contains(words), "{error}");
        }
        for (target, body) in [
            ("/admin/meshes", ""),
            ("/admin/meshes", "{\"error\":\"Not found\"}"),
            ("/admin/runners", "not found"),
        ] {
            let error = judged(body, target);
            assert!(error.contains("no admin API at http://127.0.0.1:4000"), "{error}");
        }
    }
}
