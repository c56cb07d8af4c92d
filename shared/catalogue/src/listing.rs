//! The templates page by page, search, and the template that was probably meant.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{Catalogue, Template, TemplateId, TopicId};

/// The most templates on one page.
pub const PAGE_MAX: usize = 100;

/// A search looks at so many characters of a query, and so many of a misspelt id.
const QUERY_CHARS_MAX: usize = 200;

/// Which templates to list. The default is all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Words that must all occur in the id, the name, the topics or the examples.
    pub query: Option<&'a str>,
    /// A topic that the template must have.
    pub topic: Option<&'a TopicId>,
}

/// One page of templates, in the order of their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<'a> {
    /// The templates of this page.
    pub templates: Vec<&'a Template>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
}

/// A cursor that no page gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list; leave it out to begin at the start")]
pub struct BadCursor;

/// The mark of a cursor's kind and version, before the id that it stands behind.
const CURSOR_MARK: &str = "t1:";

fn encode_cursor(id: &TemplateId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{CURSOR_MARK}{id}"))
}

fn decode_cursor(cursor: &str) -> Result<TemplateId, BadCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let text = String::from_utf8(bytes).map_err(|_| BadCursor)?;
    let id = text.strip_prefix(CURSOR_MARK).ok_or(BadCursor)?;
    id.parse().map_err(|_| BadCursor)
}

/// What is searched in a template.
pub(crate) fn haystack(template: &Template) -> String {
    let mut text = template.id.as_str().replace('-', " ");
    let mut push = |part: &str| {
        text.push('\n');
        text.push_str(&part.to_lowercase());
    };
    push(template.id.as_str());
    push(template.name);
    template.topics.iter().for_each(|topic| push(topic.as_str()));
    template.examples().for_each(push);
    text
}

impl Catalogue {
    /// A page of at most `limit` templates (held between 1 and [`PAGE_MAX`]) behind `cursor`.
    ///
    /// A cursor stands behind an id, not at a position, so pages neither repeat nor skip a
    /// template when others are added or withdrawn between two calls.
    ///
    /// # Errors
    /// [`BadCursor`] when the cursor is not one that a page gave out.
    pub fn list(
        &self,
        filter: Filter<'_>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<'_>, BadCursor> {
        let after = cursor.map(decode_cursor).transpose()?;
        let start =
            after.as_ref().map_or(0, |after| self.templates.partition_point(|t| t.id <= *after));
        let query: String = filter.query.map_or_else(String::new, |query| {
            query.chars().take(QUERY_CHARS_MAX).collect::<String>().to_lowercase()
        });
        let words: Vec<&str> = query.split_whitespace().collect();
        let mut matches = self.templates[start..]
            .iter()
            .zip(&self.haystacks[start..])
            .filter(|(template, haystack)| {
                words.iter().all(|word| haystack.contains(word))
                    && filter.topic.is_none_or(|topic| template.topics.contains(topic))
            })
            .map(|(template, _)| template);
        let limit = limit.clamp(1, PAGE_MAX);
        let templates: Vec<&Template> = matches.by_ref().take(limit).collect();
        let next = match (matches.next(), templates.last()) {
            (Some(_), Some(last)) => Some(encode_cursor(&last.id)),
            _ => None,
        };
        Ok(Page { templates, next })
    }

    /// Up to three templates whose ids are close to `misspelt`, the closest first.
    #[must_use]
    pub fn suggest_templates(&self, misspelt: &str) -> Vec<&TemplateId> {
        closest(misspelt, self.templates.iter().map(|t| &t.id))
    }

    /// Up to three topics whose ids are close to `misspelt`, the closest first.
    #[must_use]
    pub fn suggest_topics(&self, misspelt: &str) -> Vec<&TopicId> {
        closest(misspelt, self.topics.iter().map(|t| &t.id))
    }
}

fn closest<'a, T: AsRef<str> + Ord>(
    misspelt: &str,
    known: impl Iterator<Item = &'a T>,
) -> Vec<&'a T> {
    // A slug has at most 40 characters; what is much longer is nobody's slip of the pen.
    let misspelt: String = misspelt.chars().take(48).collect();
    let misspelt = misspelt.to_lowercase().replace(['_', ' '], "-");
    let mut near: Vec<(f64, &T)> = known
        .map(|id| (strsim::jaro_winkler(&misspelt, id.as_ref()), id))
        .filter(|(nearness, _)| *nearness >= 0.8)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter().take(3).map(|(_, id)| id).collect()
}
