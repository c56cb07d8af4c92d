//! The ledger on DynamoDB passes the suite that the reference passes.

use std::sync::Arc;

use ledger::conformance::{Failing, run, run_branch, run_stale_plans};
use support::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_conforms() {
    let bench = Bench::start().await;
    run(Arc::new(bench.aws.ledger()), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_keeps_the_stock_of_a_branch() {
    let bench = Bench::start().await;
    run_branch(Arc::new(bench.aws.ledger()), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_refuses_stale_plans() {
    let bench = Bench::start().await;
    run_stale_plans(Arc::new(bench.aws.ledger()), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_conforms_when_it_fails() {
    let bench = Bench::start().await;
    for seed in 0..3 {
        run(Arc::new(Failing::new(Arc::new(bench.aws.ledger()), seed)), seed).await;
    }
}

/// Two processes, each with its own memory of the balances.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_remember_old_balances_agree() {
    use ids::Mint;
    use ledger::policy::RECONCILE_WINDOW_MS;
    use ledger::{GrantRequest, GrantSource, LeaseRequest, Ledger, Lender, Stamp};

    let bench = Bench::start().await;
    let (one, two) = (bench.aws.ledger(), bench.aws.ledger());
    let mint = Mint::seeded([9; 32]);
    let now_ms = 1_767_225_600_000;
    let stamp = || Stamp { entry: mint.mint(now_ms), at_ms: now_ms };
    let client = mint.mint(now_ms);
    one.open(client).await.unwrap();
    let grant = GrantRequest {
        id: mint.mint(now_ms),
        credits: 10,
        expires_at_ms: now_ms + 86_400_000,
        source: GrantSource::TopUp,
    };
    one.grant(client, grant, stamp()).await.unwrap();
    let lease = |want| LeaseRequest {
        id: mint.mint(now_ms),
        renews: false,
        need: 1,
        want,
        share: 1,
        ttl_ms: 30_000,
        window_ms: RECONCILE_WINDOW_MS,
        settle: vec![],
    };
    // Each plans on a balance that the other has changed since.
    for ledger in [&one, &two, &one, &two, &one] {
        assert_eq!(ledger.lease(client, lease(2), stamp()).await.unwrap().credits, 2);
    }
    for ledger in [&one, &two] {
        assert_eq!(ledger.lease(client, lease(1), stamp()).await.unwrap().credits, 0);
    }
    let balance = two.balance(client).await.unwrap();
    assert_eq!(ledger::invariants::violations(&balance, None), []);
    assert_eq!((balance.accounts.available, balance.accounts.leased), (0, 10));
}
