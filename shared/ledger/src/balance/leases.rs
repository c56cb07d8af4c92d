//! Leases of a balance: how they are given, renewed and settled.

use ids::{GrantId, Id as _, LeaseId};

use super::{Balance, GrantSource, Lease, LeaseState, Plan, sooner, sum, take};
use crate::change::{Account, Change, DueChange, EntryKind, LeaseChange, MoveChange};
use crate::policy::FEW_LEASES;
use crate::store::{LeaseRequest, Leased, LedgerError, Settlement, Stamp};

/// How many old settled leases one change forgets, at most.
const FORGET_MAX: usize = 16;

impl Balance {
    /// Plans a lease, together with the settlements that travel with it.
    ///
    /// The holder gets what it wants, but at most one part in `share` of what is available and at
    /// least what it needs. When less than that is available the settlements are still worth
    /// committing, so that they are planned alone and the answer is a lease of 0 credits, or the
    /// lease that was to be renewed as it is.
    ///
    /// # Errors
    /// [`LedgerError::OverReported`] if a settlement reports more than its lease holds;
    /// [`LedgerError::InvalidAmount`] if nothing is needed of a new lease, or less is wanted than
    /// needed; [`LedgerError::Moving`] while the balance moves, where settlements are to be sent
    /// alone.
    pub fn plan_lease(
        &self,
        request: &LeaseRequest,
        stamp: Stamp,
    ) -> Result<Plan<Leased>, LedgerError> {
        self.plan_lease_out_of(request, stamp, |slices| slices)
    }

    /// Plans a lease as [`plan_lease`](Self::plan_lease) does, out of those grants only that `pick`
    /// leaves of all that have something; they come soonest to end first.
    pub(crate) fn plan_lease_out_of(
        &self,
        request: &LeaseRequest,
        stamp: Stamp,
        pick: impl FnOnce(Vec<(GrantId, u64)>) -> Vec<(GrantId, u64)>,
    ) -> Result<Plan<Leased>, LedgerError> {
        if request.need == 0 && !request.renews || request.want < request.need || request.share == 0
        {
            return Err(LedgerError::InvalidAmount);
        }
        let mut change = Change::new(EntryKind::Lease, stamp.entry, stamp.at_ms);
        let settled = self.add_settlements(&mut change, &request.settle, stamp)?;
        let until_ms = stamp.at_ms.saturating_add(request.ttl_ms);

        // As the settlements leave it, should one of them be about the very lease that is asked for.
        let reported = change.leases.iter().find_map(|(id, change)| match change {
            LeaseChange::Update { lease, .. } if *id == request.id => Some(lease),
            _ => None,
        });
        let lease = reported.or_else(|| self.leases.get(&request.id)).cloned();
        let renews = request.renews
            && lease.as_ref().is_some_and(|lease| self.can_renew(lease, stamp.at_ms, until_ms));
        let asked_again = lease.as_ref().filter(|_| !renews);
        if let Some(lease) = asked_again {
            // Because the first answer was lost; or this is a copy that nobody waits for.
            let leased = self.leased(lease, self.accounts.available);
            return Ok(self.commit_or_done(change, settled, leased));
        }

        self.must_stay()?;
        let slices = self.spendable(&change, stamp.at_ms);
        let available = sum(&slices);
        let mut slices = pick(slices);
        let within = sum(&slices);
        if within < request.need || request.renews && !renews {
            change.entry.kind = EntryKind::Settle;
            let none = lease.unwrap_or_else(|| Lease::settled(0, stamp.at_ms));
            return Ok(self.commit_or_done(change, settled, self.leased(&none, available)));
        }
        let share = (available / request.share).max(request.need);
        let amount = request.want.min(share).min(within);
        let taken = take(&mut slices, amount);
        for (grant, credits) in &taken {
            change.move_grant(*grant, -credits.cast_signed());
        }
        change.moving = MoveChange::Staying;
        change.transfer(Account::Available, Account::Leased, amount);
        change.entry.lease = Some(request.id);
        let mut lease = lease.unwrap_or_else(Lease::of_nothing);
        lease.add(amount, taken);
        (lease.until_ms, lease.window_ms) = (until_ms, request.window_ms);
        let leased = self.leased(&lease, available - amount);
        if let Some(due_ms) = lease.due_ms() {
            change.due = sooner(change.due, due_ms);
        }
        change.leases.retain(|(id, _)| *id != request.id);
        let opened = match self.leases.get(&request.id) {
            Some(before) => LeaseChange::Update { was: before.mark(), lease },
            None => LeaseChange::Open(lease),
        };
        change.leases.push((request.id, opened));
        Ok(Plan::Commit(self.reappointed(change.simplified(), stamp.at_ms), leased))
    }

    /// Whether a lease may live on until `until_ms`. Not from credits that have ended: these go back
    /// when it ends, and are the client's no more.
    fn can_renew(&self, lease: &Lease, now_ms: i64, until_ms: i64) -> bool {
        let ended = |id| self.grants.get(id).is_none_or(|grant| grant.expires_at_ms <= now_ms);
        lease.state == LeaseState::Open
            && lease.until_ms < until_ms
            && !lease.taken.keys().any(ended)
    }

