//! A stack that needs no allocation while it is small.

/// A stack whose first `N` items lie in place.
#[derive(Debug)]
pub(crate) struct Few<T, const N: usize> {
    first: [T; N],
    length: usize,
    /// All items, once there are more than `N`.
    many: Vec<T>,
}

impl<T: Copy + Default, const N: usize> Few<T, N> {
    pub(crate) fn new() -> Few<T, N> {
        Few { first: [T::default(); N], length: 0, many: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        if self.many.is_empty() { self.length } else { self.many.len() }
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.many.is_empty() && self.length < N {
            self.first[self.length] = item;
            self.length += 1;
            return;
        }
        if self.many.is_empty() {
            self.many.extend_from_slice(&self.first);
        }
        self.many.push(item);
    }

    pub(crate) fn pop(&mut self) {
        self.truncate(self.len().saturating_sub(1));
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        // Going back to few is safe at any length: the first items are the same in both places.
        if !self.many.is_empty() && length <= N {
            self.many.clear();
        }
        self.many.truncate(length);
        self.length = length.min(N);
    }

    pub(crate) fn slice(&self) -> &[T] {
        if self.many.is_empty() { &self.first[..self.length] } else { &self.many }
    }

    pub(crate) fn last(&self) -> Option<T> {
        self.slice().last().copied()
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        if self.many.is_empty() { self.first[..self.length].last_mut() } else { self.many.last_mut() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_stays_the_same_when_it_outgrows_its_place_and_shrinks_back() {
        let mut stack = Few::<u32, 4>::new();
        let mut model = Vec::new();
        for round in 0..200_u32 {
            if round % 20 < 12 {
                stack.push(round);
                model.push(round);
            } else {
                stack.pop();
                model.pop();
            }
            if let Some(last) = stack.last_mut() {
                *last += 1_000;
            }
            if let Some(last) = model.last_mut() {
                *last += 1_000;
            }
            if round % 50 == 49 {
                stack.truncate(3);
                model.truncate(3);
            }
            assert_eq!((stack.slice(), stack.len()), (model.as_slice(), model.len()), "round {round}");
            assert_eq!(stack.last(), model.last().copied());
        }
    }
}
