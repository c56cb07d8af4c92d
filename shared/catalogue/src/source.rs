//! The data files as they are written by hand, and every rule that they must keep.
//!
//! Only the build script and the tests read them: what the crate embeds is already checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::hash;
use crate::pack::{
    Align, BoxStyle, CaptionBox, Case, Packed, PackedMeme, PackedPattern, PackedTemplate,
    PackedTopic, PackedWord, Piece, Valign, is_slug,
};

/// The longest caption that the catalogue serves, in characters.
pub const LINE_MAX: usize = 60;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateFile {
    pub name: String,
    #[serde(default)]
    pub topics: Vec<String>,
    pub seen: String,
    pub size: [u32; 2],
    pub boxes: Vec<BoxFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxFile {
    pub name: String,
    pub hint: String,
    pub rect: [f32; 4],
    #[serde(default)]
    pub rotate: f32,
    #[serde(default)]
    pub style: BoxStyle,
    #[serde(default)]
    pub align: Align,
    #[serde(default)]
    pub valign: Valign,
    pub case: Option<Case>,
    #[serde(default = "default_max")]
    pub max: u16,
    pub example: String,
}

fn default_max() -> u16 {
    LINE_MAX as u16
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicsFile {
    topics: Vec<TopicFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicFile {
    pub slug: String,
    pub name: String,
    pub keywords: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaptionsFile {
    memes: Vec<MemeFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemeFile {
    pub lines: Vec<String>,
    pub topics: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrammarFile {
    #[serde(default)]
    lists: BTreeMap<String, ListFile>,
    #[serde(default)]
    patterns: Vec<PatternFile>,
}

/// What the words of a list are, so that a pattern can rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One countable thing, without an article: "printer".
    Singular,
    /// Several things: "three printers", "cats".
    Plural,
    /// A thing that needs no article, or brings its own: "the printer", "coffee".
    Thing,
    /// Somebody, with an article or a name of a role: "the intern".
    Person,
    /// A verb phrase in its base form: "fold the laundry".
    Verb,
    /// The same as a gerund: "folding the laundry".
    Gerund,
    /// The same in the past: "folded the laundry".
    Past,
    /// A whole sentence without its full stop: "The tests pass".
    Clause,
    /// A moment, ready to stand last: "on Friday at five".
    When,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFile {
    pub kind: Kind,
    pub words: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternFile {
    pub template: String,
    pub topic: String,
    pub lines: Vec<String>,
}

/// All data files, parsed.
#[derive(Debug, Default, Clone)]
pub struct Source {
    pub templates: BTreeMap<String, TemplateFile>,
    pub topics: Vec<TopicFile>,
    pub captions: BTreeMap<String, Vec<MemeFile>>,
    pub lists: BTreeMap<String, ListFile>,
    pub patterns: Vec<PatternFile>,
}

/// Whose fault a problem is, and so what can be left out because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The file of this template.
    Template(String),
    /// The captions for this template.
    Captions(String),
    /// A pattern for this template.
    Pattern(String),
    /// What everything else stands on.
    Foundation,
}

/// Something that is wrong in a data file. The text names the file.
#[derive(Debug, Clone)]
pub struct Problem {
    pub place: Place,
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Source {
    /// Reads the files below `root`, and says which ones cannot be read.
    pub fn read(root: &Path) -> (Self, Vec<Problem>) {
        let mut check = Checker::default();
        let topics: Option<TopicsFile> = read_file(&root.join("topics.toml"), &mut check);
        let mut source =
            Self { topics: topics.map_or_else(Vec::new, |file| file.topics), ..Self::default() };
        for (id, path) in files_in(root, "templates", &mut check) {
            check.place = Place::Template(id.clone());
            if let Some(file) = read_file(&path, &mut check) {
                source.templates.insert(id, file);
            }
        }
        for (id, path) in files_in(root, "captions", &mut check) {
            check.place = Place::Captions(id.clone());
            if let Some(file) = read_file::<CaptionsFile>(&path, &mut check) {
                source.captions.insert(id, file.memes);
            }
        }
        for (name, path) in files_in(root, "grammar", &mut check) {
            let Some(file) = read_file::<GrammarFile>(&path, &mut check) else {
                continue;
            };
            for (list, words) in file.lists {
                let before = source.lists.insert(list.clone(), words);
                check.expect(before.is_none(), || {
                    format!("grammar/{name}.toml: list `{list}` exists twice")
                });
            }
            source.patterns.extend(file.patterns);
        }
        (source, check.problems)
    }
}

/// The data files of a folder by name, sorted.
fn files_in(root: &Path, folder: &str, check: &mut Checker) -> BTreeMap<String, PathBuf> {
    check.place = Place::Foundation;
    match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "toml"))
            .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
            .collect(),
        Err(error) => {
            check.problem(format!("{folder}: {error}"));
            BTreeMap::new()
        }
    }
}

fn read_file<T: DeserializeOwned>(path: &Path, check: &mut Checker) -> Option<T> {
    let parsed = fs::read_to_string(path)
        .map_err(|error| error.to_string())
        .and_then(|text| toml::from_str(&text).map_err(|error| error.to_string()));
    match parsed {
        Ok(file) => Some(file),
        Err(error) => {
            // Cargo takes one line a message.
            let error = error.replace('\n', " ");
            check.problem(format!("{}: {error}", path.display()));
            None
        }
    }
}

/// Packs what fits together, and says what it left out: a template with a fault, and captions and
/// patterns that fit no template. Fails only when what all of them need is wrong.
pub fn pack_what_fits(mut source: Source) -> Result<(Vec<u8>, Vec<Problem>), Vec<Problem>> {
    let mut left_out = Vec::new();
    loop {
        let problems = match pack(&source) {
            Ok(bytes) => return Ok((bytes, left_out)),
            Err(problems) => problems,
        };
        if problems.iter().any(|p| p.place == Place::Foundation) {
            return Err(problems);
        }
        // Each round takes away what it names, so there is a last one.
        for problem in &problems {
            match &problem.place {
                Place::Template(id) => drop(source.templates.remove(id)),
                Place::Captions(id) => drop(source.captions.remove(id)),
                Place::Pattern(id) => source.patterns.retain(|p| p.template != *id),
                Place::Foundation => {}
            }
        }
        left_out.extend(problems);
    }
}

/// What is wrong with a text that will be shown, if anything.
pub fn fault_of_text(text: &str) -> Option<&'static str> {
    if text.trim() != text || text.is_empty() {
        Some("is empty or has blanks around it")
    } else if text.contains("  ") {
        Some("has two blanks in a row")
    } else if text.chars().any(|c| c.is_control() && c != '\n') {
        Some("has a control character")
    } else if text.contains(['{', '}']) {
        Some("has a brace")
    } else {
        None
    }
}

struct Checker {
    place: Place,
    problems: Vec<Problem>,
}

impl Default for Checker {
    fn default() -> Self {
        Self { place: Place::Foundation, problems: Vec::new() }
    }
}

impl Checker {
    fn problem(&mut self, text: String) {
        self.problems.push(Problem { place: self.place.clone(), text });
    }

    fn expect(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problem(problem());
        }
    }

    fn text(&mut self, place: &str, text: &str) {
        if let Some(fault) = fault_of_text(text) {
            self.problem(format!("{place}: “{text}” {fault}"));
        }
    }
}

/// Checks everything and packs it; on failure, every fault that was found.
pub fn pack(source: &Source) -> Result<Vec<u8>, Vec<Problem>> {
    let mut check = Checker::default();
    let mut topic_files: Vec<&TopicFile> = source.topics.iter().collect();
    topic_files.sort_by(|a, b| a.slug.cmp(&b.slug));
    let topics = pack_topics(&topic_files, &mut check);
    let list_names: Vec<&str> = source.lists.keys().map(String::as_str).collect();
    let lists = pack_lists(source, &mut check);
    let templates = pack_templates(source, &topics, &mut check);
    let memes = pack_memes(source, &templates, &topics, &mut check);
    let patterns = pack_patterns(source, &templates, &topics, &list_names, &mut check);
    check.place = Place::Foundation;
    unique_hashes(&topics, &memes, &patterns, &mut check);
    if !check.problems.is_empty() {
        return Err(check.problems);
    }
    let packed = Packed { templates, topics, memes, lists, patterns };
    postcard::to_allocvec(&packed).map_err(|error| {
        check.problem(error.to_string());
        check.problems
    })
}

fn pack_topics<'a>(files: &[&'a TopicFile], check: &mut Checker) -> Vec<PackedTopic<'a>> {
    for pair in files.windows(2) {
        check.expect(pair[0].slug != pair[1].slug, || {
            format!("topics.toml: `{}` exists twice", pair[0].slug)
        });
    }
    files
        .iter()
        .map(|file| {
            let place = format!("topics.toml: {}", file.slug);
            check.expect(is_slug(&file.slug), || format!("{place}: not a slug"));
            check.text(&place, &file.name);
            check.expect(!file.keywords.is_empty(), || format!("{place}: no keyword"));
            for keyword in &file.keywords {
                check.text(&place, keyword);
                check.expect(*keyword == keyword.to_lowercase(), || {
                    format!("{place}: `{keyword}` must be in lower case")
                });
                check.expect(keyword.split(' ').count() <= 2, || {
                    format!("{place}: `{keyword}` has more than two words")
                });
            }
            PackedTopic {
                id: &file.slug,
                name: &file.name,
                keywords: file.keywords.iter().map(String::as_str).collect(),
            }
        })
        .collect()
}

