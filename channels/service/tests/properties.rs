//! What holds for all bytes and all values.

#![forbid(unsafe_code)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;

use common::{HouseEvents, HouseReply, keeper_and_link, received};
use proptest::prelude::*;
use service::{Bytes, CallError, Link, Message, Refusal, Tag, Terms, Text, Token, Wire, WireError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
enum Colour {
    Red,
    Green = 7,
    Blue,
}

#[derive(Clone, Debug, PartialEq, Eq, Wire)]
enum Shape<T> {
    Nothing,
    Circle(T, Colour),
    Rectangle { width: u16, height: [i8; 3] },
}

#[derive(Clone, Debug, PartialEq, Eq, Wire)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Eq, Wire)]
struct Everything<const N: usize> {
    truth: bool,
    letter: char,
    numbers: (u8, i16, u128),
    shapes: [Shape<u32>; 2],
    maybe: Option<Result<u16, Colour>>,
    name: Text<N>,
    bytes: Bytes<5>,
    unit: (Unit, ()),
}

fn colour() -> impl Strategy<Value = Colour> {
    prop_oneof![Just(Colour::Red), Just(Colour::Green), Just(Colour::Blue)]
}

fn shape() -> impl Strategy<Value = Shape<u32>> {
    prop_oneof![
        Just(Shape::Nothing),
        (any::<u32>(), colour()).prop_map(|(radius, colour)| Shape::Circle(radius, colour)),
        (any::<u16>(), any::<[i8; 3]>()).prop_map(|(width, height)| Shape::Rectangle { width, height }),
    ]
}

prop_compose! {
    fn everything()(
        truth: bool,
        letter: char,
        numbers: (u8, i16, u128),
        shapes in [shape(), shape()],
        maybe in proptest::option::of(prop_oneof![any::<u16>().prop_map(Ok), colour().prop_map(Err)]),
        name in "[a-zé€]{0,3}",
        bytes in proptest::collection::vec(any::<u8>(), 0..=5),
    ) -> Everything<9> {
        Everything {
            truth,
            letter,
            numbers,
            shapes,
            maybe,
            name: Text::new(&name).expect("three letters of three bytes at most"),
            bytes: Bytes::new(&bytes).expect("five at most"),
            unit: (Unit, ()),
        }
    }
}

/// Bytes that are mostly small, so that lengths, truth values and variants are often right.
fn plausible(length: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![4 => Just(0), 4 => 0..=9_u8, 1 => any::<u8>()], 0..=length)
}

