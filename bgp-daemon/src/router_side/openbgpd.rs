//! OpenBGPD: statements of `bgpd.conf`.

use std::fmt::Write as _;

use bgp_core::types::Family;

use super::model::Router;
use super::notes::{PASSWORD, notes};

const TAKES_ALL: &str = "a String takes all";

pub(super) fn configuration(router: &Router) -> String {
    let mut text = format!(
        "# bgpd.conf\n{}AS {}\nrouter-id {}\n\n",
        notes(router, "#"),
        router.asn,
        router.id()
    );
    if !router.prefixes.is_empty() {
        let prefixes: Vec<_> = router
            .prefixes
            .iter()
            .map(|prefix| format!("{prefix} or-longer"))
            .collect();
        writeln!(text, "prefix-set nodes {{ {} }}\n", prefixes.join(", ")).expect(TAKES_ALL);
    }
    for session in &router.sessions {
        let mut line = |setting: String| writeln!(text, "{setting}").expect(TAKES_ALL);
        line(format!("neighbor {} {{", session.address));
        line(format!("\tdescr \"{}\"", session.name()));
        line(format!("\tremote-as {}", session.asn));
        line(format!("\tlocal-address {}", session.local));
        if session.port != 179 {
            line(format!("\tport {}", session.port));
        }
        if session.internal {
            line("\troute-reflector".to_owned());
        }
        if session.password {
            line(format!("\ttcp md5sig password \"{PASSWORD}\""));
        }
        match session.ttl_security {
            Some(_) => line("\tttl-security yes".to_owned()),
            None if session.multihop && !session.internal => line("\tmultihop 255".to_owned()),
            None => {}
        }
        for family in Family::ALL {
            let name = if family == Family::Ipv4Unicast {
                "IPv4"
            } else {
                "IPv6"
            };
            let what = if session.families.contains(&family) {
                "unicast"
            } else {
                "none"
            };
            line(format!("\tannounce {name} {what}"));
        }
        line("}\n".to_owned());
    }
    let from = if router.prefixes.is_empty() {
        ""
    } else {
        " prefix-set nodes"
    };
    for session in &router.sessions {
        let address = session.address;
        writeln!(text, "allow from {address}{from}\nallow to {address}").expect(TAKES_ALL);
    }
    text
}
