//! `POST /oauth/token`: a token for a client's id and secret (RFC 6749, 4.4).

use std::sync::Arc;
use std::time::Duration;

use auth::{
    ClientSecret, HashCost, KeyError, NewToken, SecretHasher, SigningKey, SigningKeys,
    TOKEN_LIFETIME, TokenIssuer,
};
use clock::Timestamp;
use edge::models::TokenReply;
use edge::{
    Body, OAuthError, OAuthErrorCode, Problem, Request, Response, client_credentials, form_body,
    reply,
};
use entitlements::{Entitlement, ScopeSet};
use gate::{Platform, parties, store_problem};
use ids::ClientId;
use maas_aws::StoreError;
use maas_aws::clients::ClientStore;
use maas_aws::keys::{Half, KeyStore, SIGNS_AFTER, StoredKey};
use tokio::sync::{Mutex, Semaphore};

/// The keys are read again this long after they were read.
const KEYS_TTL: Duration = Duration::from_secs(60);

/// How many secrets are verified at a time. Each takes 20 MB and tens of milliseconds of a core.
const VERIFIED_AT_ONCE: usize = 4;

/// Why no token can be issued.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The keys could not be read.
    #[error("the signing keys could not be read")]
    Store(#[from] StoreError),
    /// A key is no key.
    #[error("the signing key `{kid}` cannot be used")]
    Key {
        /// Its id.
        kid: String,
        /// Why not.
        #[source]
        error: KeyError,
    },
    /// There is no key.
    #[error("there is no signing key; make one with `memes keys rotate`")]
    None,
    /// The hasher cannot be made.
    #[error("secrets cannot be verified")]
    Hasher(#[from] auth::HashError),
}

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    clients: ClientStore,
    keys: KeyStore,
    issuer: TokenIssuer,
    keys_read: Mutex<Duration>,
    hasher: Arc<SecretHasher>,
    verifying: Semaphore,
}

impl Context {
    /// A context on what the process shares.
    ///
    /// # Errors
    /// [`StartError`] if there is no key to sign with.
    pub async fn new(platform: &Platform) -> Result<Self, StartError> {
        let keys = platform.core.aws.keys();
        let signing = read_keys(&keys, platform.core.clock.now()).await?;
        Ok(Self {
            clients: platform.core.aws.clients(),
            issuer: TokenIssuer::new(parties(platform.core.aws.config()), signing),
            keys_read: Mutex::new(platform.core.clock.monotonic()),
            keys,
            hasher: Arc::new(SecretHasher::new(HashCost::OWASP)?),
            verifying: Semaphore::new(VERIFIED_AT_ONCE),
            platform: platform.clone(),
        })
    }
}

/// Why no token was issued: in OAuth's words, or in the service's where it is at fault.
#[derive(Debug)]
enum Refused {
    OAuth(OAuthError),
    Problem(Problem),
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Issues one token.
///
/// # Errors
/// A problem where the service is at fault. What the client did wrong is a reply in OAuth's words.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    match issue(context, &request).await {
        Ok(token) => {
            let mut response = reply::ok(&token)?;
            // RFC 6749, 5.1.
            reply::set(&mut response, http::header::PRAGMA, "no-cache")?;
            Ok(response)
        }
        Err(Refused::OAuth(error)) => Ok(error.into()),
        Err(Refused::Problem(problem)) => Err(problem),
    }
}

