//! The routes of the comparison with other daemons, for the benchmarks of this crate; the comparison itself is the program.

mod random;
pub mod traffic;
