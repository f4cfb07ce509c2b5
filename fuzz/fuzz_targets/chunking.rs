//! The fuzzer's door to `peermesh_fuzz::chunking`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peermesh_fuzz::chunking::run(bytes));
