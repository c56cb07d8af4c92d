//! `memes credits`: grants credits.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clock::Timestamp;
use ids::{ClientId, GrantId};
use ledger::policy::GRANTED_MAX;
use ledger::{GrantRequest, GrantSource, Ledger, LedgerError, StoreFault};
use serde::Serialize;

use crate::client::time;
use crate::stack::Stack;
use crate::text::{credits, moment};

/// Credits to be granted.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// To whom.
    pub client: ClientId,
    /// How many; at least 1.
    pub credits: u64,
    /// How long they last.
    pub expires_in: Duration,
    /// The grant's id, if it may have been made before; otherwise a new one.
    pub id: Option<GrantId>,
}

/// Credits that are granted.
#[derive(Debug, Clone, Serialize)]
pub struct Granted {
    client_id: ClientId,
    grant_id: GrantId,
    credits: u64,
    /// When they end; none if they have ended.
    expires_at: Option<Timestamp>,
    /// Whether an earlier command granted them, so that this one changed nothing.
    already_granted: bool,
    /// What the client has available with them.
    available: u64,
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, grant_id, .. } = self;
        if self.already_granted {
            write!(f, "{grant_id} was granted before; nothing changed")?;
        } else {
            write!(f, "{client_id} was granted {} as {grant_id}", credits(self.credits))?;
            if let Some(end) = self.expires_at {
                write!(f, ", until {}", moment(end))?;
            }
        }
        writeln!(f, "\n{} available", self.available)
    }
}

/// Grants credits, once per grant id.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn grant(stack: &Stack, new: NewGrant) -> Result<Granted> {
    let NewGrant { client, credits: amount, expires_in, id } = new;
    let stamp = stack.core.stamp();
    let id = id.unwrap_or_else(|| stack.core.mint.mint(stamp.at_ms));
    let refused = |error: LedgerError| match error {
        LedgerError::UnknownClient => stack.unknown(client),
        error => stack.explain(error),
    };

    let ledger = &stack.core.homes.now_of(client).await.map_err(refused)?.ledger;
    let balance = ledger.balance(client).await.map_err(refused)?;
    let earlier = ledger.granted(client, id).await.map_err(|fault| refused(fault.into()))?;
    match earlier {
        Some(earlier) if earlier != amount => bail!(
            "{id} was granted before, with {} instead of {amount}; give another `--grant-id`, or \
             none",
            credits(earlier)
        ),
        Some(_) => {}
        None => {
            let room = GRANTED_MAX.saturating_sub(balance.granted);
            if amount > room {
                bail!(
                    "{client} can be granted {} more: a client gets at most {GRANTED_MAX} in all",
                    credits(room)
                );
            }
            let expires_at = stack
                .core
                .clock
                .now()
                .checked_add(expires_in)
                .context("the grant ends too late")?;
            let request = GrantRequest {
                id,
                credits: amount,
                expires_at_ms: expires_at.as_millisecond(),
                source: GrantSource::TopUp,
            };
            ledger.grant(client, request, stamp).await.map_err(|error| {
                let unsure = matches!(error, LedgerError::Store(StoreFault::TimedOut(_)));
                let message = refused(error);
                if unsure {
                    message.context(format!(
                        "the credits may or may not be granted; repeat the command with \
                         `--grant-id {id}`, which grants them once"
                    ))
                } else {
                    message
                }
            })?;
        }
    }

    let balance = ledger.balance(client).await.map_err(refused)?;
    Ok(Granted {
        client_id: client,
        grant_id: id,
        credits: amount,
        expires_at: balance.grants.get(&id).map(|grant| time(grant.expires_at_ms)),
        already_granted: earlier.is_some(),
        available: balance.accounts.available,
    })
}
