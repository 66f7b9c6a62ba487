//! The common parts of the commands that read and change resources: `create`, `apply`, `replace`, `delete`, `get`, `patch` and
//! `validate`, with the arguments, tables, messages and exit codes of calicoctl.
//!
//! | module         | what it is                                                   |
//! |----------------|--------------------------------------------------------------|
//! | [`args`]       | arguments that several commands have                         |
//! | `client_config` | the file that names the datastore                           |
//! | `open`         | the datastore that a command works on                        |
//! | `kinds`        | the kinds by the names that a command line gives them        |
//! | `manifest`     | files and standard input to objects, strictly                |
//! | `validation`   | what an object must be before it is written                  |
//! | `action`       | what is done with one object of a datastore                  |
//! | `batch`        | a command on all objects that it was given                   |
//! | `rehearsal`    | a datastore in which changes are only noted                  |
//! | `guard`        | what a command would change for all nodes, asked before      |
//! | `report`       | what came of it, in calicoctl's words                        |
//! | `output`       | the forms that `get` prints                                  |
//! | `columns`      | the columns of each kind                                     |
//! | `go_value`     | objects as Go's printing and templates see them              |
//! | `template`     | Go templates                                                 |
//! | [`merge`]      | patches                                                      |
//!
//! These modules do not depend on the kind of datastore.

pub mod args;

pub(super) mod action;
pub(super) mod batch;
mod client_config;
mod columns;
mod go_value;
pub mod guard;
pub(super) mod kinds;
pub(super) mod manifest;
pub mod merge;
pub(super) mod open;
pub(super) mod output;
pub(super) mod rehearsal;
pub(super) mod report;
mod template;
pub(super) mod validation;

#[cfg(test)]
mod tests;
