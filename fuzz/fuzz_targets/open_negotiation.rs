//! Two sessions with any configurations and a network between them: both sides agree, or one has a reason to refuse.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::open_negotiation(data));
