//! Defects that can be planted, one at a time, to prove that tests notice them.
//!
//! Each is a hunk of a line or two at the place it damages, behind `planted()`. Without the feature `planted`
//! that is a constant `false`, and nothing of a defect is in the program.

/// All defects, each with what goes wrong.
pub const DEFECTS: &[(&str, &str)] = &[
    ("ack_before_commit", "a sender is told that its message is stored before it is"),
    ("ack_of_anybody_counts", "an acknowledgement settles what was not the peer's own"),
    ("age_by_the_wall_clock", "a wall clock that jumps ahead makes mail old"),
    ("backlog_forgotten", "what waited before a restart is not looked for"),
    ("batch_told_in_part", "of what was published together only the first is told"),
    ("batch_without_bounds", "a commit holds more than it may"),
    ("budget_refunded", "a refused send gives back what it spent"),
    ("clock_ahead_holds_a_row", "what was queued while a wall clock was ahead waits until that time is true"),
    ("command_handed_over_twice", "a command is written to its runner twice"),
    ("command_key_forgotten", "a command under a key that was used runs again"),
    ("conflict_answered_duplicate", "another request under a used key counts as the first one"),
    ("dedupe_behind_the_budget", "a resend of an accepted message is refused for want of budget"),
    ("dnd_ended_by_a_hook", "a hook ends what only the peer may end"),
    ("doubt_ignored", "a broker whose lease ran out pushes on"),
    ("drain_waits_for_ever", "a broker that drains has no last moment"),
    ("end_refused_and_forgotten", "a delivery whose end the store refused keeps its row"),
    ("event_acked_before_commit", "a runner is told that its event is stored before it is"),
    ("event_passed_on_retry", "an event that failed is passed by the next one"),
    ("event_taken_without_answer", "an event whose request failed counts as taken"),
    ("event_told_to_everybody", "a session is told of messages for others"),
    ("expiry_while_leased", "a message expires while its recipient has it"),
    ("fence_left_out", "writes do not stand under the word that the mesh is ours"),
    ("former_key_stays_in", "whoever came in by a key that was replaced stays"),
    ("gap_left_untold", "what a slow watcher does not get is dropped without a word"),
    ("gate_left_open", "whoever works is disturbed by everything"),
    ("grace_without_end", "who went without a word stays listed"),
    ("inbox_acked_before_commit", "a broker is told that a message came before it is on disk"),
    ("inflight_left_for_ever", "rows in flight when a daemon died are never tried again"),
    ("key_made_anew_on_retry", "a daemon sends a row again under another key"),
    ("lane_overtaken_on_return", "a message that comes back goes behind later ones"),
    ("late_value_overwrites", "an older value stands in place of a newer one"),
    ("lease_for_ever", "a push that was lost is never repeated"),
    ("lease_of_no_length", "a push is repeated at once"),
    ("left_by_one_connection", "a user is said to have left who is there by another connection"),
    ("look_at_other_meshes", "the fate of a message is told to another mesh"),
    ("lost_socket_ends_a_row", "a message whose socket was lost is given up"),
    ("lost_topic_kept", "watchers of a topic that was lost hear nothing and are not told"),
    ("low_waits_for_ever", "the least urgent class has no turn while others wait"),
    ("old_close_removes_the_new", "the end of a replaced connection removes the newer one"),
    ("page_counts_the_uncommitted", "a page of events counts what is not known to be stored"),
    ("page_forgets_the_rest", "what did not fit into memory is not looked for again"),
    ("position_given_twice", "two messages have one position"),
    ("publication_key_forgotten", "what is published again stands twice"),
    ("publication_told_before_commit", "watchers are told of what is not stored"),
    ("pushes_without_bound", "a peer is pushed more than it may have open"),
    ("queue_without_bound", "a mailbox holds more than it may"),
    ("queued_before_commit", "a program is told that its message is queued before it is on disk"),
    ("recovered_with_a_hole", "a watcher that missed something is said to have missed nothing"),
    ("replaced_is_said_to_leave", "a peer that came back is said to have left"),
    ("resend_has_another_id", "a resend is answered with an id of its own"),
    ("retention_without_span", "old rows are removed before they are old"),
    ("revoked_and_told_on", "connections of a user whose rights were taken back go on"),
    ("revoked_opens_again", "a token that was taken back opens again"),
    ("row_aged_by_the_wall_clock", "a wall clock that jumps ahead makes a daemon's rows old"),
    ("row_passed_while_it_waits", "a row that waits is passed by the next of its lane"),
    ("same_request_called_conflict", "a resend counts as another request"),
    ("sealed_while_rotating", "what a member seals while its key is replaced is taken"),
    ("sealer_forgotten", "what a member sealed before is shown under the key that it has since"),
    ("session_mail_to_the_member", "a session's mail goes to any connection of its member"),
    ("session_reads_everything", "a session is shown what came for others"),
    ("session_row_by_the_member", "what a session sends leaves as its member"),
    ("stamp_by_the_wall_clock", "a wall clock that fell behind makes what is written then old"),
    ("stream_begins_anew", "a stream of events that comes back is not told of what it missed"),
    ("token_in_a_record", "a log record shows what opens the door"),
    ("topic_shown_in_doubt", "a broker whose lease ran out shows what holds"),
    ("two_chunks_granted", "more is read than was asked for"),
    ("unknown_called_refused", "a commit of unknown outcome is answered as refused for good"),
    ("unknown_taken_for_written", "a commit of unknown outcome counts as made"),
    ("unrecorded_row_passed", "a row whose attempt could not be recorded is passed by the next of its lane"),
    ("volatile_late_unjudged", "in a topic in memory no value counts as older than what is known"),
    ("volatile_name_kept", "a topic in memory has one name in all of its lives"),
    ("waiting_value_kept", "an older value waits for a slow watcher, and the newer one is lost"),
    ("wrong_mailbox_settled", "the copy of another mailbox ends"),
];

#[cfg(feature = "planted")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// From here on this thread's machines have that defect, and no other.
#[cfg(feature = "planted")]
pub fn plant(defect: Option<&'static str>) {
    CHOSEN.set(defect);
}

/// True when that defect is planted.
#[cfg(feature = "planted")]
pub(crate) fn planted(defect: &'static str) -> bool {
    CHOSEN.get() == Some(defect)
}

/// Nothing is planted in a program that is used.
#[cfg(not(feature = "planted"))]
pub(crate) const fn planted(_: &'static str) -> bool {
    false
}
