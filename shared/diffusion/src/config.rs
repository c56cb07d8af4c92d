//! What the model's parts look like, checked before they are built.
//!
//! The library takes a configuration at its word: one that does not add up makes it panic. So what it
//! relies on is checked here.

use candle_transformers::models::z_image::{Config, TextEncoderConfig, VaeConfig};
use serde::de::DeserializeOwned;

use crate::LoadError;
use crate::manifest::Files;
use crate::prompt::TOKENS_MAX;

const TRANSFORMER: &str = "transformer/config.json";
const TEXT_ENCODER: &str = "text_encoder/config.json";
const VAE: &str = "vae/config.json";

/// Image tokens are squares of this many latents a side.
pub(crate) const PATCH: usize = 2;

/// The configurations of the model's parts.
#[derive(Debug)]
pub(crate) struct Configs {
    pub(crate) transformer: Config,
    pub(crate) text_encoder: TextEncoderConfig,
    pub(crate) vae: VaeConfig,
}

impl Configs {
    /// Reads and checks them.
    pub(crate) fn read(files: &Files) -> Result<Self, LoadError> {
        let configs = Self {
            transformer: read(files, TRANSFORMER)?,
            text_encoder: read(files, TEXT_ENCODER)?,
            vae: read(files, VAE)?,
        };
        configs.check()?;
        Ok(configs)
    }

    /// Pixels a side of what one image token stands for.
    pub(crate) const fn pixels_per_token(&self) -> usize {
        PATCH << (self.vae.block_out_channels.len() - 1)
    }

    fn check(&self) -> Result<(), LoadError> {
        check_transformer(&self.transformer)?;
        check_text_encoder(&self.text_encoder)?;
        check_vae(&self.vae)?;
        ensure(
            TRANSFORMER,
            self.transformer.cap_feat_dim == self.text_encoder.hidden_size,
            || "`cap_feat_dim` must be the text encoder's `hidden_size`",
        )?;
        ensure(
            TRANSFORMER,
            self.transformer.in_channels == self.vae.latent_channels,
            || "`in_channels` must be the decoder's `latent_channels`",
        )
    }
}

fn read<T: DeserializeOwned>(files: &Files, path: &'static str) -> Result<T, LoadError> {
    serde_json::from_slice(&files.read(path)?)
        .map_err(|error| LoadError::Config { path, reason: error.to_string() })
}

fn ensure(
    path: &'static str,
    holds: bool,
    reason: impl FnOnce() -> &'static str,
) -> Result<(), LoadError> {
    if holds { Ok(()) } else { Err(LoadError::Config { path, reason: reason().to_owned() }) }
}

fn check_transformer(it: &Config) -> Result<(), LoadError> {
    let ensure = |holds, reason| ensure(TRANSFORMER, holds, || reason);
    ensure(it.all_patch_size == [PATCH], "`all_patch_size` must be [2]")?;
    ensure(it.all_f_patch_size == [1], "`all_f_patch_size` must be [1]")?;
    ensure(it.n_heads > 0 && it.dim.is_multiple_of(it.n_heads), "`n_heads` must divide `dim`")?;
    ensure(it.n_kv_heads == it.n_heads, "`n_kv_heads` must be `n_heads`")?;
    ensure(it.dim.is_multiple_of(3), "`dim` must be a multiple of 3")?;
    ensure(
        it.axes_dims.len() == 3 && it.axes_lens.len() == 3,
        "`axes_dims` and `axes_lens` must have three numbers each",
    )?;
    ensure(
        it.axes_dims.iter().all(|dim| *dim > 0 && dim.is_multiple_of(2))
            && it.axes_dims.iter().sum::<usize>() == it.dim / it.n_heads,
        "`axes_dims` must be even and come to `dim` / `n_heads`",
    )?;
    ensure(
        it.axes_lens[0] > TOKENS_MAX + 1,
        "the first of `axes_lens` must be above the 513 of the longest prompt and one",
    )
}

