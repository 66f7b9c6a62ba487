//! Policy: ordered rules that accept, reject or modify a route. Plain data, compared to find out what changed.
//!
//! Input: a route as the RIB sees it ([`RouteView`]). Output: a [`Decision`]. Never knows which peer it serves: what depends
//! on the peer is decided when the policy is made.

mod evaluate;
mod outcomes;
mod prefix_set;
mod rules;

pub(crate) use outcomes::{Asked, Outcomes};

pub use evaluate::{Decision, RouteView, glob_matches};
pub use prefix_set::{PrefixMatch, PrefixSet};
pub use rules::{Action, Condition, Policy, Rule, Source, Verdict};
