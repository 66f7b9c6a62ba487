//! The small policies of a simulated network. Each exists twice: as [`Rule`]s, which the speakers evaluate, and as plain code
//! over a [`NaiveRoute`], which the model evaluates.
//!
//! None of them can prevent a stable state: they reject routes, mark them, prepend to their AS path, or prefer customers as in
//! Gao and Rexford.

use ipnet::IpNet;

use super::naive::NaiveRoute;
use crate::policy::{Action, Condition, Policy, PrefixMatch, Rule, Source, Verdict};
use crate::types::Asn;
use crate::wire::attribute::Community;

/// One step of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Rejects all routes.
    Reject,
    /// Rejects these prefixes.
    RejectPrefixes(Vec<IpNet>),
    /// Rejects routes with this community.
    RejectTagged(u32),
    /// Adds a community.
    Tag(u32),
    /// Prepends these to the AS path.
    Prepend(Vec<Asn>),
    /// Sets LOCAL_PREF.
    SetLocalPref(u32),
    /// Accepts only local routes and those with a greater LOCAL_PREF.
    OnlyAbove(u32),
}

impl Filter {
    /// The policy for a speaker: the steps in order, then acceptance.
    pub(super) fn policy(steps: &[Self]) -> Policy {
        Policy::new(steps.iter().map(Self::rule), Verdict::Accept)
    }

    fn rule(&self) -> Rule {
        let reject = |conditions| (conditions, Vec::new(), Some(Verdict::Reject));
        let edit = |action| (Vec::new(), vec![action], None);
        let (conditions, actions, verdict) = match self {
            Self::Reject => reject(Vec::new()),
            Self::RejectPrefixes(prefixes) => {
                let set = prefixes.iter().copied().map(PrefixMatch::exact).collect();
                reject(vec![Condition::Prefix(set)])
            }
            Self::RejectTagged(tag) => reject(vec![Condition::Community(Community(*tag))]),
            Self::Tag(tag) => edit(Action::AddCommunity(Community(*tag))),
            Self::Prepend(asns) => edit(Action::PrependAsPath(asns.clone())),
            Self::SetLocalPref(value) => edit(Action::SetLocalPref(*value)),
            Self::OnlyAbove(bound) => {
                let local = Condition::Source(Source::Local);
                reject(vec![!local, !Condition::LocalPrefAbove(*bound)])
            }
        };
        Rule {
            origin: "simulation".to_owned(),
            conditions,
            actions,
            verdict,
            ..Rule::default()
        }
    }

    /// The route after the steps; `None` if it is rejected. `local_pref` replaces a missing LOCAL_PREF.
    pub(super) fn apply(
        steps: &[Self],
        prefix: IpNet,
        local: bool,
        local_pref: u32,
        mut route: NaiveRoute,
    ) -> Option<NaiveRoute> {
        for step in steps {
            match step {
                Self::Reject => return None,
                Self::RejectPrefixes(prefixes) if prefixes.contains(&prefix) => return None,
                Self::RejectTagged(tag) if route.communities.contains(tag) => return None,
                Self::OnlyAbove(bound) => {
                    if !local && route.local_pref.unwrap_or(local_pref) <= *bound {
                        return None;
                    }
                }
                Self::RejectPrefixes(_) | Self::RejectTagged(_) => {}
                Self::Tag(tag) => {
                    if !route.communities.contains(tag) {
                        route.communities.push(*tag);
                    }
                }
                Self::Prepend(asns) => {
                    route.as_path.splice(0..0, asns.iter().map(|asn| asn.0));
                }
                Self::SetLocalPref(value) => route.local_pref = Some(*value),
            }
        }
        Some(route)
    }
}
