//! Blocks change hands, and nobody can be talked out of its own.

#![forbid(unsafe_code)]

use channels::bulk::{BulkError, BulkReceiver, BulkSender, Descriptor, Shape};
use channels::layout::{HEAD_WORDS, Misfit};
use channels::{Message, host};

const SHAPE: Shape = Shape { blocks: 2, block_words: 4 };

fn ends() -> (BulkSender<4>, BulkReceiver) {
    let ((_, sender), (_, receiver)) = host::bulk(1, SHAPE).expect("it fits");
    (sender, receiver)
}

fn hand_over(sender: &mut BulkSender<4>, bytes: &[u8]) -> Descriptor {
    let mut block = sender.take().expect("an honest receiver").expect("a free block");
    block.write(0, bytes).expect("it fits");
    block.hand_over(0, bytes.len() as u32).expect("it fits")
}

#[test]
fn bytes_arrive_and_the_block_comes_back() {
    let (mut sender, receiver) = ends();
    for round in 0..10_u8 {
        let bytes: Vec<u8> = (0..29).map(|byte| byte ^ round).collect();
        let bulk = receiver.accept(hand_over(&mut sender, &bytes)).expect("it is true");
        let mut read = [0; 40];
        assert_eq!((bulk.read(0, &mut read), bulk.len()), (29, 29));
        assert_eq!(read[..29], bytes[..]);
    }
}

#[test]
fn a_descriptor_travels_in_a_message() {
    let descriptor = Descriptor { block: 1, generation: u32::MAX, offset: 3, length: 1 << 31 };
    assert_eq!(Descriptor::from_words(descriptor.to_words()), descriptor);
    let ((mut sender, mut bulk_sender), (mut receiver, bulk_receiver)) = host::bulk::<2>(1, SHAPE).expect("it fits");
    let mut block = bulk_sender.take().expect("honest").expect("free");
    block.store(3, 99).expect("the last word");
    let [first, second] = block.hand_over(24, 8).expect("it is inside").to_words();
    assert_eq!(sender.try_send(&Message::new(0, [first, second, 0, 0, 0, 0, 0])), Ok(()));
    let words = receiver.try_receive().expect("honest").expect("it is there").words;
    let bulk = bulk_receiver.accept(Descriptor::from_words([words[0], words[1]])).expect("it is true");
    assert_eq!((bulk.word(0), bulk.word(1), bulk.word(u32::MAX)), (Some(99), None, None));
}

#[test]
fn a_block_is_not_filled_before_it_is_given_back() {
    let (mut sender, receiver) = ends();
    let first = hand_over(&mut sender, &[1]);
    let second = hand_over(&mut sender, &[2]);
    assert!(sender.take().expect("honest").is_none(), "both are out");
    let (first, second) = (receiver.accept(first).expect("true"), receiver.accept(second).expect("true"));
    drop(second);
    assert!(sender.take().expect("honest").is_some(), "one came back");
    assert_eq!(hand_over(&mut sender, &[3]).block, 1, "a block that was not handed over is still free");
    drop(first);
    assert!(sender.take().expect("honest").is_some());
}

#[test]
fn bytes_at_any_offset_leave_their_neighbours_alone() {
    let (mut sender, receiver) = ends();
    for offset in 0..32_u32 {
        for length in 0..=32 - offset {
            let mut block = sender.take().expect("honest").expect("free");
            block.write(0, &[0xee; 32]).expect("it fits");
            let bytes: Vec<u8> = (1..=length as u8).collect();
            block.write(offset, &bytes).expect("it fits");
            let bulk = receiver.accept(block.hand_over(0, 32).expect("it fits")).expect("true");
            let mut expected = [0xee; 32];
            expected[offset as usize..(offset + length) as usize].copy_from_slice(&bytes);
            let (mut all, mut part) = ([0; 32], vec![0; length as usize]);
            assert_eq!((bulk.read(0, &mut all), bulk.read(offset, &mut part)), (32, length as usize));
            assert_eq!((all, part), (expected, bytes), "{length} bytes at {offset}");
        }
    }
}

#[test]
fn what_is_not_inside_of_a_block_is_refused() {
    let (mut sender, receiver) = ends();
    let range = |offset, length| BulkError::Range { offset, length, block_bytes: 32 };
    let mut block = sender.take().expect("honest").expect("free");
    assert_eq!(block.write(30, &[0; 3]), Err(range(30, 3)));
    assert_eq!(block.store(4, 0), Err(range(32, 8)));
    assert_eq!(block.store(u32::MAX, 0), Err(range(u32::MAX, 8)));
    assert_eq!(block.hand_over(0, 33), Err(range(0, 33)));
    let truth = hand_over(&mut sender, &[0; 8]);
    let refusal = |lie: Descriptor| receiver.accept(lie).err();
    assert_eq!(refusal(Descriptor { length: 33, ..truth }), Some(range(0, 33)));
    assert_eq!(refusal(Descriptor { offset: u32::MAX, ..truth }), Some(range(u32::MAX, 8)));
    assert_eq!(refusal(Descriptor { block: 2, ..truth }), Some(BulkError::Block { block: 2, blocks: 2 }));
    let generation = BulkError::Generation { block: 1, expected: 1, seen: 2 };
    assert_eq!(refusal(Descriptor { generation: 2, ..truth }), Some(generation));
    assert_eq!(generation.to_string(), "block 1 has generation 2 where 1 is due");
    assert_eq!(refusal(truth), None);
    assert_eq!(refusal(truth), Some(BulkError::Generation { block: 1, expected: 2, seen: 1 }), "it was given back");
}

#[test]
fn a_receiver_that_gives_back_what_it_never_got_is_found_out() {
    let ((region, _), (hand, seen)) = (host::half(8), host::half(HEAD_WORDS + 2));
    let mut sender = BulkSender::<2>::new(region, seen, SHAPE).expect("it fits");
    hand.store(HEAD_WORDS, 77);
    let first =
        sender.take().expect("what is not out is not looked at").expect("free").hand_over(0, 1).expect("inside");
    assert_eq!(first.generation, 1);
    let _second = sender.take().expect("free").expect("free").hand_over(0, 1);
    assert_eq!(sender.take().err(), Some(BulkError::Generation { block: 0, expected: 1, seen: 77 }));
    hand.store(HEAD_WORDS, 1);
    assert_eq!(sender.take().expect("it thought better of it").map(|_| ()), Some(()));
}

#[test]
fn memory_that_does_not_fit_the_shape_is_refused() {
    let refusal = |region, returns, shape| BulkReceiver::new(host::half(region).1, host::half(returns).0, shape).err();
    assert_eq!(refusal(8, 2, SHAPE), None);
    assert_eq!(refusal(7, 2, SHAPE), Some(Misfit::TooSmall { needed: 8, has: 7 }));
    assert_eq!(refusal(8, 1, SHAPE), Some(Misfit::TooSmall { needed: 2, has: 1 }));
    assert_eq!(refusal(8, 2, Shape { blocks: 1, block_words: 0 }), Some(Misfit::Block { words: 0 }));
    let huge = Shape { blocks: u32::MAX, block_words: u32::MAX / 8 };
    assert!(matches!(refusal(8, 2, huge), Some(Misfit::TooSmall { .. })));
    let most = BulkSender::<1>::new(host::half(8).0, host::half(HEAD_WORDS + 2).1, SHAPE).err();
    assert_eq!(most, Some(Misfit::Blocks { blocks: 2, most: 1 }));
}
