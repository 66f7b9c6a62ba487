use proptest::prelude::*;

use super::*;

fn query(line: &str) -> Query {
    match parse(line, Family::Ipv4Unicast) {
        Ok(ControlCommand::Query(query)) => query,
        other => panic!("{line:?} gave {other:?}"),
    }
}

fn reason(line: &str) -> String {
    parse(line, Family::Ipv4Unicast)
        .expect_err("a syntax error")
        .to_string()
}

fn routes(query: RouteQuery) -> Query {
    Query::Routes(query)
}

fn named(name: &str) -> NamePattern {
    NamePattern::exactly(name)
}

#[test]
fn commands_of_the_readers() {
    let protocols = |name, all| Query::Protocols { name, all };
    assert_eq!(query("show status"), Query::Status);
    assert_eq!(
        query("show protocols"),
        protocols(NamePattern::any(), false)
    );
    assert_eq!(
        query("show protocols all"),
        protocols(NamePattern::any(), true)
    );
    assert_eq!(
        query("show protocols all Mesh_10_0_0_2"),
        protocols(named("Mesh_10_0_0_2"), true)
    );
    assert_eq!(query("show interfaces"), Query::Interfaces);
    assert_eq!(query("show memory"), Query::Memory);
    assert_eq!(query("show snapshot"), Query::Snapshot);
    assert_eq!(query("configure"), Query::Configure);
    assert_eq!(query("configure soft"), Query::Configure);
    assert_eq!(query("enable Mesh_1"), Query::Enable(named("Mesh_1")));
    assert_eq!(query("disable all"), Query::Disable(NamePattern::any()));
    assert_eq!(query("restart Mesh_1"), Query::Restart(named("Mesh_1")));
    assert_eq!(
        query("reload in Mesh_1"),
        Query::Reload {
            name: named("Mesh_1"),
            direction: ReloadDirection::In
        }
    );
    assert_eq!(
        parse("restrict", Family::Ipv6Unicast),
        Ok(ControlCommand::Restrict)
    );
}

#[test]
fn words_of_a_command_may_be_cut_while_they_are_unique() {
    assert_eq!(query("sh st"), Query::Status);
    assert_eq!(query("  s   pr  "), query("show protocols"));
    assert_eq!(query("c"), Query::Configure);
    assert_eq!(
        reason("re x"),
        "syntax error, `re` may be `reload` or `restart`"
    );
    assert_eq!(
        reason("show s"),
        "syntax error, `s` may be `snapshot` or `status`"
    );
}

#[test]
fn routes_by_every_option() {
    let net = |text: &str| text.parse::<IpNet>().expect("a prefix");
    let default = RouteQuery::default();
    assert_eq!(query("show route"), routes(default.clone()));
    assert_eq!(
        query("show route 10.0.0.0/8 all"),
        routes(RouteQuery {
            selection: RouteSelection::Exact(net("10.0.0.0/8")),
            all: true,
            ..default.clone()
        })
    );
    assert_eq!(
        query("show route for 10.1.2.3 primary table master"),
        routes(RouteQuery {
            selection: RouteSelection::For(net("10.1.2.3/32")),
            primary: true,
            ..default.clone()
        })
    );
    assert_eq!(
        query("show route all export Mesh_1 protocol kernel1"),
        routes(RouteQuery {
            export: Some("Mesh_1".to_owned()),
            protocol: Some("kernel1".to_owned()),
            all: true,
            ..default
        })
    );
}

#[test]
fn mistakes_are_named() {
    for (line, expected) in [
        ("", "syntax error, a command is missing"),
        ("show", "syntax error, a command is missing"),
        (
            "sing",
            "syntax error, unexpected `sing`: there are configure, disable, enable, reload, restart, restrict, show",
        ),
        (
            "show all",
            "syntax error, unexpected `all`: there are bfd, interfaces, memory, protocols, route, snapshot, status",
        ),
        ("show status now", "syntax error, unexpected `now`"),
        ("show route all all", "syntax error, unexpected `all`"),
        (
            "show route 10.0.0.0/8 10.0.0.0/8",
            "syntax error, unexpected `10.0.0.0/8`",
        ),
        ("show route table other", "syntax error, unexpected `table`"),
        (
            "show route export",
            "syntax error, a protocol name is missing",
        ),
        (
            "show route 10.0.0.1/8",
            "syntax error, invalid prefix `10.0.0.1/8`, it has host bits",
        ),
        (
            "show route for fd00::1",
            "syntax error, `fd00::1` is of the other address family",
        ),
        (
            "show protocols \"Mesh",
            "syntax error, a quotation mark is not closed",
        ),
        ("enable", "syntax error, a protocol name is missing"),
        ("\"show\" status", "syntax error, unexpected `show`"),
    ] {
        assert_eq!(reason(line), expected, "{line:?}");
    }
}

#[test]
fn patterns_match_whole_names() {
    let Query::Protocols { name, .. } = query("show protocols \"Mesh_*_2?\"") else {
        panic!("not a query for protocols");
    };
    assert!(name.matches("Mesh_10_0_0_20"));
    assert!(!name.matches("Mesh_10_0_0_2"));
    assert!(!name.matches("Global_10_0_0_20"));
    let star = query("show protocols *");
    assert_eq!(
        star,
        Query::Protocols {
            name: named("*"),
            all: false
        },
        "only quoted text is a pattern"
    );
}

#[test]
fn only_changes_are_forbidden_to_a_restricted_connection() {
    for line in [
        "configure",
        "enable x",
        "disable x",
        "restart x",
        "reload x",
    ] {
        assert!(query(line).changes_something(), "{line}");
    }
    for line in [
        "show status",
        "show protocols",
        "show route",
        "show snapshot",
    ] {
        assert!(!query(line).changes_something(), "{line}");
    }
}

proptest! {
    #[test]
    fn any_line_is_a_command_or_a_syntax_error(line in "\\PC*", family in any::<bool>()) {
        let family = if family { Family::Ipv4Unicast } else { Family::Ipv6Unicast };
        if let Err(error) = parse(&line, family) {
            prop_assert!(error.to_string().starts_with("syntax error, "));
        }
    }

    #[test]
    fn any_words_of_ours_are_a_command_or_a_syntax_error(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "show", "sh", "route", "protocols", "all", "for", "10.0.0.0/8", "export", "x",
                "\"", "\"*\"", "reload", "in", "table", "master", "primary", "::/0",
            ]),
            0..8,
        )
    ) {
        let _ = parse(&words.join(" "), Family::Ipv4Unicast);
    }

    #[test]
    fn a_star_matches_every_name(name in "\\PC{0,40}") {
        prop_assert!(NamePattern::any().matches(&name));
    }

    #[test]
    fn wildcards_agree_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
        fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) => {
                    by_definition(rest, text)
                        || text.split_first().is_some_and(|(_, more)| by_definition(pattern, more))
                }
                (Some((b'?', rest)), Some((_, more))) => by_definition(rest, more),
                (Some((p, rest)), Some((t, more))) => p == t && by_definition(rest, more),
                _ => false,
            }
        }
        prop_assert_eq!(
            wildcard_match(pattern.as_bytes(), text.as_bytes()),
            by_definition(pattern.as_bytes(), text.as_bytes())
        );
    }
}
