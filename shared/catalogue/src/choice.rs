//! Which meme to serve.

use std::borrow::Cow;

use crate::pack::{PackedMeme, PackedPattern, PackedWord, Piece};
use crate::{Catalogue, Template, TemplateId, Topic, TopicId, hash, identity};

/// Of 100 memes, so many are curated and the rest come from the grammar, where both exist.
const CURATED_PERCENT: u64 = 85;

/// What a meme must be like. The default is any meme.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'a> {
    /// Only memes about this.
    pub topic: Option<&'a TopicId>,
    /// Only memes on this picture.
    pub template: Option<&'a TemplateId>,
}

/// A meme that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<'a> {
    /// The picture.
    pub template: &'a Template,
    /// A caption for each box of the picture.
    pub captions: Vec<Cow<'static, str>>,
    /// What the meme is about: the topic that was asked for, or its own first one.
    pub topic: &'a Topic,
    payload: u128,
}

impl Choice<'_> {
    /// What is seen and what is written, for those who cannot see the picture.
    #[must_use]
    pub fn alt(&self) -> String {
        self.template.alt(&self.captions)
    }

    /// The 80 bits from which [`Catalogue::from_payload`] makes the same choice again.
    #[must_use]
    pub fn payload(&self) -> u128 {
        self.payload
    }

    /// The identifier of this meme when it is served at `now_ms`, in milliseconds since the Unix
    /// epoch. The same meme served twice in one millisecond has one identifier.
    #[must_use]
    pub fn id(&self, now_ms: i64) -> ids::MemeId {
        identity::meme_id(now_ms, self.payload)
    }
}

/// Several independent numbers from one random number.
struct Dice(u64);

impl Dice {
    /// The next number below `end`, which is not 0. For ends as small as ours the error of the
    /// multiplication is far below anything that can be noticed.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(hash::mix(self.0)) * end as u128) >> 64) as usize
    }
}

impl Catalogue {
    /// Chooses a meme. One `random` gives one choice; equally likely numbers give each curated
    /// meme that fits an equal chance, and each pattern too.
    ///
    /// `None` when nothing fits, and when the topic or the template does not exist.
    #[must_use]
    pub fn select(&self, selection: Selection<'_>, random: u64) -> Option<Choice<'_>> {
        let template = match selection.template {
            Some(id) => Some(u16::try_from(self.template_index(id.as_str())?).ok()?),
            None => None,
        };
        let topic = match selection.topic {
            Some(id) => Some(u16::try_from(self.topic_index(id.as_str())?).ok()?),
            None => None,
        };
        let mut dice = Dice(random);
        let from_grammar = dice.below(100) as u64 >= CURATED_PERCENT;
        if from_grammar {
            self.select_grammar(template, topic, &mut dice)
                .or_else(|| self.select_curated(template, topic, &mut dice))
        } else {
            self.select_curated(template, topic, &mut dice)
                .or_else(|| self.select_grammar(template, topic, &mut dice))
        }
    }

    /// Memes to give in place of `count` pictures that could not be made: about `topic`, or about
    /// what `prompt` speaks of, or else any. Served at `now_ms`, in milliseconds since the Unix
    /// epoch; which ones, follows from `random`.
    #[must_use]
    pub fn stand_ins(
        &self,
        topic: Option<&str>,
        prompt: &str,
        count: u8,
        now_ms: i64,
        random: u64,
    ) -> Vec<ids::MemeId> {
        let matched = self.match_prompt(prompt);
        let topic = topic
            .and_then(|topic| self.topic(topic))
            .map(|topic| &topic.id)
            .or_else(|| matched.first().map(|(topic, _)| *topic));
        (0..u64::from(count))
            .filter_map(|number| {
                let random = random.wrapping_add(number);
                let about = |topic| self.select(Selection { topic, template: None }, random);
                about(topic).or_else(|| about(None)).map(|choice| choice.id(now_ms))
            })
            .collect()
    }

    fn select_curated(
        &self,
        template: Option<u16>,
        topic: Option<u16>,
        dice: &mut Dice,
    ) -> Option<Choice<'_>> {
        let fits = |index: &u16| {
            let meme = &self.memes[usize::from(*index)];
            topic.is_none_or(|topic| meme.topics.contains(&topic))
        };
        let meme = match (template, topic) {
            (None, None) => {
                let count = self.memes.len();
                self.memes.get(dice.below(count.max(1)))?
            }
            (None, Some(topic)) => {
                let pool = &self.memes_by_topic[usize::from(topic)];
                &self.memes[usize::from(*pool.get(dice.below(pool.len().max(1)))?)]
            }
            (Some(template), _) => {
                let pool = &self.memes_by_template[usize::from(template)];
                let count = pool.iter().filter(|index| fits(index)).count();
                let chosen = dice.below(count.max(1));
                let index = pool.iter().filter(|index| fits(index)).nth(chosen)?;
                &self.memes[usize::from(*index)]
            }
        };
        self.curated(meme, topic.or_else(|| meme.topics.first().copied())?)
    }

