//! What goes over the wire: every request and every reply, as types.

mod webhook;

use std::fmt;

use clock::Timestamp;
use ids::{ClientId, EntryId, GrantId, JobId, LeaseId, MemeId, WebhookId};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

use crate::decode::whole;
use crate::page::LIMIT_DEFAULT;
use crate::problem::ProblemType;

pub use self::webhook::{
    CreateWebhook, DeliveryQuery, DeliveryView, TestData, WebhookPayload, WebhookSecretView,
    WebhookView,
};

/// The longest prompt, in characters.
pub const PROMPT_CHARS_MAX: usize = 1_000;

/// The most captions of one request. Templates take fewer.
pub const CAPTIONS_MAX: usize = 8;

/// The longest slug, in characters.
pub const SLUG_CHARS_MAX: usize = 40;

/// The longest search, in characters.
pub const SEARCH_CHARS_MAX: usize = 200;

/// What a slug looks like.
pub(crate) const SLUG_PATTERN: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";

/// The name of a template or a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 40, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "deploys")]
pub struct Slug(String);

impl Slug {
    /// The slug as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() <= SLUG_CHARS_MAX && text.split('-').all(word) {
            Ok(Self(text))
        } else {
            Err(de::Error::custom(
                "must be 1 to 40 lower-case letters and digits, in words joined by single hyphens",
            ))
        }
    }
}

fn text_of<'de, D: Deserializer<'de>>(deserializer: D, max: usize) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.trim().is_empty() || text.chars().count() > max {
        Err(de::Error::custom(format!("must have 1 to {max} characters, not all of them blank")))
    } else if text.contains(control) {
        Err(de::Error::custom("must have no control characters but tabs and line ends"))
    } else {
        Ok(text)
    }
}

fn prompt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_of(deserializer, PROMPT_CHARS_MAX)
}

fn search<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text_of(deserializer, SEARCH_CHARS_MAX).map(Some)
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = String::deserialize(deserializer)?;
    // RFC 3339 alone: the parser takes more, such as a time zone's name behind it.
    let plain = |c: char| c.is_ascii_digit() || "-:.+TtZz".contains(c);
    match text.parse() {
        Ok(moment) if text.chars().all(plain) => Ok(Some(moment)),
        _ => Err(de::Error::custom(
            "must be a time with its offset, such as `2026-01-31T00:00:00Z`; a `+` is sent as `%2B`",
        )),
    }
}

fn captions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let captions = Vec::<String>::deserialize(deserializer)?;
    if (1..=CAPTIONS_MAX).contains(&captions.len()) {
        Ok(captions)
    } else {
        Err(de::Error::custom(format!("must have 1 to {CAPTIONS_MAX} captions")))
    }
}

fn captions_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    struct Captions(Vec<String>);

    impl<'de> Deserialize<'de> for Captions {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            captions(deserializer).map(Self)
        }
    }

    let given = Option::<Captions>::deserialize(deserializer)?;
    Ok(given.map(|Captions(captions)| captions))
}

// `tt` and not `literal`: a derive cannot look into a literal that a macro has wrapped.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:tt,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
            pub enum $name {
                $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
            }

            impl $name {
                /// Every value, as it is written.
                pub const NAMES: &[&str] = &[$($text),*];

                /// The value as it is written.
                #[must_use]
                pub const fn as_str(self) -> &'static str {
                    match self { $(Self::$variant => $text,)* }
                }
            }
        )*
    };
}

