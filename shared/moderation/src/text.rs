//! Whether a text may be asked for or written.

mod normal;
mod rules;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It says what a picture should show. The strictest.
    Prompt,
    /// It is written on a picture. Words may speak of what pictures may not show.
    Caption,
}

/// Why a text or a picture is refused. Its serialised names are what clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Children or teenagers together with anything sexual.
    SexualMinors,
    /// Nudity of a person who exists, or taking the clothes off one.
    RealPersonNudity,
    /// How to hurt oneself, or telling somebody to.
    SelfHarm,
    /// Slurs, calls against groups of people, symbols of both.
    Hate,
    /// Mutilation, killings in detail, massacres.
    Violence,
    /// Nudity and sexual acts.
    Sexual,
    /// Strong swear words.
    Profanity,
}

impl Category {
    /// All of them, the gravest first.
    pub const ALL: [Self; 7] = [
        Self::SexualMinors,
        Self::RealPersonNudity,
        Self::SelfHarm,
        Self::Hate,
        Self::Violence,
        Self::Sexual,
        Self::Profanity,
    ];

    /// The name that clients see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SexualMinors => "sexual_minors",
            Self::RealPersonNudity => "real_person_nudity",
            Self::SelfHarm => "self_harm",
            Self::Hate => "hate",
            Self::Violence => "violence",
            Self::Sexual => "sexual",
            Self::Profanity => "profanity",
        }
    }

    /// What a client is told to do about it. Repeats nothing of what was refused.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::SexualMinors => {
                "Nothing sexual may be asked for or written together with children or teenagers."
            }
            Self::RealPersonNudity => {
                "Nobody may be shown undressed: leave out nudity, or taking clothes off."
            }
            Self::SelfHarm => {
                "Leave out self-harm and suicide. If this is about you, please talk to somebody you \
                 trust, or to a helpline where you are."
            }
            Self::Hate => "Leave out slurs, hate against groups of people, and its symbols.",
            Self::Violence => "Leave out gore, mutilation and massacres.",
            Self::Sexual => "Leave out nudity and sexual content.",
            Self::Profanity => "Leave out strong swear words; mild ones are fine.",
        }
    }
}

/// A text or a picture that may not be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Why.
    pub category: Category,
    /// What the client should change. Repeats nothing of what was refused.
    pub detail: &'static str,
}

impl From<Category> for Refusal {
    fn from(category: Category) -> Self {
        Self { category, detail: category.advice() }
    }
}

/// Checks one text. A prompt is data here: what it tells a model to do is of no interest, only what
/// it asks to see. Takes time in proportion to the text and never panics.
///
/// # Errors
///
/// [`Refusal`] with the gravest category that the text falls into.
pub fn check(role: Role, text: &str) -> Result<(), Refusal> {
    match rules::judge(role, &normal::clean(text)) {
        Some(category) => Err(category.into()),
        None => Ok(()),
    }
}

/// Checks the captions of one picture: each, and all together, since they are read together.
///
/// # Errors
///
/// [`Refusal`], as [`check`].
pub fn check_captions<T: AsRef<str>>(captions: &[T]) -> Result<(), Refusal> {
    for caption in captions {
        check(Role::Caption, caption.as_ref())?;
    }
    if captions.len() > 1 {
        let together: Vec<&str> = captions.iter().map(AsRef::as_ref).collect();
        check(Role::Caption, &together.join("\n"))?;
    }
    Ok(())
}
