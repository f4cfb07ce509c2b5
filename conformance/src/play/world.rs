//! Steps that are nobody's in particular: meshes, HTTP, metrics, logs.

use peermesh_core::machine::Listener;
use serde_json::{Value, json};

use crate::driver::ADMIN_TOKEN;
use crate::keys;
use crate::play::web::{Response, request};
use crate::play::{Player, record};
use crate::story::act::{Exchange, Expected};
use crate::story::given::Data;
use crate::story::names::{Names, Place};
use crate::story::pattern::Pattern;
use crate::story::{Said, Told};

/// Unix seconds at which invites of stories end: the year 2100.
const INVITE_EXPIRES_AT: u64 = 4_102_444_800;

impl Player {
    /// Makes a mesh and enrols its members, as an operator and their programs do.
    pub(crate) fn make_mesh(&mut self, name: &str, members: &[(String, String)]) -> Told<()> {
        let made = self.admin("/admin/meshes", &json!({"name": name, "slug": name}), 201)?;
        self.names.set(format!("{name}.id"), made["mesh_id"].clone());
        self.names.set(format!("{name}.slug"), made["slug"].clone());
        if self.names.find("mesh").is_none() {
            self.names.set("mesh", made["mesh_id"].clone());
        }
        members.iter().try_for_each(|(member, role)| self.join(member, name, role))
    }

    /// Enrols somebody with an invite of its own.
    pub(crate) fn join(&mut self, member: &str, mesh: &str, role: &str) -> Told<()> {
        let id = self.names.find(&format!("{mesh}.id")).ok_or_else(|| format!("there is no mesh {mesh}"))?;
        let wish = json!({"uses": 1, "role": role, "expires_at": INVITE_EXPIRES_AT});
        let invite = self.admin(&format!("/admin/meshes/{mesh}/invites"), &wish, 201)?;
        let joining = json!({
            "invite_token": invite["invite_token"],
            "invite_payload": invite["invite_payload"],
            "peer_pubkey": keys::public(member),
            "display_name": member,
        });
        let joined = self.admin("/join", &joining, 200)?;
        self.names.set(format!("{member}.member"), joined["memberId"].clone());
        self.names.set(format!("{member}.mesh"), id);
        Ok(())
    }

    fn admin(&mut self, target: &str, body: &Value, wanted: u16) -> Told<Value> {
        let token = [("Authorization".to_owned(), format!("Bearer {ADMIN_TOKEN}"))];
        let bytes = request("POST", target, &token, Some(body.to_string().as_bytes()));
        let response = self.ask(&bytes)?;
        let value = serde_json::from_slice(&response.body).ok().filter(|_| response.status == wanted);
        value.ok_or_else(|| Said(format!("POST {target}: wanted {wanted} and JSON, {}", response.shown())))
    }

    pub(crate) fn exchange(&mut self, exchange: &Exchange) -> Told<()> {
        let names = &self.names;
        let mut headers = Vec::new();
        for (name, value) in &exchange.headers {
            headers.push((name.clone(), value.text(names)?));
        }
        let body = self.body(&exchange.body)?;
        let target = names.fill(&exchange.target, Place::Plain)?;
        let bytes = request(&exchange.method, &target, &headers, body.as_deref());
        self.must_answer(exchange, &bytes)
    }

    /// Makes a request whose answer must be the one that is told.
    pub(crate) fn must_answer(&mut self, exchange: &Exchange, bytes: &[u8]) -> Told<()> {
        let response = self.ask(bytes)?;
        check(exchange, &response, &mut self.names)
            .map_err(|Said(said)| Said(format!("{said}; {}", response.shown())))
    }

    /// The same on the runners' port.
    pub(crate) fn exchange_with_runners(&mut self, exchange: &Exchange) -> Told<()> {
        let headers = self.bearing(&exchange.headers)?;
        let body = self.body(&exchange.body)?;
        let target = self.names.fill(&exchange.target, Place::Plain)?;
        let bytes = request(&exchange.method, &target, &headers, body.as_deref());
        let response = self.ask_at(Listener::Runner, &bytes)?;
        check(exchange, &response, &mut self.names)
            .map_err(|Said(said)| Said(format!("{said}; {}", response.shown())))
    }

    fn ask(&mut self, bytes: &[u8]) -> Told<Response> {
        self.ask_at(Listener::Mesh, bytes)
    }

