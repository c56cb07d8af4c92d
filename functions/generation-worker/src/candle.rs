//! Paints with a model in this process: the crate `diffusion`.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use diffusion::{LoadError, Options, Painter, Progress};
use render::Picture;
use tokio::sync::Mutex;

use crate::captions::{Captioner, Words, Written};
use crate::filter::Filter;
use crate::generator::{GenerateError, Generator, Order, Painting};
use crate::report::chain;

/// Steps of a picture: what the model was trained for.
const STEPS: usize = 8;

/// The backend that has its model with it.
#[derive(Debug)]
pub struct Candle {
    /// One picture at a time: two would take twice as long each, and more memory.
    painter: Arc<Mutex<Painter>>,
    words: Words,
    filter: Filter,
}

impl Candle {
    /// Loads the model in `folder`, finds its words with `words`, and gives away what `filter` lets
    /// through. It blocks for as long as loading takes.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn load(
        folder: &Path,
        options: &Options,
        words: Words,
        filter: Filter,
    ) -> Result<Self, LoadError> {
        let painter = Painter::load(folder, options)?;
        Ok(Self { painter: Arc::new(Mutex::new(painter)), words, filter })
    }

    /// Paints on a thread for blocking work. When the caller is gone it stops at the next step;
    /// `watch` is told of each.
    async fn paint(
        &self,
        order: diffusion::Order,
        watch: impl Fn(Progress) + Send + 'static,
    ) -> Result<Picture, GenerateError> {
        let wanted = Arc::new(());
        let still_wanted = Arc::downgrade(&wanted);
        let painter = Arc::clone(&self.painter).lock_owned().await;
        let painted = tokio::task::spawn_blocking(move || {
            painter.paint(&order, |progress| {
                watch(progress);
                match still_wanted.strong_count() {
                    0 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            })
        })
        .await;
        drop(wanted);
        let picture = painted.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        self.filter.pass(picture).await
    }
}

impl Generator for Candle {
    fn model(&self) -> &str {
        "z-image-turbo"
    }

    async fn generate(&self, order: Order) -> Result<Painting, GenerateError> {
        let words = async { Ok(self.words.write(&order).await) };
        let painted = diffusion::Order {
            prompt: order.prompt.clone(),
            width: order.size.width_px(),
            height: order.size.height_px(),
            steps: STEPS,
            seed: order.seed,
        };
        // Both at once; where nothing is painted, nothing is to be written.
        let (picture, words) = tokio::try_join!(self.paint(painted, |_| {}), words)?;
        let Written { captions, seen, topic } = words;
        Ok(Painting { picture, captions, seen, topic })
    }
}

fn failed(error: &dyn Error) -> GenerateError {
    GenerateError::Failed(chain(error))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use generations::Size;

    use super::*;
    use crate::captions::Grammar;

    fn tiny() -> Candle {
        let folder = tempfile::tempdir().unwrap();
        diffusion::tiny::write_coarse(folder.path()).unwrap();
        let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/weights/opennsfw.onnx");
        let filter = Filter::load(Path::new(weights))
            .unwrap_or_else(|error| panic!("{error}; `cargo xtask weights` fetches the weights"));
        Candle::load(folder.path(), &Options::default(), Words::Grammar(Grammar), filter).unwrap()
    }

    fn order() -> Order {
        Order {
            prompt: "a cat reads the server logs".to_owned(),
            topic: None,
            captions: Vec::new(),
            size: Size::Portrait1024,
            seed: 3,
        }
    }

    #[tokio::test]
    async fn a_painting_has_the_ordered_size_and_the_composers_words() {
        let candle = tiny();
        let painting = candle.generate(order()).await.unwrap();
        assert_eq!((painting.picture.width(), painting.picture.height()), (768, 1_024));
        let words = Grammar.write(&order()).await;
        assert_eq!((painting.captions, painting.topic), (words.captions, words.topic));
        assert_eq!(painting.seen, words.seen);
    }

    #[tokio::test]
    async fn what_cannot_be_painted_is_told_and_the_next_order_is_painted() {
        let candle = tiny();
        let order = |width| diffusion::Order {
            prompt: String::new(),
            width,
            height: 64,
            steps: 1,
            seed: 0,
        };
        let error = candle.paint(order(0), |_| {}).await.unwrap_err();
        assert!(
            matches!(&error, GenerateError::Failed(text) if text.contains("0 by 64")),
            "{error}"
        );
        assert_eq!(candle.paint(order(64), |_| {}).await.unwrap().width(), 64);
    }

    #[tokio::test]
    async fn a_painting_that_nobody_waits_for_ends_at_the_next_step() {
        let candle = Arc::new(tiny());
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, wait) = mpsc::channel();
        let begun = std::sync::Mutex::new(Some((begun, wait)));
        let told = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&told);
        let painting = tokio::spawn({
            let candle = Arc::clone(&candle);
            async move {
                let order = diffusion::Order {
                    prompt: String::new(),
                    width: 64,
                    height: 64,
                    steps: STEPS,
                    seed: 0,
                };
                let watch = move |_| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    // The first step stands still until the caller is gone.
                    if let Some((begun, wait)) = begun.lock().unwrap().take() {
                        begun.send(()).unwrap();
                        wait.recv().unwrap();
                    }
                };
                candle.paint(order, watch).await
            }
        });
        has_begun.await.unwrap();
        painting.abort();
        assert!(painting.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();
        // The painter is free when the painting has ended.
        drop(candle.painter.lock().await);
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }
}
