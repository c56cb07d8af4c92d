//! How a branch plans: what it keeps of a client's credits, what it asks the client's home for, and
//! what goes back.
//!
//! In a branch's stock every grant is an escrow: a lease that the branch has from the client's
//! home, under the same id. Leases out of it go to the holders of the Region. What was spent of an
//! escrow is what came with it, less what is left and what is lent.
//!
//! One escrow at a time is the *current* one, which is renewed while the client calls: one request
//! tells home what was spent, brings more credits, and lets it live on. The others are wound up.

use ids::{EntryId, GrantId, Id as _, LeaseId};
use serde::{Deserialize, Serialize};

use crate::balance::{Balance, Grant, GrantSource, Lease, LeaseState, Plan};
use crate::change::{Account, Change, DueChange, EntryKind, GrantChange, Leg};
use crate::policy::{
    ASKING_AGAIN_MS, ASKING_MS, CLOCK_SKEW_MS, DRY_FOR_MS, EscrowPolicy, RENEWAL_LATE_MS,
    REQUEST_LATE_MS,
};
use crate::store::{LeaseRequest, Leased, LedgerError, Settlement, Stamp};

/// How often somebody looks at a client's escrows while nothing else is due, in milliseconds.
const LOOK_MS: i64 = 10_000;

/// How long before its end an escrow that is not renewed goes back, in milliseconds: early enough for
/// whoever looks at escrows to have come by.
const RETURNS_BEFORE_MS: i64 = LOOK_MS + CLOCK_SKEW_MS;

/// The last part in this many of an escrow's life is when it is renewed ahead of need.
const AHEAD: i64 = 16;

/// An escrow that was asked for and that has not come yet, or the renewal of one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// The escrow's id.
    pub lease: LeaseId,
    /// Whether it is there, and to be renewed.
    #[serde(default)]
    pub renews: bool,
    /// The id of the entry that it makes at home.
    pub entry: EntryId,
    /// When it was asked for first, in milliseconds since the Unix epoch: its time runs from then.
    pub at_ms: i64,
    /// From when on another may ask for it in place of who asked last, in milliseconds since the
    /// Unix epoch.
    pub again_ms: i64,
}

/// The escrow that is renewed while its client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its id.
    pub lease: LeaseId,
    /// What came with it from home in all, as far as home's answers are known; in credits.
    pub amount: u64,
    /// When it was asked for first, in milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// When it was asked for last, in milliseconds since the Unix epoch.
    pub asked_ms: i64,
}

/// What a branch notes of one client's supply. It is one for the whole Region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supply {
    /// The escrow that is being asked for.
    pub asking: Option<Asking>,
    /// The escrow that is renewed, if there is one.
    #[serde(default)]
    pub current: Option<Current>,
    /// What there was to lend when home answered last, in credits.
    pub size: u64,
    /// When that was, in milliseconds since the Unix epoch.
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
    /// How many credits are needed.
    pub(crate) need: u64,
    /// How many credits are wanted.
    pub(crate) want: u64,
    /// What home is told of earlier escrows.
    pub(crate) reports: Vec<Settlement>,
}