    /// One request on a stream of its own.
    pub(crate) fn ask_at(&mut self, at: Listener, bytes: &[u8]) -> Told<Response> {
        let line = self.stage.dial(at, None)?;
        self.stage.write(line, bytes);
        let mut arrived = Vec::new();
        let response = self.until(self.stage.patience_ms(), |player| {
            let ended = player.stage.read(line, &mut arrived);
            Some(Response::read(&arrived, ended)?.map(|(response, _)| response))
        });
        self.stage.drop_line(line);
        response?.ok_or_else(|| format!("no response; saw {:?}", String::from_utf8_lossy(&arrived)).into())
    }

    pub(crate) fn exchange_raw(&mut self, sent: &Data, answer: &Data) -> Told<()> {
        let (sent, answer) = (sent.bytes(&self.names)?, answer.bytes(&self.names)?);
        let line = self.stage.dial(Listener::Mesh, None)?;
        self.stage.write(line, &sent);
        let mut arrived = Vec::new();
        let ended = self.until(self.stage.patience_ms(), |player| {
            player.stage.read(line, &mut arrived).then_some(Ok(()))
        });
        self.stage.drop_line(line);
        let shown = String::from_utf8_lossy(&arrived);
        if ended?.is_none() {
            return Err(format!("the stream does not end; saw {shown:?}").into());
        }
        let fits = if answer.is_empty() { arrived.is_empty() } else { arrived.starts_with(&answer) };
        if fits { Ok(()) } else { Err(format!("saw {shown:?}").into()) }
    }

    /// Asks for the metrics page until the series has the value.
    pub(crate) fn see_metric(&mut self, series: &str, value: &str) -> Told<()> {
        let value = self.names.fill(value, Place::Plain)?;
        let series = self.names.fill(series, Place::Plain)?;
        let wanted = format!("{series} {value}");
        let until = self.stage.now() + self.stage.patience_ms();
        loop {
            let page = self.ask(&request("GET", "/metrics", &[], None))?;
            let page = String::from_utf8_lossy(&page.body).into_owned();
            if page.lines().any(|line| line == wanted) {
                return Ok(());
            }
            if self.stage.now() >= until {
                let line =
                    page.lines().find(|line| line.rsplit_once(' ').is_some_and(|(name, _)| name == series));
                return Err(format!("saw {}", line.unwrap_or("no such series")).into());
            }
            // Counters are published every 50 ms unless the story says otherwise.
            self.wait(25)?;
        }
    }

    /// The value of a series.
    pub(crate) fn metric(&mut self, series: &str) -> Told<Option<u64>> {
        let page = self.ask(&request("GET", "/metrics", &[], None))?;
        let page = String::from_utf8_lossy(&page.body).into_owned();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.and_then(|value| value.parse().ok()))
    }

    pub(crate) fn see_log(&mut self, wanted: bool, message: &str, pattern: Option<&Pattern>) -> Told<()> {
        let patience = if wanted { self.stage.patience_ms() } else { 0 };
        let mut last = Said(format!("no record {message:?} was logged"));
        let seen = self.until(patience, |player| {
            for note in player.notes.iter().filter(|note| note.msg == message) {
                let fits = pattern.map_or(Ok(()), |pattern| pattern.holds(&record(note), &mut player.names));
                match fits {
                    Ok(()) => return Some(Ok(())),
                    Err(said) => last = said,
                }
            }
            None
        })?;
        match (seen, wanted) {
            (Some(()), true) | (None, false) => Ok(()),
            (None, true) => Err(last),
            (Some(()), false) => Err("such a record was logged".into()),
        }
    }
}

pub(crate) fn check(exchange: &Exchange, response: &Response, names: &mut Names) -> Told<()> {
    if response.status != exchange.status {
        return Err(format!("wanted {}", exchange.status).into());
    }
    for (name, value) in &exchange.expect_headers {
        let (wanted, seen) = (value.text(names)?, response.header(&name.to_lowercase()));
        if seen != Some(wanted.as_str()) {
            return Err(format!("header {name}: wanted {wanted:?}, saw {seen:?}").into());
        }
    }
    match &exchange.expect {
        Expected::Anything => Ok(()),
        Expected::Json(pattern) => {
            let body = serde_json::from_slice(&response.body).map_err(|error| format!("no JSON: {error}"))?;
            pattern.holds(&body, names)
        }
        Expected::Part(data) => {
            let part = data.text(names)?;
            let has = String::from_utf8_lossy(&response.body).contains(&part);
            if has { Ok(()) } else { Err(format!("wanted a body with {part:?} in it").into()) }
        }
    }
}
