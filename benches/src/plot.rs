//! Ratios as bars: one SVG file for each table of a report.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::report::{Report, Row};

/// Height of one bar, and the space between works, in pixels.
const BAR: u32 = 11;
const GAP: u32 = 8;
const WIDTH: u32 = 900;
/// What the first system and its peers are painted in.
const COLOURS: [RGBColor; 5] = [
    RGBColor(31, 97, 141),
    RGBColor(230, 126, 34),
    RGBColor(127, 140, 141),
    RGBColor(192, 57, 43),
    RGBColor(39, 174, 96),
];

/// Draws how many times better than `base` each system was, on a logarithmic axis; works that `base` did not do are
/// left out.
pub fn ratios(
    report: &Report,
    systems: &[&'static str],
    base: &'static str,
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let rows: Vec<&Row> = report.rows_of(systems).filter(|row| row.results.contains_key(base)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let bars = |row: &Row| -> Vec<(usize, f64)> {
        let ratio = |(at, system): (usize, &&'static str)| Some((at, row.ratio(system, base)?));
        systems.iter().enumerate().filter(|(_, system)| **system != base).filter_map(ratio).collect()
    };
    let all: Vec<f64> = rows.iter().flat_map(|row| bars(row)).map(|(_, ratio)| ratio).collect();
    let low = all.iter().copied().fold(1.0, f64::min) / 1.5;
    let high = all.iter().copied().fold(1.0, f64::max) * 2.0;
    let block = (systems.len() as u32 - 1) * BAR + GAP;
    let height = rows.len() as u32 * block;

    let root = SVGBackend::new(path, (WIDTH, height + 90)).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("{}: times better than {base} (logarithmic; more is better)", report.suite);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 17))
        .margin(8)
        .x_label_area_size(30)
        .y_label_area_size(240)
        .build_cartesian_2d((low..high).log_scale(), 0..height as i32)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_label_formatter(&|x| if *x < 1.0 { format!("{x:.2}") } else { format!("{x:.0}") })
        .light_line_style(WHITE.mix(0.0))
        .draw()?;
    for (number, row) in rows.iter().enumerate() {
        let top = height as i32 - (number as u32 * block) as i32 - GAP as i32 / 2;
        for (line, (system, ratio)) in bars(row).into_iter().enumerate() {
            let (from, to) = (top - (line as u32 * BAR) as i32, top - ((line + 1) as u32 * BAR) as i32 + 2);
            let (left, right) = if ratio < 1.0 { (ratio, 1.0) } else { (1.0, ratio) };
            let colour = COLOURS[system % COLOURS.len()];
            chart.draw_series([Rectangle::new([(left, from), (right, to)], colour.filled())])?;
            let label = if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") };
            let at = chart.backend_coord(&(right, from));
            root.draw_text(&label, &("sans-serif", 10).into_text_style(&root), (at.0 + 4, at.1))?;
        }
        let at = chart.backend_coord(&(low, top));
        let style = ("sans-serif", 12).into_text_style(&root).pos(right_of_middle());
        root.draw_text(&row.work, &style, (at.0 - 8, at.1 + (block - GAP) as i32 / 2))?;
    }
    chart.draw_series(LineSeries::new([(1.0, 0), (1.0, height as i32)], BLACK.stroke_width(1)))?;
    legend(&root, systems, base)?;
    root.present()?;
    Ok(())
}

/// Text that ends at its point and is centred on it in height.
fn right_of_middle() -> plotters::style::text_anchor::Pos {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    Pos::new(HPos::Right, VPos::Center)
}

fn legend(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    systems: &[&'static str],
    base: &str,
) -> Result<(), Box<dyn Error>> {
    let mut x = 10;
    for (at, system) in systems.iter().enumerate().filter(|(_, system)| **system != base) {
        let colour = COLOURS[at % COLOURS.len()];
        root.draw(&Rectangle::new([(x, 32), (x + 10, 42)], colour.filled()))?;
        root.draw_text(system, &("sans-serif", 12).into_text_style(root), (x + 14, 31))?;
        x += 34 + system.len() as i32 * 7;
    }
    Ok(())
}
