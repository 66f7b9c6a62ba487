//! Speakers under a paused clock: hours take no time.

#![allow(clippy::unwrap_used, reason = "test code")]

#[allow(dead_code, reason = "not every helper is needed")]
mod pair;

use std::time::Duration;

use bgp_core::session::DownReason;
use bgp_core::wire::ErrorCode;
use bgp_speaker::Event;
use pair::{DIALLER_AS, LISTENER_AS};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Carries octets between two connections until `cut` is set; then both stay open, and nothing gets through.
async fn relay(mut one: TcpStream, mut other: TcpStream, cut: oneshot::Receiver<()>) {
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut one, &mut other) => {}
        _ = cut => std::future::pending().await,
    }
}

/// Both ends of a connection on loopback.
async fn connection(source: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    let dialled = socket.connect(listener.local_addr().unwrap());
    let (dialled, accepted) = tokio::join!(dialled, listener.accept());
    (dialled.unwrap(), accepted.unwrap().0)
}

/// Two speakers whose path breaks silently: both hold timers expire, after their hold time.
#[tokio::test(start_paused = true)]
async fn a_hold_timer_expires_without_a_wait() {
    let one = pair::start(LISTENER_AS);
    let peer = pair::passive("127.0.0.2:179".parse().unwrap());
    one.configure_peer("other", peer).await.unwrap();
    let other = pair::start(DIALLER_AS);
    let mut peer = pair::active("127.0.0.3:179".parse().unwrap(), "127.0.0.1");
    peer.passive = true;
    other.configure_peer("one", peer).await.unwrap();

    let (from_other, to_one) = connection("127.0.0.2").await;
    let (from_one, to_other) = connection("127.0.0.3").await;
    let (cut, is_cut) = oneshot::channel();
    tokio::spawn(relay(from_other, from_one, is_cut));
    let mut events = [one.events(), other.events()];
    one.handle_stream(to_one).await.unwrap();
    other.handle_stream(to_other).await.unwrap();
    for events in &mut events {
        assert!(matches!(events.recv().await.unwrap(), Event::Up { .. }));
    }
    // KEEPALIVEs hold the session for ten hours.
    let start = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(36_000)).await;
    assert_eq!(one.status("other").await.unwrap().session.counters.flaps, 0);
    assert!(
        one.status("other")
            .await
            .unwrap()
            .session
            .counters
            .received
            .keepalive
            > 1000
    );

    cut.send(()).unwrap();
    for events in &mut events {
        let Event::Down {
            reason: DownReason::Sent(told),
            ..
        } = events.recv().await.unwrap()
        else {
            panic!("the hold timer ends the session");
        };
        assert_eq!(told.code, ErrorCode::HOLD_TIMER);
    }
    // The hold time is 90 s. The clock jumps to the next timer, of at most 30 s, while a last KEEPALIVE is still between the four
    // sockets: each end may read it one jump late, and its peer one more.
    let silent = start.elapsed() - Duration::from_secs(36_000);
    assert!(
        (Duration::from_secs(60)..Duration::from_secs(150)).contains(&silent),
        "{silent:?}"
    );
}
