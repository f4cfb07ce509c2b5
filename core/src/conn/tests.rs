//! How a stream of events ends, which no client of this process reads.

use super::*;

const ID: ConnId = ConnId(7);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const WINDOW: usize = 1_024;

/// A connection whose request is being answered with a stream; all of its window is out.
struct Stream {
    connection: Connection,
    limits: Arc<Limits>,
    todo: Outputs,
}

impl Stream {
    fn new() -> Stream {
        let mut limits = Limits::default();
        limits.set("send_window_bytes", WINDOW as u64).unwrap();
        let limits = Arc::new(limits);
        let (mut connection, mut todo) = (Connection::server(&limits), Outputs::new());
        let mut request = b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
        let mut chunk = Chunk::new(&mut request);
        let asked = connection.next(Mono::START, &mut chunk, ID, &mut todo);
        assert!(matches!(asked, Some(Event::Request(request)) if request.target == "/events"));
        connection.begin_stream(Mono::START, HEAD, ID, &mut todo);
        Stream { connection, limits, todo }
    }

    fn sends(&mut self, letter: u8, length: usize) {
        let frame = Bytes::from(vec![letter; length]);
        self.connection.send_shared(Mono::START, &frame, ID, &mut self.todo);
    }

    fn takes(&mut self, bytes: usize) {
        self.connection.sent(Mono::START, bytes, ID, &mut self.todo);
    }

    /// What went out since the last look.
    fn wrote(&mut self) -> String {
        let mut all = Vec::new();
        for output in self.todo.list() {
            if let Output::Send { bytes, .. } = output {
                all.extend_from_slice(self.todo.bytes(bytes));
            }
        }
        let spent = self.todo.take();
        self.todo.clear(spent);
        String::from_utf8(all).unwrap()
    }
}

#[test]
fn f_aut_07_a_stream_whose_reader_lost_its_rights_is_sent_its_last_word_and_nothing_that_waits() {
    let mut stream = Stream::new();
    stream.sends(b'a', WINDOW - HEAD.len());
    stream.sends(b'b', 100);
    stream.wrote();
    stream.connection.close(Mono::START, Fault::LiveForbidden, ID, &mut stream.todo);
    let end_by = Mono::START.after_millis(stream.limits.close_ms());
    assert_eq!(stream.connection.deadline(), Some(end_by), "however slowly it reads");
    stream.takes(WINDOW);
    let last = stream.wrote();
    assert!(last.starts_with("event: close\ndata: {\"code\":4403,"), "{last}");
}

#[test]
fn f_aut_07_a_stream_that_lost_its_rights_within_an_event_is_dropped() {
    let mut stream = Stream::new();
    stream.sends(b'a', WINDOW);
    stream.wrote();
    stream.connection.close(Mono::START, Fault::LiveForbidden, ID, &mut stream.todo);
    assert!(stream.connection.is_over());
    assert_eq!(stream.wrote(), "");
}

#[test]
fn another_end_of_a_stream_comes_behind_what_waits_and_in_time() {
    let mut stream = Stream::new();
    stream.sends(b'a', WINDOW);
    stream.wrote();
    stream.connection.close(Mono::START, Fault::LiveExpired, ID, &mut stream.todo);
    let end_by = Mono::START.after_millis(stream.limits.close_ms());
    assert_eq!(stream.connection.deadline(), Some(end_by));
    stream.takes(WINDOW);
    let last = stream.wrote();
    let rest = last.trim_start_matches('a');
    assert!(last.len() > rest.len() && rest.starts_with("event: close\n"), "{last}");
}
