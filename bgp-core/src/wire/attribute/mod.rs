//! Path attributes (RFC 4271 §5): the table of known attributes, the typed form, and the canonical form.
//!
//! | form              | for what                                       | where           |
//! |-------------------|------------------------------------------------|-----------------|
//! | as received       | checked against the table, never kept          | `wire::update`  |
//! | [`AttributeView`] | tables, comparing, sending                     | `canonical.rs`  |
//! | [`Attributes`]    | building a route, editing it in a policy, JSON | `canonical.rs`  |
//!
//! Next hops are not part of the attributes here: they belong to each set of routes, see [`Reachable`](super::Reachable).

mod as4;
pub mod as_path;
mod canonical;
pub mod code;
pub mod community;
pub(super) mod flag;
mod table;
mod unknown;
mod usual;
mod value;

pub(super) use as_path::from_two_octet;
pub(super) use as4::{merge, put_two_octet};
pub(super) use canonical::put;
pub(super) use community::without_repetitions;
pub(super) use flag::put_flags;
pub(super) use table::{Scopes, Spec, Wrong, carried_flags, name, spec, subcode};
pub(super) use usual::{Usual, usual};

pub use as_path::{AsPath, AsPathView};
pub use canonical::{AttributeView, Attributes, RawAttribute};
pub use community::{Community, ExtendedCommunity, LargeCommunity};
pub use table::ErrorAction;
pub use unknown::{InvalidAttribute, UnknownAttribute};
pub use value::{Aggregator, Origin};
