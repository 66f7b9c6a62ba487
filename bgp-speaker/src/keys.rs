//! The TCP MD5 keys of a listening socket (RFC 2385).
//!
//! A socket takes only as many keys as `net.core.optmem_max` has room for, so peers with the same password share keys where their
//! addresses fill whole prefixes. A key of a prefix makes the kernel require signatures of everybody in it, so a prefix covers
//! exactly these peers.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use ipnet::IpNet;

use crate::sockopt::{self, Md5Key};

/// The fewest prefixes that cover exactly these peers, each with its key. Peers must be in ascending order.
pub(super) fn cover<'a>(
    peers: impl Iterator<Item = (IpAddr, &'a Md5Key)>,
) -> Vec<(IpNet, &'a Md5Key)> {
    let mut cover: Vec<(IpNet, &Md5Key)> = Vec::new();
    for (address, key) in peers {
        let mut last = (IpNet::from(address), key);
        while let Some((before, _)) =
            cover.pop_if(|(net, key)| halves(net, &last.0) && *key == last.1)
            && let Some(whole) = before.supernet()
        {
            last.0 = whole;
        }
        cover.push(last);
    }
    cover
}

/// Whether two different prefixes are the halves of a larger one.
fn halves(a: &IpNet, b: &IpNet) -> bool {
    a.prefix_len() == b.prefix_len() && a.prefix_len() > 0 && a.supernet() == b.supernet()
}

/// The keys that a socket has, and those that it should have.
#[derive(Debug, Default)]
pub(super) struct Keys {
    set: BTreeMap<IpNet, Md5Key>,
    /// Refused keys, with the reason.
    missing: Vec<(IpNet, Refused)>,
}

/// Why the kernel did not take a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Refused {
    /// The socket's limit is reached; this many keys are wanted.
    TooMany(usize),
    /// The system's error number.
    Other(i32),
}

impl Keys {
    /// The prefixes with a key.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.set.keys().copied()
    }

    /// Removes keys of another process from a socket, but for those of wanted prefixes.
    pub(super) fn clean(socket: &impl AsFd, old: &[IpNet], wanted: &[(IpNet, &Md5Key)]) {
        for net in old {
            if wanted.binary_search_by_key(net, |(net, _)| *net).is_err() {
                // A key that cannot be removed only shuts a peer out.
                sockopt::set_md5_key(socket, *net, None).ok();
            }
        }
    }

    /// Sets these keys on the socket, and removes all others.
    pub(super) fn bring(&mut self, socket: &impl AsFd, wanted: &[(IpNet, &Md5Key)]) {
        self.missing = self.add(socket, wanted);
        if self.take_away(socket, wanted) && !self.missing.is_empty() {
            // Removing keys made room.
            self.missing = self.add(socket, wanted);
        }
    }

    /// The prefixes whose keys the kernel refused.
    pub(super) fn missing(&self) -> &[(IpNet, Refused)] {
        &self.missing
    }

    fn add(&mut self, socket: &impl AsFd, wanted: &[(IpNet, &Md5Key)]) -> Vec<(IpNet, Refused)> {
        let (mut missing, mut full) = (Vec::new(), false);
        for (net, key) in wanted {
            if self.set.get(net) == Some(key) {
                continue;
            }
            // All keys have the same size: if one does not fit, no other does.
            let done = match full {
                true => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
                false => sockopt::set_md5_key(socket, *net, Some(key)),
            };
            match done.map_err(|error| error.raw_os_error().unwrap_or(0)) {
                Ok(()) => {
                    self.set.insert(*net, Md5Key::clone(key));
                }
                Err(libc::ENOMEM) => {
                    full = true;
                    missing.push((*net, Refused::TooMany(wanted.len())));
                }
                Err(errno) => missing.push((*net, Refused::Other(errno))),
            }
        }
        missing
    }

    /// Returns whether any was removed.
    fn take_away(&mut self, socket: &impl AsFd, wanted: &[(IpNet, &Md5Key)]) -> bool {
        let before = self.set.len();
        self.set.retain(|net, _| {
            let stays = wanted.binary_search_by_key(net, |(net, _)| *net).is_ok();
            // A key that cannot be removed only shuts a peer out; the next change tries again.
            stays || sockopt::set_md5_key(socket, *net, None).is_err()
        });
        self.set.len() < before
    }
}

impl Refused {
    /// What is wrong, and how to fix it.
    pub(super) fn reason(self) -> String {
        match self {
            Self::TooMany(keys) => {
                let limit = std::fs::read_to_string("/proc/sys/net/core/optmem_max");
                let limit = limit.map_or_else(
                    |_| String::new(),
                    |limit| format!(" is {} and", limit.trim()),
                );
                let enough = (keys * KEY_SIZE).next_power_of_two();
                format!(
                    "the kernel takes no more TCP MD5 passwords: the sysctl net.core.optmem_max{limit} should be {enough}; \
                     without its password this peer is neither accepted nor dialled"
                )
            }
            Self::Other(libc::ENOPROTOOPT) => {
                "this kernel has no TCP MD5 signatures: this peer is neither accepted nor dialled"
                    .into()
            }
            Self::Other(errno) => format!(
                "the kernel does not take the TCP MD5 password ({}): this peer is neither accepted nor dialled",
                sockopt::errno_text(errno)
            ),
        }
    }
}

/// Octets that the kernel counts for a key, with some reserve for later kernels.
const KEY_SIZE: usize = 160;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Md5Key {
        Md5Key::new(&[number + 1]).expect("one octet")
    }

    #[test]
    fn peers_that_fill_a_prefix_and_share_a_password_share_a_key() {
        let (a, b) = (key(0), key(1));
        let addresses = (0..64).map(|last| IpAddr::from([10, 0, 0, last]));
        let cover: Vec<String> = cover(addresses.map(|address| match address {
            IpAddr::V4(v4) if v4.octets()[3] == 9 => (address, &b),
            _ => (address, &a),
        }))
        .into_iter()
        .map(|(net, _)| net.to_string())
        .collect();
        assert_eq!(
            cover,
            [
                "10.0.0.0/29",
                "10.0.0.8/32",
                "10.0.0.9/32",
                "10.0.0.10/31",
                "10.0.0.12/30",
                "10.0.0.16/28",
                "10.0.0.32/27"
            ]
        );
    }

    proptest! {
        /// Each peer has its key, and no other address has one.
        #[test]
        fn a_cover_is_exact(peers in prop::collection::btree_map(0u8..=255, 0u8..2, 0..256)) {
            let keys = [key(0), key(1)];
            for v6 in [false, true] {
                let address = |last: u8| match v6 {
                    false => IpAddr::from([255, 255, 255, last]),
                    true => IpAddr::from([0xffff, 0xffff, 0, 0, 0, 0, 0, u16::from(last)]),
                };
                let with_keys = peers.iter().map(|(last, number)| (address(*last), &keys[usize::from(*number)]));
                let cover = cover(with_keys);
                prop_assert!(cover.is_sorted_by_key(|(net, _)| *net));
                for last in 0..=255 {
                    let covering: Vec<_> = cover.iter().filter(|(net, _)| net.contains(&address(last))).collect();
                    let found: Vec<_> = covering.iter().map(|(_, key)| *key).collect();
                    let wanted: Vec<_> = peers.get(&last).map(|number| &keys[usize::from(*number)]).into_iter().collect();
                    prop_assert_eq!(found, wanted);
                }
            }
        }
    }
}
