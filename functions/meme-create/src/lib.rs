//! `POST /v1/memes`: a template with the client's captions.

use catalogue::{Catalogue, Template, check_captions, stored};
use edge::models::CreateMeme;
use edge::{
    Body, FieldError, IdempotencyKey, Problem, RateLimits, Request, Response, instance, json_body,
    no_query, payload_fingerprint, reply,
};
use entitlements::Scope;
use gate::{Caller, Operation, Platform, Reserved, store_problem};
use generations::NORMAL_MEME_CREDITS;
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use ids::MemeId;
use maas_aws::idempotency::{Answer, Claim, IdempotencyStore, KeyedRequest};
use maas_aws::memes::{MemeRecord, MemeStore, Picture};
use views::{Memes, image_path};

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    catalogue: &'static Catalogue,
    store: MemeStore,
    idempotency: IdempotencyStore,
    memes: Memes,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        Self {
            catalogue: Catalogue::embedded(),
            store: platform.core.aws.memes(),
            idempotency: platform.core.aws.idempotency(),
            memes: Memes::new(
                platform.core.aws.pictures(),
                platform.core.aws.config().base_url.clone(),
            ),
            platform: platform.clone(),
        }
    }
}

/// Makes one meme.
///
/// # Errors
/// The problem that the client is told; a denied call costs nothing.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let caller = context.platform.gate.admit(&request, Scope::MemesCreate).await?;
    no_query(&request)?;
    let key = IdempotencyKey::of(&request)?;
    let wanted: CreateMeme = json_body(&request)?;
    let template = template(context, &wanted)?;
    let id = stored(context.platform.core.mint.mint(caller.now.as_millisecond()));
    let (answer, limits) = match &key {
        None => {
            let (meme, reserved) = make(context, &caller, id, template, &wanted).await?;
            (answer(context, &meme).await?, reserved.keep())
        }
        Some(key) => {
            let fingerprint =
                payload_fingerprint(request.method(), &instance(&request), request.body());
            let keyed = KeyedRequest {
                client: caller.client(),
                key: key.as_str(),
                fingerprint: &fingerprint,
            };
            once(context, &caller, id, template, &wanted, keyed).await?
        }
    };
    let mut response = Response::new(Body::Text(answer.body));
    *response.status_mut() = StatusCode::CREATED;
    reply::set(&mut response, CONTENT_TYPE, "application/json")?;
    reply::set(&mut response, LOCATION, &answer.location)?;
    limits.write(response.headers_mut());
    Ok(response)
}

/// Makes the meme if the key is new, and says again what was said before if it is not.
async fn once(
    context: &Context,
    caller: &Caller,
    id: MemeId,
    template: &Template,
    wanted: &CreateMeme,
    keyed: KeyedRequest<'_>,
) -> Result<(Answer, RateLimits), Problem> {
    let now_ms = caller.now.as_millisecond();
    let claim = context.idempotency.claim(keyed, &id.to_string(), now_ms).await;
    let subject = match claim.map_err(store_problem)? {
        Claim::Yours(subject) => subject,
        Claim::Answered(answer) => {
            let counted = context.platform.meter.count(caller).await?;
            return Ok((answer, context.platform.meter.limits_now(caller, counted).await?));
        }
        Claim::InFlight => return Err(Problem::idempotency_key_in_use(1)),
        Claim::OtherPayload => return Err(Problem::idempotency_key_reused()),
    };
    // An earlier request with this key may have got as far as the meme.
    let id = subject.parse().unwrap_or(id);
    let made = async {
        let (meme, reserved) = make(context, caller, id, template, wanted).await?;
        let answer = answer(context, &meme).await?;
        let recorded = context.idempotency.answer(keyed, &subject, answer.clone(), now_ms).await;
        recorded.map_err(store_problem)?;
        // Last, so that nothing is charged that the key does not remember.
        Ok((answer, reserved.keep()))
    };
    let made: Result<_, Problem> = made.await;
    if made.is_err() {
        // A refusal is not remembered: once its reason is gone the same key works. Where this
        // fails the key frees itself after a minute.
        if let Err(error) = context.idempotency.release(keyed).await {
            tracing::warn!(%error, "an idempotency key was not released");
        }
    }
    made
}

/// Takes the price and keeps the meme.
async fn make(
    context: &Context,
    caller: &Caller,
    id: MemeId,
    template: &Template,
    wanted: &CreateMeme,
) -> Result<(MemeRecord, Reserved), Problem> {
    let reserved = context
        .platform
        .meter
        .reserve(caller, Operation::CaptionedMeme, NORMAL_MEME_CREDITS)
        .await?;
    let [width, height] = template.size;
    let meme = MemeRecord {
        id,
        client_id: Some(caller.client()),
        ai: false,
        picture: Picture::Drawn(image_path(
            template.id.as_str(),
            &wanted.captions,
            wanted.format.as_str(),
        )),
        width,
        height,
        template: Some(template.id.to_string()),
        captions: wanted.captions.clone(),
        alt: template.alt(&wanted.captions),
        topic: None,
        model: None,
        source_type: None,
        credits: NORMAL_MEME_CREDITS,
        created_at: caller.now,
        pool: None,
    };
    let kept = context.store.put(&meme).await;
    kept.map_err(store_problem)?;
    Ok((meme, reserved))
}

async fn answer(context: &Context, meme: &MemeRecord) -> Result<Answer, Problem> {
    let view = context.memes.stored(meme).await.map_err(store_problem)?;
    Ok(Answer {
        status: StatusCode::CREATED.as_u16(),
        location: format!("/v1/memes/{}", meme.id),
        body: serde_json::to_string(&view).map_err(Problem::internal)?,
    })
}

fn template<'a>(context: &'a Context, wanted: &CreateMeme) -> Result<&'a Template, Problem> {
    let name = wanted.template.as_str();
    let template = context.catalogue.template(name).ok_or_else(|| {
        let near: Vec<String> = context
            .catalogue
            .suggest_templates(name)
            .iter()
            .map(|near| format!(" `{near}`"))
            .collect();
        let hint = if near.is_empty() {
            "See /v1/templates for what there is.".to_owned()
        } else {
            format!("Near it:{}.", near.join(","))
        };
        Problem::not_found_because(format!("There is no template `{name}`. {hint}"))
    })?;
    check_captions(template, &wanted.captions).map_err(|fault| {
        let pointer = fault
            .index()
            .map_or_else(|| "/captions".to_owned(), |index| format!("/captions/{index}"));
        Problem::unprocessable(vec![FieldError::body(pointer, fault.to_string())])
    })?;
    moderation::text::check_captions(&wanted.captions).map_err(|refusal| {
        Problem::moderated("/captions", refusal.category.as_str(), refusal.detail)
    })?;
    Ok(template)
}