    /// Plans the settlement of leases. A lease that is not known any more was settled before.
    ///
    /// # Errors
    /// [`LedgerError::OverReported`] if more is reported than a lease holds.
    pub fn plan_settle(
        &self,
        settlements: &[Settlement],
        stamp: Stamp,
    ) -> Result<Plan<()>, LedgerError> {
        let mut change = Change::new(EntryKind::Settle, stamp.entry, stamp.at_ms);
        let settled = self.add_settlements(&mut change, settlements, stamp)?;
        Ok(self.commit_or_done(change, settled, ()))
    }

    /// Adds to `change` what `settlements` report. Says whether that changes anything.
    fn add_settlements(
        &self,
        change: &mut Change,
        settlements: &[Settlement],
        stamp: Stamp,
    ) -> Result<bool, LedgerError> {
        let before = change.leases.len();
        for settlement in settlements {
            // Not known any more: it was settled before, and this is a repetition. Named twice in
            // one request: the first one counts.
            let Some(lease) = self.leases.get(&settlement.lease) else {
                continue;
            };
            if lease.state == LeaseState::Settled {
                continue;
            }
            if change.leases.iter().any(|(id, _)| *id == settlement.lease) {
                continue;
            }
            if settlement.used > lease.amount {
                return Err(LedgerError::OverReported {
                    lease: settlement.lease,
                    amount: lease.amount,
                    used: settlement.used,
                });
            }
            // Reports are totals, so that a late or repeated one changes nothing.
            let newly = settlement.used.saturating_sub(lease.used);
            let was = lease.mark();
            let mut lease = lease.clone();
            change.transfer(lease.account(), Account::Spent, newly);
            lease.used += newly;
            self.consume(&mut lease.taken, newly);
            if settlement.close {
                change.transfer(lease.account(), Account::Available, lease.unreported());
                self.give_back(change, &lease.taken, stamp.at_ms);
                let lease = Lease::settled(lease.used, stamp.at_ms);
                change.leases.push((settlement.lease, LeaseChange::Update { was, lease }));
            } else if newly > 0 {
                change.leases.push((settlement.lease, LeaseChange::Update { was, lease }));
            }
            if change.entry.lease.is_none() {
                change.entry.lease = Some(settlement.lease);
            }
        }
        self.forget_settled(change, stamp.at_ms);
        Ok(change.leases.len() > before)
    }

    /// Adds to `change`, should it be committed, that old settled leases are forgotten. At most a
    /// few, for a store's sake: there are never more of them than were settled, and every change
    /// that settles one takes some along.
    pub(super) fn forget_settled(&self, change: &mut Change, now_ms: i64) {
        let old = |lease: &Lease| lease.state == LeaseState::Settled && lease.until_ms <= now_ms;
        change.forget.extend(
            self.leases.iter().filter(|(_, lease)| old(lease)).map(|(id, _)| *id).take(FORGET_MAX),
        );
    }

    fn leased(&self, lease: &Lease, available: u64) -> Leased {
        let credits = if lease.state == LeaseState::Open { lease.amount } else { 0 };
        Leased {
            credits,
            available,
            next_expiry_ms: self.next_expiry_ms(),
            until_ms: lease.until_ms,
            escrow: self.escrow_of(lease),
        }
    }

    /// The escrow that a lease was lent out of, if a branch lent it. Once all of it is reported as
    /// used nobody needs to know.
    pub(crate) fn escrow_of(&self, lease: &Lease) -> Option<LeaseId> {
        let grant = lease.taken.keys().next()?;
        let escrow = self.grants.get(grant)?.source == GrantSource::Escrow;
        escrow.then(|| LeaseId::from_ulid(grant.ulid()))
    }

    fn commit_or_done<T>(&self, change: Change, settled: bool, answer: T) -> Plan<T> {
        if !settled {
            return Plan::Done(answer);
        }
        let at_ms = change.entry.at_ms;
        Plan::Commit(self.reappointed(change.simplified(), at_ms), answer)
    }

    /// Makes the reaper's appointment anew in a change that ends or renews a lease. If that is the one
    /// it would come for, it would otherwise come, find nothing, and make the next one itself.
    fn reappointed(&self, mut change: Change, now_ms: i64) -> Change {
        let passes = change.leases.iter().any(|(id, change)| match change {
            LeaseChange::Update { lease, .. } => {
                self.leases.get(id).and_then(Lease::due_ms) != lease.due_ms()
            }
            _ => false,
        });
        let open = self.leases.values().filter(|lease| lease.due_ms().is_some()).count();
        let mut after = self.clone();
        if passes && open <= FEW_LEASES && after.commit(&change).is_ok() {
            change.exact_seq = Some(self.seq);
            change.due = DueChange::Set(after.next_due_ms(now_ms));
        }
        change
    }
}
