//! The auditor: believes nobody, and shares no code with the ledger.
//!
//! It sees what the callers saw (grants that were asked for, calls that were served and where), what
//! went over the wires to safety (so that it can say what the loss of a machine may cost at most),
//! which machines were lost, and in the end the balances. Ids of leases are to it only names of
//! messages that repeat themselves.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use ids::{ClientId, LeaseId};

use crate::usage::Recent;

/// Credits must be back this long after a crash.
pub const BACK_WITHIN: Duration = Duration::from_secs(120);

/// No lease that is older than this is in anybody's hands.
const LEASE_AGE: Duration = Duration::from_secs(90);

/// How many findings are kept in words.
const FINDINGS_MAX: usize = 20;

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// More was served than was granted.
    Oversold,
    /// Calls were served that nobody paid for.
    LostDebit,
    /// Credits were debited for which nothing was served.
    DoubleCharge,
    /// Usage is not what was served.
    Usage,
    /// Credits were out for too long after a crash.
    Stranded,
    /// The balance is not made of what was granted, or credits were still out in the end.
    Balance,
    /// The ledger's own list of what is always true.
    Invariant,
}

/// How a client's balance stands when all is over.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// All that ever came in.
    pub granted: u64,
    /// Free.
    pub available: u64,
    /// Paid for calls.
    pub debited: u64,
    /// Ended unused.
    pub expired: u64,
    /// In anybody's hands.
    pub outstanding: u64,
    /// What usage says was spent, where usage is counted.
    pub usage: Option<u64>,
    /// What the ledger's own checks say.
    pub violations: Vec<String>,
}

impl Closing {
    /// A balance of which there is nothing but something to say.
    #[must_use]
    pub fn nothing(why: &str) -> Self {
        Self { violations: vec![why.to_owned()], ..Self::default() }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct File {
    granted: u64,
    served: u64,
    /// What lost machines had served and nobody else can know of.
    lost: u64,
    /// What lost machines had served and had not published.
    lost_usage: u64,
}

/// One machine: where it stands, and how many stood there before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Where.
    pub place: usize,
    /// How many machines were lost there before.
    pub number: u32,
}

/// What one machine has served to one client.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    served: u64,
    /// What of it was told to anybody who is not lost with the machine.
    heard: u64,
    /// What of it was published as usage.
    published: u64,
}

/// What was told of one lease, in total.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    heard: u64,
    published: u64,
}

/// A lease whose process is gone.
#[derive(Debug, Clone, Copy)]
struct Orphan {
    lease: LeaseId,
    since: Duration,
    /// Whether it is in use, and only must not be so for too long.
    in_use: bool,
}

/// What the auditor has found, in credits.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Served beyond what was granted and what machines were lost with.
    pub oversold: u64,
    /// Served, never debited, and not to be excused with the loss of a machine.
    pub lost_debits: u64,
    /// Debited and not served.
    pub double_charged: u64,
    /// Served and never debited, as machines were lost.
    pub lost_with_machines: u64,
    /// The most that the loss of machines excuses.
    pub bound: u64,
    /// The most credits that were stranded at once.
    pub stranded_most: u64,
    /// How long it took at most until an orphaned lease was dealt with.
    pub stranded_longest: Duration,
    /// Credits in orphaned leases, by the second.
    pub stranded: Vec<u64>,
    /// How many promises were broken how often.
    pub broken: BTreeMap<Broken, u64>,
    /// The first of them in words.
    pub findings: Vec<String>,
}

/// Checks a run.
#[derive(Debug)]
pub struct Auditor {
    excuses: bool,
    files: Vec<File>,
    machines: Vec<HashMap<usize, Known>>,
    /// How many machines were lost at each place.
    losses: Vec<u32>,
    told: Recent<LeaseId, Told>,
    /// Leases that each machine's processes opened, and when.
    open: Vec<VecDeque<(ClientId, LeaseId, Duration)>>,
    orphans: BTreeMap<ClientId, Vec<Orphan>>,
    verdict: Verdict,
}

