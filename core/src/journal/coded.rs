//! Values as bytes and back: numbers of as few bytes as they need, texts with their length before them.
//!
//! *Always holds:* what was put is taken again as the same value. Bytes that nobody put are refused, never
//! trusted: no length is believed that the bytes at hand cannot fill.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::Bytes;

/// A value that can be written down.
pub(super) trait Coded: Sized {
    /// Writes it down.
    fn put(&self, to: &mut Vec<u8>);

    /// Reads one; `None` when what stands there is none.
    fn take(from: &mut Tape<'_>) -> Option<Self>;
}

/// Bytes that are read from their beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tape<'a>(pub(super) &'a [u8]);

impl<'a> Tape<'a> {
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// So many bytes as the number before them says.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::take(self)?;
        self.bytes(length)
    }
}

/// Writes bytes with their length before them.
pub(super) fn put_counted(bytes: &[u8], to: &mut Vec<u8>) {
    bytes.len().put(to);
    to.extend_from_slice(bytes);
}

macro_rules! coded_structs {
    ($($Name:ident { $($field:ident),+ $(,)? })+) => {$(
        impl Coded for $Name {
            fn put(&self, to: &mut Vec<u8>) {
                let $Name { $($field),+ } = self;
                $($field.put(to);)+
            }

            fn take(from: &mut Tape<'_>) -> Option<$Name> {
                Some($Name { $($field: Coded::take(from)?),+ })
            }
        }
    )+};
}

/// Numbers and texts that stand for themselves.
macro_rules! coded_ids {
    (numbers: $($Number:ident),+; texts: $($Text:ident),+ $(,)?) => {
        $(impl Coded for $Number {
            fn put(&self, to: &mut Vec<u8>) {
                self.0.put(to);
            }

            fn take(from: &mut Tape<'_>) -> Option<$Number> {
                Coded::take(from).map($Number)
            }
        })+
        $(impl Coded for $Text {
            fn put(&self, to: &mut Vec<u8>) {
                put_counted(self.as_str().as_bytes(), to);
            }

            fn take(from: &mut Tape<'_>) -> Option<$Text> {
                Arc::<str>::take(from).map($Text::new)
            }
        })+
    };
}

macro_rules! coded_enums {
    ($($Name:ident {
        $($tag:literal = $Variant:ident $(($inner:ident))? $({ $($field:ident),+ $(,)? })?),+ $(,)?
    })+) => {$(
        impl Coded for $Name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $($Name::$Variant $(($inner))? $({ $($field),+ })? => {
                        to.push($tag);
                        $($inner.put(to);)?
                        $($($field.put(to);)+)?
                    })+
                }
            }

            fn take(from: &mut Tape<'_>) -> Option<$Name> {
                Some(match u8::take(from)? {
                    $($tag => $Name::$Variant
                        $((coded_enums!(@ $inner from)))?
                        $({ $($field: Coded::take(from)?),+ })?,)+
                    _ => return None,
                })
            }
        }
    )+};
    (@ $inner:ident $from:ident) => { Coded::take($from)? };
}

pub(super) use {coded_enums, coded_ids, coded_structs};

impl Coded for u64 {
    fn put(&self, to: &mut Vec<u8>) {
        let mut rest = *self;
        while rest > 0x7f {
            to.push(low_byte(rest) | 0x80);
            rest >>= 7;
        }
        to.push(low_byte(rest));
    }

    fn take(from: &mut Tape<'_>) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = u8::take(from)?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return None;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

impl Coded for i64 {
    fn put(&self, to: &mut Vec<u8>) {
        // Small numbers of either sign are short.
        ((self << 1) ^ (self >> 63)).cast_unsigned().put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<i64> {
        let folded = u64::take(from)?;
        Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }
}

macro_rules! narrower {
    ($($Number:ty),+) => {$(
        impl Coded for $Number {
            fn put(&self, to: &mut Vec<u8>) {
                (*self as u64).put(to);
            }

            fn take(from: &mut Tape<'_>) -> Option<$Number> {
                u64::take(from)?.try_into().ok()
            }
        }
    )+};
}

narrower!(u16, u32, usize);

impl Coded for u8 {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(*self);
    }

    fn take(from: &mut Tape<'_>) -> Option<u8> {
        from.bytes(1)?.first().copied()
    }
}

impl Coded for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    fn take(from: &mut Tape<'_>) -> Option<bool> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Coded for String {
    fn put(&self, to: &mut Vec<u8>) {
        put_counted(self.as_bytes(), to);
    }

    fn take(from: &mut Tape<'_>) -> Option<String> {
        Some(std::str::from_utf8(from.counted()?).ok()?.to_owned())
    }
}

macro_rules! texts {
    ($($Text:ty),+) => {$(
        impl Coded for $Text {
            fn put(&self, to: &mut Vec<u8>) {
                put_counted(self.as_bytes(), to);
            }

            fn take(from: &mut Tape<'_>) -> Option<$Text> {
                std::str::from_utf8(from.counted()?).ok().map(Into::into)
            }
        }
    )+};
}

texts!(Box<str>, Arc<str>);

impl Coded for Bytes {
    fn put(&self, to: &mut Vec<u8>) {
        put_counted(self, to);
    }

    fn take(from: &mut Tape<'_>) -> Option<Bytes> {
        from.counted().map(Bytes::copy_from_slice)
    }
}

impl Coded for IpAddr {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            IpAddr::V4(ip) => put_counted(&ip.octets(), to),
            IpAddr::V6(ip) => put_counted(&ip.octets(), to),
        }
    }

