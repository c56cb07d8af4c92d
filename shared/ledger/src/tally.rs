//! What has become of one lease's credits, in a few words of memory.
//!
//! A [`Tally`] is all that changes when a credit is spent. Its words may lie in a file that is
//! mapped into memory, so that they outlive the process: whoever starts next on the machine reads
//! from them what a killed process had spent, to the credit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ids::{ClientId, Id, LeaseId, Ulid};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sync::atomic::{AtomicU64, Ordering};

/// How many words a tally has.
pub const WORDS: usize = 16;

/// The words of a tally.
pub type Words = [AtomicU64; WORDS];

/// What a credit is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A meme from the catalogue.
    NormalMeme,
    /// A meme from the pool of Memes AI.
    AiMeme,
    /// A meme with the client's own captions.
    CaptionedMeme,
    /// Pictures that are made for one prompt.
    Generation,
}

impl Operation {
    /// All operations. A tally has a word for each, in this order: add at the end, remove none.
    pub const ALL: [Self; 4] =
        [Self::NormalMeme, Self::AiMeme, Self::CaptionedMeme, Self::Generation];

    /// The operation's name in stores and replies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NormalMeme => "normal_meme",
            Self::AiMeme => "ai_meme",
            Self::CaptionedMeme => "captioned_meme",
            Self::Generation => "generation",
        }
    }
}

/// Calls, and the credits that they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// How many calls.
    pub calls: u64,
    /// How many credits.
    pub credits: u64,
}

impl Use {
    const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            credits: self.credits.saturating_add(other.credits),
        }
    }

    /// What there is more than in `other`.
    #[must_use]
    pub const fn beyond(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            credits: self.credits.saturating_sub(other.credits),
        }
    }
}

/// Calls and credits by what they were spent on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spending([Use; Operation::ALL.len()]);

impl Spending {
    /// One call of `operation`.
    #[must_use]
    pub fn on(operation: Operation, credits: u64) -> Self {
        std::iter::once((operation, Use { calls: 1, credits })).collect()
    }

    /// What was spent on `operation`.
    #[must_use]
    pub const fn of(&self, operation: Operation) -> Use {
        self.0[operation as usize]
    }

    /// Credits spent on anything.
    #[must_use]
    pub fn credits(&self) -> u64 {
        self.0.iter().fold(0, |sum, part| sum.saturating_add(part.credits))
    }

    /// Every operation with what was spent on it, the zeros too.
    pub fn iter(&self) -> impl Iterator<Item = (Operation, Use)> {
        Operation::ALL.into_iter().zip(self.0)
    }

    /// For each operation what there is more than in `other`.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        self.iter().map(|(operation, part)| (operation, part.beyond(other.of(operation)))).collect()
    }

    /// For each operation the sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// For each operation the greater of both.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        self.beyond(other).plus(other)
    }
}

impl Serialize for Spending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().filter(|(_, part)| *part != Use::default()))
    }
}

impl<'de> Deserialize<'de> for Spending {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<Operation, Use>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl FromIterator<(Operation, Use)> for Spending {
    fn from_iter<I: IntoIterator<Item = (Operation, Use)>>(parts: I) -> Self {
        let mut spending = Self::default();
        for (operation, part) in parts {
            let sum = &mut spending.0[operation as usize];
            *sum = sum.plus(part);
        }
        spending
    }
}

// Where things are. What changes with every call fills one cache line, what identifies the lease
// another. A tally whose mark is not the one that its identity demands is none: it was never begun,
// was interrupted while it was begun, or is done with.
const CLIENT: usize = 0;
pub(crate) const LEASE: usize = 2;
const AMOUNT: usize = 4;
const MARK: usize = 5;
const ESCROW: usize = 6;
const TAKEN: usize = 8;
const KEPT: usize = 9;

const CLOSED: u64 = 1 << 63;

// What is kept for an operation is one word, so that one addition counts the call and its credits.
const CREDITS_BITS: u32 = 40;
const CREDITS_MAX: u64 = (1 << CREDITS_BITS) - 1;
const CALL: u64 = 1 << CREDITS_BITS;
const CALLS_MAX: u64 = (1 << (64 - CREDITS_BITS)) - 1;

/// The most credits that a lease can have: as many calls can be counted in a tally, should each of
/// them cost one.
pub const LEASE_MAX: u64 = if CALLS_MAX < CREDITS_MAX { CALLS_MAX } else { CREDITS_MAX };

const _: () = assert!(KEPT + Operation::ALL.len() <= WORDS, "every operation has a word");

/// Words of memory that hold one tally, wherever they lie.
pub trait Slot: Send + Sync + fmt::Debug {
    /// The words.
    fn words(&self) -> &Words;
}

/// Where tallies are kept.
pub trait Slots: Send + Sync + fmt::Debug {
    /// Words that nobody else uses as long as the slot lives.
    fn claim(&self) -> Arc<dyn Slot>;

