//! One job, from its claim to its settlement.

use std::pin::pin;
use std::time::Duration;

use catalogue::stored;
use generations::{
    ClaimToken, Claimed, Job, JobProblem, PictureResult, ProblemKind, Transition, TransitionError,
};
use ids::{Id, JobId, MemeId, Ulid};
use maas_aws::StoreError;
use maas_aws::generations::ChangeError;
use maas_aws::memes::{MemeRecord, Picture, pool_shard};
use moderation::text::check_captions;
use provenance::{Origin, Signer};
use render::{CaptionBox, Format, draw_captions, encode};

use crate::Context;
use crate::generator::{GenerateError, Generator, Order, Painting};

/// How long a claim lasts unless it is renewed.
pub const CLAIMED_FOR: Duration = Duration::from_secs(30);

/// How often a claim is renewed.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// For how long a heartbeat hides the message, in seconds.
const HIDDEN_FOR_S: i32 = 60;

/// After its first failed attempt a job comes again in this many seconds, after its second in twice
/// as many.
const RETRY_AFTER_S: i32 = 2;

/// JPEG quality, of 100.
const QUALITY: u8 = 88;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do for it.
    Done,
    /// It should come again.
    Again,
}

/// What work on a job came to.
enum Made {
    /// One result for each picture asked for, with the memes of those that were made.
    Results(Vec<PictureResult>, Vec<MemeRecord>),
    /// It went wrong in a way that another attempt may not.
    Failed(String),
    /// The client withdrew the job, or another worker has it.
    Lost,
    /// The time is up.
    Late,
}

/// Works on a job.
///
/// # Errors
/// [`ChangeError`] if the job could not be read or written; the message should come again.
pub(crate) async fn work<G: Generator>(
    context: &Context<G>,
    id: JobId,
    receipt: Option<&str>,
) -> Result<Outcome, ChangeError> {
    let core = &context.core;
    let token = ClaimToken::new(core.mint.random_u64());
    let Some(job) = context.store.find(id).await? else {
        tracing::warn!(job.id = %id, "there is no such generation");
        return Ok(Outcome::Done);
    };
    let now = core.clock.now();
    match job.claim(token, now, CLAIMED_FOR) {
        // A worker that has the job finishes it; if it dies, the sweep sends the job again.
        Err(TransitionError::Finished { .. } | TransitionError::Busy { .. }) => Ok(Outcome::Done),
        Err(error) => {
            tracing::error!(job.id = %id, %error, "a generation cannot be claimed");
            Ok(Outcome::Again)
        }
        Ok(Claimed::GiveUp(problem)) => {
            let normal = stand_ins(context, &job);
            match job.give_up(problem, &normal, now) {
                Ok(ended) => settle(context, &ended, &[], receipt).await,
                Err(_) => Ok(Outcome::Done),
            }
        }
        Ok(Claimed::Work(claimed)) => {
            match context.store.update(&claimed).await {
                Ok(()) => {}
                // Somebody else was faster.
                Err(StoreError::Conflict) => return Ok(Outcome::Again),
                Err(error) => return Err(error.into()),
            }
            make_and_settle(context, claimed, token, receipt).await
        }
    }
}

async fn make_and_settle<G: Generator>(
    context: &Context<G>,
    mut job: Job,
    token: ClaimToken,
    receipt: Option<&str>,
) -> Result<Outcome, ChangeError> {
    let made = while_alive(context, &mut job, token, receipt).await;
    let now = context.core.clock.now();
    let (ended, memes) = match made {
        Made::Lost => return Ok(Outcome::Done),
        Made::Late => (job.miss_deadline(&stand_ins(context, &job), now), Vec::new()),
        Made::Failed(error) => {
            tracing::warn!(job.id = %job.id, attempt = job.attempts, error, "an attempt failed");
            let problem = JobProblem::new(
                ProblemKind::Failed,
                "the picture could not be made after several attempts; ask again later",
            );
            let ended = job.attempt_failed(token, problem, &stand_ins(context, &job), now);
            (ended, Vec::new())
        }
        Made::Results(results, memes) => match job.finish(token, results, now) {
            // What comes too late is not paid, and so not given.
            Err(TransitionError::DeadlinePassed) => {
                (job.miss_deadline(&stand_ins(context, &job), now), Vec::new())
            }
            ended => (ended, memes),
        },
    };
    match ended {
        Ok(ended) => settle(context, &ended, &memes, receipt).await,
        Err(error) => {
            tracing::error!(job.id = %job.id, %error, "a generation cannot be settled");
            Ok(Outcome::Again)
        }
    }
}

