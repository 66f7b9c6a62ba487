//! The resources in the form that rules need.

use std::collections::BTreeMap;

use crate::plan::{Annotations, NodeView, nodes};
use crate::resources::ResourceSet;

/// The input of rules.
pub(super) struct Subject<'a> {
    pub(super) set: &'a ResourceSet,
    pub(super) nodes: BTreeMap<&'a str, NodeView<'a>>,
    /// Annotations that apply to all sessions.
    pub(super) defaults: Annotations,
}

impl<'a> Subject<'a> {
    pub(super) fn new(set: &'a ResourceSet) -> Self {
        let global = set.bgp_configuration("default");
        let defaults = global.map(|it| Annotations::read(&it.metadata, "", &mut Vec::new()));
        Self {
            set,
            nodes: nodes(set),
            defaults: defaults.unwrap_or_default(),
        }
    }
}
