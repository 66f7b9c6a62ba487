//! Applies a policy to a route.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use super::action::{Action, NextHopChoice};
use super::condition::Condition;
use super::hook::{Answer, HookRef};
use super::outcomes::Asked;
use super::pattern::Pattern;
use super::route::RouteView;
use super::rules::{Policy, Verdict};
use crate::types::Asn;
use crate::wire::NextHop;
use crate::wire::attribute::{AttributeView, Attributes};

/// The outcome for one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Use it, with these changes.
    Accept(Changes),
    /// Do not use it.
    Reject,
}

/// What a policy changed about a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// All attributes, if some changed; [`RouteView::own_as`] is then already prepended to the AS path.
    pub attributes: Option<Box<Attributes>>,
    /// The preference, if it was set.
    pub preference: Option<u32>,
    /// The next hop, if it was set.
    pub next_hop: Option<NextHop>,
    /// MULTI_EXIT_DISC was set, possibly to the same value.
    pub med: bool,
}

/// A decision, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// Index of the rule that decided; `None` is the default verdict.
    pub rule: Option<usize>,
    /// The reason of the [`Hook`](super::Hook) that rejected the route.
    pub reason: Option<Cow<'static, str>>,
    /// Indexes of the rules that applied and have actions or edits.
    pub changed_by: Vec<usize>,
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
    /// Decides on a route.
    pub fn evaluate(&self, route: RouteView<'_>) -> Decision {
        self.trace(route, |_| {}).decision
    }

    /// Decides on a route, and returns the rule that decided and the reason.
    ///
    /// ```
    /// use bgp_core::policy::{Condition, Decision, Policy, RouteView, Rule, Verdict};
    /// use bgp_core::types::Asn;
    /// use bgp_core::wire::attribute::{AsPath, AttributeView, Attributes};
    ///
    /// let bogus = Rule::new("bogus origin").when(Condition::OriginAs(Asn(64496))).reject();
    /// let policy = Policy::new([bogus], Verdict::Accept);
    /// let as_path = AsPath::sequence([Asn(65001), Asn(64496)]);
    /// let mut octets = Vec::new();
    /// Attributes { as_path, ..Attributes::default() }.encode_canonical(&mut octets);
    /// let route = RouteView::new("192.0.2.0/24".parse()?, AttributeView::new(&octets));
    /// let explanation = policy.explain(route);
    /// assert_eq!((explanation.decision, explanation.rule), (Decision::Reject, Some(0)));
    /// # Ok::<(), ipnet::AddrParseError>(())
    /// ```
    pub fn explain(&self, route: RouteView<'_>) -> Explanation {
        let mut changed_by = Vec::new();
        let outcome = self.trace(route, |place| {
            let rule = &self.rules()[place];
            if !rule.actions.is_empty() || rule.hook.is_some() {
                changed_by.push(place);
            }
        });
        Explanation {
            decision: outcome.decision,
            rule: outcome.rule,
            reason: outcome.reason,
            changed_by,
        }
    }

    /// Decides on a route, and returns the prefix conditions that the decision depends on.
    pub(crate) fn evaluate_asking(&self, route: RouteView<'_>) -> (Decision, Asked<'_>) {
        let outcome = self.trace(route, |_| {});
        (outcome.decision, outcome.asked)
    }

    /// `applies` is called for each rule whose conditions hold and whose actions are done.
    fn trace(&self, route: RouteView<'_>, mut applies: impl FnMut(usize)) -> Outcome<'_> {
        let mut state = Evaluation {
            route,
            changes: Changes::default(),
            canonical: Vec::new(),
            asked: Asked::default(),
        };
        for (place, rule) in self.rules().iter().enumerate() {
            if !rule.conditions.iter().all(|it| state.holds(it)) {
                continue;
            }
            let by_hook = match &rule.hook {
                Some(hook) => state.ask(hook),
                None => None,
            };
            if let Some((verdict, reason)) = by_hook {
                return state.finish(verdict, Some(place), reason);
            }
            rule.actions.iter().for_each(|action| state.perform(action));
            applies(place);
            if let Some(verdict) = rule.verdict {
                return state.finish(verdict, Some(place), None);
            }
        }
        state.finish(self.default_verdict(), None, None)
    }
}

/// The result of an evaluation.
struct Outcome<'p> {
    decision: Decision,
    rule: Option<usize>,
    reason: Option<Cow<'static, str>>,
    asked: Asked<'p>,
}

/// A route in the middle of an evaluation.
struct Evaluation<'a, 'p> {
    /// The route before the evaluation.
    route: RouteView<'a>,
    changes: Changes,
    /// The changed attributes in canonical form; empty until needed.
    canonical: Vec<u8>,
    asked: Asked<'p>,
}

