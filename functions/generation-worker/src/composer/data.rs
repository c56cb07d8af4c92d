//! What the composer knows: words, figures, recipes and jokes, read from the files beside this one.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use scenes::Colour;
use scenes::props::Kind;
use serde::Deserialize;

/// One caption or two.
pub(super) type Joke = Vec<String>;

/// Somebody who can be in a picture.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Being {
    pub(super) id: String,
    words: Vec<String>,
    /// Words that only count where nobody else is named.
    #[serde(default)]
    weak: Vec<String>,
    name: Option<String>,
    plural: Option<String>,
    #[serde(default)]
    pub(super) whole: Vec<String>,
    #[serde(default)]
    pub(super) head: Vec<String>,
    #[serde(default)]
    pub(super) faces: BTreeMap<String, String>,
    pub(super) outfit: Option<Outfit>,
    #[serde(default = "one")]
    pub(super) size: f64,
    pub(super) topic: Option<String>,
    #[serde(default)]
    marks: String,
    #[serde(default)]
    pub(super) human: bool,
    #[serde(default)]
    pub(super) small: bool,
    #[serde(default)]
    pub(super) flies: bool,
}

const fn one() -> f64 {
    1.0
}

impl Being {
    /// What it is called, without an article.
    pub(super) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.replace('-', " "))
    }

    /// What several are called.
    pub(super) fn plural(&self) -> String {
        self.plural.clone().unwrap_or_else(|| plural(&self.name()))
    }
}

/// Clothes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outfit {
    pub(super) shirt: Colour,
    pub(super) trousers: Colour,
    pub(super) tie: Option<Colour>,
    pub(super) coat: Option<Colour>,
}

/// Where a thing likes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Spot {
    Hand,
    Desk,
    Floor,
    Wall,
    Behind,
    Sky,
    Seat,
}

/// Something that can be in a picture.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thing {
    pub(super) id: String,
    /// With its article.
    pub(super) one: String,
    the: Option<String>,
    words: Vec<String>,
    plural: Option<String>,
    pub(super) figure: Option<String>,
    pub(super) kind: Option<Kind>,
    pub(super) colour: Option<Colour>,
    pub(super) size: f64,
    pub(super) spot: Spot,
    pub(super) topic: String,
    /// Where it belongs.
    pub(super) place: Option<String>,
    #[serde(default)]
    marks: String,
}

impl Thing {
    /// Its name after "the".
    pub(super) fn the(&self) -> String {
        self.the.clone().unwrap_or_else(|| {
            let bare = ["a ", "an "].iter().find_map(|article| self.one.strip_prefix(article));
            format!("the {}", bare.unwrap_or(&self.one))
        })
    }
}

/// Somewhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub(super) id: String,
    words: Vec<String>,
    #[serde(default)]
    hints: Vec<String>,
    /// Said of what is there.
    pub(super) seen: String,
    pub(super) the: String,
    #[serde(default)]
    pub(super) indoors: bool,
    #[serde(default)]
    pub(super) dark: bool,
    #[serde(default)]
    marks: String,
}

/// What falls from the sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fall {
    Rain,
    Snow,
    Confetti,
    Glow,
    Smoke,
}

/// The weather, in the widest sense.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weather {
    pub(super) id: String,
    words: Vec<String>,
    pub(super) seen: String,
    pub(super) effect: Fall,
    #[serde(default)]
    marks: String,
    pub(super) tint: Option<Colour>,
}

/// What is drawn beside a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Effect {
    Sparkles,
    Droplets,
    Anger,
    Zzz,
    Sweat,
    Exclamation,
    Question,
    Hearts,
    Speed,
    Confetti,
    Shout,
}

/// How somebody feels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mood {
    pub(super) id: String,
    /// Before a noun.
    pub(super) word: String,
    words: Vec<String>,
    pub(super) faces: Vec<String>,
    #[serde(default)]
    marks: String,
    pub(super) effects: Vec<Effect>,
}

/// How an action looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Pose {
    Hold,
    Both,
    Raise,
    Cheer,
    Point,
    Shrug,
    Type,
    Desk,
    Walk,
    Lie,
    Fly,
    Think,
    Push,
    PushDown,
    Sit,
    Hide,
    Hip,
    Wave,
}

