//! Cursors: where the next page of a list begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::problem::{FieldError, Problem};

/// Entries on a page when the client names no limit.
pub const LIMIT_DEFAULT: u32 = 20;

/// The most entries on a page.
pub const LIMIT_MAX: u32 = 100;

/// The longest cursor that is looked at, in bytes.
const CURSOR_BYTES_MAX: usize = 1_024;

/// The version of what is inside.
const VERSION: u8 = 1;

/// Bytes of the check.
const CHECK_BYTES: usize = 8;

/// Writes `position` as a cursor of `list`.
///
/// `list` names the list with everything that decides what is in it: whose it is, and its filters.
/// A cursor is good for that list alone. Its check finds cursors that were cut or altered; it is
/// no secret, so a position must never say whose data is read.
///
/// # Errors
/// 500 when the position cannot be written as JSON.
pub fn encode_cursor<T: Serialize>(list: &str, position: &T) -> Result<String, Problem> {
    let position = serde_json::to_vec(position).map_err(Problem::internal)?;
    let mut bytes = vec![VERSION];
    bytes.extend(check(list, &position));
    bytes.extend(position);
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads a cursor of `list`.
///
/// # Errors
/// 400 for the parameter `cursor` when it is none that [`encode_cursor`] gave for this list.
pub fn decode_cursor<T: DeserializeOwned>(list: &str, cursor: &str) -> Result<T, Problem> {
    position(list, cursor).ok_or_else(bad_cursor)
}

/// 400 for a cursor that no page gave out; for lists that have cursors of their own.
#[must_use]
pub fn bad_cursor() -> Problem {
    Problem::invalid(FieldError::parameter(
        "cursor",
        "is not one of this list; send `next_cursor` as it came, with the same filters, or leave \
         it out to begin at the start",
    ))
}

fn position<T: DeserializeOwned>(list: &str, cursor: &str) -> Option<T> {
    if cursor.len() > CURSOR_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (found, position) = rest.split_at_checked(CHECK_BYTES)?;
    if *version != VERSION || found != check(list, position) {
        return None;
    }
    serde_json::from_slice(position).ok()
}

fn check(list: &str, position: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    // The length keeps a list and a position from sharing bytes.
    hash.update(list.len().to_be_bytes());
    hash.update(list);
    hash.update(position);
    let digest = hash.finalize();
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_list_alone() {
        let cursor = encode_cursor("generations/cl_1/queued", &("a", 7)).unwrap();
        let (name, number): (String, u32) =
            decode_cursor("generations/cl_1/queued", &cursor).unwrap();
        assert_eq!((name.as_str(), number), ("a", 7));
        let other = decode_cursor::<(String, u32)>("generations/cl_1/", &cursor).unwrap_err();
        assert_eq!(other.errors()[0].parameter.as_deref(), Some("cursor"));
        assert!(decode_cursor::<u32>("generations/cl_1/queued", &cursor).is_err());
    }

    proptest! {
        #[test]
        fn one_changed_character_is_noticed(at in 0_usize..200, to in "[A-Za-z0-9_=-]") {
            let cursor = encode_cursor("list", &"01J9ZK3V7N8Q4R5S6T7V8W9X0Y").unwrap();
            let at = at % cursor.len();
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(
                decode_cursor::<String>("list", &changed).is_ok(),
                changed == cursor
            );
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            prop_assert!(decode_cursor::<String>("list", &text).is_err());
        }
    }
}
