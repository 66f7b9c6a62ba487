//! Local routes by their numbers, and their variants for single peers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::attributes::AttrId;

/// Variants of a local route for peers with these addresses; `None` withholds it.
pub(crate) type Variants = BTreeMap<IpAddr, Option<AttrId>>;

/// All local routes.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    by_id: BTreeMap<u32, BTreeMap<IpNet, Variants>>,
    /// How many routes have a variant for an address.
    named: BTreeMap<IpAddr, usize>,
}

/// The effect of a changed local route on peers.
#[derive(Debug, Default)]
pub(crate) struct Renamed {
    /// Some peers need another variant.
    pub(crate) variants: bool,
    /// Addresses that now have their first variant, or no variant any more.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Locals {
    /// Adds or replaces a route.
    pub(crate) fn insert(&mut self, id: u32, prefix: IpNet, new: Variants) -> Renamed {
        let routes = self.by_id.entry(id).or_default();
        let addresses: Vec<IpAddr> = new.keys().copied().collect();
        let old = routes.insert(prefix, new).unwrap_or_default();
        let variants = old != routes[&prefix];
        self.renamed(variants, &addresses, &old)
    }

    /// Removes a route.
    pub(crate) fn remove(&mut self, id: u32, prefix: IpNet) -> Renamed {
        let Some(routes) = self.by_id.get_mut(&id) else {
            return Renamed::default();
        };
        let old = routes.remove(&prefix).unwrap_or_default();
        if routes.is_empty() {
            self.by_id.remove(&id);
        }
        self.renamed(!old.is_empty(), &[], &old)
    }

    fn renamed(&mut self, variants: bool, new: &[IpAddr], old: &Variants) -> Renamed {
        let mut addresses = Vec::new();
        for address in new {
            let count = self.named.entry(*address).or_default();
            *count += 1;
            addresses.extend((*count == 1).then_some(*address));
        }
        for address in old.keys() {
            let Some(count) = self.named.get_mut(address) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                self.named.remove(address);
                addresses.push(*address);
            }
        }
        Renamed {
            variants,
            addresses,
        }
    }

    /// Whether any route has a variant for an address.
    pub(crate) fn name(&self, address: IpAddr) -> bool {
        self.named.contains_key(&address)
    }

    /// The variants of a route.
    pub(crate) fn variants(&self, id: u32, prefix: IpNet) -> Option<&Variants> {
        self.by_id.get(&id)?.get(&prefix)
    }

    /// The prefixes of the routes with a number.
    pub(crate) fn prefixes(&self, id: u32) -> impl Iterator<Item = IpNet> {
        let routes = self.by_id.get(&id).into_iter();
        routes.flat_map(|routes| routes.keys().copied())
    }
}
