//! `show interfaces`.

use crate::control::model::{AddressScope, AddressSnapshot, InterfaceSnapshot, LinkKind};
use crate::control::reply::{Code, Reply};

/// Appends the whole reply.
pub fn render(reply: &mut Reply, interfaces: &[InterfaceSnapshot]) {
    for interface in interfaces {
        let state = if interface.up { "up" } else { "down" };
        reply.line(
            Code::INTERFACE,
            format_args!("{} {state} (index={})", interface.name, interface.index),
        );
        reply.line(
            Code::INTERFACE_FLAGS,
            format_args!("\t{}", flags(interface)),
        );
        for address in &interface.addresses {
            reply.line(
                Code::INTERFACE_ADDRESS,
                format_args!("\t{}", describe(address)),
            );
        }
    }
    reply.end(Code::OK, "");
}

fn flags(interface: &InterfaceSnapshot) -> String {
    let on_off = |on| if on { "Up" } else { "Down" };
    let mut words = vec![
        match interface.link {
            LinkKind::PointToPoint => "PtP",
            LinkKind::MultiAccess => "MultiAccess",
        }
        .to_owned(),
    ];
    let mut add = |there: bool, word: &str| {
        if there {
            words.push(word.to_owned());
        }
    };
    add(interface.broadcast, "Broadcast");
    add(interface.multicast, "Multicast");
    add(true, &format!("Admin{}", on_off(interface.admin_up)));
    add(true, &format!("Link{}", on_off(interface.link_up)));
    add(interface.loopback, "Loopback");
    add(interface.ignored, "Ignored");
    add(true, &format!("MTU={}", interface.mtu));
    words.join(" ")
}

fn describe(address: &AddressSnapshot) -> String {
    let rank = if address.primary {
        "Primary"
    } else {
        "Secondary"
    };
    let scope = match address.scope {
        AddressScope::Host => "host",
        AddressScope::Link => "link",
        AddressScope::Site => "site",
        AddressScope::Universe => "univ",
    };
    format!("{} ({rank}, scope {scope})", address.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_with_its_addresses() {
        let address = |text: &str, scope, primary| AddressSnapshot {
            address: text.parse().expect("a prefix"),
            primary,
            scope,
        };
        let mut reply = Reply::new();
        let eth0 = InterfaceSnapshot {
            name: "eth0".into(),
            index: 2,
            up: true,
            link: LinkKind::MultiAccess,
            broadcast: true,
            multicast: true,
            admin_up: true,
            link_up: true,
            loopback: false,
            ignored: false,
            mtu: 1500,
            addresses: vec![
                address("172.17.0.3/16", AddressScope::Universe, true),
                address("172.17.0.4/16", AddressScope::Site, false),
            ],
        };
        render(&mut reply, &[eth0]);
        assert_eq!(
            reply.take(),
            "1001-eth0 up (index=2)\n\
             1004-\tMultiAccess Broadcast Multicast AdminUp LinkUp MTU=1500\n\
             1003-\t172.17.0.3/16 (Primary, scope univ)\n \t172.17.0.4/16 (Secondary, scope site)\n\
             0000 \n"
        );
    }
}
