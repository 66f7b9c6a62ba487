//! MikroTik RouterOS 7: commands of its console.

use std::fmt::Write as _;

use super::model::{Router, Session};
use super::notes::{PASSWORD, notes};

const TAKES_ALL: &str = "a String takes all";

pub(super) fn configuration(router: &Router) -> String {
    let mut text = notes(router, "#") + "/routing filter rule\n";
    for prefix in &router.prefixes {
        writeln!(
            text,
            "add chain=from-nodes rule=\"if (dst in {prefix}) {{ accept }}\""
        )
        .expect(TAKES_ALL);
    }
    let rest = if router.prefixes.is_empty() {
        "accept"
    } else {
        "reject"
    };
    write!(
        text,
        "add chain=from-nodes rule=\"{rest}\"\nadd chain=to-nodes rule=\"accept\"\n/routing bgp connection\n"
    )
    .expect(TAKES_ALL);
    for session in &router.sessions {
        text += &connection(router, session);
    }
    text
}

fn connection(router: &Router, session: &Session) -> String {
    let role = if session.internal { "ibgp-rr" } else { "ebgp" };
    let families: Vec<_> = session
        .families
        .iter()
        .map(|family| {
            if family.to_string().starts_with("ipv4") {
                "ip"
            } else {
                "ipv6"
            }
        })
        .collect();
    let mut text = format!(
        "add name={} as={} router-id={} local.address={} local.role={role} remote.address={} remote.port={} remote.as={} \
         afi={} input.filter=from-nodes output.filter-chain=to-nodes",
        session.name(),
        router.asn,
        router.id(),
        session.local,
        session.address,
        session.port,
        session.asn,
        families.join(",")
    );
    if session.multihop || session.ttl_security.is_some() {
        text += " multihop=yes";
    }
    if let Some(least) = session.least_ttl() {
        write!(text, " local.ttl=255 remote.ttl={least}").expect(TAKES_ALL);
    }
    if session.bfd {
        text += " use-bfd=yes";
    }
    if session.password {
        write!(text, " tcp-md5-key={PASSWORD}").expect(TAKES_ALL);
    }
    text + "\n"
}
