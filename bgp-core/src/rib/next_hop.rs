//! Next hops of received routes and what is known of the way to them (RFC 4271 §9.1.2.1).
//!
//! The RIB does not look routes up itself: it names the addresses it wants to know about, its owner answers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The way to a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// There is none, or it is one of our own addresses.
    Unreachable,
    /// There is one.
    Reachable {
        /// Its cost (RFC 4271 §9.1.2.2 e).
        metric: u32,
        /// The interface it leaves by, as far as known.
        interface: Option<Arc<str>>,
    },
}

/// Names a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NextHopId(pub(crate) u32);

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    resolution: Resolution,
}

/// Every next hop that a route in the tables has.
#[derive(Debug)]
pub(crate) struct NextHops {
    entries: Vec<Entry>,
    index: HashMap<IpAddr, NextHopId, foldhash::fast::FixedState>,
    initial: Resolution,
    /// Asked for but not yet told to the owner.
    wanted: Vec<IpAddr>,
}

impl NextHops {
    /// With `resolve` the owner is asked; without, every next hop counts as reachable.
    pub(crate) fn new(resolve: bool) -> Self {
        let initial = if resolve {
            Resolution::Unreachable
        } else {
            Resolution::Reachable {
                metric: 0,
                interface: None,
            }
        };
        Self {
            entries: Vec::new(),
            index: HashMap::default(),
            initial,
            wanted: Vec::new(),
        }
    }

    pub(crate) fn track(&mut self, address: IpAddr) -> NextHopId {
        if let Some(id) = self.index.get(&address) {
            return *id;
        }
        let id = NextHopId(
            u32::try_from(self.entries.len()).expect("fewer than 2^32 addresses fit in memory"),
        );
        self.entries.push(Entry {
            address,
            resolution: self.initial.clone(),
        });
        self.index.insert(address, id);
        if self.initial == Resolution::Unreachable {
            self.wanted.push(address);
        }
        id
    }

    pub(crate) fn find(&self, address: IpAddr) -> Option<NextHopId> {
        self.index.get(&address).copied()
    }

    /// Whether nobody is asked, so that there is nothing to look at.
    pub(crate) fn all_reachable(&self) -> bool {
        self.initial != Resolution::Unreachable
    }

    pub(crate) fn resolution(&self, id: NextHopId) -> &Resolution {
        &self.entries[id.0 as usize].resolution
    }

    /// Notes an answer; tells what it changes.
    pub(crate) fn resolve(&mut self, address: IpAddr, resolution: Resolution) -> Option<NextHopId> {
        let id = *self.index.get(&address)?;
        let old = &mut self.entries[id.0 as usize].resolution;
        let changed = *old != resolution;
        *old = resolution;
        changed.then_some(id)
    }

    /// An address to ask the owner for.
    pub(crate) fn pop_wanted(&mut self) -> Option<IpAddr> {
        self.wanted.pop()
    }

    /// Every address that was asked for.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.entries.iter().map(|entry| entry.address)
    }
}
