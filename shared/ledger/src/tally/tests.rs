//! Unit tests of the tally.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ids::{ClientId, LeaseId, Mint};

use crate::tally::{Announced, HeapSlots, LEASE, Operation, Slot, Slots, Spending, Tally};

fn begun(amount: u64) -> (Tally, Arc<dyn Slot>, ClientId, LeaseId) {
    let mint = Mint::seeded([1; 32]);
    let (client, lease) = (mint.mint(1), mint.mint(2));
    let slot = HeapSlots.claim();
    let announced = Announced::new(Arc::clone(&slot), client, lease);
    (announced.open(amount, Some(mint.mint(3))), slot, client, lease)
}

#[test]
fn no_more_is_taken_than_there_is() {
    let (tally, ..) = begun(3);
    assert_eq!(tally.take(2), Some(1));
    assert_eq!(tally.take(2), None);
    assert_eq!(tally.take(u64::MAX), None);
    assert_eq!(tally.take(1), Some(0));
    assert_eq!(tally.take(1), None);
}

#[test]
fn a_closed_tally_gives_nothing_and_is_final_once_nothing_is_pending() {
    let (tally, ..) = begun(10);
    tally.take(2).unwrap();
    tally.take(3).unwrap();
    assert!(!tally.is_final());
    tally.close();
    assert_eq!(tally.take(1), None);
    tally.keep(Operation::NormalMeme, 2);
    assert!(!tally.is_final());
    tally.release(3);
    assert!(tally.is_final());
    assert_eq!((tally.taken(), tally.spending().credits()), (2, 2));
}

#[test]
fn what_is_found_is_what_was_spent_and_nothing_that_was_not_answered() {
    let (tally, slot, client, lease) = begun(10);
    tally.take(4).unwrap();
    tally.keep(Operation::AiMeme, 4);
    tally.take(1).unwrap();
    let (found_client, found_lease, found) = Tally::find(Arc::clone(&slot)).unwrap();
    assert_eq!((found_client, found_lease, found.amount()), (client, lease, 10));
    assert_eq!(found.escrow(), tally.escrow());
    assert!(found.escrow().is_some());
    assert_eq!(found.spending(), Spending::on(Operation::AiMeme, 4));
    assert!(found.is_final());
    found.end();
    assert!(Tally::find(slot).is_none());
}

#[test]
fn a_lease_that_was_only_asked_for_is_found_too() {
    let mint = Mint::seeded([1; 32]);
    let (client, lease) = (mint.mint(1), mint.mint(2));
    let slot = HeapSlots.claim();
    let announced = Announced::new(Arc::clone(&slot), client, lease);
    let (found_client, found_lease, found) = Tally::find(Arc::clone(&slot)).unwrap();
    assert_eq!((found_client, found_lease), (client, lease));
    assert!(found.is_final());
    assert_eq!((found.amount(), found.spending()), (0, Spending::default()));
    assert_eq!(found.escrow(), None);
    announced.withdraw();
    assert!(Tally::find(slot).is_none());
}

#[test]
fn words_that_were_never_or_only_half_written_are_no_tally() {
    assert!(Tally::find(HeapSlots.claim()).is_none());
    let (_, slot, ..) = begun(10);
    slot.words()[LEASE].store(7, Ordering::Relaxed);
    assert!(Tally::find(slot).is_none());
}

#[test]
fn spending_reads_as_names_and_leaves_out_zeros() {
    let spending = Spending::on(Operation::AiMeme, 4);
    let json = serde_json::to_string(&spending).unwrap();
    assert_eq!(json, r#"{"ai_meme":{"calls":1,"credits":4}}"#);
    assert_eq!(serde_json::from_str::<Spending>(&json).unwrap(), spending);
    let unknown = r#"{"tea":{"calls":1,"credits":1}}"#;
    assert!(serde_json::from_str::<Spending>(unknown).is_err());
}

#[test]
fn totals_are_compared_operation_by_operation() {
    let (a, b) = (Spending::on(Operation::AiMeme, 4), Spending::on(Operation::NormalMeme, 1));
    let both: Spending = a.iter().chain(b.iter()).collect();
    assert_eq!(a.max(&b), both);
    assert_eq!(both.max(&a), both);
    assert_eq!(both.beyond(&a), b);
    assert_eq!(a.beyond(&both), Spending::default());
    assert_eq!(both.credits(), 5);
}
