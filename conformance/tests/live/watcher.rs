//! What a watcher may believe of one topic, and whether what it is told bears that out.

use std::collections::BTreeMap;

use peermesh_conformance::story::{Said, Told};
use serde_json::Value;

/// A publication as it was acknowledged to its publisher.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Published {
    pub(crate) key: Option<String>,
    pub(crate) version: Option<u64>,
    pub(crate) data: Value,
}

/// The latest value of every entity.
pub(crate) type Holds = BTreeMap<String, (u64, Value)>;

/// One watcher's knowledge of a topic. It outlives connections.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    /// By key: offset and data.
    pub(crate) holds: Holds,
    /// Offsets may be left out because later values took their place.
    pub(crate) conflates: bool,
    /// It was told of a gap, so that what it holds may be old.
    pub(crate) has_gap: bool,
    /// The last offset of each entity.
    last: BTreeMap<String, u64>,
    pub(crate) recovered: usize,
    pub(crate) missed: usize,
    pub(crate) gaps: usize,
    pub(crate) conflated: usize,
}

impl Knowledge {
    /// Learns from one message about the topic.
    pub(crate) fn learn(&mut self, message: &Value) -> Told<()> {
        match message["type"].as_str().unwrap_or_default() {
            "subscribed" => self.begin(message),
            "position" => self.follow(message),
            "gap" => {
                let (from, to) = (number(message, "from")?, number(message, "to")?);
                if from != self.offset + 1 || to < from {
                    return Err(format!("a gap from {from} to {to} behind {}", self.offset).into());
                }
                (self.offset, self.has_gap) = (to, true);
                self.gaps += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, message: &Value) -> Told<()> {
        let (epoch, offset) = (message["epoch"].as_str().unwrap_or_default(), number(message, "offset")?);
        self.conflates = message["slow"] == "conflate";
        if message["recovered"] == true {
            self.recovered += 1;
            if epoch != self.epoch {
                return Err("recovered under another epoch".into());
            }
            for one in message["publications"].as_array().ok_or("no publications")? {
                self.follow(one)?;
            }
            if self.offset != offset {
                return Err(format!("recovered up to {}, but the topic is at {offset}", self.offset).into());
            }
            return Ok(());
        }
        self.missed += usize::from(message["recovered"] == false);
        if epoch == self.epoch && offset < self.offset {
            return Err(format!("the topic went back from {} to {offset}", self.offset).into());
        }
        (self.epoch, self.offset, self.has_gap) = (epoch.to_owned(), offset, false);
        self.holds.clear();
        self.last.clear();
        for one in message["snapshot"].as_array().ok_or("no snapshot")? {
            let (at, key) = (number(one, "offset")?, one["key"].as_str().unwrap_or_default());
            if at > offset {
                return Err(format!("a snapshot at {offset} shows {at}").into());
            }
            self.holds.insert(key.to_owned(), (at, one["data"].clone()));
            self.last.insert(key.to_owned(), at);
        }
        Ok(())
    }

    fn follow(&mut self, message: &Value) -> Told<()> {
        let offset = number(message, "offset")?;
        let wanted = self.offset + 1;
        if self.conflates {
            self.conflated += usize::from(message["conflated"] == true);
            self.offset = self.offset.max(offset);
        } else if offset == wanted {
            self.offset = offset;
        } else {
            return Err(format!("offset {offset} where {wanted} was due").into());
        }
        let Some(key) = message["key"].as_str() else { return Ok(()) };
        let last = self.last.insert(key.to_owned(), offset);
        if last.is_some_and(|last| last >= offset) {
            return Err(Said(format!("{key}: offset {offset} after {last:?}")));
        }
        if message["late"] == true {
            return Ok(());
        }
        if message["data"].is_null() {
            self.holds.remove(key);
        } else {
            self.holds.insert(key.to_owned(), (offset, message["data"].clone()));
        }
        Ok(())
    }
}

/// What holds after these publications: the meaning that watchers are held to.
pub(crate) fn holds(published: &BTreeMap<u64, Published>, conflates: bool) -> Holds {
    let mut versions: BTreeMap<String, Option<u64>> = BTreeMap::new();
    let mut holds = Holds::new();
    for (offset, one) in published {
        let key = one.key.clone().or_else(|| conflates.then(String::new));
        let Some(key) = key else { continue };
        let known = versions.get(&key).copied().flatten();
        if one.version.zip(known).is_some_and(|(version, known)| version <= known) {
            continue;
        }
        versions.insert(key.clone(), one.version);
        if one.data.is_null() {
            holds.remove(&key);
        } else {
            holds.insert(key, (*offset, one.data.clone()));
        }
    }
    holds
}

fn number(message: &Value, field: &str) -> Told<u64> {
    message[field].as_u64().ok_or_else(|| Said(format!("no {field} in {message}")))
}
