//! What a run came to.

use std::fmt;

use serde::Serialize;

use super::{
    busy::Busy,
    cells::{Cell, Cost},
    field::Transitions,
    load::Loading,
    messages,
    shapes::Class,
    status::StatusCost,
};

/// The outcome of a run. Times of searches are CPU milliseconds of the thread that asks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// People in the index.
    pub profiles: u32,
    /// Questions of each kind at each share.
    pub queries: usize,
    /// What people and questions are made of.
    pub seed: u64,
    /// The machine's load average over a minute, before the first question and after the last.
    pub load_average: Option<[f64; 2]>,
    /// Making the index.
    pub loading: Loading,
    /// Highest [`Cell::online_ratio`] of filtered shapes.
    pub worst_ratio_online_to_plain: f64,
    /// The same of filtered shapes with 1 % of people online.
    pub worst_ratio_online_to_plain_at_1: f64,
    /// The same of shapes of words alone.
    pub worst_ratio_text_only: f64,
    /// Highest [`Cell::online_first_ratio`] of filtered shapes and of words alone.
    pub worst_ratio_online_first: f64,
    /// Highest of both ratios of shapes that are in another order, or have no condition at all.
    pub worst_ratio_browse: f64,
    /// Lowest [`Cell::post_filter_ratio`] with 1 % of people online, of shapes most of whose pages are full.
    pub least_ratio_post_filter_at_1: f64,
    /// Highest 99th percentile of a page, all shapes, plain, online only or online first.
    pub worst_page_p99_ms: f64,
    /// Each shape at each share.
    pub shapes: Vec<Cell>,
    /// With a million transitions a minute meanwhile.
    pub busy: Vec<Busy>,
    /// A field in the index against the join.
    pub transitions: Transitions,
    /// A status cache against the join.
    pub statuses: StatusCost,
    /// Search of messages.
    pub messages: messages::Report,
}

fn highest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

impl Report {
    /// Fills in what follows from the cells.
    pub(super) fn conclude(&mut self) {
        let of = |class: Class| self.shapes.iter().filter(move |cell| cell.class == class);
        self.worst_ratio_online_to_plain =
            highest(of(Class::Filtered).map(|cell| cell.online_ratio));
        let at_1 = of(Class::Filtered).filter(|cell| cell.share == 1);
        self.worst_ratio_online_to_plain_at_1 = highest(at_1.map(|cell| cell.online_ratio));
        self.worst_ratio_text_only = highest(of(Class::Text).map(|cell| cell.online_ratio));
        let first = of(Class::Filtered).chain(of(Class::Text));
        self.worst_ratio_online_first = highest(first.map(|cell| cell.online_first_ratio));
        self.worst_ratio_browse =
            highest(of(Class::Browse).map(|cell| cell.online_ratio.max(cell.online_first_ratio)));
        let broad = self
            .shapes
            .iter()
            .filter(|cell| cell.share == 1 && cell.full_pages > 0.5)
            .map(|cell| cell.post_filter_ratio);
        self.least_ratio_post_filter_at_1 = broad.reduce(f64::min).unwrap_or_default();
        self.worst_page_p99_ms = highest(self.shapes.iter().map(|cell| {
            cell.plain_ms
                .p99
                .max(cell.online_ms.p99)
                .max(cell.online_first_ms.p99)
        }));
    }
}

/// Both quantiles, as short as they are read.
fn both(cost: Cost) -> String {
    format!("{:.2}/{:.2}", cost.p50, cost.p99)
}

/// A table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} people, {} questions of each kind, seed {}",
            self.profiles, self.queries, self.seed
        )?;
        self.fmt_loading(f)?;
        self.fmt_shapes(f)?;
        self.fmt_busy(f)?;
        self.fmt_transitions(f)?;
        self.fmt_statuses(f)?;
        write!(f, "{}", self.messages)
    }
}

