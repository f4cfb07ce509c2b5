//! Log records: one JSON object a line on standard error, written by a thread of their own.
//!
//! *Always holds:* whoever logs never waits. When the writer cannot keep up, records are dropped and counted,
//! and a line says how many as soon as lines can be written again.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use peermesh_core::note::{Level, Note};
use peermesh_core::time::Wall;
use serde_json::Value;

use crate::terminal::json_text;

/// Records that wait for the writer. A record takes about half a KiB, so this is at most a few MiB.
const WAITING_MAX: usize = 4_096;

/// Where records go. Clones share the writer and the count of dropped records.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    level: Level,
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Record(Wall, Note),
    /// Everything before this has been written once the answer comes.
    Flush(Sender<()>),
}

impl Logs {
    /// Starts the writer; records quieter than `level` are left out.
    pub(crate) fn start(level: Level, sink: impl Write + Send + 'static) -> std::io::Result<Logs> {
        let (queue, entries) = sync_channel(WAITING_MAX);
        let logs = Logs { level, queue, dropped: Arc::default() };
        let dropped = Arc::clone(&logs.dropped);
        thread::Builder::new().name("logs".into()).spawn(move || write_all(&entries, sink, &dropped))?;
        Ok(logs)
    }

    /// Takes one record, or drops and counts it.
    pub(crate) fn note(&self, note: Note) {
        if note.level > self.level {
            return;
        }
        match self.queue.try_send(Entry::Record(wall_now(), note)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Records dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything noted so far is written, but no longer than `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        const STEP: Duration = Duration::from_millis(5);
        let until = Instant::now() + patience;
        let (done, written) = channel();
        let mut entry = Entry::Flush(done);
        loop {
            entry = match self.queue.try_send(entry) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < until => back,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            };
            thread::sleep(STEP);
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn write_all(entries: &Receiver<Entry>, mut sink: impl Write, dropped: &AtomicU64) {
    let mut told = 0;
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Record(at, note) => {
                let lost = dropped.load(Ordering::Relaxed);
                if lost > told {
                    let count = lost - told;
                    told = lost;
                    let note = Note::new(Level::Warn, "log records dropped").with("count", count);
                    let _ = sink.write_all(line(at, note).as_bytes());
                }
                // A sink that fails cannot be told so; the next record tries again.
                let _ = sink.write_all(line(at, note).as_bytes());
            }
            Entry::Flush(done) => {
                let _ = sink.flush();
                let _ = done.send(());
            }
        }
    }
}

/// One record as its line: the fixed fields, then the context in its own order, each name once.
fn line(at: Wall, note: Note) -> String {
    let mut fields: Vec<(&str, Value)> = vec![
        ("ts", at.iso().into()),
        ("level", note.level.word().into()),
        ("component", "broker".into()),
        ("msg", note.msg.into()),
    ];
    for (name, value) in note.fields {
        if fields.iter().all(|(taken, _)| *taken != name) {
            fields.push((name, value));
        }
    }
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}:{}", json_text(&Value::from(*name)), json_text(value)))
        .collect();
    format!("{{{}}}\n", pairs.join(","))
}

/// The wall clock, in the core's type.
pub(crate) fn wall_now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    use super::*;

    /// A sink whose content the test can look at.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn lines(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap().clone();
            String::from_utf8(bytes)
                .unwrap()
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
    }

    /// A sink that takes nothing until its gate opens.
    struct Gate(Receiver<()>, Paper, Sender<()>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.2.send(());
            let _ = self.0.recv();
            self.1.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_record_is_one_json_line_with_the_fixed_fields_first() {
        let at = Wall::from_millis(1_767_323_045_678);
        let note = Note::new(Level::Info, "ws hello").with("member", "a\n\u{9b}b").with("restored", false);
        let text = line(at, note);
        assert!(
            text.starts_with(
                "{\"ts\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"component\":\"broker\",\
                 \"msg\":\"ws hello\",\"member\":"
            ),
            "{text}"
        );
        assert_eq!(text.matches('\n').count(), 1, "a field cannot break the line");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["member"], "a\n\u{9b}b");
    }

    #[test]
    fn records_below_the_level_are_left_out() {
        let paper = Paper::default();
        let logs = Logs::start(Level::Info, paper.clone()).unwrap();
        logs.note(Note::new(Level::Debug, "quiet"));
        logs.note(Note::new(Level::Warn, "loud"));
        logs.flush(Duration::from_secs(5));
        let said: Vec<Value> = paper.lines().into_iter().map(|line| line["msg"].clone()).collect();
        assert_eq!(said, ["loud"]);
    }

    #[test]
    fn f_lif_05_a_blocked_sink_costs_records_and_never_waits() {
        let ((open, gate), (entered, writing)) = (channel(), channel());
        let paper = Paper::default();
        let logs = Logs::start(Level::Info, Gate(gate, paper.clone(), entered)).unwrap();
        logs.note(Note::new(Level::Info, "first"));
        writing.recv().unwrap();
        for _ in 0..WAITING_MAX + 10 {
            logs.note(Note::new(Level::Info, "more"));
        }
        assert_eq!(logs.dropped(), 10);
        drop(open);
        logs.flush(Duration::from_secs(30));
        let lines = paper.lines();
        assert_eq!(lines.len(), WAITING_MAX + 2);
        let told = lines.iter().find(|line| line["msg"] == "log records dropped").unwrap();
        assert_eq!(told["count"], 10);
    }
}