/// Something that can be done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    pub(super) id: String,
    words: Vec<String>,
    #[serde(default)]
    past: Vec<String>,
    #[serde(rename = "do")]
    plain: String,
    does: String,
    doing: String,
    did: String,
    object: Option<String>,
    pub(super) takes: Vec<String>,
    pub(super) thing: Option<String>,
    pub(super) pose: Pose,
    pub(super) place: Option<String>,
    pub(super) mood: Option<String>,
    pub(super) effect: Option<Effect>,
    /// Said without an object.
    #[serde(default)]
    bare: bool,
    /// The thing is a tool: it comes along even where there is an object.
    #[serde(default)]
    pub(super) brings: bool,
}

/// A form of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Do,
    Does,
    Doing,
    Did,
}

impl Action {
    /// The action in words, with the object that is there: "the cake", or "a cake" where it is
    /// first heard of.
    pub(super) fn say(&self, form: Form, things: &[&Thing], known: bool) -> String {
        let verb = match form {
            Form::Do => &self.plain,
            Form::Does => &self.does,
            Form::Doing => &self.doing,
            Form::Did => &self.did,
        };
        if self.bare {
            return verb.clone();
        }
        match (self.object_among(things), &self.object) {
            (Some(thing), _) if known => format!("{verb} {}", thing.the()),
            (Some(thing), _) => format!("{verb} {}", thing.one),
            (None, Some(object)) => format!("{verb} {object}"),
            (None, None) => verb.clone(),
        }
    }

    /// What it is done to, of what is there.
    pub(super) fn object_among<'a>(&self, things: &[&'a Thing]) -> Option<&'a Thing> {
        let named = things.iter().copied().find(|thing| self.takes.contains(&thing.id));
        named.or_else(|| {
            let any = self.takes.iter().any(|id| id == "*");
            things.iter().copied().find(|thing| any && thing.spot == Spot::Hand)
        })
    }

    /// Whether it says what it is done to by itself.
    pub(super) const fn is_bare(&self) -> bool {
        self.bare
    }
}

/// A picture for a topic.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sketch {
    pub(super) who: Vec<String>,
    pub(super) does: Option<String>,
    #[serde(default)]
    pub(super) things: Vec<String>,
    pub(super) place: String,
    pub(super) weather: Option<String>,
}

/// What is drawn and written for a topic.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    pub(super) topic: String,
    pub(super) scenes: Vec<Sketch>,
    pub(super) jokes: Vec<Joke>,
}

/// Jokes that are not a topic's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jokes {
    pub(super) doing: Vec<Joke>,
    pub(super) thing: Vec<Joke>,
    pub(super) being: Vec<Joke>,
    pub(super) place: Vec<Joke>,
    pub(super) puzzled: Vec<Joke>,
    pub(super) moods: BTreeMap<String, Vec<Joke>>,
    pub(super) actions: BTreeMap<String, Vec<Joke>>,
}

/// What a word or a mark says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// Somebody; whether there are several, and whether it only counts where nobody else is named.
    Being {
        being: &'static Being,
        many: bool,
        weak: bool,
    },
    Thing(&'static Thing),
    /// Somewhere; whether it is only hinted at.
    Place {
        place: &'static Place,
        hint: bool,
    },
    Weather(&'static Weather),
    Mood(&'static Mood),
    /// An action, in one of the forms of its verb.
    Action {
        action: &'static Action,
        form: Form,
    },
}

#[derive(Deserialize)]
struct Beings {
    beings: Vec<Being>,
}

#[derive(Deserialize)]
struct Things {
    things: Vec<Thing>,
}

#[derive(Deserialize)]
struct Places {
    places: Vec<Place>,
    weathers: Vec<Weather>,
}

#[derive(Deserialize)]
struct Moods {
    moods: Vec<Mood>,
}

#[derive(Deserialize)]
struct Actions {
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Recipes {
    recipes: Vec<Recipe>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) beings: Vec<Being>,
    pub(super) things: Vec<Thing>,
    pub(super) places: Vec<Place>,
    pub(super) weathers: Vec<Weather>,
    pub(super) moods: Vec<Mood>,
    pub(super) actions: Vec<Action>,
    pub(super) recipes: Vec<Recipe>,
    pub(super) jokes: Jokes,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the files are part of the program, and a test reads them"
    )]
    Lexicon::read().expect("the composer's files are whole")
});

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(&LEXICON));

