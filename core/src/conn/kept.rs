//! Bytes that were received and could not be read yet.

use super::event::Chunk;

/// Unread bytes, in the order they came. Holds no memory while there are none.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    /// How many of them are read.
    read: usize,
}

impl Kept {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn unread(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.read..).unwrap_or_default()
    }

    /// Leaves only the last `left` bytes unread.
    pub(crate) fn leave(&mut self, left: usize) {
        self.read = self.bytes.len().saturating_sub(left);
        if left == 0 {
            *self = Kept::default();
        }
    }

    /// Takes over all that is left of a chunk.
    pub(crate) fn take(&mut self, chunk: &mut Chunk<'_>) {
        self.top_up(chunk, usize::MAX);
    }

    /// Takes from a chunk until `need` bytes are unread, or the chunk is empty; false when it was empty
    /// before.
    pub(crate) fn top_up(&mut self, chunk: &mut Chunk<'_>, need: usize) -> bool {
        let wanted = need.saturating_sub(self.bytes.len() - self.read);
        let (front, rest) = {
            let bytes = std::mem::take(&mut chunk.0);
            let arrived = wanted.min(bytes.len());
            bytes.split_at_mut(arrived)
        };
        chunk.0 = rest;
        if front.is_empty() {
            return false;
        }
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.reserve_exact(front.len());
        self.bytes.extend_from_slice(front);
        true
    }
}
