//! Releases memory that is no longer needed.

/// Releases the memory of a list that has become far smaller.
pub(super) fn shrink<T>(list: &mut Vec<T>) {
    if list.len() < list.capacity() / 4 {
        list.shrink_to(2 * list.len());
    }
}
