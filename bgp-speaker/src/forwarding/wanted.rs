//! The routes that the RIB has for the kernel: the last one of each prefix, indexed by next hop, so that a moved next hop costs
//! only as much as the routes that use it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::ForwardRoute;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Peers choose the prefixes, so the hash has a random seed.
pub(super) type ByPrefix<T> = HashMap<IpNet, T, foldhash::fast::RandomState>;

/// Routes by prefix, and prefixes by next hop.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    routes: ByPrefix<Arc<ForwardRoute>>,
    dependents: BTreeMap<IpAddr, Prefixes>,
}

/// A set of prefixes. There can be a million of them; an IPv4 prefix takes 5 octets instead of the 18 of an `IpNet`.
#[derive(Debug, Default)]
struct Prefixes {
    ipv4: BTreeSet<Ipv4Net>,
    ipv6: BTreeSet<Ipv6Net>,
}

impl Wanted {
    pub(super) fn insert(&mut self, prefix: IpNet, route: Arc<ForwardRoute>) {
        let old = self.routes.insert(prefix, Arc::clone(&route));
        if old
            .as_ref()
            .is_some_and(|old| old.next_hops == route.next_hops)
        {
            return;
        }
        self.forget(prefix, old);
        for next_hop in &route.next_hops {
            let dependents = self.dependents.entry(next_hop.address()).or_default();
            dependents.insert(prefix);
        }
    }

    pub(super) fn remove(&mut self, prefix: &IpNet) {
        let old = self.routes.remove(prefix);
        self.forget(*prefix, old);
    }

    pub(super) fn get(&self, prefix: &IpNet) -> Option<&Arc<ForwardRoute>> {
        self.routes.get(prefix)
    }

    pub(super) fn contains_key(&self, prefix: &IpNet) -> bool {
        self.routes.contains_key(prefix)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &IpNet> {
        self.routes.keys()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Upper bound of the length of [`Self::through`].
    pub(super) fn count_through(&self, next_hops: &BTreeSet<IpAddr>) -> usize {
        let dependents = next_hops.iter().filter_map(|hop| self.dependents.get(hop));
        dependents.map(Prefixes::len).sum()
    }

    /// The prefixes whose routes have one of these next hops.
    pub(super) fn through(&self, next_hops: &BTreeSet<IpAddr>) -> BTreeSet<IpNet> {
        let dependents = next_hops.iter().filter_map(|hop| self.dependents.get(hop));
        dependents.flat_map(Prefixes::iter).collect()
    }

    fn forget(&mut self, prefix: IpNet, old: Option<Arc<ForwardRoute>>) {
        for next_hop in old.iter().flat_map(|old| &old.next_hops) {
            let address = next_hop.address();
            if let Some(dependents) = self.dependents.get_mut(&address) {
                dependents.remove(&prefix);
                if dependents.is_empty() {
                    self.dependents.remove(&address);
                }
            }
        }
    }
}

impl Prefixes {
    fn insert(&mut self, prefix: IpNet) {
        match prefix {
            IpNet::V4(prefix) => self.ipv4.insert(prefix),
            IpNet::V6(prefix) => self.ipv6.insert(prefix),
        };
    }

    fn remove(&mut self, prefix: &IpNet) {
        match prefix {
            IpNet::V4(prefix) => self.ipv4.remove(prefix),
            IpNet::V6(prefix) => self.ipv6.remove(prefix),
        };
    }

    fn len(&self) -> usize {
        self.ipv4.len() + self.ipv6.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn iter(&self) -> impl Iterator<Item = IpNet> {
        let ipv4 = self.ipv4.iter().copied().map(IpNet::from);
        ipv4.chain(self.ipv6.iter().copied().map(IpNet::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(next_hops: &[IpAddr]) -> Arc<ForwardRoute> {
        let next_hops = next_hops.iter().copied().map(Into::into);
        Arc::new(ForwardRoute::new(next_hops.collect(), 100, 100))
    }

    #[test]
    fn the_index_follows_the_routes_and_keeps_nothing_of_those_that_are_gone() {
        let mut wanted = Wanted::default();
        let [a, b, c] = ["10.0.0.1", "10.0.0.2", "2001:db8::1"].map(|hop| hop.parse().unwrap());
        let [p, q]: [IpNet; 2] =
            ["192.0.2.0/24", "2001:db8:1::/48"].map(|net| net.parse().unwrap());
        let through = |wanted: &Wanted, hop| Vec::from_iter(wanted.through(&[hop].into()));
        wanted.insert(p, route(&[a, b]));
        wanted.insert(q, route(&[b]));
        assert_eq!(through(&wanted, a), [p]);
        assert_eq!(through(&wanted, b), [p, q]);
        wanted.insert(p, route(&[c]));
        assert_eq!(through(&wanted, a), []);
        assert_eq!(through(&wanted, b), [q]);
        assert_eq!(Vec::from_iter(wanted.through(&[b, c].into())), [p, q]);
        wanted.remove(&p);
        wanted.remove(&q);
        assert!(wanted.is_empty() && wanted.dependents.is_empty());
    }
}
