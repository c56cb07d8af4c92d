//! Making a client: its balance, its first credits, its secret and its subscriptions.
//!
//! The writes are ordered so that stopping anywhere leaves nothing wrong: the balance is opened and
//! granted first, and the client's record comes last. Without that record nobody can get a token,
//! so a client that can call always has its balance. Starting over with the same id finishes what
//! was begun: the first grant's id follows from the client's, so it is made once.

use std::sync::Arc;
use std::time::Duration;

use auth::{ClientSecret, HashError, SecretHasher};
use clock::Timestamp;
use entitlements::{Plan, Product, Status, Subscription};
use ids::{ClientId, GrantId, Id, Mint};
use ledger::policy::GRANTED_MAX;
use ledger::{GrantRequest, GrantSource, Ledger, LedgerError, Stamp};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::clients::{ClientStore, NewClient};
use crate::dynamo::StoreError;
use crate::ledger::DynamoLedger;

/// How long a subscription and its credits last when no payment provider says otherwise.
pub const PERIOD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Who subscribed the client, where it was not the payment provider.
pub const SOURCE: &str = "operator";

/// The longest name of a client, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// A client to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its id, where it has to be a certain one; otherwise a new one is made.
    pub client_id: Option<ClientId>,
    /// Its secret, where it has to be a certain one; otherwise a random one is made.
    pub secret: Option<ClientSecret>,
    /// What people call it.
    pub name: String,
    /// Its plan.
    pub plan: Plan,
    /// Whether it also gets Memes AI.
    pub ai: bool,
    /// Its first credits, given as a top-up; 0 for none. Without a number it gets those of a month
    /// of its plan.
    pub credits: Option<u64>,
    /// The Region that writes its records.
    pub home: String,
}

/// What became of a client to be made.
#[derive(Debug, Clone)]
pub enum Onboarded {
    /// It was made.
    Created(Created),
    /// There was one with its id already, and nothing was changed: its secret, plan and credits are
    /// what they were.
    AlreadyThere(ClientId),
}

/// A client that was made.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its id.
    pub client_id: ClientId,
    /// Its secret. Only a hash of it is kept, so this is the only time that it can be shown.
    pub secret: ClientSecret,
    /// How many credits it was granted.
    pub credits: u64,
    /// When its subscriptions' period and its credits end.
    pub period_end: Timestamp,
}

/// Why a client was not made.
#[derive(Debug, thiserror::Error)]
pub enum OnboardingError {
    /// The name is empty, too long, or has control characters.
    #[error("a name has 1 to {NAME_CHARS_MAX} characters, and no control characters")]
    Name,
    /// More credits than a client can have.
    #[error("a client can have at most {GRANTED_MAX} credits")]
    Credits,
    /// The end of the first period cannot be written.
    #[error("the end of the first period is out of range")]
    Time,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness for a secret")]
    Random,
    /// The secret could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The balance could not be opened or granted.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The client could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes clients.
#[derive(Debug, Clone)]
pub struct Onboarding {
    clients: ClientStore,
    ledger: Arc<DynamoLedger>,
    hasher: Arc<SecretHasher>,
    mint: Arc<Mint>,
}

impl Onboarding {
    /// Makes clients in `clients` with balances in `ledger`.
    #[must_use]
    pub fn new(
        clients: ClientStore,
        ledger: Arc<DynamoLedger>,
        hasher: SecretHasher,
        mint: Arc<Mint>,
    ) -> Self {
        Self { clients, ledger, hasher: Arc::new(hasher), mint }
    }

