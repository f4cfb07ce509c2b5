//! Mechanisms that know no domain.

pub mod bucket;
pub(crate) mod few;
