//! How far a command is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// A bar on standard error, which is drawn on a terminal only.
pub(crate) fn bar(template: &str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    // The templates are right, as tests say; one that is not leaves the bar as it is by default.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}
