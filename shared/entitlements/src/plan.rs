//! Plans of `memes`, and their terms.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::scope::{Scope, ScopeSet};

/// What a client subscribed to. Ordered by worth.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// What every client has that pays nothing.
    #[default]
    Free,
    /// For applications.
    Pro,
    /// For applications of many users.
    Scale,
}

/// What a plan gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanTerms {
    /// Credits granted at the start of each month.
    pub monthly_credits: u64,
    /// Calls per second before 429.
    pub burst_per_second: u32,
    /// What the tokens of the plan may be used for. Memes AI adds [`PlanTerms::AI_SCOPES`].
    pub scopes: &'static [Scope],
    /// Unfinished generations at one time, for a client that has Memes AI.
    pub generations_in_flight: u32,
    /// Webhook endpoints at one time.
    pub webhooks_max: u32,
}

const FREE: PlanTerms = PlanTerms {
    monthly_credits: 1_000,
    burst_per_second: 50,
    scopes: &[Scope::MemesRead, Scope::MemesCreate, Scope::AccountRead],
    generations_in_flight: 2,
    webhooks_max: 1,
};

const PRO: PlanTerms = PlanTerms {
    monthly_credits: 100_000,
    burst_per_second: 500,
    scopes: PAID_SCOPES,
    generations_in_flight: 8,
    webhooks_max: 5,
};

const SCALE: PlanTerms = PlanTerms {
    monthly_credits: 10_000_000,
    burst_per_second: 5_000,
    scopes: PAID_SCOPES,
    generations_in_flight: 64,
    webhooks_max: 20,
};

/// Who pays wants to hear when credits run low, so paid plans have webhooks without Memes AI too.
const PAID_SCOPES: &[Scope] =
    &[Scope::MemesRead, Scope::MemesCreate, Scope::AccountRead, Scope::WebhooksWrite];

impl PlanTerms {
    /// What Memes AI adds to the scopes of any plan.
    pub const AI_SCOPES: ScopeSet =
        ScopeSet::of(&[Scope::GenerationsCreate, Scope::GenerationsRead, Scope::WebhooksWrite]);
}

impl Plan {
    /// Every plan, by worth.
    pub const ALL: [Self; 3] = [Self::Free, Self::Pro, Self::Scale];

    /// What the plan gives.
    #[must_use]
    pub const fn terms(self) -> &'static PlanTerms {
        match self {
            Self::Free => &FREE,
            Self::Pro => &PRO,
            Self::Scale => &SCALE,
        }
    }

    /// The plan as tokens and documents write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Scale => "scale",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown plan: must be `free`, `pro` or `scale`")]
pub struct UnknownPlan;

impl FromStr for Plan {
    type Err = UnknownPlan;

    fn from_str(text: &str) -> Result<Self, UnknownPlan> {
        Self::ALL.into_iter().find(|plan| plan.as_str() == text).ok_or(UnknownPlan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_agree() {
        for plan in Plan::ALL {
            assert_eq!(plan.as_str().parse(), Ok(plan));
            assert_eq!(serde_json::to_string(&plan).unwrap(), format!("\"{plan}\""));
        }
        assert_eq!(
            "Pro".parse::<Plan>().unwrap_err().to_string(),
            "unknown plan: must be `free`, `pro` or `scale`"
        );
    }

    #[test]
    fn a_dearer_plan_gives_no_less() {
        for pair in Plan::ALL.windows(2) {
            let (less, more) = (pair[0].terms(), pair[1].terms());
            assert!(less.monthly_credits < more.monthly_credits);
            assert!(less.burst_per_second < more.burst_per_second);
            assert!(less.generations_in_flight < more.generations_in_flight);
            assert!(ScopeSet::of(more.scopes).contains_all(ScopeSet::of(less.scopes)));
        }
    }

    #[test]
    fn no_plan_alone_allows_generations() {
        for plan in Plan::ALL {
            let scopes = ScopeSet::of(plan.terms().scopes);
            assert!(!scopes.contains(Scope::GenerationsCreate));
            assert!(!scopes.contains(Scope::GenerationsRead));
        }
    }
}
