//! The ledger on a real Valkey server: what it promises, and what becomes of it when the server is
//! killed, promoted, slow or full.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ids::{ClientId, GrantId, Id, JobId, LeaseId, Mint};
use ledger::conformance::{Failing, run, run_branch, run_stale_plans};
use ledger::invariants::violations;
use ledger::policy::GRANTED_MAX;
use ledger::{
    Balance, BalanceStore, Change, Commit, Companion, GrantRequest, GrantSource, Hold, HoldRequest,
    LeaseRequest, Leased, Ledger, LedgerError, Lender, MemoryLedger, Plan, Settlement, Stamp,
    StoreFault,
};
use maas_valkey::testing::Server;
use maas_valkey::{SHARDS, ValkeyLedger};
use tokio::time::{sleep, timeout};

const START_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 86_400_000;
const DEADLINE: Duration = Duration::from_secs(5);

fn durable(server: &Server) -> ValkeyLedger {
    ValkeyLedger::durable(&server.url(), DEADLINE).unwrap()
}

fn fenced(server: &Server) -> ValkeyLedger {
    ValkeyLedger::fenced(&server.url(), DEADLINE).unwrap()
}

/// Makes ids and requests.
struct Bench(Mint);

impl Bench {
    fn new() -> Self {
        Self(Mint::seeded([3; 32]))
    }

    fn id<T: Id>(&self) -> T {
        self.0.mint(START_MS)
    }

    fn stamp(&self, at_ms: i64) -> Stamp {
        Stamp { entry: self.id(), at_ms }
    }

    fn below(&self, end: u64) -> u64 {
        self.0.random_u64() % end
    }

    /// A client with one grant.
    async fn client(&self, ledger: &impl Ledger, credits: u64) -> ClientId {
        let client = self.id();
        ledger.open(client).await.unwrap();
        ledger.grant(client, grant(self.id(), credits), self.stamp(START_MS)).await.unwrap();
        client
    }

    async fn lease(
        &self,
        ledger: &impl Ledger,
        client: ClientId,
        want: u64,
    ) -> Result<Leased, LedgerError> {
        ledger.lease(client, lease(self.id(), want, vec![]), self.stamp(START_MS)).await
    }
}

fn grant(id: GrantId, credits: u64) -> GrantRequest {
    GrantRequest { id, credits, expires_at_ms: START_MS + DAY_MS, source: GrantSource::TopUp }
}

fn lease(id: LeaseId, want: u64, settle: Vec<Settlement>) -> LeaseRequest {
    LeaseRequest {
        id,
        renews: false,
        need: 1,
        want,
        share: 1,
        ttl_ms: 30_000,
        window_ms: 30_000,
        settle,
    }
}