fn check_text_encoder(it: &TextEncoderConfig) -> Result<(), LoadError> {
    let ensure = |holds, reason| ensure(TEXT_ENCODER, holds, || reason);
    ensure(it.num_hidden_layers >= 2, "`num_hidden_layers` must be at least 2")?;
    ensure(
        it.num_key_value_heads > 0 && it.num_attention_heads.is_multiple_of(it.num_key_value_heads),
        "`num_key_value_heads` must divide `num_attention_heads`",
    )?;
    ensure(it.head_dim > 0 && it.head_dim.is_multiple_of(2), "`head_dim` must be even")?;
    ensure(
        it.max_position_embeddings >= TOKENS_MAX,
        "`max_position_embeddings` must be at least 512",
    )
}

fn check_vae(it: &VaeConfig) -> Result<(), LoadError> {
    let ensure = |holds, reason| ensure(VAE, holds, || reason);
    ensure(
        (1..=8).contains(&it.block_out_channels.len()),
        "`block_out_channels` must have one to eight numbers",
    )?;
    ensure(
        it.norm_num_groups > 0
            && it.block_out_channels.iter().all(|it_has| it_has.is_multiple_of(it.norm_num_groups)),
        "`norm_num_groups` must divide all `block_out_channels`",
    )?;
    ensure(it.out_channels == 3, "`out_channels` must be 3")?;
    ensure(it.scaling_factor > 0.0, "`scaling_factor` must be above 0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny;

    fn refused(change: impl FnOnce(&mut Configs)) -> String {
        let mut configs = tiny::configs();
        configs.check().expect("the tiny model's configurations are good");
        change(&mut configs);
        configs.check().expect_err("it does not add up").to_string()
    }

    #[test]
    fn what_does_not_add_up_is_named() {
        let named = |text: String, name: &str| assert!(text.contains(name), "{text}");
        named(refused(|it| it.transformer.n_heads = 0), "`n_heads`");
        named(refused(|it| it.transformer.n_heads = 5), "`n_heads`");
        named(refused(|it| it.transformer.n_kv_heads = 1), "`n_kv_heads`");
        named(refused(|it| it.transformer.all_patch_size = vec![]), "`all_patch_size`");
        named(refused(|it| it.transformer.all_f_patch_size = vec![2]), "`all_f_patch_size`");
        named(refused(|it| it.transformer.axes_lens = vec![600, 64]), "`axes_lens`");
        named(refused(|it| it.transformer.axes_lens[0] = 512), "`axes_lens`");
        named(refused(|it| it.transformer.axes_dims = vec![3, 3, 2]), "`axes_dims`");
        named(refused(|it| it.transformer.axes_dims = vec![2, 2, 2]), "`axes_dims`");
        named(refused(|it| it.transformer.cap_feat_dim = 7), "`cap_feat_dim`");
        named(refused(|it| it.transformer.in_channels = 7), "`in_channels`");
        named(refused(|it| it.text_encoder.num_hidden_layers = 1), "`num_hidden_layers`");
        named(refused(|it| it.text_encoder.num_key_value_heads = 0), "`num_key_value_heads`");
        named(refused(|it| it.text_encoder.head_dim = 3), "`head_dim`");
        named(
            refused(|it| it.text_encoder.max_position_embeddings = 9),
            "`max_position_embeddings`",
        );
        named(refused(|it| it.vae.block_out_channels.clear()), "`block_out_channels`");
        named(refused(|it| it.vae.norm_num_groups = 3), "`norm_num_groups`");
        named(refused(|it| it.vae.out_channels = 1), "`out_channels`");
        named(refused(|it| it.vae.scaling_factor = f64::NAN), "`scaling_factor`");
    }

    #[test]
    fn a_multiple_of_three_is_wanted_of_the_width() {
        let text = refused(|it| {
            it.transformer.dim = 32;
            it.transformer.n_heads = 4;
            it.transformer.n_kv_heads = 4;
        });
        assert!(text.contains("`dim`"), "{text}");
    }
}
