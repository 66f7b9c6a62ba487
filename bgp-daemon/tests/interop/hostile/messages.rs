//! Peers with a good connection and bad messages.

use bgp_core::types::Family;
use bgp_core::wire::{ErrorCode, Notification, RefreshKind, RouteRefresh};

use super::*;

/// A session comes up however slowly its messages arrive, and delays no other.
#[test]
fn one_octet_at_a_time() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let target = siege.target();
    let words = octets(&[open(MALLORY_AS), Message::Keepalive]);
    let flood = Flood::start(&siege.mallory, move || {
        let Some(mut client) = connect(target) else {
            return;
        };
        client.set_nodelay(true).expect("it is connected");
        for octet in &words {
            client.write_all(&[*octet]).ok();
        }
        // Until it is closed.
        while next_message(&mut client).is_some() {}
    });
    let mallory = siege.mallory.ipv4.into();
    wait_for("the slow session", LONG, || {
        siege.stage.node.established(mallory)
    });
    siege.withstand();
    drop(flood);
}

/// Asks for all routes again and again, and reads none of the answers.
#[test]
fn one_that_asks_and_does_not_read() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let target = siege.target();
    let refresh = Message::RouteRefresh(RouteRefresh {
        family: Family::Ipv4Unicast.afi_safi(),
        kind: RefreshKind::REQUEST,
    });
    let hello = octets(&[open(MALLORY_AS), Message::Keepalive]);
    let asked = octets(&vec![refresh; 100]);
    let mut client = None;
    let flood = Flood::start(&siege.mallory, move || {
        let open = client.get_or_insert_with(|| {
            let mut client = connect(target)?;
            client.write_all(&hello).ok()?;
            Some(client)
        });
        let written = open.as_mut().map(|open| open.write_all(&asked));
        if !matches!(written, Some(Ok(()))) {
            client = None;
        }
    });
    flood.wait(200);
    siege.withstand();
    drop(flood);
}

/// Message after message of the greatest length that means nothing, on a session that is up.
#[test]
fn garbage_of_full_length() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let target = siege.target();
    let mut words = octets(&[open(MALLORY_AS), Message::Keepalive]);
    for kind in [2, 5, 0xff] {
        let mut garbage = vec![0xff; 4096];
        garbage[16..19].copy_from_slice(&[0x10, 0, kind]);
        words.extend(garbage);
    }
    let flood = Flood::start(&siege.mallory, move || {
        if let Some(mut client) = connect(target) {
            client.write_all(&words).ok();
            while next_message(&mut client).is_some() {}
        }
    });
    flood.wait(30);
    siege.withstand();
    drop(flood);
}

/// Two connections at once, of which the newer wins the collision and ends in the same segment, at any moment.
#[test]
fn collisions_that_end_at_once() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let target = siege.target();
    let hello = octets(&[open(MALLORY_AS)]);
    let farewell = Message::Notification(Notification::new(ErrorCode::CEASE, 2));
    let hello_and_farewell = octets(&[open(MALLORY_AS), farewell]);
    let flood = Flood::start(&siege.mallory, move || {
        let clients = [connect(target), connect(target)];
        let words = [&hello, &hello_and_farewell];
        for (client, words) in clients.into_iter().zip(words) {
            if let Some(mut client) = client {
                client.write_all(words).ok();
            }
        }
    });
    flood.wait(500);
    siege.withstand();
    drop(flood);
    // Its own session is not harmed for good either.
    let mallory: IpAddr = siege.mallory.ipv4.into();
    let target = siege.target();
    let words = octets(&[open(MALLORY_AS), Message::Keepalive]);
    let honest = Flood::start(&siege.mallory, move || {
        if let Some(mut client) = connect(target) {
            client.write_all(&words).ok();
            while next_message(&mut client).is_some() {}
        }
    });
    wait_for("the session that was harmed", LONG * 2, || {
        siege.stage.node.established(mallory)
    });
    drop(honest);
}
