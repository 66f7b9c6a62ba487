//! JSON schemas of single values, for `#[schemars(schema_with = ...)]`: the counterparts of the functions of [`scalar`](super::scalar).

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::scalar::{Scalar, Truth};

/// The schema of one value. Editors show its title, which says what is expected.
pub(super) fn one<T: Scalar>(_: &mut SchemaGenerator) -> Schema {
    let mut schema = json_schema!({ "title": T::EXPECTED, "type": "string" });
    if let Value::Object(constraints) = T::constraints() {
        for (name, value) in constraints {
            schema.insert(name, value);
        }
    }
    schema
}

/// The schema of a list of values.
pub(super) fn many<T: Scalar>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": one::<T>(generator) })
}

/// The schema of a boolean, or its name in a text.
pub(super) fn truth(generator: &mut SchemaGenerator) -> Schema {
    one::<Truth>(generator)
}