    /// What holders that are gone have left, each slot once.
    fn left_behind(&self) -> Vec<Arc<dyn Slot>> {
        Vec::new()
    }
}

/// Keeps tallies in this process's memory: they end with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeapSlots;

/// Aligned so that a tally's busy words are one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct HeapSlot(Words);

impl Slot for HeapSlot {
    fn words(&self) -> &Words {
        &self.0
    }
}

impl Slots for HeapSlots {
    fn claim(&self) -> Arc<dyn Slot> {
        Arc::new(HeapSlot::default())
    }
}

/// A slot that says which lease is asked for. It is written before the question is sent: whoever
/// finds it knows of a lease that may have been given, though its holder never had the answer.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    slot: Arc<dyn Slot>,
}

impl Announced {
    /// Announces a lease in `slot`.
    pub(crate) fn new(slot: Arc<dyn Slot>, client: ClientId, lease: LeaseId) -> Self {
        let words = slot.words();
        words[MARK].store(0, Ordering::Release);
        let identity = [halves(client.ulid()), halves(lease.ulid())].concat();
        for (at, half) in (CLIENT..).zip(&identity) {
            words[at].store(*half, Ordering::Relaxed);
        }
        words[AMOUNT].store(0, Ordering::Relaxed);
        for word in &words[ESCROW..] {
            word.store(0, Ordering::Relaxed);
        }
        words[MARK].store(mark(&identity), Ordering::Release);
        Self { slot }
    }

    /// The lease was given, out of `escrow` if a branch gave it, and this many credits can be taken.
    pub(crate) fn open(self, amount: u64, escrow: Option<LeaseId>) -> Tally {
        let words = self.slot.words();
        let halves = escrow.map_or([0, 0], |escrow| halves(escrow.ulid()));
        for (at, half) in (ESCROW..).zip(halves) {
            words[at].store(half, Ordering::Relaxed);
        }
        words[AMOUNT].store(amount, Ordering::Release);
        Tally { slot: self.slot, amount, escrow }
    }

    /// Nobody will use the lease, should it have been given.
    pub(crate) fn abandon(self) -> Tally {
        let tally = self.open(0, None);
        tally.close();
        tally
    }

    /// The lease was not given.
    pub(crate) fn withdraw(self) {
        self.slot.words()[MARK].store(0, Ordering::Release);
    }
}

/// What a lease's holder has done with its credits so far.
#[derive(Debug)]
pub(crate) struct Tally {
    slot: Arc<dyn Slot>,
    amount: u64,
    escrow: Option<LeaseId>,
}

impl Tally {
    /// Finds the tally that a holder which is gone has left in `slot`, and closes it. What that
    /// holder had taken for calls that it did not finish is released: their answers were not sent.
    pub(crate) fn find(slot: Arc<dyn Slot>) -> Option<(ClientId, LeaseId, Self)> {
        let words = slot.words();
        if !holds_tally(words) {
            return None;
        }
        words[TAKEN].store(spending(words).credits() | CLOSED, Ordering::Release);
        let amount = words[AMOUNT].load(Ordering::Acquire);
        let ulid = |at: usize| {
            let half = |at: usize| u128::from(words[at].load(Ordering::Relaxed));
            Ulid(half(at) << 64 | half(at + 1))
        };
        let (client, lease) = (ClientId::from_ulid(ulid(CLIENT)), LeaseId::from_ulid(ulid(LEASE)));
        let escrow = Some(ulid(ESCROW)).filter(|ulid| ulid.0 != 0).map(LeaseId::from_ulid);
        Some((client, lease, Self { slot, amount, escrow }))
    }

