//! What must belong together: a page of the check. Each is one statement, so it sees one state of the store.

use peermesh_core::ids::MeshId;
use peermesh_core::store::{CheckPage, CheckPart, CheckPlace, Stray, StrayKind};
use postgres::Row;

use super::read::{Desk, column};
use super::sql;
use super::trouble::Trouble;
use crate::rows;

/// One page, which ends at `limit` rows or with the row that goes over it.
pub(super) fn page(desk: &mut Desk<'_>, at: CheckPlace, limit: u32) -> Result<CheckPage, Trouble> {
    let [one, two, three] = at.from;
    let limit = i64::from(limit);
    let found = match at.part {
        CheckPart::Keys => desk.ask(sql::CHECK_KEYS, &[&three, &limit])?,
        CheckPart::Messages => desk.ask(sql::CHECK_MESSAGES, &[&three, &limit])?,
        CheckPart::Tombstones => desk.ask(sql::CHECK_TOMBSTONES, &[&three, &limit])?,
        CheckPart::Waiting => {
            let lane = i16::try_from(two).unwrap_or(i16::MIN);
            desk.ask(sql::CHECK_PENDING, &[&one, &lane, &three, &limit])?
        }
        CheckPart::Ended => desk.ask(sql::CHECK_SETTLED, &[&two, &three, &limit])?,
    };
    let mut page = CheckPage { rows: found.len() as u64, strays: Vec::new(), next: None };
    let mut size = 0;
    for row in &found {
        size += rows::count(column(row, 3)?)?;
        collect(at.part, row, &mut page.strays)?;
    }
    let last = found.last().filter(|_| size >= limit.unsigned_abs());
    let order = |row: &Row| Ok::<_, Trouble>([column(row, 0)?, column(row, 1)?, column(row, 2)?]);
    page.next = CheckPlace::behind(at.part, last.map(order).transpose()?);
    Ok(page)
}

/// What is wrong with a row.
fn collect(part: CheckPart, row: &Row, strays: &mut Vec<Stray>) -> Result<(), Trouble> {
    let alone = match part {
        CheckPart::Keys => StrayKind::KeyWithoutMessage,
        CheckPart::Messages | CheckPart::Tombstones => StrayKind::MessageWithoutKey,
        CheckPart::Waiting | CheckPart::Ended => StrayKind::DeliveryWithoutMessage,
    };
    let stands_alone: bool = column(row, 6)?;
    let fateless = usize::try_from(rows::count(column(row, 7)?)?).unwrap_or(usize::MAX);
    let position = rows::position(column(row, 4)?)?;
    let mesh = column::<Option<String>>(row, 5)?.map(MeshId::new);
    let kinds = stands_alone.then_some(alone).into_iter();
    let kinds = kinds.chain(std::iter::repeat_n(StrayKind::RecipientWithoutFate, fateless));
    strays.extend(kinds.map(|kind| Stray { kind, position, mesh: mesh.clone() }));
    Ok(())
}
