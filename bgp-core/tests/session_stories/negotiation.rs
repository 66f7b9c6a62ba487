//! What an OPEN offers, what is refused, and what two OPENs negotiate.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bgp_core::session::config::{GracefulRestart, RoleConfig};
use bgp_core::session::{Negotiated, SessionConfig, State};
use bgp_core::types::Role;
use bgp_core::types::{AfiSafi, Asn, Family, PerFamily, RouterId};
use bgp_core::wire::{
    AddPathDirection, Capability, ErrorCode, ExtraCapability, GracefulRestartFamily,
    InvalidCapability, LongLivedFamily, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN, Message,
    Notification, Open,
};
use bytes::Bytes;

use crate::lone::{Lone, Seen, config, open_of, peer_open, peer_open_with, secs};

const V4: AfiSafi = Family::Ipv4Unicast.afi_safi();
const V6: AfiSafi = Family::Ipv6Unicast.afi_safi();

fn sent_open(change: impl FnOnce(&mut SessionConfig)) -> Open {
    let mut lone = Lone::new(change);
    lone.dial();
    let opens = lone.take().into_iter().filter_map(|seen| match seen {
        Seen::Sent(_, Message::Open(open)) => Some(open),
        _ => None,
    });
    opens.last().expect("an OPEN")
}

fn agreed(change: impl FnOnce(&mut SessionConfig), open: Open) -> Arc<Negotiated> {
    let (lone, _) = Lone::established(change, open);
    lone.session.status().negotiated.expect("Established")
}

fn refused(change: impl FnOnce(&mut SessionConfig), open: Open) -> Notification {
    let mut lone = Lone::new(change);
    let conn = lone.dial();
    lone.receive(conn, Message::Open(open));
    assert_eq!(lone.state(), State::Idle);
    lone.notification(conn)
}

fn both_families(config: &mut SessionConfig) {
    config.families = Family::ALL.to_vec();
}

/// What a Calico node announces: 1, 2, 64, 65, 69, 70, 71; R6793-3-01, R2918-2-01, R8538-2-01.
/// Promise 2.7.
#[test]
fn the_usual_configuration_offers_the_usual_capabilities() {
    let open = sent_open(|config| {
        config.hold_time = secs(240);
        config.add_path = Some(AddPathDirection::Both);
        config.long_lived_stale_time = Some(secs(0));
        config.graceful_restart = Some(GracefulRestart::new(120));
    });
    let expected = Open {
        asn: Asn(64512),
        hold_time: 240,
        router_id: config().router_id,
        capabilities: vec![
            Capability::Multiprotocol(V4),
            Capability::RouteRefresh,
            Capability::GracefulRestart {
                restarting: false,
                notification: false,
                restart_time: 120,
                families: vec![GracefulRestartFamily {
                    family: V4,
                    forwarding_preserved: false,
                }],
            },
            Capability::FourOctetAs(Asn(64512)),
            Capability::AddPath(vec![(V4, AddPathDirection::Both)]),
            Capability::EnhancedRouteRefresh,
            Capability::LongLivedGracefulRestart(vec![]),
        ],
    };
    assert_eq!(open, expected);
}

