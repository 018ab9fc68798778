//! Root program: the ordinary root cell, but it dies at an instant of each life that nobody chose, at any instruction, and at last lives on.
//!
//! Arguments: `deaths=N` (default 6): how often; `within=NS` (default 60 ms), how long after a life's start at most; `seed=N`.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "it dies by an instruction that does not exist")]

use core::arch::asm;

use cell::abi::Context;
use cell::{calls, events, time};
use rab_cell::archive::Archive;
use test_cells::{Random, check_quietly};

cell::entry!(main);

fn die(_: &mut Context) {
    // SAFETY: there is none; the kernel stops this cell here.
    unsafe { asm!("ud2") }
}

fn main(hart: u32) {
    let info = calls::machine_info().unwrap_or_default();
    let args = Archive::open(&info).and_then(|archive| archive.manifest()).map(|system| system.root.args);
    let args = args.unwrap_or_default();
    let number = |name: &str, default| {
        let mut words = args.split_whitespace().filter_map(|word| word.split_once('='));
        words.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok()).unwrap_or(default)
    };
    if info.root_lives > 1 {
        let dead_ns = time::now() - info.root_died_ns;
        check_quietly("the next life begins within half a second", dead_ns < 500_000_000, dead_ns);
    }
    if info.root_lives <= number("deaths", 6) {
        let mut random = Random(number("seed", 1).wrapping_mul(info.root_lives).max(1));
        random.next_number();
        events::on_tick(die);
        events::set_tick(time::now() + random.next_number() % number("within", 60_000_000));
    }
    rab_cell::run(hart);
}
