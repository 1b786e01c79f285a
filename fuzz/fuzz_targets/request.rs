#![no_main]

use bytewax_runtime::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::request(bytes));
