//! How a branch plans: what it keeps of a client's credits, what it asks the client's home for, and
//! what goes back.
//!
//! In a branch's stock every grant is an escrow: a lease that the branch has from the client's
//! home, under the same id. Leases out of it go to the holders of the Region. What was spent of an
//! escrow is what came with it, less what is left and what is lent.

use ids::{EntryId, GrantId, Id as _, LeaseId};
use serde::{Deserialize, Serialize};

use crate::balance::{Balance, Grant, GrantSource, LeaseState, Plan};
use crate::change::{Account, Change, DueChange, EntryKind, GrantChange, Leg};
use crate::policy::{
    ASKING_AGAIN_MS, ASKING_MS, CLOCK_SKEW_MS, DRY_FOR_MS, ESCROW_MARGIN_MS, EscrowPolicy,
    REQUEST_LATE_MS,
};
use crate::store::{LeaseRequest, Leased, LedgerError, Settlement, Stamp};

/// How often somebody looks at a client's escrows while nothing else is due, in milliseconds.
const LOOK_MS: i64 = 10_000;

/// An escrow that was asked for and that has not come yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// Its id.
    pub lease: LeaseId,
    /// The id of the entry that it makes at home.
    pub entry: EntryId,
    /// When it was asked for first, in milliseconds since the Unix epoch: its time runs from then.
    pub at_ms: i64,
    /// From when on another may ask for it in place of who asked last, in milliseconds since the
    /// Unix epoch.
    pub again_ms: i64,
}

/// What a branch notes of one client's supply. It is one for the whole Region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supply {
    /// The escrow that is being asked for.
    pub asking: Option<Asking>,
    /// The size of the newest escrow, in credits.
    pub size: u64,
    /// When it came, in milliseconds since the Unix epoch.
    pub filled_at_ms: i64,
    /// What was available at home beyond it, in credits.
    pub beyond: u64,
    /// When the next credits at home end, in milliseconds since the Unix epoch.
    pub next_expiry_ms: Option<i64>,
    /// Until when it is known that home has nothing, in milliseconds since the Unix epoch.
    pub dry_until_ms: i64,
}

impl Supply {
    /// Whether nothing was ever asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a branch should do for a caller for whom its stock has too little.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Look again: the stock has enough by now.
    Enough,
    /// Wait: somebody else in the Region asks already.
    Wait,
    /// Refuse: there is nothing at home. This much is there, though less than is needed.
    Dry(u64),
    /// Commit the change, then ask home.
    Home(Box<Question>),
}

/// A question to a client's home.
#[derive(Debug)]
pub(crate) struct Question {
    /// Notes in the stock that the question is asked.
    pub(crate) change: Change,
    /// The escrow that is asked for.
    pub(crate) asking: Asking,
    /// How many credits are wanted.
    pub(crate) want: u64,
    /// What home is told of earlier escrows.
    pub(crate) reports: Vec<Settlement>,
}

impl Balance {
    /// Plans a lease out of one escrow, so that whatever is known of the lease's use is known of
    /// the escrow's. Also says whether more should be asked for before the stock runs out.
    pub(crate) fn plan_sublease(
        &self,
        request: &LeaseRequest,
        stamp: Stamp,
        policy: &EscrowPolicy,
    ) -> Result<Plan<(Leased, bool)>, LedgerError> {
        let need = request.need;
        let plan = self.plan_lease_out_of(request, stamp, |escrows| {
            escrows.into_iter().find(|(_, left)| *left >= need).into_iter().collect()
        })?;
        let answer = |leased: Leased| {
            let low = leased.credits > 0
                && self.supply.beyond > 0
                && self.is_low(leased.available, stamp.at_ms, policy);
            let expiries = [leased.next_expiry_ms, self.supply.next_expiry_ms];
            let leased = Leased {
                available: leased.available.saturating_add(self.supply.beyond),
                next_expiry_ms: expiries.into_iter().flatten().min(),
                ..leased
            };
            (leased, low)
        };
        Ok(match plan {
            Plan::Commit(change, leased) => Plan::Commit(change, answer(leased)),
            Plan::Done(leased) => Plan::Done(answer(leased)),
        })
    }

