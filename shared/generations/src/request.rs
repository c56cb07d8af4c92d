//! What a client asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest prompt, in characters.
pub const PROMPT_CHARS_MAX: usize = 1_000;

/// The most pictures of one request.
pub const COUNT_MAX: u8 = 4;

/// The shortest time that a client may give, in seconds.
pub const DEADLINE_MIN_S: u32 = 5;

/// The longest time that a client may give, in seconds.
pub const DEADLINE_MAX_S: u32 = 3_600;

/// The time that a job has when the client names none, in seconds.
pub const DEADLINE_DEFAULT_S: u32 = 300;

/// The size of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Size {
    /// 1024 by 1024.
    Square1024,
    /// 1200 by 1200.
    #[default]
    Square1200,
    /// 1024 by 768.
    Landscape1024,
    /// 768 by 1024.
    Portrait1024,
}

impl Size {
    /// Every size.
    pub const ALL: [Self; 4] =
        [Self::Square1024, Self::Square1200, Self::Landscape1024, Self::Portrait1024];

    /// The width in pixels.
    #[must_use]
    pub const fn width_px(self) -> u32 {
        match self {
            Self::Square1024 | Self::Landscape1024 => 1_024,
            Self::Square1200 => 1_200,
            Self::Portrait1024 => 768,
        }
    }

    /// The height in pixels.
    #[must_use]
    pub const fn height_px(self) -> u32 {
        match self {
            Self::Square1024 | Self::Portrait1024 => 1_024,
            Self::Square1200 => 1_200,
            Self::Landscape1024 => 768,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width_px(), self.height_px())
    }
}

/// A text that names no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `1024x1024`, `1200x1200`, `1024x768` or `768x1024`")]
pub struct UnknownSize;

impl FromStr for Size {
    type Err = UnknownSize;

    fn from_str(text: &str) -> Result<Self, UnknownSize> {
        match text {
            "1024x1024" => Ok(Self::Square1024),
            "1200x1200" => Ok(Self::Square1200),
            "1024x768" => Ok(Self::Landscape1024),
            "768x1024" => Ok(Self::Portrait1024),
            _ => Err(UnknownSize),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// What a client gets when AI cannot make a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// A normal meme, and the credits back.
    #[default]
    Normal,
    /// The credits back.
    None,
}

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What the picture should show.
    pub prompt: String,
    /// What the meme is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What to write on the picture; with none the service finds its own words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captions: Vec<String>,
    /// How many pictures.
    pub count: u8,
    /// How big they are.
    pub size: Size,
    /// What to give in place of a picture that could not be made.
    pub fallback: Fallback,
}

/// A request that no job is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// There are no words in the prompt.
    #[error("the prompt is blank; say what the picture should show")]
    BlankPrompt,
    /// The prompt is too long.
    #[error("the prompt has {chars} characters; shorten it to {PROMPT_CHARS_MAX} or fewer")]
    LongPrompt {
        /// How many characters it has.
        chars: usize,
    },
    /// The prompt has a character that cannot be read.
    #[error("the prompt has the control character U+{code:04X}; remove it")]
    Control {
        /// The character's number.
        code: u32,
    },
    /// No pictures, or too many.
    #[error("the count is {count}; ask for 1 to {COUNT_MAX} pictures")]
    Count {
        /// How many were asked for.
        count: u8,
    },
    /// Too little time, or too much.
    #[error(
        "the deadline is {deadline_s} s; give it from {DEADLINE_MIN_S} to {DEADLINE_MAX_S} seconds"
    )]
    Deadline {
        /// The time that was given, in seconds.
        deadline_s: u32,
    },
}

impl Request {
    /// Judges what the types leave open. Captions are judged by whoever draws them.
    ///
    /// # Errors
    /// The first fault of the prompt or of the count.
    pub fn check(&self) -> Result<(), InvalidRequest> {
        if self.prompt.trim().is_empty() {
            return Err(InvalidRequest::BlankPrompt);
        }
        let chars = self.prompt.chars().count();
        if chars > PROMPT_CHARS_MAX {
            return Err(InvalidRequest::LongPrompt { chars });
        }
        let control = |c: &char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if let Some(found) = self.prompt.chars().find(control) {
            return Err(InvalidRequest::Control { code: u32::from(found) });
        }
        if !(1..=COUNT_MAX).contains(&self.count) {
            return Err(InvalidRequest::Count { count: self.count });
        }
        Ok(())
    }
}

/// The time for a job, in seconds: the client's wish, or the default.
///
/// # Errors
/// [`InvalidRequest::Deadline`] when the wish is out of bounds.
pub const fn check_deadline_s(wish_s: Option<u32>) -> Result<u32, InvalidRequest> {
    match wish_s {
        None => Ok(DEADLINE_DEFAULT_S),
        Some(deadline_s) if deadline_s < DEADLINE_MIN_S || deadline_s > DEADLINE_MAX_S => {
            Err(InvalidRequest::Deadline { deadline_s })
        }
        Some(deadline_s) => Ok(deadline_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(prompt: &str, count: u8) -> Request {
        Request {
            prompt: prompt.to_owned(),
            topic: None,
            captions: Vec::new(),
            count,
            size: Size::default(),
            fallback: Fallback::default(),
        }
    }

    #[test]
    fn the_bounds_are_inside() {
        assert_eq!(request("x", 1).check(), Ok(()));
        assert_eq!(request(&"é".repeat(1_000), 4).check(), Ok(()));
        assert_eq!(request("two\nlines", 2).check(), Ok(()));
        assert_eq!(check_deadline_s(Some(5)), Ok(5));
        assert_eq!(check_deadline_s(Some(3_600)), Ok(3_600));
        assert_eq!(check_deadline_s(None), Ok(300));
    }

    #[test]
    fn one_beyond_the_bounds_is_refused_with_a_cure() {
        use InvalidRequest as No;
        assert_eq!(request(" \n", 1).check(), Err(No::BlankPrompt));
        assert_eq!(request(&"é".repeat(1_001), 1).check(), Err(No::LongPrompt { chars: 1_001 }));
        assert_eq!(request("a\0b", 1).check(), Err(No::Control { code: 0 }));
        assert_eq!(request("x", 0).check(), Err(No::Count { count: 0 }));
        assert_eq!(request("x", 5).check(), Err(No::Count { count: 5 }));
        for deadline_s in [0, 4, 3_601, u32::MAX] {
            assert_eq!(check_deadline_s(Some(deadline_s)), Err(No::Deadline { deadline_s }));
        }
        assert_eq!(No::Count { count: 5 }.to_string(), "the count is 5; ask for 1 to 4 pictures");
    }

    #[test]
    fn sizes_survive_text_and_nothing_else_is_one() {
        for size in Size::ALL {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert_eq!("1024X768".parse::<Size>(), Err(UnknownSize));
        assert_eq!("".parse::<Size>(), Err(UnknownSize));
    }
}