impl Lexicon {
    /// The one that the crate carries. The first call reads it.
    pub(super) fn embedded() -> &'static Self {
        &LEXICON
    }

    fn read() -> Result<Self, toml::de::Error> {
        let Places { places, weathers } = toml::from_str(include_str!("places.toml"))?;
        Ok(Self {
            beings: toml::from_str::<Beings>(include_str!("beings.toml"))?.beings,
            things: toml::from_str::<Things>(include_str!("things.toml"))?.things,
            places,
            weathers,
            moods: toml::from_str::<Moods>(include_str!("moods.toml"))?.moods,
            actions: toml::from_str::<Actions>(include_str!("actions.toml"))?.actions,
            recipes: toml::from_str::<Recipes>(include_str!("recipes.toml"))?.recipes,
            jokes: toml::from_str(include_str!("jokes.toml"))?,
        })
    }

    pub(super) fn being(&self, id: &str) -> Option<&Being> {
        self.beings.iter().find(|being| being.id == id)
    }

    pub(super) fn thing(&self, id: &str) -> Option<&Thing> {
        self.things.iter().find(|thing| thing.id == id)
    }

    pub(super) fn place(&self, id: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.id == id)
    }

    pub(super) fn weather(&self, id: &str) -> Option<&Weather> {
        self.weathers.iter().find(|weather| weather.id == id)
    }

    pub(super) fn mood(&self, id: &str) -> Option<&Mood> {
        self.moods.iter().find(|mood| mood.id == id)
    }

    pub(super) fn action(&self, id: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.id == id)
    }

    pub(super) fn recipe(&self, topic: &str) -> Option<&Recipe> {
        self.recipes.iter().find(|recipe| recipe.topic == topic)
    }
}

/// From words and marks to what they say.
#[derive(Debug)]
pub(super) struct Index {
    words: HashMap<String, Vec<Meaning>>,
    marks: HashMap<String, Vec<Meaning>>,
}

impl Index {
    /// That of the lexicon that the crate carries.
    pub(super) fn embedded() -> &'static Self {
        &INDEX
    }

    /// What one to three words say.
    pub(super) fn phrase(&self, phrase: &str) -> &[Meaning] {
        self.words.get(phrase).map_or(&[], Vec::as_slice)
    }

    /// What an emoji or an ideograph says.
    pub(super) fn mark(&self, mark: &str) -> &[Meaning] {
        self.marks.get(mark).map_or(&[], Vec::as_slice)
    }

    fn new(lexicon: &'static Lexicon) -> Self {
        let mut it = Self { words: HashMap::new(), marks: HashMap::new() };
        for being in &lexicon.beings {
            let said = |many, weak| Meaning::Being { being, many, weak };
            for word in &being.words {
                it.word(word, said(false, false));
                it.word(&plural(word), said(true, false));
            }
            if being.name.is_none() {
                it.word(&being.plural(), said(true, false));
            }
            for word in &being.weak {
                it.word(word, said(false, true));
            }
            it.mark_each(&being.marks, said(false, false));
        }
        for thing in &lexicon.things {
            for word in &thing.words {
                it.word(word, Meaning::Thing(thing));
                it.word(&plural(word), Meaning::Thing(thing));
            }
            if let Some(plural) = &thing.plural {
                it.word(plural, Meaning::Thing(thing));
            }
            it.mark_each(&thing.marks, Meaning::Thing(thing));
        }
        for place in &lexicon.places {
            for (words, hint) in [(&place.words, false), (&place.hints, true)] {
                for word in words {
                    it.word(word, Meaning::Place { place, hint });
                }
            }
            it.mark_each(&place.marks, Meaning::Place { place, hint: false });
        }
        for weather in &lexicon.weathers {
            for word in &weather.words {
                it.word(word, Meaning::Weather(weather));
            }
            it.mark_each(&weather.marks, Meaning::Weather(weather));
        }
        for mood in &lexicon.moods {
            for word in &mood.words {
                it.word(word, Meaning::Mood(mood));
            }
            it.mark_each(&mood.marks, Meaning::Mood(mood));
        }
        for action in &lexicon.actions {
            for word in &action.words {
                for (text, form) in forms(word) {
                    it.word(&text, Meaning::Action { action, form });
                }
            }
            for word in &action.past {
                let form = if word.ends_with("ing") { Form::Doing } else { Form::Did };
                it.word(word, Meaning::Action { action, form });
            }
        }
        it
    }

    /// Adds a meaning, unless the word has one of that sort already.
    fn word(&mut self, word: &str, meaning: Meaning) {
        add(self.words.entry(tokens(word).join(" ")).or_default(), meaning);
    }

    fn mark_each(&mut self, marks: &str, meaning: Meaning) {
        for mark in clusters(marks) {
            add(self.marks.entry(mark).or_default(), meaning);
        }
    }
}

