//! Load over gRPC: one HTTP/2 connection with one call at a time. The messages come from files, so that no message is encoded in the
//! measured time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

const INFER: &str = "inference.GRPCInferenceService/ModelInfer";

/// The latencies of calls, each after the answer to the one before, in seconds, and the seconds of all.
pub fn closed(address: &str, message: Vec<u8>, time: Duration) -> Result<(Vec<f64>, f64)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut connection, driver) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        let driver = tokio::spawn(driver);
        let (message, start) = (Bytes::from(message), Instant::now());
        let mut latencies = Vec::new();
        while start.elapsed() < time {
            let before = Instant::now();
            infer(&mut connection, address, message.clone()).await?;
            latencies.push(before.elapsed().as_secs_f64());
        }
        let took = start.elapsed().as_secs_f64();
        drop(connection);
        driver.await??;
        Ok((latencies, took))
    })
}

/// Makes one call, whose answer must be whole and good.
async fn infer(connection: &mut SendRequest<Full<Bytes>>, address: &str, message: Bytes) -> Result<()> {
    let request = Request::builder().method(Method::POST).uri(format!("http://{address}/{INFER}"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    connection.ready().await?;
    let answer = connection.send_request(request.body(Full::new(message))?).await?;
    let early = answer.headers().get("grpc-status").cloned();
    let body = answer.into_body().collect().await?;
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned().or(early);
    let status = status.context("the answer has no status")?;
    if status != "0" || body.to_bytes().len() <= 5 {
        bail!("the status of the answer is {status:?}");
    }
    Ok(())
}
