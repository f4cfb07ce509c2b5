//! What a build without the feature `sentry` reports: nothing. Its settings refuse an address for reports.

use std::io;
use std::time::Duration;

use peermesh_core::forward::{Forward, Forwarded};
use peermesh_core::note::{Level, Note};

use crate::config::reporting::Reporting;

/// Reports that nobody gets.
#[derive(Clone, Debug)]
pub(crate) struct Reports;

/// A part of a trace that nobody is told of.
#[derive(Debug)]
pub(crate) struct Span;

impl Reports {
    #[allow(clippy::unnecessary_wraps, reason = "the same as where a thread is started")]
    pub(crate) fn start(_: Option<&Reporting>) -> io::Result<Reports> {
        Ok(Reports)
    }

    pub(crate) fn level(&self) -> Option<Level> {
        None
    }

    pub(crate) fn note(&self, _: &Note) {}

    pub(crate) fn follow(&self, _: &Forward) -> Span {
        Span
    }

    pub(crate) fn flush(&self, _: Duration) {}
}

impl Span {
    pub(crate) fn header(&self) -> Option<String> {
        None
    }

    pub(crate) fn end(self, _: &Forwarded) {}
}
