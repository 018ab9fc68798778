//! Evidence for earliest deadline first: where theory says that no job is late, none is; where it says that one must be, one is. In virtual time, and exhaustively where the sets are small.

#![forbid(unsafe_code)]

mod sets;
mod virtual_time;

mod generated;
mod locks;
mod small;
