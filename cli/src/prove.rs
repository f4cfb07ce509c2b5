//! `prove`: checks receipts offline, each by itself and all of them as chains.
//!
//! *Decides* whether the broker's key signed every receipt, whether the numbers of each mesh go on from 1
//! without a gap, whether each receipt follows the one before it, and whether no key was accepted twice.
//! *Does not* ask anybody. *Always holds:* an error names the line it is about.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use peermesh_core::ids::{HistoryEpoch, MeshId, PublicKey};
use peermesh_core::receipt::{BYTES_MAX, Receipt, ReceiptError};
use serde_json::{Value, json};

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
        "lines {one} and {two} both have number {sequence} of mesh {mesh} and differ: the broker signed both"
    )]
    Fork { one: usize, two: usize, sequence: u64, mesh: MeshId },
    #[error(
        "line {line}: number {sequence} of mesh {mesh} does not follow number {} on line {before}",
        sequence - 1
    )]
    Broken { line: usize, before: usize, sequence: u64, mesh: MeshId },
    #[error(
        "line {line}: number {} of mesh {mesh} is missing before number {sequence}; --some takes receipts \
         of a chain that is not all there",
        sequence - 1
    )]
    Gap { line: usize, sequence: u64, mesh: MeshId },
    #[error("lines {one} and {two}: key {key:?} of member {member} was accepted twice")]
    KeyTwice { one: usize, two: usize, key: String, member: String },
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

