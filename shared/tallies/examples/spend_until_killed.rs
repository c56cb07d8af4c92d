//! Spends credits until it is killed, and says after each call how many it has made. The test of
//! what a killed process leaves behind starts it, with the folder of the tallies as its argument.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use clock::SystemClock;
use ids::Mint;
use ledger::{
    GrantRequest, GrantSource, Holder, LeasePolicy, Ledger as _, MemoryLedger, Operation, Stamp,
};
use tallies::MappedSlots;

const CREDITS: u64 = 1_000_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::args_os().nth(1).unwrap();
    let clock = SystemClock::shared();
    let mint = Arc::new(Mint::seeded([5; 32]));
    let ledger = Arc::new(MemoryLedger::new());
    let now_ms = clock.now_ms();
    let client = mint.mint(now_ms);
    let grant = GrantRequest {
        id: mint.mint(now_ms),
        credits: CREDITS,
        expires_at_ms: now_ms + 86_400_000,
        source: GrantSource::TopUp,
    };
    ledger.open(client).await.unwrap();
    let stamp = Stamp { entry: mint.mint(now_ms), at_ms: now_ms };
    ledger.grant(client, grant, stamp).await.unwrap();

    // One lease for all calls, so that none of them is reported while the process lives.
    let policy = LeasePolicy { initial: CREDITS, share: 1, ..LeasePolicy::default() };
    let slots = Arc::new(MappedSlots::open(Path::new(&folder)).unwrap());
    let holder = Arc::new(Holder::new(ledger, clock, mint, policy).with_slots(slots));
    let mut out = std::io::stdout().lock();
    for call in 1_u64.. {
        holder.spend(client, Operation::NormalMeme, 1).await.unwrap();
        // The answer: whoever reads this line was served.
        writeln!(out, "{call}").unwrap();
        out.flush().unwrap();
    }
}
