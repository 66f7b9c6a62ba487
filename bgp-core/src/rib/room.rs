//! Giving back memory that was needed once.

/// Gives back the room of a list that has become far smaller than it was.
pub(super) fn shrink<T>(list: &mut Vec<T>) {
    if list.len() < list.capacity() / 4 {
        list.shrink_to(2 * list.len());
    }
}
