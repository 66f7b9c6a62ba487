//! The kinds of records, and what both sides need of their form.

use crate::handover::{Malformed, Reader, Writer};
use crate::rib::stats::PeerStats;

pub(super) const START: u8 = 1;
pub(super) const PEER: u8 = 2;
pub(super) const ATTRIBUTES: u8 = 3;
pub(super) const SLOT: u8 = 4;
pub(super) const MEMBER: u8 = 5;

/// The counters of a peer, in the order of their fields.
pub(super) fn put_stats(stats: PeerStats, out: &mut Writer) {
    let PeerStats {
        import_updates,
        import_filtered,
        import_invalid,
        import_ignored,
        import_withdraws,
        import_withdraws_ignored,
        export_updates,
        export_rejected,
        export_filtered,
        export_withdraws,
        export_gone,
    } = stats;
    let counters = [
        import_updates,
        import_filtered,
        import_invalid,
        import_ignored,
        import_withdraws,
        import_withdraws_ignored,
        export_updates,
        export_rejected,
        export_filtered,
        export_withdraws,
        export_gone,
    ];
    counters.into_iter().for_each(|counter| out.u64(counter));
}

pub(super) fn stats(input: &mut Reader<'_>) -> Result<PeerStats, Malformed> {
    Ok(PeerStats {
        import_updates: input.u64()?,
        import_filtered: input.u64()?,
        import_invalid: input.u64()?,
        import_ignored: input.u64()?,
        import_withdraws: input.u64()?,
        import_withdraws_ignored: input.u64()?,
        export_updates: input.u64()?,
        export_rejected: input.u64()?,
        export_filtered: input.u64()?,
        export_withdraws: input.u64()?,
        export_gone: input.u64()?,
    })
}
