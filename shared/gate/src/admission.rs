//! Who calls, and what they may do.

use std::sync::Arc;
use std::time::Duration;

use auth::{
    Authenticator, InvalidJwks, Jwk, Jwks, PublicKeys, TokenCache, TokenError, TokenParties,
    VerifiedToken, Verifier,
};
use clock::{SharedClock, Timestamp};
use edge::Problem;
use entitlements::{Entitlement, EntitlementCache, LoadEntitlement, PlanTerms, Refused, Scope};
use http::header::AUTHORIZATION;
use ids::ClientId;
use lambda_http::Request;
use maas_aws::StoreError;
use maas_aws::clients::ClientStore;
use maas_aws::keys::{Half, KeyStore};
use tokio::sync::Mutex;

/// How many tokens and entitlements a process remembers.
const REMEMBERED: usize = 20_000;

/// The set of keys is read again this long after it was read, so that a retired key is gone.
const KEYS_TTL: Duration = Duration::from_secs(300);

/// An unknown key makes the set be read again, but not more often than this: anybody can invent a
/// key's name.
const KEYS_RETRY: Duration = Duration::from_secs(5);

/// Why the gate cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The keys could not be read.
    #[error("the signing keys could not be read")]
    Store(#[from] StoreError),
    /// A key that is kept is no key.
    #[error("the public key `{kid}` cannot be read")]
    Unreadable {
        /// Its id.
        kid: String,
    },
    /// There is no key.
    #[error("there are no usable public keys")]
    Keys(#[from] InvalidJwks),
}

/// Reads entitlements from the table of clients.
struct Loader(ClientStore);

impl LoadEntitlement for Loader {
    type Error = StoreError;

    async fn load(&self, client: ClientId) -> Result<Option<Entitlement>, StoreError> {
        self.0.entitlement(client).await
    }
}

/// Who calls: a client whose token is good and whose entitlement allows the scope that the
/// function needs.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its token.
    pub token: Arc<VerifiedToken>,
    /// What it may do.
    pub entitlement: Arc<Entitlement>,
    /// When it called.
    pub now: Timestamp,
}

impl Caller {
    /// The client.
    #[must_use]
    pub fn client(&self) -> ClientId {
        self.token.client
    }

    /// What its plan contains now.
    #[must_use]
    pub fn terms(&self) -> &'static PlanTerms {
        self.entitlement.plan_at(self.now).terms()
    }
}

/// Tells callers apart and knows what they may do.
pub struct Gate {
    authenticator: Authenticator,
    keys: KeyStore,
    /// When the keys were read last, by the monotonic clock.
    keys_read: Mutex<Duration>,
    entitlements: EntitlementCache<Loader>,
    clock: SharedClock,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate for tokens of `parties`.
    ///
    /// # Errors
    /// [`GateError`] if there are no keys to verify tokens with.
    pub async fn open(
        parties: &TokenParties,
        keys: KeyStore,
        clients: ClientStore,
        clock: SharedClock,
    ) -> Result<Self, GateError> {
        let public = PublicKeys::new(&read_keys(&keys).await?)?;
        let verifier = Verifier::new(parties, Arc::new(public));
        let cache = TokenCache::new(REMEMBERED);
        Ok(Self {
            authenticator: Authenticator::new(verifier, cache, Arc::clone(&clock)),
            keys,
            keys_read: Mutex::new(clock.monotonic()),
            entitlements: EntitlementCache::new(Loader(clients), Arc::clone(&clock), REMEMBERED),
            clock,
        })
    }

    /// The caller of a request, if it may do what `scope` stands for.
    ///
    /// # Errors
    /// The problem that the caller is told.
    pub async fn admit(&self, request: &Request, scope: Scope) -> Result<Caller, Problem> {
        let token = self.token_of(request).await?;
        if !token.scopes.contains(scope) {
            return Err(Problem::insufficient_scope(scope.as_str()));
        }
        let now = self.clock.now();
        let entitlement = self
            .entitlements
            .get(token.client, token.epoch, token.expires_at)
            .await
            .map_err(refused)?;
        // The token may be older than the end of a subscription.
        if !entitlement.scopes_at(now).contains(scope) {
            return Err(Problem::not_entitled(format!(
                "The scope `{}` is not part of your subscriptions any more; renew them.",
                scope.as_str()
            )));
        }
        Ok(Caller { token, entitlement, now })
    }

    /// Forgets what is known of a client, so that a change of it counts at once.
    pub fn forget(&self, client: ClientId) {
        self.entitlements.invalidate(client);
    }

    async fn token_of(&self, request: &Request) -> Result<Arc<VerifiedToken>, Problem> {
        let mut headers = request.headers().get_all(AUTHORIZATION).iter();
        let header = headers.next();
        if headers.next().is_some() {
            return Err(token_problem(&TokenError::Malformed));
        }
        let header = match header.map(http::HeaderValue::to_str) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => return Err(token_problem(&TokenError::Malformed)),
        };
        self.refresh_keys(KEYS_TTL).await;
        match self.authenticator.authenticate(header) {
            Err(TokenError::UnknownKey { .. }) => {
                self.refresh_keys(KEYS_RETRY).await;
                self.authenticator.authenticate(header)
            }
            answer => answer,
        }
        .map_err(|error| token_problem(&error))
    }

    /// Reads the keys again if they were read longer than `age` ago, unless somebody does already.
    async fn refresh_keys(&self, age: Duration) {
        let Ok(mut read) = self.keys_read.try_lock() else { return };
        let now = self.clock.monotonic();
        if now.saturating_sub(*read) < age {
            return;
        }
        *read = now;
        let replaced = match read_keys(&self.keys).await {
            Ok(jwks) => self.authenticator.verifier().keys().replace(&jwks).map_err(Into::into),
            Err(error) => Err(error),
        };
        if let Err(error) = replaced {
            // The keys that are known go on being used.
            tracing::warn!(error = %error, "the public keys were not refreshed");
        }
    }
}

async fn read_keys(keys: &KeyStore) -> Result<Jwks, GateError> {
    let keys = keys
        .list(Half::Public)
        .await?
        .into_iter()
        .map(|key| {
            serde_json::from_str::<Jwk>(&key.document)
                .map_err(|_| GateError::Unreadable { kid: key.kid })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Jwks { keys })
}

fn token_problem(error: &TokenError) -> Problem {
    match error {
        TokenError::Missing => Problem::token_missing(),
        TokenError::Expired => Problem::token_expired(),
        TokenError::Malformed => Problem::token_invalid("it is not one well-formed bearer token"),
        TokenError::UnknownKey { .. } | TokenError::Invalid(_) => {
            Problem::token_invalid("it was not issued for this service, or was changed since")
        }
    }
}

fn refused(reason: Refused<StoreError>) -> Problem {
    match reason {
        Refused::UnknownClient | Refused::Revoked => {
            Problem::token_invalid("its client is not active any more")
        }
        Refused::Unavailable(ref error) if !error.may_pass() => Problem::internal(reason),
        reason @ (Refused::Unavailable(_) | Refused::Interrupted) => {
            Problem::overloaded(1).caused_by(reason)
        }
    }
}