names! {
    /// The tier that a request asks for.
    TierRequest {
        /// The best that the client has.
        #[default]
        Auto = "auto",
        /// AI or nothing.
        Ai = "ai",
        /// A normal meme.
        Normal = "normal",
    }
    /// The tier of a meme.
    Tier {
        /// A model made the picture.
        Ai = "ai",
        /// The picture is drawn on a template.
        #[default]
        Normal = "normal",
    }
    /// What to answer with.
    MemeFormat {
        /// The meme's description.
        #[default]
        Json = "json",
        /// The way to the picture.
        Image = "image",
    }
    /// What a picture is encoded as.
    PictureFormat {
        /// Lossless.
        Png = "png",
        /// Small.
        #[default]
        Jpg = "jpg",
        /// Smaller still.
        Webp = "webp",
    }
    /// The size of an AI picture in pixels.
    PictureSize {
        /// A square.
        Square1024 = "1024x1024",
        /// A bigger square.
        #[default]
        Square1200 = "1200x1200",
        /// Wide.
        Landscape1024 = "1024x768",
        /// High.
        Portrait1024 = "768x1024",
    }
    /// What to give when AI cannot make a picture.
    FallbackRequest {
        /// A normal meme, and the credits back.
        #[default]
        Normal = "normal",
        /// The credits back.
        None = "none",
    }
    /// Why a meme is a normal one.
    FallbackReason {
        /// The client does not have Memes AI.
        #[default]
        NotEntitled = "not_entitled",
        /// The client's credits do not reach for an AI meme.
        NoCredits = "no_credits",
        /// The prompt or the picture was refused.
        Moderated = "moderated",
        /// AI memes were not ready in time.
        Backlog = "backlog",
        /// The generation failed.
        Failed = "failed",
    }
    /// Where credits are.
    AccountName {
        /// Free to spend.
        #[default]
        Available = "available",
        /// With a process that serves the client.
        Leased = "leased",
        /// Set aside for a generation.
        Held = "held",
        /// With a process that was not heard of.
        Suspense = "suspense",
        /// Spent.
        Spent = "spent",
        /// Not spent in time.
        Expired = "expired",
    }
    /// Why credits moved.
    LedgerEntryKind {
        /// They came in.
        #[default]
        Grant = "grant",
        /// A process that serves the client took some, and may have reported on earlier ones.
        Lease = "lease",
        /// A process reported what was spent.
        Settle = "settle",
        /// Something was overdue: a process was not heard of, or credits were not spent in time.
        Reap = "reap",
        /// Some were set aside for a generation.
        Hold = "hold",
        /// A generation was paid; what it did not cost went back.
        Post = "post",
        /// A generation came to nothing; all that was set aside went back.
        Void = "void",
    }
    /// What credits are spent on.
    OperationName {
        /// A meme from the catalogue.
        #[default]
        NormalMeme = "normal_meme",
        /// A meme of Memes AI.
        AiMeme = "ai_meme",
        /// A meme with the client's own captions.
        CaptionedMeme = "captioned_meme",
        /// Pictures that were made for a prompt.
        Generation = "generation",
    }
    /// The length of a period of usage.
    UsagePeriod {
        /// A day, in UTC.
        #[default]
        Day = "day",
        /// An hour.
        Hour = "hour",
    }
    /// Where a generation stands.
    GenerationState {
        /// It waits for a worker.
        #[default]
        Queued = "queued",
        /// It is being made.
        Running = "running",
        /// As many memes as were asked for.
        Succeeded = "succeeded",
        /// Some memes, fewer than were asked for.
        Partial = "partial",
        /// No memes.
        Failed = "failed",
        /// Withdrawn by the client.
        Canceled = "canceled",
    }
    /// What an endpoint is told of.
    WebhookEventName {
        /// A generation ended with memes: as many as were asked for, or some of them.
        #[default]
        GenerationSucceeded = "generation.succeeded",
        /// A generation ended without memes.
        GenerationFailed = "generation.failed",
    }
    /// Whether an endpoint is told of anything.
    WebhookStatus {
        /// It is.
        #[default]
        Enabled = "enabled",
        /// It answered 410, and is told nothing any more. Register it again.
        Disabled = "disabled",
    }
    /// Where a delivery stands.
    DeliveryState {
        /// It was not accepted yet, and is tried again.
        #[default]
        Pending = "pending",
        /// The endpoint answered with 2xx.
        Delivered = "delivered",
        /// It was given up.
        Failed = "failed",
    }
    /// What went wrong with a delivery, last.
    DeliveryFailure {
        /// The endpoint answered with another status than 2xx. Redirects are not followed.
        #[default]
        Status = "status",
        /// The endpoint did not answer within 15 seconds.
        TimedOut = "timed_out",
        /// There was no connection to the endpoint, or none that lasted.
        Unreachable = "unreachable",
        /// The endpoint's host has an address that is not public.
        AddressRefused = "address_refused",
        /// The endpoint was disabled meanwhile.
        EndpointDisabled = "endpoint_disabled",
        /// The endpoint was deleted meanwhile.
        EndpointDeleted = "endpoint_deleted",
        /// What the event is about cannot be read any more.
        SubjectGone = "subject_gone",
        /// What came of the last attempt is not known.
        Unknown = "unknown",
    }
}

