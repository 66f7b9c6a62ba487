//! Policy: ordered rules that accept, reject or modify a route, and hooks for what rules cannot say.
//!
//! Input: a route as the RIB sees it ([`RouteView`]). Output: a [`Decision`]. A policy is data, compared to find out what changed:
//! a change of policy is applied to the routes at hand, and no session ends for it. One policy may serve many peers.
//!
//! # Order of evaluation
//!
//! [`Policy::rules`] are tried in order. A [`Rule`] whose [conditions](Condition) all hold asks its [`Hook`] if it has one, which may
//! decide; then it does its [actions](Action), then its verdict decides, if it has one. Otherwise the next rule is tried. What
//! earlier rules changed, later ones see. If none decided, the default of the policy does.
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
