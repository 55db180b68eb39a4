//! Promises a user would recognise, each through the real server and, where it concerns the log, on
//! both logs.
//!
//! Build the server first (`cargo build -p tidings-cli`), or name another in `TIDINGS_BIN`. Tests
//! that choose at random print their seed; `TIDINGS_SEED` gives it back.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

/// Makes a test of each function for each log.
macro_rules! on_both_logs {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(tidings_tests::World::embedded()).await;
                }
            )+
        }

        mod jetstream {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(tidings_tests::World::jetstream().await).await;
                }
            )+
        }
    };
}

mod a_message;
mod api;
mod authorisation;
mod benches;
mod beside;
mod chat;
mod chinese;
mod demo;
mod disconnects;
mod disk;
mod drain;
mod extension_hooks;
mod extensions;
mod finding;
mod hostile;
mod hostile_extensions;
mod import;
mod indexes;
mod kill_rounds;
mod limits;
mod node_rounds;
mod notifications;
mod operating;
mod people;
mod power_cut;
mod presence;
mod presence_rounds;
mod profiles;
mod restored;
mod sdk;
mod secrets;
mod stale_writer;
mod tokens;
mod two_nodes;
