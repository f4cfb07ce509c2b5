//! Hosts with their daemons around one broker, and what their programs do.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use peermesh_conformance::driver::{ADMIN_TOKEN, config};
use peermesh_conformance::keys;
use peermesh_conformance::story::Terms;
use peermesh_core::broker::{Broker, Setup as BrokerSetup};
use peermesh_core::config::{DaemonLimits, Limits, Secret};
use peermesh_core::daemon::{Daemon, DaemonConfig, Membership, Setup};
use peermesh_core::ids::ShardId;
use peermesh_core::machine::{Endpoint, Listener};
use serde_json::{Value, json};

use crate::watch::{Processes, Watched};
use crate::world::{Makes, Place, World};

/// What programs on the loopback show.
pub(crate) const TOKEN: &str = "the-token-of-the-loopback";
/// The longest wait for an answer, in milliseconds.
const PATIENCE_MS: u64 = 60_000;

/// An answer over HTTP.
#[derive(Debug, PartialEq)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// A broker with its meshes, and the daemons of their members.
pub(crate) struct Town {
    pub(crate) world: World,
    pub(crate) broker: Place,
    /// The ids of meshes, by their slugs.
    meshes: BTreeMap<String, String>,
    /// What systems say of processes; nobody looks while it says nothing.
    pub(crate) processes: Processes,
}

impl Town {
    /// A broker with the mesh `demo`.
    pub(crate) fn new() -> Town {
        Town::with(&[])
    }

    /// The same with some limits of its own.
    pub(crate) fn with(limits: &[(&str, u64)]) -> Town {
        // Days pass here, and nobody looks at counters.
        let rare = [("stats_ms", 60_000), ("health_ms", 2_000)];
        let limits = rare.iter().chain(limits).map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let terms = Terms { limits, shards: 1, ..Terms::default() };
        let config = config(&terms).unwrap_or_else(|_| panic!("the limits of the broker do not fit"));
        let mut world = World::new();
        let broker = world.add(Box::new(move |life| {
            let setup =
                BrokerSetup { shard: ShardId(0), shards: 1, config: Arc::clone(&config), seed: [life; 32] };
            Box::new(Broker::new(setup))
        }));
        world.serve(Some(broker));
        let mut town = Town { world, broker, meshes: BTreeMap::new(), processes: Processes::default() };
        town.founds("demo");
        town
    }

    /// Makes a mesh.
    pub(crate) fn founds(&mut self, slug: &str) {
        let made = self.admin("/admin/meshes", &json!({ "name": slug, "slug": slug }));
        self.meshes.insert(slug.to_owned(), made["mesh_id"].as_str().unwrap().to_owned());
    }

    /// Enrols a member in the mesh `demo`; gives its id.
    pub(crate) fn joins(&mut self, name: &str) -> String {
        self.enrols("demo", name)
    }

    fn enrols(&mut self, mesh: &str, name: &str) -> String {
        let wish = json!({ "uses": 1, "role": "member", "expires_at": 4_000_000_000_u64 });
        let invite = self.admin(&format!("/admin/meshes/{mesh}/invites"), &wish);
        let body = json!({
            "invite_token": invite["invite_token"],
            "invite_payload": invite["invite_payload"],
            "peer_pubkey": keys::public(name),
            "display_name": name,
        });
        self.admin("/join", &body)["memberId"].as_str().unwrap().to_owned()
    }

    /// Enrols a member and starts its daemon, which gets through to the broker.
    pub(crate) fn hosts(&mut self, name: &str) -> Place {
        let place = self.hosts_with(name, &DaemonLimits::default(), &[]);
        self.awaits_open(place);
        place
    }

    /// The same with bounds of its own, and features that a broker must have; waits for nothing.
    pub(crate) fn hosts_with(&mut self, name: &str, bounds: &DaemonLimits, require: &[&str]) -> Place {
        let meshes = vec![self.membership("demo", name)];
        self.starts(name, meshes, bounds, require)
    }

    /// A member of a mesh, as its host knows it.
    pub(crate) fn membership(&mut self, mesh: &str, name: &str) -> Membership {
        Membership { member_id: self.enrols(mesh, name), ..self.stranger(mesh, name) }
    }

