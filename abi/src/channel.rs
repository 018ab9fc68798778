//! Channels: one-way message paths between two cells, of which each writes one half and only reads the other.
//!
//! What lies in the halves is the affair of the two cells (crate `channels`); the kernel makes the memory, maps it, carries notifications, and tells an end when
//! the other one is gone.

use crate::call::NAME_MAX;
use crate::layout::{CHANNEL_HALF_MAX, PAGE_SIZE};

/// The end that an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Role {
    /// It writes messages.
    Sender = 0,
    /// It reads them.
    Receiver = 1,
}

/// Why a channel is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Ended {
    /// The peer has closed it.
    Closed = 1,
    /// The peer's cell has ended itself.
    Exited = 2,
    /// The peer's cell was stopped because of a mistake.
    Faulted = 3,
    /// The peer's cell was destroyed.
    Destroyed = 4,
    /// It was never made whole: memory was missing.
    Unfinished = 5,
}

impl Ended {
    /// The reason of this number; none for 0.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Closed),
            2 => Some(Self::Exited),
            3 => Some(Self::Faulted),
            4 => Some(Self::Destroyed),
            5 => Some(Self::Unfinished),
            _ => None,
        }
    }

    /// As part of a sentence.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Closed => "the peer has closed it",
            Self::Exited => "the peer has ended",
            Self::Faulted => "the peer was stopped because of a mistake",
            Self::Destroyed => "the peer was destroyed",
            Self::Unfinished => "there was not enough memory to make it",
        }
    }
}

impl core::fmt::Display for Ended {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(self.describe())
    }
}

impl core::error::Error for Ended {}

/// How much a channel holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Shape {
    /// Messages, 1 to 65,536.
    pub capacity: u32,
    /// Blocks of bulk memory; 0 for none.
    pub blocks: u32,
    /// Bytes of each: a multiple of 64; 0 exactly if there are none.
    pub block_bytes: u32,
    /// Zero.
    pub reserved: u32,
}

/// Bytes before the first slot, and before the words of returned blocks.
const HEAD: u64 = 256;

/// Bytes of a slot.
const SLOT: u64 = 64;

impl Shape {
    /// Bytes of the sender's half, where the slots are: whole pages. Bulk memory, if any, follows.
    #[must_use]
    pub const fn slots_bytes(self) -> u64 {
        (HEAD + self.capacity as u64 * SLOT).next_multiple_of(PAGE_SIZE)
    }

    /// Bytes of the sender's half: whole pages.
    #[must_use]
    pub const fn sender_bytes(self) -> u64 {
        self.slots_bytes() + (self.blocks as u64 * self.block_bytes as u64).next_multiple_of(PAGE_SIZE)
    }

    /// Bytes of the receiver's half: whole pages.
    #[must_use]
    pub const fn receiver_bytes(self) -> u64 {
        (HEAD + self.blocks as u64 * 8).next_multiple_of(PAGE_SIZE)
    }

    /// Bytes of the half that an end of this role writes.
    #[must_use]
    pub const fn half_bytes(self, role: Role) -> u64 {
        match role {
            Role::Sender => self.sender_bytes(),
            Role::Receiver => self.receiver_bytes(),
        }
    }

    /// Whether the kernel makes such a channel.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.capacity >= 1
            && self.capacity <= 65_536
            && self.reserved == 0
            && (self.blocks == 0) == (self.block_bytes == 0)
            && self.block_bytes.is_multiple_of(64)
            && self.sender_bytes() <= CHANNEL_HALF_MAX
            && self.receiver_bytes() <= CHANNEL_HALF_MAX
    }
}

/// What [`crate::Call::ChannelCreate`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ChannelRequest {
    /// What both ends know it by: UTF-8, zero-padded. Need not be unique.
    pub name: [u8; NAME_MAX],
    /// How much it holds.
    pub shape: Shape,
    /// Messages that the sender was promised per second; 0 for no limit. The receiver keeps to it, the kernel only says it.
    pub rate_per_s: u64,
    /// Messages that it may send at once beyond that.
    pub burst: u32,
    /// The two ways of a two-way channel have the same number, which no other channel between the same two cells has; 0: it goes one way only. The kernel only
    /// says it.
    pub pair: u32,
}

