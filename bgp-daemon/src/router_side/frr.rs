//! FRR: statements of `frr.conf`. SONiC's routing stack reads the same.

use std::fmt::Write as _;

use bgp_core::types::Family;

use super::model::Router;
use super::notes::{PASSWORD, notes};

const TAKES_ALL: &str = "a String takes all";

pub(super) fn configuration(router: &Router) -> String {
    let mut text = format!("! frr.conf\n{}{}", notes(router, "!"), prefix_lists(router));
    write!(
        text,
        "router bgp {}\n bgp router-id {}\n no bgp default ipv4-unicast\n no bgp network import-check\n",
        router.asn,
        router.id()
    )
    .expect(TAKES_ALL);
    for session in &router.sessions {
        let address = session.address;
        let mut line =
            |setting: String| writeln!(text, " neighbor {address} {setting}").expect(TAKES_ALL);
        line(format!("remote-as {}", session.asn));
        line(format!("description {}", session.node));
        line(format!("update-source {}", session.local));
        if session.port != 179 {
            line(format!("port {}", session.port));
        }
        if session.password {
            line(format!("password {PASSWORD}"));
        }
        match session.ttl_security {
            Some(hops) => line(format!("ttl-security hops {hops}")),
            None if session.multihop && !session.internal => line("ebgp-multihop".to_owned()),
            None => {}
        }
        if session.bfd {
            line("bfd".to_owned());
        }
    }
    for family in router.families() {
        let name = word(family);
        writeln!(text, " address-family {name} unicast").expect(TAKES_ALL);
        for session in router
            .sessions
            .iter()
            .filter(|session| session.families.contains(&family))
        {
            let address = session.address;
            let mut line =
                |setting: &str| writeln!(text, "  neighbor {address} {setting}").expect(TAKES_ALL);
            line("activate");
            if session.internal {
                line("route-reflector-client");
            }
            line("route-map FROM-NODES in");
            line("route-map TO-NODES out");
        }
        text += " exit-address-family\n";
    }
    text + "exit\n"
}

fn word(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "ipv4",
        Family::Ipv6Unicast => "ipv6",
    }
}

/// What nodes may announce, and what they are sent.
fn prefix_lists(router: &Router) -> String {
    let mut text = String::new();
    for family in router.families() {
        let (list, longest) = match family {
            Family::Ipv4Unicast => ("ip prefix-list NODES-V4", 32),
            Family::Ipv6Unicast => ("ipv6 prefix-list NODES-V6", 128),
        };
        for prefix in router.prefixes_of(family) {
            let within = if prefix.prefix_len() < longest {
                format!(" le {longest}")
            } else {
                String::new()
            };
            writeln!(text, "{list} permit {prefix}{within}").expect(TAKES_ALL);
        }
        if router.prefixes.is_empty() {
            writeln!(text, "{list} permit any").expect(TAKES_ALL);
        }
    }
    text + "route-map FROM-NODES permit 10\n match ip address prefix-list NODES-V4\nexit\n\
            route-map FROM-NODES permit 20\n match ipv6 address prefix-list NODES-V6\nexit\n\
            route-map TO-NODES permit 10\nexit\n"
}
