//! Connections to a server.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use super::loading::{log, open, point_champion};
use crate::support::backends::fresh_name;
use crate::support::server::{NEWEST, Server};

/// Forwards bytes in both directions and counts the connections.
fn relay(server: &str) -> (String, Arc<AtomicUsize>) {
    let server = server.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let upstream = TcpStream::connect(&server).expect("the server listens");
            for (mut from, mut to) in [(&client, &upstream), (&upstream, &client)]
                .map(|(from, to)| (from.try_clone().expect("a socket"), to.try_clone().expect("a socket")))
            {
                thread::spawn(move || {
                    // The end of one direction closes both.
                    io::copy(&mut from, &mut to).ok();
                    to.shutdown(std::net::Shutdown::Both).ok();
                });
            }
        }
    });
    (url, count)
}

/// With several workers, a reused connection delays every answer of the server: see `host/mlflow/src/rest/tls.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_over_plain_http_has_a_separate_connection() {
    let server = Server::shared(NEWEST);
    let (model, cache) = (fresh_name("connections"), tempfile::tempdir().expect("a directory"));
    let direct = open(&server.url, &model, cache.path()).await;
    let (store, tags) = (&direct.backend().registry, BTreeMap::new());
    store.create_registered_model(direct.model(), &tags, "").await.expect("a model");
    point_champion(&direct, log(&direct, "regression").await).await;

    let (url, connections) = relay(&server.url);
    let relayed = open(&url, &model, cache.path()).await;
    for requests in [2, 4] {
        relayed.champion_info().await.expect("a champion");
        assert_eq!(connections.load(Ordering::SeqCst), requests);
    }
}
