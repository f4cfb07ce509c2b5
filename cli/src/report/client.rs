//! Sends reports, from a thread of its own.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use peermesh_core::forward::{Forward, Forwarded};
use peermesh_core::note::{Level, Note};
use sentry::integrations::panic::PanicIntegration;
use sentry::protocol::{Event, SpanStatus};
use sentry::transports::UreqHttpTransportOptions;
use sentry::{
    Client, ClientOptions, Hub, Transaction, TransactionContext, Transport, TransportFactory,
    TransportOptions,
};
use serde_json::Value;

use super::facts::{self, Fact};
use super::restraint::Restraint;
use crate::config::reporting::Reporting;

/// Records that wait to become reports. More of them are forgotten: whoever notes does not wait.
const WAITING_MAX: usize = 256;
/// How long one request to the server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a panic may take to be reported.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Texts that come from outside are cut to this.
const TEXT_CHARS_MAX: usize = 64;

/// Where facts are told that may be worth a report. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Reports(Option<Line>);

#[derive(Clone, Debug)]
struct Line {
    queue: SyncSender<Entry>,
    has_traces: bool,
}

#[derive(Debug)]
enum Entry {
    Note(Note),
    Event(Box<Event<'static>>),
    /// Everything before this has been sent once the answer comes.
    Flush(Sender<()>),
}

/// A part of a trace: what the request with one event takes. Nothing where nobody asked for it.
pub(crate) struct Span(Option<Transaction>);

impl Reports {
    /// Starts to report, if there is somewhere to; panics are then reported too.
    pub(crate) fn start(reporting: Option<&Reporting>) -> io::Result<Reports> {
        let Some(reporting) = reporting else { return Ok(Reports(None)) };
        let client = Arc::new(Client::from(options(reporting)));
        Hub::main().bind_client(Some(Arc::clone(&client)));
        let (queue, entries) = sync_channel(WAITING_MAX);
        thread::Builder::new().name("reports".into()).spawn(move || report_all(&entries, &client))?;
        let reports = Reports(Some(Line { queue, has_traces: reporting.traces > 0.0 }));
        reports.clone().watch_panics();
        Ok(reports)
    }

    /// How loud a record must be to be told here; none where nothing is reported.
    pub(crate) fn level(&self) -> Option<Level> {
        self.0.as_ref().map(|_| Level::Info)
    }

    /// Tells a fact.
    pub(crate) fn note(&self, note: &Note) {
        if let Some(line) = &self.0
            && facts::matters(note)
        {
            let _ = line.queue.try_send(Entry::Note(note.clone()));
        }
    }

    /// Begins to measure the request with one event, if the event belongs to a trace.
    pub(crate) fn follow(&self, forward: &Forward) -> Span {
        let parents = forward.headers.iter().filter(|(name, _)| ["sentry-trace", "baggage"].contains(name));
        let parents: Vec<(&str, &str)> = parents.map(|(name, value)| (*name, value.as_str())).collect();
        if parents.is_empty() || !self.0.as_ref().is_some_and(|line| line.has_traces) {
            return Span(None);
        }
        let event: Value = serde_json::from_str(&forward.body).unwrap_or_default();
        let text = |name: &str| -> Option<String> {
            Some(event.get(name)?.as_str()?.chars().take(TEXT_CHARS_MAX).collect())
        };
        let kind = text("type").unwrap_or_default();
        let name = format!("broker.forwardEvent.{kind}");
        let context = TransactionContext::continue_from_headers(&name, "broker.event.forward", parents);
        let transaction = Hub::main().start_transaction(context);
        for (name, value) in [
            ("event.type", Some(kind)),
            ("event.projectId", text("projectId")),
            ("event.commandId", text("commandId")),
        ] {
            if let Some(value) = value {
                transaction.set_data(name, value.into());
            }
        }
        Span(Some(transaction))
    }

    /// Waits until everything told so far is sent, but no longer than `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let Some(line) = &self.0 else { return };
        let (done, sent) = channel();
        if line.queue.try_send(Entry::Flush(done)).is_ok() {
            let _ = sent.recv_timeout(patience);
        }
    }