impl Auditor {
    /// An auditor of so many clients and machines. `excuses` says whether processes count for
    /// themselves, so that the loss of a machine may cost what it alone knew.
    #[must_use]
    pub fn new(clients: usize, machines: usize, excuses: bool) -> Self {
        Self {
            excuses,
            files: vec![File::default(); clients],
            machines: vec![HashMap::new(); machines],
            losses: vec![0; machines],
            told: Recent::default(),
            open: vec![VecDeque::new(); machines],
            orphans: BTreeMap::new(),
            verdict: Verdict::default(),
        }
    }

    fn find(&mut self, what: Broken, words: impl FnOnce() -> String) {
        *self.verdict.broken.entry(what).or_default() += 1;
        if self.verdict.findings.len() < FINDINGS_MAX {
            self.verdict.findings.push(format!("{what:?}: {}", words()));
        }
    }

    /// Credits are about to be granted.
    pub fn granted(&mut self, client: usize, credits: u64) {
        self.files[client].granted += credits;
    }

    /// A grant could not be made.
    pub fn withdrawn(&mut self, client: usize, credits: u64) {
        self.files[client].granted -= credits;
    }

    /// A caller had its answer.
    pub fn served(&mut self, client: usize, place: usize, credits: u64, at: Duration) {
        let file = &mut self.files[client];
        file.served += credits;
        let file = *file;
        self.machines[place].entry(client).or_default().served += credits;
        let beyond = file.served.saturating_sub(file.granted + file.lost);
        if beyond > 0 {
            self.verdict.oversold += beyond.min(credits);
            self.find(Broken::Oversold, || {
                let File { granted, served, lost, .. } = file;
                format!(
                    "client {client} at {at:?}: {served} served, {granted} granted, {lost} lost"
                )
            });
        }
    }

    /// A machine has told the ledger how much was spent from a lease in total.
    pub fn reported(
        &mut self,
        machine: Machine,
        client: usize,
        lease: LeaseId,
        total: u64,
        at: Duration,
    ) {
        self.hear(machine, client, lease, Told { heard: total, published: 0 }, at);
    }

    /// A machine has told the queue how much was spent from a lease in total.
    pub fn published(
        &mut self,
        machine: Machine,
        client: usize,
        lease: LeaseId,
        total: u64,
        at: Duration,
    ) {
        self.hear(machine, client, lease, Told { heard: total, published: total }, at);
    }

    fn hear(&mut self, machine: Machine, client: usize, lease: LeaseId, now: Told, at: Duration) {
        let before = self.told.get(lease).unwrap_or_default();
        let after = Told {
            heard: before.heard.max(now.heard),
            published: before.published.max(now.published),
        };
        self.told.put(lease, after, at);
        // What arrives after the loss is not held against the machine that came next.
        if self.losses[machine.place] == machine.number {
            let known = self.machines[machine.place].entry(client).or_default();
            known.heard += after.heard - before.heard;
            known.published += after.published - before.published;
        }
    }

    /// A machine's process was given a lease.
    pub fn opened(&mut self, place: usize, client: ClientId, lease: LeaseId, at: Duration) {
        let open = &mut self.open[place];
        while open.front().is_some_and(|(_, _, since)| *since + LEASE_AGE < at) {
            open.pop_front();
        }
        open.push_back((client, lease, at));
    }

    /// A process has ended, whichever way.
    pub fn ended(&mut self, place: usize, at: Duration) {
        for (client, lease, _) in self.open[place].drain(..) {
            self.orphans.entry(client).or_default().push(Orphan {
                lease,
                since: at,
                in_use: false,
            });
        }
    }

    /// A Region was given an escrow. It must be settled in time, whatever becomes of the Region.
    pub fn escrow(&mut self, client: ClientId, lease: LeaseId, at: Duration) {
        self.orphans.entry(client).or_default().push(Orphan { lease, since: at, in_use: true });
    }

