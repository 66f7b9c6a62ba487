//! Code of the embedder that decides beside the rules.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::action::Action;
use super::route::RouteView;

/// Code that decides on routes: origin validation, the policy of a route server, attributes for each peer.
///
/// A [`Rule`](super::Rule) with a hook asks it when all conditions of the rule hold, before the actions and the verdict of the rule.
/// So a hook in the first rule decides before all other rules, one in the last rule after them, and conditions before it
/// choose the routes that it is asked about. The hook sees the route as earlier rules left it.
///
/// A hook answers at once: it does no input or output, and takes no lock that somebody holds for long, since all routes wait. Its
/// answer depends on the route and on data of its own. When the data changes, tell the RIB with
/// [`Input::Reevaluate`](crate::rib::Input::Reevaluate) whose routes are to be decided anew; nobody asks again by itself.
///
/// Hooks are equal if they are the same object: a policy that holds the same `Arc` is equal to the one before, and a policy
/// with another `Arc` is a new policy, which is evaluated anew on all routes of its peers.
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

    /// Whether answers may differ between prefixes with the same attributes. Always the same. With `false`, one answer serves all prefixes of an
    /// UPDATE, and on export all prefixes with the same attributes, until the next [reevaluation](crate::rib::Input::Reevaluate);
    /// with `true`, the hook is asked for each prefix.
    fn looks_at_prefix(&self) -> bool {
        true
    }

    /// Whether answers may differ between peers: in [`RouteView::peer`] or [`RouteView::learned_from`]. Always the same. With `true`, each peer with
    /// this hook in its export policy has an update group of its own; with `false`, those that are alike share one.
    fn looks_at_peer(&self) -> bool {
        true
    }
}

/// What a hook decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Go on: with the actions and the verdict of the rule, then with the next rule.
    Next,
    /// Make these changes, then go on.
    Edit(Vec<Action>),
    /// Use the route as it is now; no other rule is looked at.
    Accept,
    /// Do not use the route, for this reason, which [`Policy::explain`](super::Policy::explain) tells.
    Reject(Cow<'static, str>),
}

/// A hook in a rule.
#[derive(Clone)]
pub struct HookRef(Arc<dyn Hook>);

impl HookRef {
    /// The hook itself.
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

/// Whether both are the same object.
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
