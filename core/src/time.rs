//! Two clocks that cannot be mixed up: [`Mono`] for durations and deadlines, [`Wall`] for stamps that are
//! kept.

use std::time::Duration;

use time::{Date, Month, OffsetDateTime};

/// Nanoseconds since the process started. Never goes back, never jumps with the host's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// The moment the process started.
    pub const START: Mono = Mono(0);

    /// A moment that many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Mono {
        Mono(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `wait` later; the far end of time when that would overflow.
    #[must_use]
    pub fn after(self, wait: Duration) -> Mono {
        Mono(self.0.saturating_add(saturating_nanos(wait)))
    }

    /// The moment that many milliseconds later.
    #[must_use]
    pub fn after_millis(self, millis: u64) -> Mono {
        Mono(self.0.saturating_add(millis.saturating_mul(1_000_000)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since `earlier`; zero when it lies ahead.
    pub const fn millis_since(self, earlier: Mono) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

/// Unix milliseconds, as stamps are kept and shown. Never used to measure a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(i64);

impl Wall {
    /// A stamp from Unix milliseconds.
    pub const fn from_millis(millis: i64) -> Wall {
        Wall(millis)
    }

    /// Unix milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The stamp that many milliseconds later.
    #[must_use]
    pub fn after_millis(self, millis: u64) -> Wall {
        Wall(self.0.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// The stamp that many milliseconds earlier.
    #[must_use]
    pub fn before_millis(self, millis: u64) -> Wall {
        Wall(self.0.saturating_sub(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// How far two stamps lie apart, in milliseconds.
    pub const fn distance_millis(self, other: Wall) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// ISO 8601 in UTC with milliseconds, as the wire shows times (mesh protocol, conventions).
    pub fn iso(self) -> String {
        (*self.iso_text()).to_owned()
    }

    /// Reads what [`Wall::iso`] writes, and nothing else.
    pub fn from_iso(text: &str) -> Option<Wall> {
        let number = |place: std::ops::Range<usize>| text.get(place)?.parse::<u16>().ok();
        let small = |place| u8::try_from(number(place)?).ok();
        let month = Month::try_from(small(5..7)?).ok()?;
        let date = Date::from_calendar_date(i32::from(number(0..4)?), month, small(8..10)?).ok()?;
        let clock = date.with_hms_milli(small(11..13)?, small(14..16)?, small(17..19)?, number(20..23)?);
        let stamp = clock.ok()?.assume_utc();
        let wall = Wall(stamp.unix_timestamp().saturating_mul(1_000) + i64::from(stamp.millisecond()));
        (*wall.iso_text() == *text).then_some(wall)
    }

    /// [`Wall::iso`] without an allocation.
    pub(crate) fn iso_text(self) -> IsoText {
        let millis = self.0.rem_euclid(1_000).unsigned_abs();
        let stamp = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1_000)).ok();
        let Some(stamp) = stamp.filter(|stamp| stamp.year() >= 0) else {
            return IsoText(*b"1970-01-01T00:00:00.000Z");
        };
        let mut text = *b"0000-00-00T00:00:00.000Z";
        // Every push and every ack shows a time, so the digits are put down without a formatter.
        for (place, number) in [
            (0..4, u64::from(stamp.year().unsigned_abs())),
            (5..7, u64::from(u8::from(stamp.month()))),
            (8..10, u64::from(stamp.day())),
            (11..13, u64::from(stamp.hour())),
            (14..16, u64::from(stamp.minute())),
            (17..19, u64::from(stamp.second())),
            (20..23, millis),
        ] {
            put_digits(&mut text[place], number);
        }
        IsoText(text)
    }
}

/// A time as the wire shows it; lends itself as a text.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct IsoText([u8; 24]);

impl std::ops::Deref for IsoText {
    type Target = str;
    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Wall {
    /// Reads a time as people write it: as [`Wall::iso`] does, or without the milliseconds.
    pub(crate) fn from_iso_loosely(text: &str) -> Option<Wall> {
        let whole = |seconds: &str| Wall::from_iso(&format!("{seconds}.000Z"));
        Wall::from_iso(text).or_else(|| whole(text.strip_suffix('Z')?))
    }

    /// Reads the date of an HTTP header: `Tue, 14 Nov 2023 22:13:20 GMT`.
    pub(crate) fn from_http_date(text: &str) -> Option<Wall> {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let mut words = text.split_once(", ")?.1.split(' ');
        let day: u8 = words.next()?.parse().ok()?;
        let month = words.next()?;
        let month = MONTHS.iter().position(|name| *name == month)?;
        let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
        let year: i32 = words.next()?.parse().ok()?;
        let mut clock = words.next()?.split(':').map(|part| part.parse::<u8>().ok());
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        if words.next()? != "GMT" || words.next().is_some() || clock.next().is_some() {
            return None;
        }
        let date = Date::from_calendar_date(year, month, day).ok()?;
        let stamp = date.with_hms(hour, minute, second).ok()?.assume_utc().unix_timestamp();
        Some(Wall(stamp.saturating_mul(1_000)))
    }
}

/// Writes a number over all of `place`, with leading zeros.
fn put_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

/// Both clocks, read once per turn by the runtime and handed in together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Now {
    /// For durations and deadlines.
    pub mono: Mono,
    /// For stamps that are kept or shown.
    pub wall: Wall,
}

impl Now {
    /// The time by which things age in a process that began then. A wall clock that runs ahead of the time
    /// that has truly passed makes nothing older, or a wrong clock would end things in masses (I21).
    #[must_use]
    pub fn aging_since(self, began: Now) -> Now {
        let passed = began.wall.after_millis(self.mono.millis_since(began.mono));
        Now { wall: self.wall.min(passed), ..self }
    }

    /// The time that is written beside what will age, in a process that began then. A wall clock that fell
    /// behind the time that has truly passed makes nothing old from its first moment on, or it would end as
    /// soon as the clock is right again (I21).
    #[must_use]
    pub fn stamping_since(self, began: Now) -> Now {
        let passed = began.wall.after_millis(self.mono.millis_since(began.mono));
        Now { wall: self.wall.max(passed), ..self }
    }
}

fn saturating_nanos(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_shown_as_iso_8601_in_utc_with_milliseconds() {
        assert_eq!(Wall::from_millis(1_767_323_045_678).iso(), "2026-01-02T03:04:05.678Z");
        assert_eq!(Wall::from_millis(0).iso(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Wall::from_millis(-1).iso(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Wall::from_millis(951_782_400_000).iso(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Wall::from_millis(i64::MAX).iso(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_stamp_is_read_as_it_is_shown_and_in_no_other_form() {
        for millis in [-1, 0, 951_782_400_000, 1_767_323_045_678] {
            let wall = Wall::from_millis(millis);
            assert_eq!(Wall::from_iso(&wall.iso()), Some(wall));
        }
        for odd in [
            "",
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.678+00:00",
            "2026-02-30T03:04:05.678Z",
            "2026-01-02 03:04:05.678Z",
            "2026-01-02T03:04:05.678Zz",
            "+026-01-02T03:04:05.678Z",
        ] {
            assert_eq!(Wall::from_iso(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_stamp_of_people_may_leave_the_milliseconds_out() {
        let read = |text| Wall::from_iso_loosely(text).map(Wall::as_millis);
        assert_eq!(read("2026-01-02T03:04:05.678Z"), Some(1_767_323_045_678));
        assert_eq!(read("2026-01-02T03:04:05Z"), Some(1_767_323_045_000));
        for odd in ["", "yesterday", "2026-01-02", "2026-02-31T03:04:05Z", "2026-01-02T03:04Z"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_date_of_a_header_is_read() {
        let read = |text| Wall::from_http_date(text).map(Wall::as_millis);
        assert_eq!(read("Tue, 14 Nov 2023 22:13:20 GMT"), Some(1_700_000_000_000));
        for odd in
            ["", "Tue, 14 Nov 2023 22:13:20", "Tue, 31 Feb 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13 GMT"]
        {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn f_tim_05_arithmetic_saturates_at_both_ends() {
        let end = Mono::from_nanos(u64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Mono::START.since(end), Duration::ZERO);
        assert_eq!(Wall::from_millis(i64::MAX).after_millis(u64::MAX).as_millis(), i64::MAX);
        assert_eq!(Wall::from_millis(i64::MIN).before_millis(1).as_millis(), i64::MIN);
    }
}
