//! Faults of our process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::scene::{ROUTERS, Router, Scene};
use crate::lab::requirement::skip;
use crate::lab::wait::{LONG, SHORT, wait_for};
use crate::scenario::addresses;

#[test]
fn our_process_killed() {
    let Some(scene) = Scene::open("our process killed") else {
        return;
    };
    scene.play(|scene| {
        scene.stage.node.kill();
        scene.stage.node.start();
    });
}

#[test]
fn our_process_frozen() {
    let Some(scene) = Scene::open("our process frozen") else {
        return;
    };
    scene.play(|scene| {
        scene.stage.node.signal("STOP");
        thread::sleep(Duration::from_secs(2));
        scene.stage.node.signal("CONT");
    });
}

#[test]
fn out_of_descriptors() {
    let Some(scene) = Scene::open("out of descriptors") else {
        return;
    };
    scene.play(|scene| {
        let process = scene.stage.node.id();
        let limit = |number: usize| {
            let arguments = [format!("--pid={process}"), format!("--nofile={number}:")];
            let status = Command::new("prlimit").args(arguments).status();
            assert!(status.is_ok_and(|status| status.success()));
        };
        let before = limit_of(process);
        limit(8);
        let block = "10.244.9.0/26".parse().expect("a prefix");
        scene.stage.cluster.block(&scene.stage.node_host, block);
        // The folder cannot be read now, and sessions that end cannot come back.
        scene.restart_sessions_of_bird();
        thread::sleep(Duration::from_secs(3));
        let bird = &scene.peers[Router::Bird as usize];
        for address in addresses(&scene.stage.node_host) {
            assert!(!bird.established(address), "{address} came back");
        }
        limit(before);
        for router in ROUTERS {
            let peer = &scene.peers[router as usize];
            wait_for("the block", LONG, || {
                peer.routes_to(block).is_ok_and(|routes| !routes.is_empty())
            });
        }
        scene
            .stage
            .cluster
            .remove_block(&scene.stage.node_host, block);
        scene.assert_no_flap_of(Router::Frr);
    });
}

/// The soft limit of a process.
fn limit_of(process: u32) -> usize {
    let text = fs::read_to_string(format!("/proc/{process}/limits")).expect("it runs");
    let line = text.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    soft.expect("a limit of open files")
}

#[test]
fn out_of_memory() {
    let Some(group) = Group::create() else {
        skip("no memory cgroup can be made here");
        return;
    };
    let Some(scene) = Scene::open("out of memory") else {
        return;
    };
    scene.play(|scene| {
        group.kill(scene.stage.node.id());
        wait_for("the kernel to kill the process", SHORT, || {
            !Path::new(&format!("/proc/{}/exe", scene.stage.node.id())).exists()
                || fs::read_link(format!("/proc/{}/exe", scene.stage.node.id())).is_err()
        });
        scene.stage.node.kill();
        scene.stage.node.start();
    });
}

/// A memory cgroup of either version; removed when dropped.
struct Group {
    directory: PathBuf,
    limit: &'static str,
}

impl Group {
    fn create() -> Option<Self> {
        let name = format!("bgp-lab-{}", std::process::id());
        let roots = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        let groups = roots.into_iter().filter_map(|(root, limit)| {
            let directory = Path::new(root).join(&name);
            fs::create_dir(&directory).ok()?;
            Some(Self { directory, limit })
        });
        // Dropped, it is removed.
        let mut fit = groups.filter(|group| group.directory.join(group.limit).exists());
        fit.next()
    }

    /// Leaves a process less memory than it needs for its next step.
    fn kill(&self, process: u32) {
        let write = |file: &str, text: &str| fs::write(self.directory.join(file), text);
        write(self.limit, "65536").expect("a limit");
        write("cgroup.procs", &process.to_string()).expect("a process");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        fs::remove_dir(&self.directory).ok();
    }
}

#[test]
fn datastore_away() {
    let Some(scene) = Scene::open("datastore away") else {
        return;
    };
    scene.play(|scene| {
        let folder = scene.stage.cluster.directory().to_owned();
        let away = folder.with_extension("away");
        fs::rename(&folder, &away).expect("the folder moves");
        wait_for("the problem", SHORT, || {
            let status = scene.stage.node.print(&["node", "status", "-o", "json"]);
            status.contains(&folder.display().to_string())
        });
        fs::rename(&away, &folder).expect("the folder moves");
        scene.assert_no_flap();
    });
}
