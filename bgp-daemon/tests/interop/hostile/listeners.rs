//! A peer without permission receives nothing.

use super::*;

/// RFC 5082 §3
#[test]
fn a_peer_from_afar_hears_nothing() {
    let Some(mut siege) = Siege::lay(&["ttlSecurity: 1"]) else {
        return;
    };
    for address in addresses(&siege.stage.node_host) {
        let target = SocketAddr::new(address, 179);
        // With the TTL of any program, 64.
        let heard = siege.mallory.ns.spawn(move || {
            let mut client = connect(target).expect("the kernel accepts");
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).map(|_| heard)
        });
        let heard = heard.join().expect("no panic");
        assert_eq!(heard.expect("it is closed"), Vec::<u8>::new(), "{address}");
    }
    siege.withstand();
}

/// The kernel of this node takes two keys a socket. The third peer is left alone, by name, until there is room.
#[test]
fn a_peer_without_a_key_is_left_alone() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let ns = &siege.stage.node_host.ns;
    ns.sysctl("net/core/optmem_max", "300");
    let hosts = [67, 68, 69].map(|number| siege.stage.lab.host(&format!("signed{number}"), number));
    let password = ["password:", "  secretKeyRef:", "    {name: bgp, key: tor}"];
    for host in &hosts {
        let name = &host.name;
        siege.stage.cluster.secret(name, "tor", name);
        let spec = password.map(|line| line.replace("name: bgp", &format!("name: {name}")));
        let spec: Vec<&str> = spec.iter().map(String::as_str).collect();
        siege
            .stage
            .cluster
            .peer_with(name, &host.ipv4.to_string(), MALLORY_AS, &[], &spec);
    }
    let problems = |siege: &Siege| siege.stage.node.print(&["node", "status", "-o", "json"]);
    wait_for("the problem to be named", SHORT, || {
        problems(&siege).contains("net.core.optmem_max is 300 and should be 512")
    });
    for host in &hosts {
        let target = siege.target();
        let heard = host
            .ns
            .spawn(move || connect(target).and_then(|mut client| next_message(&mut client)));
        assert_eq!(
            heard.join().expect("no panic"),
            None,
            "{} signs nothing",
            host.name
        );
    }
    siege.withstand();
    siege
        .stage
        .node_host
        .ns
        .sysctl("net/core/optmem_max", "20480");
    wait_for("the problem to be over", SHORT, || {
        !problems(&siege).contains("optmem_max")
    });
}

/// Its Secret is missing, and without it there must be no session.
#[test]
fn a_peer_whose_secret_is_missing_is_left_alone() {
    let password = [
        "password:",
        "  secretKeyRef:",
        "    {name: nobody, key: tor}",
    ];
    let Some(mut siege) = Siege::lay_with(&[("require-password", "true")], &password) else {
        return;
    };
    let problems = siege.stage.node.print(&["node", "status", "-o", "json"]);
    assert!(problems.contains("nobody"), "{problems}");
    let target = siege.target();
    let heard = siege
        .mallory
        .ns
        .spawn(move || connect(target).and_then(|mut client| next_message(&mut client)));
    assert_eq!(heard.join().expect("no panic"), None);
    siege.withstand();
}
