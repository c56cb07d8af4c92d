//! Tallies outlive the process that kept them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use clock::SystemClock;
use ids::{ClientId, Mint};
use ledger::{
    Holder, LeasePolicy, LeaseRequest, Leased, LedgerError, Lender, Settlement, Slots, Stamp,
};
use tallies::MappedSlots;

/// How many calls the process makes before it is killed, at least.
const CALLS: u64 = 5_000;

/// Lends whatever is asked for, and notes what is reported.
#[derive(Debug, Default)]
struct Generous(Mutex<Vec<Settlement>>);

impl Lender for Generous {
    async fn lease(
        &self,
        _: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        self.0.lock().unwrap().extend(request.settle);
        Ok(Leased {
            credits: request.want,
            available: 1_000_000,
            next_expiry_ms: None,
            until_ms: stamp.at_ms + request.ttl_ms,
            escrow: None,
        })
    }

    async fn settle(
        &self,
        _: ClientId,
        settlements: Vec<Settlement>,
        _: Stamp,
    ) -> Result<(), LedgerError> {
        self.0.lock().unwrap().extend(settlements);
        Ok(())
    }
}

fn holder(folder: &Path) -> (Arc<Holder<Generous>>, Arc<Generous>) {
    let lender = Arc::new(Generous::default());
    let slots: Arc<dyn Slots> = Arc::new(MappedSlots::open(folder).unwrap());
    let (clock, mint) = (SystemClock::shared(), Arc::new(Mint::seeded([6; 32])));
    let holder = Holder::new(Arc::clone(&lender), clock, mint, LeasePolicy::default());
    (Arc::new(holder.with_slots(slots)), lender)
}

#[tokio::test]
async fn a_killed_process_leaves_an_exact_count() {
    let folder = tempfile::tempdir().unwrap();
    // Cargo puts examples beside the folder that its tests are in.
    let test = std::env::current_exe().unwrap();
    let example = test.ancestors().nth(2).unwrap().join("examples/spend_until_killed");
    let mut child =
        Command::new(example).arg(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut served = 0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in &mut lines {
        served = line.unwrap().parse().unwrap();
        if served == CALLS {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(served >= CALLS, "{served}");

    let (next, lender) = holder(folder.path());
    next.sweep().await;
    let reports = lender.0.lock().unwrap().clone();
    let [report] = reports[..] else { panic!("{reports:?}") };
    assert!(report.close);
    // The last call may have been counted and not answered any more.
    assert!((served..=served + 1).contains(&report.used), "{served} served, {report:?}");
    // Accounted for, it is not found again.
    drop(next);
    let slots = MappedSlots::open(folder.path()).unwrap();
    assert!(slots.left_behind().is_empty());
}

#[test]
fn processes_that_live_do_not_touch_each_others_tallies() {
    let folder = tempfile::tempdir().unwrap();
    // A lock belongs to an open file, not to a process: in one process two stand for two.
    let (one, two) =
        (MappedSlots::open(folder.path()).unwrap(), MappedSlots::open(folder.path()).unwrap());
    let (a, b) = (one.claim(), two.claim());
    a.words()[0].store(1, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(b.words()[0].load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn more_leases_than_slots_are_kept_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let slots = MappedSlots::open(folder.path()).unwrap();
    let claimed: Vec<_> = (0..10_000).map(|_| slots.claim()).collect();
    assert_eq!(claimed.len(), 10_000);
    drop(claimed);
    assert!(format!("{:?}", slots.claim()).contains("MappedSlot"));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = MappedSlots::open(&file.path().join("below")).unwrap_err().to_string();
    assert!(error.contains("below"), "{error}");
}