impl<'p> Evaluation<'_, 'p> {
    fn finish(
        self,
        verdict: Verdict,
        rule: Option<usize>,
        reason: Option<Cow<'static, str>>,
    ) -> Outcome<'p> {
        let decision = match verdict {
            Verdict::Accept => Decision::Accept(self.changes),
            Verdict::Reject => Decision::Reject,
        };
        Outcome {
            decision,
            rule,
            reason,
            asked: self.asked,
        }
    }

    /// The attributes after earlier actions.
    fn attributes(&mut self) -> AttributeView<'_> {
        let Some(edited) = &self.changes.attributes else {
            return self.route.attributes;
        };
        if self.canonical.is_empty() {
            edited.encode_canonical(&mut self.canonical);
        }
        AttributeView::new(&self.canonical)
    }

    /// Our AS number, unless [`Evaluation::attributes`] already has it at the front of the path.
    fn own_as(&self) -> Option<Asn> {
        let edited = self.changes.attributes.is_some();
        self.route.own_as.filter(|_| !edited)
    }

    fn local_pref(&self) -> Option<u32> {
        let edited = self.changes.attributes.as_ref();
        let edited = edited.and_then(|edited| edited.local_pref);
        edited.or(self.route.local_pref)
    }

    fn next_hop(&self) -> Option<NextHop> {
        self.changes.next_hop.or(self.route.next_hop)
    }

    fn path_text(&mut self) -> String {
        let own_as = self.own_as();
        let path = self.attributes().as_path();
        match own_as {
            None => path.to_string(),
            Some(own_as) => {
                let mut path = path.to_owned();
                path.leave_as(own_as);
                path.to_string()
            }
        }
    }

    fn path_begins_with(&mut self, wanted: &[Asn]) -> bool {
        let own_as = self.own_as();
        let path = self.attributes().as_path().asns();
        let mut asns = own_as.into_iter().chain(path);
        wanted.iter().all(|asn| asns.next() == Some(*asn))
    }

    fn origin_as(&mut self) -> Option<Asn> {
        let own_as = self.own_as();
        let path = self.attributes().as_path();
        match path.is_empty() {
            true => own_as,
            false => path.origin(),
        }
    }

    fn holds(&mut self, condition: &'p Condition) -> bool {
        let route = &self.route;
        match condition {
            Condition::Prefix(set) => self.asked.ask(set, route.prefix),
            Condition::NextHop(set) => {
                let next_hop = self.next_hop();
                next_hop.is_some_and(|next_hop| set.contains(next_hop.address().into()))
            }
            Condition::Peer(wanted) => route.peer.is_some_and(|peer| wanted.contains(peer)),
            Condition::LearnedFrom(wanted) => {
                route.learned_from.is_some_and(|peer| wanted.contains(peer))
            }
            Condition::Source(source) => route.source == *source,
            Condition::Interface(pattern) => {
                glob_matches(pattern, route.interface.unwrap_or_default())
            }
            Condition::Origin(wanted) => self.attributes().origin() == *wanted,
            Condition::AsPath(pattern) => pattern.is_match(&self.path_text()),
            Condition::AsPathPrefix(wanted) => self.path_begins_with(wanted),
            Condition::OriginAs(wanted) => self.origin_as() == Some(*wanted),
            Condition::Community(wanted) => self.attributes().communities().any(|it| it == *wanted),
            Condition::CommunityMatching(pattern) => {
                any_matches(self.attributes().communities(), pattern)
            }
            Condition::LargeCommunity(wanted) => self
                .attributes()
                .large_communities()
                .any(|it| it == *wanted),
            Condition::LargeCommunityMatching(pattern) => {
                any_matches(self.attributes().large_communities(), pattern)
            }
            Condition::ExtCommunity(wanted) => {
                self.attributes().ext_communities().any(|it| it == *wanted)
            }
            Condition::ExtCommunityMatching(pattern) => {
                any_matches(self.attributes().ext_communities(), pattern)
            }
            Condition::Med(value) => self.attributes().med() == Some(*value),
            Condition::MedAbove(bound) => self.attributes().med().is_some_and(|it| it > *bound),
            Condition::LocalPref(value) => self.local_pref() == Some(*value),
            Condition::LocalPrefAbove(bound) => self.local_pref().is_some_and(|it| it > *bound),
            Condition::Attribute(code) => self.attributes().find(*code).is_some(),
            Condition::Any(conditions) => conditions.iter().any(|it| self.holds(it)),
            Condition::Not(condition) => !self.holds(condition),
        }
    }

    /// The decision of the hook, if it made one.
    #[cold]
    fn ask(&mut self, hook: &HookRef) -> Option<(Verdict, Option<Cow<'static, str>>)> {
        self.asked.of_each_prefix |= hook.hook().looks_at_prefix();
        let (local_pref, next_hop) = (self.local_pref(), self.next_hop());
        let (own_as, route) = (self.own_as(), self.route);
        let route = RouteView {
            local_pref,
            next_hop,
            own_as,
            attributes: self.attributes(),
            ..route
        };
        match hook.hook().decide(&route) {
            Answer::Next => None,
            Answer::Edit(actions) => {
                actions.iter().for_each(|action| self.perform(action));
                None
            }
            Answer::Accept => Some((Verdict::Accept, None)),
            Answer::Reject(reason) => Some((Verdict::Reject, Some(reason))),
        }
    }

    fn perform(&mut self, action: &Action) {
        let route = self.route;
        if let Action::SetPreference(preference) = action {
            self.changes.preference = Some(*preference);
            return;
        }
        if let Action::SetNextHop(choice) = action {
            let chosen = choose(*choice, &route);
            self.changes.next_hop = chosen.or(self.changes.next_hop);
            return;
        }
        self.canonical.clear();
        let edited = &mut self.changes.attributes;
        let edited = edited.get_or_insert_with(|| Box::new(route.to_edit()));
        self.changes.med |= matches!(
            action,
            Action::SetMed(_) | Action::AddMed(_) | Action::SubtractMed(_)
        );
        edit(edited, action);
    }
}

