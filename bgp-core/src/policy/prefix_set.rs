//! Sets of prefixes with ranges of lengths.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use crate::steps;

/// Prefixes inside `net` with a length in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PrefixMatch {
    /// The enclosing prefix.
    pub net: IpNet,
    /// Shortest matching length.
    pub min_len: u8,
    /// Longest matching length.
    pub max_len: u8,
}

impl PrefixMatch {
    /// Exactly this prefix.
    pub fn exact(net: IpNet) -> Self {
        Self {
            net: net.trunc(),
            min_len: net.prefix_len(),
            max_len: net.prefix_len(),
        }
    }

    /// This prefix and all longer ones inside it.
    pub fn within(net: IpNet) -> Self {
        Self {
            net: net.trunc(),
            min_len: net.prefix_len(),
            max_len: net.max_prefix_len(),
        }
    }

    /// All longer prefixes inside it, but not the prefix itself.
    pub fn longer(net: IpNet) -> Self {
        Self {
            net: net.trunc(),
            min_len: net.prefix_len().saturating_add(1),
            max_len: net.max_prefix_len(),
        }
    }

    /// Sets the shortest length.
    #[must_use]
    pub fn ge(self, min_len: u8) -> Self {
        Self { min_len, ..self }
    }

    /// Sets the longest length.
    #[must_use]
    pub fn le(self, max_len: u8) -> Self {
        Self { max_len, ..self }
    }

    /// Clears host bits of the net, and clips the range to possible lengths; `None` if the range is empty.
    fn normalized(self) -> Option<Self> {
        let normalized = Self {
            net: self.net.trunc(),
            min_len: self.min_len.max(self.net.prefix_len()),
            max_len: self.max_len.min(self.net.max_prefix_len()),
        };
        (normalized.min_len <= normalized.max_len).then_some(normalized)
    }

    /// Merges with the next match, if both have the same net and their ranges touch or overlap.
    fn absorb(&mut self, next: &Self) -> bool {
        let touches = self.net == next.net && next.min_len <= self.max_len.saturating_add(1);
        if touches {
            self.max_len = self.max_len.max(next.max_len);
        }
        touches
    }

    /// Whether `prefix` matches.
    pub fn contains(&self, prefix: IpNet) -> bool {
        (self.min_len..=self.max_len).contains(&prefix.prefix_len()) && self.net.contains(&prefix)
    }
}

impl fmt::Display for PrefixMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{{},{}}}", self.net, self.min_len, self.max_len)
    }
}

/// A prefix is in the set if one of its members matches it. Sets with the same members are equal.
///
/// Collect members into a set, which is immutable. Copies share the members, so many policies can hold a set of a million
/// members. The cost of a lookup is logarithmic in their number.
///
/// ```
/// use bgp_core::policy::{PrefixMatch, PrefixSet};
///
/// let set: PrefixSet = [
///     PrefixMatch::within("10.0.0.0/8".parse()?).ge(16).le(24),
///     PrefixMatch::exact("192.0.2.0/24".parse()?),
/// ]
/// .into_iter()
/// .collect();
/// assert!(set.contains("10.1.0.0/16".parse()?) && set.contains("192.0.2.0/24".parse()?));
/// assert!(!set.contains("10.0.0.0/8".parse()?) && !set.contains("192.0.2.0/25".parse()?));
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PrefixSet(Arc<Members>);

/// A trie with its nodes in one list: the members inside a net follow it, and each member knows the next larger one that encloses
/// it.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Members {
    /// In ascending order. Ranges of one net neither overlap nor touch.
    matches: Vec<PrefixMatch>,
    /// For each member, the last earlier one that encloses it, or [`NONE`].
    around: Vec<u32>,
}

/// No member encloses it.
const NONE: u32 = u32::MAX;

impl PrefixSet {
    /// Whether a member matches `prefix`.
    pub fn contains(&self, prefix: IpNet) -> bool {
        let Members { matches, around } = &*self.0;
        steps::count(matches.len().checked_ilog2().unwrap_or_default() as usize + 1);
        let after = matches.partition_point(|member| member.net <= prefix);
        // A member that matches the prefix is the last member before it, or encloses that one.
        let mut at = after.checked_sub(1);
        while let Some(place) = at {
            steps::count(1);
            let member = &matches[place];
            if member.contains(prefix) {
                return true;
            }
            at = Some(around[place])
                .filter(|around| *around != NONE)
                .map(|around| around as usize);
        }
        false
    }

    /// The members, ascending by net. Overlapping or touching ranges of one net are merged; empty members are dropped.
    pub fn members(&self) -> &[PrefixMatch] {
        &self.0.matches
    }
}

impl FromIterator<PrefixMatch> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = PrefixMatch>>(members: I) -> Self {
        let members = members.into_iter().filter_map(PrefixMatch::normalized);
        let mut matches: Vec<PrefixMatch> = members.collect();
        matches.sort_unstable();
        matches.dedup_by(|next, last| last.absorb(next));
        matches.shrink_to_fit();
        let around = around(&matches);
        Self(Arc::new(Members { matches, around }))
    }
}

