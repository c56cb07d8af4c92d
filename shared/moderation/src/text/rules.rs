//! The rules of `rules.toml`, and how a text is held to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use rustrict::{Censor, Type};
use serde::Deserialize;

use super::{Category, Role, normal};

/// Groups that are found by code and not by a list of words.
const EXPLICIT: &str = "filter_explicit";
const SEXUAL: &str = "filter_sexual";
const SLUR: &str = "filter_slur";
const CRUEL: &str = "filter_cruel";
const SWEARING: &str = "filter_swearing";
/// The group that an age below [`ADULT_YEARS`] counts to.
const MINOR: &str = "minor";

const ADULT_YEARS: u32 = 18;

/// Stands for each sign that the word filter finds. No clean text has it: it is of private use.
const MASK: char = '\u{f8ff}';

/// What `rules.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    /// What is innocent though it holds a word that is not.
    innocent: BTreeMap<String, Vec<String>>,
    /// Words that follow an age.
    years: Vec<String>,
    /// Words that an age follows.
    aged: Vec<String>,
    /// Numbers below [`ADULT_YEARS`] in words.
    numbers: Vec<String>,
    /// By group, then by language.
    groups: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    rules: Vec<RuleSource>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSource {
    category: Category,
    /// One of the groups in each must be there.
    all: Vec<Vec<String>>,
    /// Whether captions are held to it too.
    captions: bool,
}

struct Rule {
    category: Category,
    all: Vec<BTreeSet<String>>,
    captions: bool,
}

struct Rules {
    innocent: AhoCorasick,
    words: AhoCorasick,
    /// The group of each of `words`.
    groups: Vec<String>,
    years: BTreeSet<String>,
    aged: BTreeSet<String>,
    numbers: BTreeSet<String>,
    /// The gravest first.
    rules: Vec<Rule>,
}

#[expect(clippy::expect_used, reason = "the file is a part of the program, and tests read it")]
static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::read(include_str!("rules.toml")).expect("rules.toml is sound"));

/// The gravest category that a clean text falls into.
pub(super) fn judge(role: Role, clean: &str) -> Option<Category> {
    let rules = &*RULES;
    let text = rules.without_innocent(clean);
    let found = rules.groups_in(&text);
    let applies = |rule: &&Rule| {
        (rule.captions || role == Role::Prompt)
            && rule.all.iter().all(|any| any.iter().any(|group| found.contains(&**group)))
    };
    rules.rules.iter().find(applies).map(|rule| rule.category)
}

impl Rules {
    fn read(source: &str) -> Result<Self, String> {
        let source: Source = toml::from_str(source).map_err(|error| error.to_string())?;
        let words: Vec<(String, String)> = source
            .groups
            .iter()
            .flat_map(|(group, languages)| {
                languages.values().flatten().map(|word| (pattern(word), group.clone()))
            })
            .collect();
        let automaton = |kind, patterns: &[String]| {
            AhoCorasick::builder().match_kind(kind).build(patterns).map_err(|e| e.to_string())
        };
        let innocent: Vec<String> =
            source.innocent.values().flatten().map(|phrase| normal::clean(phrase)).collect();
        let clean = |words: Vec<String>| words.iter().map(|word| normal::clean(word)).collect();
        let mut rules: Vec<Rule> = source
            .rules
            .into_iter()
            .map(|rule| Rule {
                category: rule.category,
                all: rule.all.into_iter().map(BTreeSet::from_iter).collect(),
                captions: rule.captions,
            })
            .collect();
        rules.sort_by_key(|rule| rule.category);
        check_names(&rules, &words)?;
        Ok(Self {
            innocent: automaton(MatchKind::LeftmostLongest, &innocent)?,
            words: automaton(
                MatchKind::Standard,
                &words.iter().map(|(pattern, _)| pattern.clone()).collect::<Vec<_>>(),
            )?,
            groups: words.into_iter().map(|(_, group)| group).collect(),
            years: clean(source.years),
            aged: clean(source.aged),
            numbers: clean(source.numbers),
            rules,
        })
    }