    /// A panic ends the process, so it is reported before whatever else is done about it.
    fn watch_panics(self) {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Some(line) = &self.0 {
                let _ = line.queue.try_send(Entry::Event(Box::new(last_words(info))));
                self.flush(LAST_WORDS);
            }
            next(info);
        }));
    }
}

impl Span {
    /// What the request says of its place in the trace.
    pub(crate) fn header(&self) -> Option<String> {
        self.0
            .as_ref()
            .and_then(|span| span.iter_headers().find(|(name, _)| *name == "sentry-trace"))
            .map(|(_, value)| value)
    }

    /// The request is over.
    pub(crate) fn end(self, result: &Forwarded) {
        let Some(span) = self.0 else { return };
        span.set_status(match result {
            Forwarded::Answered { status: 200..=299, .. } => SpanStatus::Ok,
            Forwarded::Answered { .. } => SpanStatus::InternalError,
            Forwarded::Failed { .. } => SpanStatus::Unavailable,
        });
        span.finish();
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Span")
    }
}

fn options(reporting: &Reporting) -> ClientOptions {
    // The settings have seen that it is a DSN.
    let dsn = std::str::from_utf8(reporting.dsn.expose()).unwrap_or_default();
    let mut options = ClientOptions::new().send_default_pii(false).default_integrations(false);
    options.dsn = dsn.parse().ok();
    options.release = reporting.release.clone().map(Into::into);
    options.environment = Some(reporting.environment.clone().into());
    options.transport = Some(Arc::new(Posting));
    if reporting.traces > 0.0 {
        options = options.traces_sample_rate(reporting.traces);
    }
    options
}

/// Makes the client's transport: HTTP without an executor, by requests that end in time.
struct Posting;

impl TransportFactory for Posting {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE));
        Arc::new(UreqHttpTransportOptions::from(options).with_agent(config.build().into()).build())
    }
}

fn report_all(entries: &Receiver<Entry>, client: &Client) {
    let mut restraint = Restraint::default();
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Note(note) => match facts::of(&note) {
                Some(Fact::Crumb(crumb)) => Hub::main().add_breadcrumb(crumb),
                Some(Fact::Event(mut event)) => {
                    let Some(left_out) = restraint.admit(note.msg, Instant::now()) else { continue };
                    if left_out > 0 {
                        event.extra.insert("leftOut".to_owned(), left_out.into());
                    }
                    Hub::main().capture_event(*event);
                }
                None => {}
            },
            Entry::Event(event) => {
                Hub::main().capture_event(*event);
            }
            Entry::Flush(done) => {
                client.flush(Some(PATIENCE));
                let _ = done.send(());
            }
        }
    }
}

fn last_words(info: &PanicHookInfo<'_>) -> Event<'static> {
    let mut event = PanicIntegration::new().event_from_panic_info(info);
    let place = info.location().map_or(String::new(), |place| format!("{}:{}", place.file(), place.line()));
    for exception in event.exception.iter_mut() {
        exception.value = Some(spoken(info.payload(), &place));
    }
    event
}

/// What a panic says, if it is a text of the program. One that was put together may hold anything, and then
/// the place says enough.
fn spoken(payload: &dyn Any, place: &str) -> String {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => format!("{text} ({place})"),
        None => format!("a panic at {place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_panic_says_is_told_only_where_it_is_a_text_of_the_program() {
        assert_eq!(spoken(&"no room", "a.rs:7"), "no room (a.rs:7)");
        assert_eq!(spoken(&"of ann: hunter2".to_owned(), "a.rs:7"), "a panic at a.rs:7");
    }

    #[test]
    fn without_an_address_nothing_is_reported_or_followed() {
        let reports = Reports::start(None).unwrap();
        reports.note(&Note::new(Level::Error, "broker failed"));
        reports.flush(Duration::from_secs(60));
        assert_eq!(reports.level(), None);
        let headers =
            vec![("sentry-trace", "d4cda95b652f4a1592b449d5929fda1b-6e0c63257de34c92-1".to_owned())];
        let ticket = peermesh_core::ids::Ticket(1);
        let span = reports.follow(&Forward { ticket, headers, body: Arc::from("{}") });
        assert!(span.header().is_none());
    }
}
