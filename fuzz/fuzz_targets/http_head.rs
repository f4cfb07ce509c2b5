//! The fuzzer's door to `peermesh_fuzz::http_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peermesh_fuzz::http_head::run(bytes));
