//! The routes of both families and their shared state: dispatches each query and each change to its family.

use std::time::Instant;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::family::FamilyRib;
use super::hash::SeededHash;
use super::import::Arrival;
use super::locals::Renamed;
use super::settings::{LocalRoute, RibConfig};
use super::shared::Shared;
use super::stats::{Kept, RouteCounts};
use crate::types::{Family, PeerId};
use crate::wire::Nlri;

/// All routes.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) shared: Shared,
    pub(super) ipv4: FamilyRib<Ipv4Net>,
    pub(super) ipv6: FamilyRib<Ipv6Net>,
}

impl Tables {
    pub(super) fn new(config: RibConfig, now: Instant, hash: SeededHash) -> Self {
        Self {
            shared: Shared::new(config, now, hash.clone()),
            ipv4: FamilyRib::new(hash.clone()),
            ipv6: FamilyRib::new(hash),
        }
    }

    pub(super) fn announce(&mut self, arrival: &mut Arrival, nlri: Nlri<'_>) {
        let Self { shared, ipv4, ipv6 } = self;
        match nlri.family() {
            Family::Ipv4Unicast => ipv4.paths.announce(shared, arrival, nlri),
            Family::Ipv6Unicast => ipv6.paths.announce(shared, arrival, nlri),
        }
    }

    pub(super) fn withdraw(&mut self, peer: PeerId, nlri: Nlri<'_>) {
        let Self { shared, ipv4, ipv6 } = self;
        match nlri.family() {
            Family::Ipv4Unicast => ipv4.paths.withdraw(shared, peer, nlri),
            Family::Ipv6Unicast => ipv6.paths.withdraw(shared, peer, nlri),
        }
    }

    pub(super) fn announce_local(&mut self, now: Instant, prefix: IpNet, route: &LocalRoute) {
        let Self { shared, ipv4, ipv6 } = self;
        let renamed = match prefix.trunc() {
            IpNet::V4(prefix) => ipv4.paths.announce_local(shared, now, prefix, route),
            IpNet::V6(prefix) => ipv6.paths.announce_local(shared, now, prefix, route),
        };
        self.regroup_renamed(&renamed);
    }

    pub(super) fn withdraw_local(&mut self, prefix: IpNet, id: u32) {
        let Self { shared, ipv4, ipv6 } = self;
        let renamed = match prefix.trunc() {
            IpNet::V4(prefix) => ipv4.paths.withdraw_local(shared, prefix, id),
            IpNet::V6(prefix) => ipv6.paths.withdraw_local(shared, prefix, id),
        };
        self.regroup_renamed(&renamed);
    }

    /// Whether a local route is present and unchanged.
    pub(super) fn is_announced(&self, prefix: IpNet, route: &LocalRoute) -> bool {
        let Self { shared, ipv4, ipv6 } = self;
        match prefix.trunc() {
            IpNet::V4(prefix) => ipv4.paths.is_announced(shared, prefix, route),
            IpNet::V6(prefix) => ipv6.paths.is_announced(shared, prefix, route),
        }
    }

    /// Separates the update groups of peers for which local routes have variants.
    fn regroup_renamed(&mut self, renamed: &Renamed) {
        for address in &renamed.addresses {
            for peer in self.shared.peers.with_address(*address).to_vec() {
                self.regroup(peer);
            }
        }
    }

    /// One slice of work; returns whether there was any.
    pub(super) fn work(&mut self) -> bool {
        let Self { shared, ipv4, ipv6 } = self;
        let deferred = Family::ALL.map(|family| shared.is_deferred(family));
        let worked = ipv4.work(shared, deferred[0]);
        ipv6.work(shared, deferred[1]) || worked
    }

    /// After a takeover, decisions wait for the next hops.
    pub(super) fn note_next_hops(&mut self) {
        let Shared {
            deferral, store, ..
        } = &mut self.shared;
        if let Some(deferral) = deferral
            && store.next_hops.all_answered()
        {
            deferral.next_hops_known();
        }
    }

    /// Clears the caches of rewritten attributes. Needed when a number may identify another peer, or a peer may have another
    /// identifier (RFC 4456 §8).
    pub(super) fn forget_rewritten(&mut self) {
        self.ipv4.groups.forget_rewritten();
        self.ipv6.groups.forget_rewritten();
    }

    /// Imports every received route of a peer again.
    pub(super) fn import_again(&mut self, peer: PeerId) {
        self.ipv4.import_again(&self.shared, peer);
        self.ipv6.import_again(&self.shared, peer);
    }

    /// Processes every path again, after a change of something other than paths that exports depend on.
    pub(super) fn tell_again(&mut self) {
        self.ipv4.tell_again();
        self.ipv6.tell_again();
    }

    /// Moves a peer into the matching groups.
    pub(super) fn regroup(&mut self, peer: PeerId) {
        self.ipv4.regroup(&mut self.shared, peer);
        self.ipv6.regroup(&mut self.shared, peer);
    }

    /// Marks all paths of a peer as dead: they are not used from now on.
    pub(super) fn bury_all(&mut self, peer: PeerId) {
        self.ipv4.bury_all(&mut self.shared, peer);
        self.ipv6.bury_all(&mut self.shared, peer);
    }

    /// Whether dead paths are in the tables.
    pub(super) fn has_dead(&self) -> bool {
        self.ipv4.paths.dead > 0 || self.ipv6.paths.dead > 0
    }

    /// Octets in use by tables and attributes.
    pub(super) fn used(&self) -> usize {
        self.ipv4.used() + self.ipv6.used() + self.shared.store.used()
    }

    /// Estimated number of references to attributes.
    pub(super) fn references(&self) -> usize {
        self.ipv4.references() + self.ipv6.references()
    }

    /// Prefixes of a family that have at least one path.
    pub(super) fn prefixes(&self, family: Family) -> usize {
        match family {
            Family::Ipv4Unicast => self.ipv4.paths.prefixes,
            Family::Ipv6Unicast => self.ipv6.paths.prefixes,
        }
    }

    /// Prefixes of a family that have a best path.
    pub(super) fn best(&self, family: Family) -> usize {
        let best = match family {
            Family::Ipv4Unicast => self.ipv4.paths.best,
            Family::Ipv6Unicast => self.ipv6.paths.best,
        };
        best as usize
    }

    /// Local routes of one number.
    pub(super) fn local_counts(&self, id: u32, family: Family) -> RouteCounts {
        let local = match family {
            Family::Ipv4Unicast => &self.ipv4.paths.local,
            Family::Ipv6Unicast => &self.ipv6.paths.local,
        };
        let counts = local.get(&id).copied().unwrap_or_default();
        RouteCounts {
            received: counts.imported,
            ..counts
        }
    }

    /// The routes that the group of a peer has withheld since the peer joined.
    pub(super) fn kept_from(&self, peer: PeerId, family: Family) -> Option<Kept> {
        let group = match family {
            Family::Ipv4Unicast => self.ipv4.groups.of_peer::<Ipv4Net>(&self.shared, peer),
            Family::Ipv6Unicast => self.ipv6.groups.of_peer::<Ipv6Net>(&self.shared, peer),
        };
        group?.kept_from(peer)
    }
}
