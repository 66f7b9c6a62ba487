//! OPEN and its capabilities.

mod wire_support;

use bgp_core::types::{AfiSafi, Asn, RouterId};
use bgp_core::wire::{
    AddPathDirection, Capability, Context, Frame, GracefulRestartFamily, LongLivedFamily, Message,
    MessageError, MessageType, Open,
};
use bytes::{Bytes, BytesMut};
use wire_support::{frame, numbers, refused};

const IPV4: AfiSafi = AfiSafi { afi: 1, safi: 1 };
const IPV6: AfiSafi = AfiSafi { afi: 2, safi: 1 };

/// Version 4, AS 64512, hold time 90 s, identifier 10.0.0.1, then these octets.
fn open(parameters: &[u8]) -> Frame {
    let fixed = [4, 0xfc, 0, 0, 90, 10, 0, 0, 1];
    frame(MessageType::OPEN, &[&fixed, parameters].concat())
}

/// An OPEN with one parameter of capabilities.
fn with_capabilities(capabilities: &[u8]) -> Frame {
    let len = u8::try_from(capabilities.len()).expect("a parameter");
    open(&[&[len + 2, 2, len], capabilities].concat())
}

fn read(frame: Frame) -> Open {
    match Message::decode(frame, &Context::default()) {
        Ok(Message::Open(open)) => open,
        other => panic!("not an OPEN: {other:?}"),
    }
}

fn refuse(frame: Frame) -> MessageError {
    refused(frame, &Context::default())
}

fn written(open: &Open) -> BytesMut {
    let mut out = BytesMut::new();
    Message::Open(open.clone()).encode(&Context::default(), &mut out);
    out
}

fn read_back(open: &Open) -> Open {
    read(Frame {
        kind: MessageType::OPEN,
        bytes: written(open).freeze(),
    })
}

/// R4271-6.2-01.
#[test]
fn r4271_6_2_01_version() {
    for version in [0, 3, 5] {
        let mut body = [version, 0xfc, 0, 0, 1, 0, 0, 0, 0, 9];
        let error = refuse(frame(MessageType::OPEN, &body));
        assert_eq!(numbers(&error.notification), (2, 1));
        assert_eq!(&error.notification.data[..], [0, 4]);
        body[0] = 4;
        let error = refuse(frame(MessageType::OPEN, &body));
        assert_eq!(numbers(&error.notification), (2, 6), "then the next check");
    }
}

/// R4271-6.2-03, R4271-4.2-02.
#[test]
fn r4271_6_2_03_hold_time() {
    let with_hold_time = |hold_time: u8| {
        frame(
            MessageType::OPEN,
            &[4, 0xfc, 0, 0, hold_time, 10, 0, 0, 1, 0],
        )
    };
    for hold_time in [1, 2] {
        let error = refuse(with_hold_time(hold_time));
        assert_eq!(numbers(&error.notification), (2, 6));
    }
    for hold_time in [0, 3, 255] {
        assert_eq!(read(with_hold_time(hold_time)).hold_time, hold_time.into());
    }
}

/// R4271-6.2-04, R6286-2.1-01, R6286-2.2-01.
#[test]
fn r6286_2_1_01_identifier() {
    let with_identifier = |identifier: [u8; 4]| {
        frame(
            MessageType::OPEN,
            &[&[4, 0xfc, 0, 0, 90], &identifier[..], &[0]].concat(),
        )
    };
    let error = refuse(with_identifier([0; 4]));
    assert_eq!(numbers(&error.notification), (2, 3));
    for identifier in [[224, 0, 0, 1], [255; 4], [0, 0, 0, 1]] {
        assert_eq!(
            read(with_identifier(identifier)).router_id,
            RouterId(identifier.into())
        );
    }
}

/// R4271-6.2-05.
#[test]
fn r4271_6_2_05_unknown_parameter() {
    for kind in [0, 1, 3, 254] {
        let error = refuse(open(&[2, kind, 0]));
        assert_eq!(numbers(&error.notification), (2, 4));
        let error = refuse(open(&[5, 2, 0, kind, 1, 9]));
        assert_eq!(numbers(&error.notification), (2, 4));
        assert_eq!(error.offset, 31);
    }
}

