//! The life of a job.

use std::time::Duration;

use clock::Timestamp;
use ids::{ClientId, JobId, MemeId, WebhookId};
use serde::{Deserialize, Serialize};

use crate::request::{Fallback, Request};

/// How often a job is tried before it is given up.
pub const ATTEMPTS_MAX: u8 = 3;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for a worker.
    Queued,
    /// A worker has claimed it.
    Running,
    /// As many memes as were asked for. [`Job::fallback`] says whether normal ones are among them.
    Succeeded,
    /// Some memes, fewer than were asked for.
    Partial,
    /// No memes.
    Failed,
    /// The client withdrew it.
    Canceled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Partial, Self::Failed, Self::Canceled];

    /// Whether nothing can change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The state as replies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// A worker's own mark for one attempt, drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimToken(u64);

impl ClaimToken {
    /// The mark around a random number.
    #[must_use]
    pub const fn new(random: u64) -> Self {
        Self(random)
    }
}

/// A worker's right to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Whose it is.
    pub token: ClaimToken,
    /// When another worker may take over.
    pub until: Timestamp,
}

/// Why a picture, or a whole job, was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The prompt or the picture was refused.
    Moderated,
    /// The time was up.
    DeadlineMissed,
    /// The generator could not make it.
    Failed,
}

/// Why a client got a normal meme in place of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackReason {
    /// The prompt or the picture was refused.
    Moderated,
    /// The picture was not ready in time.
    Backlog,
    /// The generator could not make it.
    Failed,
}

impl FallbackReason {
    /// The reason as replies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moderated => "moderated",
            Self::Backlog => "backlog",
            Self::Failed => "failed",
        }
    }
}

/// What went wrong, in words for the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProblem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// What happened and what to do. The client reads it, so nothing internal is in it.
    pub detail: String,
}

impl JobProblem {
    /// A problem of one kind, explained.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    fn fallback_reason(&self) -> FallbackReason {
        match self.kind {
            ProblemKind::Moderated => FallbackReason::Moderated,
            ProblemKind::DeadlineMissed => FallbackReason::Backlog,
            ProblemKind::Failed => FallbackReason::Failed,
        }
    }
}

/// A picture of a job that the client can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The meme that it is in.
    pub meme: MemeId,
    /// Whether a model made it; a normal meme in its place costs nothing.
    pub ai: bool,
}

/// What a worker has for one of the pictures asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureResult {
    /// An AI meme.
    Made(MemeId),
    /// No AI meme.
    NotMade {
        /// Why not.
        problem: JobProblem,
        /// The normal meme to give in its place, if the request takes one.
        normal: Option<MemeId>,
    },
}

/// What becomes of the credits that are held. Both zero when nothing was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HoldOutcome {
    /// Credits that the client pays.
    pub post: u64,
    /// Credits that go back.
    pub void: u64,
}

/// What a new job is made of.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub client: ClientId,
    /// What is to be made.
    pub request: Request,
    /// Credits for each picture; 0 for the service's own jobs.
    pub price: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The time it has, in seconds.
    pub deadline_s: u32,
    /// Whether its pictures may be shown to others.
    pub public: bool,
    /// Whether the service makes it for its own pool.
    pub house: bool,
    /// The one endpoint that is told of its end; none for all that want to be.
    pub webhook: Option<WebhookId>,
}

/// One request for pictures, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    #[serde(rename = "job_id")]
    pub id: JobId,
    /// Whose it is.
    #[serde(rename = "client_id")]
    pub client: ClientId,
    /// Where it stands.
    pub state: State,
    /// Counts the transitions. A store writes a job only over the version that was read.
    pub version: u32,
    /// What is to be made.
    pub request: Request,
    /// Credits for each picture.
    pub price: u64,
    /// How often it was claimed.
    pub attempts: u8,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it is too late.
    pub deadline_at: Timestamp,
    /// When it was last sent to the workers.
    pub sent_at: Timestamp,
    /// When it was finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What the client can have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Picture>,
    /// What went wrong, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<JobProblem>,
    /// What became of the credits; there once the job is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<HoldOutcome>,
    /// Whether its pictures may be shown to others.
    #[serde(default)]
    pub public: bool,
    /// Whether the service makes it for its own pool.
    #[serde(default)]
    pub house: bool,
    /// The one endpoint that is told of its end; none for all that want to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookId>,
}

