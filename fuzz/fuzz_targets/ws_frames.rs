//! The fuzzer's door to `peermesh_fuzz::ws_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peermesh_fuzz::ws_frames::run(bytes));