    /// The escrow that the lease was lent out of.
    pub(crate) const fn escrow(&self) -> Option<LeaseId> {
        self.escrow
    }

    /// Credits that the lease has.
    pub(crate) const fn amount(&self) -> u64 {
        self.amount
    }

    /// Takes `credits` and says how many are left, or nothing if they are too few or the tally is
    /// closed. What is taken is kept or released later.
    pub(crate) fn take(&self, credits: u64) -> Option<u64> {
        let taken = &self.slot.words()[TAKEN];
        let mut word = taken.load(Ordering::Relaxed);
        loop {
            // A closed tally has the highest bit set, so that nothing is left of it.
            let left = self.amount.checked_sub(word)?.checked_sub(credits)?;
            match taken.compare_exchange_weak(
                word,
                word + credits,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(left),
                Err(now) => word = now,
            }
        }
    }

    /// Credits that were taken are spent on `operation`.
    pub(crate) fn keep(&self, operation: Operation, credits: u64) {
        self.slot.words()[KEPT + operation as usize].fetch_add(CALL + credits, Ordering::AcqRel);
    }

    /// Credits that were taken are not needed.
    pub(crate) fn release(&self, credits: u64) {
        self.slot.words()[TAKEN].fetch_sub(credits, Ordering::AcqRel);
    }

    /// Nothing can be taken any more.
    pub(crate) fn close(&self) {
        self.slot.words()[TAKEN].fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Credits that are taken, whether or not they are kept.
    pub(crate) fn taken(&self) -> u64 {
        self.slot.words()[TAKEN].load(Ordering::Acquire) & !CLOSED
    }

    /// What was spent, never to be less.
    pub(crate) fn spending(&self) -> Spending {
        spending(self.slot.words())
    }

    /// Whether what was spent will not be more either.
    pub(crate) fn is_final(&self) -> bool {
        // What is kept was taken before. Once nothing more can be taken, both can only become equal.
        let kept = self.spending().credits();
        self.slot.words()[TAKEN].load(Ordering::Acquire) == kept | CLOSED
    }

    /// The lease is accounted for: nobody needs to find its tally.
    pub(crate) fn end(&self) {
        self.slot.words()[MARK].store(0, Ordering::Release);
    }
}

/// Whether there is a tally in `words`, of a lease that is not accounted for.
#[must_use]
pub fn holds_tally(words: &Words) -> bool {
    words[MARK].load(Ordering::Acquire) == mark(&identity(words))
}

fn identity(words: &Words) -> [u64; 4] {
    [CLIENT, CLIENT + 1, LEASE, LEASE + 1].map(|at| words[at].load(Ordering::Acquire))
}

fn spending(words: &Words) -> Spending {
    let mut spending = Spending::default();
    for (part, word) in spending.0.iter_mut().zip(&words[KEPT..]) {
        let word = word.load(Ordering::Acquire);
        *part = Use { calls: word >> CREDITS_BITS, credits: word & CREDITS_MAX };
    }
    spending
}

fn halves(ulid: Ulid) -> [u64; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
    [(ulid.0 >> 64) as u64, ulid.0 as u64]
}

/// Mixes an identity into one word that is never 0. Only an interruption is guarded against, for
/// which the multiply-and-rotate of `FxHash` is enough.
fn mark(identity: &[u64]) -> u64 {
    const SEED: u64 = 0x517c_c1b7_2722_0a95;
    let mixed =
        identity.iter().fold(0_u64, |hash, word| (hash.rotate_left(5) ^ word).wrapping_mul(SEED));
    mixed | 1
}
