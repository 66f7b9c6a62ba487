//! How often somebody may connect.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How often a neighbour connects: [`BURST`] times at once, and then once in [`INTERVAL`].
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When it will have been as often as it may.
    even_at: Option<Instant>,
}

impl Pace {
    /// Whether one more connection is not too many.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let even_at = self.even_at.map_or(now, |at| at.max(now));
        let allowed = even_at - now < INTERVAL * BURST;
        if allowed {
            self.even_at = Some(even_at + INTERVAL);
        }
        allowed
    }
}

/// The pace of each address within ranges.
#[derive(Debug, Default)]
pub(super) struct Paces(HashMap<IpAddr, Pace>);

impl Paces {
    /// Whether an address within a range may connect once more. Where too many do, those that are new are let in unseen: the wait for an
    /// OPEN has a limit of its own.
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

/// Connections of one neighbour that are taken however fast they come.
const BURST: u32 = 16;
/// For each of these a neighbour may connect once more.
const INTERVAL: Duration = Duration::from_millis(250);
/// Addresses within ranges whose pace is known.
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

    /// Whoever comes from many addresses takes no more memory than that.
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
        // Those whose time is over make room.
        assert!(paces.allow(address(2 * MAX_PACES), start + INTERVAL));
        assert_eq!(paces.0.len(), 2);
    }
}
