//! Bytes to values and back. Pure: no policy, no state beyond a parse.

pub(crate) mod admin;
pub(crate) mod assemble;
pub(crate) mod bookmark;
pub(crate) mod cursor;
pub(crate) mod enquiry;
pub(crate) mod frame;
pub(crate) mod head;
pub mod http;
pub mod json;
pub(crate) mod live;
pub(crate) mod mesh;
pub(crate) mod plain;
pub(crate) mod rotate;
pub(crate) mod runner;
pub(crate) mod trace;
pub(crate) mod upgrade;

/// Appends a part of something that will be `total` bytes long, and lets the buffer grow with what has
/// arrived: to at most twice that, and never beyond `total`. What is announced is not allocated before it
/// comes.
fn append_within(bytes: &mut Vec<u8>, part: &[u8], total: usize) {
    let needed = bytes.len() + part.len();
    if needed > bytes.capacity() {
        let roomy = needed.max(bytes.capacity().saturating_mul(2).min(total));
        bytes.reserve_exact(roomy - bytes.len());
    }
    bytes.extend_from_slice(part);
}
