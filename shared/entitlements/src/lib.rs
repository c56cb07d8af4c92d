//! Plans and subscriptions, and what they allow.
//!
//! A client has [`Subscription`]s: one to `memes` (free, pro or scale) and perhaps one to
//! `memes-ai`. What they amount to is materialised as one [`Entitlement`], which is all that a
//! request needs to be decided: its plan, its scopes, whether it gets AI memes
//! ([`decide_tier`]), and whether the client is revoked. Each change raises the entitlement's
//! epoch; the tokens of a client carry the epoch that they were issued under.
//!
//! [`EntitlementCache`] keeps entitlements in the memory of a process, so that deciding a request
//! costs no I/O; its documentation says why a revoked client is refused everywhere within 60 s.
//!
//! Nothing here knows where entitlements are stored, what HTTP is, or what time it is.

mod cache;
mod entitlement;
mod plan;
mod scope;
mod subscription;
mod tier;

pub use cache::{
    EntitlementCache, LoadEntitlement, NEGATIVE_TTL, REFRESH_AFTER, Refused, STALE_MAX, TTL,
};
pub use entitlement::{Entitlement, Profile};
pub use plan::{Plan, PlanTerms, UnknownPlan};
pub use scope::{Scope, ScopeSet, UnknownScope};
pub use subscription::{GRACE, Product, Status, Subscription};
pub use tier::{FallbackReason, NotEntitled, TierDecision, TierRequest, UnknownTier, decide_tier};