#[test]
fn everything_that_is_configured_is_offered() {
    let open = sent_open(|config| {
        both_families(config);
        config.extended_messages = true;
        config.extended_next_hop = true;
        config.role = Some(RoleConfig::new(Role::Customer));
        config.graceful_restart = Some(
            GracefulRestart::new(60_000)
                .with_restarting(true)
                .with_notification(true),
        );
        config.long_lived_stale_time = Some(secs(u64::MAX));
        config.fqdn = Some("node-1".into());
        config.software_version = Some("bgp-daemon/0.1.0".into());
    });
    let graceful = |family| GracefulRestartFamily {
        family,
        forwarding_preserved: true,
    };
    let long_lived = |family| LongLivedFamily {
        family,
        forwarding_preserved: true,
        stale_time: 0x00ff_ffff,
    };
    let expected = [
        Capability::Multiprotocol(V4),
        Capability::Multiprotocol(V6),
        Capability::RouteRefresh,
        Capability::ExtendedNextHop(vec![(V4, 2)]),
        Capability::ExtendedMessage,
        Capability::Role(3),
        Capability::GracefulRestart {
            restarting: true,
            notification: true,
            restart_time: 4095,
            families: vec![graceful(V4), graceful(V6)],
        },
        Capability::FourOctetAs(Asn(64512)),
        Capability::EnhancedRouteRefresh,
        Capability::LongLivedGracefulRestart(vec![long_lived(V4), long_lived(V6)]),
        Capability::Fqdn {
            host: "node-1".into(),
            domain: String::new(),
        },
        Capability::SoftwareVersion("bgp-daemon/0.1.0".into()),
    ];
    assert_eq!(open.capabilities, expected);
}

/// R4271-4.2-03: on every connection the same identifier.
#[test]
fn every_connection_gets_the_same_open() {
    let mut lone = Lone::new(|_| {});
    lone.dial();
    lone.accept();
    let opens: Vec<_> = lone
        .take()
        .into_iter()
        .filter_map(|seen| match seen {
            Seen::Sent(_, Message::Open(open)) => Some(open),
            _ => None,
        })
        .collect();
    assert_eq!(opens.len(), 2);
    assert_eq!(opens[0], opens[1]);
}

/// R4271-6.2-02, R6793-9-01, R7607-2-01
#[test]
fn another_as_is_refused() {
    for asn in [64514, 0, 23456] {
        let open = open_of(asn);
        let answer = refused(|_| {}, open.clone());
        assert_eq!((answer.code, answer.subcode), (ErrorCode::OPEN, 2));
        // Not even if somebody configured it.
        if asn != 64514 {
            let answer = refused(|config| config.peer_as = Asn(asn), open);
            assert_eq!((answer.code, answer.subcode), (ErrorCode::OPEN, 2));
        }
    }
}

/// R6286-2.1-01, R6286-2.2-01
#[test]
fn an_equal_identifier_is_refused_inside_one_as_only() {
    let own = RouterId(Ipv4Addr::new(192, 0, 2, 1));
    let open = |asn, router_id| Open {
        asn: Asn(asn),
        router_id,
        capabilities: vec![Capability::Multiprotocol(V4)],
        ..peer_open()
    };
    let internal = |config: &mut SessionConfig| config.peer_as = config.local_as;
    let answer = refused(internal, open(64512, own));
    assert_eq!((answer.code, answer.subcode), (ErrorCode::OPEN, 3));
    let multicast = RouterId(Ipv4Addr::new(224, 0, 0, 1));
    assert_eq!(agreed(internal, open(64512, multicast)).peer_id, multicast);
    assert_eq!(agreed(|_| {}, open(64513, own)).peer_id, own);
}

/// R4271-6.2-01, R4271-6.2-02, R4271-6.2-03, R4271-6.2-04, R4271-6.2-05, R4271-6.2-06: of several faults, the first in the
/// order version, AS, hold time, identifier, parameters is told.
#[test]
fn of_several_faults_in_an_open_the_first_is_told() {
    let internal = |config: &mut SessionConfig| config.peer_as = config.local_as;
    let (own, peers) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let good: [(usize, &[u8]); 4] = [(19, &[4]), (20, &[0xfc, 0]), (22, &[0, 90]), (24, &peers)];
    for (parameters, last) in [(&[2, 9, 0][..], 4), (&[2, 2, 9], 0), (&[9], 0)] {
        for identifier in [[0; 4], own] {
            for (repaired, expected) in [1, 2, 6, 3, last].into_iter().enumerate() {
                let len = 28 + u8::try_from(parameters.len()).unwrap();
                let bad = [&[3, 0, 1, 0, 2], &identifier[..], parameters].concat();
                let mut octets = [&[0xff; 16][..], &[0, len, 1], &bad].concat();
                for (at, value) in good.into_iter().take(repaired) {
                    octets[at..at + value.len()].copy_from_slice(value);
                }
                let mut lone = Lone::new(internal);
                let conn = lone.dial();
                lone.receive_octets(conn, &octets);
                assert_eq!(lone.error(conn), (2, expected), "{octets:?}");
            }
        }
    }
}

