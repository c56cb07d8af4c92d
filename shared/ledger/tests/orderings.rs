//! The tally under every interleaving of its callers, and with every value that a memory weaker
//! than this machine's may show them.
//!
//! The source of `ledger::tally` is compiled here once more, with Loom's atomics in place of the
//! machine's; see `src/sync.rs`. The orderings that it names do two things. Callers, the holder and
//! its reports agree on what was taken, kept and closed. And whatever cuts the process off, memory
//! holds no effect without its cause: no kept credit of a tally that does not say whose it is.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../src/tally.rs"]
#[allow(dead_code, unreachable_pub, reason = "only the tally itself is of interest here")]
mod tally;

mod sync {
    pub(crate) use loom::sync::atomic;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ids::{ClientId, LeaseId, Mint};
use loom::sync::atomic::Ordering::Acquire;
use loom::thread::{self, JoinHandle};

use self::tally::{
    Announced, HeapSlots, Operation, Slot, Slots, Spending, Tally, WORDS, holds_tally,
};

const NORMAL: Operation = Operation::NormalMeme;
const AI: Operation = Operation::AiMeme;

/// Goes through all interleavings in which threads are interrupted at most three times. Without that
/// bound one of the checks takes minutes.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

fn ids() -> (ClientId, LeaseId, LeaseId) {
    let mint = Mint::seeded([1; 32]);
    (mint.mint(1), mint.mint(2), mint.mint(3))
}

fn begun(amount: u64) -> Arc<Tally> {
    let (client, lease, escrow) = ids();
    Arc::new(Announced::new(HeapSlots.claim(), client, lease).open(amount, Some(escrow)))
}

/// A call: takes `credits` and, if there are as many, keeps or releases them. Says what it kept.
fn call(tally: &Arc<Tally>, credits: u64, keeps: Option<Operation>) -> JoinHandle<Option<u64>> {
    let tally = Arc::clone(tally);
    thread::spawn(move || {
        tally.take(credits)?;
        match keeps {
            Some(operation) => tally.keep(operation, credits),
            None => tally.release(credits),
        }
        Some(if keeps.is_some() { credits } else { 0 })
    })
}

#[test]
fn no_more_is_taken_than_there_is_and_all_of_it_is_kept_or_released() {
    model(|| {
        let tally = begun(3);
        let calls = [call(&tally, 2, Some(NORMAL)), call(&tally, 2, None)];
        let left = tally.take(1).expect("one is left, whatever the others take");
        assert!(left <= 2);
        assert!(tally.taken() <= 3);
        tally.keep(AI, 1);
        let kept: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        // Of two calls that need 2 of the other 2 credits, one has them, or one after the other.
        assert!(kept.iter().any(Option::is_some));
        let kept: u64 = kept.into_iter().flatten().sum();
        assert_eq!((tally.taken(), tally.spending().credits()), (kept + 1, kept + 1));
        assert_eq!(tally.take(3 - kept), None);
    });
}

#[test]
fn a_closed_tally_gives_nothing() {
    model(|| {
        let tally = begun(9);
        let calls = [call(&tally, 1, Some(NORMAL)), call(&tally, 2, Some(AI))];
        tally.close();
        let taken = tally.taken();
        assert_eq!(tally.take(1), None);
        let kept: u64 = calls.into_iter().filter_map(|call| call.join().unwrap()).sum();
        assert_eq!((tally.taken(), tally.spending().credits()), (taken, taken));
        assert_eq!(kept, taken);
        assert!(tally.is_final());
    });
}

#[test]
fn what_is_final_never_changes() {
    // That it is said at all is seen to, so that the check is not empty.
    let said_early = Arc::new(AtomicBool::new(false));
    let early = Arc::clone(&said_early);
    model(move || {
        let tally = begun(9);
        let calls = [call(&tally, 1, Some(NORMAL)), call(&tally, 2, None)];
        let closer = Arc::clone(&tally);
        let closer = thread::spawn(move || closer.close());
        // The report of somebody else than who closes, while calls are in flight.
        let reported = tally.is_final().then(|| tally.spending());
        closer.join().unwrap();
        let second = tally.is_final().then(|| tally.spending());
        if let (Some(first), second) = (reported, second) {
            assert_eq!(Some(first), second);
        }
        let kept: u64 = calls.into_iter().filter_map(|call| call.join().unwrap()).sum();
        assert!(tally.is_final());
        assert_eq!(tally.spending().credits(), kept);
        if let Some(reported) = second {
            assert_eq!(reported, tally.spending());
            early.store(true, Relaxed);
        }
    });
    assert!(said_early.load(Relaxed));
}

#[test]
fn a_report_is_never_less_than_the_one_before_nor_more_than_was_taken() {
    model(|| {
        let tally = begun(9);
        let calls = [call(&tally, 1, Some(NORMAL)), call(&tally, 2, Some(NORMAL))];
        let first = tally.spending();
        let second = tally.spending();
        let taken = tally.taken();
        assert_eq!(first.beyond(&second), Spending::default());
        assert!(second.credits() <= taken, "{second:?} of {taken}");
        for call in calls {
            call.join().unwrap();
        }
        let all = tally.spending().of(NORMAL);
        assert_eq!((all.calls, all.credits), (2, 3));
    });
}

/// The order in which words are written: whose the tally is, its mark, its escrow, its amount, what is
/// taken, what is kept.
const WRITTEN: [usize; WORDS] = [0, 1, 2, 3, 5, 6, 7, 4, 8, 9, 10, 11, 12, 13, 14, 15];

/// The words of `slot` as they are in memory should the process that writes them end now. Loads take
/// time: done from what is written last to what is written first, they find the cause of each effect
/// that they found, if it is there.
fn cut_off(slot: &Arc<dyn Slot>) -> Arc<dyn Slot> {
    let found = WRITTEN.into_iter().rev().map(|at| (at, slot.words()[at].load(Acquire)));
    let copy = HeapSlots.claim();
    for (at, word) in found {
        copy.words()[at].store(word, Relaxed);
    }
    copy
}

#[test]
fn what_a_killed_process_leaves_accounts_for_itself() {
    model(|| {
        let (client, lease, escrow) = ids();
        let slot = HeapSlots.claim();
        let announced = Announced::new(Arc::clone(&slot), client, lease);
        let process = thread::spawn(move || {
            let tally = announced.open(5, Some(escrow));
            tally.take(2).unwrap();
            tally.keep(NORMAL, 2);
        });
        let (found_client, found_lease, found) = Tally::find(cut_off(&slot)).unwrap();
        assert_eq!((found_client, found_lease), (client, lease));
        let spent = found.spending().credits();
        assert!(spent == 0 || spent == 2);
        assert!(spent <= found.amount(), "{spent} of {}", found.amount());
        if found.amount() > 0 {
            assert_eq!((found.amount(), found.escrow()), (5, Some(escrow)));
        }
        assert!(found.is_final());
        process.join().unwrap();
    });
}

#[test]
fn a_slot_is_nobodys_until_nothing_is_left_in_it_of_the_tally_before() {
    model(|| {
        let (client, old, new) = ids();
        let slot = HeapSlots.claim();
        let tally = Announced::new(Arc::clone(&slot), client, old).open(5, Some(new));
        tally.take(2).unwrap();
        tally.keep(NORMAL, 2);
        tally.close();
        tally.end();
        let mapped = Arc::clone(&slot);
        let process = thread::spawn(move || Announced::new(mapped, client, new));
        if holds_tally(slot.words()) {
            // Whoever sees the mark sees what was written before it.
            let (_, found_lease, found) = Tally::find(Arc::clone(&slot)).unwrap();
            assert_eq!((found_lease, found.amount(), found.escrow()), (new, 0, None));
            assert_eq!(found.spending(), Spending::default());
        }
        process.join().unwrap();
    });
}
