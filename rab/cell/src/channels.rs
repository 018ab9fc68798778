//! Makes the channels of the manifest.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::abi::Handle;
use crate::abi::channel::{ChannelRequest, Shape};
use cell::calls;
use manifest::Channel;

/// Makes those channels for whose ends `handle` finds cells, and that `is_wanted`. Returns a sentence for each that could not be made.
pub fn connect<'a>(
    channels: impl IntoIterator<Item = &'a Channel>,
    handle: impl Fn(&str) -> Option<Handle>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for channel in channels {
        let (Some(from), Some(to)) = (handle(&channel.from), handle(&channel.to)) else { continue };
        if let Err(error) = calls::channel_create(from, to, &request(channel)) {
            let Channel { name, from, to, .. } = channel;
            failures.push(format!("the channel {name} from {from} to {to} cannot be made: {error}"));
        }
    }
    failures
}

fn request(channel: &Channel) -> ChannelRequest {
    let Channel { capacity, blocks, block_bytes, .. } = *channel;
    ChannelRequest {
        rate_per_s: channel.contract.map_or(0, |contract| u64::from(contract.rate_per_s)),
        burst: channel.contract.map_or(0, |contract| contract.burst),
        pair: channel.pair,
        ..ChannelRequest::new(&channel.name, Shape { capacity, blocks, block_bytes, reserved: 0 })
    }
}
