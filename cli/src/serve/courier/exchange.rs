//! One request and its answer as bytes: HTTP/1.1 as its library speaks it, without a socket.
//!
//! *Decides* when an answer is over, and whether its connection can take another request.

use std::mem;

use peermesh_core::forward::{Forward, Forwarded};
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use ureq_proto::http::{HeaderName, HeaderValue, Method, Request, Uri};
use ureq_proto::{BodyMode, Error};

/// What all requests have.
pub(super) struct Letterhead {
    url: Uri,
    bearer: HeaderValue,
    /// Bytes of an answer that are read.
    answer_bytes_max: u64,
}

/// A request that was written, and what has come of its answer.
pub(super) struct Exchange {
    stage: Stage,
    /// Status and `Retry-After`, once they have come.
    said: Option<(u16, Option<String>)>,
    /// Bytes of its head, and of what comes before it, that are read.
    head_left: usize,
    /// Bytes of its body that are read.
    left: u64,
}

enum Stage {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>),
    Over,
}

/// What some bytes of an answer were.
pub(super) enum Heard {
    /// So many of them belong to it, and more must come.
    More(usize),
    /// So many of them belong to it, and it is over; true where its connection can take another request.
    Over(usize, bool),
}

/// Headers that a request has at the most, but for few.
const HEADERS: usize = 16;
/// The longest line of a head: the longest header that the core hands out, and its name.
const LINE_BYTES_MAX: usize = 16 * 1_024;
/// Bytes of the heads of an answer, of which the last one counts.
const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of an answer that are looked at in one go.
const SINK_BYTES: usize = 4 * 1_024;

impl Letterhead {
    /// None where the secret cannot stand in a header.
    pub(super) fn new(url: Uri, secret: &[u8], answer_bytes_max: u64) -> Option<Letterhead> {
        let mut bearer = HeaderValue::from_bytes(&[b"Bearer ", secret].concat()).ok()?;
        bearer.set_sensitive(true);
        Some(Letterhead { url, bearer, answer_bytes_max })
    }

    /// Appends a request to `out`, in the place of its trace that `parent` names, where it has one of its
    /// own.
    ///
    /// # Errors
    /// When the library does not take the headers.
    pub(super) fn write(
        &self,
        forward: &Forward,
        parent: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<Exchange, Error> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, self.bearer.clone());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(forward.body.len()));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let program = HeaderValue::from_static(concat!("peermesh/", env!("CARGO_PKG_VERSION")));
        headers.insert(USER_AGENT, program);
        for (name, value) in &forward.headers {
            let own = parent.filter(|_| *name == "sentry-trace");
            let unfit = |_| Error::BadHeader((*name).to_owned());
            let value = HeaderValue::from_str(own.unwrap_or(value)).map_err(unfit)?;
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::BadHeader((*name).to_owned()))?;
            headers.insert(name, value);
        }
        let mut call = Call::new(request)?.proceed();
        while !call.can_proceed() {
            let begin = out.len();
            out.resize(begin + LINE_BYTES_MAX, 0);
            let written = call.write(&mut out[begin..]);
            out.truncate(begin + written.as_ref().copied().unwrap_or(0));
            written?;
        }
        let call = match call.proceed()? {
            Some(SendRequestResult::SendBody(mut call)) => {
                out.extend_from_slice(forward.body.as_bytes());
                call.consume_direct_write(forward.body.len())?;
                call.proceed().ok_or(Error::BadContentLengthHeader)?
            }
            Some(SendRequestResult::RecvResponse(call)) => call,
            // No header of ours asks to be waited for.
            Some(SendRequestResult::Await100(_)) | None => return Err(Error::HeadersWith100),
        };
        Ok(Exchange {
            stage: Stage::Head(call),
            said: None,
            head_left: HEAD_BYTES_MAX,
            left: self.answer_bytes_max,
        })
    }
}

impl Exchange {
    /// Some bytes came behind those that belonged to the answer before.
    ///
    /// # Errors
    /// When they are no answer.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Heard, Error> {
        let mut at = 0;
        loop {
            match mem::replace(&mut self.stage, Stage::Over) {
                Stage::Head(mut call) => {
                    let (used, answer) = call.try_response(&bytes[at..], false)?;
                    at += used;
                    let Some(answer) = answer else {
                        self.head_left = self.head_left.checked_sub(used).ok_or(Error::HeadersWith100)?;
                        self.stage = Stage::Head(call);
                        if used > 0 {
                            continue;
                        }
                        if bytes.len() - at > self.head_left {
                            return Err(Error::HttpParseTooManyHeaders);
                        }
                        return Ok(Heard::More(at));
                    };
                    let retry_after =
                        answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
                    self.said = Some((answer.status().as_u16(), retry_after.map(str::to_owned)));
                    match call.proceed() {
                        Some(RecvResponseResult::RecvBody(call)) => self.stage = Stage::Body(call),
                        Some(RecvResponseResult::Redirect(call)) => {
                            return Ok(Heard::Over(at, !call.must_close_connection()));
                        }
                        Some(RecvResponseResult::Cleanup(call)) => {
                            return Ok(Heard::Over(at, !call.must_close_connection()));
                        }
                        None => return Ok(Heard::Over(at, false)),
                    }
                }
                Stage::Body(call) => return Ok(self.hear_body(call, bytes, at)),
                Stage::Over => return Ok(Heard::Over(at, false)),
            }
        }
    }

    /// Nobody needs what a body says, but what is left unread ends the connection. The answer is known, and
    /// whatever becomes of the rest changes nothing.
    fn hear_body(&mut self, mut call: Call<RecvBody>, bytes: &[u8], mut at: usize) -> Heard {
        let mut sink = [0; SINK_BYTES];
        loop {
            let Ok((used, _)) = call.read(&bytes[at..], &mut sink) else {
                return Heard::Over(at, false);
            };
            at += used;
            self.left = match self.left.checked_sub(u64::try_from(used).unwrap_or(u64::MAX)) {
                Some(left) => left,
                None => return Heard::Over(at, false),
            };
            if call.body_mode() != BodyMode::CloseDelimited && call.can_proceed() {
                let can_go_on = match call.proceed() {
                    Some(RecvBodyResult::Cleanup(call)) => !call.must_close_connection(),
                    Some(RecvBodyResult::Redirect(call)) => !call.must_close_connection(),
                    None => false,
                };
                return Heard::Over(at, can_go_on);
            }
            if used == 0 {
                self.stage = Stage::Body(call);
                return Heard::More(at);
            }
        }
    }

    /// What came of it, where nothing more will come: the answer, if there was one.
    pub(super) fn end(self) -> Option<Forwarded> {
        let (status, retry_after) = self.said?;
        Some(Forwarded::Answered { status, retry_after })
    }
}
