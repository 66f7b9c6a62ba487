//! BFD while a large table comes and goes: no session falls.
//!
//! `BGP_LAB_ROUTES` and `BGP_LAB_SECONDS` set how many routes and for how long, for runs by hand.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use super::wait_sum;
use crate::lab::bird_socket::ask;
use crate::lab::peer::{Kind, PeerConfig};
use crate::lab::wait::wait_until;
use crate::scenario::{NODE_AS, TOR_AS, wait_established};
use crate::stage::Stage;
use crate::takeover::large::{kernel_count, lines, number};

const ROUTES: u32 = 30_000;
const SECONDS: u32 = 10;
const FRR_AS: u32 = 65_102;
const PATIENCE: Duration = Duration::from_secs(300);
const BIRD: &str = "protocol bfd { interface \"*\" { interval 300 ms; multiplier 3; }; }";

#[test]
fn no_session_falls_while_a_table_comes_and_goes() {
    let Some(mut stage) = Stage::open(&[Kind::Bird, Kind::Frr]) else {
        return;
    };
    let routes = number("BGP_LAB_ROUTES").unwrap_or(ROUTES);
    let seconds = number("BGP_LAB_SECONDS").unwrap_or(SECONDS);
    let frr_host = stage.lab.host("tor2", 2);
    let annotations = [("bfd", "300ms/300ms/3")];
    stage.peering(TOR_AS, &annotations, &[]);
    stage.peering_with(&frr_host, FRR_AS, &annotations, &[]);
    let table = lines(Ipv4Addr::new(20, 0, 0, 0), routes);
    let bird = stage.tor_config(TOR_AS).with(&["bfd;"]).without_kernel();
    let bird = bird.with_global(&[BIRD, &format!("protocol static many {{ ipv4;\n{table}}}")]);
    let frr = PeerConfig::on_lan(&frr_host, FRR_AS, &[(&stage.node_host, NODE_AS)]);
    let mut bird = Kind::Bird.on(&stage.tor_host, bird);
    let mut frr = Kind::Frr.on(&frr_host, frr.with(&["bfd", "bfd 3 300 300"]));
    bird.start();
    frr.start();
    stage.node.start();
    wait_established("the node", &stage.node, &stage.tor_host);
    wait_established("the node", &stage.node, &frr_host);
    let wait_count = |wanted: u32| {
        wait_until("the table in the kernel", PATIENCE, || {
            let count = kernel_count(&stage);
            (count == wanted)
                .then_some(())
                .ok_or_else(|| format!("{count} of {wanted}"))
        });
    };
    // One is of `tor_config`.
    wait_count(routes + 1);
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 4.0);
    // FRR may begin twice.
    let downs = |stage: &Stage| {
        let log = stage.node.log();
        ["BFD session down", "session down peer"].map(|words| log.matches(words).count())
    };
    let before = downs(&stage);
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let socket = stage.tor_host.directory.join("bird2.ctl");
    let mut rounds = 0;
    while Instant::now() < end {
        ask(&socket, "disable many").expect("BIRD answers");
        wait_count(1);
        ask(&socket, "enable many").expect("BIRD answers");
        wait_count(routes + 1);
        rounds += 1;
        thread::sleep(Duration::from_millis(100));
    }
    println!("{routes} routes came and went {rounds} times in {seconds} s");
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 4.0);
    assert_eq!(downs(&stage), before, "{}", stage.node.log());
}
