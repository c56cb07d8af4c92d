//! Loads a model and paints with it.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Tensor};
use candle_nn::Module;
use candle_transformers::models::z_image::ZImageTextEncoder;
use candle_transformers::models::z_image::vae::Decoder;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use render::Picture;

use crate::config::{Configs, PATCH};
use crate::error::{PIXELS_MAX, STEPS_MAX};
use crate::manifest::Files;
use crate::prompt::{self, Reader};
use crate::schedule::{self, Schedule};
use crate::transformer::Transformer;
use crate::weights::Weights;
use crate::{Device, LoadError, PaintError, Precision, memory};

/// How a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What it runs on.
    pub device: Device,
    /// The numbers that it is calculated in.
    pub precision: Precision,
    /// The most memory that its weights may take while they are loaded, where not all that is
    /// available. It is for the processor's memory; that of a GPU is not asked.
    pub memory_bytes_max: Option<u64>,
}

/// What to paint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What the picture should show. 512 tokens of it are read.
    pub prompt: String,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// How often the model looks at it: 8 is what it was trained for.
    pub steps: usize,
    /// On one kind of device the same order with the same seed gives the same picture.
    pub seed: u64,
}

/// How far a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Steps that are done.
    pub done: usize,
    /// Steps that there are.
    pub steps: usize,
}

/// A model that is loaded.
pub struct Painter {
    device: candle_core::Device,
    reader: Reader,
    encoder: ZImageTextEncoder,
    transformer: Transformer,
    decoder: Decoder,
    decoder_dtype: DType,
    schedule: Schedule,
    configs: Configs,
}

impl fmt::Debug for Painter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Painter").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Painter {
    /// Loads the model in `folder`, which has the layout of its publication and `SHA256SUMS`.
    ///
    /// It reads every file twice, to check it and to load it, and blocks for as long.
    ///
    /// # Errors
    ///
    /// [`LoadError`]. Nothing is built of files that are not what `SHA256SUMS` says.
    pub fn load(folder: &Path, options: &Options) -> Result<Self, LoadError> {
        let device = options.device.open()?;
        let dtype = options.precision.dtype();
        // The library's convolutions on the processor know f32 alone of the three.
        let decoder_dtype = if device.is_cpu() { DType::F32 } else { dtype };
        let mut files = Files::open(folder)?;
        let configs = Configs::read(&files)?;
        let schedule = Schedule::read(&files.read(schedule::CONFIG)?)?;
        let vocabulary = configs.text_encoder.vocab_size;
        let reader = Reader::read(&files.read("tokenizer/tokenizer.json")?, vocabulary)?;
        files.check()?;

        let mut weights = |part| Weights::open(part, files.take_weights(part)?);
        let encoder = weights("text_encoder")?;
        let transformer = weights("transformer")?;
        let decoder = weights("vae")?;
        if options.device == Device::Cpu {
            let parts = [(&encoder, dtype), (&transformer, dtype), (&decoder, decoder_dtype)];
            ensure_fits(&parts, options.memory_bytes_max.or_else(memory::available_bytes))?;
        }
        Ok(Self {
            encoder: encoder
                .build(dtype, &device, |vb| ZImageTextEncoder::new(&configs.text_encoder, vb))?,
            transformer: transformer
                .build(dtype, &device, |vb| Transformer::new(&configs.transformer, vb))?,
            decoder: decoder
                .build(decoder_dtype, &device, |vb| Decoder::new(&configs.vae, vb.pp("decoder")))?,
            reader,
            schedule,
            configs,
            device,
            decoder_dtype,
        })
    }

    /// Paints one picture, and blocks for as long. `watch` is told before each step and before the
    /// last of them is turned into pixels; it can break off there.
    ///
    /// A size that the model cannot paint is painted larger, and the middle of it is taken.
    ///
    /// # Errors
    ///
    /// [`PaintError`].
    pub fn paint(
        &self,
        order: &Order,
        mut watch: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Picture, PaintError> {
        let (rows, columns) = self.tokens_of(order)?;
        if !(1..=STEPS_MAX).contains(&order.steps) {
            return Err(PaintError::Steps(order.steps));
        }
        let mut reached = |done| match watch(Progress { done, steps: order.steps }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(PaintError::Cancelled { done }),
        };

        reached(0)?;
        let tokens = self.reader.tokens(&order.prompt)?;
        let features = prompt::features(&self.encoder, &tokens, &self.device)?;
        let task = self.transformer.prepare(&features, rows, columns)?;
        let levels = self.schedule.levels(order.steps);
        let mut latents = self.noise(order.seed, rows, columns)?;
        for (step, level) in levels.windows(2).enumerate() {
            if step > 0 {
                reached(step)?;
            }
            let direction = self.transformer.direction(&task, &latents, level[0])?;
            latents = (latents + (direction * (level[1] - level[0]))?)?;
        }
        reached(order.steps)?;
        picture(&self.decode(&latents)?, order)
    }

    /// Rows and columns of image tokens that cover the picture.
    fn tokens_of(&self, order: &Order) -> Result<(usize, usize), PaintError> {
        let (width, height) = (order.width, order.height);
        let side = |pixels: u32| (pixels as usize).div_ceil(self.configs.pixels_per_token());
        let (rows, columns) = (side(height), side(width));
        let lens = &self.configs.transformer.axes_lens;
        let fits = rows <= lens[1] && columns <= lens[2];
        if (1..=PIXELS_MAX).contains(&(u64::from(width) * u64::from(height))) && fits {
            Ok((rows, columns))
        } else {
            Err(PaintError::Size { width, height })
        }
    }

    /// Latents of noise. They are made on the processor, so that they are the same on each device.
    fn noise(&self, seed: u64, rows: usize, columns: usize) -> Result<Tensor, PaintError> {
        let shape = (1, self.configs.transformer.in_channels, PATCH * rows, PATCH * columns);
        let numbers = shape.1 * shape.2 * shape.3;
        let dice = ChaCha12Rng::seed_from_u64(seed);
        let noise: Vec<f32> = StandardNormal.sample_iter(dice).take(numbers).collect();
        Ok(Tensor::from_vec(noise, shape, &self.device)?)
    }

    /// Turns latents into colours (3, height, width), about -1 to 1.
    fn decode(&self, latents: &Tensor) -> Result<Tensor, PaintError> {
        let vae = &self.configs.vae;
        let latents = ((latents / vae.scaling_factor)? + vae.shift_factor)?;
        let colours = self.decoder.forward(&latents.to_dtype(self.decoder_dtype)?)?;
        let colours = colours.to_dtype(DType::F32)?;
        // A sum is finite only if all that is summed is.
        if colours.sum_all()?.to_scalar::<f32>()?.is_finite() {
            Ok(colours.squeeze(0)?)
        } else {
            Err(PaintError::NotFinite)
        }
    }
}

