//! `tidings search people|status|rebuild`: who there is, asked of a server that is running or of the folder
//! of one that is stopped.

mod ask;
mod found;
mod here;
mod show;
mod state;

use anyhow::ensure;

use crate::{
    backend::{Access, At, Endpoint, URL},
    config::Place,
    say::say,
};
use ask::Question;

/// Who asks.
const WHO: &str = "tidings-search";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Search {
    /// Finds people by what their profiles say and by whether they are here.
    People(Box<People>),
    /// Says how far a running server's indexes of people and of messages are.
    Status(Status),
    /// Has a running server build its indexes anew, beside the present ones, and waits until that is done.
    Rebuild(Rebuild),
}

#[derive(Debug, clap::Args)]
pub(crate) struct People {
    #[command(flatten)]
    question: Question,
    /// An object of JSON, for programs.
    #[arg(long)]
    json: bool,
    /// A running server: http://HOST:PORT or https://HOST:PORT; http://127.0.0.1:8080 if neither this nor
    /// --data nor --config is given. With --config and nothing else to be let in by, that file's first secret
    /// is used.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    server: Option<String>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// An object of JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rebuild {
    /// That one alone; without it both.
    #[arg(long, value_name = "INDEX")]
    index: Option<state::Index>,
    #[command(flatten)]
    status: Status,
}

impl Search {
    /// True when all is well.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        match self {
            Search::People(people) => people.run().await,
            Search::Status(status) => {
                let (endpoint, json) = status.endpoint()?;
                tokio::task::spawn_blocking(move || state::status(&endpoint, json)).await?
            }
            Search::Rebuild(Rebuild { index, status }) => {
                let (endpoint, json) = status.endpoint()?;
                tokio::task::spawn_blocking(move || state::rebuild(&endpoint, index, json)).await?
            }
        }
    }
}

impl Status {
    fn endpoint(self) -> anyhow::Result<(Endpoint, bool)> {
        let endpoint = self.at.endpoint(WHO, "tidings:operate")?;
        Ok((endpoint, self.json))
    }
}

impl People {
    async fn run(self) -> anyhow::Result<bool> {
        let People {
            question,
            json,
            server,
            access,
            place,
        } = self;
        let stopped = server.is_none() && (place.data.is_some() || place.config.is_some());
        let found = if stopped {
            access.unused()?;
            ensure!(
                !question.only_online(),
                "nobody is online in the folder of a server that is stopped: --online only is for a running \
                 one, which --server names"
            );
            here::people(&place.load()?, question.clone()).await?
        } else {
            let url = server.as_deref().unwrap_or(URL);
            let endpoint = access.endpoint(url, WHO, "tidings:users", &place)?;
            let asked = question.clone();
            tokio::task::spawn_blocking(move || asked.ask(&endpoint)).await??
        };
        if json {
            say!("{}", serde_json::to_string_pretty(&found)?);
        } else {
            show::Show::new().page(&found);
        }
        Ok(true)
    }
}
