//! Applies a policy to a route.

use ipnet::IpNet;

use super::outcomes::{Asked, Question};
use super::prefix_set::PrefixSet;
use super::rules::{Action, Condition, Policy, Source, Verdict};
use crate::types::Asn;
use crate::wire::attribute::{AttributeView, Attributes};

/// What a policy sees of a route.
#[derive(Clone, Copy, Debug)]
pub struct RouteView<'a> {
    /// Its prefix.
    pub prefix: IpNet,
    /// Its attributes.
    pub attributes: AttributeView<'a>,
    /// Its LOCAL_PREF; where the attributes have none, what counts instead.
    pub local_pref: Option<u32>,
    /// Where it was learned.
    pub source: Source,
    /// The interface it leaves by, as far as known.
    pub interface: Option<&'a str>,
    /// Our AS number, on the way to another AS: the policy sees and edits the AS path with it in front, though the attributes
    /// are still without it.
    pub own_as: Option<Asn>,
}

/// The outcome for one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Use it.
    Accept {
        /// Its attributes, if they changed; then with [`RouteView::own_as`] in front of the AS path.
        attributes: Option<Box<Attributes>>,
        /// Its preference, if it was set.
        preference: Option<u32>,
    },
    /// Do not use it.
    Reject,
}

impl RouteView<'_> {
    fn to_edit(self) -> Attributes {
        let mut attributes = self.attributes.to_attributes();
        if let Some(own_as) = self.own_as {
            attributes.as_path.leave_as(own_as);
        }
        attributes
    }
}

impl Policy {
    /// Whether it accepts every route unchanged, so that nobody needs to ask.
    pub fn is_accept_all(&self) -> bool {
        self.default == Verdict::Accept && self.rules.is_empty()
    }

    /// Whether its outcome can depend on the interface that a route leaves by.
    pub fn looks_at_interfaces(&self) -> bool {
        self.rules
            .iter()
            .flat_map(|rule| &rule.conditions)
            .any(Condition::looks_at_interface)
    }

    /// Decides on a route.
    pub fn evaluate(&self, route: RouteView<'_>) -> Decision {
        self.explain(route).0
    }

    /// Decides on a route and names the rule that did, by its place; `None` is the default.
    pub fn explain(&self, route: RouteView<'_>) -> (Decision, Option<usize>) {
        let (decision, by, _) = self.trace(route);
        (decision, by)
    }

    /// Decides on a route and tells which questions about its prefix the decision follows from.
    pub(crate) fn evaluate_asking(&self, route: RouteView<'_>) -> (Decision, Asked) {
        let (decision, _, asked) = self.trace(route);
        (decision, asked)
    }

    fn trace(&self, route: RouteView<'_>) -> (Decision, Option<usize>, Asked) {
        let mut state = Evaluation {
            route,
            edited: None,
            preference: None,
        };
        let mut asked = Asked::default();
        for (place, rule) in (0u32..).zip(&self.rules) {
            let mut conditions = (0u32..).zip(&rule.conditions);
            let holds = conditions.all(|(number, condition)| {
                let holds = state.holds(condition);
                if let Some((_, holds_inside)) = condition.prefix_set() {
                    let question = Question {
                        rule: place,
                        condition: number,
                    };
                    asked.0.push((question, holds == holds_inside));
                }
                holds
            });
            if !holds {
                continue;
            }
            rule.actions.iter().for_each(|action| state.perform(action));
            if let Some(verdict) = rule.verdict {
                return (state.finish(verdict), Some(place as usize), asked);
            }
        }
        (state.finish(self.default), None, asked)
    }
}

impl Condition {
    /// The set that it compares the prefix with, and whether it holds for what is in the set.
    pub(super) fn prefix_set(&self) -> Option<(&PrefixSet, bool)> {
        match self {
            Self::Prefix(set) => Some((set, true)),
            Self::Not(condition) => condition.prefix_set().map(|(set, holds)| (set, !holds)),
            Self::Source(_)
            | Self::Interface(_)
            | Self::Community(_)
            | Self::LargeCommunity(_)
            | Self::AsPathPrefix(_)
            | Self::LocalPref(_)
            | Self::LocalPrefAbove(_) => None,
        }
    }

    fn looks_at_interface(&self) -> bool {
        match self {
            Self::Interface(_) => true,
            Self::Not(condition) => condition.looks_at_interface(),
            Self::Prefix(_)
            | Self::Source(_)
            | Self::Community(_)
            | Self::LargeCommunity(_)
            | Self::AsPathPrefix(_)
            | Self::LocalPref(_)
            | Self::LocalPrefAbove(_) => false,
        }
    }
}

/// A route on its way through the rules.
struct Evaluation<'a> {
    route: RouteView<'a>,
    edited: Option<Box<Attributes>>,
    preference: Option<u32>,
}

impl Evaluation<'_> {
    fn finish(self, verdict: Verdict) -> Decision {
        match verdict {
            Verdict::Accept => Decision::Accept {
                attributes: self.edited,
                preference: self.preference,
            },
            Verdict::Reject => Decision::Reject,
        }
    }

    fn local_pref(&self) -> Option<u32> {
        let edited = self.edited.as_ref().and_then(|edited| edited.local_pref);
        edited.or(self.route.local_pref)
    }

    fn holds(&self, condition: &Condition) -> bool {
        let original = self.route.attributes;
        match condition {
            Condition::Prefix(set) => set.contains(self.route.prefix),
            Condition::Source(source) => self.route.source == *source,
            Condition::Interface(pattern) => {
                glob_matches(pattern, self.route.interface.unwrap_or_default())
            }
            Condition::Community(wanted) => match &self.edited {
                Some(edited) => edited.communities.contains(wanted),
                None => original.communities().any(|community| community == *wanted),
            },
            Condition::LargeCommunity(wanted) => match &self.edited {
                Some(edited) => edited.large_communities.contains(wanted),
                None => original
                    .large_communities()
                    .any(|community| community == *wanted),
            },
            Condition::AsPathPrefix(wanted) => {
                let (own_as, path) = match &self.edited {
                    Some(edited) => (None, edited.as_path.view()),
                    None => (self.route.own_as, original.as_path()),
                };
                let mut asns = own_as.into_iter().chain(path.asns());
                wanted.iter().all(|asn| asns.next() == Some(*asn))
            }
            Condition::LocalPref(value) => self.local_pref() == Some(*value),
            Condition::LocalPrefAbove(bound) => {
                self.local_pref().is_some_and(|value| value > *bound)
            }
            Condition::Not(condition) => !self.holds(condition),
        }
    }

    fn perform(&mut self, action: &Action) {
        if let Action::SetPreference(preference) = action {
            self.preference = Some(*preference);
            return;
        }
        let route = self.route;
        let edited = self.edited.get_or_insert_with(|| Box::new(route.to_edit()));
        match action {
            Action::AddCommunity(community) => push_new(&mut edited.communities, *community),
            Action::AddLargeCommunity(community) => {
                push_new(&mut edited.large_communities, *community)
            }
            Action::PrependAsPath(asns) => asns
                .iter()
                .rev()
                .for_each(|asn| edited.as_path.prepend(*asn, 1)),
            Action::SetLocalPref(value) => edited.local_pref = Some(*value),
            Action::SetMed(value) => edited.med = Some(*value),
            Action::SetPreference(_) => {}
        }
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .any(|at| glob_matches(rest, &text[at..]))
}

#[cfg(test)]
mod tests;
