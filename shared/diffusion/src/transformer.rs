//! The diffusion transformer: of noise and a prompt, the way to a picture.
//!
//! The blocks are the library's. They are put together here, since the library's own assembly leaves
//! two things out. Text and picture are each filled up to a multiple of 32 tokens, and what they are
//! filled up with are learned tokens that all others attend to; the library masks them, so its model
//! is not quite the one that was trained. And a mask rules out flash attention.

use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::{Linear, RmsNorm, VarBuilder, linear, rms_norm};
use candle_transformers::models::z_image::transformer::{
    ADALN_EMBED_DIM, FinalLayer, RopeEmbedder, SEQ_MULTI_OF, TimestepEmbedder,
    ZImageTransformerBlock, create_coordinate_grid, patchify, unpatchify,
};
use candle_transformers::models::z_image::{Config, preprocess::compute_padding_len};

use crate::config::PATCH;

/// The width of the time's embedding, which the configuration does not say.
const TIME_WIDTH: usize = 1_024;

/// The transformer.
#[derive(Debug)]
pub(crate) struct Transformer {
    time: TimestepEmbedder,
    time_scale: f64,
    text_norm: RmsNorm,
    text_in: Linear,
    image_in: Linear,
    text_fill: Tensor,
    image_fill: Tensor,
    text_blocks: Vec<ZImageTransformerBlock>,
    image_blocks: Vec<ZImageTransformerBlock>,
    blocks: Vec<ZImageTransformerBlock>,
    image_out: FinalLayer,
    rope: RopeEmbedder,
    channels: usize,
    dtype: DType,
    device: Device,
}

/// Where tokens are, as the cosines and sines that queries and keys are turned by.
#[derive(Debug)]
struct Places {
    cos: Tensor,
    sin: Tensor,
}

/// What does not change from step to step of one picture.
#[derive(Debug)]
pub(crate) struct Task {
    text: Tensor,
    image_places: Places,
    places: Places,
}

impl Transformer {
    pub(crate) fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        let blocks = |count: usize, timed: bool, vb: VarBuilder| {
            let block = |n| ZImageTransformerBlock::new(config, timed, vb.pp(n));
            (0..count).map(block).collect::<Result<Vec<_>>>()
        };
        let patch_width = PATCH * PATCH * config.in_channels;
        let fill = (1, config.dim);
        Ok(Self {
            time: TimestepEmbedder::new(
                config.dim.min(ADALN_EMBED_DIM),
                TIME_WIDTH,
                vb.pp("t_embedder"),
            )?,
            time_scale: config.t_scale,
            text_norm: rms_norm(config.cap_feat_dim, config.norm_eps, vb.pp("cap_embedder.0"))?,
            text_in: linear(config.cap_feat_dim, config.dim, vb.pp("cap_embedder.1"))?,
            image_in: linear(patch_width, config.dim, vb.pp("all_x_embedder.2-1"))?,
            text_fill: vb.get(fill, "cap_pad_token")?,
            image_fill: vb.get(fill, "x_pad_token")?,
            text_blocks: blocks(config.n_refiner_layers, false, vb.pp("context_refiner"))?,
            image_blocks: blocks(config.n_refiner_layers, true, vb.pp("noise_refiner"))?,
            blocks: blocks(config.n_layers, true, vb.pp("layers"))?,
            image_out: FinalLayer::new(config.dim, patch_width, vb.pp("all_final_layer.2-1"))?,
            rope: RopeEmbedder::new(
                config.rope_theta,
                config.axes_dims.clone(),
                config.axes_lens.clone(),
                vb.device(),
                vb.dtype(),
            )?,
            channels: config.in_channels,
            dtype: vb.dtype(),
            device: vb.device().clone(),
        })
    }

    /// Prepares a picture of `rows` by `columns` image tokens for a prompt's features
    /// (1, tokens, width).
    pub(crate) fn prepare(&self, features: &Tensor, rows: usize, columns: usize) -> Result<Task> {
        let text = self.text_norm.forward(features)?.apply(&self.text_in)?;
        let mut text = fill_up(&text, &self.text_fill)?;
        let length = text.dim(1)?;

        // Text lies along the first axis from 1; the picture is one slice behind it, and what fills
        // the picture up is at the origin.
        let text_at = create_coordinate_grid((length, 1, 1), (1, 0, 0), &self.device)?;
        let image_at =
            create_coordinate_grid((1, rows, columns), (length + 1, 0, 0), &self.device)?;
        let fill_at = (compute_padding_len(rows * columns), 3);
        let image_at =
            Tensor::cat(&[image_at, Tensor::zeros(fill_at, DType::U32, &self.device)?], 0)?;

        let places = self.places(&text_at)?;
        for block in &self.text_blocks {
            text = block.forward(&text, None, &places.cos, &places.sin, None)?;
        }
        Ok(Task {
            text,
            image_places: self.places(&image_at)?,
            places: self.places(&Tensor::cat(&[image_at, text_at], 0)?)?,
        })
    }

    /// Which way from the picture to noise the latents (1, channels, height, width) lie, at a level
    /// of noise. Both are in f32.
    pub(crate) fn direction(&self, task: &Task, latents: &Tensor, level: f64) -> Result<Tensor> {
        // The model's time runs the other way, from noise to the picture.
        let time = Tensor::new(&[(self.time_scale * (1.0 - level)) as f32], &self.device)?;
        let time = self.time.forward(&time)?;

        let latents = latents.to_dtype(self.dtype)?.unsqueeze(2)?;
        let (patches, size) = patchify(&latents, PATCH, 1)?;
        let mut image = fill_up(&patches.apply(&self.image_in)?, &self.image_fill)?;
        let at = &task.image_places;
        for block in &self.image_blocks {
            image = block.forward(&image, None, &at.cos, &at.sin, Some(&time))?;
        }

        let mut all = Tensor::cat(&[&image, &task.text], 1)?;
        let at = &task.places;
        for block in &self.blocks {
            all = block.forward(&all, None, &at.cos, &at.sin, Some(&time))?;
        }

        let image = self.image_out.forward(&all.narrow(1, 0, patches.dim(1)?)?, &time)?;
        let towards_the_picture = unpatchify(&image, size, PATCH, 1, self.channels)?.squeeze(2)?;
        towards_the_picture.to_dtype(DType::F32)?.neg()
    }

    fn places(&self, at: &Tensor) -> Result<Places> {
        let (cos, sin) = self.rope.forward(at)?;
        Ok(Places { cos, sin })
    }
}

/// Fills tokens (1, count, width) up to a multiple of [`SEQ_MULTI_OF`] with a learned one.
fn fill_up(tokens: &Tensor, with: &Tensor) -> Result<Tensor> {
    let (_, count, width) = tokens.dims3()?;
    let missing = compute_padding_len(count);
    debug_assert!((count + missing).is_multiple_of(SEQ_MULTI_OF));
    let fill = with.unsqueeze(0)?.broadcast_as((1, missing, width))?;
    if missing == 0 { Ok(tokens.clone()) } else { Tensor::cat(&[tokens, &fill], 1) }
}
