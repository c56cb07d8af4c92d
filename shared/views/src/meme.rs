//! Memes, as replies show them.

use std::time::Duration;

use catalogue::{Catalogue, Choice, path};
use clock::Timestamp;
use edge::models::{FallbackReason, FallbackView, MemeView, Provenance, Tier};
use ids::{Id, MemeId};
use maas_aws::memes::{MemeRecord, Picture};
use maas_aws::{PictureStore, StoreError};

/// How long the address of a generated picture is good.
const SIGNED_FOR: Duration = Duration::from_secs(3_600);

/// What IPTC calls a picture that was drawn by rules. All AI pictures that were made before there were
/// manifests are such.
const ALGORITHMIC_MEDIA: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia";

/// Shows memes.
#[derive(Debug, Clone)]
pub struct Memes {
    pictures: PictureStore,
    base_url: String,
}

impl Memes {
    /// Shows memes whose pictures are in `pictures` or under `base_url`.
    #[must_use]
    pub const fn new(pictures: PictureStore, base_url: String) -> Self {
        Self { pictures, base_url }
    }

    /// A meme of the catalogue, under the id that says what it is.
    #[must_use]
    pub fn chosen(
        &self,
        choice: &Choice,
        id: MemeId,
        credits: u64,
        fallback: Option<FallbackReason>,
    ) -> MemeView {
        let [width, height] = choice.template.size;
        MemeView {
            id,
            tier: Tier::Normal,
            url: format!(
                "{}/{}",
                self.base_url,
                image_path(choice.template.id.as_str(), &choice.captions, "jpg")
            ),
            width,
            height,
            template: Some(choice.template.id.to_string()),
            captions: choice.captions.iter().map(ToString::to_string).collect(),
            alt: choice.alt(),
            topic: Some(choice.topic.id.to_string()),
            created_at: created_at(id),
            model: None,
            provenance: None,
            credits,
            fallback: fallback.map(|reason| FallbackView { reason }),
        }
    }

    /// A meme that is kept.
    ///
    /// # Errors
    /// [`StoreError`] if the address of its picture cannot be signed.
    pub async fn stored(&self, meme: &MemeRecord) -> Result<MemeView, StoreError> {
        let url = match &meme.picture {
            Picture::Drawn(path) => format!("{}/{path}", self.base_url),
            Picture::Stored(key) => self.signed_url(key).await?,
        };
        Ok(MemeView {
            id: meme.id,
            tier: if meme.ai { Tier::Ai } else { Tier::Normal },
            url,
            width: meme.width,
            height: meme.height,
            template: meme.template.clone(),
            captions: meme.captions.clone(),
            alt: meme.alt.clone(),
            topic: meme.topic.clone(),
            created_at: meme.created_at,
            model: meme.model.clone(),
            provenance: meme.ai.then(|| Provenance {
                c2pa: meme.source_type.is_some(),
                digital_source_type: meme
                    .source_type
                    .clone()
                    .unwrap_or_else(|| ALGORITHMIC_MEDIA.to_owned()),
            }),
            credits: meme.credits,
            fallback: None,
        })
    }

    /// A meme of the catalogue that was given in place of a generated one, for nothing.
    #[must_use]
    pub fn in_place(&self, id: MemeId) -> Option<MemeView> {
        let choice = Catalogue::embedded().from_id(id)?;
        Some(self.chosen(&choice, id, 0, None))
    }

    /// An address under which the picture can be read for an hour.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be signed.
    pub async fn signed_url(&self, key: &str) -> Result<String, StoreError> {
        self.pictures.signed_url(key, SIGNED_FOR).await
    }
}

/// When a meme of the catalogue was served: its id says so.
fn created_at(id: MemeId) -> Timestamp {
    i64::try_from(id.ulid().timestamp_ms())
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The path of a template's picture with captions, without a slash in front.
#[must_use]
pub fn image_path(template: &str, captions: &[impl AsRef<str>], extension: &str) -> String {
    let mut path = format!("images/{template}");
    for caption in captions {
        path.push('/');
        path.push_str(&path::encode(caption.as_ref()));
    }
    path.push('.');
    path.push_str(extension);
    path
}
