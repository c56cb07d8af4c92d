//! Templates, captions and topics, and which meme to serve.
//!
//! The crate is data and arithmetic: it does no I/O, knows no pixels and no clock, and takes its
//! randomness as a number. `build.rs` checks every data file and packs them into one embedded
//! file; [`Catalogue::embedded`] reads it once and borrows all text from it.
//!
//! - [`Catalogue::select`] chooses a meme: a curated one, or one that the grammar makes.
//! - [`Choice::id`] names it so that [`Catalogue::from_id`] finds it again with nothing stored.
//! - [`path`] is how captions are written in the path of a picture's address.
//! - [`check_captions`] judges the captions that a client sends.

mod captions;
mod choice;
mod hash;
mod identity;
mod listing;
mod pack;
pub mod path;
mod slug;
#[cfg(test)]
#[expect(unreachable_pub, reason = "shared with the build script")]
mod source;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

pub use captions::{CAPTION_CHARS_MAX, CAPTION_LINES_MAX, CaptionFault, check_captions};
pub use choice::{Choice, Selection};
pub use identity::{is_catalogue, stored};
pub use listing::{BadCursor, Filter, PAGE_MAX, Page};
pub use pack::{Align, BoxStyle, Case, Valign};
pub use slug::{InvalidSlug, TemplateId, TopicId};
pub use topics::Topic;

use pack::{Packed, PackedMeme, PackedPattern, PackedWord};

/// One place for a caption on a template's picture.
pub type CaptionBox = pack::CaptionBox<'static>;

/// A picture with places for captions.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Its name in addresses.
    pub id: TemplateId,
    /// Its name for people.
    pub name: &'static str,
    /// What it is about.
    pub topics: Vec<TopicId>,
    /// What the picture shows, as a sentence.
    pub seen: &'static str,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Where the captions go, in the order in which they are read.
    pub boxes: Vec<CaptionBox>,
}

impl Template {
    /// What is seen and what is written, for those who cannot see the picture.
    #[must_use]
    pub fn alt(&self, captions: &[impl AsRef<str>]) -> String {
        captions::alt(self.seen, captions)
    }

    /// The captions of the preview.
    pub fn examples(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.boxes.iter().map(|place| place.example)
    }
}

/// All templates, topics and captions, ready to be chosen from.
#[derive(Debug)]
pub struct Catalogue {
    /// Sorted by id.
    templates: Vec<Template>,
    /// Sorted by id.
    topics: Vec<Topic>,
    /// Sorted by hash.
    memes: Vec<PackedMeme<'static>>,
    /// Each list sorted by hash.
    lists: Vec<Vec<PackedWord<'static>>>,
    /// Sorted by hash.
    patterns: Vec<PackedPattern<'static>>,
    /// Positions in `memes` for each template and each topic.
    memes_by_template: Vec<Vec<u16>>,
    memes_by_topic: Vec<Vec<u16>>,
    /// What is searched in each template, in lower case.
    haystacks: Vec<String>,
    /// Stems of keywords, with the position and weight of each topic that they speak for. Made by
    /// the first prompt, since a function that only serves memes never needs it.
    keywords: OnceLock<HashMap<String, Vec<(u16, u32)>>>,
}

static EMBEDDED: LazyLock<Catalogue> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the build script wrote these bytes, and a test reads them"
    )]
    Catalogue::read(include_bytes!(concat!(env!("OUT_DIR"), "/catalogue.bin")))
        .expect("the embedded catalogue is whole")
});

impl Catalogue {
    /// The catalogue that the crate carries. The first call reads it, which takes well under a
    /// millisecond; call it in the init phase.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    fn read(bytes: &'static [u8]) -> Result<Self, postcard::Error> {
        let packed: Packed<'static> = postcard::from_bytes(bytes)?;
        let templates: Vec<Template> = packed
            .templates
            .into_iter()
            .map(|template| Template {
                id: TemplateId::checked(template.id),
                name: template.name,
                topics: template.topics.into_iter().map(TopicId::checked).collect(),
                seen: template.seen,
                size: template.size,
                boxes: template.boxes,
            })
            .collect();
        let topics: Vec<Topic> = packed
            .topics
            .into_iter()
            .map(|topic| Topic {
                id: TopicId::checked(topic.id),
                name: topic.name,
                keywords: topic.keywords,
            })
            .collect();
        let mut memes_by_template = vec![Vec::new(); templates.len()];
        let mut memes_by_topic = vec![Vec::new(); topics.len()];
        for (index, meme) in (0_u16..).zip(&packed.memes) {
            memes_by_template[usize::from(meme.template)].push(index);
            for topic in &meme.topics {
                memes_by_topic[usize::from(*topic)].push(index);
            }
        }
        Ok(Self {
            haystacks: templates.iter().map(listing::haystack).collect(),
            keywords: OnceLock::new(),
            templates,
            topics,
            memes: packed.memes,
            lists: packed.lists,
            patterns: packed.patterns,
            memes_by_template,
            memes_by_topic,
        })
    }

    /// All templates, sorted by id.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The template of that id. Takes any text: what is no valid id names no template.
    #[must_use]
    pub fn template(&self, id: impl AsRef<str>) -> Option<&Template> {
        self.template_index(id.as_ref()).map(|index| &self.templates[index])
    }

    /// All topics, sorted by id.
    #[must_use]
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The topic of that id. Takes any text: what is no valid id names no topic.
    #[must_use]
    pub fn topic(&self, id: impl AsRef<str>) -> Option<&Topic> {
        self.topic_index(id.as_ref()).map(|index| &self.topics[index])
    }

    /// How many curated memes and how many patterns of the grammar there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.memes.len(), self.patterns.len())
    }

    fn template_index(&self, id: &str) -> Option<usize> {
        self.templates.binary_search_by(|template| template.id.as_str().cmp(id)).ok()
    }

    fn topic_index(&self, id: &str) -> Option<usize> {
        self.topics.binary_search_by(|topic| topic.id.as_str().cmp(id)).ok()
    }
}