    /// The same, of somebody whom the broker has not been told of.
    pub(crate) fn stranger(&self, mesh: &str, name: &str) -> Membership {
        Membership {
            slug: mesh.to_owned(),
            mesh_id: self.meshes[mesh].clone(),
            member_id: format!("mem-{name}"),
            name: name.to_owned(),
            seed: Secret::new(keys::pair(name).to_bytes()),
            broker: Endpoint { host: "broker.test".to_owned(), port: 7900, tls: false },
            authority: "broker.test:7900".to_owned(),
            path: "/ws".to_owned(),
            former: Vec::new(),
        }
    }

    /// Starts a daemon that belongs to these meshes.
    pub(crate) fn starts(
        &mut self,
        name: &str,
        meshes: Vec<Membership>,
        bounds: &DaemonLimits,
        require: &[&str],
    ) -> Place {
        let makes = self.makes(name, meshes, bounds, require);
        self.world.add(makes)
    }

    /// Makes the daemon of a host, life by life.
    fn makes(&self, name: &str, meshes: Vec<Membership>, bounds: &DaemonLimits, require: &[&str]) -> Makes {
        let config = Arc::new(DaemonConfig {
            limits: Limits::default(),
            bounds: bounds.clone(),
            meshes,
            version: "0.1.0".to_owned(),
            pid: 7,
            cwd: "/home".to_owned(),
            hostname: name.to_owned(),
            token: Some(Secret::new(TOKEN)),
            public_health: false,
            require_features: require.iter().map(|name| (*name).to_owned()).collect(),
        });
        let processes = Arc::clone(&self.processes);
        let own = name.bytes().fold(0, u8::wrapping_add);
        Box::new(move |life| {
            let setup = Setup { config: Arc::clone(&config), seed: [own.wrapping_add(life); 32] };
            Box::new(Watched::new(Daemon::new(setup), Arc::clone(&processes)))
        })
    }

    /// Ends a daemon and starts it with these meshes.
    pub(crate) fn remakes(&mut self, place: Place, name: &str, meshes: Vec<Membership>) {
        self.world.kill(place);
        let makes = self.makes(name, meshes, &DaemonLimits::default(), &[]);
        self.world.remake(place, makes);
        self.awaits_open(place);
        self.world.wait(2_000);
    }

    pub(crate) fn awaits_open(&mut self, daemon: Place) {
        self.awaits_open_in(daemon, "demo");
    }

    pub(crate) fn awaits_open_in(&mut self, daemon: Place, mesh: &str) {
        for _ in 0..200 {
            if self.get(daemon, "/v1/health").body["brokers"][mesh] == "open" {
                return;
            }
            self.world.wait(500);
        }
        panic!("the broker was not reached: {:?}", self.world.notes);
    }

    pub(crate) fn get(&mut self, daemon: Place, target: &str) -> Got {
        self.asks(daemon, "GET", target, &[], None)
    }

    pub(crate) fn post(&mut self, daemon: Place, target: &str, body: &Value) -> Got {
        self.asks(daemon, "POST", target, &[], Some(body))
    }

    pub(crate) fn send(&mut self, daemon: Place, to: &str, text: &str, key: &str) -> Got {
        self.post(daemon, "/v1/send", &json!({ "to": to, "message": text, "client_message_id": key }))
    }

    /// Asks as a session.
    pub(crate) fn asks_as(
        &mut self,
        daemon: Place,
        session: &str,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Got {
        let shown = authorization(session);
        self.asks(daemon, method, target, &[("Authorization", &shown)], body)
    }

    /// Opens a stream of events, of a session or of the host.
    pub(crate) fn listens(&mut self, daemon: Place, session: Option<&str>) -> usize {
        let shown = session.map(authorization);
        let headers: Vec<(&str, &str)> =
            shown.iter().map(|shown| ("Authorization", shown.as_str())).collect();
        let stream = self.begins(daemon, Listener::Local, "GET", "/v1/events", &headers, None);
        self.world.wait(100);
        stream
    }

    /// The events of a stream since the last look, as kind and fields.
    pub(crate) fn events(&mut self, stream: usize) -> Vec<(String, Value)> {
        let text = String::from_utf8(self.world.read(stream).0).unwrap();
        let field = |frame: &str, name: &str| {
            frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned).unwrap_or_default()
        };
        let frames = text.split("\n\n").filter(|frame| frame.contains("event: "));
        frames
            .map(|frame| (field(frame, "event: "), serde_json::from_str(&field(frame, "data: ")).unwrap()))
            .collect()
    }