impl ChannelRequest {
    /// A one-way channel without a contract. Of a name that is too long as much is taken as there is room for.
    #[must_use]
    pub fn new(name: &str, shape: Shape) -> Self {
        let mut bytes = [0; NAME_MAX];
        let length = (0..=NAME_MAX.min(name.len())).rfind(|end| name.is_char_boundary(*end)).unwrap_or(0);
        bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
        Self { name: bytes, shape, rate_per_s: 0, burst: 0, pair: 0 }
    }
}

/// What [`crate::Call::ChannelInfo`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ChannelInfo {
    /// As in the request.
    pub name: [u8; NAME_MAX],
    /// The name of the peer's cell.
    pub peer: [u8; NAME_MAX],
    /// As in the request.
    pub shape: Shape,
    /// As in the request.
    pub rate_per_s: u64,
    /// As in the request.
    pub burst: u32,
    /// Which end this is: a [`Role`].
    pub role: u32,
    /// This end's handle.
    pub handle: u32,
    /// An [`Ended`], 0 while it is of use.
    pub ended: u32,
    /// The peer's place among cells: the same as long as that cell lives.
    pub peer_cell: u32,
    /// 1 once all memory is there.
    pub is_whole: u32,
    /// The hardware thread on which the plan has the peer's hart 0; `u32::MAX` while it has it nowhere.
    pub peer_thread: u32,
    /// The memory node of that hardware thread.
    pub peer_node: u32,
    /// Where the half is that this end writes. The peer's is [`crate::layout::CHANNEL_PEER_OFFSET`] above it.
    pub address: u64,
    /// As in the request.
    pub pair: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<ChannelRequest>() == 64, "the layout is part of the contract");
const _: () = assert!(size_of::<ChannelInfo>() == 136, "the layout is part of the contract");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_whole_pages_that_hold_what_they_must() {
        let shape = Shape { capacity: 60, blocks: 3, block_bytes: 4096, reserved: 0 };
        assert_eq!((shape.slots_bytes(), shape.sender_bytes(), shape.receiver_bytes()), (4096, 16384, 4096));
        assert_eq!(Shape { capacity: 61, ..shape }.slots_bytes(), 8192);
        assert!(shape.is_valid());
    }

    #[test]
    fn odd_shapes_are_not_made() {
        let good = Shape { capacity: 1, blocks: 1, block_bytes: 64, reserved: 0 };
        assert!(good.is_valid());
        for bad in [
            Shape { capacity: 0, ..good },
            Shape { capacity: 65_537, ..good },
            Shape { blocks: 0, ..good },
            Shape { block_bytes: 0, ..good },
            Shape { block_bytes: 65, ..good },
            Shape { blocks: u32::MAX, block_bytes: 0xffff_ffc0, ..good },
            Shape { blocks: 0x0020_0000, ..good },
            Shape { reserved: 1, ..good },
        ] {
            assert!(!bad.is_valid(), "{bad:?}");
        }
    }

    #[test]
    fn a_request_has_a_name_that_fits_and_is_text() {
        let shape = Shape { capacity: 1, ..Shape::default() };
        assert_eq!(&ChannelRequest::new("talk", shape).name[..5], b"talk\0");
        let whole = "thirty-two-letters-are-not-many.";
        assert_eq!(ChannelRequest::new(whole, shape).name, whole.as_bytes());
        assert_eq!(ChannelRequest::new("thirty-two-letters-are-not-many.s", shape).name, whole.as_bytes());
        let cut = ChannelRequest::new("thirty-two-letters-are-not-many\u{e9}", shape);
        assert_eq!(&cut.name[30..], b"y\0", "half a letter is none");
    }

    #[test]
    fn reasons_have_numbers() {
        for number in 1..=5 {
            assert_eq!(Ended::from_number(number).map(|reason| reason as u32), Some(number));
        }
        assert_eq!(Ended::from_number(0), None);
    }
}
