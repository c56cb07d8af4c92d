//! One client's balance, and the planning of every change to it.

mod leases;

use std::collections::BTreeMap;

use ids::{ClientId, GrantId, JobId, LeaseId};
use serde::{Deserialize, Serialize};

use crate::change::{
    Account, Accounts, Change, Conflict, DueChange, EntryKind, GrantChange, LeaseChange, LeaseMark,
    Leg, MoveChange,
};
use crate::escrow::Supply;
use crate::moving::Moving;
use crate::policy::{CLOCK_SKEW_MS, GRANTED_MAX, RECONCILE_WINDOW_MS, REQUEST_LATE_MS};
use crate::store::{GrantRequest, HoldRequest, LedgerError, Reaped, Stamp};

/// From which grants credits were taken, and how many from each.
pub type Slices = BTreeMap<GrantId, u64>;

/// Where a grant came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantSource {
    /// A period of a subscription.
    Subscription,
    /// Bought on top.
    TopUp,
    /// Given away.
    Promotion,
    /// Leased from the client's home by a [`Branch`](crate::Branch); the grant's id is the lease's.
    Escrow,
}

/// Credits with an end of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What was granted, in credits.
    pub credits: u64,
    /// What of it is in `available`, in credits.
    pub left: u64,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
    /// Where it came from.
    pub source: GrantSource,
}

/// What has become of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseState {
    /// Its holder may spend from it.
    Open,
    /// Its holder fell silent; what it did not report is in `suspense`.
    Lapsed,
    /// Its holder is done with it. It holds nothing, and is remembered so that a late copy of the
    /// request for it does not open it again.
    Settled,
}

/// Credits in the hands of one holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What the holder was given, in credits.
    pub amount: u64,
    /// What it has reported as used, in credits.
    pub used: u64,
    /// Open, lapsed or settled.
    pub state: LeaseState,
    /// When it ends if open, is given up on if lapsed, or may be forgotten if settled; milliseconds
    /// since the Unix epoch.
    pub until_ms: i64,
    /// How long its credits stay in suspense once it has lapsed, in milliseconds.
    #[serde(default = "reconcile_window_ms")]
    pub window_ms: i64,
    /// Where the credits that are not reported as used came from.
    pub taken: Slices,
}

impl Lease {
    /// Credits that are not reported as used.
    #[must_use]
    pub const fn unreported(&self) -> u64 {
        self.amount.saturating_sub(self.used)
    }

    /// The account that the unreported credits are in.
    #[must_use]
    pub const fn account(&self) -> Account {
        match self.state {
            // Nothing is unreported of a settled one.
            LeaseState::Open | LeaseState::Settled => Account::Leased,
            LeaseState::Lapsed => Account::Suspense,
        }
    }

    /// One that was given to nobody yet.
    const fn of_nothing() -> Self {
        Self {
            amount: 0,
            used: 0,
            state: LeaseState::Open,
            until_ms: 0,
            window_ms: 0,
            taken: Slices::new(),
        }
    }

    fn add(&mut self, credits: u64, taken: Slices) {
        self.amount += credits;
        for (grant, credits) in taken {
            *self.taken.entry(grant).or_default() += credits;
        }
    }

    /// What a plan relies on of it.
    #[must_use]
    pub const fn mark(&self) -> LeaseMark {
        LeaseMark { used: self.used, state: self.state, until_ms: self.until_ms }
    }

    /// When the reaper has something to do with it.
    const fn due_ms(&self) -> Option<i64> {
        match self.state {
            LeaseState::Open => Some(self.until_ms.saturating_add(CLOCK_SKEW_MS)),
            LeaseState::Lapsed => Some(self.until_ms),
            LeaseState::Settled => None,
        }
    }

    /// Whether nobody waits for its holder's last report any more.
    pub(crate) const fn is_over(&self, now_ms: i64) -> bool {
        match self.state {
            LeaseState::Open => {
                self.window_ms == 0 && self.until_ms.saturating_add(CLOCK_SKEW_MS) <= now_ms
            }
            LeaseState::Lapsed => self.until_ms <= now_ms,
            LeaseState::Settled => false,
        }
    }

