//! What a model painted is looked at before anybody else sees it.

use std::path::Path;

use moderation::picture::{CheckError, LoadError, PictureFilter};
use render::Picture;

use crate::generator::GenerateError;
use crate::report::chain;

/// What a client is told whose picture is refused.
const REFUSED: &str =
    "the picture that came of the prompt may not be shown; describe something else";

/// Lets pictures through that may be shown. Every backend with a model has one.
#[derive(Debug, Clone)]
pub struct Filter(PictureFilter);

impl Filter {
    /// A filter with the weights of a file.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with the file.
    pub fn load(weights: &Path) -> Result<Self, LoadError> {
        PictureFilter::load(weights).map(Self)
    }

    /// Gives the picture back if it may be shown.
    ///
    /// # Errors
    /// [`GenerateError::Refused`] if it may not, [`GenerateError::Failed`] if nobody can say.
    pub(crate) async fn pass(&self, picture: Picture) -> Result<Picture, GenerateError> {
        let filter = self.0.clone();
        // It takes a core for tens of milliseconds.
        let looked = tokio::task::spawn_blocking(move || match filter.check(&picture) {
            Ok(()) => Ok(picture),
            Err(CheckError::Refused(_)) => Err(GenerateError::Refused(REFUSED.to_owned())),
            Err(error @ CheckError::Unscored(_)) => Err(GenerateError::Failed(chain(&error))),
        });
        looked.await.map_err(|error| GenerateError::Failed(error.to_string()))?
    }
}
