//! A RIB under any operations: in the end every peer has the routes that a naive model predicts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::rib_operations(data));
