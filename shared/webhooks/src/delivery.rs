//! The way of one event to one endpoint.

use std::time::Duration;

use clock::Timestamp;
use ids::{ClientId, WebhookId};
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::schedule::{ATTEMPTS_MAX, MESSAGE_DELAY_MAX, retry_after};

/// How long a message may be on its way before it is taken for lost. Longer than the queue hides a
/// message of a process that died, so that it mostly comes again by itself.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// How long an attempt keeps others from the delivery. Longer than an attempt can take.
const CLAIMED_FOR: Duration = Duration::from_secs(60);

/// By how much a message may be early: clocks differ, and a queue counts in seconds.
const EARLY: Duration = Duration::from_secs(1);

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was not accepted yet, and is tried again.
    Pending,
    /// The endpoint answered 2xx.
    Delivered,
    /// It was given up.
    Failed,
}

impl State {
    /// The state as replies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// What came of asking the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A reply with this status. Redirects are replies like others, and not followed.
    Status(u16),
    /// No reply in time.
    TimedOut,
    /// No connection, or one that ended before the reply.
    Unreachable,
    /// The host has an address that deliveries do not go to.
    AddressRefused,
}

impl Answer {
    /// Whether the endpoint says that it is gone for good.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Status(410))
    }

    const fn failure(self) -> Option<Failure> {
        match self {
            Self::Status(200..=299) => None,
            Self::Status(_) => Some(Failure::Status),
            Self::TimedOut => Some(Failure::TimedOut),
            Self::Unreachable => Some(Failure::Unreachable),
            Self::AddressRefused => Some(Failure::AddressRefused),
        }
    }
}

/// Why an attempt, or a whole delivery, came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The endpoint answered with another status than 2xx.
    Status,
    /// The endpoint did not answer in time.
    TimedOut,
    /// There was no connection to the endpoint, or none that lasted.
    Unreachable,
    /// The endpoint's host has an address that deliveries do not go to.
    AddressRefused,
    /// The endpoint was disabled meanwhile.
    EndpointDisabled,
    /// The endpoint was deleted meanwhile.
    EndpointDeleted,
    /// What the event is about cannot be read any more.
    SubjectGone,
    /// The process that made the last attempt was not heard of again.
    Unknown,
}

/// The last attempt, or the reason why there is no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// The status of the endpoint's reply, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The way of one event to one endpoint, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Whose endpoint it is.
    #[serde(rename = "client_id")]
    pub client: ClientId,
    /// The endpoint.
    #[serde(rename = "webhook_id")]
    pub endpoint: WebhookId,
    /// The event.
    pub event: Event,
    /// Where it stands.
    pub state: State,
    /// Counts the transitions. A store writes a delivery only over the version that was read.
    pub version: u32,
    /// How often it was attempted since it was made, or asked for again.
    pub attempts: u8,
    /// Until when an attempt is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<Timestamp>,
    /// When it is attempted next; none once it is not pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// When the sweep sends a message for it, if nobody has changed it by then; none once it is not
    /// pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swept_at: Option<Timestamp>,
    /// What came of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Attempt>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why nobody should attempt a delivery now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotClaimed {
    /// It is not pending.
    #[error("the delivery is already {}", state.as_str())]
    Finished {
        /// How it ended.
        state: State,
    },
    /// An attempt is under way.
    #[error("an attempt is under way until {until}")]
    Busy {
        /// Until when, unless it ends before.
        until: Timestamp,
    },
    /// It is too early.
    #[error("the next attempt is at {at}")]
    Early {
        /// When it is time.
        at: Timestamp,
    },
}

/// What to do with a delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Write it, then ask the endpoint.
    Attempt(Delivery),
    /// Write it: there is no attempt left, and nobody knows what came of the last one.
    GivenUp(Delivery),
}

/// A delivery that is on its way cannot be asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery is still pending")]
pub struct StillPending;

impl Delivery {
    /// A delivery whose message is on its way.
    #[must_use]
    pub fn new(client: ClientId, endpoint: WebhookId, event: Event, now: Timestamp) -> Self {
        let delivery = Self {
            client,
            endpoint,
            event,
            state: State::Pending,
            version: 0,
            attempts: 0,
            claimed_until: None,
            next_attempt_at: None,
            swept_at: None,
            last: None,
            created_at: now,
        };
        delivery.due(now, now)
    }