async fn issue(context: &Context, request: &Request) -> Result<TokenReply, Refused> {
    let form = form_body(request)?;
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            return Err(OAuthError::new(
                OAuthErrorCode::UnsupportedGrantType,
                "`grant_type` must be `client_credentials`",
            )
            .into());
        }
        None => {
            return Err(OAuthError::new(
                OAuthErrorCode::InvalidRequest,
                "`grant_type` is missing; send `grant_type=client_credentials`",
            )
            .into());
        }
    }
    let credentials = client_credentials(request, &form)?;
    let wanted = form.get("scope").map(str::parse::<ScopeSet>).transpose();
    let wanted =
        wanted.map_err(|error| OAuthError::new(OAuthErrorCode::InvalidScope, error.to_string()))?;
    let entitlement =
        authenticated(context, &credentials.client_id, &credentials.client_secret).await?;

    let now = context.platform.core.clock.now();
    let allowed = entitlement.scopes_at(now);
    let scopes = match wanted {
        None => allowed,
        Some(wanted) if wanted.is_empty() => allowed,
        Some(wanted) if allowed.contains_all(wanted) => wanted,
        Some(_) => {
            return Err(OAuthError::new(
                OAuthErrorCode::InvalidScope,
                format!("the subscriptions of this client allow: {allowed}"),
            )
            .into());
        }
    };
    refresh_keys(context).await;
    let issued = context
        .issuer
        .issue(&NewToken {
            id: context.platform.core.mint.mint(now.as_millisecond()),
            client: entitlement.client,
            scopes,
            plan: entitlement.plan_at(now),
            epoch: entitlement.epoch,
            home: &entitlement.home,
            issued_at: now,
        })
        .map_err(Problem::internal)?;
    Ok(TokenReply {
        access_token: issued.token,
        token_type: "Bearer".to_owned(),
        expires_in: u32::try_from(TOKEN_LIFETIME.as_secs()).unwrap_or(u32::MAX),
        scope: scopes.to_string(),
    })
}

/// The entitlement of the client that these credentials are of. Whether the id or the secret is
/// wrong cannot be told, neither by the answer nor by the time it takes.
async fn authenticated(
    context: &Context,
    client_id: &str,
    client_secret: &str,
) -> Result<Entitlement, Refused> {
    let client = client_id.parse::<ClientId>().ok();
    let secret = client_secret.parse::<ClientSecret>().ok();
    let Some(secret) = secret else { return Err(OAuthError::invalid_client().into()) };
    let hashes = match client {
        Some(client) => context.clients.secret_hashes(client).await.map_err(store_problem)?,
        None => Vec::new(),
    };
    let permit = context.verifying.acquire().await.map_err(Problem::internal)?;
    let hasher = Arc::clone(&context.hasher);
    let verified = tokio::task::spawn_blocking(move || hasher.verify(&secret, &hashes))
        .await
        .map_err(Problem::internal)?;
    drop(permit);
    let (Some(client), true) = (client, verified) else {
        return Err(OAuthError::invalid_client().into());
    };
    context
        .clients
        .entitlement(client)
        .await
        .map_err(store_problem)?
        .filter(|entitlement| !entitlement.revoked)
        .ok_or_else(|| OAuthError::invalid_client().into())
}

async fn refresh_keys(context: &Context) {
    let Ok(mut read) = context.keys_read.try_lock() else { return };
    let now = context.platform.core.clock.monotonic();
    if now.saturating_sub(*read) < KEYS_TTL {
        return;
    }
    *read = now;
    match read_keys(&context.keys, context.platform.core.clock.now()).await {
        Ok(keys) => context.issuer.replace_keys(keys),
        // The keys that are known go on being used.
        Err(error) => tracing::warn!(%error, "the signing keys were not refreshed"),
    }
}

async fn read_keys(keys: &KeyStore, now: Timestamp) -> Result<SigningKeys, StartError> {
    let keys = keys.list(Half::Private).await?;
    let active = active(&keys, now).ok_or(StartError::None)?;
    let key = SigningKey::from_pem(&active.document)
        .map_err(|error| StartError::Key { kid: active.kid.clone(), error })?;
    Ok(SigningKeys::new(key, None))
}

/// The newest key that is old enough to sign; the oldest one where none is.
fn active(newest_first: &[StoredKey], now: Timestamp) -> Option<&StoredKey> {
    let signs =
        |key: &&StoredKey| key.created_at.checked_add(SIGNS_AFTER).is_ok_and(|from| from <= now);
    newest_first.iter().find(signs).or_else(|| newest_first.last())
}
