#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use paring_fuzz::mutate::mutate_json;
use paring_fuzz::targets::{self, Scratch};

fuzz_target!(|data: &[u8]| targets::plan(data, Scratch::of_process()));

fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate_json(data, size, max, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max))
});
