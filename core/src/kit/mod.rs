//! Mechanisms that know no domain.

pub(crate) mod backoff;
pub(crate) mod bucket;
pub(crate) mod fair;
pub(crate) mod few;
pub(crate) mod index;
pub(crate) mod recent;
pub(crate) mod roll;
pub(crate) mod timers;
