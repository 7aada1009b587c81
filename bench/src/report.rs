//! The tables that a run ends with, in Markdown.

use std::fmt::Write as _;

use crate::stats::{Runs, spread};

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    machine: Vec<(&'static str, String)>,
    rates: Vec<[String; 7]>,
    facts: Vec<(String, String)>,
    ratios: Vec<[String; 4]>,
    /// Most cores that others used in any window.
    disturbance: f64,
}

/// Kernel threads and this program's own waiting for windows stay below that many cores.
const QUIET: f64 = 0.15;

/// Which side of its goal a figure should be on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// For information.
    None,
}

impl Report {
    /// One line about the machine or a version.
    pub(crate) fn machine(&mut self, what: &'static str, value: String) {
        self.machine.push((what, value));
    }

    /// A measurement by the generator.
    pub(crate) fn runs(&mut self, what: &str, runs: &Runs) {
        let (run, (lowest, highest)) = (runs.median(), runs.range());
        self.disturbance = runs.0.iter().map(|run| run.foreign).fold(self.disturbance, f64::max);
        let busy = if run.busy > 0 { format!(", {} busy", run.busy) } else { String::new() };
        let dash = |value: f64| if value > 0.0 { format!("{value:.1}") } else { "–".to_owned() };
        self.rate([
            what.to_owned(),
            format!("**{}** ({}–{})", thousands(run.rate), thousands(lowest), thousands(highest)),
            format!("{:.2} / {:.2} / {:.2}", run.latency.mean, run.latency.median, run.latency.p99),
            format!("{} + {}", dash(run.server_cpu), dash(run.database_cpu)),
            dash(run.driver_cpu),
            format!("{:.2}", run.foreign),
            format!("{}{busy}", run.failed),
        ]);
    }

    /// A measurement that has rates only.
    pub(crate) fn rates(&mut self, what: &str, rates: &[f64]) {
        let (lowest, median, highest) = spread(rates);
        let range = format!("**{}** ({}–{})", thousands(median), thousands(lowest), thousands(highest));
        self.rate([what, &range, "–", "–", "–", "–", "–"].map(str::to_owned));
    }

    fn rate(&mut self, row: [String; 7]) {
        eprintln!("  {}", row.join(" | "));
        self.rates.push(row);
    }

    /// A figure that is no rate.
    pub(crate) fn fact(&mut self, what: impl Into<String>, value: impl Into<String>) {
        let (what, value) = (what.into(), value.into());
        eprintln!("  {what}: {value}");
        self.facts.push((what, value));
    }

    /// A figure with its goal; `shown` says how it came about.
    pub(crate) fn judge(&mut self, what: &str, value: f64, goal: Goal, shown: String) {
        let (goal, met) = match goal {
            Goal::AtLeast(least) => (format!("≥ {}", short(least)), Some(value >= least)),
            Goal::AtMost(most) => (format!("≤ {}", short(most)), Some(value <= most)),
            Goal::None => ("–".to_owned(), None),
        };
        let verdict = met.map_or("", |met| if met { " met" } else { " **missed**" });
        let row = [what.to_owned(), format!("{value:.2}"), format!("{goal}{verdict}"), shown];
        eprintln!("  => {}", row.join(" | "));
        self.ratios.push(row);
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::new();
        for (what, value) in &self.machine {
            let _ = writeln!(text, "- {what}: {value}");
        }
        if self.disturbance > QUIET {
            let _ = writeln!(text, "- **disturbed**: others used up to {:.2} cores", self.disturbance);
        }
        let ratios = self.ratios.iter().map(|row| &row[..]);
        table(&mut text, &["ratio", "value", "goal", "of"], ratios);
        let head = [
            "measurement",
            "per second (lowest–highest)",
            "ms mean / p50 / p99",
            "CPU µs a call: server + database",
            "generator µs a call",
            "cores used by others",
            "errors",
        ];
        table(&mut text, &head, self.rates.iter().map(|row| &row[..]));
        let facts: Vec<_> = self.facts.iter().map(|(what, value)| [what.clone(), value.clone()]).collect();
        table(&mut text, &["figure", "value"], facts.iter().map(|row| &row[..]));
        text
    }
}

fn table<'a>(text: &mut String, head: &[&str], rows: impl Iterator<Item = &'a [String]>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

/// At most two digits behind the point, and no zeros there.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `12345.6` as `12,346`; small figures keep a digit behind the point.
pub(crate) fn thousands(value: f64) -> String {
    if value < 1_000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Goal, Report, short, thousands};
    use crate::stats::{Run, Runs};

    #[test]
    fn a_disturbed_run_says_so() {
        let runs = |foreign| Runs(vec![Run { foreign, ..Run::default() }, Run::default()]);
        let mut report = Report::default();
        report.runs("quiet", &runs(0.1));
        assert!(!report.to_markdown().contains("disturbed"));
        report.runs("not quiet", &runs(1.2));
        report.runs("quiet again", &runs(0.0));
        assert!(report.to_markdown().contains("others used up to 1.20 cores"));
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(1_000.0), "1,000");
        assert_eq!(thousands(95.54), "95.5");
        assert_eq!([0.0, 10.0, 0.75, 26.560_000_1].map(short), ["0", "10", "0.75", "26.56"]);
    }

    #[test]
    fn a_missed_goal_is_told() {
        let mut report = Report::default();
        report.judge("a / b", 0.5, Goal::AtLeast(0.6), "1 / 2".into());
        report.judge("c", 0.5, Goal::AtMost(0.6), String::new());
        let text = report.to_markdown();
        assert!(text.contains("| a / b | 0.50 | ≥ 0.6 **missed** | 1 / 2 |"), "{text}");
        assert!(text.contains("≤ 0.6 met"), "{text}");
        assert!(!text.contains("measurement"), "an empty table is left out: {text}");
    }
}