/// A job to be written, and what to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The job as it should be written.
    pub job: Job,
    /// How to resolve the hold; there exactly when this transition finishes the job.
    pub hold: Option<HoldOutcome>,
}

/// What a worker that claims a job should do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made, matched and dropped in one breath")]
pub enum Claimed {
    /// Write the job, then make its pictures.
    Work(Job),
    /// Make nothing: the job cannot be done any more. End it with [`Job::give_up`] and this.
    GiveUp(JobProblem),
}

/// A transition that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The job is finished.
    #[error("the job is already {}", state.as_str())]
    Finished {
        /// How.
        state: State,
    },
    /// Another worker has it.
    #[error("another worker has the job until {until}")]
    Busy {
        /// Until when.
        until: Timestamp,
    },
    /// The claim is not the one that the job carries.
    #[error("the claim is not, or no longer, the one that the job carries")]
    ClaimLost,
    /// The time of the job is up.
    #[error("the deadline of the job has passed")]
    DeadlinePassed,
    /// The time of the job is not up yet.
    #[error("the deadline of the job is at {deadline_at}")]
    DeadlineAhead {
        /// When it is up.
        deadline_at: Timestamp,
    },
    /// There is not one result for each picture asked for.
    #[error("there are {given} results for {count} pictures")]
    ResultCount {
        /// How many results were given.
        given: usize,
        /// How many pictures were asked for.
        count: u8,
    },
}

impl Job {
    /// A job that waits for its first worker.
    #[must_use]
    pub fn new(new: NewJob) -> Self {
        Self {
            id: new.id,
            client: new.client,
            state: State::Queued,
            version: 0,
            request: new.request,
            price: new.price,
            attempts: 0,
            claim: None,
            created_at: new.created_at,
            deadline_at: after(new.created_at, Duration::from_secs(u64::from(new.deadline_s))),
            sent_at: new.created_at,
            finished_at: None,
            results: Vec::new(),
            problem: None,
            settled: None,
            public: new.public,
            house: new.house,
            webhook: new.webhook,
        }
    }