/// The query of `GET /v1/memes`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemeQuery {
    /// What the meme should be about.
    pub topic: Option<Slug>,
    /// The template that it should be on.
    pub template: Option<Slug>,
    /// AI or normal.
    #[serde(default)]
    pub tier: TierRequest,
    /// The description or the picture.
    #[serde(default)]
    pub format: MemeFormat,
}

/// The query of `GET /v1/templates`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateQuery {
    /// Words to look for.
    #[serde(default, deserialize_with = "search")]
    pub query: Option<String>,
    /// A topic that the templates should have.
    pub topic: Option<Slug>,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Templates on the page.
    #[serde(default = "default_limit", deserialize_with = "whole::<_, _, 1, 100>")]
    pub limit: u32,
}

/// The query of `GET /v1/generations`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationQuery {
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Generations on the page.
    #[serde(default = "default_limit", deserialize_with = "whole::<_, _, 1, 100>")]
    pub limit: u32,
    /// Only those in this state.
    pub state: Option<GenerationState>,
}

/// The query of `GET /v1/account/ledger`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerQuery {
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Entries on the page.
    #[serde(default = "default_limit", deserialize_with = "whole::<_, _, 1, 100>")]
    pub limit: u32,
}

/// The query of `GET /v1/account/usage`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    /// The first moment.
    #[serde(default, deserialize_with = "moment")]
    pub from: Option<Timestamp>,
    /// The moment behind the last one.
    #[serde(default, deserialize_with = "moment")]
    pub to: Option<Timestamp>,
    /// What is counted together.
    #[serde(default)]
    pub by: UsagePeriod,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Periods on the page.
    #[serde(default = "default_limit", deserialize_with = "whole::<_, _, 1, 100>")]
    pub limit: u32,
}

const fn default_limit() -> u32 {
    LIMIT_DEFAULT
}

const fn one() -> u8 {
    1
}

const fn default_deadline() -> u32 {
    300
}

/// The body of `POST /v1/memes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateMeme {
    /// The template to write on.
    pub template: Slug,
    /// What to write, box by box. The template says how many it takes.
    #[serde(deserialize_with = "captions")]
    #[schema(min_items = 1, max_items = 8)]
    pub captions: Vec<String>,
    /// What the picture is encoded as.
    #[serde(default)]
    #[schema(default = "jpg")]
    pub format: PictureFormat,
}

/// The body of `POST /v1/generations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGeneration {
    /// What the picture should show.
    #[serde(deserialize_with = "prompt")]
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0B\\x0C\\x0E-\\x1F\\x7F-\\x9F]*[^\\s\\x00-\\x1F\\x7F-\\x9F][^\\x00-\\x08\\x0B\\x0C\\x0E-\\x1F\\x7F-\\x9F]*$",
        example = "a cat that reads the logs at night"
    )]
    pub prompt: String,
    /// What the meme is about.
    pub topic: Option<Slug>,
    /// What to write on the picture. Without any, the service finds its own words.
    #[serde(default, deserialize_with = "captions_if_any")]
    #[schema(min_items = 1, max_items = 8)]
    pub captions: Option<Vec<String>>,
    /// How many pictures.
    #[serde(default = "one", deserialize_with = "whole::<_, _, 1, 4>")]
    #[schema(minimum = 1, maximum = 4, default = 1)]
    pub count: u8,
    /// How big they are.
    #[serde(default)]
    #[schema(default = "1200x1200")]
    pub size: PictureSize,
    /// The time there is, in seconds. What is not ready by then is not paid.
    #[serde(default = "default_deadline", deserialize_with = "whole::<_, _, 5, 3600>")]
    #[schema(minimum = 5, maximum = 3600, default = 300)]
    pub deadline_s: u32,
    /// What to give when AI cannot make a picture.
    #[serde(default)]
    #[schema(default = "normal")]
    pub fallback: FallbackRequest,
    /// The one endpoint that is told of the end, whatever it is registered for; without any, all that
    /// want to be.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^wh_[0-9A-HJKMNP-TV-Z]{26}$", example = "wh_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub webhook: Option<WebhookId>,
}

