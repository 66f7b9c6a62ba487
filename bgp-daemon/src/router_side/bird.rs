//! BIRD 2: statements of `bird.conf`.

use std::fmt::Write as _;

use bgp_core::types::Family;

use super::model::{Router, Session};
use super::notes::{PASSWORD, notes};

const TAKES_ALL: &str = "a String takes all";

pub(super) fn configuration(router: &Router) -> String {
    let mut text = format!(
        "# bird.conf\n{}router id {};\nprotocol device {{ }}\nprotocol direct {{\n  ipv4;\n  ipv6;\n}}\n\n{}",
        notes(router, "#"),
        router.id(),
        filters(router)
    );
    if router.has(|session| session.bfd) {
        text += "protocol bfd { }\n\n";
    }
    for (number, session) in router.sessions.iter().enumerate() {
        text += &protocol(number, router, session);
    }
    text
}

fn protocol(number: usize, router: &Router, session: &Session) -> String {
    let mut text = format!(
        "# {}\nprotocol bgp node{number} {{\n  local {} as {};\n  neighbor {} port {} as {};\n",
        session.name(),
        session.local,
        router.asn,
        session.address,
        session.port,
        session.asn
    );
    let mut line = |setting: &str| writeln!(text, "  {setting}").expect(TAKES_ALL);
    match (session.ttl_security, session.multihop) {
        (Some(hops), _) if hops > 1 => line(&format!("multihop {hops};\n  ttl security on;")),
        (Some(_), _) => line("direct;\n  ttl security on;"),
        (None, true) => line("multihop;"),
        (None, false) => line("direct;"),
    }
    if session.internal {
        line("rr client;");
    }
    if session.password {
        line(&format!("password \"{PASSWORD}\";"));
    }
    if session.bfd {
        line("bfd on;");
    }
    for family in &session.families {
        let (name, filter) = words(*family);
        line(&format!(
            "{name} {{ import filter {filter}; export where source != RTS_DEVICE; }};"
        ));
    }
    text + "}\n\n"
}

fn words(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::Ipv4Unicast => ("ipv4", "nodes_v4"),
        Family::Ipv6Unicast => ("ipv6", "nodes_v6"),
    }
}

/// What nodes may announce.
fn filters(router: &Router) -> String {
    let mut text = String::new();
    for family in router.families() {
        let (_, name) = words(family);
        let prefixes: Vec<_> = router
            .prefixes_of(family)
            .map(|prefix| format!("{prefix}+"))
            .collect();
        let condition = match prefixes.is_empty() {
            true if router.prefixes.is_empty() => "accept;".to_owned(),
            true => "reject;".to_owned(),
            false => format!(
                "if net ~ [ {} ] then accept;\n  reject;",
                prefixes.join(", ")
            ),
        };
        writeln!(text, "filter {name} {{\n  {condition}\n}}\n").expect(TAKES_ALL);
    }
    text
}