    /// Credits that are set aside for the job from its start to its end. The service's own jobs
    /// have none, and no hold in the ledger.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.price.saturating_mul(u64::from(self.request.count))
    }

    /// Whether nothing can change any more.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.state.is_final()
    }

    /// Whether the time of the job is up at `now`.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        now >= self.deadline_at
    }

    /// Why there are normal memes among the results; `None` when there are none.
    #[must_use]
    pub fn fallback(&self) -> Option<FallbackReason> {
        let problem = self.problem.as_ref()?;
        self.results.iter().any(|picture| !picture.ai).then(|| problem.fallback_reason())
    }

    /// Whether no worker seems to know of the job: it waits and was sent longer than `patience`
    /// ago, or its worker was not heard of until its claim ran out. A message that only waits its
    /// turn looks the same, and one too many does no harm.
    #[must_use]
    pub fn is_lost(&self, now: Timestamp, patience: Duration) -> bool {
        let waited_out = now >= after(self.sent_at, patience);
        match (self.state, self.claim) {
            (State::Queued, _) | (State::Running, None) => waited_out,
            (State::Running, Some(claim)) => now >= claim.until && waited_out,
            _ => false,
        }
    }

    /// The job as it is written when it is sent to the workers again.
    ///
    /// # Errors
    /// [`TransitionError::Finished`].
    pub fn sent_again(&self, now: Timestamp) -> Result<Self, TransitionError> {
        self.unfinished()?;
        let mut job = self.next();
        job.sent_at = now;
        Ok(job)
    }

    /// A worker takes the job for `claim_for`: one that waits, or one whose worker was not heard
    /// of until its claim ran out. The same claim made again is the same attempt.
    ///
    /// # Errors
    /// [`TransitionError::Finished`], [`TransitionError::Busy`].
    pub fn claim(
        &self,
        token: ClaimToken,
        now: Timestamp,
        claim_for: Duration,
    ) -> Result<Claimed, TransitionError> {
        self.unfinished()?;
        let again = match self.claim {
            Some(claim) if claim.token == token => true,
            Some(Claim { until, .. }) if now < until => {
                return Err(TransitionError::Busy { until });
            }
            _ => false,
        };
        if self.is_late(now) {
            return Ok(Claimed::GiveUp(late()));
        }
        if !again && self.attempts >= ATTEMPTS_MAX {
            return Ok(Claimed::GiveUp(self.problem.clone().unwrap_or_else(|| {
                JobProblem::new(
                    ProblemKind::Failed,
                    "the picture could not be made after several attempts; ask again later",
                )
            })));
        }
        let mut job = self.next();
        job.state = State::Running;
        job.attempts = self.attempts.saturating_add(u8::from(!again));
        job.claim = Some(Claim { token, until: after(now, claim_for) });
        Ok(Claimed::Work(job))
    }

    /// The worker is alive and keeps the job for another `claim_for`.
    ///
    /// # Errors
    /// [`TransitionError::Finished`] and [`TransitionError::ClaimLost`] when the work is for
    /// nobody any more, [`TransitionError::DeadlinePassed`] when it is too late for it.
    pub fn heartbeat(
        &self,
        token: ClaimToken,
        now: Timestamp,
        claim_for: Duration,
    ) -> Result<Job, TransitionError> {
        let claim = self.claimed_by(token)?;
        if self.is_late(now) {
            return Err(TransitionError::DeadlinePassed);
        }
        let mut job = self.next();
        job.claim = Some(Claim { token, until: after(now, claim_for).max(claim.until) });
        Ok(job)
    }

    /// The worker hands in one result for each picture asked for. Pictures that were made are
    /// paid; for all others the credits go back.
    ///
    /// # Errors
    /// [`TransitionError::Finished`], [`TransitionError::ClaimLost`],
    /// [`TransitionError::ResultCount`], and [`TransitionError::DeadlinePassed`]: what comes too
    /// late is not paid, and the job ends with [`Job::miss_deadline`].
    pub fn finish(
        &self,
        token: ClaimToken,
        results: Vec<PictureResult>,
        now: Timestamp,
    ) -> Result<Transition, TransitionError> {
        self.claimed_by(token)?;
        if self.is_late(now) {
            return Err(TransitionError::DeadlinePassed);
        }
        if results.len() != usize::from(self.request.count) {
            return Err(TransitionError::ResultCount {
                given: results.len(),
                count: self.request.count,
            });
        }
        let mut pictures = Vec::with_capacity(results.len());
        let mut last = None;
        for result in results {
            match result {
                PictureResult::Made(meme) => pictures.push(Picture { meme, ai: true }),
                PictureResult::NotMade { problem, normal } => {
                    pictures.extend(self.in_place(normal));
                    last = Some(problem);
                }
            }
        }
        Ok(self.end(pictures, last, now))
    }

    /// The attempt failed in a way that another one may not. The job waits again, or is given up
    /// after the last attempt.
    ///
    /// # Errors
    /// [`TransitionError::Finished`], [`TransitionError::ClaimLost`].
    pub fn attempt_failed(
        &self,
        token: ClaimToken,
        problem: JobProblem,
        normal: &[MemeId],
        now: Timestamp,
    ) -> Result<Transition, TransitionError> {
        self.claimed_by(token)?;
        if self.attempts >= ATTEMPTS_MAX || self.is_late(now) {
            return self.give_up(problem, normal, now);
        }
        let mut job = self.next();
        job.state = State::Queued;
        job.claim = None;
        // Its message comes again by itself.
        job.sent_at = now;
        job.problem = Some(problem);
        Ok(Transition { job, hold: None })
    }

    /// The job will not be done: all credits go back, and the client gets as many of the memes in
    /// `normal` as it asked for pictures if its request takes them. Needs no claim, for it is also
    /// the end of jobs whose workers are gone; a worker that still runs finds its claim lost.
    ///
    /// # Errors
    /// [`TransitionError::Finished`].
    pub fn give_up(
        &self,
        problem: JobProblem,
        normal: &[MemeId],
        now: Timestamp,
    ) -> Result<Transition, TransitionError> {
        self.unfinished()?;
        let pictures = normal
            .iter()
            .take(usize::from(self.request.count))
            .filter_map(|meme| self.in_place(Some(*meme)))
            .collect();
        Ok(self.end(pictures, Some(problem), now))
    }

    /// The time is up: [`Job::give_up`] for that reason.
    ///
    /// # Errors
    /// [`TransitionError::Finished`], [`TransitionError::DeadlineAhead`].
    pub fn miss_deadline(
        &self,
        normal: &[MemeId],
        now: Timestamp,
    ) -> Result<Transition, TransitionError> {
        self.unfinished()?;
        if !self.is_late(now) {
            return Err(TransitionError::DeadlineAhead { deadline_at: self.deadline_at });
        }
        self.give_up(late(), normal, now)
    }

    /// The client withdraws the job and gets all its credits back. A worker that runs loses its
    /// claim.
    ///
    /// # Errors
    /// [`TransitionError::Finished`].
    pub fn cancel(&self, now: Timestamp) -> Result<Transition, TransitionError> {
        self.unfinished()?;
        let mut ended = self.end(Vec::new(), None, now);
        ended.job.state = State::Canceled;
        ended.job.problem = None;
        Ok(ended)
    }

    /// Resolves the hold: every AI picture is posted, the rest is voided.
    fn end(
        &self,
        results: Vec<Picture>,
        problem: Option<JobProblem>,
        now: Timestamp,
    ) -> Transition {
        let asked = usize::from(self.request.count);
        let made = results.iter().filter(|picture| picture.ai).count();
        let held = self.held();
        // A count of pictures fits: there are never more results than a `u8` counts.
        let post = self.price.saturating_mul(u64::try_from(made).unwrap_or(u64::MAX)).min(held);
        let hold = HoldOutcome { post, void: held - post };
        let mut job = self.next();
        job.state = match results.len() {
            0 => State::Failed,
            given if given < asked => State::Partial,
            _ => State::Succeeded,
        };
        job.claim = None;
        job.finished_at = Some(now);
        job.results = results;
        job.problem = problem;
        job.settled = Some(hold);
        Transition { job, hold: Some(hold) }
    }

    /// The normal meme in place of a picture, if the request takes one.
    fn in_place(&self, normal: Option<MemeId>) -> Option<Picture> {
        match self.request.fallback {
            Fallback::Normal => normal.map(|meme| Picture { meme, ai: false }),
            Fallback::None => None,
        }
    }

    fn next(&self) -> Self {
        let mut job = self.clone();
        job.version = self.version.wrapping_add(1);
        job
    }

    const fn unfinished(&self) -> Result<(), TransitionError> {
        if self.state.is_final() {
            Err(TransitionError::Finished { state: self.state })
        } else {
            Ok(())
        }
    }

    /// The claim of `token`. One that ran out still counts while nobody took over: the work is
    /// done, and doing it again would help nobody.
    fn claimed_by(&self, token: ClaimToken) -> Result<Claim, TransitionError> {
        self.unfinished()?;
        self.claim.filter(|claim| claim.token == token).ok_or(TransitionError::ClaimLost)
    }
}

fn late() -> JobProblem {
    JobProblem::new(
        ProblemKind::DeadlineMissed,
        "the picture was not ready by its deadline and the credits went back; ask again, with a \
         longer `deadline_s`",
    )
}

fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