/// The form of `POST /oauth/token`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenForm {
    /// Always `client_credentials`.
    #[schema(pattern = "^client_credentials$", example = "client_credentials")]
    pub grant_type: String,
    /// Scopes between spaces; without any, all that the client has.
    #[schema(nullable = false)]
    pub scope: Option<String>,
    /// The client's id, when it is not in the `Authorization` header.
    #[schema(nullable = false)]
    pub client_id: Option<String>,
    /// The client's secret, when it is not in the `Authorization` header.
    #[schema(nullable = false)]
    pub client_secret: Option<String>,
}

/// An access token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenReply {
    /// The token. Never log it.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(pattern = "^Bearer$", example = "Bearer")]
    pub token_type: String,
    /// Seconds until it expires.
    #[schema(minimum = 0)]
    pub expires_in: u32,
    /// What it may be used for: scopes between spaces.
    #[schema(example = "memes:read memes:create account:read")]
    pub scope: String,
}

impl fmt::Debug for TokenReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReply")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A public key (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Jwk {
    /// The family of the key.
    #[schema(example = "RSA")]
    pub kty: String,
    /// What it is for.
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    pub usage: String,
    /// The algorithm.
    #[schema(example = "RS256")]
    pub alg: String,
    /// Its id, as the headers of tokens name it.
    pub kid: String,
    /// The modulus.
    pub n: String,
    /// The exponent.
    #[schema(example = "AQAB")]
    pub e: String,
}

/// The keys that tokens are verified with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Jwks {
    /// The keys, of which two may be valid at one time.
    pub keys: Vec<Jwk>,
}

/// Why something else was given than what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FallbackView {
    /// The reason.
    pub reason: FallbackReason,
}

/// Where a picture comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// Whether the file carries a C2PA manifest.
    pub c2pa: bool,
    /// The IPTC term for how the picture came about.
    #[schema(
        format = "uri",
        example = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    )]
    pub digital_source_type: String,
}

/// A meme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemeView {
    /// Its id.
    #[schema(value_type = String, pattern = "^meme_[0-9A-HJKMNP-TV-Z]{26}$", example = "meme_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub id: MemeId,
    /// AI or normal.
    pub tier: Tier,
    /// The picture.
    #[schema(format = "uri-reference")]
    pub url: String,
    /// Its width in pixels.
    #[schema(minimum = 1)]
    pub width: u32,
    /// Its height in pixels.
    #[schema(minimum = 1)]
    pub height: u32,
    /// The template, if it is on one.
    #[schema(required = true)]
    pub template: Option<String>,
    /// What is written on it.
    pub captions: Vec<String>,
    /// What is seen and what is written, for those who cannot see it.
    pub alt: String,
    /// What it is about.
    #[schema(required = true)]
    pub topic: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// What painted it; none for normal memes.
    #[schema(required = true)]
    pub model: Option<String>,
    /// Where an AI picture comes from; none for normal memes.
    #[schema(required = true)]
    pub provenance: Option<Provenance>,
    /// What it cost, in credits.
    #[schema(minimum = 0)]
    pub credits: u64,
    /// Why it is a normal meme where it could have been an AI one.
    #[schema(required = true)]
    pub fallback: Option<FallbackView>,
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateView {
    /// Its name in addresses.
    #[schema(example = "two-doors")]
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it is about.
    pub topics: Vec<String>,
    /// What the picture shows.
    pub description: String,
    /// Its width in pixels.
    #[schema(minimum = 1)]
    pub width: u32,
    /// Its height in pixels.
    #[schema(minimum = 1)]
    pub height: u32,
    /// How many captions it takes.
    #[schema(minimum = 1)]
    pub caption_count: u32,
    /// Captions that suit it.
    pub example_captions: Vec<String>,
    /// A picture with those captions.
    #[schema(format = "uri-reference")]
    pub example_url: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The entries of this page.
    pub data: Vec<T>,
    /// Send it as `cursor` for the next page; none on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// What a generation does to the client's credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct GenerationCredits {
    /// Set aside for it now.
    #[schema(minimum = 0)]
    pub held: u64,
    /// Paid.
    #[schema(minimum = 0)]
    pub spent: u64,
    /// Given back.
    #[schema(minimum = 0)]
    pub returned: u64,
}

