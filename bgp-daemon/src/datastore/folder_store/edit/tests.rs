use super::*;
use proptest::prelude::*;
use serde_json::json;

fn parse(text: &str) -> Value {
    Tree::parse(text).expect(text).to_value()
}

/// The text after `change`, which must have the meaning that it states.
fn edit(text: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut object = parse(text);
    change(&mut object);
    let (edited, loses_comments) = edited(text, &[], &object).expect("it can be edited");
    assert_eq!(parse(&edited), object, "{edited}");
    assert!(!loses_comments, "{edited}");
    edited
}

const BLOCK: &str = "\
# head
kind: BGPPeer   # a peer
spec:
  # the rack
  peerIP: 192.0.2.1   # its ToR
  filters:   # in order
  - a   # first
  - b

  asNumber: 65001
  # the end of it
metadata: {name: tor, labels: {rack: 'a'}}
";

#[test]
fn only_what_changes_is_written() {
    for (pointer, value, from, to) in [
        ("/spec/asNumber", json!(65002), "65001", "65002"),
        ("/spec/peerIP", json!("fd00::1"), "192.0.2.1", "fd00::1"),
        ("/spec/filters/0", json!("c"), "- a ", "- c "),
        ("/metadata/labels/rack", json!("b, c"), "'a'", "\"b, c\""),
    ] {
        let edited = edit(BLOCK, |object| {
            *object.pointer_mut(pointer).unwrap() = value
        });
        assert_eq!(edited, BLOCK.replace(from, to));
    }
}

#[test]
fn fields_come_and_go_and_comments_stay() {
    let added = edit(BLOCK, |object| object["spec"]["node"] = "a".into());
    assert_eq!(added, BLOCK.replace("65001\n", "65001\n  node: a\n"));
    let removed = edit(BLOCK, |object| {
        object["spec"].as_object_mut().unwrap().remove("peerIP");
    });
    assert_eq!(
        removed,
        BLOCK.replace("  peerIP: 192.0.2.1   # its ToR\n", "")
    );
    for (filters, expected) in [
        (json!(["c"]), "  - c   # first\n"),
        (json!(["a"]), "  - a   # first\n"),
        (json!(["b"]), "  - b\n"),
        (json!(["x", "a", "b"]), "  - x\n  - a   # first\n  - b\n"),
        (json!(["a", "b", "c"]), "  - a   # first\n  - b\n  - c\n"),
        (
            json!(["a", "x", "z", "b"]),
            "  - a   # first\n  - x\n  - z\n  - b\n",
        ),
    ] {
        let list = edit(BLOCK, |object| object["spec"]["filters"] = filters);
        let lines = BLOCK.replace("  - a   # first\n  - b\n", expected);
        assert_eq!(list, lines);
    }
    let mut object = parse(BLOCK);
    object["spec"]["filters"] = json!({"a": 1});
    let (_, loses_comments) = edited(BLOCK, &[], &object).expect("it can be edited");
    assert!(loses_comments, "the comments of the list");
    let flow = edit(BLOCK, |object| {
        object["metadata"]["labels"] = json!({"x": "y"});
        object["metadata"]["annotations"] = json!({"p": "q"});
    });
    assert!(
        flow.starts_with(&BLOCK[..BLOCK.find("metadata").unwrap()]),
        "{flow}"
    );
    assert!(
        flow.contains("name: tor, labels: {x: \"y\"}, annotations: "),
        "{flow}"
    );
}

#[test]
fn json_stays_json() {
    let text = "{\n  \"kind\": \"BGPPeer\",\n  \"spec\": {\"asNumber\": 1, \"node\": \"a\"}\n}\n";
    let edited = edit(text, |object| {
        object["spec"] = json!({"asNumber": 2, "peerIP": "192.0.2.1"});
    });
    assert_eq!(
        edited,
        text.replace("1, \"node\": \"a\"", "2, \"peerIP\": \"192.0.2.1\"")
    );
    serde_json::from_str::<Value>(&edited).expect("JSON");
}

#[test]
fn lists_of_objects_keep_the_comments_of_those_that_stay() {
    let text = "rules:\n# one\n- a: 1 # x\n  b: 2\n# two\n- a: 3 # y\n\n# three\n- a: 4\nz: 1\n";
    let removed = edit(text, |object| {
        drop(object["rules"].as_array_mut().unwrap().remove(1))
    });
    assert_eq!(removed, text.replace("- a: 3 # y\n", ""));
    let added = edit(text, |object| {
        object["rules"]
            .as_array_mut()
            .unwrap()
            .push(json!({"a": 5, "b": [6]}))
    });
    assert_eq!(
        added,
        text.replace("- a: 4\n", "- a: 4\n- a: 5\n  b:\n  - 6\n")
    );
}

#[test]
fn what_is_in_braces_stays_in_braces() {
    let text = "{\"a\": [1, 2], \"b\": {\"c\": \"x\"}}\n";
    let edited = edit(text, |object| {
        object["a"] = json!([1, 2, {"d": 3}]);
        object["b"]["c"] = json!([]);
    });
    assert_eq!(edited, "{\"a\": [1,2,{\"d\":3}], \"b\": {\"c\": []}}\n");
    let edited = edit("a: [x, y] # both\n", |object| object["a"] = json!(["y"]));
    assert_eq!(edited, "a: [\"y\"] # both\n");
}

#[test]
fn an_item_of_a_list_is_changed_alone() {
    let text = "kind: List\nitems:\n- a: 1 # one\n  b: 2\n- a: 3 # three\n# end\n";
    let (edited, _) = edited(text, &[0], &json!({"a": 7, "b": 2, "c": 3})).expect("it can");
    assert_eq!(
        edited,
        text.replace("a: 1", "a: 7")
            .replace("  b: 2\n", "  b: 2\n  c: 3\n")
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[-a-z0-9.:, #'\"{}]{1,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 1..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_edited_means_what_it_shall(old in any_value(), new in any_value(), in_flow: bool) {
        let (old, new) = (json!({"k": old, "z": 1}), json!({"k": new, "z": 1}));
        let text = match in_flow {
            true => old.to_string(),
            false => yaml::write(&old).expect("YAML"),
        };
        // What cannot be edited is written anew.
        if let Some((edited, _)) = edited(&text, &[], &new)
            && let Ok(read) = Tree::parse(&edited)
        {
            prop_assert_eq!(read.to_value(), new, "{}\n{}", text, edited);
        }
    }
}
