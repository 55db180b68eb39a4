//! What is asked, and how a running server is.

use anyhow::{Context as _, anyhow, bail};
use serde_json::json;
use tidings_protocol::query::SearchPeople;

use super::found::Found;
use crate::backend::{Endpoint, Failed};

/// What the messages about a query begin with, which show it in lines of its own.
const OF_QUERY: &str = "query:\n";

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Question {
    /// In the query language, such as "hiking -smoker age:25..35 near:52.52,13.40,30km"; everybody if it is
    /// left out.
    #[arg(
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    query: String,
    /// Whether who is online comes first, or alone.
    #[arg(long, value_name = "HOW", value_parser = ["any", "first", "only"], default_value = "any")]
    online: String,
    /// Whether who is away counts as online.
    #[arg(long, value_name = "YES|NO", value_parser = ["yes", "no"], default_value = "yes")]
    away: String,
    /// The order.
    #[arg(
        long, value_name = "ORDER", default_value = "relevance",
        value_parser = ["relevance", "distance", "active", "newest"]
    )]
    sort: String,
    /// With --sort distance: from where, such as 52.52,13.40, if the query is not near: somewhere.
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    from: Option<String>,
    /// Count the values of this keyword or boolean attribute among all who are found; may be repeated.
    #[arg(long = "facet", value_name = "ATTRIBUTE")]
    facets: Vec<String>,
    /// At most so many, 1 to 100.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Go on after an earlier page, which says what to give here.
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    after: Option<String>,
    /// Say why each ranks where they do.
    #[arg(long)]
    explain: bool,
    /// Show where the words stand: bold on a terminal, between asterisks elsewhere.
    #[arg(long)]
    highlight: bool,
    /// See what this user sees: what is public, without themselves, who blocks them and whom they block.
    /// Without it everything is seen, hidden people included.
    #[arg(long = "as", value_name = "USER")]
    viewer: Option<String>,
}

impl Question {
    pub(super) fn only_online(&self) -> bool {
        self.online == "only"
    }

    /// Who looks, and what for.
    pub(super) fn into_request(self) -> (Option<String>, SearchPeople) {
        let request = SearchPeople {
            query: self.query,
            online: self.online,
            without_away: self.away == "no",
            sort: self.sort,
            from: self.from.unwrap_or_default(),
            facets: self.facets,
            limit: self.limit,
            after: self.after.unwrap_or_default(),
            highlight: self.highlight,
            explain: self.explain,
            ..SearchPeople::default()
        };
        (self.viewer, request)
    }

    /// Asks a server. Blocking.
    pub(super) fn ask(self, endpoint: &Endpoint) -> anyhow::Result<Found> {
        let (viewer, request) = self.into_request();
        let body = json!({
            "as": viewer,
            "query": request.query,
            "online": request.online,
            "away": !request.without_away,
            "sort": request.sort,
            "from": request.from,
            "facets": request.facets,
            "limit": request.limit,
            "after": request.after,
            "highlight": request.highlight,
            "explain": request.explain,
        });
        let body = body.to_string();
        let answer = endpoint.post(
            "/v1/search/people",
            "application/json",
            None,
            body.as_bytes(),
        );
        let answer = answer.map_err(|failed| match failed {
            Failed::Lost(why) => anyhow!("the server cannot be asked: {why}; does one run there?"),
            Failed::Busy(why, _) => anyhow!("{why}"),
            Failed::Refused(why) => wrong(&why),
        })?;
        serde_json::from_slice(&answer).context("the server's answer cannot be read")
    }
}

/// Why a question is refused. A query is shown with what is wrong underlined.
pub(super) fn wrong(message: &str) -> anyhow::Error {
    match message.strip_prefix(OF_QUERY) {
        Some(shown) => anyhow!("the query is wrong:\n{shown}"),
        None => anyhow!("{message}"),
    }
}

/// Reads an answer.
pub(super) fn read<T: serde::de::DeserializeOwned>(
    answer: Result<bytes::Bytes, Failed>,
) -> anyhow::Result<T> {
    match answer {
        Ok(body) => serde_json::from_slice(&body).context("the server's answer cannot be read"),
        Err(Failed::Lost(why)) => {
            bail!("the server cannot be asked: {why}; does one run there?")
        }
        Err(Failed::Busy(why, _) | Failed::Refused(why)) => bail!("{why}"),
    }
}