    /// A Region's escrow lives on: from now on it has as long as a new one.
    pub fn escrow_renewed(&mut self, client: ClientId, lease: LeaseId, at: Duration) {
        for orphan in self.orphans.get_mut(&client).into_iter().flatten() {
            if orphan.in_use && orphan.lease == lease {
                orphan.since = at;
            }
        }
    }

    /// A Region has lost all of its stock, so that nobody there knows a client's escrows any more.
    pub fn escrows_lost(&mut self, client: ClientId, escrows: &[LeaseId], at: Duration) {
        for orphan in self.orphans.entry(client).or_default() {
            if orphan.in_use && escrows.contains(&orphan.lease) {
                *orphan = Orphan { lease: orphan.lease, since: at, in_use: false };
            }
        }
    }

    /// A machine was lost: what it had not told is known to nobody.
    pub fn lost(&mut self, place: usize) {
        self.losses[place] += 1;
        for (client, known) in self.machines[place].drain().filter(|_| self.excuses) {
            let untold = known.served.saturating_sub(known.heard);
            let file = &mut self.files[client];
            file.lost += untold;
            file.lost_usage += known.served.saturating_sub(known.published);
            self.verdict.bound += untold;
        }
    }

    /// Clients with leases whose process is gone.
    #[must_use]
    pub fn orphaned(&self) -> Vec<ClientId> {
        self.orphans.keys().copied().collect()
    }

    /// Looks at a client's orphans: `out` says how many credits a lease still keeps from its client,
    /// or nothing if it is dealt with. Says how many credits they are.
    pub fn look(
        &mut self,
        client: ClientId,
        at: Duration,
        out: impl Fn(LeaseId) -> Option<u64>,
    ) -> u64 {
        let mut orphans = self.orphans.remove(&client).unwrap_or_default();
        let (mut sum, mut longest, mut overdue) = (0, Duration::ZERO, Vec::new());
        orphans.retain(|orphan| {
            let Some(credits) = out(orphan.lease) else { return false };
            if !orphan.in_use {
                sum += credits;
                longest = longest.max(at - orphan.since);
            }
            let late = at - orphan.since > BACK_WITHIN;
            if late {
                overdue.push((*orphan, credits));
            }
            !late
        });
        self.verdict.stranded_longest = self.verdict.stranded_longest.max(longest);
        for (Orphan { lease, since, in_use }, credits) in overdue {
            let whose = if in_use { "a Region that may live" } else { "a holder that is gone" };
            self.find(Broken::Stranded, || {
                format!(
                    "{client} at {at:?}: {credits} credits in {lease} of {whose}, since {since:?}"
                )
            });
        }
        if !orphans.is_empty() {
            self.orphans.insert(client, orphans);
        }
        sum
    }

    /// Notes how many credits are stranded this second.
    pub fn stranded(&mut self, credits: u64) {
        self.verdict.stranded.push(credits);
        self.verdict.stranded_most = self.verdict.stranded_most.max(credits);
    }

    /// Compares a client's file with its balance when all is over.
    pub fn close(&mut self, client: usize, closing: &Closing) {
        let File { granted, served, lost, lost_usage } = self.files[client];
        let Closing { available, debited, expired, outstanding, .. } = *closing;
        let sum = available + debited + expired + outstanding;
        if closing.granted != granted || sum != granted || outstanding > 0 {
            self.find(Broken::Balance, || {
                format!("client {client}: {granted} were granted, the balance is {closing:?}")
            });
        }
        let undebited = served.saturating_sub(debited);
        self.verdict.lost_with_machines += undebited.min(lost);
        if undebited > lost {
            self.verdict.lost_debits += undebited - lost;
            self.find(Broken::LostDebit, || {
                format!("client {client}: {served} served, {debited} debited, {lost} excused")
            });
        }
        if debited > served {
            self.verdict.double_charged += debited - served;
            self.find(Broken::DoubleCharge, || {
                format!("client {client}: {debited} debited, {served} served")
            });
        }
        if let Some(usage) = closing.usage
            && (usage > served || served - usage > lost_usage)
        {
            self.find(Broken::Usage, || {
                format!("client {client}: {served} served, {usage} counted, {lost_usage} excused")
            });
        }
        for violation in &closing.violations {
            self.find(Broken::Invariant, || format!("client {client}: {violation}"));
        }
    }

