//! One of the two processes is killed at each step of a takeover. Either the old one goes on, or the new one has all, or it starts
//! as after a crash: the router keeps our routes (RFC 4724) and never misses one, and neither does the node.

use crate::graceful_restart::helping;
use crate::lab::capture::{Capture, Trace};
use crate::lab::peer::{Kind, prefix};
use crate::lab::route_watch::RouteWatch;
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{TOR_AS, addresses, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};
use crate::takeover::proxy::{Fate, Proxy};

/// More than there are messages in the takeover of this small node.
const STEPS: usize = 40;

/// The old process goes on as if nothing had happened, or the new one has everything: the session never ends.
#[test]
fn the_successor_is_killed_at_each_step() {
    let Some(mut stage) = raised() else {
        return;
    };
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
    let watches = [&stage.node_host, &stage.tor_host].map(RouteWatch::start);
    let capture = Capture::start(&stage.node_host);
    let mut step = 0;
    loop {
        step += 1;
        assert!(step < STEPS, "the takeover has no end");
        wait_for("the socket", LONG, || {
            stage.node.run_dir().join("takeover.sock").exists()
        });
        let mut successor = None;
        let proxy = Proxy::start_for(&stage.node.run_dir(), || {
            let process = stage.node.launch();
            let victim = process.id();
            successor = Some(process);
            Fate { victim, step }
        });
        let mut successor = successor.expect("it was started");
        if !proxy.finish() {
            stage.node.goes_on_as(successor);
            assert_quiet(&capture.so_far(), &stage);
            break;
        }
        successor.wait_for_exit();
        let outcome = |words| stage.node.log().matches(words).count();
        wait_for("the old process to see it", LONG, || {
            outcome("did not take over") + outcome("handed 2 sessions over") >= step
        });
        if outcome("handed 2 sessions over") > 0 {
            // The last word was on its way: nobody has the sessions now, and they come up again.
            assert_eq!(outcome("session established"), 2, "a session ended before");
            assert_eq!(outcome("session down"), 0);
            stage.node.start();
            break;
        }
        // The process that goes on has its socket elsewhere now.
        let run_dir = stage.node.run_dir();
        std::fs::rename(run_dir.join("real.sock"), run_dir.join("takeover.sock"))
            .expect("it is there");
    }
    stage.wait_up(&*tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    for watch in watches {
        let record = watch.finish();
        for kept in BLOCKS.iter().chain(&TOR_PREFIXES) {
            assert!(!record.removed(prefix(kept)), "{kept} was gone for a while");
        }
    }
}

/// The successor starts as after a crash.
#[test]
fn the_old_process_is_killed_at_each_step() {
    let Some(mut stage) = raised() else {
        return;
    };
    let config = helping(Kind::Bird, stage.tor_config(TOR_AS));
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
    let watches = [&stage.node_host, &stage.tor_host].map(RouteWatch::start);
    let mut step = 0;
    loop {
        step += 1;
        assert!(step < STEPS, "the takeover has no end");
        wait_for("the socket", LONG, || {
            stage.node.run_dir().join("takeover.sock").exists()
        });
        let victim = stage.node.id();
        let proxy = Proxy::start(&stage.node.run_dir(), Fate { victim, step });
        let successor = stage.node.launch();
        let killed = proxy.finish();
        std::fs::remove_file(stage.node.run_dir().join("real.sock")).ok();
        stage.node.goes_on_as(successor);
        stage.wait_up(&*tor);
        wait_learned("the router", &*tor, &BLOCKS.map(prefix));
        wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
        if !killed {
            break;
        }
    }
    for watch in watches {
        let record = watch.finish();
        for kept in BLOCKS.iter().chain(&TOR_PREFIXES) {
            assert!(!record.removed(prefix(kept)), "{kept} was gone for a while");
        }
    }
}

/// No session ended so far.
fn assert_quiet(trace: &Trace, stage: &Stage) {
    for host in [&stage.node_host, &stage.tor_host] {
        for address in addresses(host) {
            super::assert_quiet(trace, address);
        }
    }
}

fn raised() -> Option<Stage> {
    let mut stage = Stage::open(&[Kind::Bird])?;
    stage.peering(TOR_AS, &[], &[]);
    stage.node.set("BGP_DAEMON_TAKE_OVER", true);
    Some(stage)
}
