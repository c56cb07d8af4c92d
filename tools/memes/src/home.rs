//! `memes client move-home`: a client's balance moves to another Region.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use ids::ClientId;
use ledger::{Balance, Region};
use maas_aws::relocation::{Drained, Relocation, RelocationError};
use serde::Serialize;
use tokio::time::Instant;

use crate::progress;
use crate::stack::Stack;

/// How far it is, in words.
const BAR: &str = "{bar:30} {pos} of {len} credits are back, {msg}";

/// How often what nobody holds is taken back.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A move to be made.
#[derive(Debug, Clone)]
pub struct Move {
    /// Whose home.
    pub client: ClientId,
    /// Where to.
    pub to: Region,
    /// How long leases and generations that are out may take.
    pub deadline: Duration,
}

/// A move that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Moved {
    client_id: ClientId,
    from: Region,
    home: Region,
    /// The epoch that tells everybody.
    epoch: u64,
    /// Records beside the balance that were copied.
    records: u64,
    /// Entries that were copied.
    entries: u64,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, from, home, epoch, records, entries } = self;
        writeln!(
            f,
            "{client_id} moved from {from} to {home} by epoch {epoch}, with {entries} entries and \
             {records} records"
        )
    }
}

/// A move that was given up.
#[derive(Debug, Clone, Serialize)]
pub struct Abandoned {
    client_id: ClientId,
    home: Region,
}

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} stays at home in {}", self.client_id, self.home)
    }
}

/// Moves a client's home, or goes on with a move that was begun.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn relocate(stack: &Stack, wanted: Move) -> Result<Moved> {
    let Move { client, to, deadline } = wanted;
    let Some(it) = prepare(stack, client, &to).await? else {
        Relocation::tidy_all(&stack.core, client).await.map_err(|error| told(stack, error))?;
        bail!("{client} is at home in {to} already");
    };
    it.fence().await.map_err(|error| told(stack, error))?;
    let gone = drained(stack, &it, deadline).await?;
    let (records, entries) = it.carry(&gone).await.map_err(|error| told(stack, error))?;
    it.arrive(&gone).await.map_err(|error| told(stack, error))?;
    let epoch = it.announce().await.map_err(|error| told(stack, error))?;
    it.tidy().await.map_err(|error| told(stack, error))?;
    Ok(Moved { client_id: client, from: it.from().clone(), home: to, epoch, records, entries })
}

/// Gives a move up that was begun.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn abandon(stack: &Stack, client: ClientId, to: &Region) -> Result<Abandoned> {
    let Some(it) = prepare(stack, client, to).await? else {
        bail!("{client} is at home in {to} already: there is no move to give up");
    };
    it.abandon().await.map_err(|error| told(stack, error))?;
    Ok(Abandoned { client_id: client, home: it.from().clone() })
}

async fn prepare(stack: &Stack, client: ClientId, to: &Region) -> Result<Option<Relocation>> {
    Relocation::prepare(&stack.core, client, to).await.map_err(|error| told(stack, error))
}

/// Waits until the balance is gone. If that takes too long the move is given up, so that nobody is
/// refused for longer than the operator allows.
async fn drained(stack: &Stack, it: &Relocation, deadline: Duration) -> Result<Balance> {
    let (bar, end) = (progress::bar(BAR, 0), Instant::now() + deadline);
    let mut most = 0;
    loop {
        let out = match it.drain().await.map_err(|error| told(stack, error))? {
            Drained::Gone(gone) => {
                bar.finish_and_clear();
                return Ok(gone);
            }
            Drained::Waits(out) => out,
        };
        most = most.max(out);
        bar.set_length(most);
        bar.set_position(most - out);
        bar.set_message(format!("{out} are out"));
        if Instant::now() >= end {
            it.abandon().await.map_err(|error| told(stack, error))?;
            bar.finish_and_clear();
            bail!(
                "{out} credits are leased or held still, so that the move was given up and the \
                 client's home is {} as before; try again with a longer `--deadline`",
                it.from()
            );
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn told(stack: &Stack, error: RelocationError) -> anyhow::Error {
    match error {
        RelocationError::UnknownClient(client) => stack.unknown(client),
        RelocationError::Store(error) => stack.explain(error),
        error => anyhow!(error),
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressStyle;

    use super::*;

    #[test]
    fn a_move_reads_well() {
        let moved = Moved {
            client_id: "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap(),
            from: Region::new("us-east-1"),
            home: Region::new("eu-west-1"),
            epoch: 3,
            records: 2,
            entries: 41,
        };
        assert_eq!(
            moved.to_string(),
            "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y moved from us-east-1 to eu-west-1 by epoch 3, with 41 \
             entries and 2 records\n"
        );
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
