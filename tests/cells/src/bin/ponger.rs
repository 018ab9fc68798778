//! The other end of `pinger`: sends messages back, and reads what is handed over in bulk.
//!
//! Arguments: `how=spin`, `wait` or `hand-over`.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::Handle;
use cell::abi::channel::{ChannelInfo, Role};
use cell::arguments::get;
use cell::calls;
use channels::bulk::Descriptor;
use channels::cell as ends;

cell::entry!(main);

fn main(_: u32) {
    let send = ends::wait_for("talk", Role::Sender, None);
    let receive = ends::wait_for("talk", Role::Receiver, None);
    let (Some(send), Some(receive)) = (send, receive) else { return };
    let polls = match get("how") {
        Some("hand-over") => return hand_over(&send, &receive),
        Some("spin") => u32::MAX,
        _ => 0,
    };
    if receive.shape.blocks > 0 {
        return bulk(&receive, polls);
    }
    let (Ok(mut sender), Ok(receiver)) = (ends::sender(&send), ends::receiver(&receive)) else { return };
    let mut receiver = receiver.polling(polls);
    while let Ok(message) = receiver.receive_until(None) {
        if sender.send_until(&message, None).is_err() {
            return;
        }
    }
}

fn hand_over(send: &ChannelInfo, receive: &ChannelInfo) {
    let handle = |end: &ChannelInfo| Handle::from_register(end.handle.into());
    let (Some(send), Some(receive)) = (handle(send), handle(receive)) else { return };
    let mut message = None;
    loop {
        let result = match message {
            Some(message) => calls::channel_answer(send, receive, message),
            None => calls::channel_hand_over(None, Some(receive), [0; 8]),
        };
        message = result.ok();
        if result.is_err_and(|error| error.kind == cell::abi::ErrorKind::ChannelEnded) {
            return;
        }
    }
}

fn bulk(receive: &ChannelInfo, polls: u32) {
    let Ok((receiver, blocks)) = ends::bulk_receiver(receive) else { return };
    let mut receiver = receiver.polling(polls);
    let mut sum = 0_u64;
    while let Ok(message) = receiver.receive_until(None) {
        let descriptor = Descriptor::from_words([message.words[0], message.words[1]]);
        let Ok(block) = blocks.accept(descriptor) else { return };
        for offset in (0..descriptor.length).step_by(8) {
            sum = sum.wrapping_add(block.word(offset).unwrap_or(0));
        }
        drop(block);
        if receiver.notify().is_err() {
            break;
        }
    }
    core::hint::black_box(sum);
}
