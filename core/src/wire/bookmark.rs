//! Where a list goes on, as whoever reads it page by page keeps it.
//!
//! *Always holds:* a bookmark that was given out under another history of the store is told from one of this
//! history: what stood behind it is lost, and only a list that is read from its beginning has no hole (I9).

use std::fmt;

use crate::ids::HistoryEpoch;
use crate::store::History;

/// A place in a list: `EPOCH:PLACE`, or a bare place of somebody who knows what he does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bookmark {
    epoch: Option<HistoryEpoch>,
    place: u64,
}

/// Why a list cannot go on at a bookmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is of another history.
    Gap,
    /// The store has not said yet which history it tells.
    Unknown,
}

impl Stop {
    /// What a reader is told: the status, the code and the text.
    pub(crate) const fn answer(self) -> (u16, &'static str, &'static str) {
        match self {
            Stop::Gap => (
                410,
                "history_gap",
                "the store's history was replaced since this page was read: read the list from its beginning",
            ),
            Stop::Unknown => (503, "store_down", "the store has not answered yet: ask again"),
        }
    }
}

impl Bookmark {
    /// Before everything.
    pub(crate) const START: Bookmark = Bookmark { epoch: None, place: 0 };

    /// A place in what the store tells at this time.
    pub(crate) fn new(history: Option<History>, place: u64) -> Bookmark {
        Bookmark { epoch: history.map(|history| history.epoch), place }
    }

    /// Reads what [`Bookmark::to_string`] wrote, or a bare number.
    pub(crate) fn parse(text: &str) -> Option<Bookmark> {
        let (epoch, place) = match text.split_once(':') {
            Some((epoch, place)) => (Some(HistoryEpoch::from_hex(epoch)?), place),
            None => (None, text),
        };
        let place = place.parse().ok().filter(|_| place.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Bookmark { epoch, place })
    }

    /// The place, in what the store tells at this time.
    pub(crate) fn resume(self, history: Option<History>) -> Result<u64, Stop> {
        match (self.epoch, history) {
            (Some(_), None) => Err(Stop::Unknown),
            (Some(epoch), Some(history)) if history.epoch != epoch => Err(Stop::Gap),
            (Some(_) | None, _) => Ok(self.place),
        }
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            Some(epoch) => write!(f, "{epoch}:{}", self.place),
            None => write!(f, "{}", self.place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Position;
    use crate::time::Wall;

    fn history(epoch: u8) -> Option<History> {
        let epoch = HistoryEpoch([epoch; 16]);
        Some(History { epoch, since: Wall::from_millis(0), floor: Position(1) })
    }

    #[test]
    fn f_sto_14_a_bookmark_of_another_history_is_told_that_there_is_a_gap() {
        let text = Bookmark::new(history(7), 42).to_string();
        let read = Bookmark::parse(&text).unwrap();
        assert_eq!(read.resume(history(7)), Ok(42));
        assert_eq!(read.resume(history(8)), Err(Stop::Gap));
        assert_eq!(read.resume(None), Err(Stop::Unknown));
    }

    #[test]
    fn a_bare_place_is_taken_as_it_is_and_nonsense_is_not_taken() {
        assert_eq!(Bookmark::parse("42").unwrap().resume(history(8)), Ok(42));
        let epoch = HistoryEpoch([7; 16]);
        for wrong in ["", "x", "-1", "+1", "1.5", "7:42", &format!("{epoch}:"), &format!("{epoch}:+1")] {
            assert_eq!(Bookmark::parse(wrong), None, "{wrong}");
        }
    }
}
