//! A publication goes to its watchers, and to those who do not keep up in the way their topic has it.
//!
//! *Always holds:* nobody who publishes waits for a watcher. What waits for one watcher is bounded, and so is
//! what waits for all of them: the slowest goes first. Nothing is left out without a word.

use std::sync::Arc;

use serde_json::json;

use super::publication::{Form, Publication};
use super::queue::Waiting;
use super::topic::{Topic, Watch};
use super::watcher::Watcher;
use super::{Cx, Lives};
use crate::config::{Limits, Slow, size};
use crate::fault::Fault;
use crate::ids::TopicNo;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::{Counter, Stats};
use crate::surface::SessionId;
use crate::wire::live::Outbound;

/// Watchers that take a publication at once, by how they read.
#[derive(Debug, Default)]
pub(super) struct Ready {
    sockets: Vec<SessionId>,
    events: Vec<SessionId>,
}

impl Ready {
    pub(super) fn push(&mut self, session: SessionId, form: Form) {
        match form {
            Form::Socket => self.sockets.push(session),
            Form::Events => self.events.push(session),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sockets.len() + self.events.len()
    }

    /// Those of each form of which there are any.
    pub(super) fn by_form(self) -> impl Iterator<Item = (Vec<SessionId>, Form)> {
        let both = [(self.sockets, Form::Socket), (self.events, Form::Events)];
        both.into_iter().filter(|(sessions, _)| !sessions.is_empty())
    }
}

impl Lives {
    /// Sends a publication to everybody who watches its topic.
    pub(super) fn spread(&mut self, cx: &mut Cx<'_>, no: TopicNo, publication: &Arc<Publication>) {
        let Lives { topics, watchers, queued_bytes, .. } = self;
        let Some(topic) = topics.get_mut(&no) else { return };
        let (mut ready, mut slow) = (Ready::default(), Vec::new());
        // The map is taken out so that each entry can change while the topic is looked at.
        let mut watches = std::mem::take(&mut topic.watchers);
        for (session, watch) in &mut watches {
            let Some(watcher) = watchers.get_mut(session).filter(|_| watch.window_ms.is_none()) else {
                continue;
            };
            if watcher.takes_at_once() && watch.gap.is_none() {
                let frame = publication.frame(topic.place_of(), watcher.form, false, cx.stats);
                watcher.room = watcher.room.saturating_sub(frame.len());
                watch.sent = publication.offset;
                ready.push(*session, watcher.form);
                continue;
            }
            let before = watcher.queue.bytes();
            let kept = hold(topic, no, watch, watcher, publication, &cx.config.limits, cx.stats);
            *queued_bytes = *queued_bytes + watcher.queue.bytes() - before;
            if !kept {
                slow.push(*session);
            }
        }
        topic.watchers = watches;
        let name = topic.name.clone();
        let counts = (ready.len(), topic.watchers.len());
        for (sessions, form) in ready.by_form() {
            cx.stats.add(Counter::ToldPosition, sessions.len() as u64);
            cx.time_delivery(cx.now.mono.since(publication.came), sessions.len());
            let frame = publication.frame(topic.place_of(), form, false, cx.stats);
            cx.share(sessions, frame);
        }
        cx.note(Level::Trace, || {
            let note = Note::new(Level::Trace, "live message routed").with("topic", name.as_str());
            note.with("offset", publication.offset).with("sent", counts.0).with("watchers", counts.1)
        });
        self.close_all_slow(cx, no, &slow);
        self.gather(cx, no, publication);
    }

    /// Ends watchers for whom too much waits, and more while too much waits for all of them.
    pub(super) fn close_all_slow(&mut self, cx: &mut Cx<'_>, no: TopicNo, slow: &[SessionId]) {
        for session in slow {
            cx.count(Counter::LiveSlow);
            self.close_slow(cx, *session, no);
        }
        self.shed(cx);
    }

    /// The place where it stands how much a watcher can take for whom nothing waits; none for others.
    pub(crate) fn idle_room(&mut self, session: SessionId) -> Option<&mut usize> {
        let watcher = self.watchers.get_mut(&session)?;
        (watcher.queue.is_empty() && watcher.gaps.is_empty()).then_some(&mut watcher.room)
    }