/// Why a generation has fewer memes than were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemSummary {
    /// What kind of problem, as a URI reference to its document.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/problems/moderated")]
    pub kind: String,
    /// What the kind is called.
    pub title: String,
    /// What happened, and what to do.
    pub detail: String,
}

impl ProblemSummary {
    /// A problem of `kind`, explained.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self { kind: kind.uri().to_owned(), title: kind.title().to_owned(), detail: detail.into() }
    }
}

/// A generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GenerationView {
    /// Its id.
    #[schema(value_type = String, pattern = "^gen_[0-9A-HJKMNP-TV-Z]{26}$", example = "gen_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub id: JobId,
    /// Where it stands.
    pub state: GenerationState,
    /// What the picture should show.
    pub prompt: String,
    /// What it is about.
    #[schema(required = true)]
    pub topic: Option<String>,
    /// How many pictures were asked for.
    #[schema(minimum = 1, maximum = 4)]
    pub count: u8,
    /// How big they are.
    pub size: PictureSize,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it is too late.
    #[schema(value_type = String, format = DateTime)]
    pub deadline_at: Timestamp,
    /// Its place in the queue, 1 for the next; none once it is not queued.
    #[schema(required = true, minimum = 1)]
    pub position: Option<u32>,
    /// In how many seconds it should be done; none once it is.
    #[schema(required = true, minimum = 0)]
    pub eta_s: Option<u32>,
    /// What was made.
    pub memes: Vec<MemeView>,
    /// What it does to the credits.
    pub credits: GenerationCredits,
    /// Why there are normal memes among them.
    #[schema(required = true)]
    pub fallback: Option<FallbackView>,
    /// Why there are fewer than were asked for, or normal ones.
    #[schema(required = true)]
    pub problem: Option<ProblemSummary>,
}

/// A subscription of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionView {
    /// What is subscribed to.
    #[schema(example = "memes-ai")]
    pub product: String,
    /// Where it stands.
    #[schema(example = "active")]
    pub status: String,
    /// When the period that is paid for ends.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub period_end: Option<Timestamp>,
}

/// A client's credits. What was ever granted is the sum of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct BalanceView {
    /// All that came in.
    #[schema(minimum = 0)]
    pub granted: u64,
    /// Free to spend.
    #[schema(minimum = 0)]
    pub available: u64,
    /// With a process that serves the client, and spent there call by call.
    #[schema(minimum = 0)]
    pub leased: u64,
    /// Set aside for generations.
    #[schema(minimum = 0)]
    pub held: u64,
    /// With a process that was not heard of; on their way back.
    #[schema(minimum = 0)]
    pub suspense: u64,
    /// Spent.
    #[schema(minimum = 0)]
    pub spent: u64,
    /// Not spent in time.
    #[schema(minimum = 0)]
    pub expired: u64,
}

/// What a client's plan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsView {
    /// Credits granted each month.
    #[schema(minimum = 0)]
    pub monthly_credits: u64,
    /// Calls per second.
    #[schema(minimum = 0)]
    pub burst_per_second: u32,
    /// Unfinished generations at one time.
    #[schema(minimum = 0)]
    pub generations_in_flight: u32,
}

/// A client's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// The client.
    #[schema(value_type = String, pattern = "^cl_[0-9A-HJKMNP-TV-Z]{26}$", example = "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub client_id: ClientId,
    /// Its name.
    pub name: String,
    /// Its plan.
    #[schema(example = "pro")]
    pub plan: String,
    /// Whether it has Memes AI.
    pub ai: bool,
    /// What it subscribed to.
    pub subscriptions: Vec<SubscriptionView>,
    /// Its credits.
    pub balance: BalanceView,
    /// What its plan allows.
    pub limits: LimitsView,
}

/// Credits that moved from one place to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MovementView {
    /// Where they were; none for credits that came in.
    #[schema(required = true)]
    pub from: Option<AccountName>,
    /// Where they are.
    pub to: AccountName,
    /// How many.
    #[schema(minimum = 1)]
    pub credits: u64,
}