/// Checks the receipts in a file, one a line; `-` is standard input. With `some`, they need not be all of
/// their chains.
pub(crate) fn run(file: &Path, broker_key: &str, some: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let key = PublicKey::from_hex(broker_key).ok_or_else(|| ProveError::Key(broker_key.to_owned()))?;
    let failed = |source| ProveError::File { file: file.to_owned(), source };
    let lines = match file.as_os_str() == "-" {
        true => read(io::stdin().lock(), &key, failed)?,
        false => read(BufReader::new(File::open(file).map_err(failed)?), &key, failed)?,
    };
    let chains = judge(lines, some)?;
    let value = json!({ "meshes": chains.iter().map(Chain::json).collect::<Vec<_>>() });
    let told: Vec<String> = chains.iter().flat_map(|chain| chain.told(some)).collect();
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

/// The receipts of one mesh.
struct Chain {
    mesh: MeshId,
    receipts: usize,
    /// Each history with its first and last number, in the order of the first.
    histories: Vec<(HistoryEpoch, u64, u64)>,
}

/// Checks all of them together, mesh by mesh.
fn judge(lines: Vec<Line>, some: bool) -> Result<Vec<Chain>, ProveError> {
    let mut meshes: BTreeMap<MeshId, Vec<Line>> = BTreeMap::new();
    for line in lines {
        meshes.entry(line.receipt.mesh.clone()).or_default().push(line);
    }
    meshes.into_iter().map(|(mesh, lines)| Links::new(mesh, lines)?.judge(some)).collect()
}

/// Receipts of one mesh by their numbers, each once, with the place of the one that each follows.
struct Links {
    mesh: MeshId,
    lines: Vec<Line>,
    before: Vec<Option<usize>>,
}

impl Links {
    fn new(mesh: MeshId, mut lines: Vec<Line>) -> Result<Links, ProveError> {
        lines.sort_by_key(|Line { line, receipt }| (receipt.sequence, receipt.epoch, *line));
        for pair in lines.windows(2) {
            let [one, two] = [&pair[0], &pair[1]];
            let same_place =
                (one.receipt.sequence, one.receipt.epoch) == (two.receipt.sequence, two.receipt.epoch);
            if same_place && one.receipt.link != two.receipt.link {
                let (one, two, sequence) = (one.line, two.line, one.receipt.sequence);
                return Err(ProveError::Fork { one, two, sequence, mesh });
            }
        }
        // The same receipt may have been kept twice: a retry is answered with it again.
        lines.dedup_by_key(|line| line.receipt.link);
        let by_link: BTreeMap<[u8; 32], usize> =
            lines.iter().enumerate().map(|(place, line)| (line.receipt.link, place)).collect();
        let before = lines.iter().map(|line| by_link.get(&line.receipt.previous).copied()).collect();
        Ok(Links { mesh, lines, before })
    }

    fn judge(self, some: bool) -> Result<Chain, ProveError> {
        for place in 0..self.lines.len() {
            self.judge_link(place, some)?;
        }
        self.judge_keys()?;
        let mut histories: Vec<(HistoryEpoch, u64, u64)> = Vec::new();
        for Line { receipt, .. } in &self.lines {
            match histories.iter_mut().find(|(epoch, ..)| *epoch == receipt.epoch) {
                Some((_, _, last)) => *last = receipt.sequence,
                None => histories.push((receipt.epoch, receipt.sequence, receipt.sequence)),
            }
        }
        Ok(Chain { mesh: self.mesh, receipts: self.lines.len(), histories })
    }

    /// A receipt follows the one of the number before it, of its own history or of one that was adopted.
    fn judge_link(&self, place: usize, some: bool) -> Result<(), ProveError> {
        let Line { line, receipt } = &self.lines[place];
        let (line, sequence) = (*line, receipt.sequence);
        if sequence == 1 || self.before[place].is_some() {
            return Ok(());
        }
        let is_before =
            |other: &&Line| other.receipt.sequence == sequence - 1 && other.receipt.epoch == receipt.epoch;
        let mesh = self.mesh.clone();
        match self.lines.iter().find(is_before) {
            Some(other) => Err(ProveError::Broken { line, before: other.line, sequence, mesh }),
            None if some => Ok(()),
            None => Err(ProveError::Gap { line, sequence, mesh }),
        }
    }

    /// A key is accepted once in one history, and once along every chain that leads from one to the next.
    /// What was lost with a history may be accepted again in another one.
    fn judge_keys(&self) -> Result<(), ProveError> {
        let mut seen: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (place, Line { receipt, .. }) in self.lines.iter().enumerate() {
            let (member, key) = (&*receipt.content.sender_member_id, &*receipt.content.client_message_id);
            let known = seen.entry((member, key)).or_default();
            if let Some(first) = known.iter().find(|first| self.leads_to(**first, place)) {
                let (one, two) = (self.lines[*first].line, self.lines[place].line);
                return Err(ProveError::KeyTwice {
                    one,
                    two,
                    key: key.to_owned(),
                    member: member.to_owned(),
                });
            }
            known.push(place);
        }
        Ok(())
    }

    fn leads_to(&self, first: usize, mut last: usize) -> bool {
        if self.lines[first].receipt.epoch == self.lines[last].receipt.epoch {
            return true;
        }
        while let Some(before) = self.before[last].filter(|_| last > first) {
            last = before;
        }
        last == first
    }
}

impl Chain {
    fn first(&self) -> u64 {
        self.histories.iter().map(|(_, first, _)| *first).min().unwrap_or(0)
    }

    fn last(&self) -> u64 {
        self.histories.iter().map(|(.., last)| *last).max().unwrap_or(0)
    }

    fn json(&self) -> Value {
        let histories: Vec<Value> = self
            .histories
            .iter()
            .map(|(epoch, first, last)| json!({ "history_epoch": epoch.hex(), "first": first, "last": last }))
            .collect();
        json!({
            "mesh_id": self.mesh.as_str(),
            "receipts": self.receipts,
            "first": self.first(),
            "last": self.last(),
            "histories": histories,
        })
    }

    fn told(&self, some: bool) -> Vec<String> {
        let (first, last) = (self.first(), self.last());
        let whole = if some { "all of them sound" } else { "no gap" };
        let mut told = vec![format!(
            "mesh {}: {} receipts from {first} to {last}, {whole}, no key twice",
            self.mesh, self.receipts
        )];
        if let [_, others @ ..] = &*self.histories {
            told.extend(others.iter().map(|(epoch, first, _)| {
                format!(
                    "  from {first} on another history ({epoch}): the store was restored from an older copy"
                )
            }));
        }
        told
    }
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
            let mesh = MeshId::new("m");
            let content = Content {
                accepted_at: "t".into(),
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
        let failed = |source| ProveError::File { file: "f".into(), source };
        let lines = read(lines.join("\n").as_bytes(), &broker.public(), failed);
        lines.and_then(|lines| judge(lines, some)).map_err(|error| error.to_string())
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
