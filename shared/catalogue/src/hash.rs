//! Small stable hashes.
//!
//! They are part of the identifiers of served memes, so they must never change: not with the
//! compiler, not with the machine, not with the order of the data files.

/// A hash of `parts` that knows where one part ends and the next begins.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    // FNV-1a; 0xFF is in no UTF-8 text, so it separates.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0xFF]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mix(hash)
}

/// Spreads every bit of `value` over all 64, so that any few of them make a fair hash.
pub(crate) fn mix(value: u64) -> u64 {
    // The finaliser of SplitMix64.
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The upper 32 bits of [`of_parts`].
pub(crate) fn hash32<'a>(parts: impl IntoIterator<Item = &'a str>) -> u32 {
    (of_parts(parts) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_what_they_always_were() {
        // Identifiers that clients keep depend on these numbers.
        assert_eq!(hash32(["two-buttons", "a", "b"]), 4_222_155_051);
        assert_eq!(of_parts(["a nap"]) >> 48, 10_141);
        assert_ne!(hash32(["ab", "c"]), hash32(["a", "bc"]));
    }
}
