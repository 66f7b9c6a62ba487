//! An endpoint: path, parameters, form of the answer, handler.

use std::sync::Arc;

use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::context::Api;

/// The endpoints that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Probes, metrics and the status.
    Summary,
}

/// An endpoint.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// The parameters, as an object.
    pub(super) query: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(super) answer: Answer,
    /// Also served in [`Scope::Summary`].
    pub(super) summary_scope: bool,
    pub(super) handler: fn() -> MethodRouter<Arc<Api>>,
}

/// The form of an answer.
pub(super) enum Answer {
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// The answer to a POST request: it has a body, and changes nothing either.
    ToBody {
        body: fn(&mut SchemaGenerator) -> Schema,
        answer: fn(&mut SchemaGenerator) -> Schema,
    },
    /// An answer with a status of its own besides 200: see `/readyz`.
    Probe(fn(&mut SchemaGenerator) -> Schema),
    Text(&'static str),
}

pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// An object with its fields, not a reference.
pub(super) fn parameters<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}
