//! Generations, as replies show them.

use edge::ProblemType;
use edge::models::{
    FallbackReason, FallbackView, GenerationCredits, GenerationState, GenerationView, MemeView,
    PictureSize, ProblemSummary,
};
use generations::{Job, ProblemKind, Size, State};
use maas_aws::memes::MemeStore;
use maas_aws::{Aws, StoreError};

use crate::meme::Memes;

/// Shows generations with their memes.
#[derive(Debug, Clone)]
pub struct Generations {
    kept: MemeStore,
    memes: Memes,
}

impl Generations {
    /// Shows generations of the stage that `aws` is of.
    #[must_use]
    pub fn new(aws: &Aws) -> Self {
        let memes = Memes::new(aws.pictures(), aws.config().base_url.clone());
        Self { kept: aws.memes(), memes }
    }

    /// A job with its memes. One that is not finished has none, and no place is worked out for it.
    ///
    /// # Errors
    /// [`StoreError`] if a meme cannot be read, or the address of its picture cannot be signed.
    pub async fn with_memes(&self, job: &Job) -> Result<GenerationView, StoreError> {
        let mut memes: Vec<MemeView> = Vec::with_capacity(job.results.len());
        for picture in &job.results {
            if picture.ai {
                if let Some(meme) = self.kept.find(picture.meme).await? {
                    memes.push(self.memes.stored(&meme).await?);
                }
            } else {
                memes.extend(self.memes.in_place(picture.meme));
            }
        }
        Ok(generation(job, memes, None, None))
    }
}

/// A job with its memes and, while it waits, its place.
#[must_use]
pub fn generation(
    job: &Job,
    memes: Vec<MemeView>,
    position: Option<u32>,
    eta_s: Option<u32>,
) -> GenerationView {
    let settled = job.settled.unwrap_or_default();
    let held = if job.is_finished() { 0 } else { job.held() };
    GenerationView {
        id: job.id,
        state: match job.state {
            State::Queued => GenerationState::Queued,
            State::Running => GenerationState::Running,
            State::Succeeded => GenerationState::Succeeded,
            State::Partial => GenerationState::Partial,
            State::Failed => GenerationState::Failed,
            State::Canceled => GenerationState::Canceled,
        },
        prompt: job.request.prompt.clone(),
        topic: job.request.topic.clone(),
        count: job.request.count,
        size: match job.request.size {
            Size::Square1024 => PictureSize::Square1024,
            Size::Square1200 => PictureSize::Square1200,
            Size::Landscape1024 => PictureSize::Landscape1024,
            Size::Portrait1024 => PictureSize::Portrait1024,
        },
        created_at: job.created_at,
        deadline_at: job.deadline_at,
        position,
        eta_s,
        memes,
        credits: GenerationCredits { held, spent: settled.post, returned: settled.void },
        fallback: job.fallback().map(|reason| FallbackView {
            reason: match reason {
                generations::FallbackReason::Moderated => FallbackReason::Moderated,
                generations::FallbackReason::Backlog => FallbackReason::Backlog,
                generations::FallbackReason::Failed => FallbackReason::Failed,
            },
        }),
        // While the job goes on, what an earlier attempt met is not the client's concern.
        problem: job.problem.as_ref().filter(|_| job.is_finished()).map(|problem| {
            let kind = match problem.kind {
                ProblemKind::Moderated => ProblemType::Moderated,
                ProblemKind::DeadlineMissed => ProblemType::Overloaded,
                ProblemKind::Failed => ProblemType::Internal,
            };
            ProblemSummary::new(kind, problem.detail.clone())
        }),
    }
}

/// The size that a request names.
#[must_use]
pub const fn request_size(size: PictureSize) -> Size {
    match size {
        PictureSize::Square1024 => Size::Square1024,
        PictureSize::Square1200 => Size::Square1200,
        PictureSize::Landscape1024 => Size::Landscape1024,
        PictureSize::Portrait1024 => Size::Portrait1024,
    }
}
