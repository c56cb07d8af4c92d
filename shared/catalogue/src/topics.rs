//! Topics, and the topic that a prompt is about.

use std::collections::HashMap;

use crate::{Catalogue, TopicId};

/// A prompt is read up to here, in characters.
const PROMPT_CHARS_MAX: usize = 4_000;

/// Something that memes are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name in addresses.
    pub id: TopicId,
    /// Its name for people.
    pub name: &'static str,
    /// Words that speak for it in a prompt, in lower case.
    pub keywords: Vec<&'static str>,
}

/// The words of `text`, in lower case and without plural endings.
fn stems(text: &str) -> Vec<String> {
    let text: String = text.chars().take(PROMPT_CHARS_MAX).collect();
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .map(|word| word.split(['\'', '’']).next().unwrap_or_default())
        .filter(|word| !word.is_empty())
        .map(stem)
        .collect()
}

/// `word` without the ending of an English plural. The same rule is used on both sides of each
/// comparison, so that a wrong stem is harmless as long as it is always the same.
fn stem(word: &str) -> String {
    let cut = |count: usize| word[..word.len() - count].to_owned();
    if word.chars().count() <= 3 || !word.ends_with('s') {
        return word.to_owned();
    }
    if word.ends_with("ies") {
        return cut(3) + "y";
    }
    if ["sses", "shes", "ches", "xes", "zes"].iter().any(|end| word.ends_with(end)) {
        return cut(2);
    }
    if ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        return word.to_owned();
    }
    cut(1)
}

/// From the stem of each keyword to the topics that it speaks for, and how loudly.
fn index(topics: &[Topic]) -> HashMap<String, Vec<(u16, u32)>> {
    let mut index: HashMap<String, Vec<(u16, u32)>> = HashMap::new();
    for (position, topic) in (0_u16..).zip(topics) {
        let own = [(topic.id.as_str(), 3), (topic.name, 3)];
        let keywords = topic.keywords.iter().map(|keyword| (*keyword, 2));
        for (words, weight) in own.into_iter().chain(keywords) {
            let stems = stems(words);
            // Two words that follow each other say more than one.
            let weight = if stems.len() == 2 { weight + 2 } else { weight };
            let entry = index.entry(stems.join(" ")).or_default();
            match entry.iter_mut().find(|(known, _)| *known == position) {
                Some((_, known)) => *known = weight.max(*known),
                None => entry.push((position, weight)),
            }
        }
    }
    index
}

impl Catalogue {
    /// The topics that `prompt` is about, the likeliest first, each with a score that only means
    /// something beside the others. Topics without any word in the prompt are left out.
    #[must_use]
    pub fn match_prompt(&self, prompt: &str) -> Vec<(&TopicId, u32)> {
        let stems = stems(prompt);
        let keywords = self.keywords.get_or_init(|| index(&self.topics));
        let mut scores = vec![0_u32; self.topics.len()];
        let pairs = stems.windows(2).map(|pair| pair.join(" "));
        for key in stems.iter().cloned().chain(pairs) {
            for (topic, weight) in keywords.get(&key).into_iter().flatten() {
                scores[usize::from(*topic)] += weight;
            }
        }
        let mut found: Vec<(&TopicId, u32)> = self
            .topics
            .iter()
            .zip(scores)
            .filter(|(_, score)| *score > 0)
            .map(|(topic, score)| (&topic.id, score))
            .collect();
        // Equal scores stay in the order of the ids.
        found.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_and_possessives_have_the_stem_of_the_singular() {
        for (a, b) in [
            ("cats", "cat"),
            ("Monday’s", "monday"),
            ("batteries", "battery"),
            ("dishes", "dish"),
            ("boxes", "box"),
            ("KATZEN", "katzen"),
            ("bus", "bus"),
        ] {
            assert_eq!(stems(a), stems(b), "{a}");
        }
        assert_eq!(stems("Œufs, thé; ÉTÉ"), ["œuf", "thé", "été"]);
        assert_eq!(stems("''' — !"), Vec::<String>::new());
    }
}
