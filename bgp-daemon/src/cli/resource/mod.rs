//! The common parts of the commands that read and change resources: `create`, `apply`, `replace`, `delete`, `get`, `patch` and
//! `validate`, with the arguments, tables, messages and exit codes of calicoctl.
//!
//! | module          | content                                                |
//! |-----------------|--------------------------------------------------------|
//! | [`args`]        | arguments shared by several commands                   |
//! | `client_config` | the file that selects the datastore                    |
//! | `open`          | the datastore of a command                             |
//! | `kinds`         | the kinds by their names on a command line             |
//! | `manifest`      | files and standard input to objects, strictly          |
//! | `validation`    | checks of an object before it is written               |
//! | `action`        | one change of an object in a datastore                 |
//! | `batch`         | a command on all given objects                         |
//! | `rehearsal`     | a datastore that only records changes                  |
//! | `guard`         | checks the effect of a command on all nodes in advance |
//! | `report`        | the result, in calicoctl's words                       |
//! | `output`        | the output formats of `get`                            |
//! | `columns`       | the columns of each kind                               |
//! | `go_value`      | objects as Go's printing and templates see them        |
//! | `template`      | Go templates                                           |
//! | [`merge`]       | patches                                                |
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
