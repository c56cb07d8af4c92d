//! What a client can be told.

use std::fmt;
use std::str::FromStr;

use clock::Timestamp;
use ids::{EventId, JobId};
use serde::{Deserialize, Serialize};

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// A generation ended with memes: as many as were asked for, or some of them.
    #[serde(rename = "generation.succeeded")]
    GenerationSucceeded,
    /// A generation ended without memes.
    #[serde(rename = "generation.failed")]
    GenerationFailed,
    /// The client asked for a trial. Every endpoint gets it.
    #[serde(rename = "webhook.test")]
    Test,
}

impl EventKind {
    /// What an endpoint can be registered for.
    pub const SUBSCRIBABLE: [Self; 2] = [Self::GenerationSucceeded, Self::GenerationFailed];

    /// The kind as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GenerationSucceeded => "generation.succeeded",
            Self::GenerationFailed => "generation.failed",
            Self::Test => "webhook.test",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no event that an endpoint can be registered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `generation.succeeded` or `generation.failed`")]
pub struct UnknownEvent;

impl FromStr for EventKind {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let mut kinds = Self::SUBSCRIBABLE.into_iter();
        kinds.find(|kind| kind.as_str() == text).ok_or(UnknownEvent)
    }
}

/// Something that happened once. What it is about is read when it is told, so that an event is small
/// and the addresses of pictures in it are fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id, the `webhook-id` of every attempt to tell it.
    pub id: EventId,
    /// What kind of thing.
    pub kind: EventKind,
    /// When it happened.
    pub at: Timestamp,
    /// The generation that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_text_and_a_trial_is_no_subscription() {
        for kind in EventKind::SUBSCRIBABLE {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert!(UnknownEvent.to_string().contains(kind.as_str()));
        }
        assert_eq!("webhook.test".parse::<EventKind>(), Err(UnknownEvent));
        assert_eq!("Generation.failed".parse::<EventKind>(), Err(UnknownEvent));
    }
}
