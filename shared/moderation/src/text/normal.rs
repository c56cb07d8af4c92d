//! The ways in which a text can be read, whatever it is spelt with.

use std::collections::BTreeSet;
use std::iter;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

/// What is not shown: Unicode's `Default_Ignorable_Code_Point`, such as zero-width and soft hyphens,
/// variation selectors and marks of direction.
const IGNORABLE: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Marks that change how a letter sounds, not which one it is: accents of Latin, Greek and Cyrillic,
/// points of Hebrew, vowels of Arabic. Vowels of Indic scripts stay.
const ACCENTS: &[(char, char)] = &[
    ('\u{300}', '\u{36f}'),
    ('\u{591}', '\u{5bd}'),
    ('\u{5bf}', '\u{5c7}'),
    ('\u{64b}', '\u{65f}'),
    ('\u{670}', '\u{670}'),
    ('\u{640}', '\u{640}'),
    ('\u{1ab0}', '\u{1aff}'),
    ('\u{1dc0}', '\u{1dff}'),
    ('\u{20d0}', '\u{20ff}'),
];

/// `text` in small letters of their plainest form (NFKD without accents, composed again), without
/// what is not shown.
pub(super) fn clean(text: &str) -> String {
    let shown = |c: &char| !within(IGNORABLE, *c) && !within(ACCENTS, *c);
    // The capital of the Turkish dotless i is that of i. Small letters of some capitals bring an
    // accent with them, so it is taken apart again.
    let small = text.nfkd().flat_map(char::to_lowercase).map(|c| if c == 'ı' { 'i' } else { c });
    small.nfkd().filter(shown).nfc().collect()
}

/// The text with one space for each gap between words, and for each hyphen or line within them.
pub(super) fn on_one_line(clean: &str) -> String {
    let gap = |c: char| c.is_whitespace() || matches!(c, '-' | '_' | '\u{2010}'..='\u{2015}');
    clean.split(gap).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The text with at most three of the same sign in a row. The word filter takes thirty times as long
/// for signs as for letters.
pub(super) fn without_rows(text: &str) -> String {
    let (mut last, mut count) = (None, 0);
    text.chars()
        .filter(|c| {
            count = if last == Some(*c) { count + 1 } else { 1 };
            last = Some(*c);
            count <= 3 || c.is_alphanumeric()
        })
        .collect()
}

/// What is masked in `text`, where `masked` has `mask` for each sign of it: the words with something
/// masked in them, and together those that are masked from end to end. Nothing if the two texts cannot
/// be laid side by side.
pub(super) fn masked_pieces<'a>(
    text: &'a str,
    masked: &str,
    mask: char,
) -> Option<BTreeSet<&'a str>> {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let is_masked: Vec<bool> = masked.chars().map(|c| c == mask).collect();
    if places.len() != is_masked.len() {
        return None;
    }
    let at = |index: usize| places.get(index).copied().unwrap_or(text.len());
    // A long word with much in it is one piece.
    let mut pieces = BTreeSet::new();
    let mut from = 0;
    for run in is_masked.chunk_by(|a, b| a == b) {
        let to = from + run.len();
        if run.first() == Some(&true) {
            pieces.extend(pieces_around(text, at(from), at(to)));
        }
        from = to;
    }
    Some(pieces)
}

/// The words that `text[start..end]` is in, and together those that it has from end to end.
fn pieces_around(text: &str, start: usize, end: usize) -> impl Iterator<Item = &str> {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let (before, found, after) = (part(0, start), part(start, end), part(end, text.len()));
    let begins = !before.ends_with(char::is_alphanumeric);
    let ends = !after.starts_with(char::is_alphanumeric);
    let gap = |at: Option<usize>| at.unwrap_or(found.len());
    let from = if begins { 0 } else { gap(found.find(char::is_whitespace)) };
    let to = if ends { found.len() } else { found.rfind(char::is_whitespace).unwrap_or(0) };
    let whole = found.get(from..to).unwrap_or_default();
    let first = before.rfind(char::is_whitespace).unwrap_or(0);
    let last = end + after.find(char::is_whitespace).unwrap_or(after.len());
    part(first, last).split_whitespace().chain([whole])
}

