//! Any stream in any pieces gives the same messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::decode_stream(data));
