//! Any message on any session: no panic, and what is read holds together.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::decode_message(data));