/// The chosen next hop, if there is one.
fn choose(choice: NextHopChoice, route: &RouteView<'_>) -> Option<NextHop> {
    match choice {
        NextHopChoice::Address(next_hop) => Some(next_hop),
        NextHopChoice::Own => route.own_next_hop,
        NextHopChoice::Peer => route.peer.map(|peer| NextHop::from(peer.address)),
        NextHopChoice::Unchanged => route.next_hop,
    }
}

fn edit(edited: &mut Attributes, action: &Action) {
    match action {
        Action::AddCommunity(it) => push_new(&mut edited.communities, *it),
        Action::RemoveCommunity(it) => edited.communities.retain(|other| other != it),
        Action::RemoveCommunities(pattern) => remove(&mut edited.communities, pattern),
        Action::SetCommunities(all) => edited.communities.clone_from(all),
        Action::AddLargeCommunity(it) => push_new(&mut edited.large_communities, *it),
        Action::RemoveLargeCommunity(it) => edited.large_communities.retain(|other| other != it),
        Action::RemoveLargeCommunities(pattern) => remove(&mut edited.large_communities, pattern),
        Action::SetLargeCommunities(all) => edited.large_communities.clone_from(all),
        Action::AddExtCommunity(it) => push_new(&mut edited.ext_communities, *it),
        Action::RemoveExtCommunity(it) => edited.ext_communities.retain(|other| other != it),
        Action::RemoveExtCommunities(pattern) => remove(&mut edited.ext_communities, pattern),
        Action::SetExtCommunities(all) => edited.ext_communities.clone_from(all),
        Action::SetOrigin(origin) => edited.origin = *origin,
        Action::PrependAsPath(asns) => {
            let nearest_last = asns.iter().rev();
            nearest_last.for_each(|asn| edited.as_path.prepend(*asn, 1));
        }
        Action::ReplaceAs { from, to } => edited.as_path.replace(*from, *to),
        Action::SetLocalPref(value) => edited.local_pref = Some(*value),
        Action::SetMed(value) => edited.med = Some(*value),
        Action::AddMed(more) => {
            edited.med = Some(edited.med.unwrap_or_default().saturating_add(*more));
        }
        Action::SubtractMed(less) => {
            edited.med = Some(edited.med.unwrap_or_default().saturating_sub(*less));
        }
        Action::SetAttribute(attribute) => edited.set_unknown(attribute.clone()),
        Action::RemoveAttribute(code) => edited.remove_unknown(*code),
        Action::SetNextHop(_) | Action::SetPreference(_) => {}
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn remove(list: &mut Vec<impl Display>, pattern: &Pattern) {
    let mut text = String::new();
    list.retain(|item| !is_match(item, pattern, &mut text));
}

fn any_matches(items: impl IntoIterator<Item = impl Display>, pattern: &Pattern) -> bool {
    let mut text = String::new();
    let mut items = items.into_iter();
    items.any(|item| is_match(item, pattern, &mut text))
}

fn is_match(item: impl Display, pattern: &Pattern, text: &mut String) -> bool {
    text.clear();
    write!(text, "{item}").is_ok() && pattern.is_match(text)
}

/// Whether `text` matches `pattern`, in which `*` matches any characters.
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