fn add(meanings: &mut Vec<Meaning>, meaning: Meaning) {
    let sort = std::mem::discriminant(&meaning);
    if meanings.iter().all(|known| std::mem::discriminant(known) != sort) {
        meanings.push(meaning);
    }
}

/// The words of a text in lower case. A possessive's ending is left out.
pub(super) fn tokens(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .map(|word| {
            let end = word.find(['\'', '’']).filter(|at| word[*at..].chars().count() <= 2);
            word[..end.unwrap_or(word.len())].replace(['\'', '’'], "")
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// The emoji and ideographs of a text, each with what is joined to it, without skin tones and
/// variation selectors.
pub(super) fn clusters(text: &str) -> Vec<String> {
    const JOINER: char = '\u{200d}';
    let mut found: Vec<String> = Vec::new();
    let mut joined = false;
    for c in text.chars() {
        match c {
            '\u{fe0e}' | '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => {}
            JOINER => joined = true,
            _ => {
                match found.last_mut() {
                    Some(last) if joined => {
                        last.push(JOINER);
                        last.push(c);
                    }
                    _ => found.push(c.to_string()),
                }
                joined = false;
            }
        }
    }
    found.retain(|cluster| !cluster.starts_with(|c: char| c.is_ascii() || c.is_whitespace()));
    found
}

/// The plural of an English noun, by rule.
pub(super) fn plural(word: &str) -> String {
    let vowel_before_y = ["ay", "ey", "oy", "uy"].iter().any(|end| word.ends_with(end));
    if word.ends_with('y') && !vowel_before_y {
        format!("{}ies", &word[..word.len() - 1])
    } else if ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end)) {
        format!("{word}es")
    } else {
        format!("{word}s")
    }
}

/// The forms of an English verb, by rule; of several words the first is the verb.
fn forms(verb: &str) -> Vec<(String, Form)> {
    let (verb, rest) = verb
        .split_once(' ')
        .map_or((verb, String::new()), |(verb, rest)| (verb, format!(" {rest}")));
    let stem = verb.strip_suffix('e').filter(|stem| !stem.ends_with('e')).unwrap_or(verb);
    let letters: Vec<char> = verb.chars().rev().take(3).collect();
    let vowel = |c: char| "aeiou".contains(c);
    let doubled = match letters[..] {
        [last, middle, first] if !vowel(last) && vowel(middle) && !vowel(first) => {
            (!"wxy".contains(last) && verb.len() <= 4).then(|| format!("{verb}{last}"))
        }
        _ => None,
    };
    let past = match verb.strip_suffix('y') {
        Some(stem) if !stem.ends_with(vowel) => format!("{stem}ied"),
        _ if verb.ends_with('e') => format!("{verb}d"),
        _ => format!("{}ed", doubled.as_deref().unwrap_or(verb)),
    };
    let ing = format!("{}ing", doubled.as_deref().unwrap_or(stem));
    [(verb.to_owned(), Form::Do), (plural(verb), Form::Does), (ing, Form::Doing), (past, Form::Did)]
        .into_iter()
        .map(|(text, form)| (text + &rest, form))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_and_nouns_have_the_forms_of_english() {
        let all = |verb| forms(verb).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(all("read"), ["read", "reads", "reading", "readed"]);
        assert_eq!(all("bake"), ["bake", "bakes", "baking", "baked"]);
        assert_eq!(all("nap"), ["nap", "naps", "napping", "napped"]);
        assert_eq!(all("carry"), ["carry", "carries", "carrying", "carried"]);
        assert_eq!(all("push"), ["push", "pushes", "pushing", "pushed"]);
        assert_eq!(all("flee"), ["flee", "flees", "fleeing", "fleed"]);
        assert_eq!(all("work out"), ["work out", "works out", "working out", "worked out"]);
        assert_eq!(plural("puppy"), "puppies");
        assert_eq!(plural("monkey"), "monkeys");
        assert_eq!(plural("fox"), "foxes");
    }

    #[test]
    fn marks_are_read_with_what_is_joined_to_them() {
        assert_eq!(clusters("a 👩🏽‍💻, ❤️ 猫!"), ["👩\u{200d}💻", "❤", "猫"]);
        assert_eq!(clusters("\u{200d}\u{fe0f}x"), Vec::<String>::new());
        assert_eq!(tokens("The cat's “on-call” don’t"), ["the", "cat", "on", "call", "don"]);
    }
}
