//! What peers see.

use serde_json::{Value, json};

use crate::play::Player;
use crate::play::line::Line;
use crate::story::act::{Peer, Reason, Sight};
use crate::story::given::Data;
use crate::story::names::Names;
use crate::story::pattern::Pattern;
use crate::story::{Said, Told};

impl Player {
    pub(crate) fn see(&mut self, peer: &Peer, sight: &Sight) -> Told<()> {
        match sight {
            Sight::Frame(kind, pattern) => self.see_frame(peer, kind, pattern.as_ref()).map(drop),
            Sight::Event(name, pattern) => self.see_event(peer, name, pattern.as_ref()),
            Sight::NoEvent(name, millis) => self.see_no_event(peer, name, *millis),
            Sight::Nothing(millis) => self.see_nothing(peer, *millis),
            Sight::Close(code, reason) => self.see_close(peer, *code, reason.as_ref()),
            Sight::End => self.see_for(peer, Line::takes_end),
            Sight::Ping => self.see_for(peer, |line| {
                let seen = line.pings > 0;
                line.pings = line.pings.saturating_sub(1);
                seen.then_some(Ok(()))
            }),
            Sight::Pong(data) => {
                let wanted = data.bytes(&self.names)?;
                self.see_for(peer, move |line| {
                    let seen = line.pongs.pop_front()?;
                    Some(if seen == wanted { Ok(()) } else { Err(format!("saw pong {seen:?}").into()) })
                })
            }
            Sight::Bytes(data) => {
                let wanted = data.bytes(&self.names)?;
                self.see_for(peer, move |line| line.takes_bytes(&wanted))
            }
        }
    }

    /// A push whose ciphertext stands for this text.
    pub(crate) fn hear(&mut self, peer: &Peer, text: &Data, pattern: Option<&Pattern>) -> Told<()> {
        let sealed = self.sealed(text)?;
        let frame = self.see_frame(peer, "push", pattern)?;
        if frame["ciphertext"] != json!(sealed) {
            let heard = frame["ciphertext"].as_str().unwrap_or_default();
            let heard = data_encoding::BASE64.decode(heard.as_bytes()).unwrap_or_default();
            return Err(format!("heard {:?} instead", String::from_utf8_lossy(&heard)).into());
        }
        let id = frame["messageId"].as_str().ok_or("the push has no messageId")?;
        self.heard.insert(peer.clone(), id.to_owned());
        Ok(())
    }

    fn see_frame(&mut self, peer: &Peer, kind: &str, pattern: Option<&Pattern>) -> Told<Value> {
        let mut frame = None;
        self.see_for(peer, |line| {
            frame = line.frames.pop_front();
            if frame.is_some() { Some(Ok(())) } else { line.over() }
        })?;
        let frame = frame.unwrap_or_default();
        let seen = |Said(said): Said| Said(format!("{said}\nsaw {frame}"));
        if !kind.is_empty() && frame["type"] != kind {
            return Err(seen(format!("wanted a frame of type {kind}").into()));
        }
        fits(pattern, &frame, &mut self.names).map_err(seen)?;
        Ok(frame)
    }

    fn see_event(&mut self, peer: &Peer, name: &str, pattern: Option<&Pattern>) -> Told<()> {
        let mut event = None;
        self.see_for(peer, |line| {
            let at = line.events.iter().position(|event| event["event"] == name);
            match at {
                Some(at) => event = line.events.remove(at),
                None => return line.over(),
            }
            Some(Ok(()))
        })?;
        let event = event.unwrap_or_default();
        fits(pattern, &event, &mut self.names).map_err(|Said(said)| Said(format!("{said}\nsaw {event}")))
    }

    fn see_no_event(&mut self, peer: &Peer, name: &str, millis: u64) -> Told<()> {
        self.wait(millis)?;
        match self.line(peer)?.events.iter().find(|event| event["event"] == name) {
            Some(event) => Err(format!("saw {event}").into()),
            None => Ok(()),
        }
    }

    fn see_nothing(&mut self, peer: &Peer, millis: u64) -> Told<()> {
        self.line(peer)?;
        let seen = self.until(millis, |player| {
            let line = player.lines.get(peer)?;
            let silent =
                line.frames.is_empty() && line.over().is_none() && (line.open || line.raw.is_empty());
            (!silent).then(|| Ok(line.shown()))
        })?;
        seen.map_or(Ok(()), |seen| Err(seen.into()))
    }

    fn see_close(&mut self, peer: &Peer, code: u16, reason: Option<&Reason>) -> Told<()> {
        let mut seen = String::new();
        self.see_for(peer, |line| {
            if !line.frames.is_empty() || line.broken.is_some() {
                return Some(Err(line.shown().into()));
            }
            let (came, why) = match (&line.close, line.ended) {
                (Some(close), _) => close,
                (None, true) => return Some(Err(line.shown().into())),
                (None, false) => return None,
            };
            seen.clone_from(why);
            line.close_seen = true;
            Some(if *came == code { Ok(()) } else { Err(line.shown().into()) })
        })?;
        match reason {
            None => Ok(()),
            Some(Reason::Text(text)) if text.text(&self.names)? == seen => Ok(()),
            Some(Reason::Text(_)) => Err(self.line(peer)?.shown().into()),
            Some(Reason::Object(pattern)) => {
                let object = serde_json::from_str(&seen).map_err(|error| format!("{seen}: {error}"))?;
                pattern.holds(&object, &mut self.names)
            }
        }
    }

    /// Waits until a peer's stream shows what is looked for.
    fn see_for(&mut self, peer: &Peer, mut look: impl FnMut(&mut Line) -> Option<Told<()>>) -> Told<()> {
        self.line(peer)?;
        let seen = self.until(self.stage.patience_ms(), |player| look(player.lines.get_mut(peer)?))?;
        match seen {
            Some(()) => Ok(()),
            None => Err(format!("{} for {} ms", self.line(peer)?.shown(), self.stage.patience_ms()).into()),
        }
    }
}

impl Line {
    /// Why nothing more is to be expected of the broker, if so.
    fn over(&self) -> Option<Told<()>> {
        let over = self.ended || self.close.is_some() || self.broken.is_some();
        over.then(|| Err(self.shown().into()))
    }

    fn takes_end(&mut self) -> Option<Told<()>> {
        let unseen = !self.frames.is_empty() || (self.close.is_some() && !self.close_seen);
        if unseen || self.broken.is_some() {
            return Some(Err(self.shown().into()));
        }
        self.ended.then_some(Ok(()))
    }

    fn takes_bytes(&mut self, wanted: &[u8]) -> Option<Told<()>> {
        let len = wanted.len().min(self.raw.len());
        if self.raw[..len] != wanted[..len] || (len < wanted.len() && self.ended) {
            return Some(Err(self.shown().into()));
        }
        (len == wanted.len()).then(|| {
            self.raw.drain(..len);
            Ok(())
        })
    }
}

fn fits(pattern: Option<&Pattern>, value: &Value, names: &mut Names) -> Told<()> {
    pattern.map_or(Ok(()), |pattern| pattern.holds(value, names))
}