fn pack_templates<'a>(
    source: &'a Source,
    topics: &[PackedTopic<'_>],
    check: &mut Checker,
) -> Vec<PackedTemplate<'a>> {
    source
        .templates
        .iter()
        .map(|(id, file)| {
            let place = format!("templates/{id}.toml");
            check.place = Place::Template(id.clone());
            check.expect(is_slug(id), || format!("{place}: the name is not a slug"));
            check.text(&place, &file.name);
            check.text(&place, &file.seen);
            check.expect(file.seen.ends_with('.'), || {
                format!("{place}: `seen` must be a sentence that ends with a full stop")
            });
            check.expect(file.size.iter().all(|side| (200..=4000).contains(side)), || {
                format!("{place}: each side of `size` must be 200 to 4000 pixels")
            });
            for topic in &file.topics {
                check.expect(position(topics, topic).is_some(), || {
                    format!("{place}: topic `{topic}` is not in topics.toml")
                });
            }
            check.expect((1..=8).contains(&file.boxes.len()), || {
                format!("{place}: must have 1 to 8 boxes")
            });
            let mut names = BTreeSet::new();
            for item in &file.boxes {
                check_box(&format!("{place}: box `{}`", item.name), item, check);
                check.expect(names.insert(&item.name), || {
                    format!("{place}: box `{}` exists twice", item.name)
                });
            }
            PackedTemplate {
                id,
                name: &file.name,
                topics: file.topics.iter().map(String::as_str).collect(),
                seen: &file.seen,
                size: file.size,
                boxes: file.boxes.iter().map(pack_box).collect(),
            }
        })
        .collect()
}

