//! Daemons beside a broker, in memory: what they promise to the programs of their hosts.

mod doors;
mod elder;
mod host;
mod mail;
mod meshes;
mod old;
mod promises;
mod record;
mod room;
mod sessions;
mod steps;
mod trouble;
mod watch;
mod world;
