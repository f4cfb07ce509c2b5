//! Daemons beside a broker, in memory: what they promise to the programs of their hosts.

mod doors;
mod host;
mod mail;
mod meshes;
mod promises;
mod room;
mod sessions;
mod steps;
mod trouble;
mod world;
