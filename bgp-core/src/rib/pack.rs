//! Changes of an Adj-RIB-Out, encoded once for all members of an update group.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::adj_out::Change;
use super::shared::Shared;
use super::table::Table;
use crate::types::{PathId, PeerId, Prefix};
use crate::wire::Context;
use crate::wire::update::{encode_reachable, encode_unreachable};

/// Encoded changes, grouped by source, so that a member can be sent all but its own.
pub(super) struct Section {
    pub(super) octets: Bytes,
    /// Ascending by source.
    pub(super) parts: Vec<Part>,
}

/// The changes of one source.
pub(super) struct Part {
    pub(super) source: PeerId,
    /// Their range in the octets of the section.
    pub(super) range: Range<usize>,
    /// Number of changes.
    pub(super) changes: usize,
}

/// Encodes sorted changes, source by source.
pub(super) fn encode_section<P: Prefix>(
    context: &Context,
    shared: &Shared,
    table: &Table<P>,
    changes: &[(PeerId, Change)],
) -> Section {
    let mut octets = BytesMut::new();
    let mut parts = Vec::new();
    for part in changes.chunk_by(|a, b| a.0 == b.0) {
        let start = octets.len();
        let mut list: Vec<Change> = part.iter().map(|(_, change)| *change).collect();
        encode_changes(context, shared, table, &mut list, &mut octets);
        parts.push(Part {
            source: part[0].0,
            range: start..octets.len(),
            changes: part.len(),
        });
    }
    Section {
        octets: octets.freeze(),
        parts,
    }
}

/// Appends changes, withdrawals first, and prefixes with the same attributes together.
pub(super) fn encode_changes<P: Prefix>(
    context: &Context,
    shared: &Shared,
    table: &Table<P>,
    changes: &mut [Change],
    octets: &mut BytesMut,
) {
    changes.sort_unstable();
    let mut routes = Vec::new();
    for run in changes.chunk_by(|a, b| a.attrs == b.attrs) {
        routes.clear();
        routes.extend(
            run.iter()
                .map(|change| (PathId(change.path_id.into()), table[change.at].prefix)),
        );
        let Some(attrs) = run[0].attrs else {
            encode_unreachable(context, &routes, octets);
            continue;
        };
        let Some(next_hop) = shared.store.next_hop(attrs) else {
            continue;
        };
        let view = shared.store.view(attrs);
        encode_reachable(context, view, next_hop, &routes, octets)
            .expect("what does not fit is not in the Adj-RIB-Out");
    }
}