    /// Plans what to do when the stock has less than `need`, or, where `ahead`, will have soon.
    /// `fresh` are the ids of a new escrow and its entry.
    pub(crate) fn plan_ask(
        &self,
        need: u64,
        ahead: bool,
        fresh: (LeaseId, EntryId),
        stamp: Stamp,
        policy: &EscrowPolicy,
    ) -> Ask {
        let now_ms = stamp.at_ms;
        let lendable = self.lendable(now_ms);
        let enough = if ahead {
            !self.is_low(lendable.iter().sum(), now_ms, policy)
        } else {
            lendable.iter().any(|left| *left >= need)
        };
        if enough {
            return Ask::Enough;
        }
        if now_ms < self.supply.dry_until_ms {
            return Ask::Dry(self.supply.beyond);
        }
        let mut change = self.change(EntryKind::Lease, stamp);
        let mut abandoned = None;
        let mut asking = match self.supply.asking {
            Some(asking) if now_ms < asking.again_ms => return Ask::Wait,
            // Who asked is gone, or had no answer. The escrow may have been given, so that the same
            // one is asked for again.
            Some(asking) if now_ms - asking.at_ms < millis(policy.ttl) / 2 => asking,
            // So late that little could be lent from it. Nothing was, since it never came.
            old => {
                abandoned = old.map(|old| Settlement {
                    lease: old.lease,
                    escrow: None,
                    used: 0,
                    close: true,
                });
                Asking { lease: fresh.0, entry: fresh.1, at_ms: now_ms, again_ms: 0 }
            }
        };
        asking.again_ms = now_ms + ASKING_MS;
        // What is left of escrows that do not help goes back: together it may be enough.
        let useless = |grant: &Grant| !ahead && grant.left < need;
        self.withdraw(&mut change, |grant| grant.expires_at_ms <= now_ms || useless(grant));
        let mut reports = self.reports(&change);
        reports.extend(abandoned);
        change.supply = Some(Supply { asking: Some(asking), ..self.supply.clone() });
        let want = self.want(lendable.iter().sum(), now_ms, policy).max(need);
        Ask::Home(Box::new(Question { change, asking, want, reports }))
    }

    /// Plans that an escrow which was asked for has come; `leased` has no credits if home has none.
    /// Nothing if somebody else saw to it.
    pub(crate) fn plan_filled(
        &self,
        asking: &Asking,
        leased: &Leased,
        reports: &[Settlement],
        stamp: Stamp,
        policy: &EscrowPolicy,
    ) -> Option<Change> {
        if self.supply.asking.is_none_or(|now| now.lease != asking.lease) {
            return None;
        }
        let mut change = self.change(EntryKind::Grant, stamp);
        self.remove_closed(&mut change, reports);
        let mut supply = Supply {
            asking: None,
            beyond: leased.available,
            next_expiry_ms: leased.next_expiry_ms,
            ..self.supply.clone()
        };
        if leased.credits > 0 {
            let id = GrantId::from_ulid(asking.lease.ulid());
            let margin_ms = millis(policy.lease_ttl) + ESCROW_MARGIN_MS;
            let grant = Grant {
                credits: leased.credits,
                left: leased.credits,
                expires_at_ms: leased.until_ms.saturating_sub(margin_ms),
                source: GrantSource::Escrow,
            };
            change.granted = grant.credits;
            change.accounts.available = grant.credits.cast_signed();
            change.entry.legs =
                vec![Leg { from: None, to: Account::Available, credits: grant.credits }];
            change.entry.grant = Some(id);
            change.due = DueChange::NoLaterThan(stamp.at_ms + LOOK_MS);
            change.grants.push((id, GrantChange::Add(grant)));
            supply.size = leased.credits;
            supply.filled_at_ms = stamp.at_ms;
        } else {
            supply.dry_until_ms = stamp.at_ms + DRY_FOR_MS;
        }
        change.supply = Some(supply);
        Some(change)
    }

    /// Plans that home gave no answer: another may ask soon. Nothing if somebody else saw to it.
    pub(crate) fn plan_unanswered(&self, asking: &Asking, stamp: Stamp) -> Option<Change> {
        let again_ms = stamp.at_ms + ASKING_AGAIN_MS;
        // Where it was asked again meanwhile, or is to be asked as soon, nothing is new.
        if self.supply.asking != Some(*asking) || asking.again_ms <= again_ms {
            return None;
        }
        let mut change = self.change(EntryKind::Lease, stamp);
        let asking = Some(Asking { again_ms, ..*asking });
        change.supply = Some(Supply { asking, ..self.supply.clone() });
        Some(change)
    }

    /// Plans what of the escrows goes back now: what is ended, or idle, or all of it if `all`.
    /// Also says what home is to be told; nothing while no escrow can be closed or should have been.
    pub(crate) fn plan_return(
        &self,
        all: bool,
        stamp: Stamp,
        policy: &EscrowPolicy,
    ) -> (Option<Change>, Vec<Settlement>) {
        let now_ms = stamp.at_ms;
        let idle =
            all || self.idle_since_ms().is_some_and(|since| now_ms - since >= millis(policy.idle));
        let mut change = self.change(EntryKind::Settle, stamp);
        self.withdraw(&mut change, |grant| idle || grant.expires_at_ms <= now_ms);
        // By then every holder that lives has reported. One that does not keeps an escrow from being
        // closed, and home should know of the others' use before it takes the escrow back.
        let reported_ms = |grant: &Grant| {
            grant.expires_at_ms.saturating_add(millis(policy.lease_ttl) + 2 * CLOCK_SKEW_MS)
        };
        let kept_open = self.escrows().any(|(_, grant)| reported_ms(grant) <= now_ms);
        let mut reports = self.reports(&change);
        if !kept_open && !reports.iter().any(|report| report.close) {
            reports.clear();
        }
        ((!change.grants.is_empty()).then_some(change), reports)
    }

