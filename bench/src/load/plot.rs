//! Pictures of waits: how long how many of a thousand waited, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::Outcome;

/// Width and height, in pixels.
const SIZE: (u32, u32) = (900, 480);
/// Parts of a percent that are drawn: up to one message of ten thousand.
const STEPS: [f64; 16] =
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.99];

/// Draws the waits of each outcome under its name.
///
/// # Errors
/// When the file cannot be written.
pub fn waits(path: &Path, title: &str, outcomes: &[(String, &Outcome)]) -> Result<(), Box<dyn Error>> {
    let lines: Vec<(&str, Vec<(f64, f64)>)> =
        outcomes.iter().map(|(name, outcome)| (name.as_str(), line(outcome))).collect();
    let heights = lines.iter().flat_map(|(_, line)| line).map(|point| point.1);
    let (least, most) = heights.fold((f64::MAX, 1.0), |(least, most), us| (us.min(least), us.max(most)));
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..nines(99.99), (least.max(1.0) * 0.8..most * 1.3).log_scale())?;
    let percent = |nines: &f64| format!("{:.2} %", 100.0 - 100.0 / 10_f64.powf(*nines));
    chart
        .configure_mesh()
        .x_desc("messages that waited no longer")
        .y_desc("microseconds")
        .x_label_formatter(&percent)
        .draw()?;
    for (number, (name, line)) in lines.into_iter().enumerate() {
        let color = Palette99::pick(number).to_rgba();
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}

fn line(outcome: &Outcome) -> Vec<(f64, f64)> {
    STEPS.iter().map(|step| (nines(*step), outcome.wait_us(*step).max(1.0))).collect()
}

/// How many nines a percentile has: 90 is one, 99 is two.
fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).log10()
}
