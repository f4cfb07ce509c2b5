//! Reports to Sentry what a person should hear of (runner protocol, section 7).
//!
//! Facts come as log records; `facts.rs` knows which of them are worth a report and what it says, and
//! `client.rs` sends it. A build without the feature `sentry` has `none.rs` instead, which does nothing.
//!
//! *Always holds:* nobody waits for a report. Nothing of a body, no token and no address is in one.

#[cfg(feature = "sentry")]
mod client;
#[cfg(feature = "sentry")]
mod facts;
#[cfg(not(feature = "sentry"))]
mod none;
#[cfg(feature = "sentry")]
mod restraint;

#[cfg(feature = "sentry")]
pub(crate) use client::{Reports, Span};
#[cfg(not(feature = "sentry"))]
pub(crate) use none::{Reports, Span};
