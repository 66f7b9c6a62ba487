//! BFD from YAML to what the peer sees, beside BIRD's and FRR's.

use crate::lab::http;
use crate::lab::node::Node;
use crate::lab::peer::Kind;
use crate::lab::samples::Samples;
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::TOR_AS;
use crate::stage::Stage;

/// BIRD, and what its neighbours do not say.
const BIRD: &str = "protocol bfd { interface \"*\" { interval 200 ms; multiplier 3; }; }";

fn samples(node: &Node) -> Result<Samples, String> {
    let socket = node.run_dir().join("bgp-daemon.sock");
    let answer = http::get(&socket, "/metrics", &[]).map_err(|error| error.to_string())?;
    Ok(Samples::read(&answer.body))
}

/// Waits until the sum of a metric over both sessions is so much.
fn wait_sum(node: &Node, metric: &str, labels: &str, wanted: f64) {
    wait_until(&format!("{metric} {labels} to be {wanted}"), LONG, || {
        let found = samples(node)?.sum(metric, &[labels]);
        match found == Some(wanted) {
            true => Ok(()),
            false => Err(format!("{found:?}")),
        }
    });
}

/// Both sessions come up with BFD; timers change and nothing ends; then the cable of the router goes silent, and the hold time of four
/// minutes has nothing to do with the end.
fn watch(kind: Kind, annotations: &[(&str, &str)], spec: &[&str]) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, annotations, spec);
    let setting = if kind == Kind::Frr { "bfd" } else { "bfd;" };
    let config = stage.tor_config(TOR_AS);
    let mut config = config.with_sessions(|session| session.settings.push(setting.into()));
    if kind == Kind::Bird {
        config.settings.push(BIRD.into());
    }
    let mut tor = kind.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);

    stage.peering(TOR_AS, &[("bfd", "500ms/400ms/4")], spec);
    stage.peering(TOR_AS, &[("bfd", "100ms/100ms/3")], spec);
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
    wait_sum(&stage.node, "bgp_bfd_transitions_total", "to=\"down\"", 0.0);
    wait_sum(&stage.node, "bgp_session_flaps_total", "", 0.0);

    stage.tor_host.ns.run("ip link set eth0 down");
    wait_sum(&stage.node, "bgp_session_flaps_total", "", 2.0);
    wait_sum(&stage.node, "bgp_bfd_transitions_total", "to=\"down\"", 2.0);
    let sent = "code=\"6\"";
    wait_sum(&stage.node, "bgp_notifications_total", sent, 2.0);
}

#[test]
fn beside_bird() {
    watch(Kind::Bird, &[("bfd", "50ms/300ms/3")], &[]);
}

#[test]
fn beside_frr() {
    watch(Kind::Frr, &[("bfd", "on")], &[]);
}

/// What documents of Calico Enterprise say.
#[test]
fn failure_detection_mode_of_calico_enterprise() {
    watch(
        Kind::Frr,
        &[],
        &["failureDetectionMode: BFDIfDirectlyConnected"],
    );
}