/// For each member, the last earlier one that encloses it.
fn around(matches: &[PrefixMatch]) -> Vec<u32> {
    let mut around = Vec::with_capacity(matches.len());
    let mut path: Vec<u32> = Vec::new();
    for (place, member) in (0u32..).zip(matches) {
        let contains = |outer: u32| matches[outer as usize].net.contains(&member.net);
        while path.last().is_some_and(|outer| !contains(*outer)) {
            path.pop();
        }
        around.push(path.last().copied().unwrap_or(NONE));
        path.push(place);
    }
    around
}

/// Serialized as the list of members.
#[cfg(feature = "serde")]
impl serde::Serialize for PrefixSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.members().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use ipnet::Ipv4Net;
    use proptest::prelude::*;

    use super::*;

    fn any_net() -> impl Strategy<Value = IpNet> {
        // Few addresses, so that prefixes lie inside each other.
        let v4 = (0u8..4, 0u8..=32).prop_map(|(high, len)| {
            IpNet::new([high << 6, high << 6, 0, 0].into(), len).expect("short enough")
        });
        let v6 = (0u16..4, 0u8..=128).prop_map(|(high, len)| {
            IpNet::new([high << 14, 0, high, 0, 0, 0, 0, 0].into(), len).expect("short enough")
        });
        prop_oneof![v4, v6]
    }

    fn any_match() -> impl Strategy<Value = PrefixMatch> {
        let lens = (0u8..=128, 0u8..=128);
        (any_net(), lens).prop_map(|(net, (min_len, max_len))| PrefixMatch {
            net,
            min_len,
            max_len,
        })
    }

    fn numbered(number: u32) -> IpNet {
        Ipv4Net::new_assert((number << 8).into(), 24).into()
    }

    /// The set of a large cluster, or of all routes that a peer may announce, is looked up for every route.
    #[test]
    fn a_large_set_costs_little_more_than_a_small_one() {
        let cost = |members: u32| {
            let set: PrefixSet = (0..members)
                .map(|number| PrefixMatch::exact(numbered(number)))
                .collect();
            assert!(set.contains(numbered(members / 2)) && !set.contains(numbered(members)));
            steps::of(|| assert!(set.contains(numbered(members - 1))))
        };
        let (once, twice) = (cost(500_000), cost(1_000_000));
        assert!(
            (1..25).contains(&once) && twice <= once + 1,
            "{once} steps, {twice} for twice as many"
        );
    }

    /// Members around each other, as deep as it goes, cost a step for each length.
    #[test]
    fn nested_members_cost_a_step_each() {
        let net = |len| IpNet::new([0; 16].into(), len).expect("short enough");
        let set: PrefixSet = (0..128)
            .flat_map(|len| [0, 64].map(|gap| PrefixMatch::within(net(len)).ge(len + gap).le(len)))
            .collect();
        assert_eq!(set.members().len(), 128);
        let steps = steps::of(|| assert!(!set.contains(net(128))));
        assert!((128..150).contains(&steps), "{steps} steps");
    }

    #[test]
    fn a_copy_shares_the_members() {
        let set: PrefixSet = (0..100)
            .map(|number| PrefixMatch::exact(numbered(number)))
            .collect();
        let copy = set.clone();
        assert!(std::ptr::eq(set.members(), copy.members()));
    }

    #[test]
    fn ranges_of_one_net_that_touch_are_one_member() {
        let net: IpNet = "10.1.2.3/16".parse().unwrap();
        let range = |ge, le| PrefixMatch::within(net).ge(ge).le(le);
        let set = |ranges: &[(u8, u8)]| -> PrefixSet {
            ranges.iter().map(|(ge, le)| range(*ge, *le)).collect()
        };
        assert_eq!(
            set(&[(20, 24), (0, 18), (25, 40)]),
            set(&[(16, 18), (20, 32)])
        );
        assert_eq!(set(&[(24, 20), (0, 15)]), PrefixSet::default());
        assert_eq!(
            set(&[(16, 18)]).members()[0].to_string(),
            "10.1.0.0/16{16,18}"
        );
    }

    proptest! {
        #[test]
        fn it_contains_what_a_member_contains(
            members in prop::collection::vec(any_match(), 0..40),
            prefixes in prop::collection::vec(any_net(), 40),
        ) {
            let set: PrefixSet = members.iter().copied().collect();
            for prefix in prefixes {
                let expected = members.iter().any(|member| member.contains(prefix));
                prop_assert_eq!(set.contains(prefix), expected, "{}", prefix);
            }
            let backwards: PrefixSet = members.iter().rev().copied().collect();
            prop_assert_eq!(set, backwards);
        }
    }

    #[test]
    fn ranges_are_inclusive_and_families_do_not_mix() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let set: PrefixSet = [
            PrefixMatch::within(net("10.0.0.0/8")),
            PrefixMatch::longer(net("192.168.0.0/26")),
            PrefixMatch {
                net: net("2001:db8::/32"),
                min_len: 48,
                max_len: 64,
            },
        ]
        .into_iter()
        .collect();
        for inside in [
            "10.0.0.0/8",
            "10.1.2.3/32",
            "192.168.0.1/32",
            "2001:db8:1::/48",
            "2001:db8:1:2::/64",
        ] {
            assert!(set.contains(net(inside)), "{inside}");
        }
        for outside in [
            "0.0.0.0/0",
            "11.0.0.0/8",
            "192.168.0.0/26",
            "2001:db8::/32",
            "2001:db8::1/128",
            "::a00:0/104",
        ] {
            assert!(!set.contains(net(outside)), "{outside}");
        }
    }
}