    /// Asks a daemon on its Unix socket.
    pub(crate) fn asks(
        &mut self,
        daemon: Place,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Got {
        self.asks_at(daemon, Listener::Local, method, target, headers, body)
    }

    pub(crate) fn asks_at(
        &mut self,
        place: Place,
        listener: Listener,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Got {
        let end = self.begins(place, listener, method, target, headers, body);
        self.ends(end)
    }

    /// Asks, and does not wait for the answer.
    pub(crate) fn begins(
        &mut self,
        place: Place,
        listener: Listener,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> usize {
        let end = self.world.connect(place, listener);
        let body = body.map(Value::to_string).unwrap_or_default();
        let host = headers.iter().find(|(name, _)| *name == "host").map_or("localhost", |(_, host)| host);
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.world.write(end, format!("{head}\r\n{body}").as_bytes());
        end
    }

    /// Waits for the answer.
    pub(crate) fn ends(&mut self, end: usize) -> Got {
        let mut bytes = Vec::new();
        let done = self.world.until(PATIENCE_MS, |world| {
            let (more, ended) = world.read(end);
            bytes.extend(more);
            ended
        });
        let text = String::from_utf8(bytes).unwrap();
        assert!(done, "no answer came: {text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Got { status, body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }

    /// What lies in an inbox, oldest first, without marking it.
    pub(crate) fn inbox(&mut self, daemon: Place, session: Option<&str>) -> Vec<Value> {
        let target = "/v1/inbox?mark_seen=false";
        let got = match session {
            Some(session) => self.asks_as(daemon, session, "GET", target, None),
            None => self.get(daemon, target),
        };
        let mut items = got.body["items"].as_array().unwrap().clone();
        items.reverse();
        items
    }

    /// The texts in an inbox.
    pub(crate) fn texts(&mut self, daemon: Place, session: Option<&str>) -> Vec<String> {
        let text = |item: &Value| item["body"].as_str().unwrap_or("(sealed)").to_owned();
        self.inbox(daemon, session).iter().map(text).collect()
    }

    /// The row of a key in an outbox.
    pub(crate) fn row(&mut self, daemon: Place, key: &str) -> Value {
        let page = self.get(daemon, "/v1/outbox?limit=500").body;
        let items = page["items"].as_array().unwrap();
        items.iter().find(|item| item["client_message_id"] == key).cloned().unwrap_or(Value::Null)
    }

    pub(crate) fn status(&mut self, daemon: Place, key: &str) -> String {
        self.row(daemon, key)["status"].as_str().unwrap_or("none").to_owned()
    }

    /// Registers a session with a key of its own, and waits until it is through.
    pub(crate) fn registers(&mut self, daemon: Place, name: &str, display: &str) -> Got {
        let got = self.post(daemon, "/v1/sessions/register", &registration(name, display));
        self.world.wait(2_000);
        got
    }

    fn admin(&mut self, target: &str, body: &Value) -> Value {
        let token = format!("Bearer {ADMIN_TOKEN}");
        let headers = [("Authorization", token.as_str())];
        let got = self.asks_at(self.broker, Listener::Mesh, "POST", target, &headers, Some(body));
        assert!(matches!(got.status, 200 | 201), "{target}: {got:?}");
        got.body
    }
}

/// What a session with a key of its own registers with.
pub(crate) fn registration(name: &str, display: &str) -> Value {
    let pair = keys::pair(name);
    json!({
        "token": token_of(name), "session_id": format!("id-{name}"), "mesh": "demo",
        "display_name": display, "pid": 70,
        "presence": {
            "session_pubkey": keys::public(name),
            "session_secret_key": HEXLOWER.encode(&pair.to_keypair_bytes()),
        },
    })
}

/// The token of a session.
pub(crate) fn token_of(name: &str) -> String {
    keys::public(&format!("{name}'s token"))
}

/// What a session shows.
pub(crate) fn authorization(name: &str) -> String {
    format!("ClaudeMesh-Session {}", token_of(name))
}
