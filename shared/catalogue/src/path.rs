//! Captions in the path of a picture's address.
//!
//! The grammar is the one that users of memegen know:
//!
//! | written | read |
//! |---|---|
//! | `_` or `-` | space |
//! | `__` | `_` |
//! | `--` | `-` |
//! | `~n` | new line |
//! | `~q ~a ~p ~h ~s ~b ~l ~g` | `? & % # / \ < >` |
//! | `''` | `"` |
//! | `_` alone | nothing: a box that stays blank |
//!
//! The letter after `~` may be a capital, and percent-encoding is undone first. In an odd run of
//! underscores the space stands first (`a___b` is `a _b`), in an odd run of dashes last. Emoji are
//! written as themselves.
//!
//! Where memegen loses text, this module does not: a run of underscores and a run of dashes are
//! read apart (`a_--_b` is `a - b`), several spaces in a row stay several, `~~` is a tilde before
//! a letter that would make it an escape, and `~.` is a dot where the dot alone would make the
//! segment a relative path.
//!
//! [`decode`] gives back what [`encode`] was given, except for what memegen also makes plain:
//! typographic quotes become straight ones, an en dash becomes a hyphen, and two apostrophes in a
//! row are a double quote.

use std::fmt::Write;

/// Letters behind a tilde, and what they stand for.
const ESCAPES: [(char, char); 9] = [
    ('n', '\n'),
    ('q', '?'),
    ('a', '&'),
    ('p', '%'),
    ('h', '#'),
    ('s', '/'),
    ('b', '\\'),
    ('l', '<'),
    ('g', '>'),
];

/// Reads one segment of a path. Takes anything: what is no escape stands for itself.
///
/// It does not matter whether somebody has already undone the percent-encoding of what [`encode`]
/// wrote.
#[must_use]
pub fn decode(segment: &str) -> String {
    let segment = percent_decode(segment);
    if segment == "_" {
        return String::new();
    }
    let mut text = String::with_capacity(segment.len());
    let mut rest = segment.as_str();
    while let Some(first) = rest.chars().next() {
        let (read, length) = match first {
            '_' | '-' => {
                let run = rest.bytes().take_while(|byte| *byte == first as u8).count();
                if run % 2 == 1 && first == '_' {
                    text.push(' ');
                }
                text.extend(std::iter::repeat_n(first, run / 2));
                if run % 2 == 1 && first == '-' {
                    text.push(' ');
                }
                (None, run)
            }
            '~' => match rest[1..].chars().next().and_then(unescape) {
                // All that can follow a tilde is one byte long.
                Some(character) => (Some(character), 2),
                None => (Some('~'), 1),
            },
            '\'' if rest[1..].starts_with('\'') => (Some('"'), 2),
            other => (Some(other), other.len_utf8()),
        };
        text.extend(read);
        rest = &rest[length..];
    }
    text
}

fn unescape(letter: char) -> Option<char> {
    if letter == '~' || letter == '.' {
        return Some(letter);
    }
    let letter = letter.to_ascii_lowercase();
    ESCAPES.iter().find(|(known, _)| *known == letter).map(|(_, character)| *character)
}

/// Writes a caption as one segment of a path, ready to stand in an address.
#[must_use]
pub fn encode(text: &str) -> String {
    let text = plain(text);
    match text.as_str() {
        "" => return "_".to_owned(),
        // One underscore would be a blank box.
        " " => return "-".to_owned(),
        "." => return "~.".to_owned(),
        ".." => return "~..".to_owned(),
        _ => {}
    }
    let mut segment = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        match character {
            '_' => segment.push_str("__"),
            '-' => segment.push_str("--"),
            // A space may not join a run that would be read in another order.
            ' ' if !segment.ends_with('_') => segment.push('_'),
            ' ' if next != Some('-') => segment.push('-'),
            '"' if !segment.ends_with('\'') && !matches!(next, Some('\'' | '"')) => {
                segment.push_str("''");
            }
            '~' if next.is_none_or(|next| {
                next == ' ' || (next.is_ascii_alphanumeric() && unescape(next).is_none())
            }) =>
            {
                segment.push('~');
            }
            '~' => segment.push_str("~~"),
            other => match ESCAPES.iter().find(|(_, known)| *known == other) {
                Some((letter, _)) => segment.extend(['~', *letter]),
                None => push_percent_encoded(&mut segment, other),
            },
        }
    }
    segment
}

/// `text` with typographic quotes and dashes as a keyboard writes them.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '‘' | '’' | '\'' => {
                // The second of two apostrophes makes them a double quote.
                if plain.ends_with('\'') {
                    plain.pop();
                    plain.push('"');
                } else {
                    plain.push('\'');
                }
            }
            '“' | '”' => plain.push('"'),
            '–' => plain.push('-'),
            other => plain.push(other),
        }
    }
    plain
}

