//! How many routes are in the kernel, and how many it refuses: counted as they come and go, read without asking anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bgp_core::types::{Family, PerFamily};

/// What became of the wanted route of a prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// None is wanted.
    #[default]
    Unwanted,
    /// The route is on its way.
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
    /// On their way.
    pub pending: usize,
}

/// The counters. Clones share them; one task writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(Arc<PerFamily<[AtomicUsize; 4]>>);

impl Counters {
    /// A prefix of a family has moved from one place to another.
    pub(super) fn moved(&self, family: Family, from: Place, to: Place) {
        let counters = &self.0[family];
        counters[from as usize].fetch_sub(1, Ordering::Relaxed);
        counters[to as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts of a family.
    pub(crate) fn read(&self, family: Family) -> KernelCounts {
        let counters = &self.0[family];
        let count = |place: Place| counters[place as usize].load(Ordering::Relaxed);
        KernelCounts {
            installed: count(Place::Installed),
            rejected: count(Place::Rejected),
            pending: count(Place::Pending),
        }
    }
}