/// R4271-6.2-06, R4271-6.2-07, R5492-4-02.
#[test]
fn r4271_6_2_06_malformed_parameters() {
    let malformed: [&[u8]; 9] = [
        &[1],
        &[1, 2],
        &[2, 2, 1],
        &[4, 2, 2, 2],
        &[2, 2, 0, 0],
        &[3, 2, 0],
        &[3, 2, 1, 64],
        &[4, 2, 2, 64, 1],
        &[6, 2, 4, 2, 0, 64, 9],
    ];
    for parameters in malformed {
        let error = refuse(open(parameters));
        assert_eq!(numbers(&error.notification), (2, 0), "{parameters:?}");
    }
}

/// R9072-2-01, R9072-2-02: the form is read whatever the one-octet length says, for short parameters too.
#[test]
fn r9072_2_01_extended_parameters() {
    for ignored in [255, 1, 4] {
        let extended = open(&[ignored, 255, 0, 9, 2, 0, 2, 2, 0, 2, 0, 1, 99]);
        let error = refuse(extended);
        assert_eq!(numbers(&error.notification), (2, 0));
        let extended = open(&[ignored, 255, 0, 11, 2, 0, 2, 2, 0, 2, 0, 3, 99, 1, 7]);
        let unknown = Capability::Unknown {
            code: 99,
            value: Bytes::from_static(&[7]),
        };
        let expected = [Capability::RouteRefresh, unknown];
        assert_eq!(read(extended).capabilities, expected);
    }
    assert_eq!(read(open(&[255, 255, 0, 0])).capabilities, []);
}

/// R9072-2-03.
#[test]
fn r9072_2_03_extended_lengths_beyond_the_message() {
    let malformed: [&[u8]; 6] = [
        &[255, 255],
        &[255, 255, 0],
        &[255, 255, 0, 1],
        &[255, 255, 0, 3, 2, 0, 1],
        &[255, 255, 0, 2, 2, 0],
        &[255, 255, 0, 0, 0],
    ];
    for parameters in malformed {
        let error = refuse(open(parameters));
        assert_eq!(numbers(&error.notification), (2, 0), "{parameters:?}");
    }
}

/// R9072-3-01.
#[test]
fn r9072_3_01_type_255_in_another_place() {
    let error = refuse(open(&[4, 2, 0, 255, 0]));
    assert_eq!(numbers(&error.notification), (2, 4));
    let error = refuse(open(&[255, 255, 0, 6, 2, 0, 0, 255, 0, 0]));
    assert_eq!(numbers(&error.notification), (2, 4));
}

/// R9072-2-02: written only if the plain form has no room.
#[test]
fn r9072_2_02_extended_form_is_sent_when_needed() {
    let with_value = |len: usize| Open {
        asn: Asn(64512),
        hold_time: 90,
        router_id: RouterId::from_bits(1),
        capabilities: vec![Capability::Unknown {
            code: 99,
            value: vec![1; len].into(),
        }],
    };
    let plain = with_value(251);
    assert_eq!(written(&plain)[28], 255);
    assert_eq!(written(&plain)[29], 2);
    assert_eq!(read_back(&plain), plain);
    let extended = with_value(252);
    assert_eq!(written(&extended)[28..30], [255, 255]);
    assert_eq!(read_back(&extended), extended);
}

/// R8654-4-01: an OPEN is never longer than 4096 octets.
#[test]
fn an_open_is_cut_to_its_limit() {
    let mut long = read(open(&[0]));
    let capability = Capability::Unknown {
        code: 99,
        value: vec![1; 255].into(),
    };
    long.capabilities = vec![capability; 100];
    long.capabilities.push(Capability::RouteRefresh);
    assert!(written(&long).len() <= 4096);
    let read = read_back(&long);
    assert_eq!(
        read.capabilities.len(),
        15 + 1,
        "whole ones, and the small one still fits"
    );
}

