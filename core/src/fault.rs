//! Why we end a connection: one table of close codes, each with advice for the peer.
//!
//! `docs/protocol/close-codes.md` shows the same table and a test holds the two together.

/// What the peer should do about a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Connect again and go on; nothing is lost.
    Resume,
    /// Connect again after a while.
    Later,
    /// Do not come back without changing something.
    Never,
}

impl Advice {
    /// The word in the table.
    pub const fn word(self) -> &'static str {
        match self {
            Advice::Resume => "resume",
            Advice::Later => "later",
            Advice::Never => "never",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseRow {
    /// The WebSocket close code.
    pub code: u16,
    /// The reason text in the close frame, or the `kind` of the object that stands there: [`word_of`].
    pub reason: &'static str,
    /// What the peer should do.
    pub advice: Advice,
    /// When it is sent.
    pub when: &'static str,
}

macro_rules! faults {
    ($($Variant:ident = $code:literal, $reason:literal, $advice:ident, $when:literal;)+) => {
        /// A reason to end a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum Fault { $($Variant,)+ }

        impl Fault {
            /// The whole table.
            pub const ALL: &'static [Fault] = &[$(Fault::$Variant,)+];

            /// Code, reason, advice and occasion.
            pub const fn row(self) -> CloseRow {
                match self {
                    $(Fault::$Variant => CloseRow {
                        code: $code,
                        reason: $reason,
                        advice: Advice::$advice,
                        when: $when,
                    },)+
                }
            }
        }
    };
}

faults! {
    SessionReplaced = 1000, "session_replaced", Never, "a newer connection of the same session took over";
    RunnerReplaced = 1000, "Replaced by a newer connection", Never,
        "a newer connection of the same runner took over";
    HeartbeatTimeout = 1000, "Heartbeat timeout", Resume, "no heartbeat of the runner came in time";
    ServerShuttingDown = 1000, "Server shutting down", Resume, "the broker is stopping (runners)";
    Disconnected = 1000, "disconnected", Resume, "one side ended the connection on purpose";
    ShuttingDown = 1001, "shutting down", Resume, "the broker is stopping";
    LiveShuttingDown = 1001, "server shutting down", Resume, "the broker is stopping (live topics)";
    ProtocolError = 1002, "protocol_error", Never, "a frame broke RFC 6455";
    BadUtf8 = 1007, "invalid_utf8", Never, "a text was not UTF-8";
    RunnerUnauthorized = 1008, "Unauthorized", Never, "the runner's token is missing or wrong";
    BadSessionKey = 1008, "bad_session_pubkey", Never, "the session key is malformed or another member's";
    BadParentKey = 1008, "bad_parent_pubkey", Never, "the parent key is malformed";
    AttestationMismatch = 1008, "attestation_mismatch", Never, "the attestation names other keys";
    Expired = 1008, "expired", Later, "the attestation is past its time";
    TtlTooLong = 1008, "ttl_too_long", Never, "the attestation is valid for too long";
    Capacity = 1008, "capacity", Later, "the mesh has no room for another connection";
    TimestampSkew = 1008, "timestamp_skew", Later, "the hello's time is too far from the broker's";
    Malformed = 1008, "malformed", Never, "a key, a signature or a field of the hello has the wrong form";
    BadSignature = 1008, "bad_signature", Never, "the signature does not verify";
    Unauthorized = 1008, "unauthorized", Never, "the key is no member of the mesh";
    ParentMemberMismatch = 1008, "parent_member_id_mismatch", Never, "the parent id is not the parent key's";
    Replayed = 1008, "replayed", Later, "the hello's signature was used before";
    KeyRotated = 1008, "member_key_rotated", Never, "the member has another key: greet with that one";
    HelloTimeout = 1008, "hello_timeout", Later, "no hello came in time";
    BadMessages = 1008, "bad_messages", Never, "too many messages that were no message";
    ControlFlood = 1008, "control_flood", Later, "too many control frames";
    FragmentTimeout = 1008, "fragment_timeout", Later, "a fragmented message was not finished in time";
    TooLarge = 1009, "too_large", Never, "a frame or message is over the limit";
    Overloaded = 1013, "overloaded", Later, "the broker has no room or its store does not answer";
    NotOwner = 1013, "not_owner", Later, "another broker serves the mesh";
    Banned = 4002, "banned", Never, "the member was removed from the mesh";
    SlowConsumer = 4008, "slow_consumer", Resume, "bytes waited too long for the peer to read them";
    SessionConflict = 4009, "session_conflict", Later, "two clients kept replacing each other";
    LiveUnauthorized = 4401, "unauthorized", Never, "no token, or none that opens live topics, came in time";
    LiveExpired = 4401, "token expired", Never, "the token ran out: come back with a fresh one";
    LiveForbidden = 4403, "authorization revoked", Never, "the user's rights to live topics were taken back";
    FeatureUnavailable = 4010, "feature_unavailable", Never, "the broker does not do what the peer requires";
    FeatureInvalid = 4010, "feature_param_invalid", Never, "what is required is no value of that parameter";
    FeatureBelowFloor = 4010, "feature_param_below_floor", Never, "the broker has less than is required";
    SplitInvalid = 4011, "feature_param_invalid", Never, "as 4010, where `close_code_split` was said";
    SplitBelowFloor = 4012, "feature_param_below_floor", Never, "as 4010, where `close_code_split` was said";
}

/// The word of a reason as it came in a close frame, by which its row is found. Most reasons are one word.
/// One with details is a JSON object, cut to what a frame holds; its first member is `kind`, the word.
pub fn word_of(reason: &str) -> &str {
    reason.strip_prefix(KIND_FIRST).and_then(|rest| rest.split('"').next()).unwrap_or(reason)
}

/// How a reason with details begins.
const KIND_FIRST: &str = "{\"kind\":\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_reason_is_the_whole_of_it_or_the_kind_of_an_object_however_it_was_cut() {
        let whole = r#"{"kind":"feature_unavailable","feature":"x","detail":"y"}"#;
        for reason in [whole, &whole[..40], &whole[..30], "feature_unavailable"] {
            assert_eq!(word_of(reason), "feature_unavailable");
        }
        for reason in ["", "shutting down", "{}", r#"{"feature":"x"}"#] {
            assert_eq!(word_of(reason), reason);
        }
    }

    #[test]
    fn every_row_is_its_own_and_fits_a_close_frame() {
        for (at, fault) in Fault::ALL.iter().enumerate() {
            let row = fault.row();
            assert!(row.reason.len() <= 123 && !row.when.is_empty());
            assert!(
                Fault::ALL[..at]
                    .iter()
                    .all(|other| (other.row().code, other.row().reason) != (row.code, row.reason))
            );
        }
    }
}
