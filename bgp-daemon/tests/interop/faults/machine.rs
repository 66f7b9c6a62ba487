//! Faults of the node's machine.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::scene::{NOWHERE, OTHER_ADDRESS, ROUTERS, Scene};
use crate::lab::bird_socket::ask;
use crate::lab::requirement::skip;
use crate::lab::wait::{SHORT, wait_for};

/// A small file system at the node's run directory; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).ok()?;
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "faults"])
            .arg(&at)
            .status();
        status
            .is_ok_and(|status| status.success())
            .then_some(Self(at))
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("fill")).expect("there is room");
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn disk_full() {
    let mut disk = None;
    let scene = Scene::prepare("disk full", &[], |stage| {
        disk = SmallDisk::mount(stage.node.run_dir());
        // Nothing of the log can be written either.
        stage
            .node
            .launch_by(&["sh", "-c", "exec \"$0\" \"$@\" >/dev/full 2>&1"]);
    });
    let Some(scene) = scene else { return };
    let Some(disk) = disk else {
        skip("no file system can be mounted here");
        return;
    };
    scene.play(|scene| {
        disk.fill();
        scene.assert_alive();
        scene.assert_no_flap();
    });
}

#[test]
fn netlink_overrun() {
    const ROUTES: u32 = 40_000;
    let Some(scene) = Scene::open("netlink overrun") else {
        return;
    };
    scene.play(|scene| {
        let host = &scene.stage.node_host;
        let batch = host.directory.join("routes");
        let prefix = |number: u32| Ipv4Addr::from(0x1e00_0000 + (number << 8));
        let lines = |verb: &str| -> String {
            let line = |number| format!("route {verb} blackhole {}/24 proto 80\n", prefix(number));
            (0..ROUTES).map(line).collect()
        };
        let run = |text: String| {
            fs::write(&batch, text).expect("the directory is ours");
            host.ns.run(&format!("ip -batch {}", batch.display()));
        };
        scene.stage.node.signal("STOP");
        run(lines("add"));
        host.ns.run("ip route del 172.20.0.0/24 proto 12");
        scene.stage.node.signal("CONT");
        scene.wait_whole();
        run(lines("del"));
    });
}

#[test]
fn clock_set() {
    const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    let mut file = None;
    let scene = Scene::prepare("clock set", &[], |stage| {
        let path = stage.node_host.directory.join("clock");
        fs::write(&path, "+0\n").expect("the directory is ours");
        stage.node.set("LD_PRELOAD", LIBRARY);
        stage.node.set("FAKETIME_TIMESTAMP_FILE", path.display());
        stage.node.set("FAKETIME_NO_CACHE", 1);
        stage.node.set("FAKETIME_DONT_FAKE_MONOTONIC", 1);
        file = Some(path);
    });
    let Some(scene) = scene else { return };
    if !fs::exists(LIBRARY).unwrap_or(false) {
        return skip("libfaketime is not installed");
    }
    let file = file.expect("it was prepared");
    scene.play(|scene| {
        let socket = scene.stage.node.run_dir().join("bird.ctl");
        let day = || {
            let status = ask(&socket, "show status").expect("an answer");
            let time = status.iter().find(|line| line.contains("server time"));
            let time = time.and_then(|line| line.split_whitespace().nth_back(1));
            time.expect("a date").to_owned()
        };
        let mut before = day();
        for jump in ["+1d", "-1d", "+0"] {
            fs::write(&file, format!("{jump}\n")).expect("the directory is ours");
            let after = day();
            assert_ne!(before, after, "the clock has not jumped");
            before = after;
            scene.assert_alive();
        }
        scene.assert_no_flap();
    });
}

#[test]
fn address_changed() {
    let restart = ["maxRestartTime: 10s"];
    let Some(scene) = Scene::prepare("address changed", &restart, |_| ()) else {
        return;
    };
    scene.play(|scene| {
        let host = &scene.stage.node_host;
        let address = |verb: &str, address: Ipv4Addr| {
            host.ns
                .run(&format!("ip addr {verb} {address}/24 dev eth0"));
        };
        host.ns
            .sysctl("net/ipv4/conf/eth0/promote_secondaries", "1");
        // At once, as by DHCP; the Node follows.
        address("add", OTHER_ADDRESS);
        address("del", host.ipv4);
        host.ns
            .run(&format!("ip route replace default via {NOWHERE}"));
        for router in ROUTERS {
            scene.wait_moved(router);
        }
        thread::sleep(Duration::from_secs(1));
        scene.set_address(OTHER_ADDRESS);
        for router in ROUTERS {
            scene.wait_led_by(router, OTHER_ADDRESS);
            scene.wait_routed(router);
        }
        // Back in good order: the old address stays until nobody uses it.
        address("add", host.ipv4);
        scene.set_address(host.ipv4);
        for router in ROUTERS {
            scene.wait_led_by(router, host.ipv4);
        }
        address("del", OTHER_ADDRESS);
    });
}

#[test]
fn kernel_table_flushed() {
    let Some(scene) = Scene::open("kernel table flushed") else {
        return;
    };
    scene.play(|scene| {
        for family in ["-4", "-6"] {
            scene
                .stage
                .node_host
                .ns
                .run(&format!("ip {family} route flush proto 12"));
        }
        wait_for("the routes", SHORT, || {
            !scene.stage.node_host.kernel_routes("12").is_empty()
        });
        scene.assert_no_flap();
    });
}
