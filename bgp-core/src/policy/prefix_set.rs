//! Sets of prefixes with ranges of length.

use std::fmt;

use ipnet::IpNet;

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

/// A prefix is in the set if one of its members contains it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct PrefixSet(pub Vec<PrefixMatch>);

impl PrefixSet {
    /// Whether `prefix` is in it.
    pub fn contains(&self, prefix: IpNet) -> bool {
        self.0.iter().any(|member| member.contains(prefix))
    }
}

impl FromIterator<PrefixMatch> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = PrefixMatch>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
