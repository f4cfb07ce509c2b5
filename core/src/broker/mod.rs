//! One shard of the server.

use std::sync::Arc;

use crate::config::Config;
use crate::ids::ShardId;
use crate::machine::{Deadline, Input, Machine, Outputs};
use crate::time::Now;

/// What a connection takes along when it moves to another shard.
#[derive(Debug)]
pub struct Parcel {}

/// What one shard says to another.
#[derive(Debug)]
pub enum Envelope {}

/// What a shard is made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which shard it is.
    pub shard: ShardId,
    /// How many there are.
    pub shards: u16,
    /// How it behaves.
    pub config: Arc<Config>,
    /// Where its chance comes from.
    pub seed: [u8; 32],
}

/// One shard of the server: a machine.
#[derive(Debug)]
pub struct Broker {}

impl Broker {
    /// A shard that knows nothing yet. Its first `handle` (a `Wake` at start) asks the store for what it needs.
    pub fn new(_setup: Setup) -> Broker {
        Broker {}
    }
}

impl Machine for Broker {
    fn handle(&mut self, _now: Now, _input: Input<'_>, _todo: &mut Outputs) -> Option<Deadline> {
        None
    }
}
