//! Status lists (draft-ietf-oauth-status-list): a bit for each place, 0 for a token that is good and 1 for one that
//! is not. Places are numbers that grow; each list holds 2^20 of them, always as long, so that its length tells
//! nothing and every place in it can be looked up.

use miniz_oxide::deflate::compress_to_vec_zlib;

/// Places of one list, as a power of two.
const PLACES: u32 = 20;
/// The best that DEFLATE can do: a list is made once and fetched often.
const LEVEL: u8 = 9;

/// A place in the status lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusIndex(u64);

impl StatusIndex {
    /// As it stands in the database; `None`: none of ours.
    pub fn from_stored(index: i64) -> Option<Self> {
        u64::try_from(index).ok().map(Self)
    }

    /// Which list it is in.
    pub const fn list(self) -> u64 {
        self.0 >> PLACES
    }

    /// Where in that list, from 0: `idx` of the token.
    pub const fn bit(self) -> u32 {
        (self.0 & ((1 << PLACES) - 1)) as u32
    }
}

/// A list in which the places `ended` are set, as zlib (RFC 1950) of one bit each, the least significant first
/// (section 4.1).
pub fn compressed(ended: &[StatusIndex]) -> Vec<u8> {
    let mut bits = vec![0; 1 << (PLACES - 3)];
    for place in ended {
        set(&mut bits, place.bit());
    }
    compress_to_vec_zlib(&bits, LEVEL)
}

fn set(bits: &mut [u8], bit: u32) {
    if let Some(byte) = bits.get_mut((bit >> 3) as usize) {
        *byte |= 1 << (bit & 7);
    }
}

#[cfg(test)]
mod tests {
    use miniz_oxide::inflate::decompress_to_vec_zlib;

    use super::*;

    /// The example of section 4.1: its bits, and `lst` before base64url.
    const EXAMPLE: [u8; 16] = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1];
    const EXAMPLE_LST: [u8; 10] = [0x78, 0xda, 0xdb, 0xb9, 0x18, 0x00, 0x02, 0x17, 0x01, 0x5d];

    fn index(stored: i64) -> StatusIndex {
        StatusIndex::from_stored(stored).expect("not negative")
    }

    #[test]
    fn the_example_of_the_specification() {
        let mut bits = [0; 2];
        for (at, _) in EXAMPLE.iter().enumerate().filter(|(_, bit)| **bit == 1) {
            set(&mut bits, at as u32);
        }
        assert_eq!(bits, [0xb9, 0xa3]);
        assert_eq!(decompress_to_vec_zlib(&EXAMPLE_LST).expect("zlib"), bits);
        assert_eq!(compress_to_vec_zlib(&bits, LEVEL), EXAMPLE_LST);
    }

    #[test]
    fn places_fall_into_lists() {
        let at = |stored| (index(stored).list(), index(stored).bit());
        assert_eq!(at(1), (0, 1));
        assert_eq!(at((1 << 20) - 1), (0, (1 << 20) - 1));
        assert_eq!(at(1 << 20), (1, 0));
        assert_eq!(at(i64::MAX), ((1 << 43) - 1, (1 << 20) - 1));
        assert_eq!(StatusIndex::from_stored(-1), None);
    }

    #[test]
    fn a_list_is_always_as_long_and_says_who_is_ended() {
        let ended = [0, 1, 7, 8, 1_000, (1 << 20) - 1].map(index);
        for ended in [&ended[..0], &ended] {
            let bits = decompress_to_vec_zlib(&compressed(ended)).expect("zlib");
            assert_eq!(bits.len(), 131_072);
            let set: Vec<u32> =
                (0..1 << 20).filter(|bit| bits[*bit as usize / 8] >> (bit % 8) & 1 == 1).collect();
            assert_eq!(set, ended.iter().map(|place| place.bit()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_list_in_which_little_is_set_is_short() {
        assert!(compressed(&[]).len() < 1_024);
        assert!(compressed(&[index(7), index(70_000)]).len() < 1_024);
    }
}