    /// So many bytes can go to a watcher: what waits moves up.
    pub(crate) fn room(&mut self, cx: &mut Cx<'_>, session: SessionId, room: usize) {
        let Lives { topics, watchers, queued_bytes, .. } = self;
        let Some(watcher) = watchers.get_mut(&session) else { return };
        watcher.room = room;
        while watcher.room > 0
            && let Some(Waiting { topic, offset, frame, came, .. }) = watcher.queue.pop()
        {
            *queued_bytes -= frame.len();
            watcher.room = watcher.room.saturating_sub(frame.len());
            let watch = topics.get_mut(&topic).and_then(|topic| topic.watchers.get_mut(&session));
            if let Some(watch) = watch {
                watch.sent = watch.sent.max(offset);
            }
            cx.stats.count(Counter::ToldPosition);
            cx.time_delivery(cx.now.mono.since(came), 1);
            cx.share(vec![session], frame);
        }
        // What was dropped is told as soon as everything before it has left.
        while watcher.gaps.front().is_some_and(|(end, _)| watcher.queue.has_left(*end))
            && let Some((_, no)) = watcher.gaps.pop_front()
        {
            let Some(topic) = topics.get_mut(&no) else { continue };
            let Some(watch) = topic.watchers.get_mut(&session) else { continue };
            let Some((from, to)) = watch.gap.take() else { continue };
            watch.sent = watch.sent.max(to);
            let (topic, epoch) = (topic.name.as_str(), &topic.epoch);
            watcher.tell(cx, session, &Outbound::Gap { topic, epoch, from, to });
        }
    }

    /// Closes the slowest while too much waits for all of them together.
    fn shed(&mut self, cx: &mut Cx<'_>) {
        while self.queued_bytes > size(cx.config.limits.live_queued_bytes_max()) {
            let most = self.watchers.iter().max_by_key(|(_, watcher)| watcher.queue.bytes());
            let Some((session, watcher)) = most.filter(|(_, watcher)| !watcher.queue.is_empty()) else {
                return;
            };
            let (session, no) = (*session, watcher.topics.first().copied().unwrap_or_default());
            cx.count(Counter::LiveShed);
            self.close_slow(cx, session, no);
        }
    }

    /// Ends a watcher that does not keep up, and tells it where it stands in one of its topics.
    fn close_slow(&mut self, cx: &mut Cx<'_>, session: SessionId, no: TopicNo) {
        let topic = self.topics.get(&no);
        let reason = topic.map(|topic| {
            let sent = topic.watchers.get(&session).map_or(0, |watch| watch.sent);
            let (epoch, name) = (&topic.epoch, serde_json::Value::from(topic.name.as_str()));
            // `kind` comes first and the name, which may be cut, last.
            format!(
                r#"{{"kind":"{}","offset":{sent},"epoch":{},"topic":{name}}}"#,
                Fault::SlowConsumer.row().reason,
                json!(epoch)
            )
        });
        self.part_all(cx, session);
        match reason {
            Some(reason) => cx.end_saying(session, Fault::SlowConsumer, reason),
            None => cx.end(session, Fault::SlowConsumer),
        }
    }
}

/// Keeps a publication for a watcher that cannot take it; false when too much waits for it.
pub(super) fn hold(
    topic: &Topic,
    no: TopicNo,
    watch: &mut Watch,
    watcher: &mut Watcher,
    publication: &Publication,
    limits: &Limits,
    stats: &mut Stats,
) -> bool {
    let (place, form, offset) = (topic.place_of(), watcher.form, publication.offset);
    let entity = (topic.rule.slow == Slow::Conflate).then(|| publication.key.clone().unwrap_or_default());
    if let Some(entity) = &entity {
        // What is older than what waits or has left says nothing to somebody who is behind.
        if publication.late {
            stats.count(Counter::LiveConflated);
            return true;
        }
        if let Some(waiting) = watcher.queue.waiting(no, entity) {
            stats.count(Counter::LiveConflated);
            if !planted("waiting_value_kept") {
                waiting.by(offset, publication.frame(place, form, true, stats), publication.came);
            }
            return true;
        }
    }
    if let Some((_, to)) = &mut watch.gap {
        stats.count(Counter::LiveGaps);
        *to = offset;
        return true;
    }
    let frame = publication.frame(place, form, false, stats);
    let is_over = watcher.queue.len() >= size(limits.live_queue_frames_max())
        || watcher.queue.bytes() + frame.len() > size(limits.live_queue_bytes_max());
    if !is_over {
        watcher.queue.push(Waiting { topic: no, offset, entity, frame, came: publication.came });
        return true;
    }
    if topic.rule.slow == Slow::Gap {
        stats.count(Counter::LiveGaps);
        if !planted("gap_left_untold") {
            watch.gap = Some((offset, offset));
        }
        watcher.gaps.push_back((watcher.queue.end(), no));
        return true;
    }
    false
}
