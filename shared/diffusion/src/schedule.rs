//! How noise turns into a picture: the levels of noise, from all of it to none.

use serde::Deserialize;

use crate::LoadError;

/// The file.
pub(crate) const CONFIG: &str = "scheduler/scheduler_config.json";

/// What `scheduler/scheduler_config.json` says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Schedule {
    /// How much longer than evenly the levels stay high.
    shift: f64,
    /// Whether the shift would follow from the picture's size.
    #[serde(default)]
    use_dynamic_shifting: bool,
}

impl Schedule {
    /// Reads the file.
    pub(crate) fn read(json: &[u8]) -> Result<Self, LoadError> {
        let bad = |reason: String| LoadError::Config { path: CONFIG, reason };
        let schedule: Self =
            serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
        if schedule.use_dynamic_shifting {
            return Err(bad("`use_dynamic_shifting` is not supported".to_owned()));
        }
        if !(schedule.shift.is_finite() && schedule.shift > 0.0) {
            return Err(bad("`shift` must be above 0".to_owned()));
        }
        Ok(schedule)
    }

    /// The levels between which `steps` steps go: 1 is all noise, 0 none. One more than steps.
    ///
    /// The model's first pipeline counted the last level as a step, so that its 9 are 8 here.
    pub(crate) fn levels(&self, steps: usize) -> Vec<f64> {
        (0..=steps)
            .map(|step| 1.0 - step as f64 / steps as f64)
            .map(|even| self.shift * even / (1.0 + (self.shift - 1.0) * even))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_are_those_of_the_models_pipeline() {
        let schedule = Schedule::read(br#"{"num_train_timesteps": 1000, "shift": 3.0}"#).unwrap();
        // By hand: 3s / (1 + 2s) at s = 8/8, 7/8, … 0/8.
        let wanted = [
            1.0,
            21.0 / 22.0,
            9.0 / 10.0,
            5.0 / 6.0,
            3.0 / 4.0,
            9.0 / 14.0,
            1.0 / 2.0,
            3.0 / 10.0,
            0.0,
        ];
        let levels = schedule.levels(8);
        assert_eq!(levels.len(), wanted.len());
        for (level, wanted) in levels.iter().zip(wanted) {
            assert!((level - wanted).abs() < 1e-12, "{level} instead of {wanted}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for json in [
            "{}",
            "[]",
            r#"{"shift": 0.0}"#,
            r#"{"shift": "3"}"#,
            r#"{"shift": 3.0, "use_dynamic_shifting": true}"#,
        ] {
            let error = Schedule::read(json.as_bytes()).unwrap_err();
            assert!(matches!(error, LoadError::Config { path: CONFIG, .. }), "{error}");
        }
    }
}
