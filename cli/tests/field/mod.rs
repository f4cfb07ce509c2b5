//! What tests of runners need besides a broker: runners, callers, and an event target that behaves badly.

#![allow(dead_code, reason = "each test program uses its own part of the field")]

pub(crate) mod runner;
pub(crate) mod target;

/// What opens the runners' port in tests.
pub(crate) const SECRET: &str = "the-secret-of-runners";
