//! The fuzzer's door to `peermesh_fuzz::outbox_restart`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peermesh_fuzz::outbox_restart::run(bytes));
