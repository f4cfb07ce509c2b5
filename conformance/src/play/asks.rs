//! Requests that members sign (mesh protocol 1.7).

use peermesh_core::machine::Listener;
use serde_json::{Value, json};

use crate::keys;
use crate::play::Player;
use crate::play::hello::{apply, known, mesh_of, text};
use crate::play::line::Line;
use crate::play::web::request;
use crate::story::Told;
use crate::story::act::{Asking, Changes, Peer, Rotating};
use crate::story::names::Place;

impl Player {
    pub(crate) fn enquire(&mut self, peer: &Peer, asking: &Asking) -> Told<()> {
        if asking.exchange.target != "again" {
            let now = self.stage.wall();
            // A signature is good for one request, so no two may have the same time.
            self.stamp = now.max(self.stamp + 1);
            self.asked = self.signed(peer, asking, now)?;
        }
        let bytes = self.asked.clone();
        self.must_answer(&asking.exchange, &bytes)
    }

    pub(crate) fn rotate(&mut self, peer: &Peer, rotating: &Rotating) -> Told<()> {
        if rotating.to != "again" {
            self.asked = self.rotation(peer, rotating, self.stage.wall())?;
        }
        let bytes = self.asked.clone();
        match &rotating.wanted {
            Some(wanted) => self.must_answer(wanted, &bytes),
            None => {
                self.make_way(peer)?;
                let line = self.stage.dial(Listener::Mesh, None)?;
                self.stage.write(line, &bytes);
                self.lines.insert(peer.clone(), Line::new(line));
                Ok(())
            }
        }
    }

    fn rotation(&self, peer: &Peer, rotating: &Rotating, now: i64) -> Told<Vec<u8>> {
        let name = &peer.name;
        let mut fields = json!({
            "meshId": mesh_of(peer, &self.names),
            "memberId": known(&self.names, &format!("{name}.member")),
            "pubkey": keys::public(name),
            "newPubkey": keys::public(&rotating.to),
            "timestamp": now,
            "signer": name,
            "newSigner": rotating.to,
        });
        apply(&rotating.with, &mut fields, &self.names, now)?;
        let parts =
            ["meshId", "memberId", "pubkey", "newPubkey", "timestamp"].map(|part| text(&fields[part]));
        for (signer, field) in [("signer", "signature"), ("newSigner", "newSignature")] {
            let pair = keys::pair(&text(&fields[signer]));
            fields[field] = keys::sign_rotation(&pair, parts.each_ref().map(String::as_str)).into();
        }
        apply(&rotating.then, &mut fields, &self.names, now)?;
        Ok(request("POST", "/v1/member/key", &[], Some(fields.to_string().as_bytes())))
    }

    fn signed(&self, peer: &Peer, asking: &Asking, now: i64) -> Told<Vec<u8>> {
        let name = &peer.name;
        let target = self.names.fill(&asking.exchange.target, Place::Plain)?;
        let mut fields = json!({
            "meshId": mesh_of(peer, &self.names),
            "memberId": known(&self.names, &format!("{name}.member")),
            "pubkey": keys::public(name),
            "timestamp": self.stamp,
            "target": target,
            "signer": name,
        });
        apply(&asking.with, &mut fields, &self.names, now)?;
        let field = |fields: &Value, name: &str| text(&fields[name]);
        let [mesh, member, key, stamp, signed, signer] =
            ["meshId", "memberId", "pubkey", "timestamp", "target", "signer"]
                .map(|name| field(&fields, name));
        let signer = keys::pair(&signer);
        fields["signature"] =
            keys::sign_request(&signer, ("GET", &signed), (&mesh, &member, &key, &stamp)).into();
        apply(&asking.then, &mut fields, &self.names, now)?;
        let parts = ["meshId", "memberId", "pubkey", "timestamp", "signature"];
        let parts = parts.map(|name| field(&fields, name)).join("|");
        let header = match fields.get("authorization") {
            Some(given) => text(given),
            None => format!("Peermesh {parts}"),
        };
        let is_left_out = |changes: &Changes| changes.unset.iter().any(|name| name == "authorization");
        let headers =
            if is_left_out(&asking.then) { Vec::new() } else { vec![("Authorization".to_owned(), header)] };
        Ok(request("GET", &target, &headers, None))
    }
}
