//! The routes that daemons are compared with, for the benchmarks of this crate alone; the comparison is the program.

mod random;
pub mod traffic;