/// R4271-6.2-02, R6793-9-01: 23456 without readable parameters says nothing of the AS.
#[test]
fn an_as_that_cannot_be_known_is_not_judged() {
    let mut octets = [0xff; 31];
    octets[16..].copy_from_slice(&[0, 31, 1, 4, 0x5b, 0xa0, 0, 90, 192, 0, 2, 2, 2, 2, 9]);
    let mut lone = Lone::new(|config| config.peer_as = Asn(65536));
    let conn = lone.dial();
    lone.receive_octets(conn, &octets);
    assert_eq!(lone.error(conn), (2, 0));
}

/// R5492-3-01, R5492-4-01
#[test]
fn unknown_and_repeated_capabilities_are_harmless() {
    let open = peer_open_with([
        Capability::Unknown {
            code: 200,
            value: Bytes::from_static(b"?"),
        },
        Capability::Multiprotocol(V4),
        Capability::RouteRefresh,
        Capability::Multiprotocol(AfiSafi { afi: 25, safi: 70 }),
    ]);
    let negotiated = agreed(|_| {}, open.clone());
    assert_eq!(negotiated.received_open, open);
    assert!(negotiated.route_refresh);
}

/// Ours among the others, ascending by code; unsupported capabilities of the peer are reported.
#[test]
fn capabilities_of_the_owner_are_exchanged() {
    let ours = ExtraCapability::new(66, [1, 2]).unwrap();
    let config = |config: &mut SessionConfig| config.extra_capabilities = vec![ours.clone()];
    let unknown = |code, value: &'static [u8]| Capability::Unknown {
        code,
        value: Bytes::from_static(value),
    };
    // A known code with a value that it cannot have is not the owner's business.
    let open = peer_open_with([unknown(239, b"x"), unknown(9, b""), unknown(66, &[3])]);
    let negotiated = agreed(config, open);
    let theirs: Vec<_> = negotiated.unknown_capabilities().collect();
    assert_eq!(theirs, [(239, &b"x"[..]), (66, &[3])]);
    let sent = &negotiated.sent_open.capabilities;
    assert!(sent.contains(&unknown(66, &[1, 2])));
    assert!(sent.is_sorted_by_key(Capability::code));
}

#[test]
fn only_what_is_nobody_elses_is_an_extra_capability() {
    let new = |code, len| ExtraCapability::new(code, vec![0; len]).map(|it| it.value().len());
    for code in [1, 2, 5, 6, 9, 64, 65, 69, 70, 71, 73, 75] {
        assert_eq!(new(code, 0), Err(InvalidCapability::Known(code)));
    }
    assert_eq!(new(239, 256), Err(InvalidCapability::Length(256)));
    assert_eq!(
        (new(239, 255), new(0, 0), new(255, 1)),
        (Ok(255), Ok(0), Ok(1))
    );
}

/// R4760-8-01
#[test]
fn a_family_is_used_if_both_sides_offer_it() {
    let only_v6 = Open {
        capabilities: vec![
            Capability::Multiprotocol(V6),
            Capability::FourOctetAs(Asn(64513)),
        ],
        ..peer_open()
    };
    let families = agreed(both_families, only_v6).context.families;
    assert_eq!((families.ipv4, families.ipv6), (false, true));

    let none = Open {
        capabilities: vec![Capability::FourOctetAs(Asn(64513))],
        ..peer_open()
    };
    let families = agreed(both_families, none).context.families;
    assert_eq!((families.ipv4, families.ipv6), (true, false));
}

