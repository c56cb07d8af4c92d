//! The journal: every entry of a client, in order, with what the balance was after it.
//!
//! A balance is changed in one item, which carries the newest entry alone. Each such item is copied
//! to the journal as a [`Posting`]. A [`Journal`] takes postings one by one and refuses what does
//! not add up: so the sum of a client's entries is its balance, or it is known where it is not.

use ids::{ClientId, EntryId};
use serde::{Deserialize, Serialize};

use crate::balance::Balance;
use crate::change::{Account, Accounts, Entry};

/// An entry in its place in a client's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Whose it is.
    #[serde(rename = "client_id")]
    pub client: ClientId,
    /// Its place: 1 for the client's first entry, and one more for each that follows.
    pub seq: u64,
    /// The entry.
    pub entry: Entry,
    /// All credits that had come in, this entry's included.
    pub granted: u64,
    /// Where they were after it.
    #[serde(flatten)]
    pub accounts: Accounts,
}

/// What a client's entries come to, up to one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many entries there are; the last one's place.
    pub seq: u64,
    /// All credits that came in.
    pub granted: u64,
    /// Where they are.
    pub accounts: Accounts,
}

impl From<&Posting> for Totals {
    fn from(it: &Posting) -> Self {
        Self { seq: it.seq, granted: it.granted, accounts: it.accounts }
    }
}

impl From<&Balance> for Totals {
    fn from(it: &Balance) -> Self {
        Self { seq: it.seq, granted: it.granted, accounts: it.accounts }
    }
}

/// What does not add up in a journal, or between a journal and its balance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The posting is another client's.
    #[error("entry {seq} is of {found}, in the journal of {client}")]
    Client {
        /// Its place.
        seq: u64,
        /// Whose journal it is.
        client: ClientId,
        /// Whose posting it is.
        found: ClientId,
    },
    /// Entries are not there that others come after, or that the balance has seen.
    #[error("the journal has no entry {seq}, and goes on to entry {next}")]
    Missing {
        /// The first that is missing.
        seq: u64,
        /// The place of the next one that there is; the balance's newest entry if there is none.
        next: u64,
    },
    /// A posting does not come after the one before it.
    #[error("entry {seq} comes again after entry {after}")]
    Repeated {
        /// Its place.
        seq: u64,
        /// The place of the one before it.
        after: u64,
    },
    /// An entry moves nothing from one account to another, or from an account to itself.
    #[error("entry {seq} ({id}) has a movement that moves nothing")]
    Movement {
        /// Its place.
        seq: u64,
        /// The entry.
        id: EntryId,
    },
    /// What the entries come to is not what was kept with the last of them.
    #[error(
        "after entry {seq} `{name}` comes to {entries} credits by the entries, and to {kept} as kept"
    )]
    Sum {
        /// The entry's place.
        seq: u64,
        /// The account, or `granted`.
        name: &'static str,
        /// What the entries come to; below 0 where more is taken than there was.
        entries: i128,
        /// What is kept.
        kept: u64,
    },
    /// The journal has entries that the balance does not know of.
    #[error("the journal goes on to entry {journal}, and the balance ends with entry {balance}")]
    Ahead {
        /// The last entry of the journal.
        journal: u64,
        /// The last entry that the balance has seen.
        balance: u64,
    },
    /// Under one place two different entries were offered.
    #[error("entry {seq} is there already, with another content")]
    Altered {
        /// The place.
        seq: u64,
    },
}

/// A client's journal, as far as it was read and found to add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    client: ClientId,
    totals: Option<Totals>,
    entries: u64,
}

impl Journal {
    /// A journal that is read from its first entry, which changes a balance of nothing.
    #[must_use]
    pub fn whole(client: ClientId) -> Self {
        Self { client, totals: Some(Totals::default()), entries: 0 }
    }

    /// A journal that is read from some entry on: what was kept with that one is taken as it is,
    /// if only it adds up in itself. Old entries are deleted after their time.
    #[must_use]
    pub fn partial(client: ClientId) -> Self {
        Self { client, totals: None, entries: 0 }
    }

    /// A journal that goes on after a posting that was found to add up before.
    #[must_use]
    pub fn after(posting: &Posting) -> Self {
        Self { client: posting.client, totals: Some(posting.into()), entries: 0 }
    }

    /// What the entries come to; none before the first of a partial journal.
    #[must_use]
    pub const fn totals(&self) -> Option<Totals> {
        self.totals
    }