/// R5492-3-01, R5492-4-01: unknown ones and repeated ones, in several parameters.
#[test]
fn r5492_4_01_many_parameters() {
    let parameters = [16, 2, 4, 2, 0, 2, 0, 2, 0, 2, 6, 200, 0, 65, 0, 2, 0];
    let error = refuse(open(&parameters));
    assert_eq!(
        numbers(&error.notification),
        (2, 0),
        "an AS number without octets"
    );
    let parameters = [14, 2, 4, 2, 0, 2, 0, 2, 0, 2, 4, 200, 0, 2, 0];
    let unknown = Capability::Unknown {
        code: 200,
        value: Bytes::new(),
    };
    let refresh = Capability::RouteRefresh;
    let expected = [refresh.clone(), refresh.clone(), unknown, refresh];
    assert_eq!(read(open(&parameters)).capabilities, expected);
}

/// R5492-4-03: a known capability of the wrong form is kept as an unknown one.
#[test]
fn r5492_4_03_wrong_inner_length() {
    let wrong: [&[u8]; 16] = [
        &[1, 3, 0, 1, 0],
        &[1, 5, 0, 1, 0, 1, 0],
        &[2, 1, 0],
        &[5, 5, 0, 1, 0, 1, 0],
        &[6, 1, 0],
        &[9, 0],
        &[9, 2, 0, 0],
        &[64, 0],
        &[64, 1, 0],
        &[64, 4, 0, 120, 0, 1],
        &[69, 3, 0, 1, 1],
        &[70, 1, 0],
        &[71, 6, 0, 1, 1, 0, 0, 0],
        &[73, 2, 5, 97],
        &[73, 4, 1, 97, 0, 0],
        &[75, 3, 2, 0xc3, 0x28],
    ];
    for capability in wrong {
        let read = read(with_capabilities(capability));
        let kept = Capability::Unknown {
            code: capability[0],
            value: Bytes::copy_from_slice(&capability[2..]),
        };
        assert_eq!(read.capabilities, [kept], "{capability:?}");
    }
    for capability in [&[65, 0][..], &[65, 2, 0, 1], &[65, 5, 0, 0, 0, 1, 0]] {
        let error = refuse(with_capabilities(capability));
        assert_eq!(numbers(&error.notification), (2, 0));
    }
}

/// R6793-3-01, R6793-9-01: the full AS number counts; AS_TRANS and 0 are for the session to judge.
#[test]
fn r6793_9_01_as_number() {
    assert_eq!(read(open(&[0])).asn, Asn(64512));
    let four_octet = read(with_capabilities(&[65, 4, 0, 1, 0, 0]));
    assert_eq!(four_octet.asn, Asn(65536));
    assert_eq!(written(&four_octet)[20..22], [0x5b, 0xa0]);
    assert_eq!(read_back(&four_octet), four_octet);
    let forgotten = Open {
        capabilities: vec![],
        ..four_octet
    };
    assert_eq!(
        read_back(&forgotten).capabilities,
        [Capability::FourOctetAs(Asn(65536))]
    );
    assert_eq!(read(with_capabilities(&[65, 4, 0, 0, 0, 0])).asn, Asn(0));
}

/// R4724-3-01, R8538-2-01: flags, 12 bits of time, families with the F bit; reserved bits are ignored.
#[test]
fn r4724_3_01_graceful_restart() {
    let octets = [64, 10, 0xf0, 120, 0, 1, 1, 0xff, 0, 2, 1, 0x7f];
    let family = |family, forwarding_preserved| GracefulRestartFamily {
        family,
        forwarding_preserved,
    };
    let expected = Capability::GracefulRestart {
        restarting: true,
        notification: true,
        restart_time: 120,
        families: vec![family(IPV4, true), family(IPV6, false)],
    };
    assert_eq!(read(with_capabilities(&octets)).capabilities, [expected]);
    let aware = Capability::GracefulRestart {
        restarting: false,
        notification: false,
        restart_time: 4095,
        families: vec![],
    };
    let read = read(with_capabilities(&[64, 2, 0x0f, 0xff]));
    assert_eq!(read.capabilities, [aware]);
}