async fn balance(ledger: &impl Ledger, client: ClientId) -> Balance {
    let balance = ledger.balance(client).await.unwrap();
    assert_eq!(violations(&balance, None), [], "{balance:?}");
    balance
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_modes_conform_on_one_server_and_on_a_cluster() {
    for (number, server) in [Server::start(), Server::cluster()].iter().enumerate() {
        for (mode, ledger) in [durable(server), fenced(server)].into_iter().enumerate() {
            let (ledger, first) = (Arc::new(ledger), 100 * (2 * number + mode) as u64);
            run(Arc::clone(&ledger), first).await;
            run_branch(Arc::clone(&ledger), first).await;
            run_stale_plans(Arc::clone(&ledger), first).await;
            for seed in first + 1..first + 8 {
                run(Arc::new(Failing::new(Arc::clone(&ledger), seed)), seed).await;
            }
        }
    }
}

/// Plans one change out of all kinds on `seen`, a balance as it is or as it once was, and on holds
/// that may be resolved by now, or were never made.
fn planned(
    bench: &Bench,
    seen: &Balance,
    held: &BTreeMap<JobId, Hold>,
    pool: &(Vec<GrantId>, Vec<LeaseId>, Vec<JobId>),
    at_ms: i64,
) -> Option<(Change, Option<Companion>)> {
    let (grants, leases, jobs) = pool;
    let pick = |of: usize| usize::try_from(bench.below(of as u64)).unwrap();
    let stamp = bench.stamp(at_ms);
    let settle: Vec<_> = (0..bench.below(3))
        .map(|_| Settlement {
            lease: leases[pick(leases.len())],
            escrow: None,
            used: bench.below(4),
            close: bench.below(2) == 0,
        })
        .collect();
    let job = jobs[pick(jobs.len())];
    match bench.below(8) {
        0 => {
            let id = grants[pick(grants.len())];
            let expires_at_ms = at_ms + 1 + bench.below(100_000).cast_signed();
            let request = GrantRequest { expires_at_ms, ..grant(id, 1 + bench.below(50)) };
            let Ok(Plan::Commit(change, ())) = seen.plan_grant(&request, stamp) else {
                return None;
            };
            Some((change, Some(Companion::Granted { id, credits: request.credits, at_ms })))
        }
        1..=3 => {
            let request = lease(leases[pick(leases.len())], 1 + bench.below(6), settle);
            match seen.plan_lease(&request, stamp) {
                Ok(Plan::Commit(change, _)) => Some((change, None)),
                _ => None,
            }
        }
        4 => match seen.plan_settle(&settle, stamp) {
            Ok(Plan::Commit(change, ())) => Some((change, None)),
            _ => None,
        },
        5 => {
            let request = HoldRequest { id: job, credits: 1 + bench.below(4) };
            let (change, hold) = seen.plan_hold(&request, stamp).ok()?;
            Some((change, Some(Companion::Hold { job, hold })))
        }
        6 => {
            let hold = held.get(&job)?;
            match seen.plan_resolve(job, hold, bench.below(hold.credits + 1), stamp) {
                Ok(Plan::Commit(change, hold)) => {
                    Some((change, Some(Companion::Resolution { job, hold })))
                }
                _ => None,
            }
        }
        _ => match seen.plan_reap(&[], stamp) {
            Plan::Commit(change, _) => Some((change, None)),
            Plan::Done(_) => None,
        },
    }
}

#[tokio::test]
async fn every_commit_ends_as_it_does_in_memory() {
    let server = Server::start();
    let (store, memory, bench) = (durable(&server), MemoryLedger::new(), Bench::new());
    let mut ends = [0; 3];
    for _ in 0..20 {
        let client = bench.id();
        let mut now_ms = START_MS;
        let pool = (
            (0..6).map(|_| bench.id()).collect(),
            (0..12).map(|_| bench.id()).collect(),
            (0..5).map(|_| bench.id()).collect(),
        );
        let (mut seen, mut held) = (vec![Balance::empty(client)], BTreeMap::new());
        store.create(seen[0].clone()).await.unwrap();
        memory.create(seen[0].clone()).await.unwrap();
        for _ in 0..200 {
            now_ms += bench.below(5_000).cast_signed();
            // Every third plan rests on a balance that is out of date.
            let back = if bench.below(3) == 0 { bench.below(6) } else { 0 };
            let at = seen.len().saturating_sub(1 + usize::try_from(back).unwrap());
            let Some((change, companion)) = planned(&bench, &seen[at], &held, &pool, now_ms) else {
                continue;
            };
            if let Some(Companion::Hold { job, hold }) = &companion {
                held.entry(*job).or_insert_with(|| hold.clone());
            }
            let expected = memory.commit(&seen[at], &change, companion.clone()).await.unwrap();
            let commit = store.commit(&seen[at], &change, companion.clone()).await.unwrap();
            assert_eq!(commit, expected, "{change:?} {companion:?}");
            ends[match commit {
                Commit::Done => 0,
                Commit::Moved(_) => 1,
                Commit::Companion | Commit::Unknown => 2,
            }] += 1;
            let (balance, holds) = memory.audit(client).unwrap();
            assert_eq!(store.load(client).await.unwrap().as_ref(), Some(&balance));
            assert_eq!(violations(&balance, Some(&holds)), []);
            for job in &pool.2 {
                let hold = store.load_hold(client, *job).await.unwrap();
                assert_eq!(hold.as_ref(), holds.get(job));
            }
            seen.push(balance);
        }
        // Nothing stays behind of what is gone: tag, seq, granted, entry, six accounts, and pairs.
        let last = seen.last().unwrap();
        let fields = 10 + 2 * (last.grants.len() + last.leases.len());
        let keys: Vec<String> = server.ask(&["KEYS", &format!("*balance:{client}")]);
        let kept: usize = server.ask(&["HLEN", &keys[0]]);
        assert_eq!(kept, fields + usize::from(last.due_at_ms.is_some()));
        for after_ms in [0, 40_000, DAY_MS] {
            let at_ms = START_MS + after_ms;
            let due = store.overdue(at_ms, 1_000).await.unwrap();
            assert_eq!(due, memory.overdue(at_ms, 1_000).await.unwrap());
        }
    }
    assert!(ends.iter().all(|count| *count > 50), "the plans were too much alike: {ends:?}");
}

#[tokio::test]
async fn the_largest_amounts_are_exact() {
    let server = Server::start();
    let (ledger, bench) = (durable(&server), Bench::new());
    let client = bench.client(&ledger, GRANTED_MAX - 1).await;
    // Each of two plans is good for itself; both together would be too much.
    let seen = balance(&ledger, client).await;
    for expected in [true, false] {
        let id = bench.id();
        let Plan::Commit(change, ()) =
            seen.plan_grant(&grant(id, 1), bench.stamp(START_MS)).unwrap()
        else {
            panic!("a new grant is a change");
        };
        let companion = Companion::Granted { id, credits: 1, at_ms: START_MS };
        let commit = ledger.commit(&seen, &change, Some(companion)).await.unwrap();
        assert_eq!(commit == Commit::Done, expected);
    }
    let id = bench.id();
    let stamp = bench.stamp(START_MS);
    let leased = ledger.lease(client, lease(id, GRANTED_MAX - 1, vec![]), stamp).await.unwrap();
    assert_eq!((leased.credits, leased.available), (GRANTED_MAX - 1, 1));
    let done = Settlement { lease: id, escrow: None, used: GRANTED_MAX - 2, close: true };
    ledger.settle(client, vec![done], bench.stamp(START_MS)).await.unwrap();
    let hold = HoldRequest { id: bench.id(), credits: 3 };
    let refused = ledger.hold(client, hold, bench.stamp(START_MS)).await;
    assert_eq!(refused.unwrap_err(), LedgerError::Exhausted { available: 2 });
    let now = balance(&ledger, client).await;
    assert_eq!((now.granted, now.accounts.spent), (GRANTED_MAX, GRANTED_MAX - 2));
    assert_eq!((now.accounts.available, now.accounts.leased), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_meet_on_one_balance_while_its_scripts_are_flushed() {
    let server = Server::start();
    let bench = Arc::new(Bench::new());
    for ledgers in [[durable(&server), durable(&server)], [fenced(&server), fenced(&server)]] {
        let client = bench.client(&ledgers[0], 5_000).await;
        let ledgers = ledgers.map(Arc::new);
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (ledger, bench) = (Arc::clone(&ledgers[writer % 2]), Arc::clone(&bench));
                tokio::spawn(async move {
                    let mut held = Vec::new();
                    for _ in 0..60 {
                        let (id, job, stamp) = (bench.id(), bench.id(), bench.stamp(START_MS));
                        ledger.lease(client, lease(id, 3, vec![]), stamp).await.unwrap();
                        let request = HoldRequest { id: job, credits: 2 };
                        ledger.hold(client, request, stamp).await.unwrap();
                        held.push(job);
                        let report = Settlement { lease: id, escrow: None, used: 1, close: true };
                        ledger.settle(client, vec![report], stamp).await.unwrap();
                        if bench.below(2) == 0 {
                            ledger.resolve(client, job, 1, stamp).await.unwrap();
                        }
                        // It rests on the whole balance: where others are quicker too often it is
                        // told so, and what is due stays due.
                        let reaped = ledger.reap(client, stamp).await;
                        assert!(
                            matches!(reaped, Ok(_) | Err(LedgerError::Contended)),
                            "{reaped:?}"
                        );
                        balance(&*ledger, client).await;
                    }
                    held
                })
            })
            .collect();
        let mut holds = BTreeMap::new();
        for writer in writers {
            while !writer.is_finished() {
                server.ask::<()>(&["SCRIPT", "FLUSH"]);
                sleep(Duration::from_millis(5)).await;
            }
            for job in writer.await.unwrap() {
                holds.insert(job, ledgers[0].load_hold(client, job).await.unwrap().unwrap());
            }
        }
        let now = balance(&*ledgers[1], client).await;
        assert_eq!(violations(&now, Some(&holds)), []);
        assert_eq!(holds.len(), 240);
        assert!(now.accounts.spent >= 240);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_remembers_what_it_answered() {
    let mut server = Server::durable();
    let (ledger, bench) = (Arc::new(durable(&server)), Arc::new(Bench::new()));
    let client = bench.client(&*ledger, 1_000_000).await;
    let (writing, by) = (Arc::clone(&ledger), Arc::clone(&bench));
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let writer = tokio::spawn(async move {
        let mut answered = 0;
        while !stop.load(Ordering::Relaxed) {
            let Ok(leased) = by.lease(&*writing, client, 1).await else { break };
            answered += leased.credits;
        }
        answered
    });
    sleep(Duration::from_millis(300)).await;
    server.kill();
    stopped.store(true, Ordering::Relaxed);
    let answered = writer.await.unwrap();
    assert!(answered > 10, "only {answered} leases before the kill");
    let fault = ledger.load(client).await.unwrap_err();
    // The question may have gone into a connection that nobody reads any more.
    assert!(matches!(fault, StoreFault::Failed(_) | StoreFault::TimedOut(_)), "{fault}");
    server.restart();
    let leased = balance(&*ledger, client).await.accounts.leased;
    // One more may have been made whose answer was lost.
    assert!([answered, answered + 1].contains(&leased), "{leased} of {answered}");
    let due = ledger.overdue(START_MS + DAY_MS, 10).await.unwrap();
    assert_eq!(due, [client]);
}

/// Two clients of one shard, with a grant each; the first one with a second grant, which is named.
async fn neighbours(ledger: &ValkeyLedger, bench: &Bench) -> (ClientId, GrantId) {
    let shard = |client: ClientId| u128::from(client.ulid()) % SHARDS;
    let (client, id) = (bench.client(ledger, 100).await, bench.id());
    ledger.grant(client, grant(id, 50), bench.stamp(START_MS)).await.unwrap();
    while shard(bench.client(ledger, 100).await) != shard(client) {}
    (client, id)
}

/// That nothing is left of a client which `ledger` could spend, and that it can begin anew.
async fn is_refused(ledger: &ValkeyLedger, bench: &Bench, client: ClientId, grant_id: GrantId) {
    assert_eq!(ledger.load(client).await.unwrap(), None);
    let answer = bench.lease(ledger, client, 1).await;
    assert_eq!(answer.unwrap_err(), LedgerError::UnknownClient);
    assert_eq!(ledger.overdue(START_MS + DAY_MS, 10).await.unwrap(), []);
    ledger.open(client).await.unwrap();
    let now = balance(ledger, client).await;
    assert_eq!(now, Balance { seq: now.seq, ..Balance::empty(client) });
    // Nor is there anything left beside it, or of its neighbour.
    let stamp = bench.stamp(START_MS);
    ledger.grant(client, grant(grant_id, 7), stamp).await.unwrap();
    assert_eq!(balance(ledger, client).await.accounts.available, 7);
    assert_eq!(ledger.overdue(START_MS + DAY_MS, 10).await.unwrap(), [client]);
}

#[tokio::test]
async fn what_a_restarted_server_finds_in_its_files_is_refused() {
    let mut server = Server::durable();
    let (ledger, bench) = (fenced(&server), Bench::new());
    let (client, id) = neighbours(&ledger, &bench).await;
    // A reaper has just planned when the server is killed.
    let (reaped, grant_id) = (bench.id(), bench.id());
    ledger.open(reaped).await.unwrap();
    ledger.grant(reaped, grant(grant_id, 5), bench.stamp(START_MS)).await.unwrap();
    let seen = balance(&ledger, reaped).await;
    let Plan::Commit(plan, _) = seen.plan_reap(&[], bench.stamp(START_MS + DAY_MS)) else {
        panic!("a grant that ended is due");
    };
    let kept: u64 = server.ask(&["DBSIZE"]);
    server.kill();
    server.restart();
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), kept);
    // The connection is found to be dead at the first request.
    let _ = ledger.load(client).await;
    is_refused(&ledger, &bench, client, id).await;
    assert_eq!(ledger.commit(&seen, &plan, None).await.unwrap(), Commit::Unknown);
    // The same grant and as many entries do not make it the same balance.
    ledger.open(reaped).await.unwrap();
    ledger.grant(reaped, grant(grant_id, 9), bench.stamp(START_MS)).await.unwrap();
    let now = balance(&ledger, reaped).await;
    let commit = ledger.commit(&seen, &plan, None).await.unwrap();
    assert_eq!(commit, Commit::Moved(Some(now)));
}

#[tokio::test]
async fn what_a_promoted_replica_remembers_is_refused() {
    let (primary, replica) = (Server::start(), Server::start());
    let (ledger, promoted, bench) = (fenced(&primary), fenced(&replica), Bench::new());
    let early = bench.client(&ledger, 100).await;
    replica.follow(&primary);
    // With its first replica a primary draws a new id.
    assert_eq!(ledger.load(early).await.unwrap(), None);

    let (client, id) = neighbours(&ledger, &bench).await;
    let kept: u64 = primary.ask(&["DBSIZE"]);
    while replica.ask::<u64>(&["DBSIZE"]) < kept {
        sleep(Duration::from_millis(10)).await;
    }
    // A replica may be behind, and answers nothing.
    for ledger in [&promoted, &durable(&replica)] {
        let fault = ledger.load(client).await.unwrap_err();
        assert!(matches!(fault, StoreFault::Throttled(_)), "{fault}");
    }
    // Nor does one that can be written to, although its id is its primary's.
    replica.ask::<()>(&["CONFIG", "SET", "replica-read-only", "no"]);
    let fault = promoted.load(client).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Throttled(_)), "{fault}");
    replica.ask::<()>(&["CONFIG", "SET", "replica-read-only", "yes"]);

    // It is promoted while its primary lives on.
    replica.promote();
    assert_eq!(bench.lease(&ledger, client, 150).await.unwrap().credits, 150);
    is_refused(&promoted, &bench, client, id).await;
    assert_eq!(balance(&ledger, client).await.accounts.leased, 150);

    // They change places: what the second primary had is nothing to the first, now the third.
    primary.follow(&replica);
    let fault = ledger.load(client).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Throttled(_)), "{fault}");
    primary.promote();
    is_refused(&ledger, &bench, client, id).await;
}