fn check_box(place: &str, file: &BoxFile, check: &mut Checker) {
    check.expect(is_slug(&file.name), || format!("{place}: not a slug"));
    check.text(place, &file.hint);
    check.text(place, &file.example);
    check.expect((1..=200).contains(&file.max), || format!("{place}: `max` must be 1 to 200"));
    check.expect(file.example.chars().count() <= usize::from(file.max), || {
        format!("{place}: the example is longer than `max`")
    });
    let [x, y, width, height] = file.rect;
    let inside = |start: f32, length: f32| {
        // A thousandth forgives sums that were rounded by hand.
        start >= 0.0 && length > 0.0 && start + length <= 1.001
    };
    check.expect(inside(x, width) && inside(y, height), || {
        format!("{place}: `rect` leaves the picture")
    });
    check.expect(file.rotate.abs() <= 180.0, || format!("{place}: `rotate` must be -180 to 180"));
}

fn pack_box(file: &BoxFile) -> CaptionBox<'_> {
    CaptionBox {
        name: &file.name,
        hint: &file.hint,
        rect: file.rect,
        rotate: file.rotate,
        style: file.style,
        align: file.align,
        valign: file.valign,
        case: file.case.unwrap_or(match file.style {
            BoxStyle::Outline => Case::Upper,
            BoxStyle::Ink => Case::AsIs,
        }),
        max: file.max,
        example: &file.example,
    }
}

fn pack_memes<'a>(
    source: &'a Source,
    templates: &[PackedTemplate<'_>],
    topics: &[PackedTopic<'_>],
    check: &mut Checker,
) -> Vec<PackedMeme<'a>> {
    let mut memes = Vec::new();
    for (id, files) in &source.captions {
        let place = format!("captions/{id}.toml");
        check.place = Place::Captions(id.clone());
        let Some((index, template)) = find_template(templates, id) else {
            check.problem(format!("{place}: no such template"));
            continue;
        };
        for file in files {
            let first = file.lines.first().map_or("", String::as_str);
            let place = format!("{place}: “{first}”");
            check.expect(file.lines.len() == template.boxes.len(), || {
                let (lines, boxes) = (file.lines.len(), template.boxes.len());
                format!("{place}: has {lines} lines, the template {boxes} boxes")
            });
            for (line, place_on) in file.lines.iter().zip(&template.boxes) {
                check.text(&place, line);
                let max = usize::from(place_on.max).min(LINE_MAX);
                check.expect(line.chars().count() <= max, || {
                    format!("{place}: “{line}” has more than {max} characters")
                });
            }
            let mut found = Vec::new();
            for topic in &file.topics {
                match position(topics, topic) {
                    Some(at) if !found.contains(&at) => found.push(at),
                    Some(_) => check.problem(format!("{place}: `{topic}` twice")),
                    None => {
                        check.problem(format!("{place}: topic `{topic}` is not in topics.toml"))
                    }
                }
            }
            check.expect(!found.is_empty(), || format!("{place}: no topic"));
            let lines: Vec<&str> = file.lines.iter().map(String::as_str).collect();
            memes.push(PackedMeme {
                hash: hash::hash32([id.as_str()].into_iter().chain(lines.iter().copied())),
                template: index,
                topics: found,
                lines,
            });
        }
    }
    memes.sort_by_key(|meme| meme.hash);
    memes
}