    /// How many entries were read.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Reads the next posting.
    ///
    /// # Errors
    /// [`JournalError`] says what does not add up; the journal is then as it was before.
    pub fn read(&mut self, posting: &Posting) -> Result<(), JournalError> {
        let Posting { seq, .. } = *posting;
        if posting.client != self.client {
            let (client, found) = (self.client, posting.client);
            return Err(JournalError::Client { seq, client, found });
        }
        let kept = Totals::from(posting);
        match &self.totals {
            Some(before) if seq <= before.seq => {
                return Err(JournalError::Repeated { seq, after: before.seq });
            }
            Some(before) if seq - before.seq > 1 => {
                return Err(JournalError::Missing { seq: before.seq + 1, next: seq });
            }
            Some(before) => before.agree_after(&posting.entry, &kept)?,
            None => {}
        }
        kept.add_up()?;
        self.totals = Some(kept);
        self.entries += 1;
        Ok(())
    }

    /// Holds a journal that was read to its end to the balance that it must come to.
    ///
    /// # Errors
    /// [`JournalError`] says how they differ.
    pub fn prove(&self, balance: &Balance) -> Result<(), JournalError> {
        let balance = Totals::from(balance);
        let Some(totals) = &self.totals else {
            return match balance.seq {
                0 => Totals::default().agree(&balance),
                seq => Err(JournalError::Missing { seq, next: seq }),
            };
        };
        if totals.seq > balance.seq {
            return Err(JournalError::Ahead { journal: totals.seq, balance: balance.seq });
        }
        if totals.seq < balance.seq {
            return Err(JournalError::Missing { seq: totals.seq + 1, next: balance.seq });
        }
        totals.agree(&balance)
    }
}

/// Reads consecutive postings of a client from its first, and says what they come to.
///
/// # Errors
/// [`JournalError`] names the first that does not add up.
pub fn verify<'a>(
    client: ClientId,
    postings: impl IntoIterator<Item = &'a Posting>,
) -> Result<Totals, JournalError> {
    let mut journal = Journal::whole(client);
    for posting in postings {
        journal.read(posting)?;
    }
    Ok(journal.totals.unwrap_or_default())
}

impl Totals {
    /// Every sum by its name.
    fn sums(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let accounts = Account::ALL.map(|account| (account.name(), self.accounts[account]));
        std::iter::once(("granted", self.granted)).chain(accounts)
    }

    /// What was kept after `entry` must be what it makes of these totals. Its movements are made in
    /// one breath: what one takes another may have brought.
    fn agree_after(&self, entry: &Entry, kept: &Self) -> Result<(), JournalError> {
        let mut granted = i128::from(self.granted);
        let mut accounts: [i128; Account::ALL.len()] =
            Account::ALL.map(|account| i128::from(self.accounts[account]));
        for leg in &entry.legs {
            if leg.credits == 0 || leg.from == Some(leg.to) {
                return Err(JournalError::Movement { seq: kept.seq, id: entry.id });
            }
            let credits = i128::from(leg.credits);
            match leg.from {
                Some(from) => accounts[from as usize] -= credits,
                None => granted += credits,
            }
            accounts[leg.to as usize] += credits;
        }
        for ((name, kept_sum), entries) in kept.sums().zip(std::iter::once(granted).chain(accounts))
        {
            if entries != i128::from(kept_sum) {
                return Err(JournalError::Sum { seq: kept.seq, name, entries, kept: kept_sum });
            }
        }
        Ok(())
    }

    /// The same sums must be kept elsewhere.
    fn agree(&self, kept: &Self) -> Result<(), JournalError> {
        for ((name, entries), (_, kept_sum)) in self.sums().zip(kept.sums()) {
            if entries != kept_sum {
                let entries = i128::from(entries);
                return Err(JournalError::Sum { seq: kept.seq, name, entries, kept: kept_sum });
            }
        }
        Ok(())
    }

    /// What came in must be somewhere.
    fn add_up(&self) -> Result<(), JournalError> {
        let entries: i128 =
            Account::ALL.iter().map(|account| i128::from(self.accounts[*account])).sum();
        if entries == i128::from(self.granted) {
            return Ok(());
        }
        Err(JournalError::Sum { seq: self.seq, name: "granted", entries, kept: self.granted })
    }
}

#[cfg(test)]
mod tests {
    use ids::{GrantId, Mint};

    use super::*;
    use crate::balance::{GrantSource, Plan};
    use crate::change::{Change, EntryKind, Leg};
    use crate::policy::RECONCILE_WINDOW_MS;
    use crate::store::{GrantRequest, HoldRequest, LeaseRequest, Settlement, Stamp};

