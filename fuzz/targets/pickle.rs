#![no_main]

use libfuzzer_sys::fuzz_target;
use paring_fuzz::targets::{self, Scratch};

fuzz_target!(|data: &[u8]| targets::pickle(data, Scratch::of_process()));
