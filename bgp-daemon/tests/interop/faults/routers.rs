//! Faults of a router's programs. Its kernel forwards all the time.

use super::scene::Scene;

#[test]
fn peer_killed() {
    let Some(scene) = Scene::open("peer killed") else {
        return;
    };
    scene.play_for_each(|scene, router| {
        scene.peers[router as usize].kill();
        scene.wait_session_down(router);
        scene.peers[router as usize].resume();
    });
}

#[test]
fn peer_frozen() {
    let Some(scene) = Scene::open("peer frozen") else {
        return;
    };
    scene.play_for_each(|scene, router| {
        scene.signal(router, "STOP");
        scene.wait_moved(router);
        scene.wait_session_down(router);
        scene.signal(router, "CONT");
    });
}
