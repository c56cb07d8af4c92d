//! The in-memory reference passes the suite, bare and failing.

use std::sync::Arc;

use ledger::MemoryLedger;
use ledger::conformance::{Failing, run, run_branch, run_stale_plans};

#[tokio::test]
async fn the_reference_conforms() {
    run(Arc::new(MemoryLedger::new()), 1).await;
}

#[tokio::test]
async fn the_reference_keeps_the_stock_of_a_branch() {
    run_branch(Arc::new(MemoryLedger::new()), 1).await;
}

#[tokio::test]
async fn the_reference_refuses_stale_plans() {
    run_stale_plans(Arc::new(MemoryLedger::new()), 1).await;
}

#[tokio::test]
async fn the_reference_conforms_when_the_store_fails() {
    for seed in 0..50 {
        run(Arc::new(Failing::new(Arc::new(MemoryLedger::new()), seed)), seed).await;
    }
}