/// Whether `phrase` is not a piece of a longer word. Scripts without spaces have no such pieces.
pub(super) fn is_whole(before: &str, phrase: &str, after: &str) -> bool {
    let spaced = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    let goes_on = |within: Option<char>, beyond: Option<char>| {
        within.is_some_and(spaced) && beyond.is_some_and(spaced)
    };
    !goes_on(phrase.chars().next(), before.chars().next_back())
        && !goes_on(phrase.chars().next_back(), after.chars().next())
}

/// Chinese characters and Japanese kana.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// The words of a clean text with one space around each.
pub(super) fn plain(clean: &str) -> String {
    spaced(words(clean, |_, _, _| false))
}

/// The same words as somebody reads them who is used to disguises: letters of other scripts that
/// look Latin as Latin, digits and signs within words as letters, stretched letters once, and
/// letters that stand alone in a row as a word.
pub(super) fn folded(clean: &str) -> String {
    let latin = latinised(clean);
    let within_word = |before: Option<char>, sign: char, after: Option<char>| {
        let beside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        match sign {
            '@' | '$' => beside(after),
            '!' | '*' => beside(before) && beside(after),
            _ => false,
        }
    };
    // A row of letters ends with its sentence: the one that begins the next is none of it.
    let words = latin.split(". ").flat_map(|sentence| {
        let words = words(sentence, within_word);
        joined(words.map(|word| unstretched(&without_digits(word))))
    });
    spaced(words)
}

fn within(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

fn spaced<T: AsRef<str>>(words: impl Iterator<Item = T>) -> String {
    let mut text = String::from(" ");
    for word in words {
        text.push_str(word.as_ref());
        text.push(' ');
    }
    text
}

/// Letters, digits and marks are parts of words, and so is a sign of which `sign_belongs` says so,
/// by what stands before and after it.
fn words(
    text: &str,
    sign_belongs: impl Fn(Option<char>, char, Option<char>) -> bool,
) -> impl Iterator<Item = &str> {
    let mut before = None;
    let mut ends = Vec::new();
    let mut start = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map(|(_, c)| *c);
        let belongs = c.is_alphanumeric() || is_combining_mark(c) || sign_belongs(before, c, after);
        match (belongs, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                ends.push((from, at));
                start = None;
            }
            _ => {}
        }
        before = Some(c);
    }
    ends.extend(start.map(|from| (from, text.len())));
    ends.into_iter().map(|(from, to)| &text[from..to])
}

fn latinised(text: &str) -> String {
    let mut latin = String::with_capacity(text.len());
    for c in text.chars() {
        match looks_like(c) {
            Some(like) => latin.push(like),
            None => latin.push(c),
        }
    }
    latin
}

/// The ASCII letter that `c`, of another script, is drawn like.
fn looks_like(c: char) -> Option<char> {
    if c.is_ascii() {
        return None;
    }
    let mut buffer = [0; 4];
    let mut drawn = skeleton(c.encode_utf8(&mut buffer));
    let like = drawn.next().filter(char::is_ascii_alphabetic)?;
    drawn.next().is_none().then_some(like.to_ascii_lowercase())
}

/// A word with letters and digits, with letters alone.
fn without_digits(word: &str) -> String {
    if !word.chars().any(char::is_alphabetic) {
        return word.to_owned();
    }
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        other => other,
    };
    word.chars().map(letter).collect()
}

/// Three and more of the same letter in a row as one.
fn unstretched(word: &str) -> String {
    let mut short = String::with_capacity(word.len());
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        let more = iter::from_fn(|| chars.next_if_eq(&c)).count();
        short.push(c);
        if more == 1 {
            short.push(c);
        }
    }
    short
}

/// Three and more letters in a row that stand alone as one word; and without the `a` and `i` around
/// it, which may be words.
fn joined(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut alone: Vec<String> = Vec::new();
    for word in words {
        if word.chars().nth(1).is_none() {
            alone.push(word);
        } else {
            flush(&mut alone, &mut all);
            all.push(word);
        }
    }
    flush(&mut alone, &mut all);
    all
}

fn flush(alone: &mut Vec<String>, all: &mut Vec<String>) {
    if alone.len() >= 3 {
        let word = alone.concat();
        alone.clear();
        let within = word.trim_matches(['a', 'i']);
        if within.len() < word.len() {
            all.push(within.to_owned());
        }
        all.push(word);
    } else {
        all.append(alone);
    }
}
