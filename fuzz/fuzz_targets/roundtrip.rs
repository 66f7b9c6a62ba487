//! What was read, written and read again is the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::roundtrip(data));