/// An entry of a client's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerEntryView {
    /// Its id.
    #[schema(value_type = String, pattern = "^ent_[0-9A-HJKMNP-TV-Z]{26}$", example = "ent_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub id: EntryId,
    /// Its place among the client's entries, from 1 on. Entries that move nothing have places too,
    /// and are left out.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// Why credits moved.
    pub kind: LedgerEntryKind,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What moved.
    #[schema(min_items = 1)]
    pub movements: Vec<MovementView>,
    /// The generation that it is about.
    #[schema(required = true, value_type = Option<String>, pattern = "^gen_[0-9A-HJKMNP-TV-Z]{26}$", example = "gen_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub generation_id: Option<JobId>,
    /// The grant that it is about.
    #[schema(required = true, value_type = Option<String>, pattern = "^grn_[0-9A-HJKMNP-TV-Z]{26}$", example = "grn_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub grant_id: Option<GrantId>,
    /// The lease that it is about.
    #[schema(required = true, value_type = Option<String>, pattern = "^lse_[0-9A-HJKMNP-TV-Z]{26}$", example = "lse_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub lease_id: Option<LeaseId>,
}

/// Calls of one kind, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperationUsage {
    /// What was called for.
    pub operation: OperationName,
    /// How often.
    #[schema(minimum = 0)]
    pub calls: u64,
    /// What it cost, in credits.
    #[schema(minimum = 0)]
    pub credits: u64,
}

/// What was used within one period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsagePeriodView {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    pub begins: Timestamp,
    /// What was used, kind by kind; kinds that were not used are left out.
    pub operations: Vec<OperationUsage>,
}

/// What was used in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageTotals {
    /// Calls.
    #[schema(minimum = 0)]
    pub calls: u64,
    /// What they cost, in credits.
    #[schema(minimum = 0)]
    pub credits: u64,
    /// The same, kind by kind.
    pub operations: Vec<OperationUsage>,
}

/// One page of a client's usage, the earliest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsagePage {
    /// When the first period begins.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// When the last period ends.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// The length of the periods.
    pub by: UsagePeriod,
    /// What was used from `from` to `to`, on this page or not.
    pub totals: UsageTotals,
    /// The periods of this page; those in which nothing was used are left out.
    pub data: Vec<UsagePeriodView>,
    /// Send it as `cursor` for the next page; none on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// How the service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// Always `ok`; a service that is not does not answer.
    #[schema(example = "ok")]
    pub status: String,
    /// The version that answers.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Which of the copies side by side answers, where there are several.
    #[schema(required = true, example = "blue")]
    pub colour: Option<String>,
}

/// The document of a type of problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemTypeView {
    /// The type's URI reference.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/problems/not-found")]
    pub kind: String,
    /// What it is called.
    pub title: String,
    /// The status of replies with it.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What it means and what to do.
    pub explanation: String,
}

