//! Arrays, tuples, options and results of what can travel.

use super::{Reader, Wire, WireError, Writer, larger};

impl<T: Wire, const N: usize> Wire for [T; N] {
    const SIZE: usize = N * T::SIZE;

    fn encode(&self, bytes: &mut [u8]) {
        let mut writer = Writer::new(bytes);
        for item in self {
            writer.put(item);
        }
        writer.finish();
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::of::<Self>(bytes)?;
        let mut wrong = None;
        let items: [Option<T>; N] = core::array::from_fn(|_| match reader.get() {
            Ok(item) => Some(item),
            Err(error) => {
                wrong.get_or_insert(error);
                None
            }
        });
        if let Some(error) = wrong {
            return Err(error);
        }
        reader.finish()?;
        Ok(items.map(|item| item.expect("no error was seen, so every item was read")))
    }
}

/// None is a zero and nothing but zeros behind it.
impl<T: Wire> Wire for Option<T> {
    const SIZE: usize = 1 + T::SIZE;

    fn encode(&self, bytes: &mut [u8]) {
        let mut writer = Writer::new(bytes);
        writer.put(&self.is_some());
        if let Some(value) = self {
            writer.put(value);
        }
        writer.finish();
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::of::<Self>(bytes)?;
        let value = if reader.get()? { Some(reader.get()?) } else { None };
        reader.finish()?;
        Ok(value)
    }
}

/// 0 and the value, or 1 and the error.
impl<T: Wire, E: Wire> Wire for Result<T, E> {
    const SIZE: usize = 1 + larger(T::SIZE, E::SIZE);

    fn encode(&self, bytes: &mut [u8]) {
        let mut writer = Writer::new(bytes);
        writer.put(&self.is_err());
        match self {
            Ok(value) => writer.put(value),
            Err(error) => writer.put(error),
        }
        writer.finish();
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::of::<Self>(bytes)?;
        let value = if reader.get()? { Err(reader.get()?) } else { Ok(reader.get()?) };
        reader.finish()?;
        Ok(value)
    }
}

macro_rules! tuples {
    ($(($($name:ident $position:tt),*))*) => {$(
        impl<$($name: Wire),*> Wire for ($($name,)*) {
            const SIZE: usize = 0 $(+ $name::SIZE)*;

            fn encode(&self, bytes: &mut [u8]) {
                #[allow(unused_mut, reason = "nothing is put for the empty tuple")]
                let mut writer = Writer::new(bytes);
                $(writer.put(&self.$position);)*
                writer.finish();
            }

            fn decode(bytes: &[u8]) -> Result<Self, WireError> {
                #[allow(unused_mut, reason = "nothing is read for the empty tuple")]
                let mut reader = Reader::of::<Self>(bytes)?;
                #[allow(clippy::unused_unit, reason = "the empty tuple is one of the tuples")]
                let value = ($(reader.get::<$name>()?,)*);
                reader.finish()?;
                Ok(value)
            }
        }
    )*};
}

tuples! {
    ()
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_has_one_encoding_only() {
        assert_eq!(Option::<u16>::decode(&[0, 0, 0]), Ok(None));
        assert_eq!(Option::<u16>::decode(&[0, 7, 0]), Err(WireError::Unclean { byte: 7 }));
        assert_eq!(Option::<u16>::decode(&[1, 7, 0]), Ok(Some(7)));
        assert_eq!(Option::<u16>::decode(&[0]), Err(WireError::TooShort { needed: 3, given: 1 }));
    }

    #[test]
    fn a_result_takes_what_its_larger_side_takes() {
        assert_eq!(<Result<u8, u32> as Wire>::SIZE, 5);
        assert_eq!(Result::<u8, u32>::decode(&[0, 7, 0, 0, 0]), Ok(Ok(7)));
        assert_eq!(Result::<u8, u32>::decode(&[1, 7, 0, 0, 1]), Ok(Err(0x0100_0007)));
        assert_eq!(Result::<u8, u32>::decode(&[0, 7, 0, 0, 1]), Err(WireError::Unclean { byte: 1 }));
    }

    #[test]
    fn an_array_is_refused_for_its_first_wrong_item() {
        assert_eq!(<[bool; 3]>::decode(&[1, 0, 1]), Ok([true, false, true]));
        assert_eq!(<[bool; 3]>::decode(&[1, 5, 6]), Err(WireError::BadBool(5)));
        assert_eq!(<[u8; 0]>::decode(&[]), Ok([]));
    }
}
