//! Cisco: lines of the running configuration of NX-OS and of IOS XR.

use std::fmt::Write as _;

use bgp_core::types::Family;

use super::model::{Router, Session};
use super::notes::{PASSWORD, notes};

const TAKES_ALL: &str = "a String takes all";

pub(super) fn nxos(router: &Router) -> String {
    let mut text = notes(router, "!") + "feature bgp\n";
    if router.has(|session| session.bfd) {
        text += "feature bfd\n";
    }
    for family in router.families() {
        let (word, version, longest, any) = match family {
            Family::Ipv4Unicast => ("ip", 4, 32, "0.0.0.0/0"),
            Family::Ipv6Unicast => ("ipv6", 6, 128, "::/0"),
        };
        let known: Vec<_> = router
            .prefixes_of(family)
            .map(ToString::to_string)
            .collect();
        let prefixes = if router.prefixes.is_empty() {
            vec![any.to_owned()]
        } else {
            known
        };
        for prefix in prefixes {
            let within = if prefix.ends_with(&format!("/{longest}")) {
                String::new()
            } else {
                format!(" le {longest}")
            };
            writeln!(
                text,
                "{word} prefix-list NODES-V{version} permit {prefix}{within}"
            )
            .expect(TAKES_ALL);
        }
        write!(
            text,
            "route-map FROM-NODES-V{version} permit 10\n  match {word} address prefix-list NODES-V{version}\n"
        )
        .expect(TAKES_ALL);
    }
    write!(
        text,
        "route-map TO-NODES permit 10\nrouter bgp {}\n  router-id {}\n",
        router.asn,
        router.id()
    )
    .expect(TAKES_ALL);
    for family in router.families() {
        writeln!(text, "  address-family {}", afi(family)).expect(TAKES_ALL);
    }
    for session in &router.sessions {
        writeln!(text, "  neighbor {}", session.address).expect(TAKES_ALL);
        let mut line = |setting: String| writeln!(text, "    {setting}").expect(TAKES_ALL);
        line(format!("remote-as {}", session.asn));
        line(format!("description {}", session.name()));
        if session.bfd {
            line("bfd".to_owned());
        }
        if session.password {
            line(format!("password 0 {PASSWORD}"));
        }
        multihop(session, &mut line);
        for family in &session.families {
            let version = if *family == Family::Ipv4Unicast { 4 } else { 6 };
            line(format!("address-family {}", afi(*family)));
            if session.internal {
                line("  route-reflector-client".to_owned());
            }
            line(format!("  route-map FROM-NODES-V{version} in"));
            line("  route-map TO-NODES out".to_owned());
        }
    }
    text
}

pub(super) fn ios_xr(router: &Router) -> String {
    let mut text = notes(router, "!");
    for family in router.families() {
        let (version, longest, any) = match family {
            Family::Ipv4Unicast => (4, 32, "0.0.0.0/0"),
            Family::Ipv6Unicast => (6, 128, "::/0"),
        };
        let known: Vec<_> = router
            .prefixes_of(family)
            .map(ToString::to_string)
            .collect();
        let prefixes = if router.prefixes.is_empty() {
            vec![any.to_owned()]
        } else {
            known
        };
        let members: Vec<_> = prefixes
            .iter()
            .map(|prefix| format!("  {prefix} le {longest}"))
            .collect();
        write!(
            text,
            "prefix-set NODES-V{version}\n{}\nend-set\nroute-policy FROM-NODES-V{version}\n  if destination in NODES-V{version} then\n    \
             pass\n  else\n    drop\n  endif\nend-policy\n",
            members.join(",\n")
        )
        .expect(TAKES_ALL);
    }
    write!(
        text,
        "route-policy TO-NODES\n  pass\nend-policy\nrouter bgp {}\n bgp router-id {}\n",
        router.asn,
        router.id()
    )
    .expect(TAKES_ALL);
    for family in router.families() {
        writeln!(text, " address-family {}\n !", afi(family)).expect(TAKES_ALL);
    }
    for session in &router.sessions {
        writeln!(text, " neighbor {}", session.address).expect(TAKES_ALL);
        let mut line = |setting: String| writeln!(text, "  {setting}").expect(TAKES_ALL);
        line(format!("remote-as {}", session.asn));
        line(format!("description {}", session.name()));
        if session.bfd {
            line("bfd fast-detect".to_owned());
        }
        if session.password {
            line(format!("password clear {PASSWORD}"));
        }
        match session.ttl_security {
            Some(_) => line("ttl-security".to_owned()),
            None => multihop(session, &mut line),
        }
        for family in &session.families {
            let version = if *family == Family::Ipv4Unicast { 4 } else { 6 };
            line(format!("address-family {}", afi(*family)));
            if session.internal {
                line(" route-reflector-client".to_owned());
            }
            line(format!(" route-policy FROM-NODES-V{version} in"));
            line(" route-policy TO-NODES out".to_owned());
            line("!".to_owned());
        }
        text += " !\n";
    }
    text + "!\n"
}

fn afi(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "ipv4 unicast",
        Family::Ipv6Unicast => "ipv6 unicast",
    }
}

fn multihop(session: &Session, line: &mut impl FnMut(String)) {
    match session.ttl_security {
        Some(hops) => line(format!("ttl-security hops {hops}")),
        None if session.multihop && !session.internal => line("ebgp-multihop 255".to_owned()),
        None => {}
    }
}
