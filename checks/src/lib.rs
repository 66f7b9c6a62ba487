//! Which file of a crate imports which, and where files import each other in a cycle.
//!
//! [`Crate::read`] follows the `mod` declarations of a crate and collects every path in its files; [`Crate::imports`] resolves
//! the paths to the files that define the names, through re-exports; [`circles`] finds the cycles. Code under `#[cfg(test)]` is
//! left out.
//!
//! An import is one of three:
//! - a path of a `use` or of an expression that refers to another file,
//! - a `mod` declaration: the parent imports its child, so a child that names something of its parent closes a cycle,
//! - a call of a method of `self` that another file has in an `impl` block of the same type.

mod circle;
mod resolve;
mod scan;

pub use circle::circles;
pub use resolve::{Import, Imports};
pub use scan::Crate;