/// R5492-5-01
#[test]
fn without_a_common_family_the_missing_ones_are_listed() {
    let only_v6 = |config: &mut SessionConfig| config.families = vec![Family::Ipv6Unicast];
    let answer = refused(only_v6, peer_open());
    assert_eq!((answer.code, answer.subcode), (ErrorCode::OPEN, 7));
    assert_eq!(answer.data, [1, 4, 0, 2, 0, 1].as_slice());
    let none = Open {
        capabilities: vec![],
        ..peer_open()
    };
    assert_eq!(refused(only_v6, none).subcode, 7);
}

/// R6793-3-01
#[test]
fn four_octet_as_needs_both_sides() {
    assert!(agreed(|_| {}, peer_open()).context.four_octet_as);
    let old = Open {
        capabilities: vec![],
        ..peer_open()
    };
    assert!(!agreed(|_| {}, old).context.four_octet_as);
}

/// R7911-5-02, R7911-4-01: of duplicates the last counts.
#[test]
fn additional_paths_flow_where_one_sends_and_the_other_receives() {
    use AddPathDirection::{Both, Receive, Send};
    let cases = [
        (Some(Both), vec![Both], (true, true)),
        (Some(Both), vec![Send], (true, false)),
        (Some(Both), vec![Receive], (false, true)),
        (Some(Send), vec![Send], (false, false)),
        (Some(Send), vec![Both], (false, true)),
        (Some(Receive), vec![Both], (true, false)),
        (None, vec![Both], (false, false)),
        (Some(Both), vec![], (false, false)),
        (Some(Both), vec![Receive, Send], (true, false)),
    ];
    for (ours, peers, (receives, sends)) in cases {
        let tuples = peers.iter().map(|direction| (V4, *direction)).collect();
        let open = peer_open_with([Capability::AddPath(tuples)]);
        let context = agreed(|config| config.add_path = ours, open).context;
        assert_eq!(
            context.add_path_receive.ipv4, receives,
            "{ours:?} {peers:?}"
        );
        assert_eq!(context.add_path_send.ipv4, sends, "{ours:?} {peers:?}");
        assert!(!context.add_path_receive.ipv6 && !context.add_path_send.ipv6);
    }
}

/// R8654-3-01
#[test]
fn long_messages_are_received_if_we_and_sent_if_both_offered_them() {
    let (short, long) = (MAX_MESSAGE_LEN, MAX_EXTENDED_MESSAGE_LEN);
    for (ours, peers, receive, send) in [
        (false, false, short, short),
        (true, false, long, short),
        (false, true, short, short),
        (true, true, long, long),
    ] {
        let open = peer_open_with(peers.then_some(Capability::ExtendedMessage));
        let context = agreed(|config| config.extended_messages = ours, open).context;
        assert_eq!(
            (context.max_receive_len, context.max_send_len),
            (receive, send)
        );
    }
}

/// R8950-4-01
#[test]
fn ipv6_next_hops_need_both_sides() {
    let ours = |config: &mut SessionConfig| config.extended_next_hop = true;
    let listed = || peer_open_with([Capability::ExtendedNextHop(vec![(V6, 9), (V4, 2)])]);
    assert!(agreed(ours, listed()).context.extended_next_hop);
    assert!(!agreed(|_| {}, listed()).context.extended_next_hop);
    assert!(!agreed(ours, peer_open()).context.extended_next_hop);
    let other = peer_open_with([Capability::ExtendedNextHop(vec![(V4, 9)])]);
    assert!(!agreed(ours, other).context.extended_next_hop);
    // Of no use without IPv4 routes.
    let only_v6 = Open {
        capabilities: vec![
            Capability::Multiprotocol(V6),
            Capability::ExtendedNextHop(vec![(V4, 2)]),
        ],
        ..open_of(64513)
    };
    let ours = |config: &mut SessionConfig| {
        both_families(config);
        config.extended_next_hop = true;
    };
    assert!(!agreed(ours, only_v6).context.extended_next_hop);
}

