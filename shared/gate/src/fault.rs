//! What a caller is told when a store gives no answer.

use edge::Problem;
use ledger::{LedgerError, StoreFault};
use maas_aws::StoreError;

/// When to try again, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// The problem behind a store that gave no answer: to be tried again if that may help, and a fault of
/// the service, which is recorded as one, if it does not.
#[must_use]
pub fn store_problem(error: StoreError) -> Problem {
    if error.may_pass() {
        Problem::overloaded(RETRY_AFTER_S).caused_by(error)
    } else {
        Problem::internal(error)
    }
}

/// The same behind a fault of the ledger that is not the caller's.
#[must_use]
pub fn ledger_problem(error: LedgerError) -> Problem {
    match error {
        LedgerError::Store(StoreFault::Throttled(_) | StoreFault::TimedOut(_))
        | LedgerError::Moving { .. }
        | LedgerError::Contended => Problem::overloaded(RETRY_AFTER_S).caused_by(error),
        error => Problem::internal(error),
    }
}
