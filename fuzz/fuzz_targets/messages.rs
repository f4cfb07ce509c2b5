//! The fuzzer's door to `peermesh_fuzz::messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peermesh_fuzz::messages::run(bytes));
