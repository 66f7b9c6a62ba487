//! A list optimised for one element, which is stored inline.

/// None, one or several elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Few<T> {
    #[default]
    None,
    One(T),
    #[expect(
        clippy::box_collection,
        reason = "one word, so that the many that have one take no more room"
    )]
    Several(Box<Vec<T>>),
}

impl<T> Few<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(list) => list,
        }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::One(one) => std::slice::from_mut(one),
            Self::Several(list) => list,
        }
    }

    /// Size of the heap allocation.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::None | Self::One(_) => 0,
            Self::Several(list) => size_of::<Vec<T>>() + list.capacity() * size_of::<T>(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Appends an element.
    #[inline(always)]
    pub(super) fn push(&mut self, added: T) {
        match self {
            // Most lists are new, in memory that was never read: nothing is moved.
            Self::None => *self = Self::One(added),
            Self::One(_) => {
                if let Self::One(first) = std::mem::take(self) {
                    *self = Self::Several(Box::new(vec![first, added]));
                }
            }
            Self::Several(list) => {
                if list.len() == list.capacity() {
                    // There are many such lists, and they rarely grow far.
                    list.reserve_exact(list.len().min(4).max(list.len() / 2));
                }
                list.push(added);
            }
        }
    }

    /// Removes an element; the last one takes its place.
    pub(super) fn swap_remove(&mut self, place: usize) {
        let Self::Several(list) = self else {
            debug_assert!(place == 0 && !self.is_empty());
            *self = Self::None;
            return;
        };
        list.swap_remove(place);
        if list.len() < 2 {
            *self = list.pop().map_or(Self::None, Self::One);
        } else if list.len() < list.capacity() / 4 {
            list.shrink_to(list.len() * 2);
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        match (items.next(), items.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One(one),
            (Some(first), Some(second)) => {
                Self::Several(Box::new([first, second].into_iter().chain(items).collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaves as a `Vec` under any sequence of operations.
    #[test]
    fn it_is_a_list() {
        let mut few: Few<u32> = Few::default();
        let mut list = Vec::new();
        for step in 0..200u32 {
            match step * 7 % 5 {
                0 | 4 if !list.is_empty() => {
                    let place = step as usize * 3 % list.len();
                    few.swap_remove(place);
                    list.swap_remove(place);
                }
                _ => {
                    few.push(step);
                    list.push(step);
                }
            }
            assert_eq!(few.as_slice(), list);
            assert_eq!(few.is_empty(), list.is_empty());
            assert_eq!(list.iter().copied().collect::<Few<u32>>(), few);
        }
    }

    #[test]
    fn one_takes_little_room() {
        assert_eq!(size_of::<Few<super::super::path::Path>>(), 24);
        assert_eq!(size_of::<Few<super::super::adj_out::Entry>>(), 16);
    }
}