#[tokio::test]
async fn a_server_that_is_down_slow_or_full_is_named_as_such_in_time() {
    let mut server = Server::start();
    server.kill();
    let deadline = Duration::from_millis(300);
    let ledger = ValkeyLedger::durable(&server.url(), deadline).unwrap();
    let (bench, soon) = (Bench::new(), deadline * 3);
    let client = bench.id();
    let fault = timeout(soon, ledger.load(client)).await.unwrap().unwrap_err();
    assert!(matches!(fault, StoreFault::Failed(_)), "down: {fault}");

    server.restart();
    ledger.open(client).await.unwrap();
    server.ask::<()>(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let request = ledger.grant(client, grant(bench.id(), 5), bench.stamp(START_MS));
    let fault = timeout(soon, request).await.unwrap().unwrap_err();
    assert!(matches!(fault, LedgerError::Store(StoreFault::TimedOut(_))), "slow: {fault}");
    server.ask::<()>(&["CLIENT", "UNPAUSE"]);
    let request = ledger.grant(client, grant(bench.id(), 5), bench.stamp(START_MS));
    request.await.unwrap();

    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let fault = ledger.create(Balance::empty(bench.id())).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Throttled(_)), "full: {fault}");
    assert_eq!(balance(&ledger, client).await.granted % 5, 0);

    // It takes connections, and that is all.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let ledger = ValkeyLedger::durable(&url, deadline).unwrap();
    let fault = timeout(soon, ledger.load(client)).await.unwrap().unwrap_err();
    assert!(matches!(fault, StoreFault::Failed(_)), "silent: {fault}");
    assert!(ValkeyLedger::durable("no address", deadline).is_err());
}
