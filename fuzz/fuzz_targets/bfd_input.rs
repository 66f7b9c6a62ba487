//! One session whose peer, network and owner do anything at any time.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp_fuzz::bfd_input(data));
