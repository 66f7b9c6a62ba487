//! Finds valid resources that are probably wrong: nothing refuses them, but they do not have the intended effect. Pure.
//!
//! | module      | content                                                        |
//! |-------------|----------------------------------------------------------------|
//! | `finding`   | a finding                                                      |
//! | `subject`   | the resources, prepared for the rules                          |
//! | `filters`   | unused BGPFilters, rules that never apply                      |
//! | `covers`    | whether one rule matches everything that another one matches   |
//! | `peers`     | BGPPeers: selected nodes, duplicates, settings without effect  |
//! | `found`     | BGPPeers without addresses: ranges, links, default gateways    |
//! | `addresses` | pools, ranges of services, communities                         |
//! | `nodes`     | nodes, route reflectors, and sessions in which both sides wait |
//! | `problems`  | problems of reading and planning                               |

mod addresses;
mod covers;
mod filters;
mod finding;
mod found;
mod nodes;
mod peers;
mod problems;
mod subject;

pub use finding::Finding;

use crate::plan::Environment;
use crate::resources::Loaded;
use subject::Subject;

/// All findings, errors first.
///
/// ```
/// use bgp_daemon::lint::lint;
/// use bgp_daemon::plan::Environment;
/// use bgp_daemon::resources::{ResourceSet, parse};
///
/// let text = "{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {}}";
/// let loaded = ResourceSet::from_documents(parse("f.yaml", text).documents);
/// let findings = lint(&loaded, &Environment::default());
/// assert_eq!((findings[0].id, &*findings[0].object), ("filter-unused", "BGPFilter/f"));
/// ```
pub fn lint(loaded: &Loaded, environment: &Environment) -> Vec<Finding> {
    let subject = Subject::new(&loaded.set, environment);
    let mut findings = Vec::new();
    filters::look(&subject, &mut findings);
    peers::look(&subject, &mut findings);
    found::look(&subject, &mut findings);
    addresses::look(&subject, &mut findings);
    nodes::look(&subject, environment, &mut findings);
    problems::look(loaded, environment, &mut findings);
    for finding in &mut findings {
        finding.locate(loaded);
    }
    findings.sort();
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests;
