use std::io;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn acceptor() -> Acceptor {
    Acceptor::new(Alarms::default(), Register::default(), None, false)
}

fn entry(name: &str, address: IpAddr) -> ListenerEntry {
    let address = SocketAddr::new(address, 179);
    let connections = mpsc::channel(WAITING).0;
    let guard = watch::Sender::new(Guard::Pending);
    ListenerEntry::new(
        name.into(),
        address,
        PeerSecurity::default(),
        connections,
        guard,
    )
}

/// Promise 2.4.
#[tokio::test]
async fn an_address_that_is_taken_keeps_no_other_from_being_listened_on() {
    let other = std::net::TcpListener::bind("127.0.0.2:0").expect("a port");
    let taken = other.local_addr().expect("an address");
    let wanted = [taken, address("127.0.0.1:0")];
    let mut acceptor = acceptor();
    assert!(acceptor.listen(&wanted).expect_err("taken").is_in_use());
    let good = acceptor.listeners.addresses();
    assert_eq!(good.len(), 1);
    // The socket stays: another would have another port.
    assert!(acceptor.listen(&wanted).expect_err("taken").is_in_use());
    assert_eq!(acceptor.listeners.addresses(), good);
    drop(other);
    assert_eq!(acceptor.listen(&wanted).expect("free"), [taken, good[0]]);
    assert_eq!(acceptor.listen(&[taken]).expect("it stays"), [taken]);
    assert_eq!(acceptor.listeners.addresses(), [taken]);
    assert_eq!(acceptor.refused, HashMap::new());
}

/// Promise 5.15.
#[test]
fn the_first_of_an_address_by_name_takes_its_connections() {
    let peer = address("192.0.2.1:179").ip();
    let mut acceptor = acceptor();
    for name in ["b", "a", "c"] {
        acceptor.open(entry(name, peer));
    }
    let first = |acceptor: &Acceptor| Arc::clone(&acceptor.entries[&peer][0].name);
    assert_eq!(*first(&acceptor), *"a");
    acceptor.close("a");
    assert_eq!(*first(&acceptor), *"b");
}

#[test]
fn a_link_local_address_is_one_of_its_link() {
    let linked = |scope: u32| address(&format!("[fe80::1%{scope}]:179"));
    let entry = |address| ListenerEntry {
        address,
        ..entry("a", "fe80::1".parse().expect("an address"))
    };
    assert!(entry(linked(2)).is_of(linked(2)));
    assert!(!entry(linked(2)).is_of(linked(3)));
    assert!(entry(linked(0)).is_of(linked(3)));
}

#[test]
fn a_family_that_is_absent_is_no_reason_to_try_again() {
    let error = |address, errno| ListenError {
        address,
        error: io::Error::from_raw_os_error(errno),
    };
    let (v6, v4) = (address("[::]:179"), address("0.0.0.0:179"));
    let mut acceptor = acceptor();
    let absent = error(v6, libc::EAFNOSUPPORT);
    assert_eq!(
        absent.to_string(),
        "cannot listen on address :: port 179: this system has no IPv6"
    );
    assert!(acceptor.take_failure(absent).is_none());
    assert!(acceptor.take_failure(error(v4, libc::EADDRINUSE)).is_some());
}
