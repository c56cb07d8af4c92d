//! Takes credits back from silent holders, as far as they are not known to have been spent, and ends
//! grants whose time is over.
//!
//! Called every minute; goes through what is due several times within it, so that credits of a
//! crashed holder are back within two minutes.

use futures_util::{StreamExt as _, stream};
use ledger::{Ledger, LedgerError, Reaped, Stamp};
use maas_aws::Core;
use maas_aws::usage::UsageStore;

/// How many clients are looked at in one go. Who calls is due when a holder fell silent, and every
/// half minute where more than a few processes lease for themselves.
const AT_ONCE: usize = 10_000;

/// How many of them at the same time. Escrows of thousands of clients can end together, and to close
/// one takes as long as a client's home is away.
const TOGETHER: usize = 128;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    core: Core,
    usage: UsageStore,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { usage: core.aws.usage(), core: core.clone() }
    }
}

/// Goes through what is due once, and says what was moved in all.
///
/// # Errors
/// [`LedgerError`] if what is due cannot be read. A client whose balance cannot be changed now is
/// left for the next time.
pub async fn handle(context: &Context) -> Result<Reaped, LedgerError> {
    let core = &context.core;
    let mut total = Reaped::default();
    // First, as an escrow that is reported is not taken back on what usage alone tells.
    tend(context).await;
    // The time is taken before what is due is read: a lease can only seem younger than it is.
    let now_ms = core.clock.now_ms();
    let due = core.ledger.due(now_ms, AT_ONCE).await?;
    let mut reaped = stream::iter(due)
        .map(|client| async move {
            let stamp = Stamp { at_ms: now_ms, ..core.stamp() };
            (client, ledger::reap(&*core.ledger, &context.usage, client, stamp).await)
        })
        .buffer_unordered(TOGETHER);
    while let Some((client, reaped)) = reaped.next().await {
        match reaped {
            Ok(reaped) => {
                total.lapsed += reaped.lapsed;
                total.returned += reaped.returned;
                total.expired += reaped.expired;
            }
            Err(error) => tracing::warn!(client.id = %client, %error, "a balance was not reaped"),
        }
    }
    if total != Reaped::default() {
        tracing::info!(
            lapsed = total.lapsed,
            returned = total.returned,
            expired = total.expired,
            "reaped"
        );
    }
    Ok(total)
}

/// Looks after what the Region holds of clients' credits. What cannot be done now is still due the
/// next time.
async fn tend(context: &Context) {
    let core = &context.core;
    let due = core.lending.due(core.clock.now_ms(), AT_ONCE).await;
    stream::iter(due)
        .for_each_concurrent(TOGETHER, |(level, client)| async move {
            let tended = core.lending.tend(level, client, &context.usage, core.stamp()).await;
            if let Err(error) = tended {
                tracing::warn!(client.id = %client, %error, "escrows were not looked after");
            }
        })
        .await;
}
