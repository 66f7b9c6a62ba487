//! The resources in the form that rules need.

use std::collections::BTreeMap;

use crate::plan::{Annotations, Environment, NodeView, nodes};
use crate::resources::ResourceSet;

/// The input of rules.
pub(super) struct Subject<'a> {
    pub(super) set: &'a ResourceSet,
    pub(super) nodes: BTreeMap<&'a str, NodeView<'a>>,
    /// The node-to-node mesh is on.
    pub(super) is_mesh: bool,
    /// Annotations that apply to all sessions.
    pub(super) defaults: Annotations,
}

impl<'a> Subject<'a> {
    pub(super) fn new(set: &'a ResourceSet, environment: &Environment) -> Self {
        let global = set.bgp_configuration("default");
        let defaults = global.map(|it| Annotations::read(&it.metadata, "", &mut Vec::new()));
        let is_mesh = global.and_then(|it| it.spec.node_to_node_mesh_enabled);
        Self {
            set,
            is_mesh: is_mesh.unwrap_or(!environment.standalone),
            nodes: nodes(set, environment),
            defaults: defaults.unwrap_or_default(),
        }
    }
}
