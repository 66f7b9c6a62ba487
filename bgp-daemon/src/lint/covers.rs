//! Whether one rule of a BGPFilter matches everything that another one matches. If unknown, no.

use bgp_core::policy::glob_matches;
use bgp_core::types::Family;
use ipnet::IpNet;

use crate::resources::{FilterRule, MatchOperator};

/// Whether the first rule matches every route that the second one matches.
pub(super) fn covers(first: &FilterRule, second: &FilterRule, family: Family) -> bool {
    let [ours, theirs] = [first, second].map(|rule| Prefixes::of(rule, family));
    let of_interface = |pattern: &String| {
        let other = second.interface.as_ref();
        other.is_some_and(|other| {
            other == pattern || (!other.contains(['*', '?', '[']) && glob_matches(pattern, other))
        })
    };
    let values = |rule: &FilterRule| {
        let communities = rule.communities.iter();
        let values = communities.flat_map(|wanted| wanted.values.clone());
        values.collect::<Vec<_>>()
    };
    let wanted = values(second);
    theirs.is_within(&ours)
        && (first.source.is_none() || first.source == second.source)
        && first.interface.as_ref().is_none_or(of_interface)
        && (first.peer_type.is_none() || first.peer_type == second.peer_type)
        && values(first).iter().all(|value| wanted.contains(value))
        && second.as_path_prefix.starts_with(&first.as_path_prefix)
        && (first.priority.is_none() || first.priority == second.priority)
}

/// Whether a rule matches no route.
pub(super) fn never_matches(rule: &FilterRule, family: Family) -> bool {
    matches!(Prefixes::of(rule, family), Prefixes::None)
}

/// The prefixes that a rule matches.
enum Prefixes {
    None,
    All,
    In(Set),
    NotIn(Set),
}

/// Prefixes within a net, with some lengths.
struct Set {
    net: IpNet,
    min: u8,
    max: u8,
}

impl Set {
    fn is_within(&self, other: &Self) -> bool {
        other.net.contains(&self.net) && other.min <= self.min && self.max <= other.max
    }

    fn overlaps(&self, other: &Self) -> bool {
        let nets = self.net.contains(&other.net) || other.net.contains(&self.net);
        nets && self.min <= other.max && other.min <= self.max
    }

    fn is_all(&self, family: Family) -> bool {
        self.net.prefix_len() == 0 && self.min == 0 && self.max == family.max_prefix_len()
    }
}

impl Prefixes {
    fn of(rule: &FilterRule, family: Family) -> Self {
        let Some((net, operator)) = rule.cidr.zip(rule.match_operator) else {
            return Self::All;
        };
        let net = net.trunc();
        let lengths = rule.prefix_length;
        let within = |range: Option<(Option<u8>, Option<u8>)>| Set {
            net,
            min: range
                .and_then(|range| range.0)
                .unwrap_or(0)
                .max(net.prefix_len()),
            max: range
                .and_then(|range| range.1)
                .unwrap_or(u8::MAX)
                .min(family.max_prefix_len()),
        };
        let set = within(lengths.map(|range| (range.min, range.max)));
        let exact = || Set {
            net,
            min: net.prefix_len(),
            max: net.prefix_len(),
        };
        match (operator, lengths) {
            (MatchOperator::In, _) if set.min > set.max => Self::None,
            (MatchOperator::In, _) if set.is_all(family) => Self::All,
            (MatchOperator::In, _) => Self::In(set),
            (MatchOperator::NotIn, _) if set.min > set.max => Self::All,
            (MatchOperator::NotIn, _) if set.is_all(family) => Self::None,
            (MatchOperator::NotIn, _) => Self::NotIn(set),
            (MatchOperator::Equal, None) => Self::In(exact()),
            (MatchOperator::NotEqual, None) => Self::NotIn(exact()),
            // A prefix is compared with a set of prefixes, which are never equal.
            (MatchOperator::Equal, Some(_)) => Self::None,
            (MatchOperator::NotEqual, Some(_)) => Self::All,
        }
    }

    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, _) | (_, Self::All) => true,
            (_, Self::None) | (Self::All, _) | (Self::NotIn(_), Self::In(_)) => false,
            (Self::In(ours), Self::In(theirs)) => ours.is_within(theirs),
            (Self::In(ours), Self::NotIn(theirs)) => !ours.overlaps(theirs),
            (Self::NotIn(ours), Self::NotIn(theirs)) => theirs.is_within(ours),
        }
    }
}
