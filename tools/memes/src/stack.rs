//! What the commands work with.

use std::error::Error;

use anyhow::{Result, anyhow};
use clock::SystemClock;
use ids::ClientId;
use ledger::{LedgerError, StoreFault};
use maas_aws::onboarding::OnboardingError;
use maas_aws::{Core, StoreError};

use crate::target::Target;

/// What the commands work with.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The stores, the time and new identifiers.
    pub core: Core,
    /// Where all this is, for messages.
    pub target: Target,
}

impl Stack {
    /// Finds the stack at `target`. Asks no service yet.
    ///
    /// # Errors
    /// A message for the operator that says what to do.
    pub async fn connect(target: Target) -> Result<Self> {
        let core = Core::new(target.connect().await?, SystemClock::shared())?;
        Ok(Self { core, target })
    }

    /// The message for a client that is not there.
    pub(crate) fn unknown(&self, client: ClientId) -> anyhow::Error {
        anyhow!(
            "{} has no client {client}; check the id, or make a client with `memes client create`",
            self.target
        )
    }

    /// The message for a store's error: what to do about it where that is known, and otherwise what
    /// the store said.
    pub(crate) fn explain<E>(&self, error: E) -> anyhow::Error
    where
        E: Silence + Error + Send + Sync + 'static,
    {
        match error.silence().and_then(|why| self.target.cure(why)) {
            Some(cure) => anyhow!(cure),
            None => error.into(),
        }
    }
}

/// An error that may come from a store's giving no answer.
pub(crate) trait Silence {
    /// What the SDK said, if so.
    fn silence(&self) -> Option<&str>;
}

impl Silence for StoreError {
    fn silence(&self) -> Option<&str> {
        match self {
            Self::TimedOut(why) | Self::Failed(why) => Some(why),
            _ => None,
        }
    }
}

impl Silence for LedgerError {
    fn silence(&self) -> Option<&str> {
        match self {
            Self::Store(StoreFault::TimedOut(why) | StoreFault::Failed(why)) => Some(why),
            _ => None,
        }
    }
}

impl Silence for OnboardingError {
    fn silence(&self) -> Option<&str> {
        match self {
            Self::Ledger(error) => error.silence(),
            Self::Store(error) => error.silence(),
            _ => None,
        }
    }
}
