//! `prove`: checks receipts offline, each by itself and all of them as chains.
//!
//! *Decides* whether the broker's key signed every receipt, whether the numbers of each mesh go on from 1
//! without a gap, whether each receipt follows the one before it, and whether no key was accepted twice.
//! *Does not* ask anybody. *Always holds:* an error names the line it is about, and the way out if there is
//! one.

mod chain;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use chain::{Chain, judge};
use peermesh_core::ids::{HistoryEpoch, MeshId, PublicKey};
use peermesh_core::receipt::{BYTES_MAX, Receipt, ReceiptError};
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

/// Why receipts prove nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProveError {
    #[error("--broker-key: {0:?} is not 64 hexadecimal digits; peermesh mesh show tells it as broker_pubkey")]
    Key(String),
    #[error("{}: {source}", file.display())]
    File { file: PathBuf, source: io::Error },
    #[error("line {line}: longer than {BYTES_MAX} bytes, which no receipt is")]
    Long { line: usize },
    #[error("line {line}: {error}")]
    Unsound { line: usize, error: ReceiptError },
    #[error("there is no receipt in it")]
    Empty,
    #[error(
        "lines {one} and {two} both have number {sequence} of mesh {mesh} and differ: the broker signed \
         both; if its store was restored from an older copy, peermesh adopt was not run on it"
    )]
    Fork { one: usize, two: usize, sequence: u64, mesh: MeshId },
    #[error(
        "line {line}: number {sequence} of mesh {mesh} does not follow number {} on line {before}",
        sequence - 1
    )]
    Broken { line: usize, before: usize, sequence: u64, mesh: MeshId },
    #[error(
        "line {line}: number {sequence} of mesh {mesh} follows number {last} on line {before}: the broker left numbers out"
    )]
    Skipped { line: usize, before: usize, sequence: u64, last: u64, mesh: MeshId },
    #[error(
        "line {line}: number {} of mesh {mesh} is missing before number {sequence}; add the receipts of the \
         other senders, or use --some if there are not all",
        sequence - 1
    )]
    Gap { line: usize, sequence: u64, mesh: MeshId },
    #[error(
        "lines {one} and {two}: history {epoch} of mesh {mesh} begins on line {two}, so line {one} cannot \
         belong to it: the broker went back to a history that it had left"
    )]
    Reentered { one: usize, two: usize, epoch: HistoryEpoch, mesh: MeshId },
    #[error(
        "lines {one} and {two}: key {key:?} of member {member} was accepted twice, at {first} and {last}; if \
         the broker may have forgotten it meanwhile, say with --retention-days how long it knows keys"
    )]
    KeyTwice { one: usize, two: usize, key: String, member: String, first: String, last: String },
}

impl ProveError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            ProveError::Key(_) => Exit::Usage,
            ProveError::File { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::Refused,
            _ => Exit::Failed,
        }
    }
}

/// What is asked of receipts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    /// They need not be all of their chains.
    pub(crate) some: bool,
    /// A key that was accepted so many days before is forgotten and may come again; without it, none may.
    pub(crate) retention_days: Option<u32>,
}

/// Checks the receipts in a file, one a line; `-` is standard input.
pub(crate) fn run(
    file: &Path,
    broker_key: &str,
    demand: Demand,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let key = PublicKey::from_hex(&broker_key.to_ascii_lowercase())
        .ok_or_else(|| ProveError::Key(broker_key.to_owned()))?;
    let failed = |source| ProveError::File { file: file.to_owned(), source };
    let lines = match file.as_os_str() == "-" {
        true => read(io::stdin().lock(), &key, failed)?,
        false => read(BufReader::new(File::open(file).map_err(failed)?), &key, failed)?,
    };
    let chains = judge(lines, demand)?;
    let value = json!({ "meshes": chains.iter().map(Chain::json).collect::<Vec<_>>() });
    let told: Vec<String> = chains.iter().flat_map(|chain| chain.told(demand.some)).collect();
    Ok(terminal.result(&value, told.iter().map(String::as_str))?)
}

/// A receipt and where it stands.
struct Line {
    line: usize,
    receipt: Receipt,
}