    fn take(from: &mut Tape<'_>) -> Option<IpAddr> {
        let octets = from.counted()?;
        let four = <[u8; 4]>::try_from(octets).map(|four| Ipv4Addr::from(four).into());
        four.or_else(|_| <[u8; 16]>::try_from(octets).map(|all| Ipv6Addr::from(all).into())).ok()
    }
}

impl<const N: usize> Coded for [u8; N] {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }

    fn take(from: &mut Tape<'_>) -> Option<[u8; N]> {
        from.bytes(N)?.try_into().ok()
    }
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut Tape<'_>) -> Option<Option<T>> {
        Some(match bool::take(from)? {
            true => Some(T::take(from)?),
            false => None,
        })
    }
}

impl<T: Coded> Coded for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        put_all(self, to);
    }

    fn take(from: &mut Tape<'_>) -> Option<Vec<T>> {
        let count = usize::take(from)?;
        // Nothing takes less than a byte.
        let mut all = Vec::with_capacity(count.min(from.0.len()));
        for _ in 0..count {
            all.push(T::take(from)?);
        }
        Some(all)
    }
}

impl<T: Coded> Coded for Arc<[T]> {
    fn put(&self, to: &mut Vec<u8>) {
        put_all(self, to);
    }

    fn take(from: &mut Tape<'_>) -> Option<Arc<[T]>> {
        Vec::take(from).map(Into::into)
    }
}

fn put_all<T: Coded>(all: &[T], to: &mut Vec<u8>) {
    all.len().put(to);
    for value in all {
        value.put(to);
    }
}

macro_rules! handles {
    ($($Handle:ident),+) => {$(
        impl<T: Coded> Coded for $Handle<T> {
            fn put(&self, to: &mut Vec<u8>) {
                (**self).put(to);
            }

            fn take(from: &mut Tape<'_>) -> Option<$Handle<T>> {
                T::take(from).map($Handle::new)
            }
        }
    )+};
}

handles!(Box, Arc);

impl<A: Coded, B: Coded> Coded for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<(A, B)> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl<A: Coded, B: Coded, C: Coded> Coded for (A, B, C) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
        self.2.put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<(A, B, C)> {
        Some((A::take(from)?, B::take(from)?, C::take(from)?))
    }
}

impl<A: Coded, E: Coded> Coded for Result<A, E> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_ok().put(to);
        match self {
            Ok(value) => value.put(to),
            Err(error) => error.put(to),
        }
    }

    fn take(from: &mut Tape<'_>) -> Option<Result<A, E>> {
        Some(match bool::take(from)? {
            true => Ok(A::take(from)?),
            false => Err(E::take(from)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again<T: Coded>(value: &T) -> (usize, Option<T>) {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        let mut tape = Tape(&bytes);
        let taken = T::take(&mut tape);
        assert!(tape.is_at_end());
        (bytes.len(), taken)
    }

    #[test]
    fn numbers_are_as_long_as_they_must_be_and_come_back() {
        for (number, length) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u64::MAX, 10)] {
            assert_eq!(again(&number), (length, Some(number)));
        }
        for number in [0, -1, 1, 63, -64, i64::MIN, i64::MAX] {
            assert_eq!(again(&number).1, Some(number));
        }
        assert_eq!(u64::take(&mut Tape(&[0xff; 10])), None, "more than 64 bits");
        assert_eq!(u16::take(&mut Tape(&[0xff, 0xff, 0x7f])), None);
    }

    #[test]
    fn whatever_holds_values_comes_back_with_them() {
        let value: Vec<(Option<String>, Arc<str>)> =
            vec![(None, "a".into()), (Some("b".to_owned()), "".into())];
        assert_eq!(again(&value).1.as_ref(), Some(&value));
        for value in [Ok(true), Err([1_u8, 2])] {
            assert_eq!(again(&value).1, Some(value));
        }
        for address in ["127.0.0.1", "2001:db8::7"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(again(&address).1, Some(address));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_not_believed() {
        let mut bytes = Vec::new();
        usize::MAX.put(&mut bytes);
        assert_eq!(Vec::<String>::take(&mut Tape(&bytes)), None);
        assert_eq!(String::take(&mut Tape(&bytes)), None);
        assert_eq!(String::take(&mut Tape(&[1, 0xff])), None, "no text");
        assert_eq!(bool::take(&mut Tape(&[2])), None);
    }
}
