//! Runners, those who command them, and the event target.

use crate::driver::RUNNER_SECRET;
use crate::driver::target::Delivery;
use crate::play::Player;
use crate::play::line::Line;
use crate::play::web::{Response, request};
use crate::story::act::{Body, Peer, Posting, TargetAct};
use crate::story::given::Given;
use crate::story::names::Place;
use crate::story::pattern::Pattern;
use crate::story::{Said, Told};
use peermesh_core::machine::Listener;

impl Player {
    /// Connects as a runner of that id.
    pub(crate) fn run_as(
        &mut self,
        peer: &Peer,
        id: &str,
        headers: &[(String, Given)],
        wanted: u16,
    ) -> Told<()> {
        self.make_way(peer)?;
        let line = self.stage.dial(Listener::Runner, None)?;
        self.lines.insert(peer.clone(), Line::new(line));
        let headers = self.bearing(headers)?;
        let target = self.names.fill(id, Place::Plain)?;
        let target = if target.starts_with('/') { target } else { format!("/socket?runnerId={target}") };
        let (line, stage) = self.line_on_stage(peer)?;
        line.ask(&target, &headers, stage);
        self.await_upgrade(peer, wanted)
    }

    /// Sends a request to the runners' port, and looks at the answer later.
    pub(crate) fn post(&mut self, peer: &Peer, posting: &Posting) -> Told<()> {
        let body = self.body(&posting.body)?;
        let mut headers = self.bearing(&posting.headers)?;
        if posting.keeps {
            headers.push(("Connection".to_owned(), "keep-alive".to_owned()));
        }
        let target = self.names.fill(&posting.target, Place::Plain)?;
        let has_line = self.lines.get(peer).is_some_and(|line| !line.is_over());
        let line = if posting.keeps && has_line {
            self.line(peer)?.id
        } else {
            self.make_way(peer)?;
            let line = self.stage.dial(Listener::Runner, None)?;
            self.lines.insert(peer.clone(), Line::new(line));
            line
        };
        self.stage.write(line, &request("POST", &target, &headers, body.as_deref()));
        Ok(())
    }

    /// The answer to a request sent before.
    pub(crate) fn get(&mut self, peer: &Peer, status: u16, pattern: Option<&Pattern>) -> Told<()> {
        let response = self.until(self.stage.patience_ms(), |player| {
            let line = player.lines.get(peer)?;
            Response::read(&line.raw, line.ended)
        })?;
        let (response, length) = response.ok_or("no answer")?;
        let shown = response.shown();
        if response.status != status {
            return Err(format!("wanted {status}, {shown}").into());
        }
        let line = self.line(peer)?;
        line.raw.drain(..length);
        line.past = response.header("connection") == Some("close");
        let Some(pattern) = pattern else { return Ok(()) };
        let body = serde_json::from_slice(&response.body).map_err(|error| format!("no JSON: {error}"))?;
        pattern.holds(&body, &mut self.names).map_err(|Said(said)| Said(format!("{said}; {shown}")))
    }

    pub(crate) fn at_target(&mut self, act: &TargetAct) -> Told<()> {
        match act {
            TargetAct::Behaves(manner) => {
                self.stage.target().set(manner.clone());
                Ok(())
            }
            TargetAct::Sees(pattern, headers) => {
                let target = self.stage.target();
                let seen = self.until(self.stage.patience_ms(), |_| target.next().map(Ok))?;
                let seen = seen.ok_or("the target was sent nothing")?;
                self.fits(&seen, pattern.as_ref(), headers)
                    .map_err(|Said(said)| Said(format!("{said}; saw {} {:?}", seen.body, seen.headers)))
            }
            TargetAct::SeesNothing(millis) => {
                let target = self.stage.target();
                match self.until(*millis, |_| target.next().map(Ok))? {
                    None => Ok(()),
                    Some(seen) => Err(format!("it saw {} {:?}", seen.body, seen.headers).into()),
                }
            }
        }
    }

    fn fits(&mut self, seen: &Delivery, pattern: Option<&Pattern>, headers: &[(String, Given)]) -> Told<()> {
        for (name, value) in headers {
            let wanted = value.text(&self.names)?;
            let found = seen.headers.iter().find(|(have, _)| *have == name.to_lowercase());
            let found = found.map(|(_, value)| value.as_str());
            if found != Some(wanted.as_str()) {
                return Err(format!("header {name}: wanted {wanted:?}, saw {found:?}").into());
            }
        }
        pattern.map_or(Ok(()), |pattern| pattern.holds(&seen.body, &mut self.names))
    }

    /// Headers with the runners' secret, unless the story shows another token or none (`authorization=""`).
    pub(crate) fn bearing(&self, headers: &[(String, Given)]) -> Told<Vec<(String, String)>> {
        let mut filled = Vec::new();
        for (name, value) in headers {
            filled.push((name.clone(), value.text(&self.names)?));
        }
        if filled.iter().all(|(name, _)| !name.eq_ignore_ascii_case("authorization")) {
            filled.push(("Authorization".to_owned(), format!("Bearer {RUNNER_SECRET}")));
        }
        filled.retain(|(name, value)| !(name.eq_ignore_ascii_case("authorization") && value.is_empty()));
        Ok(filled)
    }

    pub(crate) fn body(&self, body: &Body) -> Told<Option<Vec<u8>>> {
        Ok(match body {
            Body::None => None,
            Body::Json(text) => Some(self.names.fill(text, Place::Json)?.into_bytes()),
            Body::Data(data) => Some(data.bytes(&self.names)?),
        })
    }
}
