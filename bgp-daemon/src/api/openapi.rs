//! The endpoints as an OpenAPI document, made from the types of the answers.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::endpoint::{Answer, Endpoint};
use super::model::{ErrorAnswer, PlanEvent, ProblemEvent, RouteEvent, SessionEvent};
use crate::control::VERSION;

/// An OpenAPI 3.1 document of these endpoints.
pub(super) fn document(endpoints: &[Endpoint]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let error = generator.subschema_for::<ErrorAnswer>();
    // The data of events, which no endpoint has as its answer.
    note::<SessionEvent>(&mut generator);
    note::<PlanEvent>(&mut generator);
    note::<ProblemEvent>(&mut generator);
    note::<RouteEvent>(&mut generator);
    let paths: Map<String, Value> = endpoints
        .iter()
        .map(|endpoint| {
            let operation = operation(endpoint, &mut generator, error.as_value());
            let method = match endpoint.answer {
                Answer::ToBody { .. } => "post",
                Answer::Json(_) | Answer::Probe(_) | Answer::Text(_) => "get",
            };
            (endpoint.path.to_owned(), json!({ method: operation }))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "bgp-daemon",
            "description": "What the BGP speaker of a node does, and why. Everything only reads.",
            "version": VERSION.trim_start_matches('v'),
        },
        "paths": paths,
        "components": { "schemas": generator.take_definitions(true) },
    })
}

fn note<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

fn operation(endpoint: &Endpoint, generator: &mut SchemaGenerator, error: &Value) -> Value {
    let mut parameters = path_parameters(endpoint.path);
    if let Some(query) = endpoint.query {
        parameters.extend(query_parameters(query(generator).as_value()));
    }
    let content = |media: &str, schema: Value| {
        let mut content = Map::new();
        content.insert(media.to_owned(), json!({ "schema": schema }));
        Value::Object(content)
    };
    let ok = match endpoint.answer {
        Answer::Json(schema) | Answer::Probe(schema) => {
            content("application/json", schema(generator).to_value())
        }
        Answer::ToBody { answer, .. } => content("application/json", answer(generator).to_value()),
        Answer::Text(media) => content(media, json!({ "type": "string" })),
    };
    let mut responses = Map::new();
    if let Answer::Probe(_) = endpoint.answer {
        responses.insert(
            "503".into(),
            json!({ "description": "Not yet", "content": ok }),
        );
    }
    responses.insert(
        "200".into(),
        json!({ "description": endpoint.summary, "content": ok }),
    );
    responses.insert(
        "default".into(),
        json!({
            "description": "There is no answer, and why",
            "content": content("application/json", error.clone()),
        }),
    );
    let mut operation = json!({
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": parameters,
        "responses": responses,
    });
    if let Answer::ToBody { body, .. } = endpoint.answer {
        let content = content("application/json", body(generator).to_value());
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

fn path_parameters(path: &str) -> Vec<Value> {
    let parts = path.split('/');
    let names = parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } });
    names.map(parameter).collect()
}

/// One parameter for each property of an object.
fn query_parameters(object: &Value) -> Vec<Value> {
    let required: Vec<&str> = object["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = object["properties"].as_object().into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        json!({
            "name": name,
            "in": "query",
            "required": required.contains(&name.as_str()),
            "description": schema["description"],
            "schema": schema,
        })
    };
    properties.map(parameter).collect()
}
