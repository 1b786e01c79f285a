//! A drawing of lines over logarithmic axes, as SVG.

use std::fmt;

/// Points of a line.
type Points = Vec<(f64, f64)>;

pub(crate) struct Panel {
    /// What grows to the right.
    pub(crate) title: &'static str,
    /// The lines with their names.
    pub(crate) lines: Vec<(&'static str, Points)>,
}

pub(crate) struct Chart {
    pub(crate) panels: Vec<Panel>,
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 28.0;
/// The space for the numbers below a panel, and for the names of its lines.
const BELOW: f64 = 92.0;
const COLOURS: [&str; 3] = ["#1b6ac9", "#c2501a", "#2a8a4a"];

/// The whole powers of ten around values.
struct Axis {
    first: i32,
    last: i32,
    length: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>, length: f64) -> Self {
        let (mut first, mut last) = (i32::MAX, i32::MIN);
        for power in values.filter(|value| *value > 0.0).map(f64::log10) {
            first = first.min(power.floor() as i32);
            last = last.max(power.ceil() as i32);
        }
        if first > last {
            (first, last) = (0, 1);
        }
        let last = last.max(first + 1);
        Self {
            first,
            last,
            length,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let power = value.max(10_f64.powi(self.first)).log10();
        (power - f64::from(self.first)) / f64::from(self.last - self.first) * self.length
    }

    fn powers(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        (self.first..=self.last).map(|power| {
            let name = match power {
                -2..=3 => format!("{}", 10_f64.powi(power)),
                4..=5 => format!("{} k", 10_u64.pow(power as u32 - 3)),
                6..=8 => format!("{} M", 10_u64.pow(power as u32 - 6)),
                _ => format!("1e{power}"),
            };
            (name, self.at(10_f64.powi(power)))
        })
    }
}

impl Panel {
    fn draw(&self, f: &mut fmt::Formatter<'_>, left: f64) -> fmt::Result {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let across = Axis::around(points().map(|point| point.0), WIDTH);
        let up = Axis::around(points().map(|point| point.1), HEIGHT);
        let bottom = TOP + HEIGHT;
        writeln!(
            f,
            "<text x=\"{left}\" y=\"18\" font-weight=\"bold\">by the number of {}</text>",
            self.title
        )?;
        for (name, x) in across.powers() {
            let x = left + x;
            writeln!(f, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>")?;
            let y = bottom + 16.0;
            writeln!(
                f,
                "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>"
            )?;
        }
        for (name, y) in up.powers() {
            let (y, right) = (bottom - y, left + WIDTH);
            writeln!(f, "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>")?;
            let (x, y) = (left - 6.0, y + 4.0);
            writeln!(
                f,
                "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{name}</text>"
            )?;
        }
        for (number, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let place = |&(x, y): &(f64, f64)| (left + across.at(x), bottom - up.at(y));
            let path: Vec<_> = points
                .iter()
                .map(|point| format!("{:.1} {:.1}", place(point).0, place(point).1))
                .collect();
            let path = path.join("L");
            writeln!(
                f,
                "<path d=\"M{path}\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>"
            )?;
            for (x, y) in points.iter().map(place) {
                writeln!(
                    f,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
                )?;
            }
            let y = bottom + 40.0 + 18.0 * number as f64;
            writeln!(
                f,
                "<text x=\"{left}\" y=\"{y}\" fill=\"{colour}\">{name}</text>"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = LEFT + WIDTH + 24.0;
        let (width, height) = (each * self.panels.len() as f64, TOP + HEIGHT + BELOW);
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\" fill=\"#222\">"
        )?;
        writeln!(
            f,
            "<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>"
        )?;
        for (number, panel) in self.panels.iter().enumerate() {
            panel.draw(f, LEFT + each * number as f64)?;
        }
        writeln!(f, "</svg>")
    }
}
