//! Proves that every balance is what its client's entries come to.
//!
//! Entries were held to the ones before them when they were appended (`journal-append`). So it is
//! enough that the newest one agrees with the balance; that the newest few still follow each other
//! is looked at too. `memes ledger verify` reads all of them.

use futures_util::StreamExt;
use futures_util::stream;
use ids::ClientId;
use maas_aws::audit::{Auditor, Extent, Proof};
use maas_aws::{Core, KeptBalance, StoreError};

/// How many clients are looked at in one go.
const AT_ONCE: usize = 16;

/// Into how many parts the table of balances is cut, to be read one after the other.
const SEGMENTS: u16 = 4;

/// How many of a client's newest entries are read.
const NEWEST: usize = 100;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    core: Core,
    auditor: Auditor,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        let auditor = Auditor::new(core.ledger.clone(), core.aws.journal());
        Self { auditor, core: core.clone() }
    }
}

/// How many balances there are, by what the proof came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// They are what their entries come to.
    pub proven: u64,
    /// Their newest entry is on its way to the journal.
    pub pending: u64,
    /// Their entries could not be read now.
    pub unread: u64,
    /// They are not what their entries come to, or the entries do not follow each other.
    pub broken: Vec<ClientId>,
}

/// Looks at every balance once.
///
/// # Errors
/// [`StoreError`] if the balances cannot be read to the end.
pub async fn handle(context: &Context) -> Result<Summary, StoreError> {
    let mut summary = Summary::default();
    for segment in 0..SEGMENTS {
        let mut from = None;
        loop {
            let page = context.core.ledger.scan(segment, SEGMENTS, from).await?;
            let mut proofs = stream::iter(page.balances)
                .map(|kept| prove(context, kept))
                .buffer_unordered(AT_ONCE);
            while let Some((client, proof)) = proofs.next().await {
                note(&mut summary, client, proof);
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    let Summary { proven, pending, unread, broken } = &summary;
    tracing::info!(proven, pending, unread, broken = broken.len(), "balances were proven");
    Ok(summary)
}

async fn prove(context: &Context, kept: KeptBalance) -> (ClientId, Result<Proof, StoreError>) {
    let (client, now_ms) = (kept.balance.client, context.core.clock.now_ms());
    let proof = context.auditor.audit(kept, Extent::Newest(NEWEST), now_ms, &|_| {}).await;
    (client, proof)
}

fn note(summary: &mut Summary, client: ClientId, proof: Result<Proof, StoreError>) {
    // These lines are what an alarm counts.
    let broken = |error: &dyn std::fmt::Display| {
        tracing::error!(
            event = "ledger_violation",
            client.id = %client,
            %error,
            "a balance is not what its entries come to"
        );
    };
    match proof {
        Ok(Proof::Proven { .. }) => summary.proven += 1,
        Ok(Proof::Pending) => summary.pending += 1,
        Ok(Proof::Broken(error)) => {
            broken(&error);
            summary.broken.push(client);
        }
        Err(error @ StoreError::Unreadable(_)) => {
            broken(&error);
            summary.broken.push(client);
        }
        Err(error) => {
            tracing::warn!(client.id = %client, %error, "entries could not be read");
            summary.unread += 1;
        }
    }
}