    const NOW_MS: i64 = 1_767_225_600_000;

    /// A balance whose changes are noted as they are made.
    struct Book {
        mint: Mint,
        balance: Balance,
        postings: Vec<Posting>,
    }

    impl Book {
        fn commit(&mut self, change: &Change) {
            self.balance.commit(change).unwrap();
            self.postings.push(Posting {
                client: self.balance.client,
                seq: self.balance.seq,
                entry: change.entry.clone(),
                granted: self.balance.granted,
                accounts: self.balance.accounts,
            });
        }

        fn stamp(&self, at_ms: i64) -> Stamp {
            Stamp { entry: self.mint.mint(at_ms), at_ms }
        }
    }

    fn planned<T>(plan: Plan<T>) -> Change {
        match plan {
            Plan::Commit(change, _) => change,
            Plan::Done(_) => panic!("nothing is planned"),
        }
    }

    /// Every kind of entry, one after the other, and an appointment of the reaper that moves nothing.
    fn book() -> Book {
        let mint = Mint::seeded([6; 32]);
        let balance = Balance::empty(mint.mint(NOW_MS));
        let mut book = Book { mint, balance, postings: Vec::new() };
        let grant: GrantId = book.mint.mint(NOW_MS);
        let lease = book.mint.mint(NOW_MS);
        let job = book.mint.mint(NOW_MS);
        let request = GrantRequest {
            id: grant,
            credits: 100,
            expires_at_ms: NOW_MS + 3_600_000,
            source: GrantSource::TopUp,
        };
        let change = planned(book.balance.plan_grant(&request, book.stamp(NOW_MS)).unwrap());
        book.commit(&change);
        let wish = |id, settle| LeaseRequest {
            id,
            renews: false,
            need: 1,
            want: 10,
            share: 1,
            ttl_ms: 30_000,
            window_ms: RECONCILE_WINDOW_MS,
            settle,
        };
        let plan = book.balance.plan_lease(&wish(lease, vec![]), book.stamp(NOW_MS));
        book.commit(&planned(plan.unwrap()));
        let settle = vec![Settlement { lease, escrow: None, used: 4, close: true }];
        let next = book.mint.mint(NOW_MS);
        let plan = book.balance.plan_lease(&wish(next, settle), book.stamp(NOW_MS));
        book.commit(&planned(plan.unwrap()));
        let (change, hold) = book
            .balance
            .plan_hold(&HoldRequest { id: job, credits: 6 }, book.stamp(NOW_MS))
            .unwrap();
        book.commit(&change);
        let plan = book.balance.plan_resolve(job, &hold, 4, book.stamp(NOW_MS));
        book.commit(&planned(plan.unwrap()));
        let settle = [Settlement { lease: next, escrow: None, used: 3, close: false }];
        let plan = book.balance.plan_settle(&settle, book.stamp(NOW_MS));
        book.commit(&planned(plan.unwrap()));
        for at_ms in [NOW_MS + 40_000, NOW_MS + 3_700_000] {
            book.commit(&planned(book.balance.plan_reap(&[], book.stamp(at_ms))));
        }
        let mut appointment = Change::new(EntryKind::Reap, book.mint.mint(NOW_MS), NOW_MS);
        appointment.exact_seq = Some(book.balance.seq);
        book.commit(&appointment);
        book
    }

    fn fault(book: &Book) -> JournalError {
        verify(book.balance.client, &book.postings).unwrap_err()
    }

    #[test]
    fn what_the_ledger_does_adds_up_to_the_balance() {
        let book = book();
        assert_eq!(verify(book.balance.client, &book.postings), Ok(Totals::from(&book.balance)));
        let mut journal = Journal::whole(book.balance.client);
        for posting in &book.postings {
            journal.read(posting).unwrap();
        }
        assert_eq!(journal.entries(), book.balance.seq);
        assert_eq!(journal.prove(&book.balance), Ok(()));
        assert_eq!((book.balance.accounts.spent, book.balance.accounts.expired), (11, 89));
    }

    #[test]
    fn a_journal_may_be_read_from_any_entry_on() {
        let book = book();
        for from in 0..book.postings.len() {
            let mut journal = Journal::partial(book.balance.client);
            for posting in &book.postings[from..] {
                journal.read(posting).unwrap();
            }
            assert_eq!(journal.prove(&book.balance), Ok(()));
            let mut journal = Journal::after(&book.postings[from]);
            for posting in &book.postings[from + 1..] {
                journal.read(posting).unwrap();
            }
            assert_eq!(journal.prove(&book.balance), Ok(()));
        }
    }