fn pack_lists<'a>(source: &'a Source, check: &mut Checker) -> Vec<Vec<PackedWord<'a>>> {
    source
        .lists
        .iter()
        .map(|(name, list)| {
            let place = format!("grammar: list `{name}`");
            check.expect(is_slug(name), || format!("{place}: not a slug"));
            check.expect(list.words.len() >= 4, || format!("{place}: has fewer than four words"));
            let mut words: Vec<PackedWord<'a>> = list
                .words
                .iter()
                .map(|word| {
                    check.text(&place, word);
                    if let Some(fault) = fault_of_word(list.kind, word) {
                        check.problem(format!("{place}: “{word}” {fault}"));
                    }
                    PackedWord { hash: word_hash(word), text: word }
                })
                .collect();
            words.sort_by_key(|word| word.hash);
            for pair in words.windows(2) {
                check.expect(pair[0].hash != pair[1].hash, || {
                    format!(
                        "{place}: “{}” and “{}” have one hash; reword the newer one",
                        pair[0].text, pair[1].text
                    )
                });
            }
            words
        })
        .collect()
}

/// What names a word in an identifier. Unique in its list, which is checked.
fn word_hash(word: &str) -> u16 {
    (hash::of_parts([word]) >> 48) as u16
}

/// What is wrong with `word` as one of `kind`, as far as a machine can tell.
fn fault_of_word(kind: Kind, word: &str) -> Option<&'static str> {
    let first = word.split(' ').next().unwrap_or_default();
    let has_article = ["a", "an", "the", "my", "your"].contains(&first.to_lowercase().as_str());
    let capital = word.chars().next().is_some_and(char::is_uppercase);
    match kind {
        Kind::Singular if has_article => Some("must not begin with an article"),
        Kind::Plural if has_article && first != "the" && first != "my" && first != "your" => {
            Some("is singular")
        }
        Kind::Verb if first == "to" || first.ends_with("ing") => {
            Some("must be a verb in its base form")
        }
        Kind::Gerund if !first.ends_with("ing") => Some("must begin with a gerund"),
        Kind::Past if first.ends_with("ing") => Some("must be in the past"),
        Kind::Clause if !capital => Some("must begin with a capital"),
        Kind::Clause if word.ends_with('.') => Some("must not end with a full stop"),
        _ => None,
    }
}

fn pack_patterns<'a>(
    source: &'a Source,
    templates: &[PackedTemplate<'_>],
    topics: &[PackedTopic<'_>],
    list_names: &[&str],
    check: &mut Checker,
) -> Vec<PackedPattern<'a>> {
    let mut patterns = Vec::new();
    for file in &source.patterns {
        let place = format!("grammar: {} {:?}", file.template, file.lines);
        check.place = Place::Pattern(file.template.clone());
        let Some((template_index, template)) = find_template(templates, &file.template) else {
            check.problem(format!("{place}: no such template"));
            continue;
        };
        let Some(topic) = position(topics, &file.topic) else {
            check.problem(format!("{place}: topic `{}` is unknown", file.topic));
            continue;
        };
        check.expect(file.lines.len() == template.boxes.len(), || {
            let (lines, boxes) = (file.lines.len(), template.boxes.len());
            format!("{place}: has {lines} lines, the template {boxes} boxes")
        });
        // A slot is a list and a number: `{snack}` twice is one word twice, `{snack#2}` another.
        let mut slots: Vec<(u16, &str)> = Vec::new();
        let mut lines = Vec::new();
        for (line, place_on) in file.lines.iter().zip(&template.boxes) {
            let max = usize::from(place_on.max).min(LINE_MAX);
            match pack_line(line, source, list_names, &mut slots) {
                Ok((pieces, longest)) => {
                    check.expect(longest <= max, || {
                        format!("{place}: may grow to {longest} characters, over {max}")
                    });
                    lines.push(pieces);
                }
                Err(error) => check.problem(format!("{place}: {error}")),
            }
        }
        // The words are named in the 32 bits of a served identifier, 16 bits each.
        check.expect((1..=2).contains(&slots.len()), || {
            format!("{place}: must have one or two slots")
        });
        patterns.push(PackedPattern {
            hash: hash::hash32(
                [file.template.as_str(), file.topic.as_str()]
                    .into_iter()
                    .chain(file.lines.iter().map(String::as_str)),
            ),
            template: template_index,
            topic,
            slots: slots.into_iter().map(|(list, _)| list).collect(),
            lines,
        });
    }
    patterns.sort_by_key(|pattern| pattern.hash);
    patterns
}