impl Question {
    /// Whether the stock is worth another look once home has answered. Where a renewal was refused
    /// although there is enough, another escrow is asked for then.
    pub(crate) fn is_worth_a_look(&self, leased: &Leased, policy: &EscrowPolicy) -> bool {
        let met = self.asking.is_met_by(leased, policy);
        match self.asking.renews {
            true => met || leased.available >= self.need,
            false => met && leased.credits >= self.need,
        }
    }
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
        // One that is renewed, as a branch that stands before this one asks, gets more of its own.
        let of_lease = |lease: &Lease| lease.taken.keys().next().copied();
        let own = self.leases.get(&request.id).and_then(of_lease);
        let serves = |(escrow, left): &(GrantId, u64)| match request.renews {
            true => Some(*escrow) == own,
            false => *left >= request.need,
        };
        let plan = self.plan_lease_out_of(request, stamp, |escrows| {
            escrows.into_iter().find(serves).into_iter().collect()
        })?;
        let answer = |leased: Leased| {
            let low = leased.credits > 0 && self.is_low(leased.available, stamp.at_ms, policy);
            let leased = Leased {
                available: leased.available.saturating_add(self.supply.beyond),
                // Credits do not end with the escrow that they are in.
                next_expiry_ms: self.supply.next_expiry_ms,
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
        let asking = match self.supply.asking {
            Some(asking) if now_ms < asking.again_ms => return Ask::Wait,
            // Who asked is gone, or had no answer. The escrow may have been given, so that the same
            // one is asked for again, unless it is so late that little could be lent from it.
            Some(asking) if now_ms - asking.at_ms < millis(policy.ttl) / 2 => asking,
            _ => self.new_asking(fresh, now_ms, policy),
        };
        let asking = Asking { again_ms: now_ms + ASKING_MS, ..asking };
        let current = self.supply.current.filter(|_| asking.renews);
        let is_renewed = |id: &GrantId| current.is_some_and(|it| it.is(*id));
        let mut change = self.change(EntryKind::Lease, stamp);
        // What is left of escrows that do not help goes back: together it may be enough.
        let useless = |grant: &Grant| !ahead && grant.left < need;
        self.withdraw(&mut change, |id, grant| {
            !is_renewed(id) && (grant.expires_at_ms <= now_ms || useless(grant))
        });
        let mut reports = self.reports(&change, is_renewed);
        reports.extend(self.abandoned(asking));
        let there: u64 = self.escrows().filter(|(id, _)| is_renewed(id)).map(|it| it.1.left).sum();
        let need = if ahead && asking.renews { 0 } else { need.saturating_sub(there) };
        let target = self.target(lendable.iter().sum(), now_ms, policy);
        let want = target.saturating_sub(there).max(need);
        change.supply = Some(Supply { asking: Some(asking), current, ..self.supply.clone() });
        Ask::Home(Box::new(Question { change, asking, need, want, reports }))
    }

    /// What to ask for where nothing is being asked for, or no more: the current escrow's renewal
    /// if that can be, a new escrow otherwise.
    fn new_asking(&self, fresh: (LeaseId, EntryId), now_ms: i64, policy: &EscrowPolicy) -> Asking {
        let renewable = |current: &Current| {
            let young = now_ms - current.since_ms < millis(policy.renewed_for);
            let in_time = |grant: &Grant| now_ms + RENEWAL_LATE_MS < ends_ms(grant, policy);
            let grant = self.grants.get(&GrantId::from_ulid(current.lease.ulid()));
            young && grant.is_some_and(in_time)
        };
        let asking =
            Asking { lease: fresh.0, renews: false, entry: fresh.1, at_ms: now_ms, again_ms: 0 };
        match self.supply.current.filter(renewable) {
            None => asking,
            // Later than the last question whatever the clock of who asked that: to home it would be
            // a copy otherwise.
            Some(Current { lease, asked_ms, .. }) => {
                Asking { lease, renews: true, at_ms: now_ms.max(asked_ms + 1), ..asking }
            }
        }
    }

    /// What home is told of an escrow that was asked for and is given up in favour of `asking`.
    /// Nothing was lent from it, since it never came.
    fn abandoned(&self, asking: Asking) -> Option<Settlement> {
        let old = self.supply.asking.filter(|old| !old.renews && old.lease != asking.lease)?;
        Some(Settlement { lease: old.lease, escrow: None, used: 0, close: true })
    }

    /// Plans that home has answered. Nothing if somebody else saw to it.
    pub(crate) fn plan_answered(
        &self,
        question: &Question,
        leased: &Leased,
        stamp: Stamp,
        policy: &EscrowPolicy,
    ) -> Option<Change> {
        let Question { asking, need, reports, .. } = question;
        if self.supply.asking.is_none_or(|now| now.entry != asking.entry) {
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
        if !asking.is_met_by(leased, policy) {
            // What cannot be renewed is lent to its end, and then another is asked for.
            supply.current = supply.current.filter(|_| !asking.renews);
            if !asking.renews || leased.available < *need {
                supply.dry_until_ms = stamp.at_ms + DRY_FOR_MS;
            }
        } else if let Some(fill) = self.fill(asking, leased, policy) {
            supply.current = Some(fill.current);
            supply.size = fill.grant.left;
            supply.filled_at_ms = stamp.at_ms;
            change.granted = fill.more;
            change.accounts.available = fill.more.cast_signed();
            if fill.more > 0 {
                let leg = Leg { from: None, to: Account::Available, credits: fill.more };
                change.entry.legs.push(leg);
            }
            change.entry.grant = Some(fill.id);
            change.due = DueChange::NoLaterThan(stamp.at_ms + LOOK_MS);
            change.grants.push((fill.id, GrantChange::Set(fill.grant)));
        }
        change.supply = Some(supply);
        Some(change)
    }

    /// What comes of an escrow that was given or renewed. Nothing if it was closed meanwhile.
    fn fill(&self, asking: &Asking, leased: &Leased, policy: &EscrowPolicy) -> Option<Fill> {
        let id = GrantId::from_ulid(asking.lease.ulid());
        let at_ms = asking.at_ms;
        let fresh = Current { lease: asking.lease, amount: 0, since_ms: at_ms, asked_ms: at_ms };
        let (before, left, credits) = if asking.renews {
            let grant = self.grants.get(&id)?;
            (self.supply.current.filter(|current| current.is(id))?, grant.left, grant.credits)
        } else {
            (fresh, 0, 0)
        };
        let more = leased.credits.saturating_sub(before.amount);
        let grant = Grant {
            credits: credits + more,
            left: left + more,
            expires_at_ms: leased.until_ms.saturating_sub(millis(policy.lease_ttl + policy.margin)),
            source: GrantSource::Escrow,
        };
        let current = Current { amount: leased.credits, asked_ms: at_ms, ..before };
        Some(Fill { id, more, grant, current })
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

    /// Plans what of the escrows goes back now: what has ended and is not about to be renewed, what is
    /// idle while little is left at home, or all of it if `all`. Also says what home is to be told;
    /// nothing while no escrow can be closed or should have been.
    pub(crate) fn plan_return(
        &self,
        all: bool,
        stamp: Stamp,
        policy: &EscrowPolicy,
    ) -> (Option<Change>, Vec<Settlement>) {
        let now_ms = stamp.at_ms;
        let is_short = self.supply.beyond < self.supply.size;
        let long = |since_ms| now_ms - since_ms >= millis(policy.idle_when_short);
        let idle = all || is_short && self.idle_since_ms().is_some_and(long);
        let goes = |id: &GrantId, grant: &Grant| {
            let renewable = self.supply.current.is_some_and(|current| current.is(*id));
            idle || now_ms >= returns_ms(grant, renewable, policy)
        };
        let mut change = self.change(EntryKind::Settle, stamp);
        self.withdraw(&mut change, goes);
        let kept = self.supply.current.filter(|current| {
            self.escrows().any(|(id, grant)| current.is(id) && !goes(&id, grant))
        });
        // By then every holder that lives has reported. One that does not keeps an escrow from being
        // closed, and home should know of the others' use before it takes the escrow back.
        let reported_ms = |grant: &Grant| {
            grant.expires_at_ms.saturating_add(millis(policy.lease_ttl) + 2 * CLOCK_SKEW_MS)
        };
        let is_kept = |id: &GrantId| kept.is_some_and(|current| current.is(*id));
        let kept_open =
            self.escrows().any(|(id, grant)| !is_kept(&id) && reported_ms(grant) <= now_ms);
        let mut reports = self.reports(&change, is_kept);
        let mut supply = Supply { current: kept, ..self.supply.clone() };
        if all && let Some(asking) = supply.asking.take_if(|asking| !asking.renews) {
            // It may have been given. It never enters the stock once this is committed.
            let (lease, escrow) = (asking.lease, None);
            reports.push(Settlement { lease, escrow, used: 0, close: true });
        }
        if supply != self.supply {
            change.supply = Some(supply);
        }
        if !kept_open && !reports.iter().any(|report| report.close) {
            reports.clear();
        }
        let changes = !change.grants.is_empty() || change.supply.is_some();
        (changes.then_some(change), reports)
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
        left <= self.supply.size / 4 && self.supply.beyond > 0 || self.is_late(now_ms, policy)
    }

    /// Whether what there is can be lent for a short time only.
    fn is_late(&self, now_ms: i64, policy: &EscrowPolicy) -> bool {
        let newest_ms = self.escrows().map(|(_, grant)| grant.expires_at_ms).max();
        newest_ms.is_none_or(|end_ms| end_ms - now_ms < millis(policy.ttl) / AHEAD)
    }

    /// How much there should be to lend: what the Region spends within the policy's horizon at the
    /// rate at which it used up what there was.
    fn target(&self, left: u64, now_ms: i64, policy: &EscrowPolicy) -> u64 {
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
    fn withdraw(&self, change: &mut Change, which: impl Fn(&GrantId, &Grant) -> bool) {
        for (id, grant) in self.escrows() {
            if grant.left > 0 && which(&id, grant) {
                // It never was the branch's: what came with the escrow is so much less.
                change.transfer(Account::Available, Account::Expired, grant.left);
                let rest = Grant { credits: grant.credits - grant.left, left: 0, ..grant.clone() };
                change.grants.push((id, GrantChange::Set(rest)));
            }
        }
    }

    /// What home is told of every escrow once `change` is made. One of which nothing is left and
    /// nothing is lent is closed, unless it is to be kept.
    fn reports(&self, change: &Change, is_kept: impl Fn(&GrantId) -> bool) -> Vec<Settlement> {
        self.escrows()
            .map(|(id, grant)| {
                let set = change.grants.iter().find_map(|(other, change)| match change {
                    GrantChange::Set(grant) if *other == id => Some(grant),
                    _ => None,
                });
                let grant = set.unwrap_or(grant);
                let lent: u64 = self.leases.values().filter_map(|lease| lease.taken.get(&id)).sum();
                let used = grant.credits.saturating_sub(grant.left).saturating_sub(lent);
                let close = grant.left == 0 && lent == 0 && !is_kept(&id);
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

/// What an answer from home brings into the stock.
struct Fill {
    /// The escrow.
    id: GrantId,
    /// How many credits are new.
    more: u64,
    /// The escrow as it is from now on.
    grant: Grant,
    /// The same, as the current one.
    current: Current,
}

impl Current {
    fn is(&self, escrow: GrantId) -> bool {
        GrantId::from_ulid(self.lease.ulid()) == escrow
    }
}

impl Asking {
    /// Whether home gave what was asked for. A renewal brings time, and not always credits.
    pub(crate) fn is_met_by(&self, leased: &Leased, policy: &EscrowPolicy) -> bool {
        leased.credits > 0 && leased.until_ms >= self.at_ms.saturating_add(millis(policy.ttl))
    }
}

/// When an escrow ends at home, in milliseconds since the Unix epoch.
fn ends_ms(grant: &Grant, policy: &EscrowPolicy) -> i64 {
    grant.expires_at_ms.saturating_add(millis(policy.lease_ttl + policy.margin))
}

/// From when on an escrow is not kept any longer, in milliseconds since the Unix epoch.
fn returns_ms(grant: &Grant, renewable: bool, policy: &EscrowPolicy) -> i64 {
    let last_ms = ends_ms(grant, policy) - RETURNS_BEFORE_MS;
    if renewable { last_ms.max(grant.expires_at_ms) } else { grant.expires_at_ms }
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