/// Writes the end of an attempt. A job that waits again has its message come again.
async fn settle<G: Generator>(
    context: &Context<G>,
    ended: &Transition,
    memes: &[MemeRecord],
    receipt: Option<&str>,
) -> Result<Outcome, ChangeError> {
    let core = &context.core;
    match context.store.commit(&core.ledger, ended, memes, core.stamp()).await {
        Ok(()) if ended.job.is_finished() => {
            tracing::info!(
                job.id = %ended.job.id,
                state = ended.job.state.as_str(),
                pictures = ended.job.results.len(),
                "finished a generation"
            );
            Ok(Outcome::Done)
        }
        Ok(()) => {
            if let Some(receipt) = receipt {
                let pause_s = RETRY_AFTER_S.saturating_mul(i32::from(ended.job.attempts));
                hide(context, ended.job.id, receipt, pause_s).await;
            }
            Ok(Outcome::Again)
        }
        // Canceled, or taken over: whoever changed it has it now.
        Err(ChangeError::Outdated) => Ok(Outcome::Done),
        Err(error) => Err(error),
    }
}

/// Makes the pictures and renews the claim meanwhile, until one of the two ends the work.
async fn while_alive<G: Generator>(
    context: &Context<G>,
    job: &mut Job,
    token: ClaimToken,
    receipt: Option<&str>,
) -> Made {
    let ordered = job.clone();
    let mut making = pin!(make(context, &ordered));
    loop {
        tokio::select! {
            made = &mut making => return made,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        match job.heartbeat(token, context.core.clock.now(), CLAIMED_FOR) {
            Err(TransitionError::DeadlinePassed) => return Made::Late,
            Err(_) => return Made::Lost,
            Ok(beating) => match context.store.update(&beating).await {
                Ok(()) => *job = beating,
                Err(StoreError::Conflict) => return Made::Lost,
                // The claim goes on until it runs out; the next beat may get through.
                Err(error) => tracing::warn!(job.id = %job.id, %error, "a heartbeat was lost"),
            },
        }
        if let Some(receipt) = receipt {
            hide(context, job.id, receipt, HIDDEN_FOR_S).await;
        }
    }
}

/// Lets a message come again in `seconds`, no matter when it would have.
async fn hide<G: Generator>(context: &Context<G>, job: JobId, receipt: &str, seconds: i32) {
    if let Err(error) = context.queue.hide(receipt, seconds).await {
        tracing::warn!(job.id = %job, %error, "the time of a message was not changed");
    }
}

async fn make<G: Generator>(context: &Context<G>, job: &Job) -> Made {
    let mut stand_ins = stand_ins(context, job).into_iter();
    let mut results = Vec::new();
    let mut memes = Vec::new();
    for number in 0..job.request.count {
        match picture(context, job, number).await {
            Ok(meme) => {
                results.push(PictureResult::Made(meme.id));
                memes.push(meme);
            }
            Err(GenerateError::Refused(detail)) => results.push(PictureResult::NotMade {
                problem: JobProblem::new(ProblemKind::Moderated, detail),
                normal: stand_ins.next(),
            }),
            Err(GenerateError::Failed(error)) => return Made::Failed(error),
        }
    }
    Made::Results(results, memes)
}

/// Paints one picture, writes on it, signs it and stores it.
async fn picture<G: Generator>(
    context: &Context<G>,
    job: &Job,
    number: u8,
) -> Result<MemeRecord, GenerateError> {
    let request = &job.request;
    let order = Order {
        prompt: request.prompt.clone(),
        topic: request.topic.clone(),
        captions: request.captions.clone(),
        size: request.size,
        seed: seed(job.id, number),
    };
    let painting = context.generator.generate(order).await?;
    let failed = |error: &dyn std::fmt::Display| GenerateError::Failed(error.to_string());
    let Painting { picture, captions, seen, topic } = painting;
    // The client's own passed before it paid; this is for those that a model wrote.
    check_captions(&captions)
        .map_err(|refusal| GenerateError::Refused(refusal.detail.to_owned()))?;
    let size = (picture.width(), picture.height());
    let (id, created_at) = (meme_id(job.id, number), context.core.clock.now());
    let (title, model) = (id.to_string(), context.generator.model().to_owned());
    let (source, written) = (context.generator.source(), captions.clone());
    let signer = context.manifests.signer().await.map_err(|error| failed(&error))?;
    let bytes = tokio::task::spawn_blocking(move || {
        let origin = Origin { title: &title, model: &model, source, created_at };
        file(&picture, &written, &signer, &origin)
    })
    .await
    .map_err(|error| failed(&error))??;
    let key = format!("generations/{}/{number}.jpg", job.id);
    let kept = context.pictures.put(&key, Format::Jpeg.mime(), bytes).await;
    kept.map_err(|error| failed(&error))?;
    Ok(MemeRecord {
        id,
        client_id: (!job.house).then_some(job.client),
        ai: true,
        picture: Picture::Stored(key),
        width: size.0,
        height: size.1,
        template: None,
        alt: alt(&seen, &captions),
        captions,
        topic: Some(topic),
        model: Some(context.generator.model().to_owned()),
        source_type: Some(source.uri().to_owned()),
        credits: job.price,
        created_at,
        pool: job.public.then(|| pool_shard(id)),
    })
}

/// The file that is stored: the picture with its captions, and with its manifest.
fn file(
    picture: &render::Picture,
    captions: &[String],
    signer: &Signer,
    origin: &Origin<'_>,
) -> Result<Vec<u8>, GenerateError> {
    let failed = |error: &dyn std::fmt::Display| GenerateError::Failed(error.to_string());
    let boxes = [CaptionBox::top(), CaptionBox::bottom()];
    let used = boxes.len().min(captions.len());
    let written = draw_captions(picture, &boxes[..used], captions);
    let bytes = encode(&written, Format::Jpeg, QUALITY).map_err(|error| failed(&error))?;
    signer.sign(Format::Jpeg.mime(), &bytes, origin).map_err(|error| failed(&error))
}

/// What is seen and what is written, for those who cannot see the picture.
fn alt(seen: &str, captions: &[String]) -> String {
    let written = captions.iter().map(|line| format!("“{line}”")).collect::<Vec<_>>().join(", ");
    if written.is_empty() { seen.to_owned() } else { format!("{seen} It says: {written}.") }
}

fn stand_ins<G: Generator>(context: &Context<G>, job: &Job) -> Vec<MemeId> {
    let now = context.core.clock.now();
    generations::stand_ins(job, now, context.core.mint.random_u64())
}

/// The meme of a job's picture: every attempt makes the same one.
fn meme_id(job: JobId, number: u8) -> MemeId {
    let ulid = job.ulid();
    let random = ulid.random() ^ u128::from(seed(job, number));
    stored(MemeId::from_ulid(Ulid::from_parts(ulid.timestamp_ms(), random)))
}

/// A number that follows from a job and one of its pictures, and looks like no other.
fn seed(job: JobId, number: u8) -> u64 {
    let bits = u128::from(job.ulid());
    // Both halves count; the constant is the golden ratio's, which spreads small numbers.
    let folded = (bits >> 64) as u64 ^ bits as u64;
    (folded ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use ids::Mint;

    use super::*;

    #[test]
    fn pictures_of_jobs_have_memes_and_seeds_of_their_own() {
        let mint = Mint::seeded([3; 32]);
        let jobs: Vec<JobId> = (0..50).map(|_| mint.mint(1_767_225_600_000)).collect();
        let mut seen = std::collections::HashSet::new();
        for job in &jobs {
            for number in 0..4 {
                assert!(seen.insert((meme_id(*job, number), seed(*job, number))));
                assert_eq!(meme_id(*job, number), meme_id(*job, number));
                assert!(!catalogue::is_catalogue(meme_id(*job, number)));
            }
        }
        let ids: std::collections::HashSet<_> = seen.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), 200);
    }

    #[test]
    fn the_words_on_a_picture_are_told_to_who_cannot_see_it() {
        let captions = ["Top".to_owned(), "Bottom".to_owned()];
        assert_eq!(alt("A cat.", &captions), "A cat. It says: “Top”, “Bottom”.");
        assert_eq!(alt("A cat.", &[]), "A cat.");
    }
}
