//! The fuzzer's door to `peermesh_fuzz::broker_inputs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peermesh_fuzz::broker_inputs::run(bytes));
