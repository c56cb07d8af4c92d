//! The way in: who calls, what they may do, and that it is paid for.
//!
//! - [`Gate::admit`] turns a request into a [`Caller`]: a verified token and the entitlement that
//!   stands behind it. Once both are in the process's memory this takes no I/O.
//! - [`Meter::charge`] takes the price of a call from a lease that the process holds, and says what
//!   the reply tells about limits.
//! - [`serve`] runs a metered function in Lambda, and looks after its leases between calls.
//! - [`Platform`] is what the functions that answer callers share, in one process.

mod admission;
mod fault;
mod home;
mod lambda;
mod meter;
mod pace;
mod platform;

pub use admission::{Caller, Gate, GateError};
pub use fault::{ledger_problem, store_problem};
pub use home::at_home;
pub use lambda::serve;
pub use ledger::Operation;
pub use meter::{Counted, Meter, Reserved};
pub use pace::SHARED_EVERY;
pub use platform::{Platform, StartError, parties};
