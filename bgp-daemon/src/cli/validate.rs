//! `validate`: checks the objects of files: all kinds that the daemon reads, and by the rules of the API those that commands
//! write. Uses no datastore, so references are not checked.
//!
//! Every error is reported on a line of its own, with file, line and object.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::resource::action;
use super::resource::args::{FileArgs, PlaceArgs};
use super::resource::kinds;
use super::resource::manifest::{self, Given, ManifestError};
use super::resource::report::{self, Outcome, Verb};
use super::resource::validation;
use crate::plan::Annotations;
use crate::resources::{
    Entry, Kind, Meaning, Outline, Problem, ResourceSet, Severity, UNKNOWN_FIELD, key_of, parse,
};

/// Arguments of `validate`.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("files", |arg| arg.required(true)))]
pub struct ValidateArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Runs `validate`.
///
/// # Errors
///
/// The message for standard error.
pub fn execute(args: &ValidateArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut seen = Seen::default();
    for path in &args.files.files {
        match manifest::files(path, args.files.recursive) {
            Ok(files) if files.is_empty() && !args.files.skip_empty => {
                seen.mistakes
                    .push(ManifestError::Empty(format!("directory {path}")).to_string());
            }
            Ok(files) => files
                .iter()
                .for_each(|file| seen.file(file, args, &mut io::stdin())),
            Err(error) => seen.mistakes.push(error.to_string()),
        }
    }
    if seen.mistakes.is_empty() {
        let outcome = Outcome {
            given: seen.kinds.len(),
            done: seen.kinds.len(),
            kind: seen.only_kind(),
            errors: Vec::new(),
        };
        return report::conclude(Verb::Validate, &outcome, out);
    }
    let (mistakes, resources) = (seen.mistakes.len(), seen.kinds.len());
    let lines = seen.mistakes.join("\n");
    bail!("{lines}\nfailed to validate: {mistakes} mistake(s), {resources} resource(s)");
}

/// The content of files, and its problems.
#[derive(Default)]
struct Seen {
    /// The kind of each object.
    kinds: Vec<String>,
    mistakes: Vec<String>,
}

impl Seen {
    fn only_kind(&self) -> Option<&str> {
        let (first, rest) = self.kinds.split_first()?;
        rest.iter().all(|kind| kind == first).then_some(first)
    }

    fn file(&mut self, file: &Path, args: &ValidateArgs, stdin: &mut dyn Read) {
        let text = match manifest::read_file(file, stdin) {
            Ok(text) => text,
            Err(error) => return self.mistakes.push(error.to_string()),
        };
        let source = file.display().to_string();
        let outline = Outline::read(&source, &text);
        let entries: Vec<&Entry> = outline
            .parts
            .iter()
            .flat_map(|part| &part.entries)
            .collect();
        let parsed = parse(&source, &text);
        let mut problems = parsed.problems;
        let loaded = ResourceSet::from_documents(parsed.documents);
        let of_annotations = Annotations::problems_of(&loaded.set).into_iter();
        problems.extend(of_annotations.map(|problem| loaded.located(problem)));
        problems.retain(|problem| {
            problem.severity == Severity::Error || problem.reason.starts_with(UNKNOWN_FIELD)
        });
        for entry in &entries {
            problems.extend(beyond_the_speaker(entry, &args.place, &problems));
        }
        if entries.is_empty() && problems.is_empty() && !args.files.skip_empty {
            let empty = ManifestError::Empty(format!("file {source}"));
            self.mistakes.push(empty.to_string());
        }
        problems.sort_by_key(|problem| {
            let place = problem.location.as_ref();
            place.map(|place| (place.line, place.column))
        });
        self.kinds
            .extend(entries.iter().map(|entry| entry.kind.clone()));
        self.mistakes
            .extend(problems.iter().map(ToString::to_string));
    }
}

/// Errors of an object by the rules of the API, but not of the speaker.
fn beyond_the_speaker(entry: &Entry, place: &PlaceArgs, known: &[Problem]) -> Vec<Problem> {
    let here =
        |object: String, reason: String| Problem::error(object, reason).at(entry.location.clone());
    match entry.meaning() {
        Meaning::Object { kind, value, .. } if kinds::is_supported(kind) => {
            let Some(key) = key_of(&value, kind) else {
                return Vec::new();
            };
            let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default();
            let given = Given {
                kind,
                name: key.name.clone(),
                namespace: namespace.to_owned(),
                value,
            };
            let mut reasons = validation::rules_of_the_api(&given);
            let misplaced = action::check_namespace(&given, place, false).err();
            reasons.extend(misplaced.map(|error| error.to_string()));
            let unknown = manifest::unknown_metadata(&given.value);
            reasons.extend(unknown.map(|field| format!("metadata.{field}: {UNKNOWN_FIELD}")));
            reasons
                .into_iter()
                .map(|reason| here(key.to_string(), reason))
                .collect()
        }
        Meaning::Unknown if !is_told(entry, known) => {
            let (kind, version) = (&entry.kind, &entry.api_version);
            let reason = format!("unknown resource type ({kind}) and/or version ({version})");
            vec![here(kind.clone(), reason)]
        }
        Meaning::Object { .. } | Meaning::Broken(_) | Meaning::Unknown => Vec::new(),
    }
}

/// Whether the kind of an object was already reported, or is missing. Other kinds of Calico have no meaning here, and may be
/// valid.
fn is_told(entry: &Entry, known: &[Problem]) -> bool {
    let is_ours = Kind::all().any(|kind| kind.is_calico() && kind.name() == entry.kind);
    let is_calicos = entry.api_version.contains("projectcalico.org/");
    let line = entry.location.line;
    let is_at_it = |problem: &Problem| problem.location.as_ref().is_some_and(|at| at.line == line);
    is_ours || is_calicos || entry.kind.is_empty() || known.iter().any(is_at_it)
}
