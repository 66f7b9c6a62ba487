//! A question: its path, its parameters, the form of its answer, and who answers.

use std::sync::Arc;

use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::context::Api;

/// Which questions are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Probes, metrics and the status.
    Summary,
}

/// A question.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// Its parameters, as an object.
    pub(super) query: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(super) answer: Answer,
    /// Answered in [`Scope::Summary`] too.
    pub(super) summary_scope: bool,
    pub(super) handler: fn() -> MethodRouter<Arc<Api>>,
}

/// The form of an answer.
pub(super) enum Answer {
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// To a question that is asked with POST: it has a body, and changes nothing either.
    ToBody {
        body: fn(&mut SchemaGenerator) -> Schema,
        answer: fn(&mut SchemaGenerator) -> Schema,
    },
    /// Of a status of its own beside 200: see `/readyz`.
    Probe(fn(&mut SchemaGenerator) -> Schema),
    Text(&'static str),
}

pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// An object with its fields, not a reference to one.
pub(super) fn parameters<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}