    fn select_grammar(
        &self,
        template: Option<u16>,
        topic: Option<u16>,
        dice: &mut Dice,
    ) -> Option<Choice<'_>> {
        let fits = |pattern: &&PackedPattern<'static>| {
            template.is_none_or(|template| pattern.template == template)
                && topic.is_none_or(|topic| pattern.topic == topic)
        };
        let count = self.patterns.iter().filter(fits).count();
        let chosen = dice.below(count.max(1));
        let pattern = self.patterns.iter().filter(fits).nth(chosen)?;
        let first = &self.lists[usize::from(*pattern.slots.first()?)];
        let first = first.get(dice.below(first.len().max(1)))?;
        let second = match pattern.slots.get(1) {
            None => None,
            Some(list) => {
                let same = *list == pattern.slots[0];
                let list = &self.lists[usize::from(*list)];
                // Two slots of one list take different words.
                let free = list.len() - usize::from(same);
                let mut index = dice.below(free.max(1));
                if same && list.get(index)?.hash >= first.hash {
                    index += 1;
                }
                Some(list.get(index)?)
            }
        };
        Some(self.expand(pattern, first, second))
    }

    /// The choice that a payload stands for; `None` when it is no payload of a catalogue meme, or
    /// the meme is no longer in the catalogue.
    #[must_use]
    pub fn from_payload(&self, payload: u128) -> Option<Choice<'_>> {
        let parts = identity::unpack(payload)?;
        if !parts.grammar {
            let index = self.memes.binary_search_by_key(&parts.hash, |m| m.hash);
            let meme = &self.memes[index.ok()?];
            let topic = meme.topics.iter().find(|topic| {
                hash::hash32([self.topics[usize::from(**topic)].id.as_str()]) == parts.seed
            });
            return self.curated(meme, *topic?);
        }
        let index = self.patterns.binary_search_by_key(&parts.hash, |p| p.hash);
        let pattern = &self.patterns[index.ok()?];
        let word = |slot: usize, hash: u16| {
            let list = &self.lists[usize::from(*pattern.slots.get(slot)?)];
            let index = list.binary_search_by_key(&hash, |word| word.hash);
            Some(&list[index.ok()?])
        };
        let first = word(0, (parts.seed >> 16) as u16)?;
        let second = match pattern.slots.len() {
            1 if parts.seed & 0xFFFF == 0 => None,
            2 => Some(word(1, parts.seed as u16)?),
            _ => return None,
        };
        Some(self.expand(pattern, first, second))
    }

    /// The choice that an identifier stands for; `None` when it names no catalogue meme.
    #[must_use]
    pub fn from_id(&self, id: ids::MemeId) -> Option<Choice<'_>> {
        self.from_payload(identity::payload(id))
    }

    fn curated(&self, meme: &PackedMeme<'static>, topic: u16) -> Option<Choice<'_>> {
        let topic = self.topics.get(usize::from(topic))?;
        Some(Choice {
            template: &self.templates[usize::from(meme.template)],
            captions: meme.lines.iter().copied().map(Cow::Borrowed).collect(),
            topic,
            payload: identity::pack(identity::Parts {
                grammar: false,
                hash: meme.hash,
                seed: hash::hash32([topic.id.as_str()]),
            }),
        })
    }

    pub(crate) fn expand(
        &self,
        pattern: &PackedPattern<'static>,
        first: &PackedWord<'static>,
        second: Option<&PackedWord<'static>>,
    ) -> Choice<'_> {
        let words = [first.text, second.map_or("", |word| word.text)];
        let captions = pattern.lines.iter().map(|line| expand_line(line, words));
        Choice {
            template: &self.templates[usize::from(pattern.template)],
            captions: captions.map(Cow::Owned).collect(),
            topic: &self.topics[usize::from(pattern.topic)],
            payload: identity::pack(identity::Parts {
                grammar: true,
                hash: pattern.hash,
                seed: u32::from(first.hash) << 16 | second.map_or(0, |word| u32::from(word.hash)),
            }),
        }
    }
}

fn expand_line(line: &[Piece<'static>], words: [&'static str; 2]) -> String {
    let mut text = String::with_capacity(64);
    for piece in line {
        match piece {
            Piece::Text(fixed) => text.push_str(fixed),
            Piece::Slot { slot, article, capital } => {
                let start = text.len();
                let word = words[usize::from(*slot) & 1];
                if *article {
                    text.push_str(article_of(word));
                    text.push(' ');
                }
                text.push_str(word);
                if *capital {
                    // Words of the lists may begin with any letter; the first one grows.
                    let grown: Option<String> =
                        text[start..].chars().next().map(|letter| letter.to_uppercase().collect());
                    if let Some(grown) = grown {
                        let length = text[start..].chars().next().map_or(0, char::len_utf8);
                        text.replace_range(start..start + length, &grown);
                    }
                }
            }
        }
    }
    text
}

/// "a" or "an", by how the word sounds.
pub(crate) fn article_of(word: &str) -> &'static str {
    let first = word.split([' ', '-']).next().unwrap_or_default();
    let letters = first.as_bytes();
    let spelled =
        letters.len() > 1 && first.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let lower = first.to_ascii_lowercase();
    let vowel = if spelled {
        // Read letter by letter: an SSH key, a URL.
        matches!(
            letters[0],
            b'A' | b'E'
                | b'F'
                | b'H'
                | b'I'
                | b'L'
                | b'M'
                | b'N'
                | b'O'
                | b'R'
                | b'S'
                | b'X'
                | b'8'
        ) || matches!(first, "11" | "18")
    } else if ["hour", "honest", "heir", "honour"].iter().any(|silent| lower.starts_with(silent)) {
        true
    } else if ["uni", "use", "usu", "uti", "eu", "one", "once", "ukulele"]
        .iter()
        .any(|yod| lower.starts_with(yod))
        && !["unin", "unim", "unid"].iter().any(|un| lower.starts_with(un))
    {
        false
    } else {
        matches!(lower.bytes().next(), Some(b'a' | b'e' | b'i' | b'o' | b'u' | b'8'))
    };
    if vowel { "an" } else { "a" }
}