/// The middle of colours (3, height, width) as a picture of the ordered size.
fn picture(colours: &Tensor, order: &Order) -> Result<Picture, PaintError> {
    let (_, height, width) = colours.dims3()?;
    let (wanted_height, wanted_width) = (order.height as usize, order.width as usize);
    let colours = colours.narrow(1, (height - wanted_height) / 2, wanted_height)?.narrow(
        2,
        (width - wanted_width) / 2,
        wanted_width,
    )?;
    let bytes = ((colours.clamp(-1.0, 1.0)? + 1.0)? * 127.5)?.round()?.to_dtype(DType::U8)?;
    let opaque = Tensor::full(u8::MAX, (1, wanted_height, wanted_width), bytes.device())?;
    let rgba = Tensor::cat(&[bytes, opaque], 0)?.permute((1, 2, 0))?.flatten_all()?;
    Picture::from_rgba(order.width, order.height, rgba.to_vec1()?)
        .map_err(|error| PaintError::Failed(error.to_string()))
}

/// That the weights fit into what memory there is, if that is known.
fn ensure_fits(parts: &[(&Weights, DType)], available_bytes: Option<u64>) -> Result<(), LoadError> {
    let held: u64 = parts.iter().map(|(part, dtype)| part.bytes_as(*dtype)).sum();
    // One tensor at a time is there as it lies in its file, too.
    let passing = parts.iter().map(|(part, _)| part.largest_bytes()).max().unwrap_or(0);
    let needed_bytes = held + passing;
    match available_bytes {
        Some(available_bytes) if needed_bytes > available_bytes => {
            Err(LoadError::Memory { needed_bytes, available_bytes })
        }
        _ => Ok(()),
    }
}
