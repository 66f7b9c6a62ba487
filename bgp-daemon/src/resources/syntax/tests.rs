use proptest::prelude::*;
use serde_json::json;

use crate::resources::limits::{MAX_DOCUMENT, MAX_NESTED, MAX_NODES};
use crate::resources::{Tree, parse};

/// Text, line and column of the error in it, and its message.
#[rustfmt::skip]
const BROKEN: &[(&str, usize, usize, &str)] = &[
    ("a: 1\n\tb: 2\n", 2, 1, "a tab stands where only blanks may indent"),
    ("a: |\n\tx\n", 2, 1, "a tab stands where only blanks may indent"),
    ("a: 1\n  b: 2\n", 2, 4, "a : cannot stand here; a text with a : needs quotes"),
    ("a: b: c", 1, 5, "a : cannot stand here; a text with a : needs quotes"),
    ("a:\n    b: 1\n  c: 2\n", 3, 3, "expected another key of the mapping, or a line that is indented less"),
    ("a: 1\n- b", 2, 3, "expected another key of the mapping, or a line that is indented less"),
    ("- a\nb: 1", 2, 1, "expected another - of the list, or a line that is indented less"),
    ("a: - b", 1, 4, "a list with - cannot begin here; it needs a line of its own"),
    ("a: [\n- a\n]", 2, 1, "a list with - stands within brackets or braces"),
    ("a: 1\nb\nc: 2\n", 2, 1, "a key has no : behind it"),
    ("a: |\nx", 2, 1, "a key has no : behind it"),
    ("a: [1, 2", 1, 4, "a list has [ and no ]"),
    ("a: {b: 1\nc: 2", 2, 2, "expected , or } of a mapping that began with {"),
    ("a: {{}", 1, 4, "a mapping has { and no }"),
    ("a: {b: 1]", 1, 4, "a mapping that began with { ends with ]"),
    ("a: [1}", 1, 4, "a list that began with [ ends with }"),
    ("a: ]", 1, 4, "a ] or } closes nothing"),
    ("[1,,2]", 1, 4, "a value is missing, or a [ or { is not closed"),
    ("{,}", 1, 2, "a value is missing, or a [ or { is not closed"),
    ("{\"a\" 1}", 1, 6, "something follows the quote that ends a text"),
    ("a: 'x", 1, 4, "a text begins with a quote and does not end with one"),
    ("a: \"x\nb: 1\n", 1, 4, "a text begins with a quote and does not end with one"),
    ("a: 'x' y", 1, 8, "something follows the quote that ends a text"),
    ("a: 'x'#y", 1, 7, "a comment (#) needs a blank before it"),
    ("a: \"x\n---\ny\"", 1, 4, "a line of --- or ... stands within a text in quotes"),
    ("a: \"\\q\"", 1, 4, "a text in double quotes has an escape (\\) that YAML does not know"),
    ("a: \"\\x1\"", 1, 4, "a text in double quotes has an escape (\\) that YAML does not know"),
    ("a: \"\\ud800\"", 1, 4, "a text in double quotes has an escape (\\) that is no character"),
    ("a: \"\\U00110000\"", 1, 4, "a text in double quotes has an escape (\\) that is no character"),
    ("a: *nobody", 1, 4, "an alias names no anchor that stands before it"),
    ("a: &x [*x]", 1, 8, "an alias stands inside of what it is an alias of"),
    ("a: & b", 1, 4, "an anchor (&) or alias (*) has no name"),
    ("a: 1\na: 2", 2, 1, "the key a stands here twice"),
    ("\"\\e[31m\": 1\n\"\\e[31m\": 2", 2, 1, "the key \\u{1b}[31m stands here twice"),
    ("<<: 1", 1, 5, "the merge key << takes nothing but mappings"),
    ("a: 1\0b: 2", 1, 5, "the character \\u{0} cannot stand here"),
    ("a: \u{7f}", 1, 4, "the character \\u{7f} cannot stand here"),
    ("a: @b", 1, 4, "a text that begins with @ needs quotes"),
    ("a: %x", 1, 4, "a text that begins with % needs quotes"),
    ("a: 1\n\u{feff}b: 2\n", 2, 1, "a byte order mark stands within the text"),
    ("a: !!binary x", 1, 13, "!!binary is not base64"),
    ("a: !!int x", 1, 10, "a value is not what its tag says"),
    ("a: !<x", 1, 4, "a tag (!) is not well-formed"),
    ("a: !e!x 1", 1, 4, "a tag (!) is not well-formed"),
    ("a: .inf", 1, 4, ".inf is no number that JSON has"),
    ("a: 1e999", 1, 4, "1e999 is no number that JSON has"),
    ("? [a]\n: b", 1, 3, "a key must be a text"),
    ("~: 1", 1, 1, "a key must be a text"),
    ("a: 1\n...\nb: 2", 3, 1, "something follows the end of the document; another one needs a line of --- before it"),
    ("a: 1\n... x\n", 2, 5, "something follows the ... that ends a document"),
    ("a: |0\n  x", 1, 4, "nothing but + - and a number may follow | or > on their line"),
    ("%YAML 9.9\n---\na", 1, 1, "a line that begins with % is not %YAML or %TAG as they must be"),
];

