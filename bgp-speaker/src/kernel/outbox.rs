//! Events that the speaker has yet to receive: the changed objects, each once, in the order of their first change.
//!
//! The queue holds keys, not events. The event is made from the current state when it can be sent, so a slow reader gets the
//! newest state, and the queue never holds two entries for one object. Above [`LIMIT`] the task stops reading from the kernel
//! until the speaker has caught up.

use std::collections::{HashSet, VecDeque};

use ipnet::IpNet;

/// An object whose state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// An interface, by index.
    Interface(u32),
    /// A connected prefix.
    Direct(IpNet),
    /// Routes of others for a prefix.
    Routes(IpNet),
    /// The rejection of a prefix, new or cleared.
    Verdict(IpNet),
    /// The initial state is complete.
    Synced,
}

/// Ordered set of keys.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    order: VecDeque<Key>,
    members: HashSet<Key>,
}

impl Outbox {
    /// Appends a key; a key that is already waiting keeps its place.
    pub(crate) fn push(&mut self, key: Key) {
        if self.members.insert(key) {
            self.order.push_back(key);
        }
    }

    /// The oldest key.
    pub(crate) fn pop(&mut self) -> Option<Key> {
        let key = self.order.pop_front()?;
        self.members.remove(&key);
        Some(key)
    }

    /// Whether no key is waiting.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether so many keys are waiting that no further events should be read.
    pub(crate) fn is_full(&self) -> bool {
        self.order.len() >= LIMIT
    }
}

impl Extend<Key> for Outbox {
    fn extend<T: IntoIterator<Item = Key>>(&mut self, keys: T) {
        keys.into_iter().for_each(|key| self.push(key));
    }
}

/// Waiting keys at which the task stops reading events, about 20 MB.
const LIMIT: usize = 262_144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_waits_once_in_its_first_place() {
        let mut outbox = Outbox::default();
        outbox.extend([
            Key::Interface(2),
            Key::Interface(1),
            Key::Interface(2),
            Key::Synced,
        ]);
        let drained: Vec<Key> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(drained, [Key::Interface(2), Key::Interface(1), Key::Synced]);
        outbox.push(Key::Interface(2));
        assert_eq!(outbox.pop(), Some(Key::Interface(2)));
        assert!(outbox.is_empty());
    }
}
