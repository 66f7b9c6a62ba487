//! Definitions: those of the types, and such as the API server takes.

use super::*;
use crate::datastore::yaml;

const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/kubernetes/crds/standalone"
);

/// `BLESS=1` writes the files.
#[test]
fn the_definitions_that_are_installed_are_those_of_the_types() {
    for kind in Kind::all().filter(|kind| kind.is_own()) {
        let path = format!("{FOLDER}/{}.yaml", kind.plural());
        let comment = "# Made from the type: a test compares, and writes it with BLESS=1.\n";
        let definition = yaml::write(&definition(kind)).expect("it can be written");
        let expected = comment.to_owned() + &definition;
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &expected).expect("it can be written");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, expected, "{path}: BLESS=1 writes it anew");
    }
}

/// What a structural schema may not have.
#[test]
fn schemas_are_structural() {
    fn look(schema: &Value, at: &str) {
        let fields = schema.as_object().expect("a schema");
        for wrong in [
            "const",
            "oneOf",
            "anyOf",
            "additionalProperties",
            "title",
            "default",
        ] {
            assert!(!fields.contains_key(wrong), "{at}: {wrong}");
        }
        let is_either = fields.contains_key("x-kubernetes-int-or-string");
        let has_type = fields.get("type").is_some_and(Value::is_string);
        assert!(is_either != has_type, "{at}");
        let below = fields.get("properties").and_then(Value::as_object);
        for (name, schema) in below.into_iter().flatten() {
            look(schema, &format!("{at}.{name}"));
        }
        if let Some(items) = fields.get("items") {
            look(items, &format!("{at}[]"));
        }
    }
    for kind in Kind::all().filter(|kind| kind.is_own()) {
        let definition = definition(kind);
        let version = &definition["spec"]["versions"][0];
        look(&version["schema"]["openAPIV3Schema"], kind.name());
    }
}
