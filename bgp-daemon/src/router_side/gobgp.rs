//! GoBGP: a configuration in YAML, for `gobgpd -t yaml`.

use std::fmt::Write as _;

use super::model::Router;
use super::notes::{PASSWORD, notes};

const TAKES_ALL: &str = "a String takes all";

pub(super) fn configuration(router: &Router) -> String {
    let mut text = format!(
        "# gobgpd.yaml, for gobgpd -t yaml\n{}global:\n  config:\n    as: {}\n    router-id: {}\n{}neighbors:\n",
        notes(router, "#"),
        router.asn,
        router.id(),
        policy(router),
    );
    for session in &router.sessions {
        write!(
            text,
            "  # {}\n  - config:\n      neighbor-address: {}\n      peer-as: {}\n",
            session.name(),
            session.address,
            session.asn
        )
        .expect(TAKES_ALL);
        if session.password {
            writeln!(text, "      auth-password: {PASSWORD}").expect(TAKES_ALL);
        }
        write!(
            text,
            "    transport:\n      config:\n        local-address: {}\n        remote-port: {}\n",
            session.local, session.port
        )
        .expect(TAKES_ALL);
        if session.internal {
            let id = router.id();
            write!(
                text,
                "    route-reflector:\n      config:\n        route-reflector-client: true\n        route-reflector-cluster-id: {id}\n"
            )
            .expect(TAKES_ALL);
        }
        match (session.least_ttl(), session.multihop && !session.internal) {
            (Some(least), _) => write!(text, "    ttl-security:\n      config:\n        enabled: true\n        ttl-min: {least}\n"),
            (None, true) => write!(text, "    ebgp-multihop:\n      config:\n        enabled: true\n        multihop-ttl: 255\n"),
            (None, false) => Ok(()),
        }
        .expect(TAKES_ALL);
        text += "    afi-safis:\n";
        for family in &session.families {
            writeln!(text, "      - config:\n          afi-safi-name: {family}").expect(TAKES_ALL);
        }
    }
    text
}

/// What nodes may announce: policies of GoBGP apply to all neighbours.
fn policy(router: &Router) -> String {
    if router.prefixes.is_empty() {
        return String::new();
    }
    let mut sets = String::new();
    let mut statements = String::new();
    for (number, prefix) in router.prefixes.iter().enumerate() {
        let range = format!("{}..{}", prefix.prefix_len(), prefix.max_prefix_len());
        write!(
            sets,
            "    - prefix-set-name: range-{number}\n      prefix-list:\n        - ip-prefix: {prefix}\n          masklength-range: {range}\n"
        )
        .expect(TAKES_ALL);
        write!(
            statements,
            "      - name: range-{number}\n        conditions:\n          match-prefix-set:\n            prefix-set: range-{number}\n\
             \x20       actions:\n          route-disposition: accept-route\n"
        )
        .expect(TAKES_ALL);
    }
    format!(
        "  apply-policy:\n    config:\n      import-policy-list: [from-nodes]\n      default-import-policy: reject-route\n\
         \x20     default-export-policy: accept-route\n\
         defined-sets:\n  prefix-sets:\n{sets}policy-definitions:\n  - name: from-nodes\n    statements:\n{statements}"
    )
}
