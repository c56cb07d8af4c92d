//! Holds balances to their entries.

use std::sync::Arc;
use std::time::Duration;

use ids::ClientId;
use ledger::{Journal, JournalError, Posting, Totals};

use crate::dynamo::StoreError;
use crate::journal::JournalStore;
use crate::ledger::{DynamoLedger, KeptBalance};

/// How long an entry may be on its way to the journal before it is taken for missing, in
/// milliseconds.
const ON_ITS_WAY_MS: i64 = 5 * 60_000;

/// How often a journal is looked at again for an entry that is on its way, and how long after.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// How many postings are read in one go.
const AT_ONCE: usize = 1_000;

/// How much of a journal is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All that there is.
    Whole,
    /// So many of the newest entries. The ones before were held to theirs when they were appended.
    Newest(usize),
}

/// What a look at a client's entries and balance came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The entries that were read follow each other, and the balance is what they come to.
    Proven {
        /// How many were read.
        entries: u64,
    },
    /// The newest entry is on its way. Those before it follow each other.
    Pending,
    /// Something does not add up.
    Broken(JournalError),
}

/// Reads balances and journals.
#[derive(Debug, Clone)]
pub struct Auditor {
    ledger: Arc<DynamoLedger>,
    journal: JournalStore,
}

impl Auditor {
    /// An auditor of `ledger`.
    #[must_use]
    pub const fn new(ledger: Arc<DynamoLedger>, journal: JournalStore) -> Self {
        Self { ledger, journal }
    }

    /// Holds a balance to its client's entries, while both go on changing. Tells `read` of entries
    /// that were read, as they are.
    ///
    /// # Errors
    /// [`StoreError`] without an answer; [`StoreError::Unreadable`] if an entry is none.
    pub async fn audit(
        &self,
        mut kept: KeptBalance,
        extent: Extent,
        now_ms: i64,
        read: &(dyn Fn(u64) + Sync),
    ) -> Result<Proof, StoreError> {
        let client = kept.balance.client;
        // An entry is in the balance before it is in the journal. So the balance, looked at after
        // the journal, has at least as many.
        if let [newest] = &self.journal.newest(client, None, 1).await?[..]
            && newest.seq > kept.balance.seq
        {
            let ahead =
                |balance| Ok(Proof::Broken(JournalError::Ahead { journal: newest.seq, balance }));
            match self.ledger.kept(client).await? {
                None => return ahead(0),
                Some(now) if now.balance.seq < newest.seq => return ahead(now.balance.seq),
                Some(now) => kept = now,
            }
        }
        match self.read_to(&kept, extent, now_ms, read).await? {
            Ok(journal) => Ok(match journal.prove(&kept.balance) {
                Ok(()) => Proof::Proven { entries: journal.entries() },
                Err(JournalError::Missing { .. }) if on_its_way(&kept, now_ms) => Proof::Pending,
                Err(error) => Proof::Broken(error),
            }),
            Err(error) => Ok(Proof::Broken(error)),
        }
    }

    /// Reads a journal up to the newest entry of a balance, and waits for that one a little.
    async fn read_to(
        &self,
        kept: &KeptBalance,
        extent: Extent,
        now_ms: i64,
        read: &(dyn Fn(u64) + Sync),
    ) -> Result<Result<Journal, JournalError>, StoreError> {
        let (client, last) = (kept.balance.client, kept.balance.seq);
        let mut postings = match extent {
            Extent::Whole => self.journal.following(client, 0, AT_ONCE).await?,
            Extent::Newest(limit) => {
                let mut newest = self.journal.newest(client, last.checked_add(1), limit).await?;
                newest.reverse();
                newest
            }
        };
        let mut journal = begin(client, &postings);
        let mut looks = 1;
        loop {
            postings.retain(|posting| posting.seq <= last);
            for posting in &postings {
                if let Err(error) = journal.read(posting) {
                    return Ok(Err(error));
                }
            }
            read(postings.len() as u64);
            let Totals { seq, .. } = journal.totals().unwrap_or_default();
            if seq >= last {
                return Ok(Ok(journal));
            }
            if postings.is_empty() {
                if looks == LOOKS || !on_its_way(kept, now_ms) {
                    return Ok(Ok(journal));
                }
                looks += 1;
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            postings = self.journal.following(client, seq, AT_ONCE).await?;
        }
    }
}

/// A journal that these postings are the first of that there are.
fn begin(client: ClientId, postings: &[Posting]) -> Journal {
    match postings {
        // Older ones are gone, or were never there because the journal begins with this one.
        [first, ..] if first.seq > 1 => Journal::partial(client),
        _ => Journal::whole(client),
    }
}

fn on_its_way(kept: &KeptBalance, now_ms: i64) -> bool {
    let newest = kept.posting.as_ref();
    newest.is_some_and(|posting| now_ms.saturating_sub(posting.entry.at_ms) < ON_ITS_WAY_MS)
}
