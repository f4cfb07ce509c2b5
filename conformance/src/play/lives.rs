//! Watchers of live topics, and those who publish.

use peermesh_core::machine::Listener;
use serde_json::{Value, json};

use crate::driver::{Fed, LIVE_SECRET};
use crate::jwt;
use crate::play::Player;
use crate::play::line::Line;
use crate::play::town::Town;
use crate::play::web::request;
use crate::play::world::check;
use crate::story::act::{Exchange, Peer};
use crate::story::given::Given;
use crate::story::names::Place;
use crate::story::{Said, Told};

impl Player {
    /// Connects as a watcher.
    pub(crate) fn watch(
        &mut self,
        peer: &Peer,
        path: &str,
        headers: &[(String, Given)],
        wanted: u16,
    ) -> Told<()> {
        self.make_way(peer)?;
        let line = self.stage.dial(Listener::Live, None)?;
        self.lines.insert(peer.clone(), Line::new(line));
        let headers = self.filled(headers)?;
        let (line, stage) = self.line_on_stage(peer)?;
        line.ask(path, &headers, stage);
        self.await_upgrade(peer, wanted)
    }

    /// Asks for a topic as a stream of events.
    pub(crate) fn stream(&mut self, peer: &Peer, target: &str, headers: &[(String, Given)]) -> Told<()> {
        self.make_way(peer)?;
        let line = self.stage.dial(Listener::Live, None)?;
        self.lines.insert(peer.clone(), Line::new(line));
        let headers = self.filled(headers)?;
        let target = self.names.fill(target, Place::Plain)?;
        self.stage.write(line, &request("GET", &target, &headers, None));
        let begun = self.until(self.stage.patience_ms(), |player| {
            let line = player.lines.get_mut(peer)?;
            let end = line.raw.windows(4).position(|four| four == b"\r\n\r\n")?;
            let head: Vec<u8> = line.raw.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let is_stream = head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream");
            line.events_only = is_stream;
            Some(if is_stream { Ok(()) } else { Err(Said(format!("no stream: {head}"))) })
        })?;
        begun.ok_or_else(|| "no answer".into())
    }

    /// One request to the port of live topics.
    pub(crate) fn exchange_live(&mut self, exchange: &Exchange) -> Told<()> {
        let mut headers = self.filled(&exchange.headers)?;
        if headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("authorization")) {
            headers.push(("Authorization".to_owned(), format!("Bearer {LIVE_SECRET}")));
        }
        headers.retain(|(name, value)| !(name.eq_ignore_ascii_case("authorization") && value.is_empty()));
        let body = self.body(&exchange.body)?;
        let target = self.names.fill(&exchange.target, Place::Plain)?;
        let bytes = request(&exchange.method, &target, &headers, body.as_deref());
        let response = self.ask_at(Listener::Live, &bytes)?;
        check(exchange, &response, &mut self.names)
            .map_err(|Said(said)| Said(format!("{said}; {}", response.shown())))
    }

    /// Another program writes for a live topic.
    pub(crate) fn feed(&mut self, row: &str) -> Told<()> {
        let row = self.fed(row)?;
        self.stage.feed(row)
    }

    pub(crate) fn fed(&self, row: &str) -> Told<Fed> {
        let text = self.names.fill(row, Place::Json)?;
        serde_json::from_str(&text).map_err(|error| format!("{text}: {error}").into())
    }

    /// Signs a token.
    pub(crate) fn make_token(&mut self, name: &str, user: &str, millis: u64, rights: &str) -> Told<()> {
        let rights: Value = serde_json::from_str(rights).map_err(|error| format!("{rights}: {error}"))?;
        let now = self.stage.wall();
        let lasting = i64::try_from(millis).map_err(|_| "that is too long")?;
        // Fractions are allowed, and stories are short.
        let seconds = |at: i64| serde_json::Number::from_f64(to_seconds(at));
        let claims =
            json!({ "sub": user, "iat": seconds(now), "exp": seconds(now + lasting), "live": rights });
        self.names.set(name, jwt::signed(LIVE_SECRET, &claims.to_string()));
        Ok(())
    }

    fn filled(&self, headers: &[(String, Given)]) -> Told<Vec<(String, String)>> {
        let fill = |(name, value): &(String, Given)| Ok((name.clone(), value.text(&self.names)?));
        headers.iter().map(fill).collect()
    }
}

impl Town {
    /// A token of that user with these rights, which lasts an hour.
    ///
    /// # Errors
    /// When the rights are no JSON.
    pub fn token(&mut self, user: &str, rights: &str) -> Told<String> {
        self.player.make_token("a token", user, HOUR_MS, rights)?;
        let token = self.player.names.find("a token");
        Ok(token.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Opens a connection to live topics with this token.
    ///
    /// # Errors
    /// When the peer has a connection, or there is no upgrade.
    pub fn watch_with(&mut self, peer: &Peer, token: &str) -> Told<()> {
        self.player.watch(peer, "/", &bearer(token), 101)
    }

    /// Asks for a topic as a stream of events.
    ///
    /// # Errors
    /// When there is none.
    pub fn stream(&mut self, peer: &Peer, target: &str, token: &str) -> Told<()> {
        self.player.stream(peer, target, &bearer(token))
    }

    /// Another program writes for a live topic.
    ///
    /// # Errors
    /// When there is no feed on this stage.
    pub fn feed(&mut self, row: Fed) -> Told<()> {
        self.player.stage.feed(row)
    }

    /// An operator's request to the port of live topics, and the JSON of its answer.
    ///
    /// # Errors
    /// When it is not answered 200 with JSON.
    pub fn ask_live(&mut self, method: &str, target: &str, body: &Value) -> Told<Value> {
        let headers = [("Authorization".to_owned(), format!("Bearer {LIVE_SECRET}"))];
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        let bytes = request(method, target, &headers, body.as_deref());
        let response = self.player.ask_at(Listener::Live, &bytes)?;
        let answer = serde_json::from_slice(&response.body).ok().filter(|_| response.status == 200);
        answer.ok_or_else(|| Said(format!("{method} {target}: {}", response.shown())))
    }
}

fn bearer(token: &str) -> [(String, Given); 1] {
    [("Authorization".to_owned(), Given::Quoted(format!("Bearer {token}")))]
}

const HOUR_MS: u64 = 3_600_000;

/// Unix milliseconds as seconds with a fraction.
fn to_seconds(millis: i64) -> f64 {
    let whole = i32::try_from(millis.div_euclid(1_000)).unwrap_or(i32::MAX);
    let rest = i16::try_from(millis.rem_euclid(1_000)).unwrap_or(0);
    f64::from(whole) + f64::from(rest) / 1_000.0
}
