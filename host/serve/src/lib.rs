//! HTTP and gRPC scoring that follows the champion.
//!
//! [`Server`] answers MLflow's scoring protocol, the Open Inference Protocol (over HTTP with the binary tensor extension, and over
//! gRPC), KServe's first protocol and SageMaker's two routes. It asks for the version behind an alias again and again, and swaps
//! another one in without a failed request.
//!
//! ```no_run
//! use hydra_registry::{ModelRegistry, OpenOptions};
//! use hydra_serve::{ServeOptions, Server, Source};
//!
//! # async fn example() -> hydra_registry::Result<()> {
//! let registry = ModelRegistry::connect(OpenOptions::from_process()?.with_model("churn")).await?;
//! let options = ServeOptions::new(([127, 0, 0, 1], 8080).into());
//! let server = Server::bind(vec![Source::Registered(registry)], options).await?;
//! server.run(std::future::pending()).await
//! # }
//! ```
//!
//! # How a request is answered
//!
//! `connections` accepts connections and ends those that take too long, `clients` says how much each client may have at a time, `http`
//! and `grpc` have the routes, `exchange` is what all protocols share: it picks the version (`slot`), reads the rows and writes the
//! answer (`protocol`), and scores (`scoring`). `follower` finds the versions, which `opening` puts into their seats (`served`);
//! `shadow` compares another version off the path of the answers.

mod admission;
mod alarm;
mod app;
mod canary;
mod clients;
mod connections;
mod drift;
mod exchange;
mod file;
mod files;
mod follower;
mod grpc;
mod http;
mod metrics;
mod notify;
mod opening;
mod options;
mod past;
mod protocol;
mod recorder;
mod reload;
mod scoring;
mod served;
mod server;
mod shadow;
mod slot;
mod status;
mod tls;
mod tokens;

pub use canary::Share;
pub use options::{Canary, CanaryKey, DRAIN, NonFinite, ServeLimits, ServeOptions, Source, TlsFiles};
pub use server::Server;
