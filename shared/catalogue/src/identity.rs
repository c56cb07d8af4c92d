//! How a served meme is found again with nothing stored.
//!
//! A meme's identifier is `meme_` and a ULID. Its 48-bit time is when the meme was served; of its
//! 80 random bits the first says who knows the meme:
//!
//! | bits | catalogue meme | stored meme |
//! |---|---|---|
//! | 79 | 1 | 0 |
//! | 78 | 0 curated, 1 made by the grammar | random |
//! | 77-64 | check over the rest | random |
//! | 63-32 | hash of the template and its captions, or of the pattern | random |
//! | 31-0 | hash of the topic, or 16 bits for each of the words in the pattern's slots | random |
//!
//! The hashes depend on nothing but the text, so an identifier lives as long as its text does:
//! additions to the data and another order in it leave it alone. The check is no secret; it lets
//! an identifier that nobody was ever given be told from one whose meme was withdrawn.

use ids::{Id, MemeId, Ulid};

use crate::hash;

const CATALOGUE: u128 = 1 << 79;
const GRAMMAR: u128 = 1 << 78;
const PAYLOAD: u128 = (1 << 80) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) grammar: bool,
    pub(crate) hash: u32,
    pub(crate) seed: u32,
}

/// Whether the catalogue may know the meme; all others are in the store.
#[must_use]
pub fn is_catalogue(id: MemeId) -> bool {
    payload(id) & CATALOGUE != 0
}

/// The identifier to store a meme under: `id` with the mark of the catalogue taken off. Every
/// meme that is stored must have its identifier pass through here.
#[must_use]
pub fn stored(id: MemeId) -> MemeId {
    let ulid = id.ulid();
    MemeId::from_ulid(Ulid::from_parts(ulid.timestamp_ms(), payload(id) & !CATALOGUE))
}

pub(crate) fn payload(id: MemeId) -> u128 {
    id.ulid().random() & PAYLOAD
}

pub(crate) fn meme_id(now_ms: i64, payload: u128) -> MemeId {
    let time_ms = u64::try_from(now_ms).unwrap_or(0);
    MemeId::from_ulid(Ulid::from_parts(time_ms, payload & PAYLOAD))
}

fn check(parts: Parts) -> u128 {
    let rest = u64::from(parts.hash) << 32 | u64::from(parts.seed);
    // Two different constants, so that the kind is checked too.
    let kind = if parts.grammar { 0x6d65_6d65 } else { 0x6361_7461 };
    u128::from(hash::mix(rest ^ hash::mix(kind)) >> 50)
}

pub(crate) fn pack(parts: Parts) -> u128 {
    CATALOGUE
        | if parts.grammar { GRAMMAR } else { 0 }
        | check(parts) << 64
        | u128::from(parts.hash) << 32
        | u128::from(parts.seed)
}

pub(crate) fn unpack(payload: u128) -> Option<Parts> {
    let parts = Parts {
        grammar: payload & GRAMMAR != 0,
        hash: (payload >> 32) as u32,
        seed: payload as u32,
    };
    (pack(parts) == payload).then_some(parts)
}
