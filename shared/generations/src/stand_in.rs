//! Normal memes in place of pictures that could not be made.

use catalogue::Catalogue;
use clock::Timestamp;
use ids::MemeId;

use crate::job::Job;

/// A normal meme for each of a job's pictures: about the job's topic, or about what its prompt
/// speaks of. Served at `now`; which ones, follows from `random`.
#[must_use]
pub fn stand_ins(job: &Job, now: Timestamp, random: u64) -> Vec<MemeId> {
    let request = &job.request;
    Catalogue::embedded().stand_ins(
        request.topic.as_deref(),
        &request.prompt,
        request.count,
        now.as_millisecond(),
        random,
    )
}
