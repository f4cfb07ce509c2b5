//! Bytes to values and back. Pure: no policy, no state beyond a parse.

pub mod http;
pub(crate) mod json;
pub(crate) mod mesh;