    /// What is remembered of it once it is settled at `now_ms`.
    const fn settled(used: u64, now_ms: i64) -> Self {
        Self {
            amount: used,
            used,
            state: LeaseState::Settled,
            until_ms: now_ms.saturating_add(REQUEST_LATE_MS),
            window_ms: 0,
            taken: Slices::new(),
        }
    }
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HoldState {
    /// The credits are set aside.
    Held,
    /// It is resolved, once and for all.
    Resolved {
        /// Credits that were paid.
        posted: u64,
        /// Credits that went back.
        voided: u64,
    },
}

/// Credits set aside for one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// How many.
    pub credits: u64,
    /// From which grants.
    pub taken: Slices,
    /// What became of it.
    #[serde(flatten)]
    pub state: HoldState,
}

/// One client's balance: what the ledger keeps in one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Whose it is.
    #[serde(rename = "client_id")]
    pub client: ClientId,
    /// How many entries have changed it.
    pub seq: u64,
    /// All credits that ever came in.
    pub granted: u64,
    /// Where they are.
    #[serde(flatten)]
    pub accounts: Accounts,
    /// The grants that have not ended, and those ended ones that something still refers to.
    pub grants: BTreeMap<GrantId, Grant>,
    /// The leases that are open or lapsed, and those that were settled not long ago.
    pub leases: BTreeMap<LeaseId, Lease>,
    /// What a branch notes of its supply; empty where credits are not lent on.
    #[serde(default, skip_serializing_if = "Supply::is_empty")]
    pub supply: Supply,
    /// Its move to another Region; none while it stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<Moving>,
    /// When the reaper should look, in milliseconds since the Unix epoch.
    #[serde(default, rename = "due_at", skip_serializing_if = "Option::is_none")]
    pub due_at_ms: Option<i64>,
}

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made, matched and dropped in one breath")]
pub enum Plan<T> {
    /// Commit the change, then this is the answer.
    Commit(Change, T),
    /// It was done before; this is the answer.
    Done(T),
}

impl Balance {
    /// The balance of a client that was never granted anything.
    #[must_use]
    pub fn empty(client: ClientId) -> Self {
        Self {
            client,
            seq: 0,
            granted: 0,
            accounts: Accounts::default(),
            grants: BTreeMap::new(),
            leases: BTreeMap::new(),
            supply: Supply::default(),
            moving: None,
            due_at_ms: None,
        }
    }

