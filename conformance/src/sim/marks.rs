//! What truly happened: a counter for every fault and for every hard-won branch.
//!
//! A class of faults that is switched on and never comes about tests nothing; so every one is counted where
//! it takes effect, not where it is wished for.

macro_rules! marks {
    ($($Mark:ident = $word:literal, $rows:literal;)+) => {
        /// Something that happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each stands with its word in the table")]
        pub enum Mark { $($Mark,)+ }

        impl Mark {
            /// All of them.
            pub const ALL: &'static [Mark] = &[$(Mark::$Mark,)+];

            /// What it is called in reports.
            pub const fn word(self) -> &'static str {
                match self { $(Mark::$Mark => $word,)+ }
            }

            /// The rows of the fault matrix that it belongs to.
            pub const fn rows(self) -> &'static str {
                match self { $(Mark::$Mark => $rows,)+ }
            }
        }
    };
}

marks! {
    Accepted = "message accepted", "";
    Delivered = "delivery acknowledged", "";
    Redelivered = "message pushed again", "DEL-01";
    Duplicate = "resend answered as duplicate", "ACC-08";
    Conflict = "key reused for something else", "ACC-09";
    RateLimited = "send refused for want of budget", "ACC-10";
    QueueFull = "send refused for want of room", "ACC-10";
    KnownWhileSpent = "resend of an accepted key while the budget was spent", "ACC-10";
    KeyExpired = "key refused because of its age", "ACC-12";
    NoTarget = "send to somebody who is not there", "DEL-05";
    Multicast = "message to many", "ACC-14";
    OneOfMany = "one of many recipients acknowledged", "DEL-04";
    DeadDelivery = "delivery died of too many tries", "DEL-03";
    Buried = "delivery died with its removed recipient", "DEL-05";
    Expired = "delivery expired", "DEL-08";
    Pruned = "old rows removed", "STO-16";
    ForeignAck = "acknowledgement of what is not theirs", "DEL-02";
    AckTwice = "acknowledgement sent twice", "DEL-01";
    LateAck = "acknowledgement after the lease", "DEL-01";
    GateShut = "status that holds mail back", "DEL-06";
    HookSpoke = "hook told a status", "DEL-10";
    NowFlood = "urgent mail beside waiting mail", "DEL-07";
    LegacyAck = "delivery settled by a pong", "";
    LeftForGood = "peer that left without a word and for good", "";
    LinkCut = "stream cut", "NET-01";
    LinkCutMidFrame = "stream cut inside a frame", "NET-01";
    ByteByByte = "bytes delivered one by one", "NET-01";
    Merged = "several messages in one chunk", "NET-01";
    Delayed = "bytes delayed by seconds", "NET-01";
    Stalled = "direction stood still", "NET-01";
    OneWay = "one direction swallowed everything", "NET-02";
    HalfOpen = "both directions swallowed everything", "NET-02";
    HalfClose = "client ended its side only", "NET-01";
    SlowReader = "client stopped reading", "NET-03";
    SlowConsumer = "closed as too slow", "NET-03";
    Stale = "dead connection found by silence", "NET-02";
    Replaced = "connection replaced by a newer one", "NET-05";
    LateClose = "older connection ended after it was replaced", "NET-05";
    SwapConflict = "two clients held down", "NET-06";
    Reconnected = "client came back", "NET-07";
    SkewedHello = "hello refused for its time, then let in", "TIM-03";
    Died = "broker died", "ACC-01";
    DiedUnread = "died before reading a send", "ACC-01";
    DiedJudged = "died after judging a send", "ACC-01";
    DiedInTransaction = "died in the transaction of a send", "ACC-02";
    DiedCommitting = "died while a send committed", "ACC-03";
    DiedCommitted = "died after the commit of a send", "ACC-04";
    DiedBeforeAck = "died before writing an ack", "ACC-04";
    DiedPushing = "died after writing a push", "ACC-05";
    DiedAckRead = "died after reading an acknowledgement", "ACC-05";
    DiedSettling = "died while a delivery was settled", "ACC-05";
    LostWrite = "death lost a write in flight", "ACC-02";
    KeptWrite = "death kept a write in flight", "ACC-03";
    Drained = "broker drained and started again", "LIF-01";
    DrainedBusy = "broker drained amid sends", "LIF-01";
    DiedDraining = "died while draining", "LIF-02";
    Frozen = "process stood still", "TIM-04";
    Suspended = "host stood still", "TIM-04";
    JumpedAhead = "wall clock jumped ahead", "TIM-01";
    JumpedBack = "wall clock jumped back", "TIM-01";
    ClockStopped = "wall clock stood still", "TIM-01";
    ClockRaced = "wall clock ran at twice its speed", "TIM-01";
    Holiday = "all brokers down for days", "STO-16";
    SlowCommit = "commit took seconds", "STO-12";
    Refused = "store refused: unavailable", "ACC-06";
    Busy = "store refused: busy", "STO-11";
    Full = "store refused: full", "STO-01";
    ReadFailed = "question refused", "STO-07";
    UnknownWritten = "commit written, outcome not told", "ACC-07";
    UnknownLost = "commit lost, outcome not told", "ACC-07";
    UnknownLate = "commit written after its outcome was given up", "ACC-07";
    UnknownLateAfterRetry = "late commit after the repeated one", "ACC-07";
    StoreHung = "store said nothing", "STO-07";
    StoreCutOff = "one of two brokers cut off from the store", "CLU-01";
    Corrupt = "store called itself corrupt", "STO-04";
    MeshMoved = "mesh moved to the other broker", "CLU-06";
    Fenced = "write refused because the mesh was lost", "CLU-03";
    LeaseLapsed = "lease of a broker lapsed while it lived", "CLU-04";
    TurnedAway = "hello sent to the other broker", "CLU-03";
    EventTaken = "event taken by the target", "EVT-01";
    EventRepeated = "event sent to the target again", "EVT-01";
    EventDead = "event refused by the target for good", "EVT-02";
    EventResent = "event sent by its runner again", "EVT-01";
    TargetDown = "target down", "EVT-01";
    TargetLostReply = "target lost its reply", "EVT-01";
    CommandSent = "command handed over", "CMD-01";
    CommandAbsent = "command refused: runner away", "CMD-01";
    CommandQueued = "command queued", "CMD-01";
    CommandKeyed = "command repeated under its key", "CMD-02";
    CommandUnanswered = "command without an ack in time", "CMD-01";
    Removed = "member removed", "AUT-07";
    Rotated = "member's key replaced", "AUT-07";
    RotatedAgain = "rotation asked for again, and known", "ACC-07";
    RotationLost = "one of two keys that were asked for at once refused", "AUT-07";
    RotationFull = "rotation refused for want of room", "DOS-04";
    FormerReached = "message to a former key", "AUT-07";
    SealedBefore = "message pushed under the former key that sealed it", "AUT-07";
    KeyRotating = "send put off while its key was replaced", "AUT-07";
    HostDied = "daemon died", "DMN-02";
    HostDiedInflight = "daemon died with a row in flight", "DMN-02";
    HostDiedUnsettled = "daemon died between the broker's ack and its own record", "DMN-03";
    HostDiedUnacked = "daemon died between the inbox and its acknowledgement", "DMN-04";
    HostLostWrite = "daemon's death lost a write in flight", "DMN-01";
    HostDiskSlow = "daemon's disk took seconds", "DMN-08";
    HostDiskRefused = "daemon's disk refused", "DMN-08";
    HostDiskFull = "daemon's disk was full", "DMN-08";
    HostDiskUnknown = "daemon's disk lost a commit, outcome not told", "DMN-08";
    HostClockJumped = "daemon's wall clock jumped", "TIM-01";
    OutboxQueued = "row queued", "DMN-01";
    OutboxDelivered = "row taken by a broker", "DMN-06";
    OutboxDead = "row refused for good", "DMN-07";
    OutboxExpired = "row given up for its age", "DMN-06";
    OutboxForgotten = "rows forgotten for their age", "DMN-08";
    OutboxRequeued = "row put in line again", "DMN-07";
    OutboxReclaimed = "rows in flight put in line again", "DMN-02";
    OutboxFull = "program told that there is no room", "DMN-08";
    InboxKept = "message kept for a program", "DMN-04";
    InboxRepeated = "message came again, and was known", "DMN-04";
    ProgramDied = "program died, or gave its request up", "DMN-01";
    ProgramRepeated = "program repeated itself, and was known", "DMN-01";
    ProgramConflict = "program used a key again, and was refused", "DMN-07";
    StreamHeard = "message told on a stream of events", "";
    StreamResumed = "stream of events went on from where it was", "";
    StreamLost = "stream of events told that its place is lost", "";
    StreamSlow = "stream of events ended for a slow program", "";
    LivePublished = "publication stored", "TOP-01";
    LiveRepeated = "publication sent again, and known", "TOP-01";
    LiveBatch = "batch of publications stored", "TOP-01";
    LiveLate = "publication older than what was known", "TOP-01";
    LiveRecovered = "watcher came back and missed nothing", "TOP-01";
    LiveMissed = "watcher came back and was told that something is missing", "TOP-01";
    LiveGap = "watcher told of a gap", "TOP-01";
    LiveConflated = "older value left out for a watcher that is slow", "TOP-01";
    LiveSlow = "watcher closed as too slow", "TOP-01";
    LiveVolatile = "publication of a topic in memory told", "TOP-01";
    LiveStreamed = "publication told by a stream of events", "TOP-01";
    LiveStreamBack = "stream of events goes on where it was", "TOP-01";
    LiveJoined = "watcher told that somebody came", "TOP-01";
    LiveLeft = "watcher told that somebody left", "TOP-01";
    LiveRevoked = "rights of a watcher taken back", "AUT-07";
    LiveBarred = "watcher told that its rights were taken back", "AUT-07";
    LiveElsewhere = "watcher or publisher sent to the broker that serves the topic", "CLU-03";
}

/// How often each of them happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    counts: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { counts: vec![0; Mark::ALL.len()] }
    }
}

impl Tally {
    /// One more.
    pub(super) fn mark(&mut self, mark: Mark) {
        self.counts[mark as usize] += 1;
    }

    /// How often it happened.
    pub fn count(&self, mark: Mark) -> u64 {
        self.counts[mark as usize]
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Tally) {
        for (sum, more) in self.counts.iter_mut().zip(&other.counts) {
            *sum += more;
        }
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<Mark> {
        Mark::ALL.iter().copied().filter(|mark| self.count(*mark) == 0).collect()
    }
}
