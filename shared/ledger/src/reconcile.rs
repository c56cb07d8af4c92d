//! What becomes of a lease whose holder fell silent.

use std::future::Future;

use ids::{ClientId, LeaseId};

use crate::store::{Ledger, LedgerError, Reaped, Settlement, Stamp, StoreFault};

/// Knows what holders reported of leases, though it did not reach the ledger.
pub trait Evidence: Send + Sync {
    /// Credits that are known to have been spent from `lease`, which was lent out of `escrow` if a
    /// branch lent it, or from all that a branch has lent out of `lease`; none if nothing is known
    /// of it.
    fn spent_from(
        &self,
        client: ClientId,
        lease: LeaseId,
        escrow: Option<LeaseId>,
    ) -> impl Future<Output = Result<Option<u64>, StoreFault>> + Send;
}

/// Moves what is overdue in one client's balance, as [`Ledger::reap`] does, but first settles the
/// leases whose time in suspense is over, or that have none, with what `evidence` knows of them, so
/// that only what nobody has spent goes back to the client.
///
/// A lease of which more is reported than it holds is settled in full: that much was paid for.
///
/// # Errors
/// [`LedgerError::Store`] if the ledger or the evidence gives no answer. Credits do not go back
/// before it is known what was spent of them: ask again later.
pub async fn reap<L: Ledger>(
    ledger: &L,
    evidence: &impl Evidence,
    client: ClientId,
    stamp: Stamp,
) -> Result<Reaped, LedgerError> {
    let balance = ledger.balance(client).await?;
    let mut settlements = Vec::new();
    for (id, lease) in &balance.leases {
        if lease.is_over(stamp.at_ms) {
            let escrow = balance.escrow_of(lease);
            let known = evidence.spent_from(client, *id, escrow).await?.unwrap_or(0);
            if known > lease.amount {
                tracing::error!(%client, lease = %id, known, amount = lease.amount, "more was spent from a lease than it held");
            }
            let used = known.max(lease.used).min(lease.amount);
            settlements.push(Settlement { lease: *id, escrow: None, used, close: true });
        }
    }
    let unspent: u64 = settlements
        .iter()
        .filter_map(|settled| balance.leases.get(&settled.lease)?.amount.checked_sub(settled.used))
        .sum();
    if !settlements.is_empty() {
        ledger.settle(client, settlements, stamp).await?;
    }
    let mut reaped = ledger.reap(client, stamp).await?;
    reaped.returned += unspent;
    Ok(reaped)
}
