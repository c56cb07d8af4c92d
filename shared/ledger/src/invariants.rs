//! What is true of every balance at every instant. Tests, the simulation and production's proofs
//! use this one list.

use std::collections::BTreeMap;

use ids::JobId;

use crate::balance::{Balance, Hold, HoldState, LeaseState};
use crate::change::Account;

/// A balance that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The accounts do not add up to what was granted.
    #[error("the accounts hold {accounts} credits, but {granted} were granted")]
    Sum {
        /// All that was granted.
        granted: u64,
        /// The sum over the accounts.
        accounts: u128,
    },
    /// An account does not hold what its parts add up to.
    #[error("`{}` holds {account} credits, but its parts {parts}", .name.name())]
    Parts {
        /// Which account.
        name: Account,
        /// What it holds.
        account: u64,
        /// What grants, leases or holds add up to.
        parts: u128,
    },
    /// A lease reports more than it was given, or does not know where its credits came from.
    #[error("a lease does not account for its own credits")]
    Lease,
}

/// Checks a balance, and its holds where they are known.
#[must_use]
pub fn violations(balance: &Balance, holds: Option<&BTreeMap<JobId, Hold>>) -> Vec<Violation> {
    let mut found = Vec::new();
    let accounts: u128 =
        Account::ALL.iter().map(|account| u128::from(balance.accounts[*account])).sum();
    if accounts != u128::from(balance.granted) {
        found.push(Violation::Sum { granted: balance.granted, accounts });
    }
    let leases = |state: LeaseState| -> u128 {
        balance
            .leases
            .values()
            .filter(|lease| lease.state == state)
            .map(|lease| u128::from(lease.unreported()))
            .sum()
    };
    let left = balance.grants.values().map(|grant| u128::from(grant.left)).sum();
    let mut parts = vec![
        (Account::Available, left),
        (Account::Leased, leases(LeaseState::Open)),
        (Account::Suspense, leases(LeaseState::Lapsed)),
    ];
    if let Some(holds) = holds {
        let held = holds
            .values()
            .filter(|hold| hold.state == HoldState::Held)
            .map(|hold| u128::from(hold.credits))
            .sum();
        parts.push((Account::Held, held));
    }
    for (name, parts) in parts {
        let account = balance.accounts[name];
        if u128::from(account) != parts {
            found.push(Violation::Parts { name, account, parts });
        }
    }
    let accounted = balance.leases.values().all(|lease| {
        lease.used <= lease.amount && lease.taken.values().sum::<u64>() == lease.unreported()
    });
    if !accounted {
        found.push(Violation::Lease);
    }
    found
}
