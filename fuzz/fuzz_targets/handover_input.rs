//! What another process hands over: a session, and chunks of routes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::handover_input(data));
