//! Validation of an object before it is written, with the messages of Calico's API.
//!
//! The speaker is more lenient and uses everything that makes sense. Here the rules of the API apply, and whatever the speaker
//! would leave out is refused too.

mod field;
mod forms;
mod pool;
mod rules;
mod values;

use std::collections::BTreeSet;

use serde_json::Value;

pub(in crate::cli) use self::field::Invalid;
use self::field::{Field, finish};
use self::forms::is_subdomain;
use self::rules::{BAD_CIDR, BAD_COMMUNITY, MISMATCHED_FAMILIES};
use super::manifest::Given;
use crate::datastore::store::{Store, StoreError};
use crate::resources::{Kind, NO_AS, Problem, Resource, Severity};

/// Requirements of a request for an object's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Request {
    Create,
    Update,
}

/// Checks an object on its own.
pub(in crate::cli) fn check(given: &Given, request: Request) -> Result<(), Invalid> {
    check_name(given, request)?;
    let mut fields = api_fields(given);
    for field in speaker_fields(given) {
        if !fields.iter().any(|known| replaces(known, &field)) {
            fields.push(field);
        }
    }
    finish(fields)
}

/// Errors that the API reports but the speaker does not, or not in the same place.
pub(in crate::cli) fn rules_of_the_api(given: &Given) -> Vec<String> {
    if let Err(invalid) = check_name(given, Request::Create) {
        return vec![invalid.to_string()];
    }
    let told = speaker_fields(given);
    let fields = api_fields(given).into_iter();
    let own = fields.filter(|api| !told.iter().any(|own| replaces(api, own)));
    own.map(|field| field.to_string()).collect()
}

fn api_fields(given: &Given) -> Vec<Field> {
    let mut fields = Vec::new();
    let spec = &given.value["spec"];
    match given.kind {
        Kind::IpPool => pool::check(spec, &mut fields),
        kind => rules::check(kind, &given.name, spec, &mut fields),
    }
    forms::check_metadata(&given.value["metadata"], &mut fields);
    forms::check(given.kind, spec, &mut fields);
    fields
}

/// Errors for which the speaker leaves something out.
fn speaker_fields(given: &Given) -> Vec<Field> {
    let (_, problems) = Resource::from_json_of(given.kind, &given.value);
    let errors = problems
        .iter()
        .filter(|p| p.severity == Severity::Error || p.field_only)
        .filter(|p| !OWN_RULES.contains(&p.reason.as_str()));
    errors.map(field_of).collect()
}

/// Checks an object against the other objects of the datastore.
pub(in crate::cli) fn check_references(
    store: &dyn Store,
    given: &Given,
) -> Result<Result<(), Invalid>, StoreError> {
    if given.kind == Kind::IpPool {
        return pool::check_beside(store, given);
    }
    let filters = &given.value["spec"]["filters"];
    let names = match (given.kind, filters.as_array()) {
        (Kind::BgpPeer, Some(names)) if !names.is_empty() => names,
        _ => return Ok(Ok(())),
    };
    let filters = store.list(Kind::BgpFilter)?;
    let known: BTreeSet<_> = filters
        .iter()
        .filter_map(|filter| filter["metadata"]["name"].as_str())
        .collect();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| name.as_str().is_none_or(|name| !known.contains(name)))
        .cloned()
        .collect();
    let field = Field::new("BGPPeer.Spec.Filters", "BGPFilter(s) not found");
    Ok(match missing.is_empty() {
        true => Ok(()),
        false => Err(Invalid(vec![field.with_value(&Value::Array(missing))])),
    })
}

/// Checks that a replacement changes no immutable field.
pub(in crate::cli) fn check_change(given: &Given, stored: &Value) -> Result<(), Invalid> {
    match given.kind {
        Kind::IpPool => pool::check_change(&stored["spec"], &given.value["spec"]),
        _ => Ok(()),
    }
}

/// A new object must not have a version.
pub(in crate::cli) fn check_no_version(given: &Given) -> Result<(), Invalid> {
    let version = &given.value["metadata"]["resourceVersion"];
    match version.as_str() {
        None | Some("") => Ok(()),
        Some(_) => {
            let reason = "field must not be set for a Create request";
            let field = Field::new("Metadata.ResourceVersion", reason);
            Err(Invalid(vec![field.with_value(version)]))
        }
    }
}

fn check_name(given: &Given, request: Request) -> Result<(), Invalid> {
    let name = &given.name;
    let reason = match (name.is_empty(), request) {
        (true, Request::Create) => "field must be set for a Create request",
        (true, Request::Update) => "field must be set for an Update request",
        (false, _) if is_subdomain(name) => return Ok(()),
        (false, _) => {
            "name must consist of at most 253 lower case alphanumeric characters, '-' or '.', \
             and each of its labels must start and end with an alphanumeric character"
        }
    };
    let field = Field::new("Metadata.Name", reason).with_value(&name.as_str().into());
    Err(Invalid(vec![field]))
}

/// Rules of the speaker that the API lacks.
const OWN_RULES: [&str; 1] = [NO_AS];

/// Rules of both the API and the speaker. The speaker names the field, the API the object with the field.
const RULES: [&str; 8] = [
    "node and nodeSelector cannot both be set",
    "peerIP and peerSelector cannot both be set",
    "peerIP must be empty when localWorkloadSelector is set",
    "peerSelector must be empty when localWorkloadSelector is set",
    "asNumber is required when localWorkloadSelector is set",
    "cidr and matchOperator must both be set or both be empty",
    "cidr is required when prefixLength is set",
    "operations may only be used with action Accept",
];

fn field_of(problem: &Problem) -> Field {
    let path = problem.field.as_deref().unwrap_or("spec");
    let is_rule = RULES.contains(&problem.reason.as_str());
    let name = match path.rsplit_once('.') {
        Some((object, _)) if is_rule && !path.ends_with(']') => object,
        _ => path,
    };
    Field::new(name, problem.reason.as_str())
}

/// Whether a message of the API replaces one of the speaker.
fn replaces(api: &Field, own: &Field) -> bool {
    match api.reason.as_str() {
        MISMATCHED_FAMILIES => own.name == "spec.reachableBy",
        BAD_COMMUNITY => own.name.starts_with("spec.communities"),
        BAD_CIDR => own.name.starts_with("spec.prefixAdvertisements"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
