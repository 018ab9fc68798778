//! Root program: `requester` and `answerer` hand over to each other beside a hog of the same weight. What the answerer does is the requester's time: the hog has its half.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;

use cell::abi::account::CellStatus;
use cell::{calls, println, time};
use test_cells::system::{Loaded, run, sleep_until, status};
use test_cells::{check, pump};

cell::entry!(main);

fn main(_: u32) {
    run(|loaded| watch(loaded))
}

fn watch(loaded: &Loaded) {
    let [requester, answerer, hog, ..] = loaded.cells[..] else {
        return check("there are three cells", false, "fewer");
    };
    let all = [requester, answerer, hog];
    sleep_until(time::now() + 50_000_000);
    let before = all.map(status);
    let until = time::now() + 400_000_000;
    while time::now() < until {
        let _ = calls::park(until);
        pump();
    }
    let after = all.map(status);
    let grown = |of: fn(&CellStatus) -> u64| [0, 1, 2].map(|cell| of(&after[cell]).saturating_sub(of(&before[cell])));
    let time = grown(|status| status.time_ns);
    let lent = grown(|status| status.lent_ns)[0];
    let borrowed = grown(|status| status.borrowed_ns)[1];
    let answers = grown(|status| status.heartbeats)[0];
    println!("[root] {answers} answers; times {time:?} ns, lent {lent} ns, borrowed {borrowed} ns");
    check("answers came", answers > loaded.number("answers", 1_000), format!("{answers}"));
    check("what one lends the other borrows", lent == borrowed && lent > 0, format!("{lent} and {borrowed}"));
    let own = time[1].saturating_sub(borrowed);
    check("the answerer has next to no time of its own", own < lent / 20, format!("{own} ns of {}", time[1]));
    let asked = time[0] + lent + own;
    let (least, most) = (asked * 9 / 10, asked * 11 / 10);
    check("the hog has its half", (least..most).contains(&time[2]), format!("{} ns beside {asked} ns", time[2]));
    check("no muxer differed", calls::machine_info().is_ok_and(|info| info.divergences == 0), "one did");
}
