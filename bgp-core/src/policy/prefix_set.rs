//! Sets of prefixes with ranges of length.

use std::fmt;

use ipnet::IpNet;

use crate::steps;
use crate::types::{Family, family_of};

/// Prefixes inside `net` whose length lies in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PrefixMatch {
    /// They lie inside this one.
    pub net: IpNet,
    /// Shortest length that matches.
    pub min_len: u8,
    /// Longest length that matches.
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

    /// All longer ones inside it, but not itself.
    pub fn longer(net: IpNet) -> Self {
        Self {
            net: net.trunc(),
            min_len: net.prefix_len().saturating_add(1),
            max_len: net.max_prefix_len(),
        }
    }

    /// Whether `prefix` is one of them.
    pub fn contains(&self, prefix: IpNet) -> bool {
        (self.min_len..=self.max_len).contains(&prefix.prefix_len()) && self.net.contains(&prefix)
    }
}

impl fmt::Display for PrefixMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{{},{}}}", self.net, self.min_len, self.max_len)
    }
}

/// A prefix is in the set if one of its members contains it. Sets with equal members are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct PrefixSet {
    /// By family, length and address of what they lie inside; each once.
    members: Vec<PrefixMatch>,
}

impl PrefixSet {
    /// Whether `prefix` is in it. Looks for each length that members have by halves, so a set may be large.
    pub fn contains(&self, prefix: IpNet) -> bool {
        let family = family_of(prefix);
        let mut rest = self.members.as_slice();
        while let Some(first) = rest.first() {
            let group = group(first);
            steps::count(2 * (rest.len().ilog2() as usize + 1));
            let (of_group, others) =
                rest.split_at(rest.partition_point(|m| self::group(m) == group));
            rest = others;
            let (of_family, len) = group;
            if of_family == family
                && let Ok(net) = IpNet::new(prefix.addr(), len)
                && len <= prefix.prefix_len()
            {
                let net = net.trunc();
                let start = of_group.partition_point(|member| member.net < net);
                let mut same = of_group[start..]
                    .iter()
                    .take_while(|member| member.net == net);
                if same.any(|member| member.contains(prefix)) {
                    return true;
                }
            }
        }
        false
    }

    /// Its members.
    pub fn members(&self) -> &[PrefixMatch] {
        &self.members
    }
}

fn group(member: &PrefixMatch) -> (Family, u8) {
    (family_of(member.net), member.net.prefix_len())
}

impl FromIterator<PrefixMatch> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = PrefixMatch>>(members: I) -> Self {
        let mut members: Vec<PrefixMatch> = members.into_iter().collect();
        for member in &mut members {
            member.net = member.net.trunc();
        }
        members.sort_unstable_by_key(|member| (group(member), *member));
        members.dedup();
        Self { members }
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

    /// The set of a large cluster may be asked about every route.
    #[test]
    fn a_large_set_costs_little_more_than_a_small_one() {
        let cost = |members: u32| {
            let net = |number: u32| IpNet::from(Ipv4Net::new_assert((number << 8).into(), 24));
            let set: PrefixSet = (0..members)
                .map(|number| PrefixMatch::exact(net(number)))
                .collect();
            assert!(set.contains(net(members / 2)) && !set.contains(net(members)));
            steps::of(|| assert!(set.contains(net(members - 1))))
        };
        let (once, twice) = (cost(5_000), cost(10_000));
        assert!(
            twice < once + 5 && twice < 100,
            "{once} steps, {twice} for twice as many"
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
