//! Whoever takes part from outside: peers, runners, those who command them, hooks, operators, watchers, those
//! who publish to them, hosts with daemons, whoever replaces keys.

mod host;
mod letters;
mod live;
mod page;
mod peer;
mod rotator;
mod runner;
mod speech;

use super::cast::Cast;
use super::dice::Dice;
use super::link::LinkNo;
use super::swarm::{Mix, Role};
use super::tap::Sight;
use super::world::World;
use host::Host;
use live::{Publisher, Watcher};
use page::{Caller, Hooker, Operator};
use peer::Peer;
use rotator::Rotator;
use runner::Runner;

pub(super) use host::Job;
pub(super) use live::{TOPICS, VOLATILE, user_of};
pub(super) use runner::runner_id;

/// A client of some kind.
#[derive(Debug)]
pub(super) enum Actor {
    Peer(Box<Peer>),
    Runner(Box<Runner>),
    Caller(Caller),
    Hooker(Hooker),
    Operator(Operator),
    Watcher(Box<Watcher>),
    Publisher(Box<Publisher>),
    Host(Box<Host>),
    Rotator(Rotator),
}

impl Actor {
    /// Every actor is woken with it once.
    pub(super) const BEGIN: u8 = 0;

    /// `place` is where it stands among the actors of this run, `no` what it is called in every run.
    pub(super) fn new(seed: u64, place: usize, no: u16, role: &Role, mix: &Mix, cast: &mut Cast) -> Actor {
        let dice = Dice::of(seed, "actor", u64::from(no));
        match role {
            Role::Peer(role) => Actor::Peer(Box::new(Peer::new(place, no, role.clone(), mix, cast, dice))),
            Role::Runner(runner) => Actor::Runner(Box::new(Runner::new(place, *runner, mix, dice))),
            Role::Caller => Actor::Caller(Caller::new(place, mix, dice)),
            Role::Hooker => Actor::Hooker(Hooker::new(place, mix, dice)),
            Role::Operator => Actor::Operator(Operator::new(place, mix, dice)),
            Role::Watcher(topic) => {
                let tokens = Dice::of(seed, "tokens", u64::from(no));
                Actor::Watcher(Box::new(Watcher::new(place, *topic, mix, dice, tokens)))
            }
            Role::Publisher(topic) => Actor::Publisher(Box::new(Publisher::new(place, *topic, mix, dice))),
            Role::Rotator => Actor::Rotator(Rotator::new(place, mix, dice)),
            Role::Host(role) => {
                let attic = Dice::of(seed, "attic", u64::from(no));
                Actor::Host(Box::new(Host::new(place, role, mix, cast, dice, attic)))
            }
        }
    }

    /// It wanted to be woken.
    pub(super) fn act(&mut self, world: &mut World, token: u8) {
        match self {
            Actor::Peer(peer) => peer.act(world, token),
            Actor::Runner(runner) => runner.act(world, token),
            Actor::Caller(caller) => caller.act(world),
            Actor::Hooker(hooker) => hooker.act(world),
            Actor::Operator(operator) => operator.act(world),
            Actor::Watcher(watcher) => watcher.act(world, token),
            Actor::Publisher(publisher) => publisher.act(world, token),
            Actor::Host(host) => host.act(world, token),
            Actor::Rotator(rotator) => rotator.act(world),
        }
    }

    /// Something of a stream has arrived.
    pub(super) fn sees(&mut self, world: &mut World, link: LinkNo, sight: Sight) {
        match self {
            Actor::Peer(peer) => peer.sees(world, link, sight),
            Actor::Runner(runner) => runner.sees(world, link, sight),
            Actor::Caller(caller) => caller.sees(link, &sight),
            Actor::Watcher(watcher) => watcher.sees(world, link, sight),
            Actor::Publisher(publisher) => publisher.sees(world, link, sight),
            Actor::Host(host) => host.sees(link, &sight),
            Actor::Rotator(rotator) => rotator.sees(link, &sight),
            Actor::Hooker(_) | Actor::Operator(_) => {}
        }
    }

    /// Bytes of a stream have arrived that somebody takes as they are.
    pub(super) fn takes(&mut self, world: &mut World, link: LinkNo, bytes: Vec<u8>) {
        if let Actor::Host(host) = self {
            host.takes(world, link, bytes);
        }
    }

    /// A stream has ended; `body` is that of a plain answer.
    pub(super) fn loses(&mut self, world: &mut World, link: LinkNo, body: &[u8]) {
        match self {
            Actor::Peer(peer) => peer.loses(world, link),
            Actor::Runner(runner) => runner.loses(world, link),
            Actor::Caller(caller) => caller.hears(world, link, body),
            Actor::Watcher(watcher) => watcher.loses(world, link),
            Actor::Publisher(publisher) => publisher.loses(world, link),
            Actor::Host(host) => host.loses(world, link),
            Actor::Rotator(rotator) => rotator.hears(world, link, body),
            Actor::Hooker(_) | Actor::Operator(_) => {}
        }
    }

    /// Faults have stopped: everybody comes back, and behaves.
    pub(super) fn make_peace(&mut self, world: &mut World) {
        match self {
            Actor::Peer(peer) => peer.make_peace(world),
            Actor::Runner(runner) => runner.make_peace(world),
            Actor::Caller(caller) => caller.stop(),
            Actor::Hooker(hooker) => hooker.stop(),
            Actor::Operator(operator) => operator.stop(),
            Actor::Watcher(watcher) => watcher.make_peace(world),
            Actor::Publisher(publisher) => publisher.make_peace(world),
            Actor::Host(host) => host.make_peace(world),
            Actor::Rotator(rotator) => rotator.make_peace(),
        }
    }

    /// A peer goes without a word and does not come back.
    pub(super) fn leave_for_good(&mut self, world: &mut World) {
        if let Actor::Peer(peer) = self {
            peer.leave_for_good(world);
        }
    }

    /// What it still waits for in peace, if for anything.
    pub(super) fn waits_for(&mut self, world: &World) -> Option<String> {
        match self {
            Actor::Peer(peer) => peer.waits_for(),
            Actor::Runner(runner) => runner.waits_for(world),
            Actor::Watcher(watcher) => watcher.waits_for(world),
            Actor::Publisher(publisher) => publisher.waits_for(),
            Actor::Host(host) => host.waits_for(world),
            Actor::Rotator(rotator) => rotator.waits_for(),
            Actor::Caller(_) | Actor::Hooker(_) | Actor::Operator(_) => None,
        }
    }
}
