//! The output forms of `get`.

use std::io::Write;
use std::str::FromStr;

use anyhow::{Context, anyhow};
use serde_json::{Map, Value};

use super::columns::{self, GlobalAs};
use super::go_value;
use super::template::Template;
use crate::datastore::store::Store;
use crate::datastore::yaml;
use crate::go_error::system_error;
use crate::resources::Kind;

/// A form of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Output {
    /// A table.
    Ps,
    /// A table with more columns.
    Wide,
    /// A table with these columns.
    Columns(Vec<String>),
    Yaml,
    Json,
    /// The output of a Go template.
    GoTemplate(String),
    /// The output of the Go template in a file.
    GoTemplateFile(String),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (form, value) = text.split_once('=').unwrap_or((text, ""));
        let given = |missing: &str| match value {
            "" => Err(missing.to_owned()),
            value => Ok(value.to_owned()),
        };
        match (text, form) {
            ("ps", _) => Ok(Self::Ps),
            ("wide", _) => Ok(Self::Wide),
            ("yaml" | "yml", _) => Ok(Self::Yaml),
            ("json", _) => Ok(Self::Json),
            (_, "custom-columns") => {
                let columns = given("need to specify at least one column")?;
                Ok(Self::Columns(
                    columns.split(',').map(str::to_owned).collect(),
                ))
            }
            (_, "go-template") => given("need to specify a template").map(Self::GoTemplate),
            (_, "go-template-file") => {
                given("need to specify a template file").map(Self::GoTemplateFile)
            }
            _ => Err(format!("unrecognized output format '{text}'")),
        }
    }
}

/// An object, or a list of objects, of a kind.
pub(in crate::cli) struct Found {
    pub(in crate::cli) kind: Kind,
    pub(in crate::cli) value: Value,
}

impl Found {
    /// Removes the fields that only matter in this datastore.
    pub(in crate::cli) fn export(&mut self) {
        if let Some(metadata) = self.value["metadata"].as_object_mut() {
            metadata.retain(|field, _| !BOOKKEEPING.contains(&field.as_str()));
        }
    }
}

const BOOKKEEPING: [&str; 9] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

impl Output {
    /// Prints the objects.
    pub(in crate::cli) fn print(
        &self,
        found: &[Found],
        store: &dyn Store,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        match self {
            Self::Ps => tables(found, store, out, |kind| Ok(columns::of(kind, false))),
            Self::Wide => tables(found, store, out, |kind| Ok(columns::of(kind, true))),
            Self::Columns(names) => tables(found, store, out, |kind| columns::named(kind, names)),
            Self::Yaml => {
                let text = yaml::write(&together(found)).context("cannot be printed as YAML")?;
                Ok(out.write_all(text.as_bytes())?)
            }
            Self::Json => {
                let text = go_order::json(&together(found));
                Ok(out.write_all(text.as_bytes())?)
            }
            Self::GoTemplate(text) => template(text, found, store, out),
            Self::GoTemplateFile(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| anyhow!("open {path}: {}", system_error(&error)))?;
                template(&text, found, store, out)
            }
        }
    }
}

/// A single object is printed directly, several as a list.
fn together(found: &[Found]) -> Value {
    match found {
        [one] => one.value.clone(),
        several => several.iter().map(|found| found.value.clone()).collect(),
    }
}

fn tables(
    found: &[Found],
    store: &dyn Store,
    out: &mut dyn Write,
    columns: impl Fn(Kind) -> Result<Vec<&'static columns::Column>, String>,
) -> anyhow::Result<()> {
    let global_as = GlobalAs::read(store);
    for Found { kind, value } in found {
        let columns = columns(*kind).map_err(|error| anyhow!(error))?;
        let objects: Vec<&Value> = match value["items"].as_array() {
            Some(items) => items.iter().collect(),
            None => vec![value],
        };
        columns::print(&columns, &objects, &global_as, out)?;
    }
    Ok(())
}

fn template(
    text: &str,
    found: &[Found],
    store: &dyn Store,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let template = Template::parse(text)?;
    let objects = found
        .iter()
        .map(|found| go_value::with_zero_values(found.value.clone()));
    let text = template.execute(objects.collect(), &|| GlobalAs::read(store).0)?;
    Ok(out.write_all(text.as_bytes())?)
}

/// JSON with the fields of an object in the order of Calico's API; unknown fields are sorted by name.
mod go_order {
    use super::{Map, Value};
    use serde::ser::{Serialize, SerializeMap, Serializer};

    const FIRST: [&str; 8] = [
        "kind",
        "apiVersion",
        "metadata",
        "name",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "labels",
    ];

    struct Ordered<'a>(&'a Value);

    impl Serialize for Ordered<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                Value::Object(fields) => object(fields, to),
                Value::Array(items) => to.collect_seq(items.iter().map(Ordered)),
                other => other.serialize(to),
            }
        }
    }

    fn object<S: Serializer>(fields: &Map<String, Value>, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(fields.len()))?;
        let first = FIRST.iter().filter_map(|key| fields.get_key_value(*key));
        let rest = fields
            .iter()
            .filter(|(key, _)| !FIRST.contains(&key.as_str()));
        for (key, field) in first.chain(rest) {
            map.serialize_entry(key, &Ordered(field))?;
        }
        map.end()
    }

    pub(super) fn json(value: &Value) -> String {
        serde_json::to_string_pretty(&Ordered(value)).expect("a JSON value is JSON")
    }
}
