//! What a client and the server of the names service agree on.
//!
//! - [`protocol`]: the services as clients call them ([`Names`]), and as the names cell calls the root cell ([`Connector`])
//! - [`name`]: [`Name`], its rules, and what is wrong with bytes that are none
//! - [`server`]: who serves a name: [`Endpoint`], [`Server`], and the [`Kind`] of service that the name stands for
//! - [`query`]: what a client asks ([`Query`], [`Policy`]) and what it is told ([`Resolved`])
//! - [`notice`]: subscriptions and the news that they bring
//! - [`refused`]: every reason for which the directory says no
//!
//! The semantics are described in `names-core`, which keeps the directory.
//!
//! ```
//! use names_contract::{Name, NotAName};
//!
//! let name = Name::new("system/block/disk-0").expect("a name");
//! assert!(name.is_within(&Name::new("system/block").expect("a name")));
//! assert!(!name.is_within(&Name::new("system/blo").expect("a name")));
//! assert_eq!(Name::new("Disk"), Err(NotAName::Character { byte: b'D', position: 0 }));
//! ```

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod name;
pub mod notice;
pub mod protocol;
pub mod query;
pub mod refused;
pub mod server;
mod wire;

pub use name::{Name, NotAName};
pub use notice::{Interest, News, Notice, SubscriptionId};
pub use protocol::{Connector, Names, NoChannel, NotConnected};
pub use query::{Avoid, Policy, Query, Resolved, Version};
pub use refused::{Quantity, RefusedBecause};
pub use server::{Cell, Endpoint, Kind, Node, Server, ServerId};
