//! The second half of a run: faults have stopped, and everything has to settle within a bound.

use std::collections::BTreeSet;

use super::actor::Actor;
use super::clock::MS;
use super::heap::{Event, Relief};
use super::marks::Mark;
use super::oracle::rules::Rule;
use super::plan::Class;
use super::world::World;

/// When it began, and until when it may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peace {
    until: u64,
    /// Looks in a row that found everything settled.
    quiet: u32,
    /// Some have gone for good, and are missed by nobody any more.
    is_farewell: bool,
}

/// Between two looks, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// Of a hundred towns, how many see some of theirs leave in the end.
const FAREWELLS: u64 = 30;

impl World {
    /// Faults stop: everything stands that can stand, and everybody comes back.
    pub(super) fn make_peace(&mut self) {
        self.trace.add(self.now, || "peace".to_owned());
        self.peace = Some(Peace { until: self.now + self.patience_ms() * MS, quiet: 0, is_farewell: false });
        self.chaos.clear_doom();
        self.disk.heal();
        self.target.manner = super::target::Manner::Well;
        for node in 0..self.nodes.len() {
            if self.nodes[node].frozen_until.is_some() {
                self.nodes[node].frozen_until = Some(self.now);
                self.heap.put(self.now, Event::Relief(Relief::Thaw(node)));
            }
            self.set_clock_right(node);
            if !self.nodes[node].is_up() {
                self.heap.put(self.now, Event::Start(node));
            }
        }
        for link in &mut self.links {
            link.stalled_until = [0; 2];
            link.delay_ms = (0, 2);
            link.cut_in = None;
        }
        for actor in 0..self.actors.len() {
            self.with_actor(actor, Actor::make_peace);
        }
        self.heap.put(self.now + LOOK_MS * MS, Event::Look);
    }

    /// How long everything may take to settle: every wait that one thing can make another wait for, one after
    /// the other.
    fn patience_ms(&self) -> u64 {
        let limits = &self.config.limits;
        let waits = [
            limits.pong_ms() + limits.ping_ms(),
            limits.grace_ms(),
            limits.lease_ms() * 3,
            limits.ack_deadline_ms() + 25_000,
            limits.status_ttl_ms() + limits.status_sweep_ms(),
            limits.stall_ms() + limits.close_ms(),
            limits.commit_retry_ms_max() * 2,
            limits.replacements_ms() * 2,
            limits.rate_window_ms(),
            self.config.drain_ms() + limits.close_ms(),
            limits.live_ping_ms() + limits.live_pong_ms() + limits.live_auth_ms(),
            limits.runner_retry_ms_max() * 2 + limits.runner_stale_ms() + limits.runner_sweep_ms() * 2,
            self.mix.lease_ms * 2,
            // A daemon's waits: for its broker, and for each of its rows.
            if self.mix.has(Class::Daemons) { 600_000 } else { 0 },
            60_000,
        ];
        waits.iter().sum()
    }

    /// Has everything settled?
    pub(super) fn look(&mut self) {
        let Some(peace) = self.peace else { return };
        let missing = self.what_is_missing();
        if let Some(missing) = &missing
            && self.now >= peace.until
        {
            let rule = if missing.starts_with("the list") { Rule::I13 } else { Rule::I12 };
            return self.breaks(rule, format!("after all this time {missing}"));
        }
        let quiet = if missing.is_some() { 0 } else { peace.quiet + 1 };
        self.peace = Some(Peace { quiet, ..peace });
        if quiet >= 3 && !peace.is_farewell && self.chaos.dice.chance(FAREWELLS) {
            self.bid_farewell();
        } else if quiet >= 3 {
            let told = self.oracle.close_books(&self.disk.model);
            self.judge(told);
            self.over = true;
            return;
        }
        self.heap.put(self.now + LOOK_MS * MS, Event::Look);
    }

    /// One peer of each mesh goes without a word and for good: it is listed for its grace, and then no more.
    fn bid_farewell(&mut self) {
        self.peace = Some(Peace { until: self.now + self.patience_ms() * MS, quiet: 0, is_farewell: true });
        for mesh in 0..self.cast.meshes.len() {
            let listed = |actor: &Option<Actor>| match actor {
                Some(Actor::Peer(peer)) => peer.listed_key().is_some_and(|(at, _)| at == mesh),
                _ => false,
            };
            let listed: Vec<usize> =
                (0..self.actors.len()).filter(|place| listed(&self.actors[*place])).collect();
            // Somebody has to stay who is shown the list.
            if let [leaver, _, ..] = listed[..] {
                self.tally.mark(Mark::LeftForGood);
                self.trace.add(self.now, || format!("actor {leaver} leaves for good"));
                self.with_actor(leaver, Actor::leave_for_good);
            }
        }
    }

    /// What has not settled, if anything.
    fn what_is_missing(&mut self) -> Option<String> {
        for (place, node) in self.nodes.iter().enumerate() {
            if !node.is_up() || node.drain_at.is_some() {
                return Some(format!("broker {place} does not serve"));
            }
        }
        for place in 0..self.actors.len() {
            let mut missing = None;
            self.with_actor(place, |actor, world| missing = actor.waits_for(world));
            if missing.is_some() {
                return missing;
            }
        }
        if self.oracle.waiting() > 0 {
            return self.oracle.first_waiting();
        }
        self.who_is_wrongly_listed()
    }

    /// The last list of each mesh equals who is connected there (I13).
    fn who_is_wrongly_listed(&self) -> Option<String> {
        let peers = self.actors.iter().flatten().filter_map(|actor| match actor {
            Actor::Peer(peer) => Some(peer),
            _ => None,
        });
        let peers: Vec<_> = peers.collect();
        let hosts = self.actors.iter().flatten().filter_map(|actor| match actor {
            Actor::Host(host) => Some(host.listed()),
            _ => None,
        });
        let hosts: Vec<(usize, String, String)> = hosts.flatten().collect();
        for mesh in 0..self.cast.meshes.len() {
            let of_hosts = hosts.iter().map(|(at, key, _)| (*at, key.clone()));
            let there: BTreeSet<String> = peers
                .iter()
                .filter_map(|peer| peer.listed_key())
                .chain(of_hosts)
                .filter(|(at, _)| *at == mesh)
                .map(|(_, key)| key)
                .collect();
            let lists = peers.iter().filter_map(|peer| peer.last_list()).filter(|(at, ..)| *at == mesh);
            let Some((_, at, list)) = lists.max_by_key(|(_, at, _)| *at) else { continue };
            // It must be a fresh one.
            if at + 6_000 * MS < self.now {
                return Some(format!("the list of mesh {mesh} is old"));
            }
            let list: BTreeSet<String> = list.iter().cloned().collect();
            if list != there {
                let names = |keys: BTreeSet<&String>| {
                    let name = |key: &&String| {
                        let peer = peers.iter().find(|peer| peer.key() == key.as_str());
                        let host = hosts.iter().find(|(_, hex, _)| hex == key.as_str());
                        let host = host.map_or("?", |(_, _, name)| name);
                        peer.map_or(host, |peer| peer.name())
                    };
                    keys.iter().map(name).collect::<Vec<_>>().join(", ")
                };
                let (gone, unseen) = (list.difference(&there).collect(), there.difference(&list).collect());
                let (gone, unseen) = (names(gone), names(unseen));
                return Some(format!("the list of mesh {mesh} shows [{gone}] and misses [{unseen}]"));
            }
        }
        None
    }
}
