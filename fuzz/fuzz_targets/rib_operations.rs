//! A RIB to which anything happens: in the end every peer holds what a naive model says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::rib_operations(data));