    /// When the first grant that still has credits ends, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn next_expiry_ms(&self) -> Option<i64> {
        self.grants.values().filter(|grant| grant.left > 0).map(|grant| grant.expires_at_ms).min()
    }

    /// Plans a grant. Granting the same id again while its grant is known is no second grant;
    /// backends remember ids for longer.
    ///
    /// # Errors
    /// [`LedgerError::InvalidAmount`] if the amount is 0, the grant has ended already, or the sum
    /// would pass [`GRANTED_MAX`]; [`LedgerError::Moving`] while the balance moves.
    pub fn plan_grant(
        &self,
        request: &GrantRequest,
        stamp: Stamp,
    ) -> Result<Plan<()>, LedgerError> {
        if self.grants.contains_key(&request.id) {
            return Ok(Plan::Done(()));
        }
        self.must_stay()?;
        let total = self.granted.checked_add(request.credits);
        if request.credits == 0
            || request.expires_at_ms <= stamp.at_ms
            || total.is_none_or(|total| total > GRANTED_MAX)
        {
            return Err(LedgerError::InvalidAmount);
        }
        let mut change = Change::new(EntryKind::Grant, stamp.entry, stamp.at_ms);
        change.moving = MoveChange::Staying;
        change.granted = request.credits;
        change.accounts.available = request.credits.cast_signed();
        change.entry.legs =
            vec![Leg { from: None, to: Account::Available, credits: request.credits }];
        change.entry.grant = Some(request.id);
        change.due = DueChange::NoLaterThan(request.expires_at_ms);
        let grant = Grant {
            credits: request.credits,
            left: request.credits,
            expires_at_ms: request.expires_at_ms,
            source: request.source,
        };
        change.grants.push((request.id, GrantChange::Add(grant)));
        Ok(Plan::Commit(change, ()))
    }

    /// Plans a hold.
    ///
    /// # Errors
    /// [`LedgerError::Exhausted`] if too little is available; [`LedgerError::InvalidAmount`] for 0;
    /// [`LedgerError::Moving`] while the balance moves.
    pub fn plan_hold(
        &self,
        request: &HoldRequest,
        stamp: Stamp,
    ) -> Result<(Change, Hold), LedgerError> {
        if request.credits == 0 {
            return Err(LedgerError::InvalidAmount);
        }
        self.must_stay()?;
        let mut change = Change::new(EntryKind::Hold, stamp.entry, stamp.at_ms);
        change.moving = MoveChange::Staying;
        let mut slices = self.spendable(&change, stamp.at_ms);
        let available = sum(&slices);
        if available < request.credits {
            return Err(LedgerError::Exhausted { available });
        }
        let taken = take(&mut slices, request.credits);
        for (grant, credits) in &taken {
            change.move_grant(*grant, -credits.cast_signed());
        }
        change.transfer(Account::Available, Account::Held, request.credits);
        change.entry.hold = Some(request.id);
        Ok((change, Hold { credits: request.credits, taken, state: HoldState::Held }))
    }

    /// Plans the resolution of a hold: `posted` credits are paid, the rest goes back.
    ///
    /// # Errors
    /// [`LedgerError::AlreadyResolved`] if it was resolved otherwise before;
    /// [`LedgerError::InvalidAmount`] if more is posted than was held.
    pub fn plan_resolve(
        &self,
        job: JobId,
        hold: &Hold,
        posted: u64,
        stamp: Stamp,
    ) -> Result<Plan<Hold>, LedgerError> {
        if posted > hold.credits {
            return Err(LedgerError::InvalidAmount);
        }
        let voided = hold.credits - posted;
        if let HoldState::Resolved { posted: before, .. } = hold.state {
            return if before == posted {
                Ok(Plan::Done(hold.clone()))
            } else {
                Err(LedgerError::AlreadyResolved)
            };
        }
        let kind = if posted == 0 { EntryKind::Void } else { EntryKind::Post };
        let mut change = Change::new(kind, stamp.entry, stamp.at_ms);
        change.entry.hold = Some(job);
        change.transfer(Account::Held, Account::Spent, posted);
        change.transfer(Account::Held, Account::Available, voided);
        let mut taken = hold.taken.clone();
        self.consume(&mut taken, posted);
        self.give_back(&mut change, &taken, stamp.at_ms);
        let hold = Hold {
            credits: hold.credits,
            taken: Slices::new(),
            state: HoldState::Resolved { posted, voided },
        };
        Ok(Plan::Commit(change, hold))
    }

    /// Plans all that is overdue: open leases past their end lapse, lapsed leases past the window
    /// go back to the client, ended grants expire. Leases in `kept` stay as they are. Also makes the
    /// reaper's next appointment.
    ///
    /// Computed from the whole balance, so it is committed only at exactly this sequence number.
    #[must_use]
    pub fn plan_reap(&self, kept: &[LeaseId], stamp: Stamp) -> Plan<Reaped> {
        if self.is_elsewhere() {
            return Plan::Done(Reaped::default());
        }
        let mut change = Change::new(EntryKind::Reap, stamp.entry, stamp.at_ms);
        change.exact_seq = Some(self.seq);
        let mut reaped = Reaped::default();
        for (id, lease) in &self.leases {
            let is_due = lease.due_ms().is_some_and(|due_ms| due_ms <= stamp.at_ms);
            if !is_due || kept.contains(id) {
                continue;
            }
            match lease.state {
                LeaseState::Settled => {}
                LeaseState::Open => {
                    change.transfer(Account::Leased, Account::Suspense, lease.unreported());
                    let until_ms = stamp.at_ms.saturating_add(lease.window_ms);
                    let lapsed = Lease { state: LeaseState::Lapsed, until_ms, ..lease.clone() };
                    change
                        .leases
                        .push((*id, LeaseChange::Update { was: lease.mark(), lease: lapsed }));
                    reaped.lapsed += lease.unreported();
                }
                LeaseState::Lapsed => {
                    change.transfer(Account::Suspense, Account::Available, lease.unreported());
                    for (grant, credits) in &lease.taken {
                        change.move_grant(*grant, credits.cast_signed());
                    }
                    change.leases.push((*id, LeaseChange::Close { was: lease.mark() }));
                    reaped.returned += lease.unreported();
                }
            }
        }
        self.forget_settled(&mut change, stamp.at_ms);
        self.expire_grants(&mut change, &mut reaped, stamp.at_ms);

        let change = change.simplified();
        let mut after = self.clone();
        // The plan was made from this very balance, so it fits; if it did not, the appointment
        // below would only be too early.
        let _ = after.commit(&change);
        let mut change = change;
        let due_ms = after.next_due_ms(stamp.at_ms);
        change.due = DueChange::Set(due_ms);
        if change.entry.legs.is_empty()
            && change.grants.is_empty()
            && change.leases.is_empty()
            && due_ms == self.due_at_ms
        {
            return Plan::Done(reaped);
        }
        Plan::Commit(change, reaped)
    }

    /// Commits a change, as a store does: all of it if what it relies on still holds.
    ///
    /// # Errors
    /// [`Conflict`] if something the change touches is not as it was planned on.
    pub fn commit(&mut self, change: &Change) -> Result<(), Conflict> {
        if change.exact_seq.is_some_and(|seq| seq != self.seq) {
            return Err(Conflict);
        }
        if change.moving == MoveChange::Staying && self.moving.is_some() {
            return Err(Conflict);
        }
        let mut after = self.clone();
        for account in Account::ALL {
            after.accounts[account] = after.accounts[account]
                .checked_add_signed(change.accounts[account])
                .ok_or(Conflict)?;
        }
        let granted = after.granted.checked_add(change.granted);
        after.granted = granted.filter(|granted| *granted <= GRANTED_MAX).ok_or(Conflict)?;
        for (id, change) in &change.grants {
            match change {
                GrantChange::Add(grant) => {
                    if after.grants.insert(*id, grant.clone()).is_some() {
                        return Err(Conflict);
                    }
                }
                GrantChange::Move(by) => {
                    let grant = after.grants.get_mut(id).ok_or(Conflict)?;
                    grant.left = grant.left.checked_add_signed(*by).ok_or(Conflict)?;
                }
                GrantChange::Set(grant) => {
                    after.grants.insert(*id, grant.clone());
                }
                GrantChange::Remove => {
                    after.grants.remove(id).ok_or(Conflict)?;
                }
            }
        }
        for (id, change) in &change.leases {
            let now = after.leases.get(id).map(Lease::mark);
            match change {
                LeaseChange::Open(lease) if now.is_none() => {
                    after.leases.insert(*id, lease.clone());
                }
                LeaseChange::Update { was, lease } if now == Some(*was) => {
                    after.leases.insert(*id, lease.clone());
                }
                LeaseChange::Close { was } if now == Some(*was) => {
                    after.leases.remove(id);
                }
                _ => return Err(Conflict),
            }
        }
        for id in &change.forget {
            if after.leases.get(id).is_some_and(|lease| lease.state == LeaseState::Settled) {
                after.leases.remove(id);
            }
        }
        if let Some(supply) = &change.supply {
            after.supply = supply.clone();
        }
        if let MoveChange::Set(moving) = &change.moving {
            after.moving = moving.clone();
        }
        match change.due {
            DueChange::Keep => {}
            DueChange::NoLaterThan(at) => {
                after.due_at_ms = Some(after.due_at_ms.map_or(at, |due| due.min(at)));
            }
            DueChange::Set(due) => after.due_at_ms = due,
        }
        after.seq += 1;
        *self = after;
        Ok(())
    }

    /// What can be taken from each grant once `change` is made, soonest to end first.
    fn spendable(&self, change: &Change, now_ms: i64) -> Vec<(GrantId, u64)> {
        let mut grants: Vec<_> = self
            .grants
            .iter()
            .filter(|(_, grant)| grant.expires_at_ms > now_ms)
            .map(|(id, grant)| {
                let moved = change.grants.iter().find(|(other, _)| other == id);
                let by = match moved {
                    Some((_, GrantChange::Move(by))) => *by,
                    _ => 0,
                };
                (grant.expires_at_ms, *id, grant.left.saturating_add_signed(by))
            })
            .filter(|(_, _, left)| *left > 0)
            .collect();
        grants.sort_unstable();
        grants.into_iter().map(|(_, id, left)| (id, left)).collect()
    }

    /// Takes `used` credits out of `taken`, from the grants that end soonest.
    fn consume(&self, taken: &mut Slices, used: u64) {
        let mut order: Vec<_> = taken
            .keys()
            .map(|id| (self.grants.get(id).map_or(i64::MIN, |grant| grant.expires_at_ms), *id))
            .collect();
        order.sort_unstable();
        let mut left = used;
        for (_, id) in order {
            if let Some(slice) = taken.get_mut(&id) {
                let part = left.min(*slice);
                *slice -= part;
                left -= part;
            }
        }
        taken.retain(|_, credits| *credits > 0);
    }

    /// Gives the credits of `taken` back to their grants. A grant that has ended meanwhile takes
    /// them too, and the reaper is called to expire them; to one that is yet to end it is called
    /// then, as nobody made that appointment while nothing was left of it.
    fn give_back(&self, change: &mut Change, taken: &Slices, now_ms: i64) {
        for (id, credits) in taken {
            change.move_grant(*id, credits.cast_signed());
            let Some(grant) = self.grants.get(id) else { continue };
            // There is always an appointment for escrows.
            if grant.expires_at_ms <= now_ms || grant.source != GrantSource::Escrow {
                change.due = sooner(change.due, grant.expires_at_ms.max(now_ms));
            }
        }
    }

    fn expire_grants(&self, change: &mut Change, reaped: &mut Reaped, now_ms: i64) {
        for (id, grant) in &self.grants {
            // An escrow is not the branch's to let expire: it goes back to the client's home.
            if grant.expires_at_ms > now_ms || grant.source == GrantSource::Escrow {
                continue;
            }
            let position = change.grants.iter().position(|(other, _)| other == id);
            let moved = match position.map(|at| &change.grants[at].1) {
                Some(GrantChange::Move(by)) => *by,
                _ => 0,
            };
            let left = grant.left.saturating_add_signed(moved);
            change.transfer(Account::Available, Account::Expired, left);
            reaped.expired += left;
            let referred = self.leases.iter().any(|(lease, state)| {
                state.taken.contains_key(id)
                    && !change.leases.iter().any(|(other, change)| {
                        other == lease && matches!(change, LeaseChange::Close { .. })
                    })
            });
            // A hold may refer to it too, and holds are not in the balance: an ended grant stays
            // while anything is held at all.
            let removable = !referred && self.accounts.held == 0;
            match position {
                Some(at) if removable => change.grants[at].1 = GrantChange::Remove,
                None if removable => change.grants.push((*id, GrantChange::Remove)),
                Some(at) => change.grants[at].1 = GrantChange::Move(-grant.left.cast_signed()),
                None => change.move_grant(*id, -grant.left.cast_signed()),
            }
        }
    }

    /// When something in this balance is next overdue.
    pub(crate) fn next_due_ms(&self, now_ms: i64) -> Option<i64> {
        let leases = self.leases.values().filter_map(Lease::due_ms);
        // An ended grant that only waits for its last reference is not a reason to look: whoever
        // gives that credit back makes the appointment.
        let grants = self
            .grants
            .values()
            .filter(|grant| grant.left > 0 && grant.source != GrantSource::Escrow)
            .map(|grant| grant.expires_at_ms);
        leases.chain(grants).chain(self.escrows_due_ms(now_ms)).min()
    }
}

/// What was so for every lease before leases said it themselves.
const fn reconcile_window_ms() -> i64 {
    RECONCILE_WINDOW_MS
}

fn sooner(due: DueChange, at: i64) -> DueChange {
    match due {
        DueChange::NoLaterThan(before) => DueChange::NoLaterThan(before.min(at)),
        _ => DueChange::NoLaterThan(at),
    }
}

fn sum(slices: &[(GrantId, u64)]) -> u64 {
    slices.iter().map(|(_, left)| left).sum()
}

/// Takes `amount` credits from `slices`, which hold at least that many.
fn take(slices: &mut [(GrantId, u64)], amount: u64) -> Slices {
    let mut taken = Slices::new();
    let mut wanted = amount;
    for (grant, left) in slices {
        let part = wanted.min(*left);
        if part > 0 {
            *left -= part;
            wanted -= part;
            taken.insert(*grant, part);
        }
    }
    taken
}
