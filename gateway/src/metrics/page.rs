//! Prometheus' text format: <https://prometheus.io/docs/instrumenting/exposition_formats>.

use std::fmt::{Display, Write as _};

use tidings_core::metrics::Reading;

/// A page that is being written, one family of metrics after another.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family of what goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, "gauge", help);
    }

    /// Begins a family of what only grows. Its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &str, help: &str) {
        self.family(name, "counter", help);
    }

    /// Writes a family that is one histogram.
    pub(super) fn histogram(&mut self, name: &str, help: &str, reading: &Reading) {
        self.family(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in &reading.buckets {
            self.sample(&bucket, &[("le", &bound.to_string())], *count);
        }
        self.sample(&bucket, &[("le", "+Inf")], reading.count);
        self.sample(&format!("{name}_sum"), &[], reading.sum);
        self.sample(&format!("{name}_count"), &[], reading.count);
    }

    /// Adds a value to the family that was begun last. The values of labels are our own words.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// The page.
    pub(super) fn text(self) -> String {
        self.0
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_prometheus_wants_it() {
        let mut page = Page::default();
        page.gauge("a", "Help.");
        page.sample("a", &[], 1);
        page.counter("b_total", "More help.");
        page.sample("b_total", &[("c", "d"), ("e", "f")], 2.5);
        let reading = Reading {
            buckets: vec![(0.25, 1), (10.0, 3)],
            sum: 30.5,
            count: 4,
        };
        page.histogram("h", "Helps.", &reading);
        assert_eq!(
            page.text(),
            "# HELP a Help.\n# TYPE a gauge\na 1\n\
             # HELP b_total More help.\n# TYPE b_total counter\nb_total{c=\"d\",e=\"f\"} 2.5\n\
             # HELP h Helps.\n# TYPE h histogram\nh_bucket{le=\"0.25\"} 1\nh_bucket{le=\"10\"} 3\n\
             h_bucket{le=\"+Inf\"} 4\nh_sum 30.5\nh_count 4\n"
        );
    }
}
