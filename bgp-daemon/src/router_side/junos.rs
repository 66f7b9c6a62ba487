//! Junos: statements of the configuration, for `load merge terminal`.

use std::fmt::Write as _;

use super::model::{Router, Session};
use super::notes::{PASSWORD, notes};

const TAKES_ALL: &str = "a String takes all";

pub(super) fn configuration(router: &Router) -> String {
    let mut text = notes(router, "##");
    write!(
        text,
        "routing-options {{\n    router-id {};\n    autonomous-system {};\n}}\n{}protocols {{\n    bgp {{\n",
        router.id(),
        router.asn,
        policy(router)
    )
    .expect(TAKES_ALL);
    for session in &router.sessions {
        text += &group(router, session);
    }
    text + "    }\n}\n"
}

fn group(router: &Router, session: &Session) -> String {
    let kind = if session.internal {
        "internal"
    } else {
        "external"
    };
    let mut text = format!(
        "        group node-{} {{\n            type {kind};\n            import from-nodes;\n            export to-nodes;\n",
        session.name()
    );
    let mut line = |setting: String| writeln!(text, "            {setting}").expect(TAKES_ALL);
    if session.internal {
        line(format!("cluster {};", router.id()));
    }
    match session.ttl_security {
        Some(hops) => line(format!(
            "/* The node sends and expects TTL security of {hops} hops: a firewall filter checks it here. */\n            multihop ttl 255;"
        )),
        None if session.multihop && !session.internal => line("multihop;".to_owned()),
        None => {}
    }
    for family in &session.families {
        let name = if *family == bgp_core::types::Family::Ipv4Unicast {
            "inet"
        } else {
            "inet6"
        };
        line(format!("family {name} {{ unicast; }}"));
    }
    if session.bfd {
        line("bfd-liveness-detection { minimum-interval 300; multiplier 3; }".to_owned());
    }
    line(format!("neighbor {} {{", session.address));
    line(format!("    local-address {};", session.local));
    line(format!("    peer-as {};", session.asn));
    if session.password {
        line(format!("    authentication-key \"{PASSWORD}\";"));
    }
    line("}".to_owned());
    text + "        }\n"
}

fn policy(router: &Router) -> String {
    let filters: String = router
        .prefixes
        .iter()
        .map(|prefix| format!("                route-filter {prefix} orlonger;\n"))
        .collect();
    let from = match filters.is_empty() {
        true => String::new(),
        false => format!("            from {{\n{filters}            }}\n"),
    };
    format!(
        "policy-options {{\n    policy-statement from-nodes {{\n        term nodes {{\n{from}            then accept;\n        }}\n        \
         then reject;\n    }}\n    policy-statement to-nodes {{\n        then accept;\n    }}\n}}\n"
    )
}
