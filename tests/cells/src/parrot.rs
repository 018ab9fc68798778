//! What the tags of messages to the cell `parrot` ask for. It sends all others back.

/// To end itself.
pub const EXIT: u32 = 1;

/// To write into memory that is not its own.
pub const SCRIBBLE: u32 = 2;

/// To close its ends and live on.
pub const CLOSE: u32 = 3;

/// To say nothing any more.
pub const SILENCE: u32 = 4;
