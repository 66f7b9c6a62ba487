//! Counters of installed and refused routes, updated by the kernel task and read without asking it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bgp_core::types::{Family, PerFamily};

/// The state of the wanted route of a prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RouteState {
    /// No route is wanted.
    #[default]
    Unwanted,
    /// The route was not yet confirmed by the kernel.
    Pending,
    Installed,
    Rejected,
}

/// Routes of one family that the speaker wants in the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelCounts {
    /// In the kernel.
    pub installed: usize,
    /// Refused by the kernel.
    pub rejected: usize,
    /// Not yet confirmed by the kernel.
    pub pending: usize,
}

/// The counters. Clones share them; one task writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(Arc<PerFamily<[AtomicUsize; 4]>>);

impl Counters {
    /// A prefix of a family changes its state.
    pub(super) fn moved(&self, family: Family, from: RouteState, to: RouteState) {
        let counters = &self.0[family];
        counters[from as usize].fetch_sub(1, Ordering::Relaxed);
        counters[to as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts of a family.
    pub(crate) fn read(&self, family: Family) -> KernelCounts {
        let counters = &self.0[family];
        let count = |place: RouteState| counters[place as usize].load(Ordering::Relaxed);
        KernelCounts {
            installed: count(RouteState::Installed),
            rejected: count(RouteState::Rejected),
            pending: count(RouteState::Pending),
        }
    }
}
