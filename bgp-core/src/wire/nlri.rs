//! NLRI: lists of prefixes, with or without path identifiers (RFC 4271 §4.3, RFC 4760 §5, RFC 7911 §3).
//!
//! A list is checked once, when its UPDATE is decoded, and then read from the message on demand, without an allocation. Whether a
//! prefix is routable (multicast, for example) is decided by the RIB.

use std::fmt;
use std::marker::PhantomData;

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::types::{Family, PathId, Prefix};

/// A list of prefixes of one family as encoded in a message, already checked: reading it cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nlri<'a> {
    family: Family,
    path_ids: bool,
    octets: &'a [u8],
}

impl<'a> Nlri<'a> {
    /// `octets` must have passed [`check`] with the same arguments.
    pub(super) fn new(family: Family, path_ids: bool, octets: &'a [u8]) -> Self {
        Self {
            family,
            path_ids,
            octets,
        }
    }

    /// The family of all prefixes.
    pub fn family(self) -> Family {
        self.family
    }

    /// Whether the list is empty.
    pub fn is_empty(self) -> bool {
        self.octets.is_empty()
    }

    /// The number of prefixes; reads through the whole list.
    pub fn count(self) -> usize {
        let behind = |octets: &&'a [u8]| behind_first(self.family, self.path_ids, octets);
        std::iter::successors(Some(self.octets), behind).count() - 1
    }

    /// The prefixes with host bits cleared, and [`PathId`] 0 if the session does not use path identifiers. Empty if `P` is of
    /// another family.
    pub fn iter<P: Prefix>(self) -> Iter<'a, P> {
        let octets = if P::FAMILY == self.family {
            self.octets
        } else {
            &[]
        };
        Iter {
            path_ids: self.path_ids,
            octets,
            prefix: PhantomData,
        }
    }

    /// The prefixes as [`IpNet`]; slower than [`Nlri::iter`].
    pub fn nets(self) -> impl Iterator<Item = (PathId, IpNet)> + 'a {
        let ipv4 = self.iter::<Ipv4Net>().map(|(id, net)| (id, net.into()));
        let ipv6 = self.iter::<Ipv6Net>().map(|(id, net)| (id, net.into()));
        ipv4.chain(ipv6)
    }
}

/// Prefixes separated by spaces; a path identifier follows its prefix as `#7`.
impl fmt::Display for Nlri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (path_id, net)) in self.nets().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{net}")?;
            if self.path_ids {
                write!(f, "#{}", path_id.0)?;
            }
        }
        Ok(())
    }
}

/// Iterator of [`Nlri::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a, P> {
    path_ids: bool,
    octets: &'a [u8],
    prefix: PhantomData<P>,
}

impl<P: Prefix> Iterator for Iter<'_, P> {
    type Item = (PathId, P);

    #[inline]
    fn next(&mut self) -> Option<(PathId, P)> {
        let mut octets = self.octets;
        let mut path_id = PathId(0);
        if self.path_ids {
            let (id, rest) = octets.split_first_chunk()?;
            path_id = PathId(u32::from_be_bytes(*id));
            octets = rest;
        }
        let (&len, rest) = octets.split_first()?;
        let prefix = P::from_octets(rest, len)?;
        self.octets = rest.get(address_octets(len)..)?;
        Some((path_id, prefix))
    }
}

/// Octets of the encoded address of a prefix of this length.
#[inline]
fn address_octets(prefix_len: u8) -> usize {
    // As `div_ceil`, in fewer instructions: nothing overflows here.
    (usize::from(prefix_len) + 7) >> 3
}

/// Checks that a field consists of complete, valid prefixes of the family (RFC 7606 §5.3).
///
/// # Errors
///
/// The offset of the first invalid prefix in the field.
#[inline]
pub(super) fn check(family: Family, path_ids: bool, octets: &[u8]) -> Result<(), usize> {
    if path_ids {
        check_behind::<4>(family, octets)
    } else {
        check_behind::<0>(family, octets)
    }
}

/// The check for prefixes that each follow `N` octets.
#[inline]
fn check_behind<const N: usize>(family: Family, octets: &[u8]) -> Result<(), usize> {
    let longest = family.max_prefix_len();
    let mut at = 0;
    while at < octets.len() {
        let len = *octets.get(at + N).ok_or(at)?;
        let end = at + N + ((usize::from(len) + 15) >> 3);
        if len > longest || end > octets.len() {
            return Err(at);
        }
        at = end;
    }
    Ok(())
}

/// The octets after the first prefix; `None` if that prefix is invalid.
#[inline]
fn behind_first(family: Family, path_ids: bool, octets: &[u8]) -> Option<&[u8]> {
    let start = if path_ids { 4 } else { 0 };
    let len = *octets.get(start)?;
    if len > family.max_prefix_len() {
        return None;
    }
    octets.get(start + 1 + address_octets(len)..)
}