#[test]
fn every_error_has_a_place_and_a_sentence_of_ours() {
    for (text, line, column, expected) in BROKEN {
        let error = Tree::parse(text).expect_err(text);
        let found = (error.place.line, error.place.column, error.message.as_str());
        let expected = format!("not valid YAML: {expected}");
        assert_eq!(found, (*line, *column, expected.as_str()), "{text:?}");
    }
}

#[test]
fn what_is_too_much_is_said_with_its_limit() {
    let deep = "[".repeat(MAX_NESTED + 1) + &"]".repeat(MAX_NESTED + 1);
    let many = format!("[{}]", "1,".repeat(MAX_NODES));
    let long = " ".repeat(MAX_DOCUMENT + 1);
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let before = format!("*a{}", n - 1);
        laughs += &format!("a{n}: &a{n} [{}]\n", [before.as_str(); 10].join(", "));
    }
    for (text, expected) in [
        (&deep, "not valid YAML: values are nested more than 32 deep"),
        (
            &many,
            "not valid YAML: a document has at most 500000 values",
        ),
        (
            &laughs,
            "not valid YAML: the aliases of a document stand for more than 20000 values",
        ),
        (&long, "is left out: a document has at most 4 MiB"),
    ] {
        assert_eq!(
            Tree::parse(text).expect_err("it is too much").message,
            expected
        );
    }
}

#[test]
fn what_looks_odd_and_is_right_is_read() {
    for (text, expected) in [
        ("{\"a\": [1, 2,],}", json!({"a": [1, 2]})),
        ("a: 1\r\nb: x\r\n", json!({"a": 1, "b": "x"})),
        ("a: 1\rb: 2\r", json!({"a": 1, "b": 2})),
        (
            "x: &x {a: 1}\ny:\n  <<: *x\n  b: 2\n",
            json!({"x": {"a": 1}, "y": {"a": 1, "b": 2}}),
        ),
        ("a: !mine 1", json!({"a": 1})),
        ("1: 2", json!({"1": 2})),
    ] {
        let tree = Tree::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
        assert_eq!(tree.to_value(), expected);
    }
}

const GOOD: [&str; 2] = [
    r#"apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata:
  name: tor
  labels: {rack: 'a', "zone": b}
spec:
  peerIP: "192.0.2.1"   # the rack
  asNumber: 64512
  keepOriginalNextHop: true
  nodeSelector: rack == 'a'
  password: &p
    secretKeyRef: {name: x, key: "k\u0031"}
  filters:
  - a
  - !!str 1
---
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: f}
spec:
  importV4:
  - action: Accept
    cidr: 10.0.0.0/8
    matchOperator: In
    prefixLength: {min: 8, max: 24}
    operations:
    - addCommunity: {value: "1:2"}
    - setPriority: {value: 7}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: d}
spec:
  clusterIPs: [10.0.0.1]
  type: ClusterIP
"#,
    r#"{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": "p"},
   "spec": {"cidr": "10.0.0.0/16", "blockSize": 26, "disabled": false, "allowedUses": ["Workload"]}},
  {"apiVersion": "projectcalico.org/v3", "kind": "BGPConfiguration", "metadata": {"name": "default"},
   "spec": {"listenPort": 179, "asNumber": 64512, "serviceClusterIPs": [{"cidr": "10.96.0.0/12"}], "bindMode": "NodeIP"}},
  {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Zg=="}}
]}"#,
];

/// What the libraries say and we do not. Texts of the documents are in quotes, and left out.
const THEIR_WORDS: [&str; 24] = [
    "while parsing",
    "while scanning",
    "did not find",
    "scalar",
    "flow ",
    "block sequence",
    "token",
    "invalid type",
    "invalid value",
    "invalid length",
    "missing field",
    "unknown variant",
    "serde",
    "deseriali",
    "struct ",
    "enum ",
    " u8",
    " u16",
    " u32",
    " i32",
    "usize",
    "budget",
    "policy",
    "eof",
];

fn damage() -> impl Strategy<Value = (prop::sample::Index, u8, String)> {
    (
        any::<prop::sample::Index>(),
        0..12_u8,
        "[-:{}\\[\\],&*!|>'\"%@`#?\\\\\t\n\r\0 ~<=.0-9a\u{feff}\u{e9}]{0,3}",
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// For a damaged text, every message is ours, and has a location in the text.
    #[test]
    fn no_word_of_a_library_shows_through(which in 0..GOOD.len(), damages in prop::collection::vec(damage(), 1..4)) {
        let mut text: Vec<char> = GOOD[which].chars().collect();
        for (at, length, with) in damages {
            let start = at.index(text.len() + 1);
            let end = text.len().min(start + usize::from(length));
            text.splice(start..end, with.chars());
        }
        let text: String = text.into_iter().collect();
        for problem in parse("x.yaml", &text).problems {
            let reason = problem.reason.to_lowercase();
            let ours: String = reason.split('"').step_by(2).collect();
            for word in THEIR_WORDS {
                prop_assert!(!ours.contains(word), "{problem}\n{text}");
            }
            let place = problem.location.as_ref().expect("it has a place");
            // To YAML, a carriage return by itself ends a line too.
            let lines = text.split(['\n', '\r']).count();
            prop_assert!((1..=lines + 1).contains(&place.line) && place.column > 0, "{problem}\n{text}");
            prop_assert!(!problem.to_string().contains(['\n', '\r', '\0', '\u{1b}']), "{problem:?}");
        }
    }
}
