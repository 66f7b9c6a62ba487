use bgp_core::bfd::State as BfdState;

use super::*;

fn watched(scene: Scene, state: BfdState, peer: Option<BfdState>) -> Scene {
    scene.with(|watched| {
        session(watched).watch = Some(Watch {
            state,
            peer,
            multihop: false,
            holds_back: false,
            restarts_gracefully: false,
            problem: None,
        })
    })
}

fn watch(peer: &mut Peer) -> &mut Watch {
    session(peer).watch.as_mut().expect("it is watched")
}

#[test]
fn a_session_that_waits_for_bfd() {
    let scene = watched(Scene::new(), BfdState::Down, None);
    assert_eq!(scene.ids(), [Id::Refused]);
    let held = scene.with(|peer| watch(peer).holds_back = true);
    let finding = held.only();
    assert_eq!((finding.id, finding.severity), (Id::Bfd, Severity::Error));
    assert!(finding.evidence[0].contains("the peer is not heard"));
    let gone = held.with(|peer| peer.way = Err("Network is unreachable".into()));
    assert_eq!(gone.ids(), [Id::NoRoute]);
}

#[test]
fn a_session_that_bfd_has_ended() {
    for sent in [true, false] {
        let scene = Scene::new().told(sent, ErrorCode::CEASE, cease::BFD_DOWN);
        assert_eq!(scene.ids(), [Id::Bfd]);
    }
}

#[test]
fn a_session_that_nobody_watches() {
    let fix = |peer| {
        let finding = watched(Scene::new().up(), BfdState::Down, peer).only();
        assert_eq!((finding.id, finding.severity), (Id::Bfd, Severity::Warning));
        finding.fix
    };
    assert!(fix(None).starts_with("enable BFD for this neighbour at the peer, single hop"));
    assert!(fix(Some(BfdState::AdminDown)).contains("an operator of the peer"));
    assert!(fix(Some(BfdState::Down)).contains("UDP 3784"));
}

/// RFC 5882 §4.3.
#[test]
fn what_a_restart_does_is_said() {
    let up = || watched(Scene::new().up(), BfdState::Up, Some(BfdState::Up));
    assert_eq!(up().ids(), [Id::Healthy]);
    let helped = up().with(|peer| watch(peer).restarts_gracefully = true);
    assert_eq!(helped.ids(), [Id::Bfd, Id::Healthy]);
}
