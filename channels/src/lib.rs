//! Channels: one-way message paths between two cells that do not trust each other.
//!
//! A message is a cache line, a channel has a fixed capacity, and sending needs a credit that the receiver has granted. Each end
//! writes its own half of the channel's memory and may only read the other's, so that a misbehaving peer can only garble its own messages. An end that polls costs
//! no call at all; one that waits raises a flag first, and only then does the other pay for a notification.
//!
//! ```
//! use channels::{Message, host};
//!
//! let (mut sender, mut receiver) = host::blocking(16)?;
//! let thread = std::thread::spawn(move || sender.send_until(&Message::new(1, [2, 3, 5, 7, 11, 13, 17]), None));
//! let message = receiver.receive_until(None)?;
//! assert_eq!((message.tag, message.words[6]), (1, 17));
//! thread.join().expect("it ends").expect("there is a credit from the start");
//! assert!(receiver.receive_until(None).is_err(), "the sender is gone");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Sender`], [`Receiver`]: the ends, which never wait
//! - [`BlockingSender`], [`BlockingReceiver`]: ends that wait by a [`Bell`]
//! - [`credits`]: what a sender was promised
//! - [`bulk`]: larger data, in memory that the sender gives up for the time being
//! - [`layout`]: where all of it is in memory
//! - [`words`]: memory that is shared with somebody who may do anything with it
//! - `host` (feature `std`): both ends in one process
//! - `cell` (feature `cell`): the ends that the kernel has given to a cell
//!
//! The idea is FastForward's (Giacomoni et al., PPoPP 2008): a slot says by itself whether it is full, so that no shared index travels
//! beside the message. That a slot has a sequence, and credits are counted apart, is what lets each end check the other.

#![no_std]
#![deny(unsafe_code)]

#[cfg(any(feature = "std", test))]
extern crate std;

mod blocking;
pub mod bulk;
#[cfg(feature = "cell")]
pub mod cell;
pub mod credits;
#[cfg(feature = "std")]
pub mod host;
pub mod layout;
mod message;
mod notify;
mod receiver;
mod sender;
pub mod words;

pub use blocking::{BlockingReceiver, BlockingSender, WaitError};
pub use credits::Contract;
pub use message::{Broken, Message, SendError};
pub use notify::Bell;
pub use receiver::{Receiver, View};
pub use sender::Sender;
