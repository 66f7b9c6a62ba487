//! Problems of reading and planning, unless another finding covers them.

use std::collections::BTreeSet;

use super::finding::Finding;
use crate::outlook::Cluster;
use crate::plan::{Environment, plan};
use crate::resources::{Loaded, Problem, Severity};

pub(super) fn look(loaded: &Loaded, environment: &Environment, findings: &mut Vec<Finding>) {
    let has_secrets = loaded.set.secrets().next().is_some();
    let cluster = Cluster::new(&loaded.set, &loaded.set, environment);
    let (names, set) = cluster.sample();
    // Without nodes, the problems of a plan are the same for any node.
    let names = if names.is_empty() { vec![""] } else { names };
    let plans = names.iter().map(|name| plan(&set, name, environment));
    let planned: BTreeSet<Problem> = plans
        .flat_map(|plan| plan.problems)
        .filter(|problem| problem.object != "Node/")
        .collect();
    let is_new = |problem: &Problem| !findings.iter().any(|finding| says(finding, problem));
    let planned = planned.into_iter().filter(is_new);
    let all = loaded.problems.iter().cloned().chain(planned);
    let more: Vec<Finding> = all
        .map(|problem| finding(loaded.located(problem), has_secrets))
        .collect();
    findings.extend(more);
}

/// Whether a finding covers a problem: it concerns the same field, an entry of it, or the same node.
fn says(finding: &Finding, problem: &Problem) -> bool {
    let is_field = match (&finding.field, &problem.field) {
        (Some(found), Some(field)) => {
            let rest = found.strip_prefix(field.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        }
        (_, None) => finding.id.starts_with("node-"),
        (None, Some(_)) => false,
    };
    finding.object == problem.object && is_field
}

fn finding(problem: Problem, has_secrets: bool) -> Finding {
    let field = problem.field.as_deref().unwrap_or_default();
    let is_password = field == "spec.password" || field == "spec.nodeMeshPassword";
    let (id, fix) = match is_password {
        true => (
            "password-missing",
            "create the Secret with the key, or correct secretKeyRef",
        ),
        false => ("invalid", "write what is expected, or delete it"),
    };
    let found = Finding::warning(id, &problem.object, field, &problem.reason, fix);
    // Secrets that are stored elsewhere are missing here.
    let is_elsewhere = is_password && !has_secrets;
    let found = match problem.severity {
        Severity::Error if !is_elsewhere => found.into_error(),
        Severity::Error | Severity::Warning => found,
    };
    found.at(problem.location.as_ref())
}
