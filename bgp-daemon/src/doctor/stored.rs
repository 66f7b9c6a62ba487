//! Facts from the datastore's answers and from the resources.

use bgp_core::types::PerFamily;
use jiff::SignedDuration;

use super::facts::Store;
use crate::datastore::{Examination, Unread};
use crate::plan::{MESH, Plan};

/// The datastore's answers; or why it could not be asked.
pub(super) fn answers(node: &str, asked: Result<&Examination, String>) -> Store {
    let mut store = Store {
        node: Some(node.to_owned()),
        ..Store::default()
    };
    match asked {
        Ok(examination) => {
            for Unread {
                what,
                reason,
                forbidden,
                ..
            } in &examination.unread
            {
                let part = (what.clone(), reason.clone());
                match forbidden {
                    true => store.forbidden.push(part),
                    false => store.unread.push(part),
                }
            }
        }
        Err(error) => store.unread.push(("datastore".into(), error)),
    }
    store
}

/// Adds facts of a plan.
pub(super) fn add_plan(store: &mut Store, plan: &Plan) {
    store.node_exists = Some(plan.node_exists);
    store.addresses = plan.addresses;
    store.has_identifier = plan.router_id.is_some();
    store.unaddressed.clone_from(&plan.unaddressed);
    let of_password = |field: &str| field.to_lowercase().contains("password");
    let passwords = plan.problems.iter().filter(|problem| {
        let lacks = ["no password is used", "kept down"];
        problem.field.as_deref().is_some_and(of_password)
            && lacks.iter().any(|words| problem.reason.starts_with(words))
    });
    let of_mesh = |field: &Option<String>| field.as_deref() == Some("spec.nodeMeshPassword");
    store.passwords = passwords
        .map(|problem| {
            let object = match of_mesh(&problem.field) {
                true => MESH.to_owned(),
                false => problem.object.clone(),
            };
            (object, problem.reason.clone())
        })
        .collect();
}

/// How far the datastore's clock is ahead.
pub(super) fn ahead(asked: Result<&Examination, String>) -> Option<SignedDuration> {
    asked.ok()?.ahead
}

/// The number of originated prefixes of a plan, by family.
pub(super) fn originated(plan: &Plan) -> PerFamily<usize> {
    let mut originated = PerFamily::default();
    for route in &plan.originate {
        originated[bgp_core::types::family_of(route.prefix)] += 1;
    }
    originated
}