    #[test]
    fn what_is_missing_repeated_or_of_another_is_named() {
        let whole = book();
        let mut book = book();
        book.postings.remove(3);
        assert_eq!(fault(&book), JournalError::Missing { seq: 4, next: 5 });
        book.postings = whole.postings.clone();
        book.postings.insert(3, whole.postings[2].clone());
        assert_eq!(fault(&book), JournalError::Repeated { seq: 3, after: 3 });
        book.postings = whole.postings.clone();
        book.postings.swap(4, 5);
        assert_eq!(fault(&book), JournalError::Missing { seq: 5, next: 6 });
        book.postings = whole.postings.clone();
        let stranger = book.mint.mint(NOW_MS);
        book.postings[4].client = stranger;
        assert_eq!(
            fault(&book),
            JournalError::Client { seq: 5, client: book.balance.client, found: stranger }
        );
        // One that stands in the place of another.
        book.postings = whole.postings.clone();
        book.postings[2] = Posting { seq: 3, ..whole.postings[1].clone() };
        assert!(matches!(fault(&book), JournalError::Sum { seq: 3, .. }));
    }

    #[test]
    fn every_number_that_is_altered_is_noticed() {
        let whole = book();
        let client = whole.balance.client;
        for at in 0..whole.postings.len() {
            let mut altered = Vec::new();
            for account in Account::ALL {
                let mut posting = whole.postings[at].clone();
                posting.accounts[account] += 1;
                altered.push(posting);
            }
            let mut richer = whole.postings[at].clone();
            richer.granted += 1;
            richer.accounts.available += 1;
            altered.push(richer);
            for leg in 0..whole.postings[at].entry.legs.len() {
                let mut posting = whole.postings[at].clone();
                posting.entry.legs[leg].credits += 1;
                altered.push(posting);
                let mut posting = whole.postings[at].clone();
                posting.entry.legs.remove(leg);
                altered.push(posting);
            }
            for posting in altered {
                let mut postings = whole.postings.clone();
                postings[at] = posting;
                let found = verify(client, &postings);
                assert!(matches!(found, Err(JournalError::Sum { .. })), "{found:?}");
            }
        }
    }

    #[test]
    fn movements_that_move_nothing_are_none() {
        let mut book = book();
        let nothing = Leg { from: Some(Account::Held), to: Account::Spent, credits: 0 };
        let in_place = Leg { from: Some(Account::Spent), to: Account::Spent, credits: 1 };
        for leg in [nothing, in_place] {
            let entry = &mut book.postings[1].entry;
            entry.legs.push(leg);
            let id = entry.id;
            assert_eq!(fault(&book), JournalError::Movement { seq: 2, id });
            book.postings[1].entry.legs.pop();
        }
    }

    #[test]
    fn a_journal_and_its_balance_end_together() {
        let book = book();
        let prove = |entries: usize, balance: &Balance| {
            let mut journal = Journal::whole(book.balance.client);
            for posting in &book.postings[..entries] {
                journal.read(posting).unwrap();
            }
            journal.prove(balance)
        };
        let last = book.postings.len();
        let seq = book.balance.seq;
        assert_eq!(prove(last - 1, &book.balance), Err(JournalError::Missing { seq, next: seq }));
        let before = Balance { seq: seq - 1, ..book.balance.clone() };
        assert_eq!(
            prove(last, &before),
            Err(JournalError::Ahead { journal: seq, balance: seq - 1 })
        );
        let mut richer = book.balance.clone();
        richer.accounts.available += 5;
        assert_eq!(
            prove(last, &richer),
            Err(JournalError::Sum { seq, name: "available", entries: 0, kept: 5 })
        );
        assert_eq!(prove(0, &Balance::empty(book.balance.client)), Ok(()));
        let none = Journal::partial(book.balance.client);
        assert_eq!(none.prove(&book.balance), Err(JournalError::Missing { seq, next: seq }));
        assert_eq!(none.prove(&Balance::empty(book.balance.client)), Ok(()));
    }

    #[test]
    fn a_posting_is_read_from_what_a_balance_keeps() {
        let book = book();
        let mut item = serde_json::to_value(&book.balance).unwrap();
        let last = book.postings.last().unwrap();
        item["entry"] = serde_json::to_value(&last.entry).unwrap();
        assert_eq!(serde_json::from_value::<Posting>(item).unwrap(), *last);
    }
}
