//! From facts to findings. Pure.
//!
//! | module     | ids                                                                                                 |
//! |------------|-----------------------------------------------------------------------------------------------------|
//! | `node`     | port-taken, not-permitted, rp-filter, forwarding-off, other-speaker, kernel-refuses, clock          |
//! | `store`    | forbidden, datastore, no-node, no-address                                                           |
//! | `down`     | the order of causes why a session is down                                                           |
//! | `reach`    | no-route, refused, unanswered, wrong-source                                                         |
//! | `security` | password-mismatch, password-missing, password-not-set, ttl                                          |
//! | `told`     | peer-as, our-as, identifier, hold-time, capability, family, max-prefixes, collision, administrative |
//! | `bfd`      | bfd                                                                                                 |
//! | `routes`   | no-export, next-hop, and family of a session that is up                                             |
//! | `evidence` | the observations, in words                                                                          |
//!
//! For a session that is down, one cause is reported: the first with evidence, in the order of `down`.

mod bfd;
mod down;
mod evidence;
mod node;
mod reach;
mod routes;
mod security;
mod store;
mod told;

#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::finding::{Finding, Id, Report, Severity};

/// The findings, the worst first.
pub fn report(facts: &Facts) -> Report {
    let mut findings = store::findings(facts);
    findings.extend(node::findings(facts));
    findings.extend(security::kept_down(facts));
    findings.extend(security::too_many(facts));
    for peer in &facts.peers {
        let unsigned = || security::secret_missing(facts, peer).map(Finding::as_warning);
        match (peer.is_up(), peer.session.is_some()) {
            (true, _) => {
                findings.extend(security::unheard_while_up(facts, peer).or_else(unsigned));
                findings.extend(routes::findings(peer));
                findings.extend(bfd::findings(peer));
            }
            (false, true) => findings.extend(down::cause(facts, peer)),
            (false, false) => findings.extend(reach::preflight(peer).or_else(unsigned)),
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    let worst = findings.first().map(|finding| finding.severity);
    if worst.is_none_or(|worst| worst == Severity::Info) {
        findings.push(healthy(facts));
    }
    Report { findings }
}

fn healthy(facts: &Facts) -> Finding {
    let up = facts.peers.iter().filter(|peer| peer.is_up()).count();
    let evidence = match facts.node.is_running {
        true => vec![format!("{up} of {} sessions are up", facts.peers.len())],
        false => vec![format!(
            "{} peers, ports, capabilities, kernel parameters and the datastore were looked at",
            facts.peers.len()
        )],
    };
    Finding::error(
        Id::Healthy,
        facts.asked.as_deref(),
        evidence,
        "nothing to do",
    )
    .as_info()
}
