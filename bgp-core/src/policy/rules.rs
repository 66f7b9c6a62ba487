//! Policies: rules in order, and what can be known of them before they see a route.

use super::action::{Action, NextHopChoice};
use super::condition::Condition;
use super::hook::HookRef;

/// What happens to a route in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
pub enum Verdict {
    /// It is used.
    Accept,
    /// It is not.
    Reject,
}

/// Rules in order; the first one that decides ends the evaluation.
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

/// If all conditions hold, asks the hook if there is one, does the actions, then decides or lets the next rule go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rule {
    /// Where it comes from, for whoever asks why a route was rejected; for example `BGPFilter/no-default rule 2`.
    pub origin: String,
    /// All of them must hold; none is always true.
    pub conditions: Vec<Condition>,
    /// Asked first; what it decides counts.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub hook: Option<HookRef>,
    /// Done in order.
    pub actions: Vec<Action>,
    /// Ends the evaluation, if there is one.
    pub verdict: Option<Verdict>,
}

/// What outcomes depend on, and what they may change: found out once for each policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Traits {
    /// The interface that a route leaves by.
    pub(crate) interface: bool,
    /// The peer that the policy belongs to.
    pub(crate) peer: bool,
    /// The peer that announced the route.
    pub(crate) learned_from: bool,
    /// The next hop may become another one.
    pub(crate) sets_next_hop: bool,
}

impl Policy {
    /// Accepts everything unchanged.
    pub const ACCEPT: Self = Self::always(Verdict::Accept);
    /// Rejects everything: what an eBGP session without a policy has (RFC 8212 §3).
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

    /// Rules that are tried one after the other, and what happens when none decided.
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

    /// Tried one after the other.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What happens when no rule decided.
    pub fn default_verdict(&self) -> Verdict {
        self.default
    }

    /// Whether it accepts every route unchanged, so that nobody needs to ask.
    pub fn is_accept_all(&self) -> bool {
        self.default == Verdict::Accept && self.rules.is_empty()
    }

    /// Whether its outcome can depend on the interface that a route leaves by.
    pub fn looks_at_interfaces(&self) -> bool {
        self.traits.interface
    }

    pub(crate) fn traits(&self) -> Traits {
        self.traits
    }
}

impl Rule {
    /// A rule that always holds, changes nothing and decides nothing.
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            ..Self::default()
        }
    }

    /// Only if this holds, too.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Asks a hook, before the actions.
    #[must_use]
    pub fn ask(mut self, hook: impl Into<HookRef>) -> Self {
        self.hook = Some(hook.into());
        self
    }

    /// Does this, after earlier actions.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// Then uses the route.
    #[must_use]
    pub fn accept(mut self) -> Self {
        self.verdict = Some(Verdict::Accept);
        self
    }

    /// Then does not use the route.
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
