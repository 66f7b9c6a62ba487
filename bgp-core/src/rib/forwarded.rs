//! The last forwarding route of each prefix, so that only changes are output. There are far fewer forwarding routes than
//! prefixes, so each is stored once and identified by a number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decision::Ranking;
use super::event::ForwardRoute;
use super::path::Path;
use super::settings::PEER_PREFERENCE;
use super::shared::Shared;
use super::table::Slot;
use crate::types::{Family, Prefix};
use crate::wire::NextHop;

/// Next hops of one forwarding route; the kernel is not given more.
const MAX_NEXT_HOPS: usize = 16;

/// A prefix without a forwarding route.
const NONE: u32 = 0;

/// Route numbers, by slot.
#[derive(Debug, Default)]
pub(super) struct Forwarded {
    slots: Vec<u32>,
    /// Routes by number, less one, with the count of slots that use them; `None` is a free number.
    routes: Vec<Option<(Arc<ForwardRoute>, u32)>>,
    numbers: BTreeMap<Arc<ForwardRoute>, u32>,
    free: Vec<u32>,
}

impl Forwarded {
    /// Sets the route of a slot; returns `false` if it is unchanged.
    pub(super) fn replace(&mut self, at: u32, route: Option<&ForwardRoute>) -> bool {
        let old = self.slots.get(at as usize).copied().unwrap_or(NONE);
        if self.route(old) == route {
            return false;
        }
        let new = route.map_or(NONE, |route| self.take_number(route));
        self.give_back(old);
        if self.slots.len() <= at as usize {
            self.slots.resize(at as usize + 1, NONE);
        }
        self.slots[at as usize] = new;
        true
    }

    /// Size in octets.
    pub(super) fn octets(&self) -> usize {
        self.slots.len() * size_of::<u32>() + self.numbers.len() * ROUTE
    }

    fn route(&self, number: u32) -> Option<&ForwardRoute> {
        let place = number.checked_sub(1)?;
        let (route, _) = self.routes.get(place as usize)?.as_ref()?;
        Some(route)
    }

    fn take_number(&mut self, route: &ForwardRoute) -> u32 {
        if let Some(number) = self.numbers.get(route) {
            if let Some((_, slots)) = &mut self.routes[*number as usize - 1] {
                *slots += 1;
            }
            return *number;
        }
        let route = Arc::new(route.clone());
        let number = self.free.pop().unwrap_or_else(|| {
            self.routes.push(None);
            u32::try_from(self.routes.len()).expect("no more than slots")
        });
        self.routes[number as usize - 1] = Some((Arc::clone(&route), 1));
        self.numbers.insert(route, number);
        number
    }

    fn give_back(&mut self, number: u32) {
        let Some(place) = number.checked_sub(1) else {
            return;
        };
        let place = &mut self.routes[place as usize];
        if let Some((_, slots)) = place {
            *slots -= 1;
        }
        if let Some((route, _)) = place.take_if(|(_, slots)| *slots == 0) {
            self.numbers.remove(&route);
            self.free.push(number);
        }
    }
}

/// Estimated size of a route in both maps, with a few next hops.
const ROUTE: usize = 3 * size_of::<ForwardRoute>();

/// The forwarding route of a prefix; `None` if no peer has one.
pub(super) fn forward_route<P: Prefix>(shared: &Shared, slot: &Slot<P>) -> Option<ForwardRoute> {
    let best = slot.best()?;
    if !best.is_local() {
        let paths = slot.paths.as_slice();
        return Some(route_of(shared, P::FAMILY, paths, best, false));
    }
    if shared.store[best.attrs].preference > PEER_PREFERENCE {
        return None;
    }
    let learned = slot.paths.as_slice().iter().filter(|path| !path.is_local());
    let learned: Vec<Path> = learned.copied().collect();
    let best = Ranking::of(shared, P::FAMILY).best(&learned)?;
    Some(route_of(shared, P::FAMILY, &learned, &learned[best], true))
}

/// The best of these paths, with those that are equally good for forwarding.
fn route_of(
    shared: &Shared,
    family: Family,
    paths: &[Path],
    best: &Path,
    standby: bool,
) -> ForwardRoute {
    let set = &shared.store[best.attrs];
    let mut next_hops: Vec<NextHop> = shared.store.next_hop(best.attrs).into_iter().collect();
    if let [_, _, ..] = paths {
        for place in Ranking::of(shared, family).equal_to_best(paths) {
            if next_hops.len() == MAX_NEXT_HOPS {
                break;
            }
            let next_hop = shared.store.next_hop(paths[place].attrs);
            let wanted = next_hop
                .filter(|next_hop| !next_hops.contains(next_hop) && !paths[place].is_local());
            next_hops.extend(wanted);
        }
    }
    ForwardRoute {
        next_hops,
        local_pref: set.local_pref,
        preference: set.preference,
        standby,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(local_pref: u32) -> ForwardRoute {
        ForwardRoute {
            next_hops: Vec::new(),
            local_pref,
            preference: 100,
            standby: false,
        }
    }

    proptest! {
        #[test]
        fn says_what_changes_and_keeps_what_is_used(said in prop::collection::vec((0u32..8, prop::option::of(0u32..4)), 0..100)) {
            let (mut forwarded, mut model) = (Forwarded::default(), BTreeMap::new());
            for (at, local_pref) in said {
                let changed = forwarded.replace(at, local_pref.map(route).as_ref());
                prop_assert_eq!(changed, model.insert(at, local_pref).flatten() != local_pref);
            }
            let mut used: Vec<u32> = model.into_values().flatten().collect();
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(forwarded.numbers.len(), used.len());
            prop_assert_eq!(forwarded.routes.len() - forwarded.free.len(), used.len());
        }
    }
}
