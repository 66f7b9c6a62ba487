//! Limits for texts with resources.

/// Largest document of a text, octets.
pub(super) const MAX_DOCUMENT: usize = 4 << 20;
/// Most documents of a text, and objects of a datastore.
pub(super) const MAX_DOCUMENTS: usize = 100_000;
/// Limit for values in one document, several for each line of the longest expected.
pub(super) const MAX_NODES: usize = 500_000;
/// Limit for nesting of collections.
pub(super) const MAX_NESTED: usize = 32;
/// Limit for values from aliases, against exponential growth (the "billion laughs" attack).
pub(super) const MAX_REPLAYED: usize = 20_000;
