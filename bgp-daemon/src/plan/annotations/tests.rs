use super::*;

fn read_all(pairs: &[(&str, &str)]) -> (Annotations, Vec<String>) {
    let annotations = pairs
        .iter()
        .map(|(k, v)| (format!("{PREFIX}{k}"), (*v).to_owned()));
    let metadata = Metadata {
        annotations: annotations.collect(),
        ..Metadata::default()
    };
    let mut problems = Vec::new();
    let read = Annotations::read(&metadata, "BGPPeer/tor", &mut problems);
    (read, problems.iter().map(ToString::to_string).collect())
}

/// Promise 2.6.
#[test]
fn defaults_are_those_of_the_replaced_speaker() {
    let options = Annotations::default().options(Family::Ipv6Unicast);
    assert_eq!(options.hold_time.as_secs(), 240);
    assert_eq!(options.connect_retry_time.as_secs(), 5);
    assert_eq!(options.families, [Family::Ipv6Unicast]);
    assert_eq!(options.add_path, Some(AddPathDirection::Both));
    assert!(!options.extended_messages && !options.extended_next_hop);
    assert_eq!((options.role, options.max_prefixes), (None, None));
    assert_eq!(options.long_lived_stale_time, None);
    assert_eq!(options.on_stop, OnStop::Auto);
}

/// Promise 2.11.
#[test]
fn every_annotation_is_read() {
    let (read, problems) = read_all(&[
        ("hold-time", "9s"),
        ("connect-retry-time", "500ms"),
        ("passive", "true"),
        ("families", "ipv6-unicast, ipv4-unicast"),
        ("add-path", "off"),
        ("extended-messages", "true"),
        ("extended-next-hop", "true"),
        ("graceful-restart-notification", "true"),
        ("role", "rs-client-strict"),
        ("max-prefixes", "1000"),
        ("long-lived-stale-time", "1h"),
        ("on-stop", "withdraw"),
        ("require-password", "true"),
        ("bfd", "50ms/100ms/4"),
        ("bfd-strict", "true"),
    ]);
    assert_eq!(problems, [] as [String; 0]);
    assert_eq!(read.passive(), Some(true));
    let options = read.options(Family::Ipv4Unicast);
    assert_eq!(options.hold_time.as_secs(), 9);
    assert_eq!(options.families, Family::ALL);
    assert_eq!(options.add_path, None);
    assert!(options.graceful_restart_notification);
    assert_eq!(
        options.role,
        Some(RoleConfig::new(Role::RsClient).with_strict(true))
    );
    assert_eq!(options.max_prefixes, Some(1000));
    assert_eq!(
        options.long_lived_stale_time,
        Some(Duration::from_secs(3600))
    );
    assert_eq!(options.on_stop, OnStop::Withdraw);
    assert!(read.require_password());
    assert_eq!(read.bfd(), Some(BfdTimers::from_text("50ms/100ms/4")));
    assert!(read.bfd_strict());
}

#[test]
fn a_bad_value_is_a_problem_and_the_rest_works() {
    for (name, bad) in [
        ("hold-time", "2s"),
        ("hold-time", "3.5s"),
        ("hold-time", "65536s"),
        ("connect-retry-time", "0"),
        ("passive", "yes"),
        ("families", ""),
        ("families", "ipv4-unicast,l2vpn"),
        ("add-path", "all"),
        ("role", "strict"),
        ("max-prefixes", "-1"),
        ("long-lived-stale-time", "16777216s"),
        ("bfd", "maybe"),
        ("bfd", "300/300/3"),
        ("bfd-strict", "on"),
        ("on-stop", "stay"),
        ("require-password", "1"),
        ("hold", "9s"),
    ] {
        let (read, problems) = read_all(&[(name, bad), ("extended-messages", "true")]);
        assert_eq!(problems.len(), 1, "{name}: {bad}");
        assert!(
            problems[0].starts_with(&format!(
                "BGPPeer/tor: metadata.annotations.bgp-daemon.io/{name}: "
            )),
            "{}",
            problems[0]
        );
        let expected = Annotations {
            extended_messages: Some(true),
            ..Annotations::default()
        };
        assert_eq!(read, expected, "{name}: {bad}");
    }
}

#[test]
fn annotations_that_are_nearly_ours_are_named() {
    for (key, is_named) in [
        ("bgpdaemon.io/hold-time", true),
        ("bgp-deamon.io/hold-time", true),
        ("hold-time", true),
        ("example.org/hold-time", false),
        ("bgp-deamon.io/other", false),
        ("other", false),
    ] {
        let metadata = Metadata {
            annotations: [(key.to_owned(), "9s".to_owned())].into(),
            ..Metadata::default()
        };
        let mut problems = Vec::new();
        let read = Annotations::read(&metadata, "BGPPeer/tor", &mut problems);
        assert_eq!(read, Annotations::default());
        let hint = "has no effect (did you mean bgp-daemon.io/hold-time?)";
        let named = problems.iter().any(|problem| problem.reason == hint);
        assert_eq!(named, is_named, "{key}: {problems:?}");
    }
}

#[test]
fn what_was_meant_is_suggested() {
    for (name, value, meant) in [
        ("hold-tme", "9s", Some("hold-time")),
        ("passive", "True", Some("true")),
        ("role", "provder", Some("provider")),
        ("add-path", "recieve", Some("receive")),
        ("families", "ipv4_unicast", Some("ipv4-unicast")),
        ("on-stop", "withdrawn", Some("withdraw")),
        ("on-stop", "stay", None),
        ("hold-time", "soon", None),
    ] {
        let (_, problems) = read_all(&[(name, value)]);
        let meant = meant.map(|meant| format!(" (did you mean {meant}?)"));
        let meant = meant.unwrap_or_default();
        assert!(problems[0].ends_with(&meant), "{}", problems[0]);
        assert_eq!(
            problems[0].contains("did you mean"),
            !meant.is_empty(),
            "{}",
            problems[0]
        );
    }
}

/// Promise 2.11.
#[test]
fn the_nearer_object_wins_each_annotation_by_itself() {
    let (peer, _) = read_all(&[("on-stop", "auto"), ("hold-time", "30s")]);
    let (global, _) = read_all(&[("on-stop", "keep"), ("add-path", "receive")]);
    let options = peer.or(global).options(Family::Ipv4Unicast);
    assert_eq!(options.on_stop, OnStop::Auto);
    assert_eq!(options.hold_time.as_secs(), 30);
    assert_eq!(options.add_path, Some(AddPathDirection::Receive));
}
