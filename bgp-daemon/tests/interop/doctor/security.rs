//! password-mismatch, password-missing, password-not-set, ttl.

use super::*;

pub(super) const PASSWORD: [&str; 3] =
    ["password:", "  secretKeyRef:", "    {name: bgp, key: tor}"];

/// A router with its password, if any, and a node with its own.
fn passwords(kind: Kind, theirs: Option<&str>, ours: Option<&str>, passive: bool) -> Option<Ward> {
    let mut ward = Ward::open(&[kind])?;
    match ours {
        Some(ours) => {
            ward.peering(TOR_AS, &[], &PASSWORD);
            ward.stage.cluster.secret("bgp", "tor", ours);
        }
        None => ward.peering(TOR_AS, &[], &[]),
    }
    let config = ward.tor_config().with_sessions(|session| {
        session.password = theirs.map(str::to_owned);
        session.passive = passive;
    });
    let mut tor = kind.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    // For as long as the diagnosis lasts.
    ward.tor = Some(tor);
    Some(ward)
}

#[test]
fn password_mismatch() {
    for kind in [Kind::Bird, Kind::Frr] {
        let Some(ward) = passwords(kind, Some("theirs"), Some("ours"), false) else {
            return;
        };
        ward.assert_ids(&["password-mismatch"]);
    }
}

/// It does not dial: nothing comes that could be counted.
#[test]
fn password_mismatch_with_a_passive_peer() {
    let Some(ward) = passwords(Kind::Bird, Some("theirs"), Some("ours"), true) else {
        return;
    };
    ward.assert_ids(&["password-mismatch"]);
}

#[test]
fn password_missing_there() {
    for passive in [false, true] {
        let Some(ward) = passwords(Kind::Bird, None, Some("ours"), passive) else {
            return;
        };
        let found = ward
            .assert_ids(&["password-missing"])
            .text("password-missing");
        assert!(found.contains("set the password at the peer"), "{found}");
    }
}

#[test]
fn password_missing_here() {
    for kind in [Kind::Bird, Kind::Frr, Kind::GoBgp] {
        let Some(ward) = passwords(kind, Some("theirs"), None, false) else {
            return;
        };
        ward.wait_dropped("TCPMD5Unexpected");
        let found = ward
            .assert_ids(&["password-missing"])
            .text("password-missing");
        assert!(found.contains("TCPMD5Unexpected"), "{found}");
    }
}

/// The Secret is not there.
#[test]
fn password_missing_in_the_datastore() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &PASSWORD);
    let config = ward.tor_config();
    let config = config.with_sessions(|session| session.password = Some("theirs".into()));
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    let found = ward
        .assert_ids(&["password-missing"])
        .text("password-missing");
    assert!(
        found.contains("Secret kube-system/bgp does not exist"),
        "{found}"
    );
    ward.peering(
        TOR_AS,
        &[("bgp-daemon.io/require-password", "true")],
        &PASSWORD,
    );
    wait_for("the session to be kept down", LONG, || {
        ward.stage
            .node
            .session(ward.stage.tor_host.ipv4.into())
            .is_err()
    });
    ward.assert_ids(&["password-missing"]);
}

#[test]
fn password_not_set() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.stage.node_host.ns.sysctl("net/core/optmem_max", "100");
    ward.peering(TOR_AS, &[], &PASSWORD);
    ward.stage.cluster.secret("bgp", "tor", "secret");
    let config = ward.tor_config();
    let config = config.with_sessions(|session| session.password = Some("secret".into()));
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    let found = ward
        .assert_ids(&["password-not-set"])
        .text("password-not-set");
    assert!(found.contains("optmem_max"), "{found}");
}

/// We demand it, the peer sends with TTL 1.
#[test]
fn ttl_of_theirs() {
    for passive in [false, true] {
        let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
            return;
        };
        ward.peering(TOR_AS, &[], &["ttlSecurity: 1"]);
        let config = ward
            .tor_config()
            .with_sessions(|session| session.passive = passive);
        let mut tor = Kind::Bird.on(&ward.stage.tor_host, config);
        ward.raise(&mut *tor);
        ward.assert_ids(&["ttl"]);
    }
}

/// The peer demands it, and we send with the usual TTL.
#[test]
fn ttl_of_ours() {
    for (kind, setting) in [
        (Kind::Bird, "ttl security on;"),
        (
            Kind::GoBgp,
            r#"{"ttl-security": {"config": {"enabled": true, "ttl-min": 255}}}"#,
        ),
    ] {
        let Some(mut ward) = Ward::open(&[kind]) else {
            return;
        };
        ward.peering(TOR_AS, &[], &[]);
        let mut tor = kind.on(&ward.stage.tor_host, ward.tor_config().with(&[setting]));
        ward.raise(&mut *tor);
        ward.assert_ids(&["ttl"]);
    }
}

impl Ward {
    /// Waits until the node's kernel has dropped a segment for this reason: some routers take their time to dial.
    fn wait_dropped(&self, reason: &str) {
        wait_for(
            &format!("a segment that is dropped: {reason}"),
            LONG,
            || {
                let text = self.stage.node_host.ns.run("cat /proc/net/netstat");
                let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
                let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
                    return false;
                };
                let mut pairs = names.split_whitespace().zip(values.split_whitespace());
                pairs.any(|(name, value)| name == reason && value != "0")
            },
        );
    }
}
