//! Policy: ordered rules that accept, reject or modify a route, and hooks for decisions that rules cannot express.
//!
//! Input: a route as the RIB sees it ([`RouteView`]). Output: a [`Decision`]. A policy is data that can be compared: a changed
//! policy is applied to existing routes, and no session ends because of it. Many peers can share a policy.
//!
//! # Order of evaluation
//!
//! [`Policy::rules`] are evaluated in order. When all [conditions](Condition) of a [`Rule`] hold, its [`Hook`], if any, is called
//! and may decide. Then the [actions](Action) are applied, and the verdict of the rule, if any, decides. Otherwise the next rule
//! follows, and sees the changes of earlier rules. If no rule decides, the default of the policy does.
//!
//! ```
//! use bgp_core::policy::{Action, Condition, Decision, Policy, RouteView, Rule, Verdict};
//! use bgp_core::wire::attribute::{AsPath, AttributeView, Attributes, Community};
//! use bgp_core::types::Asn;
//!
//! let policy = Policy::new(
//!     [
//!         Rule::new("our own routes come back").when(Condition::AsPath("_64512_".parse()?)).reject(),
//!         Rule::new("customer").when(Condition::AsPath("^65001_".parse()?)).then(Action::SetLocalPref(200)).accept(),
//!     ],
//!     Verdict::Reject,
//! );
//! let attributes = Attributes { as_path: AsPath::sequence([Asn(65001), Asn(3)]), ..Attributes::default() };
//! let mut octets = Vec::new();
//! attributes.encode_canonical(&mut octets);
//! let route = RouteView::new("192.0.2.0/24".parse()?, AttributeView::new(&octets));
//! let Decision::Accept(changes) = policy.evaluate(route) else { panic!("it is a customer") };
//! assert_eq!(changes.attributes.and_then(|attributes| attributes.local_pref), Some(200));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod action;
mod condition;
mod evaluate;
mod hook;
mod outcomes;
mod pattern;
mod prefix_set;
mod route;
mod rules;

pub(crate) use outcomes::{Asked, Outcomes};

pub use action::{Action, NextHopChoice};
pub use condition::{Condition, PeerMatch};
pub use evaluate::{Changes, Decision, Explanation, glob_matches};
pub use hook::{Answer, Hook, HookRef};
pub use pattern::{Pattern, PatternError};
pub use prefix_set::{PrefixMatch, PrefixSet};
pub use route::{Direction, PeerView, RouteView, Source};
pub use rules::{Policy, Rule, Verdict};

#[cfg(test)]
mod tests;
