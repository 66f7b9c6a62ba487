//! bird_exporter, as Debian has it, on our control sockets; and its names in our own metrics.

use crate::lab::peer::{Kind, prefix};
use crate::lab::process::Process;
use crate::lab::requirement::{Requirement, skip};
use crate::lab::samples::Samples;
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{TOR_AS, addresses, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

use super::{samples, session_name};

const EXPORTER: Requirement = Requirement::Program("prometheus-bird-exporter");
/// bird_exporter takes the time of day at which a session came up, which is what BIRD prints unless it is told otherwise, for the time
/// since then.
const UPTIME: &str = "bird_protocol_uptime";
const ADDRESS: &str = "127.0.0.1:9324";

/// The exporter's names are its own; that it says of a session what BIRD says is a test of the control sockets.
#[test]
fn bird_exporter_and_our_aliases_say_the_same() {
    if let Some(reason) = EXPORTER.missing() {
        return skip(&reason);
    }
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    stage.node.set("BGP_DAEMON_METRICS_ALIASES", "bird");
    let config = stage.tor_config(TOR_AS);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let socket = |name| stage.node.run_dir().join(name).display().to_string();
    let arguments = [
        "-bird.socket",
        &socket("bird.ctl"),
        "-bird.socket6",
        &socket("bird6.ctl"),
        "-web.listen-address",
        ADDRESS,
    ];
    let _exporter = Process::start(
        &stage.node_host,
        "bird-exporter",
        "prometheus-bird-exporter",
        &arguments,
    );
    let url = format!("http://{ADDRESS}/metrics");
    let told = wait_until("the same of both", LONG, || {
        let theirs = stage.node_host.ns.exec("curl", &["-sSf", &url])?;
        let theirs = Samples::read(&theirs).beginning("bird_");
        let ours = samples(&stage.node)?.beginning("bird_");
        let protocols = |samples: &Samples| samples.beginning("bird_protocol_").without(UPTIME);
        let difference = protocols(&theirs).difference(&protocols(&ours));
        difference
            .is_empty()
            .then_some(theirs)
            .ok_or_else(|| difference.join("\n"))
    });
    for (address, version) in addresses(&stage.tor_host).into_iter().zip(["4", "6"]) {
        let name = format!("name=\"{}\"", session_name(address));
        let version = format!("ip_version=\"{version}\"");
        let sum = |metric| told.sum(metric, &[&name, &version, "proto=\"BGP\""]);
        assert_eq!(sum("bird_protocol_up"), Some(1.0), "{told:#?}");
        assert_eq!(sum("bird_protocol_prefix_import_count"), Some(1.0));
        assert_eq!(sum("bird_protocol_prefix_export_count"), Some(1.0));
        assert_eq!(
            sum("bird_protocol_changes_update_import_accept_count"),
            Some(1.0)
        );
    }
    let ours = samples(&stage.node).expect("an answer");
    let uptime = ours.sum(UPTIME, &["proto=\"BGP\"", "ip_version=\"4\""]);
    let process = ours
        .sum("bird_server_time_timestamp_seconds", &[])
        .zip(ours.sum("bird_last_reboot_timestamp_seconds", &[]));
    let longest = process.map(|(now, start)| now - start);
    assert!(
        uptime.is_some() && uptime <= longest,
        "{uptime:?} {longest:?}"
    );
    for metric in [
        "bird_socket_query_success",
        "bird_daemon_up",
        "bird_daemon_info",
    ] {
        assert_eq!(ours.sum(metric, &[]), Some(1.0), "{metric}");
    }
}