    /// Plans to forget the escrows that home knows to be closed.
    pub(crate) fn plan_closed(&self, reports: &[Settlement], stamp: Stamp) -> Option<Change> {
        let mut change = self.change(EntryKind::Settle, stamp);
        self.remove_closed(&mut change, reports);
        (!change.grants.is_empty()).then_some(change)
    }

    /// When somebody should look at the escrows, in milliseconds since the Unix epoch.
    pub(crate) fn escrows_due_ms(&self, now_ms: i64) -> Option<i64> {
        self.escrows()
            .map(|(_, grant)| grant.expires_at_ms.clamp(now_ms + 1_000, now_ms + LOOK_MS))
            .min()
    }

    fn escrows(&self) -> impl Iterator<Item = (GrantId, &Grant)> {
        let escrow = |grant: &Grant| grant.source == GrantSource::Escrow;
        self.grants.iter().filter(move |(_, grant)| escrow(grant)).map(|(id, grant)| (*id, grant))
    }

    /// What is left of each escrow that may be lent from, in credits.
    fn lendable(&self, now_ms: i64) -> Vec<u64> {
        let lendable = |grant: &Grant| grant.expires_at_ms > now_ms && grant.left > 0;
        self.escrows().filter(|(_, grant)| lendable(grant)).map(|(_, grant)| grant.left).collect()
    }

    /// Whether so little is left, or for so short a time, that more should be asked for.
    fn is_low(&self, left: u64, now_ms: i64, policy: &EscrowPolicy) -> bool {
        let newest_ms = self.escrows().map(|(_, grant)| grant.expires_at_ms).max();
        left <= self.supply.size / 4
            || newest_ms.is_none_or(|end_ms| end_ms - now_ms < millis(policy.ttl) / 8)
    }

    /// How large the next escrow should be: what the Region spends within the policy's horizon at
    /// the rate at which it used up the newest one.
    fn want(&self, left: u64, now_ms: i64, policy: &EscrowPolicy) -> u64 {
        let size = self.supply.size;
        let elapsed_ms = u128::from(now_ms.abs_diff(self.supply.filled_at_ms).max(1));
        let horizon_ms = policy.horizon.as_millis();
        let pace = u128::from(size.saturating_sub(left)) * horizon_ms / elapsed_ms;
        let pace = u64::try_from(pace).unwrap_or(u64::MAX);
        let ceiling = size.saturating_mul(16).max(policy.initial);
        pace.clamp(policy.initial, ceiling).min(policy.max)
    }

    /// Since when nothing is lent, in milliseconds since the Unix epoch; none while something is.
    fn idle_since_ms(&self) -> Option<i64> {
        let lent = |state: LeaseState| state != LeaseState::Settled;
        if self.leases.values().any(|lease| lent(lease.state)) {
            return None;
        }
        let settled = self.leases.values().map(|lease| lease.until_ms - REQUEST_LATE_MS);
        settled.chain([self.supply.filled_at_ms]).max()
    }

    fn change(&self, kind: EntryKind, stamp: Stamp) -> Change {
        let mut change = Change::new(kind, stamp.entry, stamp.at_ms);
        change.exact_seq = Some(self.seq);
        change
    }

    /// Adds to `change` that nothing is lent any more from the escrows that `which` names.
    fn withdraw(&self, change: &mut Change, which: impl Fn(&Grant) -> bool) {
        for (id, grant) in self.escrows() {
            if grant.left > 0 && which(grant) {
                // It never was the branch's: what came with the escrow is so much less.
                change.transfer(Account::Available, Account::Expired, grant.left);
                let rest = Grant { credits: grant.credits - grant.left, left: 0, ..grant.clone() };
                change.grants.push((id, GrantChange::Set(rest)));
            }
        }
    }

    /// What home is told of every escrow once `change` is made. One of which nothing is left and
    /// nothing is lent is closed.
    fn reports(&self, change: &Change) -> Vec<Settlement> {
        self.escrows()
            .map(|(id, grant)| {
                let set = change.grants.iter().find_map(|(other, change)| match change {
                    GrantChange::Set(grant) if *other == id => Some(grant),
                    _ => None,
                });
                let grant = set.unwrap_or(grant);
                let lent: u64 = self.leases.values().filter_map(|lease| lease.taken.get(&id)).sum();
                let used = grant.credits.saturating_sub(grant.left).saturating_sub(lent);
                let close = grant.left == 0 && lent == 0;
                Settlement { lease: LeaseId::from_ulid(id.ulid()), escrow: None, used, close }
            })
            .collect()
    }

    /// Adds to `change` that closed escrows are forgotten. Nothing comes back to one of which
    /// nothing is lent, so that what closed it still holds.
    fn remove_closed(&self, change: &mut Change, reports: &[Settlement]) {
        for report in reports.iter().filter(|report| report.close) {
            let id = GrantId::from_ulid(report.lease.ulid());
            if self.grants.contains_key(&id) {
                change.grants.push((id, GrantChange::Remove));
            }
        }
    }
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
