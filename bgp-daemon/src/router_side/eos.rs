//! Arista EOS: lines of the running configuration.

use std::fmt::Write as _;

use bgp_core::types::Family;

use super::model::Router;
use super::notes::{PASSWORD, notes};

const TAKES_ALL: &str = "a String takes all";

pub(super) fn configuration(router: &Router) -> String {
    let mut text = notes(router, "!") + &prefix_lists(router);
    write!(
        text,
        "route-map FROM-NODES permit 10\n   match ip address prefix-list NODES-V4\nroute-map FROM-NODES permit 20\n   \
         match ipv6 address prefix-list NODES-V6\nroute-map TO-NODES permit 10\nrouter bgp {}\n   router-id {}\n   \
         no bgp default ipv4-unicast\n",
        router.asn,
        router.id()
    )
    .expect(TAKES_ALL);
    for session in &router.sessions {
        let address = session.address;
        let mut line =
            |setting: String| writeln!(text, "   neighbor {address} {setting}").expect(TAKES_ALL);
        line(format!("remote-as {}", session.asn));
        line(format!("description {}", session.name()));
        line(format!("update-source {}", session.local));
        line("route-map FROM-NODES in".to_owned());
        line("route-map TO-NODES out".to_owned());
        if session.internal {
            line("route-reflector-client".to_owned());
        }
        if session.port != 179 {
            line(format!("transport remote-port {}", session.port));
        }
        if session.password {
            line(format!("password 0 {PASSWORD}"));
        }
        match session.ttl_security {
            Some(hops) => line(format!("ttl maximum-hops {hops}")),
            None if session.multihop && !session.internal => line("ebgp-multihop".to_owned()),
            None => {}
        }
        if session.bfd {
            line("bfd".to_owned());
        }
    }
    for family in router.families() {
        let name = if family == Family::Ipv4Unicast {
            "ipv4"
        } else {
            "ipv6"
        };
        writeln!(text, "   address-family {name}").expect(TAKES_ALL);
        for session in router
            .sessions
            .iter()
            .filter(|session| session.families.contains(&family))
        {
            writeln!(text, "      neighbor {} activate", session.address).expect(TAKES_ALL);
        }
    }
    text
}

/// What nodes may announce.
fn prefix_lists(router: &Router) -> String {
    let mut text = String::new();
    for family in router.families() {
        let (list, longest) = match family {
            Family::Ipv4Unicast => ("ip prefix-list NODES-V4", 32),
            Family::Ipv6Unicast => ("ipv6 prefix-list NODES-V6", 128),
        };
        writeln!(text, "{list}").expect(TAKES_ALL);
        for (number, prefix) in router.prefixes_of(family).enumerate() {
            let within = if prefix.prefix_len() < longest {
                format!(" le {longest}")
            } else {
                String::new()
            };
            writeln!(text, "   seq {} permit {prefix}{within}", 10 * (number + 1))
                .expect(TAKES_ALL);
        }
        if router.prefixes.is_empty() {
            let any = if family == Family::Ipv4Unicast {
                "0.0.0.0/0"
            } else {
                "::/0"
            };
            writeln!(text, "   seq 10 permit {any} le {longest}").expect(TAKES_ALL);
        }
    }
    text
}
