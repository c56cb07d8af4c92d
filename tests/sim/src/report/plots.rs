//! The plots, as SVG.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{QUANTILES, Row};
use crate::world::System;

const SIZE: (u32, u32) = (880, 480);
const FONT: &str = "sans-serif";

/// Waits below this are drawn as this, as there is no zero on a logarithmic axis.
const LEAST_MS: f64 = 1.0;

/// Colours that are told apart by those who do not see all of them (Okabe and Ito).
fn colour(system: System) -> RGBColor {
    match system {
        System::Ledger => RGBColor(0, 114, 178),
        System::WritePerCall => RGBColor(213, 94, 0),
        System::HeapLease => RGBColor(0, 158, 115),
        System::RegionCounter => RGBColor(204, 121, 167),
        System::SharedHolder => RGBColor(64, 64, 64),
    }
}

/// Draws all plots into a folder.
pub(super) fn draw(rows: &[Row], folder: &Path) -> Result<()> {
    let per_write: Vec<_> = rows.iter().map(|row| (row.system, row.calls_per_write())).collect();
    bars(
        &folder.join("calls-per-write.svg"),
        "Calls served per write to the ledger",
        "calls",
        &per_write,
    )?;
    let dollars: Vec<_> = rows.iter().map(|row| (row.system, row.dollars_per_million())).collect();
    bars(
        &folder.join("cost.svg"),
        "What stores and queues cost",
        "US dollars per million calls",
        &dollars,
    )?;
    stranded(&folder.join("stranded.svg"), rows)?;
    waits(&folder.join("waits.svg"), rows)
}

/// Plotters' errors borrow what they are about.
fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a plot cannot be drawn: {error}")
}

/// One bar per system, with its value above it.
fn bars(path: &Path, title: &str, unit: &str, values: &[(System, f64)]) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 22))
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(Slots(values.iter().map(|(system, _)| *system).collect()), 0.0..most)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(values.len())
        .y_desc(unit)
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .draw()
        .map_err(failed)?;
    for (at, (system, value)) in values.iter().enumerate() {
        let middle = at as f64 + 0.5;
        let bar = [(middle - 0.3, 0.0), (middle + 0.3, *value)];
        let style = (FONT, 16).into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Bottom));
        let text = if *value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        chart
            .draw_series([
                Rectangle::new(bar, colour(*system).filled()).into_dyn(),
                Text::new(text, (middle, value + most * 0.01), style).into_dyn(),
            ])
            .map_err(failed)?;
    }
    area.present().map_err(failed)
}

/// An axis with a place for each system, its name in the middle.
struct Slots(Vec<System>);

impl Ranged for Slots {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (f64::from(limit.1 - limit.0) * value / self.0.len() as f64) as i32
    }

    fn key_points<Hint: plotters::coord::ranged1d::KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        (0..self.0.len()).map(|at| at as f64 + 0.5).collect()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.0.len() as f64
    }
}

impl ValueFormatter<f64> for Slots {
    fn format_ext(&self, value: &f64) -> String {
        self.0.get(*value as usize).map_or_else(String::new, |system| system.name().to_owned())
    }
}

/// Credits in leases whose process is gone, over time.
fn stranded(path: &Path, rows: &[Row]) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    let rows: Vec<_> = rows.iter().filter(|row| row.system.leases()).collect();
    let long = rows.iter().map(|row| row.stranded.len()).max().unwrap_or(0).max(1);
    let most = rows.iter().flat_map(|row| &row.stranded).copied().max().unwrap_or(0).max(1);
    let mut chart = ChartBuilder::on(&area)
        .caption("Credits stranded in the leases of processes that are gone", (FONT, 22))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..long as f64, 0.0..most as f64 * 1.1)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("virtual time, seconds")
        .y_desc("credits")
        .y_label_formatter(&|value| super::grouped(*value as u64))
        .x_label_formatter(&|value| format!("{value:.0}"))
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .draw()
        .map_err(failed)?;
    for row in rows {
        let colour = colour(row.system);
        let points =
            row.stranded.iter().enumerate().map(|(at, credits)| (at as f64, *credits as f64));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))
            .map_err(failed)?
            .label(row.system.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 16))
        .draw()
        .map_err(failed)?;
    area.present().map_err(failed)
}

/// How long calls waited for their credits, by quantile.
fn waits(path: &Path, rows: &[Row]) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    let last = QUANTILES.len() as f64 - 1.0;
    let mut chart = ChartBuilder::on(&area)
        .caption("How long a served call waited for its credits", (FONT, 22))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(80)
        .build_cartesian_2d(-0.3..last + 0.3, (LEAST_MS..20_000.0).log_scale())
        .map_err(failed)?;
    let name = |value: &f64| {
        let at = value.round();
        let near = (value - at).abs() < 0.01 && at >= 0.0;
        let quantile = QUANTILES.get(at as usize).filter(|_| near);
        quantile.map_or_else(String::new, |part| format!("p{}", (part * 1e5).round() / 1e3))
    };
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("part of the served calls")
        .y_desc("milliseconds (1 or less at the bottom)")
        .x_labels(QUANTILES.len())
        .x_label_formatter(&name)
        .y_label_formatter(&|value| super::grouped(*value as u64))
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .draw()
        .map_err(failed)?;
    // Two may be the same: those that are drawn first are wider, and are seen behind the others.
    for (at, row) in rows.iter().enumerate().rev() {
        let (colour, width) = (colour(row.system), 2 + at as u32);
        let points: Vec<_> = QUANTILES
            .iter()
            .enumerate()
            .map(|(at, part)| (at as f64, row.metrics.waits.quantile_ms(*part).max(LEAST_MS)))
            .collect();
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(width)))
            .map_err(failed)?
            .label(row.system.name())
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(width))
            });
        chart
            .draw_series(
                points.into_iter().map(|point| Circle::new(point, 3 + width / 2, colour.filled())),
            )
            .map_err(failed)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 16))
        .draw()
        .map_err(failed)?;
    area.present().map_err(failed)
}
