//! A scenario as a picture: bars for each measure, less is better. SVG by hand.

use std::fmt::Write as _;

use super::ScenarioReport;
use crate::scenario::Measure;
use crate::subject::Subject;

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 110.0;
const LONGEST: f64 = 520.0;
const BAR: f64 = 18.0;
const ROW: f64 = 24.0;
const HEADING: f64 = 30.0;
const TITLE: f64 = 36.0;

pub(super) fn scenario(report: &ScenarioReport) -> String {
    let panels: Vec<Panel> = report
        .measures()
        .into_iter()
        .map(|measure| Panel::of(report, measure))
        .collect();
    let height = TITLE + panels.iter().map(Panel::height).sum::<f64>() + ROW / 2.0;
    let title = escape(&report.title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"16\" font-weight=\"bold\" fill=\"#222222\">{title}</text>\n"
    );
    let mut top = TITLE;
    for panel in panels {
        panel.draw(top, &mut svg);
        top += panel.height();
    }
    svg + "</svg>\n"
}

/// One measure of all daemons.
struct Panel {
    measure: Measure,
    bars: Vec<(Subject, f64)>,
}

impl Panel {
    fn of(report: &ScenarioReport, measure: Measure) -> Self {
        let bars = report
            .outcomes
            .keys()
            .filter_map(|subject| Some((*subject, report.value(*subject, measure)?)));
        Self {
            measure,
            bars: bars.collect(),
        }
    }

    fn height(&self) -> f64 {
        HEADING + ROW * self.bars.len() as f64
    }

    fn draw(&self, top: f64, svg: &mut String) {
        let largest = self
            .bars
            .iter()
            .map(|(_, value)| *value)
            .fold(f64::MIN_POSITIVE, f64::max);
        let name = escape(self.measure.name());
        let baseline = top + HEADING - 10.0;
        put(
            svg,
            format_args!(
                "<text x=\"10\" y=\"{baseline}\" fill=\"#555555\">{name} (less is better)</text>\n"
            ),
        );
        for (row, (subject, value)) in self.bars.iter().enumerate() {
            let y = top + HEADING + ROW * row as f64;
            // A bar of nothing is still seen.
            let width = (value / largest * LONGEST).max(1.0);
            let (text, label) = (y + BAR - 5.0, LEFT + width + 6.0);
            let (subject, colour, shown) = (
                subject.name(),
                colour(*subject),
                escape(&self.measure.show(*value)),
            );
            put(
                svg,
                format_args!(
                    "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\" fill=\"#222222\">{subject}</text>\n\
                     <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
                     <text x=\"{label:.1}\" y=\"{text}\" fill=\"#222222\">{shown}</text>\n",
                    LEFT - 8.0
                ),
            );
        }
    }
}

fn colour(subject: Subject) -> &'static str {
    match subject {
        Subject::Own => "#c2410c",
        Subject::Floor => "#d4d4d4",
        _ => "#64748b",
    }
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("a String takes all");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
