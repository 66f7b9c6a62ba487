//! Policies: ordered rules, and the properties of a policy that are known before it sees a route.

use super::action::{Action, NextHopChoice};
use super::condition::Condition;
use super::hook::HookRef;

/// The final decision on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
pub enum Verdict {
    /// Use the route.
    Accept,
    /// Do not use the route.
    Reject,
}

/// Ordered rules; the first rule that decides ends the evaluation.
///
/// ```
/// use bgp_core::policy::{Action, Condition, Policy, PrefixMatch, Rule, Verdict};
/// use bgp_core::wire::attribute::Community;
///
/// let own = [PrefixMatch::within("10.0.0.0/8".parse()?).ge(16).le(24)];
/// let policy = Policy::new(
///     [
///         Rule::new("mark").when(Condition::Med(7)).then(Action::AddCommunity(Community(7))),
///         Rule::new("own networks").when(Condition::Prefix(own.into_iter().collect())).accept(),
///     ],
///     Verdict::Reject,
/// );
/// assert_eq!(policy.rules().len(), 2);
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Policy {
    rules: Vec<Rule>,
    default: Verdict,
    #[cfg_attr(feature = "serde", serde(skip))]
    traits: Traits,
}

/// A rule: if all conditions hold, it calls the hook, applies the actions, and then decides or continues with the next rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rule {
    /// Source of the rule, for explanations; for example `BGPFilter/no-default rule 2`.
    pub origin: String,
    /// Conditions that must all hold; an empty list always holds.
    pub conditions: Vec<Condition>,
    /// Called before the actions; its decision is final.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub hook: Option<HookRef>,
    /// Applied in order.
    pub actions: Vec<Action>,
    /// Ends the evaluation, if set.
    pub verdict: Option<Verdict>,
}

/// What results depend on and may change, determined once for each policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Traits {
    /// Depends on the outgoing interface.
    pub(crate) interface: bool,
    /// Depends on the peer that the policy belongs to.
    pub(crate) peer: bool,
    /// Depends on the peer that announced the route.
    pub(crate) learned_from: bool,
    /// May change the next hop.
    pub(crate) sets_next_hop: bool,
}

impl Policy {
    /// Accepts everything unchanged.
    pub const ACCEPT: Self = Self::always(Verdict::Accept);
    /// Rejects everything: the policy of an eBGP session without a configured one (RFC 8212 §3).
    pub const REJECT: Self = Self::always(Verdict::Reject);

    const fn always(default: Verdict) -> Self {
        Self {
            rules: Vec::new(),
            default,
            traits: Traits {
                interface: false,
                peer: false,
                learned_from: false,
                sets_next_hop: false,
            },
        }
    }

    /// A policy of these rules, and the verdict if none of them decides.
    pub fn new(rules: impl IntoIterator<Item = Rule>, default: Verdict) -> Self {
        let rules: Vec<Rule> = rules.into_iter().collect();
        let mut traits = Traits::default();
        rules.iter().for_each(|rule| traits.add_rule(rule));
        Self {
            rules,
            default,
            traits,
        }
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The verdict if no rule decides.
    pub fn default_verdict(&self) -> Verdict {
        self.default
    }

    /// Whether the policy accepts every route unchanged, so that it need not be evaluated.
    pub fn is_accept_all(&self) -> bool {
        self.default == Verdict::Accept && self.rules.is_empty()
    }

    /// Whether the result may depend on the outgoing interface.
    pub fn looks_at_interfaces(&self) -> bool {
        self.traits.interface
    }

    pub(crate) fn traits(&self) -> Traits {
        self.traits
    }
}

impl Rule {
    /// A rule without conditions, actions or a verdict.
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            ..Self::default()
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Sets the hook, called before the actions.
    #[must_use]
    pub fn ask(mut self, hook: impl Into<HookRef>) -> Self {
        self.hook = Some(hook.into());
        self
    }

    /// Appends an action.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// Accepts the route after the actions.
    #[must_use]
    pub fn accept(mut self) -> Self {
        self.verdict = Some(Verdict::Accept);
        self
    }

    /// Rejects the route after the actions.
    #[must_use]
    pub fn reject(mut self) -> Self {
        self.verdict = Some(Verdict::Reject);
        self
    }
}

impl Traits {
    fn add_rule(&mut self, rule: &Rule) {
        rule.conditions.iter().for_each(|it| self.add_condition(it));
        for action in &rule.actions {
            if let Action::SetNextHop(choice) = action {
                self.sets_next_hop = true;
                self.peer |= *choice == NextHopChoice::Peer;
            }
        }
        if let Some(hook) = &rule.hook {
            let looks_at_peer = hook.hook().looks_at_peer();
            self.interface = true;
            self.sets_next_hop = true;
            self.peer |= looks_at_peer;
            self.learned_from |= looks_at_peer;
        }
    }

    fn add_condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Interface(_) => self.interface = true,
            Condition::Peer(_) => self.peer = true,
            Condition::LearnedFrom(_) => self.learned_from = true,
            Condition::Any(conditions) => conditions.iter().for_each(|it| self.add_condition(it)),
            Condition::Not(condition) => self.add_condition(condition),
            Condition::Prefix(_)
            | Condition::NextHop(_)
            | Condition::Source(_)
            | Condition::Origin(_)
            | Condition::AsPath(_)
            | Condition::AsPathPrefix(_)
            | Condition::OriginAs(_)
            | Condition::Community(_)
            | Condition::CommunityMatching(_)
            | Condition::LargeCommunity(_)
            | Condition::LargeCommunityMatching(_)
            | Condition::ExtCommunity(_)
            | Condition::ExtCommunityMatching(_)
            | Condition::Med(_)
            | Condition::MedAbove(_)
            | Condition::LocalPref(_)
            | Condition::LocalPrefAbove(_)
            | Condition::Attribute(_) => {}
        }
    }
}