fn push_percent_encoded(segment: &mut String, character: char) {
    // What RFC 3986 lets stand in a segment, less what the grammar above has already written.
    if character.is_ascii_alphanumeric() || "!$'()*+,.:;=@".contains(character) {
        segment.push(character);
        return;
    }
    let mut buffer = [0; 4];
    for byte in character.encode_utf8(&mut buffer).bytes() {
        // Writing to a text cannot fail.
        let _ = write!(segment, "%{byte:02X}");
    }
}

/// Undoes percent-encoding. A percent sign without two hexadecimal digits stays, and bytes that
/// are no UTF-8 become replacement characters.
fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let digit = |at: usize| {
        let digit = bytes.get(at).copied().map(char::from)?.to_digit(16)?;
        u8::try_from(digit).ok()
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (*byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs on which memegen itself agrees in both directions.
    const SHARED: [(&str, &str); 14] = [
        ("hello world", "hello_world"),
        ("?%#/&\\<>", "~q~p~h~s~a~b~l~g"),
        ("a/b", "a~sb"),
        ("variable_name", "variable__name"),
        ("variable-name", "variable--name"),
        ("foo\nbar", "foo~nbar"),
        ("def data() -> Dict", "def_data()_--~g_Dict"),
        ("finish <- start", "finish_~l--_start"),
        ("That's not how \"this\" works", "That's_not_how_''this''_works"),
        ("git commit --no-verify", "git_commit_----no--verify"),
        ("_username likes _charname", "__username_likes___charname"),
        ("underscore_ dash-", "underscore__-dash--"),
        ("kill -9", "kill_--9"),
        ("50% off?", "50~p_off~q"),
    ];

    #[test]
    fn both_directions_agree_with_memegen() {
        for (text, segment) in SHARED {
            assert_eq!(encode(text), segment);
            assert_eq!(decode(segment), text);
        }
    }

    #[test]
    fn what_memegen_only_reads_is_read() {
        for (segment, text) in [
            ("hello-world", "hello world"),
            ("~Q~A~P~H~S~B~L~G", "?&%#/\\<>"),
            ("1-2_in._of_snow", "1 2 in. of snow"),
            ("a---b", "a- b"),
            ("a-----b", "a-- b"),
            ("a____b", "a__b"),
            ("'''", "\"'"),
            ("_", ""),
            ("__", "_"),
            ("--", "-"),
            ("", ""),
            ("~", "~"),
            ("~x", "~x"),
            ("~é", "~é"),
            ("%F0%9F%91%8D", "👍"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%FF", "\u{FFFD}"),
        ] {
            assert_eq!(decode(segment), text, "{segment}");
        }
    }

    #[test]
    fn what_memegen_loses_is_kept() {
        for text in [
            "a - b", "a -- b", "a  b", "a   b", "_ -", "- _", " _ - ", "~q", "~~q", "~", "~?", ".",
            "..", " ", "'\"hi\"'", "\"\"", "/", "~.", "a~", "~ n",
        ] {
            assert_eq!(decode(&encode(text)), text, "{}", encode(text));
        }
    }

    #[test]
    fn typographic_signs_become_plain() {
        assert_eq!(encode("it’ll be “great”"), "it'll_be_''great''");
        assert_eq!(encode("1–2 in. of snow"), "1--2_in._of_snow");
        assert_eq!(decode(&encode("a''b")), "a\"b");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn all_text_comes_back(text in "([ _\\-~'\".?%nqa]|\\PC){0,24}") {
            prop_assert_eq!(decode(&encode(&text)), plain(&text));
            if !text.contains(['‘', '’', '“', '”', '–']) && !text.contains("''") {
                prop_assert_eq!(plain(&text), text);
            }
        }

        #[test]
        fn a_segment_holds_only_what_a_path_may(text in "(\\PC|\n){0,24}") {
            let segment = encode(&text);
            prop_assert!(!segment.is_empty() && segment != "." && segment != "..");
            let allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!$'()*+,.:;=@%_-~".contains(&byte);
            prop_assert!(segment.bytes().all(allowed), "{}", segment);
            // A gateway may undo the percent-encoding first.
            prop_assert_eq!(decode(&percent_decode(&segment)), plain(&text));
        }

        #[test]
        fn any_segment_can_be_read(segment in "\\PC{0,40}") {
            let text = decode(&segment);
            prop_assert_eq!(decode(&encode(&text)), plain(&text));
        }
    }
}
