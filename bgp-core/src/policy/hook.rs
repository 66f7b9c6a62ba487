//! Code of the embedder that decides together with the rules.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::action::Action;
use super::route::RouteView;

/// Code that decides on routes, for example origin validation, the policy of a route server, or attributes for each peer.
///
/// A [`Rule`](super::Rule) with a hook calls it when all conditions of the rule hold, before the actions and the verdict of the
/// rule. A hook in the first rule decides before all other rules, a hook in the last rule after them, and conditions select the
/// routes that it is called for. The hook sees the changes of earlier rules.
///
/// A hook must answer at once, without IO and without locks that are held for long: all routes wait for it. Its answer may depend
/// on the route and on data of its own. When that data changes, send [`Input::Reevaluate`](crate::rib::Input::Reevaluate) for
/// each affected peer; otherwise hooks are not called again.
///
/// Hooks are equal if they are the same object. A policy with the same `Arc` equals the previous one; a policy with another `Arc`
/// is a new policy, which is evaluated again on all routes of its peers.
///
/// ```
/// use std::sync::Arc;
/// use bgp_core::policy::{Answer, Hook, Policy, Rule, RouteView, Verdict};
///
/// /// Longer paths than this are not used.
/// struct Limit(u32);
///
/// impl Hook for Limit {
///     fn decide(&self, route: &RouteView<'_>) -> Answer {
///         match route.attributes.as_path().route_len() > self.0 {
///             true => Answer::Reject(format!("more than {} ASes", self.0).into()),
///             false => Answer::Next,
///         }
///     }
///
///     fn looks_at_prefix(&self) -> bool {
///         false
///     }
/// }
///
/// let rule = Rule::new("limit of paths").ask(Arc::new(Limit(20)));
/// let policy = Policy::new([rule], Verdict::Accept);
/// ```
pub trait Hook: Send + Sync {
    /// Decides on a route.
    fn decide(&self, route: &RouteView<'_>) -> Answer;

    /// Whether answers may differ between prefixes with the same attributes. Must not change. With `false`, one answer covers all
    /// prefixes of an UPDATE, and on export all prefixes with the same attributes, until the next
    /// [reevaluation](crate::rib::Input::Reevaluate). With `true`, the hook is called for each prefix.
    fn looks_at_prefix(&self) -> bool {
        true
    }

    /// Whether answers may depend on [`RouteView::peer`] or [`RouteView::learned_from`]. Must not change. With `true`, each peer
    /// with this hook in its export policy has an update group of its own; with `false`, similar peers share one.
    fn looks_at_peer(&self) -> bool {
        true
    }
}

/// The decision of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Continue with the actions and the verdict of the rule, then with the next rule.
    Next,
    /// Make these changes, then continue.
    Edit(Vec<Action>),
    /// Accept the route as it is now; further rules are skipped.
    Accept,
    /// Reject the route, with a reason for [`Policy::explain`](super::Policy::explain).
    Reject(Cow<'static, str>),
}

/// A hook in a rule.
#[derive(Clone)]
pub struct HookRef(Arc<dyn Hook>);

impl HookRef {
    /// The hook.
    pub fn hook(&self) -> &dyn Hook {
        &*self.0
    }

    fn address(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }
}

impl<H: Hook + 'static> From<Arc<H>> for HookRef {
    fn from(hook: Arc<H>) -> Self {
        Self(hook)
    }
}

impl From<Arc<dyn Hook>> for HookRef {
    fn from(hook: Arc<dyn Hook>) -> Self {
        Self(hook)
    }
}

/// Hooks are equal if they are the same object.
impl PartialEq for HookRef {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for HookRef {}

impl Hash for HookRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl fmt::Debug for HookRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hook({:p})", self.address())
    }
}

/// Serialized as the word `hook`.
#[cfg(feature = "serde")]
impl serde::Serialize for HookRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("hook")
    }
}