    /// Somebody is about to ask the endpoint. The attempt counts from here on, so that one that
    /// kills its process every time is not made for ever.
    ///
    /// # Errors
    /// [`NotClaimed`] says why not.
    pub fn claim(&self, now: Timestamp) -> Result<Claimed, NotClaimed> {
        if self.state != State::Pending {
            return Err(NotClaimed::Finished { state: self.state });
        }
        if let Some(until) = self.claimed_until.filter(|until| now < *until) {
            return Err(NotClaimed::Busy { until });
        }
        let early = after(now, EARLY);
        if let Some(at) = self.next_attempt_at.filter(|at| early < *at) {
            return Err(NotClaimed::Early { at });
        }
        if self.attempts >= ATTEMPTS_MAX {
            return Ok(Claimed::GivenUp(self.give_up(Failure::Unknown, now)));
        }
        let mut delivery = self.next();
        let until = after(now, CLAIMED_FOR);
        delivery.attempts = self.attempts.saturating_add(1);
        delivery.claimed_until = Some(until);
        delivery.swept_at = Some(until);
        Ok(Claimed::Attempt(delivery))
    }

    /// The endpoint was asked. After a failure the delivery waits for its next attempt, with jitter
    /// from `random`, or is given up after the last one.
    #[must_use]
    pub fn answered(&self, answer: Answer, now: Timestamp, random: u64) -> Self {
        let status = match answer {
            Answer::Status(status) => Some(status),
            _ => None,
        };
        let last = Attempt { at: now, status, failure: answer.failure() };
        match (last.failure, retry_after(self.attempts, random)) {
            (None, _) => self.end(State::Delivered, last),
            (Some(_), Some(pause)) if !answer.is_gone() => {
                let mut delivery = self.next();
                delivery.last = Some(last);
                delivery.due(after(now, pause), now)
            }
            _ => self.end(State::Failed, last),
        }
    }

    /// The delivery is pointless.
    #[must_use]
    pub fn give_up(&self, why: Failure, now: Timestamp) -> Self {
        let status = self.last.and_then(|last| last.status);
        self.end(State::Failed, Attempt { at: now, status, failure: Some(why) })
    }

    /// The delivery as it is written when another message is sent for it.
    ///
    /// # Errors
    /// [`NotClaimed::Finished`].
    pub fn sent_again(&self, now: Timestamp) -> Result<Self, NotClaimed> {
        if self.state != State::Pending {
            return Err(NotClaimed::Finished { state: self.state });
        }
        let mut delivery = self.next();
        delivery.swept_at = Some(after(now, PATIENCE));
        Ok(delivery)
    }

    /// The client wants an event that is over to be told again, from the first attempt on.
    ///
    /// # Errors
    /// [`StillPending`] if it is not over.
    pub fn replay(&self, now: Timestamp) -> Result<Self, StillPending> {
        if self.state == State::Pending {
            return Err(StillPending);
        }
        let mut delivery = self.next();
        delivery.state = State::Pending;
        delivery.attempts = 0;
        Ok(delivery.due(now, now))
    }

    /// How long its message should wait in the queue; none if that is too long for a queue, and the
    /// sweep sends it, or if nothing is left to do.
    #[must_use]
    pub fn message_delay(&self, now: Timestamp) -> Option<Duration> {
        let wait = until(self.next_attempt_at?, now);
        (wait <= MESSAGE_DELAY_MAX).then_some(wait)
    }

    /// Due at `at`: by a message in the queue, which the sweep looks after, or by the sweep itself.
    fn due(mut self, at: Timestamp, now: Timestamp) -> Self {
        self.claimed_until = None;
        self.next_attempt_at = Some(at);
        let by_message = self.message_delay(now).is_some();
        self.swept_at = Some(if by_message { after(at, PATIENCE) } else { at });
        self
    }

    fn end(&self, state: State, last: Attempt) -> Self {
        let mut delivery = self.next();
        delivery.state = state;
        delivery.claimed_until = None;
        delivery.next_attempt_at = None;
        delivery.swept_at = None;
        delivery.last = Some(last);
        delivery
    }

    fn next(&self) -> Self {
        let mut delivery = self.clone();
        delivery.version = self.version.wrapping_add(1);
        delivery
    }
}

fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The time from `now` to `at`; none at all when that is over.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    let ms = at.as_millisecond().saturating_sub(now.as_millisecond());
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests;