/// What was decoded has exactly the bytes that it was decoded from.
fn check<T: Wire + PartialEq + Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    match T::decode(bytes) {
        Ok(value) => {
            let mut again = vec![0xAA; bytes.len()];
            value.encode(&mut again);
            prop_assert_eq!(&again, bytes, "the only encoding of {:?}", value);
        }
        Err(WireError::TooShort { needed, given }) => prop_assert!(needed > given),
        Err(error) => prop_assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

#[test]
fn sizes_are_the_sums_of_the_parts_and_the_largest_of_the_variants() {
    assert_eq!(Colour::SIZE, 1);
    assert_eq!(Shape::<u32>::SIZE, 6);
    assert_eq!(Unit::SIZE, 0);
    assert_eq!(Everything::<9>::SIZE, 1 + 4 + 19 + 12 + 4 + 10 + 6);
    assert_eq!(<[Option<u64>; 3]>::SIZE, 27);
}

#[test]
fn variants_have_the_numbers_that_rust_gives_them() {
    for colour in [Colour::Red, Colour::Green, Colour::Blue] {
        let mut byte = [0xFF];
        colour.encode(&mut byte);
        assert_eq!(byte, [colour as u8]);
    }
    assert_eq!(Colour::decode(&[1]), Err(WireError::BadVariant(1)));
}

#[test]
fn a_short_variant_needs_the_bytes_of_the_largest() {
    assert_eq!(Shape::<u32>::decode(&[0; 5]), Err(WireError::TooShort { needed: 6, given: 5 }));
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(value in everything()) {
        let mut bytes = vec![0xAA; Everything::<9>::SIZE];
        value.encode(&mut bytes);
        prop_assert_eq!(Everything::decode(&bytes), Ok(value));
    }

    #[test]
    fn any_bytes_are_decoded_to_what_encodes_to_them_or_refused(bytes in plausible(64)) {
        check::<Everything<9>>(&bytes)?;
        check::<Shape<Colour>>(&bytes)?;
        check::<Text<9>>(&bytes)?;
        check::<Bytes<255>>(&bytes)?;
        check::<Option<[char; 2]>>(&bytes)?;
        check::<Result<i64, (bool, u16)>>(&bytes)?;
        check::<Refusal>(&bytes)?;
        check::<WireError>(&bytes)?;
    }

    #[test]
    fn a_server_answers_or_keeps_every_request_whatever_it_is(
        requests in proptest::collection::vec((prop_oneof![Just(3_u8), any::<u8>()], 0..=7_u8, any::<u8>(), any::<u16>(), plausible(56)), 0..64),
    ) {
        let (mut server, id, mut link) = keeper_and_link(64, Terms { share: 5, suspended: 3 });
        for (version, method, rare, number, content) in &requests {
            let method = if *rare < 16 { 0x80 | method } else { *method };
            let mut payload = [0; 56];
            payload[..content.len()].copy_from_slice(content);
            let tag = Tag::unpacked(u32::from_le_bytes([number.to_le_bytes()[0], number.to_le_bytes()[1], method, *version]));
            prop_assert_eq!(link.try_send(&Message::new(tag, &payload)), Ok(()));
        }
        while server.turn().more {}
        let answered = received(&mut link).len();
        let kept = server.counts(id).expect("it stays").suspended as usize;
        prop_assert!(kept <= 3);
        prop_assert_eq!(answered + kept, requests.len());
        server.service_mut().0.waiting.clear();
        let _ = server.turn();
        prop_assert_eq!(received(&mut link).len(), kept);
    }

    #[test]
    fn a_client_takes_no_reply_for_what_it_did_not_ask(
        replies in proptest::collection::vec((0..=4_u16, 0..=4_u16, 2..=4_u8, 0..=6_u8, any::<bool>(), plausible(56)), 0..64),
    ) {
        let (here, mut there) = service::Loopback::pair(64);
        let mut client = HouseEvents::over(service::Caller::<_, 4>::new(here));
        let mut asked: BTreeMap<Token, u8> = BTreeMap::new();
        asked.insert(client.knock().expect("sent"), 1);
        asked.insert(client.open(1, true).expect("sent"), 2);
        asked.insert(client.echo(1).expect("sent"), 5);
        for (place, generation, version, method, refused, content) in replies {
            let mut payload = [0; 56];
            payload[..content.len()].copy_from_slice(&content);
            let tag = Tag { version, method, refused, request: generation << 8 | place };
            prop_assert_eq!(there.try_send(&Message::new(tag, &payload)), Ok(()));
            while let Some((token, result)) = client.poll() {
                let method = asked.remove(&token);
                let fits = match result {
                    Ok(HouseReply::Knock(())) => method == Some(1),
                    Ok(HouseReply::Open(_)) => method == Some(2),
                    Ok(HouseReply::Echo(_)) => method == Some(5),
                    Ok(_) => false,
                    Err(error) => method.is_some() && !matches!(error, CallError::Closed | CallError::NoCredit),
                };
                prop_assert!(fits, "a reply to {:?}", method);
            }
        }
        prop_assert_eq!(client.caller().outstanding(), asked.len());
    }

    #[test]
    fn every_request_has_its_own_answer_in_whatever_order(order in Just((0..32_u64).collect::<Vec<_>>()).prop_shuffle()) {
        let (mut server, _, link) = keeper_and_link(8, Terms { share: 3, suspended: 40 });
        let mut client = HouseEvents::over(service::Caller::<_, 32>::new(link));
        let mut asked = BTreeMap::new();
        for value in 0..32 {
            asked.insert(client.wait_for(value).expect("the server takes as many"), value);
            let _ = server.turn();
        }
        for value in order {
            server.service_mut().0.answer(value);
            let _ = server.turn();
            let Some((token, Ok(HouseReply::WaitFor(seen)))) = client.poll() else { panic!("{value} was answered") };
            prop_assert_eq!(asked.remove(&token), Some(seen));
        }
        prop_assert!(asked.is_empty());
    }
}
