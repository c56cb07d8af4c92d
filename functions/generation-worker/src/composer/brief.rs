//! What a prompt says, as far as it is understood.

use super::data::{
    Action, Being, Form, Index, Meaning, Mood, Place, Thing, Weather, clusters, tokens,
};

/// A prompt is read up to here, in characters.
const CHARS_MAX: usize = 2_000;

/// No more than this many figures are in a picture.
pub(super) const CAST_MAX: usize = 5;

/// No more than this many things are taken from a prompt.
const THINGS_MAX: usize = 3;

/// Somebody whom a prompt names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) being: &'static Being,
    /// How many; nothing stands for several.
    pub(super) count: Option<usize>,
    pub(super) mood: Option<&'static Mood>,
    /// Where it is named.
    at: usize,
}

/// What is to be drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct Brief {
    pub(super) cast: Vec<Named>,
    pub(super) things: Vec<&'static Thing>,
    pub(super) place: Option<&'static Place>,
    pub(super) weather: Option<&'static Weather>,
    /// The mood that nobody in particular is in.
    pub(super) mood: Option<&'static Mood>,
    pub(super) action: Option<&'static Action>,
    /// What is said not to be there.
    pub(super) denied: Vec<&'static Thing>,
    /// At night, wherever it is.
    pub(super) night: bool,
}

impl Brief {
    /// Whether nothing was understood.
    pub(super) fn is_empty(&self) -> bool {
        self.cast.is_empty()
            && self.things.is_empty()
            && self.place.is_none()
            && self.weather.is_none()
            && self.mood.is_none()
            && self.action.is_none()
    }

    /// Reads a prompt.
    pub(super) fn read(prompt: &str) -> Self {
        let text: String = prompt.chars().take(CHARS_MAX).collect();
        let index = Index::embedded();
        let words = tokens(&text);
        let mut reader = Reader::default();
        let mut at = 0;
        while at < words.len() {
            // The longest phrase that says something counts.
            let found = (1..=3.min(words.len() - at)).rev().find_map(|long| {
                let meanings = index.phrase(&words[at..at + long].join(" "));
                (!meanings.is_empty()).then_some((long, meanings))
            });
            let Some((long, meanings)) = found else {
                at += 1;
                continue;
            };
            if is_negated(&words[..at]) {
                reader.deny(meanings);
            } else {
                reader.take(meanings, at, &words[..at]);
            }
            at += long;
        }
        for (offset, mark) in clusters(&text).into_iter().enumerate() {
            let mut meanings = index.mark(&mark);
            if meanings.is_empty() {
                // Of an unknown sequence, what it begins with.
                let first: String = mark.chars().take(1).collect();
                meanings = index.mark(&first);
            }
            reader.take(meanings, words.len() + offset, &[]);
        }
        reader.finish()
    }
}

/// What a word before says about the next one.
fn is_negated(before: &[String]) -> bool {
    before.iter().rev().take(2).any(|word| ["no", "without", "not", "never"].contains(&&**word))
}

fn is_determiner(word: &str) -> bool {
    const DETERMINERS: [&str; 20] = [
        "a", "an", "the", "my", "his", "her", "its", "their", "your", "our", "this", "that",
        "some", "every", "each", "with", "of", "another", "small", "big",
    ];
    DETERMINERS.contains(&word) || number(word).is_some()
}

fn number(word: &str) -> Option<usize> {
    Some(match word {
        "one" | "single" | "1" => 1,
        "two" | "couple" | "pair" | "both" | "2" => 2,
        "three" | "few" | "trio" | "3" => 3,
        "four" | "several" | "4" => 4,
        "five" | "six" | "seven" | "eight" | "nine" | "ten" | "dozen" | "hundred" | "thousand"
        | "many" | "army" | "group" | "crowd" | "gang" | "herd" | "flock" | "team" | "lots"
        | "family" | "5" => CAST_MAX,
        _ => {
            let count: usize = word.parse().ok()?;
            if (2..=200).contains(&count) { count.min(CAST_MAX) } else { return None }
        }
    })
}