    /// What it has found.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }
}

#[cfg(test)]
mod tests {
    use ids::Mint;

    use super::*;

    const AT: Duration = Duration::from_secs(1);
    const FIRST: Machine = Machine { place: 0, number: 0 };

    fn auditor() -> Auditor {
        let mut auditor = Auditor::new(1, 1, true);
        auditor.granted(0, 100);
        auditor
    }

    /// A client of whose 100 credits this many were debited.
    fn debited(debited: u64) -> Closing {
        let available = 100 - debited;
        Closing { granted: 100, available, debited, usage: Some(debited), ..Closing::default() }
    }

    fn broken(auditor: &Auditor) -> Vec<Broken> {
        auditor.verdict().broken.into_keys().collect()
    }

    #[test]
    fn what_was_granted_and_paid_for_is_in_order() {
        let mut auditor = auditor();
        auditor.served(0, 0, 100, AT);
        auditor.close(0, &debited(100));
        assert_eq!(broken(&auditor), []);
    }

    #[test]
    fn one_credit_too_many_is_found_at_once() {
        let mut auditor = auditor();
        auditor.served(0, 0, 101, AT);
        assert_eq!((broken(&auditor), auditor.verdict().oversold), (vec![Broken::Oversold], 1));
    }

    #[test]
    fn debits_that_are_missing_or_too_many_are_found() {
        for (debits, what) in [(9, Broken::LostDebit), (11, Broken::DoubleCharge)] {
            let mut auditor = auditor();
            auditor.served(0, 0, 10, AT);
            auditor.close(0, &Closing { usage: Some(10), ..debited(debits) });
            assert_eq!(broken(&auditor), [what]);
        }
    }

    #[test]
    fn a_lost_machine_excuses_what_it_alone_knew_and_no_more() {
        let lease = Mint::seeded([1; 32]).mint(1);
        for (debits, found) in [(7, vec![]), (6, vec![Broken::LostDebit])] {
            let mut auditor = auditor();
            auditor.served(0, 0, 10, AT);
            auditor.published(FIRST, 0, lease, 7, AT);
            // Again, and late: it says nothing new.
            auditor.published(FIRST, 0, lease, 4, AT);
            auditor.lost(0);
            auditor.close(0, &Closing { usage: Some(7), ..debited(debits) });
            assert_eq!(broken(&auditor), found);
            assert_eq!(auditor.verdict().bound, 3);
        }
    }

    #[test]
    fn usage_that_is_not_what_was_served_is_found() {
        let mut auditor = auditor();
        auditor.served(0, 0, 10, AT);
        auditor.close(0, &Closing { usage: Some(11), ..debited(10) });
        assert_eq!(broken(&auditor), [Broken::Usage]);
    }

    #[test]
    fn credits_that_do_not_come_back_are_found() {
        let mint = Mint::seeded([1; 32]);
        let (client, lease): (ClientId, LeaseId) = (mint.mint(1), mint.mint(2));
        let mut auditor = auditor();
        auditor.opened(0, client, lease, AT);
        auditor.ended(0, AT);
        assert_eq!(auditor.look(client, AT + BACK_WITHIN, |_| Some(8)), 8);
        assert_eq!(broken(&auditor), []);
        auditor.look(client, AT + BACK_WITHIN + AT, |_| Some(8));
        assert_eq!(broken(&auditor), [Broken::Stranded]);
        assert_eq!(auditor.orphaned(), [], "it is told once");
    }

    #[test]
    fn credits_that_are_nowhere_are_found() {
        let mut auditor = auditor();
        auditor.close(0, &Closing { available: 99, ..debited(0) });
        assert_eq!(broken(&auditor), [Broken::Balance]);
    }
}