/// The pieces of a pattern's line, and the most characters that it can grow to.
fn pack_line<'a>(
    line: &'a str,
    source: &Source,
    list_names: &[&str],
    slots: &mut Vec<(u16, &'a str)>,
) -> Result<(Vec<Piece<'a>>, usize), String> {
    if line.trim() != line || line.is_empty() || line.contains("  ") {
        return Err(format!("“{line}” has stray blanks"));
    }
    let mut pieces = Vec::new();
    let mut longest = 0;
    let mut rest = line;
    while let Some(open) = rest.find('{') {
        let close = rest.find('}').filter(|close| *close > open);
        let close = close.ok_or_else(|| format!("“{line}”: a brace is not closed"))?;
        if open > 0 {
            longest += rest[..open].chars().count();
            pieces.push(Piece::Text(&rest[..open]));
        }
        let inner = &rest[open + 1..close];
        let (inner, article, capital) = match inner.split_once(' ') {
            Some(("a", inner)) => (inner, true, false),
            Some(("A", inner)) => (inner, true, true),
            Some(("^", inner)) => (inner, false, true),
            Some(_) => return Err(format!("“{{{inner}}}” has an unknown form")),
            None => (inner, false, false),
        };
        let (name, number) = inner.split_once('#').unwrap_or((inner, "1"));
        let index = list_names.iter().position(|known| *known == name);
        let index = index.ok_or_else(|| format!("list `{name}` is unknown"))?;
        let list = &source.lists[name];
        if article && list.kind != Kind::Singular {
            return Err(format!("`{name}` takes no article"));
        }
        let list_index = u16::try_from(index).map_err(|error| error.to_string())?;
        let key = (list_index, number);
        let slot = slots.iter().position(|known| *known == key);
        let slot = slot.unwrap_or_else(|| {
            slots.push(key);
            slots.len() - 1
        });
        let word = list.words.iter().map(|word| word.chars().count()).max();
        longest += word.unwrap_or(0) + if article { 3 } else { 0 };
        pieces.push(Piece::Slot {
            slot: u8::try_from(slot).map_err(|error| error.to_string())?,
            article,
            capital,
        });
        rest = &rest[close + 1..];
    }
    if rest.contains('}') {
        return Err(format!("“{line}”: a brace is not opened"));
    }
    if !rest.is_empty() {
        longest += rest.chars().count();
        pieces.push(Piece::Text(rest));
    }
    Ok((pieces, longest))
}

fn unique_hashes(
    topics: &[PackedTopic<'_>],
    memes: &[PackedMeme<'_>],
    patterns: &[PackedPattern<'_>],
    check: &mut Checker,
) {
    let mut seen: HashMap<u32, String> = HashMap::new();
    for meme in memes {
        if let Some(other) = seen.insert(meme.hash, meme.lines.join(" / ")) {
            let lines = meme.lines.join(" / ");
            check.problem(format!("captions: “{other}” and “{lines}” have one hash"));
        }
    }
    for pair in patterns.windows(2) {
        check.expect(pair[0].hash != pair[1].hash, || {
            format!("grammar: two patterns have one hash: {:?}", pair[0].lines)
        });
    }
    let mut seen = BTreeSet::new();
    for topic in topics {
        check.expect(seen.insert(hash::hash32([topic.id])), || {
            format!("topics.toml: the hash of `{}` is taken", topic.id)
        });
    }
}

fn find_template<'a, 'b>(
    templates: &'a [PackedTemplate<'b>],
    id: &str,
) -> Option<(u16, &'a PackedTemplate<'b>)> {
    let index = templates.binary_search_by(|template| template.id.cmp(id)).ok()?;
    Some((u16::try_from(index).ok()?, &templates[index]))
}

fn position(topics: &[PackedTopic<'_>], id: &str) -> Option<u16> {
    let index = topics.binary_search_by(|topic| topic.id.cmp(id)).ok()?;
    u16::try_from(index).ok()
}
