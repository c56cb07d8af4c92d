//! `memes ledger`: proves that balances are what their entries come to.

use std::fmt;

use anyhow::Result;
use ids::ClientId;
use maas_aws::audit::{Auditor, Extent, Proof};
use maas_aws::{KeptBalance, StoreError};
use serde::Serialize;

use crate::progress;
use crate::stack::Stack;
use crate::text::table;

/// How far it is, in words.
const BAR: &str = "{bar:30} {pos} of {len} clients, {msg}, {eta} left";

/// What the books came to.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// Clients that were looked at.
    clients: u64,
    /// Entries that were read.
    entries: u64,
    /// Clients whose newest entry is on its way to the journal; what is there of it is sound.
    pending: Vec<ClientId>,
    /// What does not add up.
    violations: Vec<Violation>,
}

/// A client whose books do not balance.
#[derive(Debug, Clone, Serialize)]
struct Violation {
    client_id: ClientId,
    /// The first thing that does not add up.
    problem: String,
}

impl Verified {
    /// How many clients' books do not balance.
    #[must_use]
    pub fn violations(&self) -> usize {
        self.violations.len()
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |name: &str, count: u64| [name.to_owned(), count.to_string()];
        let sound =
            self.clients.saturating_sub((self.violations.len() + self.pending.len()) as u64);
        table(
            f,
            &[
                row("clients", self.clients),
                row("entries", self.entries),
                row("proven", sound),
                row("pending", self.pending.len() as u64),
                row("violations", self.violations.len() as u64),
            ],
        )?;
        for Violation { client_id, problem } in &self.violations {
            writeln!(f, "{client_id}: {problem}")?;
        }
        Ok(())
    }
}

/// Reads every entry of one client, or of all, and holds the balance to them.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn verify(stack: &Stack, only: Option<ClientId>) -> Result<Verified> {
    let core = &stack.core;
    let balances = match only {
        Some(client) => {
            let kept = core.ledger.kept(client).await.map_err(|error| stack.explain(error))?;
            vec![kept.ok_or_else(|| stack.unknown(client))?]
        }
        None => every_balance(stack).await?,
    };
    let auditor = Auditor::new(core.ledger.clone(), core.aws.journal());
    let bar = progress::bar(BAR, balances.len() as u64);
    let count = std::sync::atomic::AtomicU64::new(0);
    let read = |entries: u64| {
        let so_far = count.fetch_add(entries, std::sync::atomic::Ordering::Relaxed) + entries;
        bar.set_message(format!("{so_far} entries"));
    };
    let mut verified = Verified { clients: 0, entries: 0, pending: vec![], violations: vec![] };
    for kept in balances {
        let client_id = kept.balance.client;
        let proof = auditor.audit(kept, Extent::Whole, core.clock.now_ms(), &read).await;
        let violation = |problem: String| Violation { client_id, problem };
        match proof {
            Ok(Proof::Proven { .. }) => {}
            Ok(Proof::Pending) => verified.pending.push(client_id),
            Ok(Proof::Broken(error)) => verified.violations.push(violation(error.to_string())),
            Err(error @ StoreError::Unreadable(_)) => {
                verified.violations.push(violation(error.to_string()));
            }
            Err(error) => return Err(stack.explain(error)),
        }
        verified.clients += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    verified.entries = count.into_inner();
    Ok(verified)
}

async fn every_balance(stack: &Stack) -> Result<Vec<KeptBalance>> {
    let mut balances = Vec::new();
    let mut from = None;
    loop {
        let page = stack.core.ledger.scan(0, 1, from).await;
        let page = page.map_err(|error| stack.explain(error))?;
        balances.extend(page.balances);
        from = page.next;
        if from.is_none() {
            // In their order, so that two runs can be compared.
            balances.sort_unstable_by_key(|kept| kept.balance.client);
            return Ok(balances);
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressStyle;

    use super::*;

    #[test]
    fn what_was_found_reads_well() {
        let client_id: ClientId = "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap();
        let problem = "the journal has no entry 3, and goes on to entry 4".to_owned();
        let violations = vec![Violation { client_id, problem }];
        let verified = Verified { clients: 2, entries: 41, pending: vec![], violations };
        assert_eq!(
            verified.to_string(),
            "clients     2\nentries     41\nproven      1\npending     0\nviolations  1\n\
             cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y: the journal has no entry 3, and goes on to entry 4\n"
        );
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
