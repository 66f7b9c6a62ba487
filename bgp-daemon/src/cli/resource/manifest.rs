//! Reads objects from files, folders and standard input. Stricter than the speaker: an unknown kind or field is an error.
//!
//! Only the form of an object is checked here; `validation` does the rest. Objects of Calico's first API (`kind: bgpPeer`) are
//! converted.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use super::args::FileArgs;
use super::kinds;
use crate::go_error::system_error;
use crate::resources::{
    Entry, FileId, Kind, MAX_DEPTH, Meaning, ObjectKey, Outline, Problem, Resource, UNKNOWN_FIELD,
    read_limited, read_text,
};

/// An object given to a command.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Given {
    pub(in crate::cli) kind: Kind,
    /// Empty if missing.
    pub(in crate::cli) name: String,
    /// Empty if missing.
    pub(in crate::cli) namespace: String,
    /// The whole object of the v3 API; null if it was only named.
    pub(in crate::cli) value: Value,
}

/// Why there are no objects.
#[derive(Debug, PartialEq, Eq, Error)]
pub(in crate::cli) enum ManifestError {
    /// The file cannot be read, or is invalid.
    #[error("failed to execute command: {0}")]
    Invalid(String),
    /// The field is unknown.
    #[error("field in document is not recognized or is in the wrong location: {0}")]
    UnknownField(String),
    /// The file is empty.
    #[error("no resources specified in {0}")]
    Empty(String),
}

impl Given {
    /// An object that is only named.
    pub(in crate::cli) fn named(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            namespace: String::new(),
            value: Value::Null,
        }
    }

    /// An object as it is.
    ///
    /// # Errors
    ///
    /// A field is unknown.
    pub(in crate::cli) fn from_value(kind: Kind, value: Value) -> Result<Self, ManifestError> {
        let metadata = &value["metadata"];
        if let Some(field) = unknown_metadata(&value) {
            return Err(ManifestError::UnknownField(field.to_owned()));
        }
        let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        let (name, namespace) = (text("name"), text("namespace"));
        // A missing name is an error too, but not one of form; any name reveals unknown fields.
        let mut probe = value.clone();
        if name.is_empty() && metadata.is_object() {
            probe["metadata"]["name"] = "unnamed".into();
        }
        refuse_unknown(&Resource::from_json_of(kind, &probe).1)?;
        Ok(Self {
            kind,
            name,
            namespace,
            value,
        })
    }

    /// Its key in a datastore.
    pub(in crate::cli) fn key(&self) -> ObjectKey {
        ObjectKey::cluster(self.kind, self.name.as_str())
    }
}

/// The objects of files, in order.
pub(in crate::cli) fn load(
    args: &FileArgs,
    stdin: &mut dyn Read,
) -> Result<Vec<Given>, ManifestError> {
    let mut found = Vec::new();
    for path in &args.files {
        let is_folder = is_folder(path);
        let before = found.len();
        for file in files(path, args.recursive)? {
            let text = read_file(&file, stdin)?;
            let objects = objects(&file.display().to_string(), &text)?;
            if objects.is_empty() && !args.skip_empty {
                return Err(ManifestError::Empty(format!("file {}", file.display())));
            }
            found.extend(objects);
        }
        if found.len() == before && is_folder && !args.skip_empty {
            return Err(ManifestError::Empty(format!("directory {path}")));
        }
    }
    Ok(found)
}

/// An unknown field of `metadata`.
pub(in crate::cli) fn unknown_metadata(value: &Value) -> Option<&str> {
    let mut fields = value["metadata"].as_object()?.keys();
    fields
        .find(|key| !METADATA.contains(&key.as_str()))
        .map(String::as_str)
}

/// The keys that `metadata` may have.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

fn is_folder(path: &str) -> bool {
    path != "-" && Path::new(path).is_dir()
}

/// The files of a path.
pub(in crate::cli) fn files(path: &str, recursive: bool) -> Result<Vec<PathBuf>, ManifestError> {
    if !is_folder(path) {
        return Ok(vec![path.into()]);
    }
    let mut files = Vec::new();
    let depth = if recursive { MAX_DEPTH } else { 0 };
    collect(Path::new(path), depth, &mut BTreeSet::new(), &mut files)?;
    Ok(files)
}

/// Adds the files of a folder, and of its subfolders up to `depth`, each folder only once.
fn collect(
    folder: &Path,
    depth: usize,
    seen: &mut BTreeSet<FileId>,
    files: &mut Vec<PathBuf>,
) -> Result<(), ManifestError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    };
    let metadata = std::fs::metadata(folder).map_err(|error| unreadable(folder, &error))?;
    if !seen.insert(FileId::of(&metadata)) {
        return Ok(());
    }
    let mut entries = list().map_err(|error| unreadable(folder, &error))?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            if depth > 0 {
                collect(&entry, depth - 1, seen, files)?;
            }
        } else if is_manifest(&entry) {
            files.push(entry);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["yaml", "yml", "json"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// The text of a file; `-` is standard input.
pub(in crate::cli) fn read_file(
    file: &Path,
    stdin: &mut dyn Read,
) -> Result<String, ManifestError> {
    let text = match file.to_str() {
        Some("-") => read_limited(stdin),
        _ => read_text(file).map(|(text, _)| text),
    };
    let text = text.map_err(|error| unreadable(file, &error))?;
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> ManifestError {
    let reason = format!("open {}: {}", path.display(), system_error(error));
    ManifestError::Invalid(reason)
}

fn objects(source: &str, text: &str) -> Result<Vec<Given>, ManifestError> {
    let outline = Outline::read(source, text);
    let mut objects = Vec::new();
    for part in &outline.parts {
        if let Some(problem) = &part.error {
            return Err(ManifestError::Invalid(problem.to_string()));
        }
        for entry in &part.entries {
            objects.push(object(entry)?);
        }
    }
    Ok(objects)
}

fn object(entry: &Entry) -> Result<Given, ManifestError> {
    match entry.meaning() {
        Meaning::Object {
            kind,
            value,
            warnings,
        } if kinds::is_supported(kind) && entry.api_version != CRD_VERSION => {
            refuse_unknown(&warnings)?;
            Given::from_value(kind, value)
        }
        Meaning::Broken(problems) => {
            refuse_unknown(&problems)?;
            let first = problems.first().map(ToString::to_string);
            Err(ManifestError::Invalid(first.unwrap_or_default()))
        }
        Meaning::Object { .. } | Meaning::Unknown => Err(ManifestError::Invalid(format!(
            "unknown resource type ({}) and/or version ({})",
            entry.kind, entry.api_version
        ))),
    }
}

/// The API of Calico's custom resources in Kubernetes, which calicoctl does not accept.
const CRD_VERSION: &str = "crd.projectcalico.org/v1";

fn refuse_unknown(problems: &[Problem]) -> Result<(), ManifestError> {
    let unknown = problems
        .iter()
        .find(|problem| problem.reason.starts_with(UNKNOWN_FIELD));
    match unknown.and_then(|problem| problem.field.as_deref()) {
        Some(path) => {
            let field = path.rsplit('.').next().unwrap_or(path);
            Err(ManifestError::UnknownField(field.to_owned()))
        }
        None => Ok(()),
    }
}
