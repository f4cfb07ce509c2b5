//! One byte stream between a client and a broker, with what a network can do to it.
//!
//! Towards the broker the bytes themselves travel, because it must take them apart. Towards the client only
//! their number does: what stands on the stream was read where it was written (`tap.rs`), and the client is
//! given each message when its last byte has arrived.

use std::collections::VecDeque;

use peermesh_core::ids::ConnId;

use super::tap::{Sight, Tap};

/// A stream, by its place in the world's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkNo(pub usize);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the broker.
    Up,
    /// To the client.
    Down,
}

impl Way {
    pub(super) const BOTH: [Way; 2] = [Way::Up, Way::Down];
}

#[derive(Debug)]
pub(super) struct Link {
    /// Whose it is.
    pub actor: usize,
    pub node: usize,
    pub life: u32,
    pub conn: ConnId,
    /// Who owns the connection.
    pub shard: u16,
    /// The runtime knows it.
    pub is_known: bool,

    /// Bytes that the broker has not read.
    pub kernel: Vec<u8>,
    pub granted: bool,
    /// A word that it can be read is on its way.
    pub is_ready: bool,
    /// The client's end has arrived, and was told.
    pub hung_up: bool,
    pub end_told: bool,
    /// Messages the client wrote since the broker read from it last.
    pub unread: u32,

    pub tap: Tap,
    /// What was written and has not arrived, where the client takes bytes as they are; and how much has.
    pub raw: Option<Vec<u8>>,
    pub given: u64,
    /// Bytes the broker wrote, those of them that the kernel took, and those that have arrived.
    pub written: u64,
    /// What of it the broker knows to be taken.
    pub credited: u64,
    pub taken: u64,
    pub arrived: u64,
    /// What would have arrived if the client were reading.
    pub arrivable: u64,
    /// What stands on the stream and has not arrived, each with its end.
    pub sights: VecDeque<(u64, Sight)>,
    /// What the kernel keeps for a client that does not read.
    pub capacity: u64,
    pub reading: bool,

    /// The client is gone from it.
    pub left: bool,
    /// The client was told of its end.
    pub over: bool,

    /// Milliseconds that bytes take, between these.
    pub delay_ms: (u64, u64),
    /// When the last bytes of each way arrive: none overtakes another.
    pub last: [u64; 2],
    pub stalled_until: [u64; 2],
    /// The stream is cut after so many more bytes upwards.
    pub cut_in: Option<usize>,
    /// What goes in is lost.
    pub swallows: [bool; 2],
}

impl Link {
    pub(super) fn new(actor: usize, node: usize, life: u32, conn: ConnId) -> Link {
        Link {
            actor,
            node,
            life,
            conn,
            shard: 0,
            is_known: false,
            kernel: Vec::new(),
            granted: false,
            is_ready: false,
            hung_up: false,
            end_told: false,
            unread: 0,
            tap: Tap::default(),
            raw: None,
            given: 0,
            written: 0,
            credited: 0,
            taken: 0,
            arrived: 0,
            arrivable: 0,
            sights: VecDeque::new(),
            capacity: 64 * 1_024,
            reading: true,
            left: false,
            over: false,
            delay_ms: (0, 2),
            last: [0; 2],
            stalled_until: [0; 2],
            cut_in: None,
            swallows: [false; 2],
        }
    }

    /// The broker has something to read here and may.
    pub(super) fn is_readable(&self) -> bool {
        self.is_known && self.granted && (!self.kernel.is_empty() || self.hung_up && !self.end_told)
    }

    /// Bytes with the runtime, as the broker counts them.
    pub(super) fn out(&self) -> u64 {
        self.written - self.credited
    }

    /// Something may wait in the broker for this stream, unseen.
    pub(super) fn may_hide(&self, window: u64) -> bool {
        const MESSAGE_BYTES: u64 = 20_000;
        self.out() > 0 && self.out() + MESSAGE_BYTES > window
    }

    /// Bytes that the kernel can take now.
    pub(super) fn room(&self) -> u64 {
        let kept = self.taken - self.arrived;
        self.capacity.saturating_sub(kept).min(self.written - self.taken)
    }

    /// The next thing on the stream that has arrived whole.
    pub(super) fn next_sight(&mut self) -> Option<Sight> {
        let (end, _) = self.sights.front()?;
        if *end > self.arrived {
            return None;
        }
        self.sights.pop_front().map(|(_, sight)| sight)
    }

    /// Bytes that have arrived since the last time, where the client takes them as they are.
    pub(super) fn arrived_bytes(&mut self) -> Option<Vec<u8>> {
        let raw = self.raw.as_mut()?;
        let more = usize::try_from(self.arrived.saturating_sub(self.given)).unwrap_or(usize::MAX);
        self.given = self.arrived;
        let rest = raw.split_off(more.min(raw.len()));
        Some(std::mem::replace(raw, rest))
    }

    /// True when something has arrived in part.
    pub(super) fn is_mid_frame(&self) -> bool {
        self.sights.front().is_some_and(|_| self.arrived < self.taken)
    }

    /// The client hears nothing more of it; the broker may write on.
    pub(super) fn forget_sights(&mut self) {
        self.over = true;
        self.sights = VecDeque::new();
    }
}