    /// `clean` on one line with its innocent phrases blotted out.
    fn without_innocent(&self, clean: &str) -> String {
        let line = normal::on_one_line(clean);
        let mut text = String::with_capacity(line.len());
        self.innocent.replace_all_with(&line, &mut text, |found, phrase, text| {
            let (before, after) = (&line[..found.start()], &line[found.end()..]);
            let whole = normal::is_whole(before, phrase, after);
            text.push_str(if whole { "." } else { phrase });
            true
        });
        text
    }

    fn groups_in(&self, text: &str) -> BTreeSet<&str> {
        let plain = normal::plain(text);
        let mut groups = filtered(text);
        for reading in [&plain, &normal::folded(text)] {
            let found = self.words.find_overlapping_iter(reading);
            groups.extend(found.map(|word| &*self.groups[word.pattern().as_usize()]));
        }
        if self.has_young_age(&plain) {
            groups.insert(MINOR);
        }
        groups
    }

    /// Whether an age of less than [`ADULT_YEARS`] is told.
    fn has_young_age(&self, plain: &str) -> bool {
        let words: Vec<&str> = plain.split(' ').collect();
        let young = |word: &str| match word.parse::<u32>() {
            Ok(age) => age < ADULT_YEARS,
            Err(_) => self.numbers.contains(word),
        };
        let before = words.windows(2).any(|pair| {
            young(pair[0]) && self.years.contains(pair[1])
                || self.aged.contains(pair[0]) && young(pair[1])
        });
        // Without a space between: 12yo.
        before
            || words.iter().any(|word| {
                let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
                let age = &word[..word.len() - unit.len()];
                young(age) && self.years.iter().any(|year| unit.starts_with(&**year))
            })
    }
}

/// What the word filter finds. It knows English with all its disguises, and a little of other
/// languages. Its moderate words for offence are left out: they forbid whom one may talk about.
///
/// The filter reads on over the gaps between words, for who writes `f u c k`. What it finds there in
/// the end of one word and the beginning of the next ("the intranet: it was") is not taken for found.
fn filtered(text: &str) -> BTreeSet<&'static str> {
    let text = normal::without_rows(text);
    let (masked, mut found) = Censor::from_str(&text)
        .with_censor_threshold(Type::INAPPROPRIATE)
        .with_censor_first_character_threshold(Type::ANY)
        .with_censor_replacement(MASK)
        .censor_and_analyze();
    if found.is(Type::INAPPROPRIATE)
        && let Some(pieces) = normal::masked_pieces(&text, &masked, MASK)
    {
        found = pieces
            .iter()
            .map(|piece| Censor::from_str(piece).analyze())
            .fold(Type::NONE, |all, one| all | one);
    }
    let swearing = found.is(Type::PROFANE & Type::MODERATE_OR_HIGHER);
    let sexual = if swearing { Type::SEVERE } else { Type::MODERATE_OR_HIGHER };
    [
        (EXPLICIT, found.is(Type::SEXUAL & Type::SEVERE)),
        (SEXUAL, found.is(Type::SEXUAL & sexual)),
        (SLUR, found.is(Type::OFFENSIVE & Type::SEVERE)),
        (CRUEL, found.is(Type::MEAN & Type::SEVERE)),
        (SWEARING, swearing),
    ]
    .into_iter()
    .filter_map(|(group, is)| is.then_some(group))
    .collect()
}

/// A word of the list as it is looked for in a reading, where each word stands between spaces. A `*`
/// at its start or end says that letters may go on there, as with endings, or where a script has no
/// spaces.
fn pattern(word: &str) -> String {
    let plain = normal::plain(&normal::clean(word));
    let plain = if word.starts_with('*') { plain.trim_start() } else { &plain };
    if word.ends_with('*') { plain.trim_end() } else { plain }.to_owned()
}

fn check_names(rules: &[Rule], words: &[(String, String)]) -> Result<(), String> {
    let mut known: BTreeSet<&str> = words.iter().map(|(_, group)| &**group).collect();
    known.extend([EXPLICIT, SEXUAL, SLUR, CRUEL, SWEARING, MINOR]);
    let mut used = rules.iter().flat_map(|rule| rule.all.iter().flatten());
    match used.find(|group| !known.contains(&***group)) {
        Some(group) => Err(format!("a rule has the group `{group}`, which has no words")),
        None => Ok(()),
    }
}