impl Report {
    fn fmt_loading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loading = &self.loading;
        let memory = loading
            .peak_rss_mib
            .map_or_else(String::new, |mib| format!(", peak memory {mib:.0} MiB"));
        writeln!(
            f,
            "  index made in {:.1} s ({:.0} profiles/s), merged {:.1} s later{memory}, {:.0} MiB on disk \
             ({:.0} bytes a profile)",
            loading.seconds,
            loading.profiles_per_s,
            loading.merged_s,
            loading.disk_mib,
            loading.disk_bytes_per_profile
        )?;
        if let Some([before, after]) = self.load_average {
            writeln!(
                f,
                "  load of the machine {before:.2} before the first question, {after:.2} after the last"
            )?;
        }
        Ok(())
    }

    fn fmt_shapes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut share = None;
        for cell in &self.shapes {
            if share != Some(cell.share) {
                share = Some(cell.share);
                writeln!(
                    f,
                    "\n{:<34} {:>12} {:>12} {:>12} {:>15} {:>7} {:>7} {:>8}",
                    format!("{} % online, CPU ms p50/p99", cell.share),
                    "plain",
                    "online only",
                    "online first",
                    "post-filter",
                    "only x",
                    "first x",
                    "filter x"
                )?;
            }
            writeln!(
                f,
                "  {:<32} {:>12} {:>12} {:>12} {:>15} {:>7.2} {:>7.2} {:>8.1}",
                cell.shape,
                both(cell.plain_ms),
                both(cell.online_ms),
                both(cell.online_first_ms),
                both(cell.post_filter_ms),
                cell.online_ratio,
                cell.online_first_ratio,
                cell.post_filter_ratio
            )?;
        }
        writeln!(
            f,
            "\n  worst of online only to plain: filtered {:.2} (at 1 %: {:.2}), words alone {:.2}; online first: {:.2}; \
             browsing: {:.2}",
            self.worst_ratio_online_to_plain,
            self.worst_ratio_online_to_plain_at_1,
            self.worst_ratio_text_only,
            self.worst_ratio_online_first,
            self.worst_ratio_browse
        )?;
        writeln!(
            f,
            "  post-filter to online only at 1 %, where most pages are full: at least {:.1}; slowest p99 of a page {:.2} ms",
            self.least_ratio_post_filter_at_1, self.worst_page_p99_ms
        )
    }

    fn fmt_busy(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nOnline only while people come and go, CPU ms p50/p99")?;
        for busy in &self.busy {
            writeln!(
                f,
                "  {:<32} {} % online: quiet {}, busy {}, x {:.2}, at {:.0} transitions a minute",
                busy.shape,
                busy.share,
                both(busy.quiet_ms),
                both(busy.busy_ms),
                busy.ratio,
                busy.transitions_per_minute
            )?;
        }
        Ok(())
    }

    fn fmt_transitions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Transitions {
            field_profiles,
            field_per_s,
            field_staleness_s,
            field_single_staleness_s,
            field_cpu_us,
            join_per_s,
            join_staleness_s,
            join_cpu_us,
        } = self.transitions;
        let cpu = field_cpu_us.map_or_else(String::new, |us| format!(", {us:.1} us of CPU each"));
        writeln!(f, "\nTransitions")?;
        writeln!(
            f,
            "  a field in an index of {field_profiles}: {field_per_s:.0}/s{cpu}, then stale {:.2}/{:.2} s; \
             committed singly {:.3}/{:.3} s",
            field_staleness_s.p50,
            field_staleness_s.p99,
            field_single_staleness_s.p50,
            field_single_staleness_s.p99
        )?;
        writeln!(
            f,
            "  the join, of {}: {join_per_s:.0}/s, {join_cpu_us:.2} us of CPU each, stale {:.2}/{:.2} us",
            self.profiles,
            join_staleness_s.p50 * 1e6,
            join_staleness_s.p99 * 1e6
        )
    }

    fn fmt_statuses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cost = &self.statuses;
        writeln!(f, "\nStatuses of {} users, CPU ns for one", cost.users)?;
        writeln!(
            f,
            "  a status cache:   get {:.0}, insert {:.0}, heartbeat {:.0}, expire {:.0}",
            cost.cache_get_ns, cost.cache_insert_ns, cost.cache_beat_ns, cost.cache_expire_ns
        )?;
        writeln!(
            f,
            "  Tidings:          bit {:.1}, by id {:.0}, transition {:.0}",
            cost.bit_test_ns, cost.presence_ns, cost.set_presence_ns
        )?;
        writeln!(
            f,
            "  heap of deadlines: insert {:.0}, heartbeat {:.0}, expire {:.0}",
            cost.heap_insert_ns, cost.heap_beat_ns, cost.heap_expire_ns
        )
    }
}
