//! A message that is decoded, encoded and decoded again stays the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::roundtrip(data));