/// Octets of a path identifier and a length.
const MAX_HEAD_LEN: usize = 4 + 1;
/// Octets of an IPv6 address.
const MAX_ADDRESS_LEN: usize = 16;

/// Most octets that [`encode`] appends per prefix.
pub(super) fn max_encoded_len(family: Family, path_ids: bool) -> usize {
    head_len(path_ids) + address_octets(family.max_prefix_len())
}

/// Octets that [`encode`] appends for a prefix.
pub(super) fn encoded_len(path_ids: bool, prefix: impl Prefix) -> usize {
    let net: IpNet = prefix.into();
    head_len(path_ids) + address_octets(net.prefix_len())
}

fn head_len(path_ids: bool) -> usize {
    if path_ids { 5 } else { 1 }
}

/// Appends prefixes, with host bits cleared (RFC 4271 §4.3).
pub(super) fn encode<P: Prefix>(path_ids: bool, routes: &[(PathId, P)], out: &mut BytesMut) {
    let start = out.len();
    // Reserves room for the longest prefixes. Whole addresses are written, and the next prefix overwrites the excess octets: a
    // copy of fixed size is much faster.
    let most = routes.len() * max_encoded_len(P::FAMILY, path_ids);
    out.resize(start + most + MAX_HEAD_LEN + MAX_ADDRESS_LEN, 0);
    let mut at = start;
    for (path_id, prefix) in routes {
        if path_ids {
            at = put(path_id.0.to_be_bytes(), at, out);
        }
        let net: IpNet = (*prefix).into();
        at = put([net.prefix_len()], at, out);
        match net {
            IpNet::V4(net) => put(net.network().octets(), at, out),
            IpNet::V6(net) => put(net.network().octets(), at, out),
        };
        at += address_octets(net.prefix_len());
    }
    out.truncate(at);
}

/// Writes octets and returns their end.
#[inline]
fn put<const N: usize>(octets: [u8; N], at: usize, out: &mut [u8]) -> usize {
    out[at..at + N].copy_from_slice(&octets);
    at + N
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(family: Family, path_ids: bool, octets: &[u8]) -> Vec<String> {
        check(family, path_ids, octets).expect("well-formed");
        let nlri = Nlri::new(family, path_ids, octets);
        assert_eq!(nlri.count(), nlri.nets().count());
        nlri.nets()
            .map(|(id, net)| format!("{net}#{}", id.0))
            .collect()
    }

    #[test]
    fn r4271_4_3_05_bits_beyond_the_length_are_ignored() {
        let octets = [12, 172, 31, 0, 32, 10, 0, 0, 1];
        let expected = ["172.16.0.0/12#0", "0.0.0.0/0#0", "10.0.0.1/32#0"];
        assert_eq!(nets(Family::Ipv4Unicast, false, &octets), expected);
        let mut out = BytesMut::new();
        let net: Ipv4Net = "172.31.0.0/12".parse().unwrap();
        encode(false, &[(PathId(0), net)], &mut out);
        assert_eq!(&out[..], [12, 172, 16]);
    }

    #[test]
    fn r7911_3_01_path_ids_come_first() {
        let octets = [0, 0, 0, 7, 0, 0, 0, 0, 9, 16, 0x20, 0x01];
        let expected = ["::/0#7", "2001::/16#9"];
        assert_eq!(nets(Family::Ipv6Unicast, true, &octets), expected);
    }

    /// R7606-5.3-01, R7606-5.3-02, R7911-5-05.
    #[test]
    fn r7606_5_3_01_prefixes_that_are_wrong() {
        let wrong: [(Family, bool, &[u8], usize); 6] = [
            (Family::Ipv4Unicast, false, &[33, 1, 2, 3, 4, 5], 0),
            (Family::Ipv4Unicast, false, &[8, 10, 24, 10, 0], 2),
            (Family::Ipv4Unicast, false, &[24], 0),
            (Family::Ipv6Unicast, false, &[129, 0], 0),
            (Family::Ipv4Unicast, true, &[0, 0, 1], 0),
            (Family::Ipv4Unicast, true, &[0, 0, 0, 1], 0),
        ];
        for (family, path_ids, octets, at) in wrong {
            assert_eq!(check(family, path_ids, octets), Err(at), "{octets:?}");
        }
    }

    #[test]
    fn reading_as_another_family_is_empty() {
        let nlri = Nlri::new(Family::Ipv4Unicast, false, &[0]);
        assert_eq!(nlri.iter::<Ipv6Net>().count(), 0);
        assert_eq!(nlri.iter::<Ipv4Net>().count(), 1);
    }
}