    /// Makes a client, unless there is one with the id that it has to have.
    ///
    /// # Errors
    /// [`OnboardingError`] says what failed. With a given id, trying again is safe after any of
    /// them; without one, a client may be left over whose secret nobody knows.
    pub async fn create(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<Onboarded, OnboardingError> {
        if !is_name(&account.name) {
            return Err(OnboardingError::Name);
        }
        let (credits, source) = match account.credits {
            Some(credits) => (credits, GrantSource::TopUp),
            None => (account.plan.terms().monthly_credits, GrantSource::Subscription),
        };
        if credits > GRANTED_MAX {
            return Err(OnboardingError::Credits);
        }
        let period_end = now.checked_add(PERIOD).map_err(|_| OnboardingError::Time)?;
        let now_ms = now.as_millisecond();

        if let Some(client) = account.client_id
            && self.clients.find(client).await?.is_some()
        {
            return Ok(Onboarded::AlreadyThere(client));
        }
        let client = account.client_id.unwrap_or_else(|| self.mint.mint::<ClientId>(now_ms));
        let secret = match account.secret {
            Some(secret) => secret,
            None => ClientSecret::from_random(random()?),
        };
        let secret_hash = self.hash(&secret).await?;

        self.ledger.open(client).await?;
        if credits > 0 {
            let grant = GrantRequest {
                id: first_grant(client),
                credits,
                expires_at_ms: period_end.as_millisecond(),
                source,
            };
            let stamp = Stamp { entry: self.mint.mint(now_ms), at_ms: now_ms };
            self.ledger.grant(client, grant, stamp).await?;
        }

        let new = NewClient {
            client,
            name: account.name,
            home: account.home,
            secret: self.mint.mint(now_ms),
            secret_hash,
            subscriptions: subscriptions(account.plan, account.ai, period_end),
        };
        match self.clients.create(new, now).await {
            Ok(()) => {
                Ok(Onboarded::Created(Created { client_id: client, secret, credits, period_end }))
            }
            // Somebody else was making the same client, or the answer to an attempt was lost.
            Err(StoreError::Conflict)
                if account.client_id.is_some() && self.clients.find(client).await?.is_some() =>
            {
                Ok(Onboarded::AlreadyThere(client))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn hash(&self, secret: &ClientSecret) -> Result<String, OnboardingError> {
        let (hasher, secret, salt) = (self.hasher.clone(), secret.clone(), random()?);
        let hash = tokio::task::spawn_blocking(move || hasher.hash(&secret, salt))
            .await
            .map_err(|_| HashError::Failed)??;
        Ok(hash)
    }
}

/// Whether a client can be called `name`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.trim().is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.chars().any(char::is_control)
}

/// The subscriptions of a client on `plan`, and to Memes AI if `ai`, paid for until `period_end`.
#[must_use]
pub fn subscriptions(plan: Plan, ai: bool, period_end: Timestamp) -> Vec<Subscription> {
    let mut products = vec![Product::Memes(plan)];
    if ai {
        products.push(Product::MemesAi);
    }
    products
        .into_iter()
        .map(|product| Subscription {
            product,
            status: Status::Active,
            period_end,
            source: SOURCE.to_owned(),
        })
        .collect()
}

/// The id of a client's first grant: the client's own, so that it is granted once however often it
/// is begun.
fn first_grant(client: ClientId) -> GrantId {
    GrantId::from_ulid(client.ulid())
}

fn random<const N: usize>() -> Result<[u8; N], OnboardingError> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|_| OnboardingError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        assert!(is_name("Ünïcode & Söhne 🙂"));
        assert!(is_name(&"é".repeat(NAME_CHARS_MAX)));
        for wrong in ["", "  ", "a\nb", "\u{1b}[2J", &"x".repeat(NAME_CHARS_MAX + 1)] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_client_on_a_plan_with_ai_has_two_subscriptions() {
        let of = |ai| subscriptions(Plan::Pro, ai, Timestamp::UNIX_EPOCH);
        assert_eq!(of(false).len(), 1);
        assert_eq!(of(true)[0].product, Product::Memes(Plan::Pro));
        assert_eq!(of(true)[1].product, Product::MemesAi);
        assert!(of(true).iter().all(|it| it.source == "operator"));
    }

    #[test]
    fn each_client_has_one_first_grant() {
        let mint = Mint::seeded([1; 32]);
        let (one, other) = (mint.mint(5), mint.mint(5));
        assert_eq!(first_grant(one), first_grant(one));
        assert_ne!(first_grant(one), first_grant(other));
    }

    #[test]
    fn randomness_is_not_repeated() {
        assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
    }
}
