//! Weights out of safetensors.
//!
//! A tensor is read when the model asks for it, into memory of its own, and turned into the model's
//! numbers there. The files are not mapped: the library copies a tensor out of a map anyway, and a
//! file that is cut short while it is mapped kills the process, where a read gives an error.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use safetensors::tensor::Metadata;

use crate::LoadError;
use crate::error::plain;
use crate::manifest::Opened;

/// The longest header that is read. That of the largest part of the model has 60 KB.
const HEADER_BYTES_MAX: u64 = 16 << 20;

/// Where a tensor lies.
#[derive(Debug)]
struct Place {
    file: usize,
    at: u64,
    bytes: usize,
    dtype: DType,
    shape: Vec<usize>,
}

/// The weights of one part of the model.
#[derive(Debug)]
pub(crate) struct Weights {
    part: &'static str,
    /// Reading moves a file's position, so one reads at a time.
    files: Mutex<Vec<Opened>>,
    places: HashMap<String, Place>,
    /// Why the library was given no tensor: it keeps only the text of an error.
    fault: Mutex<Option<LoadError>>,
}

impl Weights {
    /// Reads the headers of `files`.
    pub(crate) fn open(part: &'static str, files: Vec<Opened>) -> Result<Self, LoadError> {
        let mut places = HashMap::new();
        for (number, file) in files.iter().enumerate() {
            let (start, header) = header(file)?;
            for (name, info) in header.tensors() {
                let (from, to) = info.data_offsets;
                let dtype = DType::try_from(info.dtype).map_err(|error| LoadError::Header {
                    path: file.path.clone(),
                    reason: format!("tensor `{name}`: {error}"),
                })?;
                let place = Place {
                    file: number,
                    at: start + from as u64,
                    bytes: to - from,
                    dtype,
                    shape: info.shape.clone(),
                };
                if places.insert(name.clone(), place).is_some() {
                    return Err(LoadError::TensorTwice { part, tensor: name });
                }
            }
        }
        Ok(Self { part, files: Mutex::new(files), places, fault: Mutex::new(None) })
    }

    /// The bytes that all tensors take as `dtype`.
    pub(crate) fn bytes_as(&self, dtype: DType) -> u64 {
        let numbers: usize =
            self.places.values().map(|place| place.shape.iter().product::<usize>()).sum();
        numbers as u64 * dtype.size_in_bytes() as u64
    }

    /// The bytes of the largest tensor as it lies in its file.
    pub(crate) fn largest_bytes(&self) -> u64 {
        self.places.values().map(|place| place.bytes as u64).max().unwrap_or(0)
    }

    /// Builds a part of the model out of the weights.
    pub(crate) fn build<T>(
        self,
        dtype: DType,
        device: &Device,
        build: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<T>,
    ) -> Result<T, LoadError> {
        let weights = Arc::new(self);
        let shelf = Box::new(Shelf(Arc::clone(&weights)));
        build(VarBuilder::from_backend(shelf, dtype, device.clone())).map_err(|error| {
            let fault = weights.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
            fault.unwrap_or_else(|| LoadError::Build { part: weights.part, reason: plain(&error) })
        })
    }

    fn place(&self, name: &str) -> Result<&Place, LoadError> {
        self.places
            .get(name)
            .ok_or_else(|| LoadError::TensorMissing { part: self.part, tensor: name.to_owned() })
    }

    fn bytes_of(&self, place: &Place) -> Result<Vec<u8>, LoadError> {
        let mut bytes = vec![0; place.bytes];
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files[place.file].read_at(place.at, &mut bytes)?;
        Ok(bytes)
    }

    fn bytes_shaped(
        &self,
        name: &str,
        shape: Option<&Shape>,
    ) -> Result<(Vec<u8>, &Place), LoadError> {
        let place = self.place(name)?;
        match shape {
            Some(shape) if shape.dims() != place.shape => Err(LoadError::TensorShape {
                part: self.part,
                tensor: name.to_owned(),
                expected: shape.dims().to_vec(),
                found: place.shape.clone(),
            }),
            _ => Ok((self.bytes_of(place)?, place)),
        }
    }

    fn tensor(
        &self,
        name: &str,
        shape: Option<&Shape>,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let (bytes, place) = self.bytes_shaped(name, shape).map_err(|error| {
            let text = error.to_string();
            let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
            *fault = Some(error);
            candle_core::Error::msg(text)
        })?;
        // In the processor's memory first, so that a GPU never holds a tensor twice.
        Tensor::from_raw_buffer(&bytes, place.dtype, &place.shape, &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(device)
    }
}

/// Reads a header: where the tensors' bytes begin, and what they are.
fn header(file: &Opened) -> Result<(u64, Metadata), LoadError> {
    let bad = |reason: String| LoadError::Header { path: file.path.clone(), reason };
    let mut length = [0; 8];
    if file.bytes < length.len() as u64 {
        return Err(bad("the file is empty or nearly so".to_owned()));
    }
    file.read_at(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    let start = 8 + length.min(HEADER_BYTES_MAX);
    if length > HEADER_BYTES_MAX || start > file.bytes {
        return Err(bad(format!("it would have {length} bytes")));
    }
    let mut text = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_at(8, &mut text)?;
    let header: Metadata = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    let expected_bytes = start + header.data_len() as u64;
    if expected_bytes != file.bytes {
        let path = file.path.clone();
        return Err(LoadError::Length { path, expected_bytes, found_bytes: file.bytes });
    }
    Ok((start, header))
}

/// Weights as the library asks for them.
struct Shelf(Arc<Weights>);

impl SimpleBackend for Shelf {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.0.tensor(name, Some(&shape), dtype, device)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.0.tensor(name, None, dtype, device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.places.contains_key(name)
    }
}
