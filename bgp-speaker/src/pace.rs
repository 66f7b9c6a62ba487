//! Limits how often a peer may connect.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The connection rate of a neighbour: [`BURST`] connections at once, and then one per [`INTERVAL`].
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the whole burst is available again.
    even_at: Option<Instant>,
}

impl Pace {
    /// Whether one more connection is allowed.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let even_at = self.even_at.map_or(now, |at| at.max(now));
        let allowed = even_at - now < INTERVAL * BURST;
        if allowed {
            self.even_at = Some(even_at + INTERVAL);
        }
        allowed
    }
}

/// The connection rate of each address within ranges.
#[derive(Debug, Default)]
pub(super) struct Paces(HashMap<IpAddr, Pace>);

impl Paces {
    /// Whether an address within a range may connect once more. When the list of addresses is full, new addresses are admitted
    /// without a check: connections that wait for an OPEN have a limit of their own.
    pub(super) fn allow(&mut self, address: IpAddr, now: Instant) -> bool {
        let paces = &mut self.0;
        if paces.len() >= MAX_PACES && !paces.contains_key(&address) {
            paces.retain(|_, pace| pace.even_at.is_some_and(|at| at > now));
        }
        if paces.len() >= MAX_PACES && !paces.contains_key(&address) {
            return true;
        }
        paces.entry(address).or_default().allows(now)
    }
}

/// Connections of one neighbour that are accepted at once.
const BURST: u32 = 16;
/// After a burst, one connection per interval.
const INTERVAL: Duration = Duration::from_millis(250);
/// Addresses within ranges whose rate is known.
const MAX_PACES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_may_connect_so_often() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut taken = |at: Duration| (0..1000).filter(|_| pace.allows(start + at)).count();
        assert_eq!(taken(Duration::ZERO), BURST as usize);
        assert_eq!(taken(INTERVAL), 1);
        assert_eq!(taken(INTERVAL * 4), 3);
        assert_eq!(taken(INTERVAL * 1000), BURST as usize);
    }

    /// Connections from many addresses take no more memory than this.
    #[test]
    fn few_addresses_are_known() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        let address = |number: usize| IpAddr::from((number as u32).to_be_bytes());
        for number in 0..2 * MAX_PACES {
            assert!(paces.allow(address(number), start));
        }
        assert_eq!(paces.0.len(), MAX_PACES);
        let taken = (0..1000).filter(|_| paces.allow(address(0), start)).count();
        assert_eq!(taken, BURST as usize - 1);
        // Expired entries make room.
        assert!(paces.allow(address(2 * MAX_PACES), start + INTERVAL));
        assert_eq!(paces.0.len(), 2);
    }
}
