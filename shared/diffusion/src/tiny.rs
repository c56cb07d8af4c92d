//! A model of the same architecture, tiny and untrained, for tests: it paints in milliseconds what
//! nobody would want to see.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use candle_transformers::models::z_image::ZImageTextEncoder;
use candle_transformers::models::z_image::vae::Decoder;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use crate::config::Configs;
use crate::manifest;
use crate::transformer::Transformer;

/// Tokens that there are: one for each byte and two for the frame.
pub(crate) const VOCABULARY: usize = 258;

/// The decoder's channels; each but the first of them doubles the picture's sides.
const FINE: &[usize] = &[4, 4, 8, 8];
const COARSE: &[usize] = &[4, 4, 4, 4, 8, 8];

/// What can go wrong with writing a model.
type Failed = Box<dyn std::error::Error>;

/// Writes a model of the same weights each time into `folder`, with its checksums. A token stands for
/// 16 pixels a side, as in the published one.
///
/// # Errors
///
/// When the folder cannot be written.
pub fn write(folder: &Path) -> Result<(), Failed> {
    write_of(FINE, folder)
}

/// The same with tokens of 64 pixels a side: pictures of a usual size take a moment.
///
/// # Errors
///
/// When the folder cannot be written.
pub fn write_coarse(folder: &Path) -> Result<(), Failed> {
    write_of(COARSE, folder)
}

fn write_of(channels: &[usize], folder: &Path) -> Result<(), Failed> {
    let configs = read(channels)?;
    for (part, config) in parts(channels) {
        fs::create_dir_all(folder.join(part))?;
        fs::write(folder.join(part).join("config.json"), config.to_string())?;
    }
    fs::create_dir_all(folder.join("tokenizer"))?;
    fs::write(folder.join("tokenizer/tokenizer.json"), tokenizer())?;
    fs::create_dir_all(folder.join("scheduler"))?;
    let scheduler = json!({ "num_train_timesteps": 1_000, "shift": 3.0 });
    fs::write(folder.join("scheduler/scheduler_config.json"), scheduler.to_string())?;

    let encoder = weights(1, |vb| ZImageTextEncoder::new(&configs.text_encoder, vb).map(drop))?;
    // In two files, as the published ones are.
    let (first, second): (HashMap<_, _>, _) =
        encoder.into_iter().partition(|(name, _)| name.contains("layers.0."));
    let folder_of = |part| folder.join(part);
    let encoder_folder = folder_of("text_encoder");
    save(&first, &encoder_folder.join("model-00001-of-00002.safetensors"))?;
    save(&second, &encoder_folder.join("model-00002-of-00002.safetensors"))?;
    let name = "diffusion_pytorch_model.safetensors";
    let transformer = weights(2, |vb| Transformer::new(&configs.transformer, vb).map(drop))?;
    save(&transformer, &folder_of("transformer").join(name))?;
    let decoder = weights(3, |vb| Decoder::new(&configs.vae, vb.pp("decoder")).map(drop))?;
    save(&decoder, &folder_of("vae").join(name))?;
    write_sums(folder)
}

/// Writes the checksums of all that is in the folders of `folder`.
///
/// # Errors
///
/// When the folder cannot be read or written.
pub fn write_sums(folder: &Path) -> Result<(), Failed> {
    let mut list = String::new();
    for part in fs::read_dir(folder)? {
        let part = part?.path();
        if !part.is_dir() {
            continue;
        }
        for file in fs::read_dir(&part)? {
            let file = file?.path();
            let digest = Sha256::digest(fs::read(&file)?);
            for byte in digest {
                write!(list, "{byte:02x}")?;
            }
            let below = file.strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
            writeln!(list, "  {below}")?;
        }
    }
    Ok(fs::write(folder.join(manifest::NAME), list)?)
}

/// The parts that have weights, with their configurations.
fn parts(channels: &[usize]) -> [(&'static str, Value); 3] {
    let transformer = json!({
        "all_patch_size": [2], "all_f_patch_size": [1], "in_channels": 4, "dim": 24,
        "n_layers": 2, "n_refiner_layers": 1, "n_heads": 3, "n_kv_heads": 3, "cap_feat_dim": 16,
        "axes_dims": [4, 2, 2], "axes_lens": [600, 64, 64],
    });
    let text_encoder = json!({
        "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
        "max_position_embeddings": 512,
    });
    let vae = json!({
        "latent_channels": 4, "block_out_channels": channels, "layers_per_block": 1,
        "norm_num_groups": 2, "scaling_factor": 0.4, "shift_factor": 0.1,
    });
    [("transformer", transformer), ("text_encoder", text_encoder), ("vae", vae)]
}

/// The configurations of the model that [`write`] writes.
#[cfg(test)]
pub(crate) fn configs() -> Configs {
    read(FINE).unwrap()
}

fn read(channels: &[usize]) -> Result<Configs, serde_json::Error> {
    let [(_, transformer), (_, text_encoder), (_, vae)] = parts(channels);
    Ok(Configs {
        transformer: serde_json::from_value(transformer)?,
        text_encoder: serde_json::from_value(text_encoder)?,
        vae: serde_json::from_value(vae)?,
    })
}

/// A tokenizer of bytes, with the two tokens of the frame.
pub(crate) fn tokenizer() -> Vec<u8> {
    let bytes: BTreeSet<char> = ByteLevel::alphabet().into_iter().collect();
    let vocabulary: HashMap<String, usize> =
        bytes.into_iter().enumerate().map(|(id, byte)| (byte.to_string(), id)).collect();
    let special = |id: usize, content: &str| {
        json!({
            "id": id, "content": content, "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false,
        })
    };
    json!({
        "version": "1.0",
        "added_tokens": [special(256, "<|im_start|>"), special(257, "<|im_end|>")],
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
        },
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    })
    .to_string()
    .into_bytes()
}

/// The weights that `build` asks for, made with chance that follows from `seed`.
fn weights(
    seed: u64,
    build: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<()>,
) -> candle_core::Result<HashMap<String, Tensor>> {
    let maker = Maker(Arc::new(Mutex::new((ChaCha12Rng::seed_from_u64(seed), HashMap::new()))));
    let made = Arc::clone(&maker.0);
    build(VarBuilder::from_backend(Box::new(maker), DType::F32, Device::Cpu))?;
    let made = made.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
    Ok(made)
}

fn save(weights: &HashMap<String, Tensor>, path: &Path) -> candle_core::Result<()> {
    candle_core::safetensors::save(weights, path)
}

/// Makes a tensor whenever the library asks for one, and remembers it.
struct Maker(Arc<Mutex<(ChaCha12Rng, HashMap<String, Tensor>)>>);

impl SimpleBackend for Maker {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        _: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As large as what comes in is many, so that what goes out is neither nothing nor too much.
        let inputs: usize = shape.dims().iter().skip(1).product();
        let size = 1.0 / (inputs.max(1) as f32).sqrt();
        // Norms have weights about one.
        let middle = if shape.rank() == 1 && name.ends_with("weight") { 1.0 } else { 0.0 };
        let numbers: Vec<f32> = StandardNormal
            .sample_iter(&mut made.0)
            .take(shape.elem_count())
            .map(|number: f32| middle + size * number)
            .collect();
        let tensor = Tensor::from_vec(numbers, shape, device)?;
        made.1.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        Err(candle_core::Error::CannotFindTensor { path: name.to_owned() })
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
