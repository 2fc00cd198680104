//! Sends one event to one receiver.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::time::now;
use hydra_mlflow::environment::Environment;
use hydra_mlflow::rest::client_for_others;
use reqwest::{Client, StatusCode};
use ring::hmac;

use crate::body::body;
use crate::event::Event;
use crate::receiver::Receiver;

/// The longest time that a receiver may take for one event.
const PATIENCE: Duration = Duration::from_secs(10);

/// The client for a receiver.
pub(crate) fn client(receiver: &Receiver, environment: &Environment) -> Result<Client> {
    client_for_others(receiver.url.scheme(), environment)
}

/// Sends an event: `Undelivered` unless the receiver answers with a status from 200 to 299. Redirects are not followed. The answer's
/// body is not read.
pub(crate) async fn send(client: &Client, receiver: &Receiver, event: &Event) -> Result<()> {
    let (media_type, bytes) = body(event, receiver.template);
    let mut request = client
        .post(receiver.url.clone())
        .timeout(PATIENCE)
        .header("content-type", media_type)
        .header("webhook-id", &event.id);
    let seconds = (now() / 1_000).to_string();
    if let Some(secret) = &receiver.secret {
        request = request.header("webhook-signature", signature(secret, &event.id, &seconds, &bytes));
    }
    let answer = request.header("webhook-timestamp", seconds).body(bytes).send().await;
    let answer = answer.map_err(|error| {
        // The error without its URL, which is a secret.
        undelivered(receiver, "it cannot be reached", true).with_source(error.without_url())
    })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let is_passing = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let why = if status.is_redirection() {
        format!("it answered with the redirect {}, which is not followed", status.as_u16())
    } else {
        format!("it answered with status {}", status.as_u16())
    };
    Err(undelivered(receiver, &why, is_passing))
}

fn undelivered(receiver: &Receiver, why: &str, retryable: bool) -> Error {
    Error::new(ErrorKind::Undelivered, format!("cannot tell {receiver}: {why}")).with_retryable(retryable)
}

/// The signature of Standard Webhooks: HMAC-SHA256 over id, time and body.
fn signature(secret: &[u8], id: &str, seconds: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signed =
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