/// A brief that is being read.
#[derive(Debug, Default)]
struct Reader {
    brief: Brief,
    weak: Option<Named>,
    hint: Option<&'static Place>,
    /// Moods and where they are named.
    moods: Vec<(usize, &'static Mood)>,
    /// A second action, taken where the first says little.
    spare: Option<&'static Action>,
}

impl Reader {
    fn take(&mut self, meanings: &'static [Meaning], at: usize, before: &[String]) {
        let last = before.last().map_or("", String::as_str);
        let noun_follows = is_determiner(last);
        let acts = !noun_follows && (!self.brief.cast.is_empty() || self.weak.is_some());
        let verb = meanings.iter().find_map(|meaning| match *meaning {
            Meaning::Action { action, form } => {
                let counts = match form {
                    Form::Doing => !noun_follows,
                    Form::Do => acts || ["to", "who", "please"].contains(&last),
                    Form::Does | Form::Did => acts,
                };
                counts.then_some((action, form))
            }
            _ => None,
        });
        for meaning in meanings {
            match *meaning {
                Meaning::Being { being, many, weak } => {
                    // "A bear cooks" has no cooks in it.
                    if verb.is_none() {
                        // "Fish" may be one or many.
                        let open = many || being.plural() == being.name();
                        let counted = before.iter().rev().take(2).find_map(|word| number(word));
                        let count = counted.filter(|_| open).or((!many).then_some(1));
                        self.being(Named { being, count, mood: None, at }, weak, last);
                    }
                }
                Meaning::Thing(thing) => {
                    let is_verb = verb.is_some_and(|(action, form)| {
                        form != Form::Doing && !action.takes.contains(&thing.id)
                    });
                    let things = &mut self.brief.things;
                    if !is_verb
                        && things.len() < THINGS_MAX
                        && things.iter().all(|known| known.id != thing.id)
                    {
                        things.push(thing);
                    }
                }
                Meaning::Place { place, hint } => {
                    if place.id == "night" {
                        self.brief.night = true;
                    } else if hint || (self.brief.place.is_some() && place.id != "fire") {
                        self.hint.get_or_insert(place);
                    } else {
                        self.brief.place = Some(place);
                    }
                }
                Meaning::Weather(weather) => {
                    self.brief.weather.get_or_insert(weather);
                }
                Meaning::Mood(mood) => self.moods.push((at, mood)),
                Meaning::Action { .. } => {}
            }
        }
        if let Some((action, _)) = verb {
            if self.brief.action.is_none_or(|known| known.id == "work") {
                self.brief.action = Some(action);
            } else {
                self.spare.get_or_insert(action);
            }
        }
    }

    fn deny(&mut self, meanings: &'static [Meaning]) {
        for meaning in meanings {
            if let Meaning::Thing(thing) = meaning {
                self.brief.denied.push(thing);
            }
        }
    }

    fn being(&mut self, named: Named, weak: bool, last: &str) {
        if weak {
            self.weak.get_or_insert(named);
            return;
        }
        let again = ["another", "second", "other"].contains(&last);
        let cast = &mut self.brief.cast;
        let known = cast.iter().position(|known| known.being.id == named.being.id);
        match known {
            Some(known) if !again && named.count != Some(1) => cast[known].count = named.count,
            Some(_) if !again => {}
            _ if cast.len() < CAST_MAX => cast.push(named),
            _ => {}
        }
    }

    fn finish(self) -> Brief {
        let Self { mut brief, weak, hint, moods, spare } = self;
        if brief.cast.is_empty() {
            brief.cast.extend(weak);
        }
        brief.place = brief.place.or(hint);
        if brief.action.is_none() {
            brief.action = spare;
        }
        for (at, mood) in moods {
            // "An angry boss": who follows; otherwise "the boss is angry": who went before.
            let after = brief.cast.iter().position(|it| it.at > at && it.at <= at + 2);
            let before = brief.cast.iter().rposition(|it| it.at <= at);
            let who = after.or(before).or(if brief.cast.is_empty() { None } else { Some(0) });
            match who {
                Some(who) => {
                    brief.cast[who].mood.get_or_insert(mood);
                }
                None => {
                    brief.mood.get_or_insert(mood);
                }
            }
        }
        brief
    }
}
