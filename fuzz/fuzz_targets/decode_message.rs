//! Any message on any session: no panic, and the decoded message is consistent.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::decode_message(data));
