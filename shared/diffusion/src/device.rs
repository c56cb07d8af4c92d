//! What a model runs on, and in which numbers.

use std::fmt;
use std::str::FromStr;

use candle_core::DType;

use crate::LoadError;
use crate::error::plain;

/// What a model runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor: any machine has one, and it takes minutes a picture.
    #[default]
    Cpu,
    /// A GPU of NVIDIA's, by its number. The build needs the feature `cuda`.
    Cuda(usize),
}

impl Device {
    /// The device as the library has it.
    pub(crate) fn open(self) -> Result<candle_core::Device, LoadError> {
        match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            Self::Cuda(number) => candle_core::Device::new_cuda(number).map_err(|error| {
                LoadError::Device { device: self.to_string(), reason: plain(&error) }
            }),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// A text that names no device or no number format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is none of {choices}")]
pub struct ChoiceError {
    given: String,
    choices: &'static str,
}

impl FromStr for Device {
    type Err = ChoiceError;

    /// Reads `cpu`, `cuda` (the first GPU) or `cuda:1`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => text.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        number
            .map(Self::Cuda)
            .ok_or_else(|| ChoiceError { given: text.to_owned(), choices: "cpu, cuda, cuda:N" })
    }
}

/// The numbers that a model is calculated in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Four bytes a number: what a processor is quickest with.
    #[default]
    F32,
    /// Two bytes, with the range of four: what the model was trained in, and what a GPU should use.
    /// On the processor it takes half the memory, and longer; the decoder stays in f32 there.
    Bf16,
    /// Two bytes, for GPUs without bf16. Large activations can run over.
    F16,
}

impl Precision {
    pub(crate) const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}

impl FromStr for Precision {
    type Err = ChoiceError;

    /// Reads `f32`, `bf16` or `f16`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            _ => Err(ChoiceError { given: text.to_owned(), choices: "f32, bf16, f16" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_configuration_names_is_read() {
        assert_eq!("cpu".parse(), Ok(Device::Cpu));
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(Device::Cuda(3)));
        assert_eq!("bf16".parse(), Ok(Precision::Bf16));
        assert_eq!("f16".parse(), Ok(Precision::F16));
        assert_eq!("f32".parse(), Ok(Precision::F32));
        for bad in ["", "gpu", "cuda:", "cuda:-1", "CPU"] {
            let error = bad.parse::<Device>().unwrap_err();
            assert!(error.to_string().contains("cuda:N"), "{error}");
        }
        assert!("int8".parse::<Precision>().is_err());
    }

    #[test]
    fn each_format_is_the_librarys_of_its_name() {
        assert_eq!(Precision::F32.dtype(), DType::F32);
        assert_eq!(Precision::Bf16.dtype(), DType::BF16);
        assert_eq!(Precision::F16.dtype(), DType::F16);
    }
}