#[test]
fn refresh_and_its_enhanced_form_are_noted() {
    let plain = agreed(|_| {}, peer_open());
    assert!(plain.route_refresh && !plain.context.enhanced_refresh);
    let enhanced = peer_open_with([Capability::EnhancedRouteRefresh]);
    assert!(agreed(|_| {}, enhanced).context.enhanced_refresh);
}

/// R9234-4.2-01
#[test]
fn roles_must_match() {
    let roles = [
        Role::Provider,
        Role::RsServer,
        Role::RsClient,
        Role::Customer,
        Role::Peer,
    ];
    let good = [
        (Role::Provider, 3),
        (Role::Customer, 0),
        (Role::RsServer, 2),
        (Role::RsClient, 1),
        (Role::Peer, 4),
    ];
    for role in roles {
        for code in 0..=5 {
            let ours = |config: &mut SessionConfig| {
                config.role = Some(RoleConfig::new(role));
            };
            let open = peer_open_with([Capability::Role(code)]);
            if good.contains(&(role, code)) {
                agreed(ours, open);
            } else {
                let answer = refused(ours, open);
                assert_eq!((answer.code, answer.subcode), (ErrorCode::OPEN, 11));
            }
        }
    }
}

/// R9234-4.1-01, R9234-4.2-01
#[test]
fn a_missing_role_is_refused_in_strict_mode_only() {
    let ours = |strict| {
        move |config: &mut SessionConfig| {
            config.role = Some(RoleConfig::new(Role::Provider).with_strict(strict));
        }
    };
    agreed(ours(false), peer_open());
    assert_eq!(refused(ours(true), peer_open()).subcode, 11);
    let twice = |second| peer_open_with([Capability::Role(3), Capability::Role(second)]);
    agreed(ours(true), twice(3));
    assert_eq!(refused(ours(false), twice(4)).subcode, 11);
    // Inside one AS there are no roles.
    let internal = |config: &mut SessionConfig| {
        ours(true)(config);
        config.peer_as = config.local_as;
    };
    let open = Open {
        asn: Asn(64512),
        capabilities: vec![Capability::Role(0)],
        ..peer_open()
    };
    agreed(internal, open);
}

#[test]
fn an_internal_peer_is_known_as_such() {
    assert!(agreed(|_| {}, peer_open()).context.external);
    let open = Open {
        asn: Asn(64512),
        capabilities: vec![],
        ..peer_open()
    };
    let internal = agreed(|config| config.peer_as = config.local_as, open);
    assert!(!internal.context.external);
    assert_eq!(internal.graceful_restart, None);
    assert_eq!(internal.long_lived, PerFamily::default());
}

/// A willing peer agrees with all that is asked for, as one that answers with the same.
#[test]
fn a_willing_peer_takes_part_in_everything() {
    let mut ours = config();
    both_families(&mut ours);
    ours.add_path = Some(AddPathDirection::Send);
    ours.extended_messages = true;
    ours.extended_next_hop = true;
    ours.role = Some(RoleConfig::new(Role::Provider).with_strict(true));
    let peer = RouterId(Ipv4Addr::new(192, 0, 2, 77));
    let agreed = ours.negotiated_with_willing_peer(peer).expect("agreement");
    let context = agreed.context;
    let all = PerFamily {
        ipv4: true,
        ipv6: true,
    };
    assert_eq!((context.families, context.add_path_send), (all, all));
    assert_eq!(context.add_path_receive, PerFamily::default());
    assert!(context.extended_next_hop && context.four_octet_as && context.external);
    assert_eq!(context.max_send_len, MAX_EXTENDED_MESSAGE_LEN);
    assert_eq!((agreed.peer_id, agreed.peer_as), (peer, ours.peer_as));
    let offered = &agreed.received_open.capabilities;
    assert!(offered.contains(&Capability::Role(Role::Customer as u8)));
    ours.families.clear();
    let refused = ours.negotiated_with_willing_peer(peer);
    assert_eq!(refused.expect_err("no family").subcode, 7);
}
