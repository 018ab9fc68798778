//! One file for each command: its options and what it does.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod clean;
pub(crate) mod doctor;
pub(crate) mod league;
pub(crate) mod mutations;
pub(crate) mod new;
pub(crate) mod run;
pub(crate) mod test;
