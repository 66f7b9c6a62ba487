//! Faults of a router's link.

use std::thread;
use std::time::Duration;

use super::scene::Scene;

#[test]
fn link_down() {
    let Some(scene) = Scene::open("link down") else {
        return;
    };
    scene.play_for_each(|scene, router| {
        let ns = &scene.hosts[router as usize].ns;
        ns.run("ip link set eth0 down");
        scene.wait_moved(router);
        ns.run("ip link set eth0 up");
    });
}

#[test]
fn silent_link() {
    let Some(scene) = Scene::open("silent link") else {
        return;
    };
    scene.play_for_each(|scene, router| {
        let host = &scene.hosts[router as usize];
        scene.stage.lab.unplug(host);
        scene.wait_moved(router);
        scene.stage.lab.plug(host);
    });
}

#[test]
fn one_way_loss() {
    let Some(scene) = Scene::open("one-way loss") else {
        return;
    };
    scene.play_for_each(|scene, router| {
        let host = &scene.hosts[router as usize];
        scene.stage.lab.deafen(host);
        scene.wait_moved(router);
        scene.stage.lab.undeafen(host);
    });
}

#[test]
fn flapping_link() {
    let Some(scene) = Scene::open("flapping link") else {
        return;
    };
    scene.play_for_each(|scene, router| {
        let host = &scene.hosts[router as usize];
        for _ in 0..5 {
            scene.stage.lab.unplug(host);
            // Long enough for BFD, which is what makes it a flap.
            scene.wait_moved(router);
            scene.stage.lab.plug(host);
            thread::sleep(Duration::from_secs(1));
        }
    });
}
