//! The fuzzer's door to `peermesh_fuzz::jcs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peermesh_fuzz::jcs::run(bytes));
