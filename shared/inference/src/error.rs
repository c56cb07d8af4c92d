//! What becomes of a call that gives nothing.

use std::error::Error;
use std::time::Duration;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service's policy on content forbids it. Nothing but another prompt helps.
    #[error("the service refuses the prompt ({code})")]
    Refused {
        /// The service's word for it.
        code: String,
    },
    /// The time was up before there was an answer.
    #[error("there was no answer within {within:?}")]
    Late {
        /// The time that there was.
        within: Duration,
    },
    /// No connection could be made.
    #[error("the service cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The connection ended before the answer did.
    #[error("the answer was cut off")]
    Cut(#[source] Box<dyn Error + Send + Sync>),
    /// The service says that it cannot.
    #[error("the service answered {status} ({})", code.as_deref().unwrap_or("no code"))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The code of the error, where it is a plain word.
        code: Option<String>,
        /// After how long the service wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The answer is longer than anything that was asked for.
    #[error("the answer has more than {bytes_max} bytes")]
    TooLarge {
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// The answer is not what was agreed.
    #[error("the answer is no use: {0}")]
    Malformed(&'static str),
    /// What was answered is not a picture that can be used.
    #[error("the answer is no picture that can be used")]
    NoPicture(#[source] Box<dyn Error + Send + Sync>),
    /// The picture is smaller than was asked for.
    #[error("asked for {asked:?} pixels, the service painted {painted:?}")]
    Small {
        /// Width and height that were asked for, in pixels.
        asked: (u32, u32),
        /// Width and height of what came, in pixels.
        painted: (u32, u32),
    },
    /// The address of a picture is not the service's own. The text is the origin that it has.
    #[error("a picture is said to be at {origin}, which is not the service")]
    Elsewhere {
        /// Scheme, host and port of the address.
        origin: String,
    },
}

impl CallError {
    /// Whether the same call may do better soon.
    ///
    /// A call that took all of its time is not made again: the service may still work on the first
    /// one, and a second makes it slower still.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Cut(_) => true,
            Self::Status { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// After how long the service wants to be asked again, if it says so.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
