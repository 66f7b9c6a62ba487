use proptest::prelude::*;

use super::expression::NAMESPACE_LABEL;
use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn selects(text: &str, pairs: &[(&str, &str)]) -> bool {
    Selector::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .matches(&labels(pairs))
}

const NODE: &[(&str, &str)] = &[
    ("rack", "row-1.rack-a"),
    ("kubernetes.io/hostname", "node1"),
    ("empty", ""),
];

/// Promise 1.6.
#[test]
fn every_operator_when_it_holds() {
    for text in [
        "",
        "   ",
        "all()",
        "all( )",
        "global()",
        "has(rack)",
        "has( kubernetes.io/hostname )",
        "has(empty)",
        "!has(gpu)",
        "! has(gpu)",
        "!!has(rack)",
        "rack == 'row-1.rack-a'",
        "rack==\"row-1.rack-a\"",
        "empty == ''",
        "rack != 'b'",
        "rack in {'b', \"row-1.rack-a\"}",
        "rack not in {'b','c'}",
        "rack not   in {}",
        "rack contains 'rack'",
        "rack starts with 'row-1'",
        "rack starts  with 'row-1'",
        "rack ends with \"-a\"",
        "has(rack)&&kubernetes.io/hostname=='node1'",
        "has(gpu) || has(rack)",
        "(has(gpu) || has(rack)) && !(rack == 'b')",
    ] {
        assert!(selects(text, NODE), "{text}");
    }
}

/// Promise 1.6.
#[test]
fn every_operator_when_it_does_not() {
    for text in [
        "!all()",
        "has(rac)",
        "!has(rack)",
        "rack == 'row-1'",
        "rack != 'row-1.rack-a'",
        "rack in {'b'}",
        "rack in {}",
        "rack not in {'row-1.rack-a'}",
        "rack contains 'RACK'",
        "rack starts with 'rack'",
        "rack ends with 'row'",
        "has(gpu) && has(rack)",
        "!(has(gpu) || has(rack))",
    ] {
        assert!(!selects(text, NODE), "{text}");
    }
}

#[test]
fn only_the_negative_operators_hold_without_the_label() {
    for (text, expected) in [
        ("x == ''", false),
        ("x != 'a'", true),
        ("x in {'a'}", false),
        ("x not in {'a'}", true),
        ("x contains ''", false),
        ("x starts with ''", false),
        ("x ends with ''", false),
    ] {
        assert_eq!(selects(text, &[]), expected, "{text}");
    }
}

/// Promise 1.6.
#[test]
fn and_binds_tighter_than_or() {
    assert!(selects("all() || all() && !all()", &[]));
    assert!(!selects("(all() || all()) && !all()", &[]));
    assert!(selects(
        "!has(a) && has(b) || has(c)",
        &[("a", ""), ("c", "")]
    ));
}

#[test]
fn global_means_not_in_a_namespace() {
    assert!(!selects("global()", &[(NAMESPACE_LABEL, "default")]));
}

#[test]
fn labels_may_look_like_operators() {
    assert!(selects("in == 'a'", &[("in", "a")]));
    assert!(selects("has == 'a'", &[("has", "a")]));
    assert!(selects("not in {'a'}", &[("not", "a")]));
}

#[test]
fn errors_tell_what_was_expected_and_where() {
    for (text, expected, column) in [
        (
            "rack",
            "==, !=, in, not in, contains, starts with or ends with",
            5,
        ),
        (
            "rack = 'a'",
            "==, !=, in, not in, contains, starts with or ends with",
            6,
        ),
        ("rack == a", "a text in quotes", 9),
        ("rack == 'a", "a text whose quotes are closed", 9),
        ("has(", "the name of a label", 5),
        ("has(a", ")", 6),
        ("all(x)", ")", 5),
        ("(all()", "&&, || or )", 7),
        ("all() all()", "&&, || or the end", 7),
        ("all() &&", "a label, has(), all(), global(), ! or (", 9),
        ("a in 'b'", "{", 6),
        ("a in {'b' 'c'}", ", or }", 11),
        ("a in {'b',}", "a text in quotes", 11),
        (
            "\u{e9} == 'a'",
            "a label, has(), all(), global(), ! or (",
            1,
        ),
        (
            "a inx {'b'}",
            "==, !=, in, not in, contains, starts with or ends with",
            3,
        ),
    ] {
        let error = Selector::parse(text).expect_err(text);
        assert_eq!((error.expected, error.column), (expected, column), "{text}");
    }
}

#[test]
fn nesting_is_limited() {
    let nested = |depth| format!("{}all(){}", "(".repeat(depth), ")".repeat(depth));
    assert!(Selector::parse(&nested(64)).is_ok());
    assert!(Selector::parse(&nested(65)).is_err());
    assert!(Selector::parse(&"!".repeat(100_000)).is_err());
    assert!(Selector::parse(&"(".repeat(100_000)).is_err());
}

proptest! {
    #[test]
    fn never_panics(text in ".{0,60}") {
        let _ = Selector::parse(&text);
    }

    #[test]
    fn never_panics_on_what_looks_like_selectors(
        tokens in proptest::collection::vec(
            prop::sample::select(vec!["a", "'b'", "==", "!=", "in", "not", "{", "}", ",", "(", ")", "!", "&&", "||", "has(", "all(", "contains", "starts", "with", "\"", "'"]),
            0..12,
        )
    ) {
        let text = tokens.join(" ");
        if let Ok(selector) = Selector::parse(&text) {
            let negated = Selector::parse(&format!("!({text})"));
            if !text.trim().is_empty() {
                prop_assert_ne!(selector.matches(&BTreeMap::new()), negated.unwrap().matches(&BTreeMap::new()));
            }
        }
    }
}
