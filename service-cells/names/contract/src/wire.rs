//! How names and queries travel. All other types derive it.

use service::{Wire, WireError};

use crate::{Avoid, Name, Policy, Query, ServerId};

/// As [`Name::as_padded`]: 40 bytes.
impl Wire for Name {
    const SIZE: usize = Name::CAPACITY;

    fn encode(&self, bytes: &mut [u8]) {
        self.as_padded().encode(bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        Name::from_padded(&Wire::decode(bytes)?).map_err(|_| WireError::NoSuchValue)
    }
}

/// A query as it travels: the name, the policy, whether the first of the servers is to be kept rather than avoided, and the
/// servers, 0 for none. A server to be kept takes the place of the one that is avoided for longest: with both there would
/// be one byte too many for a message.
type Travelling = (Name, Policy, bool, [u32; Avoid::CAPACITY]);

impl Wire for Query {
    const SIZE: usize = Travelling::SIZE;

    fn encode(&self, bytes: &mut [u8]) {
        let mut servers = [0; Avoid::CAPACITY];
        let all = self.keep.into_iter().chain(self.avoid.iter());
        servers.iter_mut().zip(all).for_each(|(place, server)| *place = server.0);
        (self.name, self.policy, self.keep.is_some(), servers).encode(bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (name, policy, keeps, servers) = Travelling::decode(bytes)?;
        let mut query = Query::new(name, policy);
        let avoided = if keeps {
            query.keep = Some(ServerId(servers[0]));
            &servers[1..]
        } else {
            &servers[..]
        };
        // From the one that was added first.
        avoided.iter().rev().filter(|server| **server != 0).for_each(|server| query.avoid.add(ServerId(*server)));
        Ok(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::PAYLOAD_BYTES;
    use std::vec;

    fn there_and_back<T: Wire>(value: &T) -> Result<T, WireError> {
        let mut bytes = [0xFF; PAYLOAD_BYTES];
        value.encode(&mut bytes);
        T::decode(&bytes)
    }

    #[test]
    fn a_query_survives_the_way() {
        let mut query = Query::new(Name::new("a/b").expect("a name"), Policy::LeastLoaded);
        assert_eq!(there_and_back(&query), Ok(query));
        for server in 1..=3 {
            query.avoid.add(ServerId(server));
            assert_eq!(there_and_back(&query), Ok(query));
        }
    }

    #[test]
    fn a_server_to_be_kept_takes_the_place_of_the_one_avoided_for_longest() {
        let mut query = Query::new(Name::new("a").expect("a name"), Policy::Any);
        (query.keep, query.avoid) = (Some(ServerId(9)), [1, 2, 3].into_iter().fold(Avoid::NONE, add));
        let expected = Query { avoid: [2, 3].into_iter().fold(Avoid::NONE, add), ..query };
        assert_eq!(there_and_back(&query), Ok(expected));
    }

    fn add(mut avoid: Avoid, server: u32) -> Avoid {
        avoid.add(ServerId(server));
        avoid
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in [&b""[..], b"A", b"a//b", b"a\0b"] {
            let mut bytes = vec![0; 40];
            bytes[..bad.len()].copy_from_slice(bad);
            assert_eq!(Name::decode(&bytes), Err(WireError::NoSuchValue), "{bad:?}");
        }
        let name = Name::from_bytes(&[b'z'; 40]).expect("a name");
        assert_eq!(there_and_back(&name), Ok(name));
    }
}
