//! The tier of a meme: AI or normal.

use std::str::FromStr;

use clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entitlement::Entitlement;

/// The tier that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierRequest {
    /// The best that the client has.
    #[default]
    Auto,
    /// AI or nothing.
    Ai,
    /// A normal meme.
    Normal,
}

/// A text that names no tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown tier: must be `auto`, `ai` or `normal`")]
pub struct UnknownTier;

impl FromStr for TierRequest {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        match text {
            "auto" => Ok(Self::Auto),
            "ai" => Ok(Self::Ai),
            "normal" => Ok(Self::Normal),
            _ => Err(UnknownTier),
        }
    }
}

/// Why a client got a normal meme where an AI meme could have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackReason {
    /// The client does not have Memes AI.
    NotEntitled,
    /// The client's credits are not enough for an AI meme.
    NoCredits,
    /// The prompt or the picture was refused.
    Moderated,
    /// AI memes were not ready in time.
    Backlog,
    /// The generation failed.
    Failed,
}

impl FallbackReason {
    /// The reason as replies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotEntitled => "not_entitled",
            Self::NoCredits => "no_credits",
            Self::Moderated => "moderated",
            Self::Backlog => "backlog",
            Self::Failed => "failed",
        }
    }
}

/// The tier that a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierDecision {
    /// An AI meme.
    Ai,
    /// A normal meme.
    Normal {
        /// Why not an AI meme, when the request would have taken one.
        fallback: Option<FallbackReason>,
    },
}

/// AI was asked for by a client that does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client does not have Memes AI")]
pub struct NotEntitled;

/// The tier that `requested` gets at `now`.
///
/// # Errors
/// [`NotEntitled`] when AI and nothing else was asked for and the client does not have it.
pub fn decide_tier(
    requested: TierRequest,
    entitlement: &Entitlement,
    now: Timestamp,
) -> Result<TierDecision, NotEntitled> {
    match (requested, entitlement.has_ai(now)) {
        (TierRequest::Normal, _) => Ok(TierDecision::Normal { fallback: None }),
        (TierRequest::Auto | TierRequest::Ai, true) => Ok(TierDecision::Ai),
        (TierRequest::Auto, false) => {
            Ok(TierDecision::Normal { fallback: Some(FallbackReason::NotEntitled) })
        }
        (TierRequest::Ai, false) => Err(NotEntitled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entitlement::tests::profile;
    use crate::subscription::{Product, Status, Subscription};

    #[test]
    fn every_request_of_every_client() {
        let now = Timestamp::UNIX_EPOCH;
        let without = Entitlement::materialise(profile(), &[], 0, now);
        let ai = Subscription {
            product: Product::MemesAi,
            status: Status::Canceled,
            period_end: Timestamp::from_second(10).unwrap(),
            source: "test".to_owned(),
        };
        let with = Entitlement::materialise(profile(), std::slice::from_ref(&ai), 0, now);
        let normal = |fallback| Ok(TierDecision::Normal { fallback });
        let not_entitled = normal(Some(FallbackReason::NotEntitled));

        assert_eq!(decide_tier(TierRequest::Auto, &with, now), Ok(TierDecision::Ai));
        assert_eq!(decide_tier(TierRequest::Ai, &with, now), Ok(TierDecision::Ai));
        assert_eq!(decide_tier(TierRequest::Normal, &with, now), normal(None));
        assert_eq!(decide_tier(TierRequest::Auto, &without, now), not_entitled);
        assert_eq!(decide_tier(TierRequest::Ai, &without, now), Err(NotEntitled));
        assert_eq!(decide_tier(TierRequest::Normal, &without, now), normal(None));
        assert_eq!(decide_tier(TierRequest::Auto, &with, ai.period_end), not_entitled);
        assert_eq!(decide_tier(TierRequest::Ai, &with, ai.period_end), Err(NotEntitled));
    }

    #[test]
    fn requests_and_reasons_as_they_are_written() {
        assert_eq!("ai".parse(), Ok(TierRequest::Ai));
        assert_eq!("AI".parse::<TierRequest>(), Err(UnknownTier));
        for reason in [
            FallbackReason::NotEntitled,
            FallbackReason::NoCredits,
            FallbackReason::Moderated,
            FallbackReason::Backlog,
            FallbackReason::Failed,
        ] {
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.as_str()));
        }
    }
}