impl From<ProblemType> for ProblemTypeView {
    fn from(kind: ProblemType) -> Self {
        Self {
            kind: kind.uri().to_owned(),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            explanation: kind.explanation().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::from_json;

    #[test]
    fn a_meme_is_as_the_contract_has_it() {
        let meme = MemeView {
            id: "meme_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap(),
            tier: Tier::Ai,
            url: "https://example.com/x.jpg".to_owned(),
            width: 1200,
            height: 1200,
            template: None,
            captions: vec!["it works".to_owned()],
            alt: "a cat".to_owned(),
            topic: Some("deploys".to_owned()),
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            model: Some("composer".to_owned()),
            provenance: Some(Provenance { c2pa: true, digital_source_type: "x".to_owned() }),
            credits: 2,
            fallback: None,
        };
        assert_eq!(
            serde_json::to_string(&meme).unwrap(),
            concat!(
                r#"{"id":"meme_01J9ZK3V7N8Q4R5S6T7V8W9X0Y","tier":"ai","#,
                r#""url":"https://example.com/x.jpg","width":1200,"height":1200,"template":null,"#,
                r#""captions":["it works"],"alt":"a cat","topic":"deploys","#,
                r#""created_at":"2026-01-01T00:00:00Z","model":"composer","#,
                r#""provenance":{"c2pa":true,"digital_source_type":"x"},"credits":2,"#,
                r#""fallback":null}"#,
            )
        );
    }

    #[test]
    fn a_generation_has_defaults() {
        let least: CreateGeneration = from_json(br#"{"prompt":"a cat"}"#).unwrap();
        assert_eq!(
            least,
            CreateGeneration {
                prompt: "a cat".to_owned(),
                topic: None,
                captions: None,
                count: 1,
                size: PictureSize::Square1200,
                deadline_s: 300,
                fallback: FallbackRequest::Normal,
                webhook: None,
            }
        );
        let nulls = br#"{"prompt":"a cat","topic":null,"captions":null,"webhook":null}"#;
        assert_eq!(from_json::<CreateGeneration>(nulls).unwrap(), least);
    }

    #[test]
    fn a_generation_out_of_bounds_is_refused() {
        let fault = |json: &str| {
            let error = from_json::<CreateGeneration>(json.as_bytes()).unwrap_err();
            format!("{} {}", error.pointer.unwrap(), error.detail)
        };
        let long = format!("{{\"prompt\":\"{}\"}}", "é".repeat(1_001));
        for (json, wanted) in [
            (&*long, "/prompt must have 1 to 1000 characters, not all of them blank"),
            (r#"{"prompt":" "}"#, "/prompt must have 1 to 1000 characters, not all of them blank"),
            (
                r#"{"prompt":"a\u0000"}"#,
                "/prompt must have no control characters but tabs and line ends",
            ),
            (r#"{"prompt":"a","captions":[]}"#, "/captions must have 1 to 8 captions"),
            (r#"{"prompt":"a","count":0}"#, "/count must be a whole number from 1 to 4"),
            (
                r#"{"prompt":"a","deadline_s":4}"#,
                "/deadline_s must be a whole number from 5 to 3600",
            ),
            (
                r#"{"prompt":"a","size":"1x1"}"#,
                "/size must be `1024x1024`, `1200x1200`, `1024x768` or `768x1024`",
            ),
            (r#"{"prompt":"a","fallback":null}"#, "/fallback must be `normal` or `none`"),
            (
                r#"{"prompt":"a","seed":7}"#,
                "/seed is not known here; remove it, or use `prompt`, `topic`, `captions`, \
                 `count`, `size`, `deadline_s`, `fallback` or `webhook`",
            ),
            (r#"{"prompt":"a","webhook":"https://example.com"}"#, "/webhook must begin with `wh_`"),
        ] {
            assert_eq!(fault(json), wanted);
        }
    }

    #[test]
    fn names_are_described_as_they_are_written() {
        fn check<T>(names: &[&str])
        where
            T: ToSchema + Serialize + for<'de> Deserialize<'de>,
        {
            let schema = serde_json::to_value(T::schema()).unwrap();
            assert_eq!(schema["enum"], serde_json::json!(names));
            for name in names {
                let value = serde_json::Value::from(*name);
                let read: T = serde_json::from_value(value.clone()).unwrap();
                assert_eq!(serde_json::to_value(read).unwrap(), value);
            }
        }
        check::<TierRequest>(TierRequest::NAMES);
        check::<Tier>(Tier::NAMES);
        check::<MemeFormat>(MemeFormat::NAMES);
        check::<PictureFormat>(PictureFormat::NAMES);
        check::<PictureSize>(PictureSize::NAMES);
        check::<FallbackRequest>(FallbackRequest::NAMES);
        check::<FallbackReason>(FallbackReason::NAMES);
        check::<GenerationState>(GenerationState::NAMES);
        check::<AccountName>(AccountName::NAMES);
        check::<LedgerEntryKind>(LedgerEntryKind::NAMES);
        check::<OperationName>(OperationName::NAMES);
        check::<UsagePeriod>(UsagePeriod::NAMES);
        check::<WebhookEventName>(WebhookEventName::NAMES);
        check::<WebhookStatus>(WebhookStatus::NAMES);
        check::<DeliveryState>(DeliveryState::NAMES);
        check::<DeliveryFailure>(DeliveryFailure::NAMES);
    }

    #[test]
    fn slugs_are_words_and_hyphens() {
        let read = |text: &str| serde_json::from_value::<Slug>(text.into()).is_ok();
        for good in ["a", "two-doors", "c4", &"x".repeat(40)] {
            assert!(read(good), "{good}");
        }
        for bad in ["", "-", "a-", "a--b", "A", "é", "a_b", "a b", &"x".repeat(41)] {
            assert!(!read(bad), "{bad}");
        }
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        let token = TokenReply {
            access_token: "eyJ".to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: 900,
            scope: String::new(),
        };
        assert!(!format!("{token:?}").contains("eyJ"));
    }
}
