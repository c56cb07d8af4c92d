//! What becomes of a lease whose holder fell silent.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use ids::{ClientId, LeaseId};

use crate::balance::{Balance, Lease};
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

/// How many questions about a client's leases are open at a time.
const ASKED_AT_ONCE: usize = 16;

/// After how many questions in vain no more are asked: whoever knows is not there.
const IN_VAIN_MAX: usize = 16;

/// Moves what is overdue in one client's balance, as [`Ledger::reap`] does, but first settles the
/// leases whose time in suspense is over, or that have none, with what `evidence` knows of them, so
/// that only what nobody has spent goes back to the client.
///
/// A lease of which more is reported than it holds is settled in full: that much was paid for. One
/// of which `evidence` cannot say anything now stays as it is, and does not hold up the others: of a
/// client with hundreds of them there is nearly always one.
///
/// # Errors
/// [`LedgerError::Store`] if the ledger gives no answer, or the evidence for some leases. Credits do
/// not go back before it is known what was spent of them: ask again later.
pub async fn reap<L: Ledger>(
    ledger: &L,
    evidence: &impl Evidence,
    client: ClientId,
    stamp: Stamp,
) -> Result<Reaped, LedgerError> {
    let balance = ledger.balance(client).await?;
    let Known { settlements, unspent, unknown, fault } =
        known(evidence, &balance, stamp.at_ms).await;
    if !settlements.is_empty() {
        ledger.settle(client, settlements, stamp).await?;
    }
    let mut reaped = ledger.reap_except(client, &unknown, stamp).await?;
    reaped.returned += unspent;
    fault.map_or(Ok(reaped), |fault| Err(fault.into()))
}

/// What is known of the leases whose time is over.
#[derive(Default)]
struct Known {
    /// How they are settled.
    settlements: Vec<Settlement>,
    /// Credits that go back with that.
    unspent: u64,
    /// Leases of which nothing can be said now.
    unknown: Vec<LeaseId>,
    /// Why, of the last of them.
    fault: Option<StoreFault>,
}

async fn known(evidence: &impl Evidence, balance: &Balance, now_ms: i64) -> Known {
    let client = balance.client;
    let mut over: Vec<(LeaseId, Lease)> = Vec::new();
    for (id, lease) in &balance.leases {
        if lease.is_over(now_ms) {
            over.push((*id, lease.clone()));
        }
    }
    let in_vain = &AtomicUsize::new(0);
    let ask = |(id, lease): (LeaseId, Lease)| async move {
        if in_vain.load(Ordering::Relaxed) >= IN_VAIN_MAX {
            return (id, lease, None);
        }
        let answer = evidence.spent_from(client, id, balance.escrow_of(&lease)).await;
        if answer.is_err() {
            in_vain.fetch_add(1, Ordering::Relaxed);
        }
        (id, lease, Some(answer))
    };
    let mut answers = stream::iter(over).map(ask).buffered(ASKED_AT_ONCE);
    let mut all = Known::default();
    while let Some((id, lease, answer)) = answers.next().await {
        match answer {
            Some(Ok(known)) => {
                let known = known.unwrap_or(0);
                if known > lease.amount {
                    tracing::error!(%client, lease = %id, known, amount = lease.amount, "more was spent from a lease than it held");
                }
                let used = known.max(lease.used).min(lease.amount);
                all.unspent += lease.amount - used;
                all.settlements.push(Settlement { lease: id, escrow: None, used, close: true });
            }
            Some(Err(fault)) => {
                all.fault = Some(fault);
                all.unknown.push(id);
            }
            None => all.unknown.push(id),
        }
    }
    all
}