/// R7911-4-01: tuples with other values are ignored.
#[test]
fn r7911_4_01_add_path() {
    let octets = [69, 16, 0, 1, 1, 3, 0, 2, 1, 1, 0, 1, 4, 0, 0, 2, 1, 4];
    let expected = vec![
        (IPV4, AddPathDirection::Both),
        (IPV6, AddPathDirection::Receive),
    ];
    let read = read(with_capabilities(&octets));
    assert_eq!(read.capabilities, [Capability::AddPath(expected)]);
}

/// R8950-4-01.
#[test]
fn r8950_4_01_extended_next_hop() {
    let octets = [5, 12, 0, 1, 0, 1, 0, 2, 0, 1, 1, 0, 0, 2];
    let read = read(with_capabilities(&octets));
    assert_eq!(
        read.capabilities,
        [Capability::ExtendedNextHop(vec![(IPV4, 2)])]
    );
}

/// R9494-3.1-01.
#[test]
fn r9494_3_1_01_long_lived_graceful_restart() {
    let octets = [71, 7, 0, 2, 1, 0x80, 0x01, 0x51, 0x80];
    let expected = LongLivedFamily {
        family: IPV6,
        forwarding_preserved: true,
        stale_time: 86400,
    };
    let read_one = read(with_capabilities(&octets));
    let expected = Capability::LongLivedGracefulRestart(vec![expected]);
    assert_eq!(read_one.capabilities, [expected]);
    let aware = read(with_capabilities(&[71, 0]));
    assert_eq!(
        aware.capabilities,
        [Capability::LongLivedGracefulRestart(vec![])]
    );
}

/// R9234-4.1-01, R8654-3-01, R7313-4-01 and the others whose form is simple.
#[test]
fn simple_capabilities() {
    let octets = [
        1, 4, 0, 2, 0xff, 1, 2, 0, 6, 0, 9, 1, 3, 70, 0, 73, 7, 4, b'n', b'o', b'd', b'e', 1, b'k',
        75, 4, 3, b'1', b'.', b'0',
    ];
    let open = read(with_capabilities(&octets));
    assert_eq!(
        open.to_string(),
        "OPEN AS 64512 identifier 10.0.0.1 hold time 90 s; multiprotocol ipv6-unicast, \
         route-refresh, extended-message, role 3, enhanced-route-refresh, fqdn node.k, \
         software-version 1.0"
    );
    assert_eq!(read_back(&open), open);
}

/// What a capability cannot hold is left out, and the rest can be read.
#[test]
fn too_long_values_are_cut() {
    let cut = |capability: Capability| {
        let mut open = read(open(&[0]));
        open.capabilities = vec![capability];
        read_back(&open).capabilities.remove(0)
    };
    let tuples = vec![(IPV4, AddPathDirection::Both); 100];
    assert_eq!(
        cut(Capability::AddPath(tuples.clone())),
        Capability::AddPath(tuples[..63].into())
    );
    let fqdn = Capability::Fqdn {
        host: "h".repeat(300),
        domain: "d".repeat(300),
    };
    let expected = Capability::Fqdn {
        host: "h".repeat(253),
        domain: String::new(),
    };
    assert_eq!(cut(fqdn), expected);
    let version = Capability::SoftwareVersion("ü".repeat(200));
    assert_eq!(cut(version), Capability::SoftwareVersion("ü".repeat(127)));
}

/// RP-15: what the peer calls itself cannot disturb a terminal.
#[test]
fn rp_15_text_is_escaped() {
    let open = read(with_capabilities(&[75, 4, 3, 0x1b, b'[', b'\n']));
    assert_eq!(
        open.capabilities[0].to_string(),
        "software-version \\u{1b}[\\n"
    );
}
