//! The ledger's promises over fixed seeds, and that the auditor finds what breaks them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use sim::auditor::{BACK_WITHIN, Broken};
use sim::world::{Bug, Scenario, System};
use sim::{Outcome, run};

const SEEDS: [u64; 3] = [1, 7, 52];

fn outcome(scenario: &Scenario) -> Outcome {
    run(scenario).expect("a runtime can be made")
}

#[test]
fn one_seed_gives_one_run_to_the_last_event() {
    for system in System::ALL {
        let duration = Duration::from_secs(30);
        let [one, other, another] =
            [1, 1, 2].map(|seed| outcome(&Scenario { duration, ..Scenario::small(seed, *system) }));
        assert!(one.events > 50_000, "only {} events", one.events);
        assert_eq!((one.hash, one.events), (other.hash, other.events), "{}", system.name());
        assert_ne!(one.hash, another.hash);
    }
}

#[test]
fn the_ledger_keeps_its_promises_whatever_happens() {
    for seed in SEEDS {
        let Outcome { verdict, metrics, .. } = outcome(&Scenario::small(seed, System::Ledger));
        assert_eq!(verdict.findings, Vec::<String>::new(), "seed {seed}");
        assert!(verdict.broken.is_empty());
        // That nothing was found means little if nothing went wrong.
        assert!(metrics.served > 100_000, "{metrics:?}");
        assert!(metrics.exhausted > 1_000 && metrics.unanswered > 100, "{metrics:?}");
        assert!(verdict.bound > 0 && verdict.lost_with_machines <= verdict.bound);
        assert!(verdict.stranded_most > 0 && verdict.stranded_longest <= BACK_WITHIN);
    }
}

#[test]
fn the_shared_holder_keeps_the_same_promises() {
    for seed in SEEDS {
        let Outcome { verdict, metrics, .. } =
            outcome(&Scenario::small(seed, System::SharedHolder));
        assert_eq!(verdict.findings, Vec::<String>::new(), "seed {seed}");
        assert!(verdict.broken.is_empty());
        assert!(metrics.served > 100_000 && metrics.stock > 100_000, "{metrics:?}");
        assert!(metrics.exhausted > 1_000 && metrics.unanswered > 100, "{metrics:?}");
        assert!(verdict.bound > 0 && verdict.lost_with_machines <= verdict.bound);
        assert!(verdict.stranded_most > 0 && verdict.stranded_longest <= BACK_WITHIN);
    }
}

/// What the auditor finds when this is wrong with a system.
fn found(system: System, bug: Bug) -> BTreeSet<Broken> {
    // An escrow and its time in suspense are longer than a process's lease.
    let duration = Duration::from_secs(if system == System::SharedHolder { 150 } else { 100 });
    let scenario = Scenario { bug: Some(bug), duration, ..Scenario::small(1, system) };
    outcome(&scenario).verdict.broken.into_keys().collect()
}

macro_rules! planted {
    ($system:ident: $($name:ident: $bug:ident => $broken:ident;)*) => {
        $(
            #[test]
            fn $name() {
                let found = found(System::$system, Bug::$bug);
                assert!(found.contains(&Broken::$broken), "{found:?}");
            }
        )*
    };
}

planted! {
    Ledger:
    a_store_that_posts_twice_is_found: DoublePosting => DoubleCharge;
    holders_that_do_not_see_their_leases_end_are_found: StoppedClock => Oversold;
    a_reaper_without_evidence_is_found: NoEvidence => LostDebit;
    processes_that_take_nothing_over_are_found: NoTakeover => LostDebit;
    usage_that_is_added_up_is_found: UsageAdded => Usage;
    a_reaper_that_charges_in_full_is_found: ChargeInFull => DoubleCharge;
    a_reaper_that_does_not_come_is_found: NoReaper => Stranded;
    copies_that_are_later_than_allowed_are_found: VeryLateCopies => DoubleCharge;
    cuts_that_are_longer_than_is_borne_are_found: LongCuts => LostDebit;
    grants_that_are_made_twice_are_found: DoubleGrant => Balance;
}

planted! {
    SharedHolder:
    a_stock_that_comes_back_from_a_copy_is_found: StockReplayed => Oversold;
    a_stock_that_lends_from_ended_escrows_is_found: LendsTooLong => Oversold;
    a_stock_reaped_without_evidence_is_found: StockWithoutEvidence => LostDebit;
    escrows_of_which_usage_is_not_known_are_found: EscrowsUnknown => LostDebit;
}

#[test]
fn the_other_designs_break_what_they_are_known_to_break() {
    let broken = |system| {
        let verdict = outcome(&Scenario::small(1, system)).verdict;
        (verdict.oversold, verdict.lost_debits, verdict.double_charged)
    };
    let (oversold, lost, charged) = broken(System::WritePerCall);
    assert!((oversold, lost) == (0, 0) && charged > 0, "an answer that is lost is paid for");
    let (oversold, lost, charged) = broken(System::HeapLease);
    assert!(oversold > 0 && lost > 0 && charged == 0, "a killed process takes its counts with it");
    let (oversold, lost, charged) = broken(System::RegionCounter);
    assert!(oversold > 0 && lost > 0 && charged > 0, "a failover forgets and repeats");
}