/// Reads every line and checks it by itself.
fn read(
    mut from: impl BufRead,
    key: &PublicKey,
    failed: impl Fn(io::Error) -> ProveError,
) -> Result<Vec<Line>, ProveError> {
    let mut lines = Vec::new();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let room = BYTES_MAX as u64 + 1;
        if from.by_ref().take(room).read_until(b'\n', &mut text).map_err(&failed)? == 0 {
            break;
        }
        if text.len() > BYTES_MAX {
            return Err(ProveError::Long { line });
        }
        let text = str::from_utf8(&text).map_err(|_| ReceiptError::Form("it is not UTF-8".to_owned()));
        let unsound = |error| ProveError::Unsound { line, error };
        let text = text.map_err(unsound)?.trim();
        if text.is_empty() {
            continue;
        }
        let receipt = Receipt::parse(text).map_err(unsound)?;
        receipt.verify(key).map_err(unsound)?;
        lines.push(Line { line, receipt });
    }
    if lines.is_empty() { Err(ProveError::Empty) } else { Ok(lines) }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use peermesh_core::receipt::{self, Content};
    use peermesh_core::store::{CHAIN_START, ReceiptRow, link};

    use super::*;

    const A: HistoryEpoch = HistoryEpoch([0xa; 16]);
    const B: HistoryEpoch = HistoryEpoch([0xb; 16]);

    /// Signs receipts one by one.
    struct Broker {
        key: SigningKey,
        head: (u64, [u8; 32]),
    }

    impl Broker {
        fn new() -> Broker {
            Broker { key: SigningKey::from_bytes(&[5; 32]), head: (0, CHAIN_START) }
        }

        fn public(&self) -> PublicKey {
            PublicKey(self.key.verifying_key().to_bytes())
        }

        fn accepts(&mut self, key: &str, epoch: HistoryEpoch) -> String {
            self.accepts_on(self.head.0 + 1, key, epoch)
        }

        /// On that day of January.
        fn accepts_on(&mut self, day: u64, key: &str, epoch: HistoryEpoch) -> String {
            let mesh = MeshId::new("m");
            let content = Content {
                accepted_at: format!("2026-01-{day:02}T00:00:00.000Z"),
                body_sha256: "b".into(),
                client_message_id: key.into(),
                message_id: format!("id-{key}"),
                request_fingerprint: None,
                sender_member_id: "ann".into(),
            };
            let draft = content.draft(&mesh, epoch);
            let (sequence, previous) = (self.head.0 + 1, self.head.1);
            let end = link(&previous, &draft.head, sequence);
            let row = ReceiptRow { sequence, previous, content: draft.content, epoch, path: Vec::new(), end };
            self.head = (sequence, end);
            receipt::write(&mesh, &row, &receipt::sign(&self.key, &mesh, &row))
        }
    }

    fn judged(broker: &Broker, lines: &[&str], some: bool) -> Result<Vec<Chain>, String> {
        demanded(broker, lines, Demand { some, retention_days: None })
    }

    fn demanded(broker: &Broker, lines: &[&str], demand: Demand) -> Result<Vec<Chain>, String> {
        let failed = |source| ProveError::File { file: "f".into(), source };
        let lines = read(lines.join("\n").as_bytes(), &broker.public(), failed);
        lines.and_then(|lines| judge(lines, demand)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_chain_is_proved_in_any_order_and_with_receipts_kept_twice() {
        let mut broker = Broker::new();
        let [one, two, three] = ["a", "b", "c"].map(|key| broker.accepts(key, A));
        let chains = judged(&broker, &[&three, "", &one, &two, &one], false).unwrap();
        assert_eq!((chains.len(), chains[0].receipts, chains[0].first(), chains[0].last()), (1, 3, 1, 3));
    }

    #[test]
    fn a_gap_is_told_with_its_line_unless_only_some_are_there() {
        let mut broker = Broker::new();
        let [one, _, three] = ["a", "b", "c"].map(|key| broker.accepts(key, A));
        let error = judged(&broker, &[&one, &three], false).err().unwrap();
        assert!(error.starts_with("line 2: number 2 of mesh m is missing"), "{error}");
        assert!(judged(&broker, &[&one, &three], true).is_ok());
        let error = judged(&broker, &[&three], false).err().unwrap();
        assert!(error.contains("number 2"), "a chain begins at 1: {error}");
    }

    #[test]
    fn two_receipts_of_one_number_or_one_key_are_told_with_both_lines() {
        let mut broker = Broker::new();
        let one = broker.accepts("a", A);
        let fork = broker.head;
        let two = broker.accepts("b", A);
        broker.head = fork;
        let other = broker.accepts("c", A);
        let error = judged(&broker, &[&one, &two, &other], true).err().unwrap();
        assert!(error.starts_with("lines 2 and 3 both have number 2"), "{error}");
        let again = broker.accepts("a", A);
        let error = judged(&broker, &[&one, &other, &again], false).err().unwrap();
        assert!(error.starts_with("lines 1 and 3: key \"a\" of member ann"), "{error}");
    }

    #[test]
    fn a_receipt_that_does_not_follow_the_one_before_it_is_told() {
        let mut broker = Broker::new();
        let one = broker.accepts("a", A);
        broker.head.1 = [7; 32];
        let two = broker.accepts("b", A);
        let error = judged(&broker, &[&one, &two], true).err().unwrap();
        assert!(
            error.starts_with("line 2: number 2 of mesh m does not follow number 1 on line 1"),
            "{error}"
        );
    }

    #[test]
    fn numbers_that_the_broker_itself_leaves_out_are_told() {
        let mut broker = Broker::new();
        let one = broker.accepts("a", A);
        broker.head.0 += 2;
        let four = broker.accepts("b", A);
        let error = judged(&broker, &[&one, &four], true).err().unwrap();
        assert!(error.starts_with("line 2: number 4 of mesh m follows number 1 on line 1"), "{error}");
    }

    #[test]
    fn f_sto_14_a_history_that_was_left_does_not_go_on() {
        let mut broker = Broker::new();
        let [one, two, three] = [("a", A), ("b", B), ("c", A)].map(|(key, epoch)| broker.accepts(key, epoch));
        let error = judged(&broker, &[&one, &two, &three], false).err().unwrap();
        assert!(error.starts_with("lines 1 and 3: history 0a0a"), "{error}");
        assert!(judged(&broker, &[&one, &two], false).is_ok());
    }

    #[test]
    fn a_key_may_come_again_when_its_time_is_over_and_the_time_was_told() {
        let mut broker = Broker::new();
        let lines = [1, 7, 8].map(|day| broker.accepts_on(day, if day == 7 { "b" } else { "a" }, A));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let prove = |days| demanded(&broker, &lines, Demand { some: false, retention_days: days });
        assert!(prove(Some(7)).is_ok());
        for days in [None, Some(8)] {
            let error = prove(days).err().unwrap();
            assert!(error.contains("2026-01-01T00:00:00.000Z and 2026-01-08T00:00:00.000Z"), "{error}");
        }
    }

    #[test]
    fn f_sto_14_a_lost_history_shows_and_what_was_lost_may_be_accepted_again_in_the_next() {
        let mut broker = Broker::new();
        let kept = broker.accepts("a", A);
        let copy = broker.head;
        let lost = broker.accepts("b", A);
        broker.head = copy;
        let again = broker.accepts("b", B);
        let next = broker.accepts("c", B);
        let chains = judged(&broker, &[&kept, &lost, &again, &next], false).unwrap();
        assert_eq!(chains[0].histories, [(A, 1, 2), (B, 2, 3)]);
        assert!(chains[0].told(false)[1].contains("from 2 on another history"));
        let twice = broker.accepts("a", B);
        let error = judged(&broker, &[&kept, &again, &next, &twice], false).err().unwrap();
        assert!(error.contains("was accepted twice"), "what was kept is still known: {error}");
    }

    #[test]
    fn what_is_no_receipt_of_this_broker_is_told_with_its_line() {
        let mut broker = Broker::new();
        let one = broker.accepts("a", A);
        let forged = one.replace("id-a", "id-b");
        for (line, wanted) in [(&*forged, "did not sign"), ("{}", "no receipt"), ("x", "no receipt")] {
            let error = judged(&broker, &[&one, line], true).err().unwrap();
            assert!(error.starts_with("line 2: ") && error.contains(wanted), "{error}");
        }
        let other = Broker { key: SigningKey::from_bytes(&[6; 32]), ..Broker::new() };
        assert!(judged(&other, &[&one], true).err().unwrap().contains("another broker's"));
        assert_eq!(judged(&broker, &["", ""], true).err().unwrap(), "there is no receipt in it");
        let long = "x".repeat(BYTES_MAX + 1);
        assert!(judged(&broker, &[&long], true).err().unwrap().starts_with("line 1: longer than"));
    }
}
