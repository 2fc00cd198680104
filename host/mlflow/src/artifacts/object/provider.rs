//! Creates the client of an object store from an artifact URI and environment variables.
//!
//! Variables have the meaning that MLflow and each provider's own tools give them. A URI cannot choose a host outside
//! the provider's domain: endpoints come from the environment only.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Bucket;
use super::bounded::BoundedConnector;
use crate::environment::{self, Environment};
use crate::uri::redact;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{regular_file, tls};

/// The address of an S3 server other than Amazon's.
const S3_ENDPOINT: &str = "MLFLOW_S3_ENDPOINT_URL";
/// A PEM bundle of additional trusted authorities.
const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";
/// Additional parameters of uploads, as a JSON object with boto's names.
const S3_UPLOAD_EXTRA_ARGS: &str = "MLFLOW_S3_UPLOAD_EXTRA_ARGS";
/// An Azure account with its key and endpoint in one value.
const AZURE_CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";
/// The most bytes of a bundle of authorities.
const MAX_PEM_BYTES: u64 = 16 << 20;
/// The longest time during which failed requests are repeated.
const RETRY_DEADLINE: Duration = Duration::from_mins(2);

/// A client of one bucket or container, and the key of the artifact root in it.
pub(super) fn connect(uri: &str, environment: &Environment) -> Result<(Arc<dyn Bucket>, String)> {
    tls::install_provider();
    let malformed = |why: &str| {
        Error::new(ErrorKind::Protocol, format!("the URI is not one of an object store: {why}"))
            .with_context("uri", redact(uri))
    };
    let (scheme, rest) = uri.split_once("://").ok_or_else(|| malformed("it names no bucket"))?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || key.contains(['?', '#']) {
        return Err(malformed("it names no bucket, or has a query"));
    }
    let store = match scheme.to_ascii_lowercase().as_str() {
        "s3" => s3(bucket, environment)?,
        "gs" => built(google(bucket, environment)?.build(), uri)?,
        "wasb" | "wasbs" | "abfss" if bucket.contains('@') => {
            built(azure(bucket, environment)?.build(), uri)?
        }
        "wasb" | "wasbs" | "abfss" => return Err(malformed("write container@account.host before the path")),
        other => return Err(malformed(&format!("unknown scheme `{other}`"))),
    };
    Ok((store, key.trim_matches('/').to_owned()))
}

/// A client of the web server of a file, and the path of the file.
pub(super) fn connect_web(uri: &str, environment: &Environment) -> Result<(Arc<dyn ObjectStore>, String)> {
    tls::install_provider();
    let malformed = || {
        Error::new(ErrorKind::Protocol, "the address is not that of a file").with_context("uri", redact(uri))
    };
    let mut url = Url::parse(uri).map_err(|error| malformed().with_source(error))?;
    let path =
        percent_decode_str(url.path()).decode_utf8().map_err(|error| malformed().with_source(error))?;
    let key = path.trim_start_matches('/').to_owned();
    url.set_path("");
    // Only an address that the user wrote is contacted without TLS.
    let mut client = client()?.with_allow_http(url.scheme() == "http");
    for certificate in authorities(environment)? {
        client = client.with_root_certificate(certificate);
    }
    let builder = HttpBuilder::new().with_url(url.as_str()).with_client_options(client);
    let store = builder.with_retry(retries()).with_http_connector(BoundedConnector).build();
    Ok((Arc::new(store.map_err(|error| malformed().with_source(error))?), key))
}

fn s3(bucket: &str, environment: &Environment) -> Result<Arc<dyn Bucket>> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_retry(retries())
        .with_http_connector(BoundedConnector);
    for (name, _) in environment.with_prefix("AWS_") {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, setting(environment, name)?);
        }
    }
    let mut client = client()?.with_allow_invalid_certificates(environment.flag(environment::S3_IGNORE_TLS)?);
    if let Some(endpoint) = environment.secret(S3_ENDPOINT)? {
        // Servers other than Amazon's rarely have a host name for each bucket.
        builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
    }
    let endpoints = [S3_ENDPOINT, "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];
    let plain =
        endpoints.iter().any(|name| environment.get(name).is_some_and(|url| url.starts_with("http://")));
    // Only an address that the user wrote is contacted without TLS.
    client = client.with_allow_http(plain);
    for certificate in authorities(environment)? {
        client = client.with_root_certificate(certificate);
    }
    for (key, value) in upload_arguments(environment)? {
        let key = key.parse().map_err(|error: object_store::Error| {
            Error::new(ErrorKind::Config, "a setting of S3 uploads is unknown").with_source(error)
        })?;
        builder = builder.with_config(key, value);
    }
    built(builder.with_client_options(client).build(), &format!("s3://{bucket}"))
}

/// The value of a variable that is set, as it may be sent.
fn setting<'e>(environment: &'e Environment, name: &str) -> Result<&'e str> {
    Ok(environment.secret(name)?.unwrap_or_default())
}

/// The settings of all clients.
fn client() -> Result<ClientOptions> {
    tls::embedded_authorities().try_fold(ClientOptions::new(), |client, certificate| {
        let certificate = Certificate::from_der(certificate).map_err(|error| {
            Error::new(ErrorKind::Config, "cannot use the embedded certificates").with_source(error)
        })?;
        Ok(client.with_root_certificate(certificate))
    })
}

/// The certificates of [`AWS_CA_BUNDLE`].
fn authorities(environment: &Environment) -> Result<Vec<Certificate>> {
    let Some(path) = environment.path(AWS_CA_BUNDLE) else { return Ok(Vec::new()) };
    let refuse = || {
        Error::new(ErrorKind::Config, "cannot read the CA bundle")
            .with_context("variable", AWS_CA_BUNDLE)
            .with_context("path", path.display())
    };
    let pem = regular_file::read(&path, MAX_PEM_BYTES, |error| refuse().with_source(error))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| refuse().with_source(error))
}

/// The settings in [`S3_UPLOAD_EXTRA_ARGS`]. Unsupported ones are rejected: an upload that should be encrypted must not
/// be stored unencrypted.
fn upload_arguments(environment: &Environment) -> Result<Vec<(&'static str, String)>> {
    let Some(text) = environment.get(S3_UPLOAD_EXTRA_ARGS) else { return Ok(Vec::new()) };
    let refuse = |why: String| {
        Error::new(ErrorKind::Config, why)
            .with_context("variable", S3_UPLOAD_EXTRA_ARGS)
            .with_hint("set a JSON object with ServerSideEncryption (AES256 or aws:kms) and SSEKMSKeyId")
    };
    let arguments: std::collections::BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|error| {
            refuse("the extra arguments of S3 uploads are not a JSON object of strings".into())
                .with_source(error)
        })?;
    let setting = |(name, value): (String, String)| match (name.as_str(), value.as_str()) {
        ("ServerSideEncryption", "AES256" | "aws:kms") => Ok(("aws_server_side_encryption", value)),
        ("SSEKMSKeyId", _) => Ok(("aws_sse_kms_key_id", value)),
        _ => Err(refuse(format!("the extra argument `{name}` of S3 uploads is not supported"))),
    };
    arguments.into_iter().map(setting).collect()
}

fn google(bucket: &str, environment: &Environment) -> Result<GoogleCloudStorageBuilder> {
    let builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket).with_retry(retries());
    let builder = builder.with_client_options(client()?).with_http_connector(BoundedConnector);
    environment.with_prefix("GOOGLE_").try_fold(builder, |builder, (name, value)| {
        Ok(match name.to_ascii_lowercase().parse() {
            // A document of several lines, which is read and not sent.
            Ok(key @ GoogleConfigKey::ServiceAccountKey) => builder.with_config(key, value),
            Ok(key) => builder.with_config(key, setting(environment, name)?),
            Err(_) => builder,
        })
    })
}

fn azure(authority: &str, environment: &Environment) -> Result<MicrosoftAzureBuilder> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_retry(retries())
        .with_client_options(client()?)
        .with_http_connector(BoundedConnector);
    for (name, _) in environment.with_prefix("AZURE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, setting(environment, name)?);
        }
    }
    for (key, value) in connection_string(environment)? {
        builder = match key {
            "AccountName" => builder.with_account(value),
            "AccountKey" => builder.with_access_key(value),
            "SharedAccessSignature" => match "azure_storage_sas_key".parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            },
            "BlobEndpoint" => {
                builder.with_endpoint(value.to_owned()).with_allow_http(value.starts_with("http://"))
            }
            _ => builder,
        };
    }
    // `object_store` accepts the blob hosts of `wasbs:` only under the scheme `abfss`.
    Ok(builder.with_url(format!("abfss://{authority}")))
}

fn connection_string(environment: &Environment) -> Result<Vec<(&str, &str)>> {
    let text = environment.secret(AZURE_CONNECTION_STRING)?.unwrap_or_default();
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &'_ str| part.find('=');
    parts
        .map(|part| match pair(part) {
            Some(at) => Ok((&part[..at], &part[at + 1..])),
            None => {
                Err(Error::new(ErrorKind::Config, "the value is not a connection string of Azure Storage")
                    .with_context("variable", AZURE_CONNECTION_STRING)
                    .with_hint("write `Name=value` parts separated by `;`"))
            }
        })
        .collect()
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: 7, retry_timeout: RETRY_DEADLINE, ..RetryConfig::default() }
}

fn built<S: Bucket>(built: object_store::Result<S>, uri: &str) -> Result<Arc<dyn Bucket>> {
    let store = built.map_err(|error| {
        Error::new(ErrorKind::Config, "cannot set up the object store")
            .with_context("uri", redact(uri))
            .with_source(error)
            .with_hint("set the provider's variables: AWS_*, GOOGLE_* or AZURE_*")
    })?;
    Ok(Arc::new(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<const N: usize>(pairs: [(&str, &str); N]) -> Environment {
        pairs.into_iter().collect()
    }

    #[test]
    fn every_scheme_of_mlflow_finds_its_bucket_and_key() {
        let environment = environment([
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AZURE_STORAGE_ACCESS_KEY", "c2VjcmV0"),
        ]);
        for (uri, key) in [
            ("s3://bucket", ""),
            ("s3://bucket/a b/c%20d/", "a b/c%20d"),
            ("wasbs://box@account.blob.core.windows.net/a/b", "a/b"),
            ("wasb://box@account.blob.core.windows.net/a", "a"),
            ("abfss://box@account.dfs.core.windows.net/a", "a"),
        ] {
            let (_, found) = connect(uri, &environment).expect(uri);
            assert_eq!(found, key, "{uri}");
        }
    }

    #[test]
    fn hosts_outside_the_provider_are_not_reached() {
        let environment = environment([("AZURE_STORAGE_ACCESS_KEY", "c2VjcmV0")]);
        for uri in ["abfss://box@evil.example/a", "wasbs://box@account.blob.core.windows.net.evil.example/a"]
        {
            assert_eq!(connect(uri, &environment).expect_err(uri).kind(), ErrorKind::Config, "{uri}");
        }
        for uri in ["s3:///key", "s3:bucket", "abfss://box/a", "s3://bucket/a?versionId=1", "ftp://host/a"] {
            assert_eq!(connect(uri, &environment).expect_err(uri).kind(), ErrorKind::Protocol, "{uri}");
        }
    }

    #[test]
    fn what_copying_adds_is_cut_or_refused() {
        let keys = |secret| environment([("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", secret)]);
        connect("s3://bucket", &keys("secret\r\n")).expect("a line end is cut");
        let unrelated =
            [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_VAULT", "my\n keys")];
        let unrelated = environment(unrelated);
        connect("s3://bucket", &unrelated).expect("a variable of another program");
        for (uri, name, value) in [
            ("s3://bucket", "AWS_ACCESS_KEY_ID", " id"),
            ("s3://bucket", "AWS_SECRET_ACCESS_KEY", "sec ret"),
            ("s3://bucket", "AWS_SESSION_TOKEN", "to\nken"),
            ("s3://bucket", "MLFLOW_S3_ENDPOINT_URL", "http://host "),
            ("gs://bucket", "GOOGLE_SERVICE_ACCOUNT", "/key.json "),
            ("abfss://box@account.dfs.core.windows.net/a", "AZURE_STORAGE_ACCOUNT_KEY", "c2Vj cmV0"),
            ("abfss://box@account.dfs.core.windows.net/a", AZURE_CONNECTION_STRING, "AccountName=a\tb"),
        ] {
            let error = connect(uri, &environment([(name, value)])).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Config, "{name}");
            assert!(error.message().contains(name) && !error.to_string().contains(value), "{error}");
        }
    }

    #[test]
    fn unsupported_upload_arguments_are_refused() {
        let arguments = |text| upload_arguments(&environment([(S3_UPLOAD_EXTRA_ARGS, text)]));
        let kms = arguments(r#"{"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"}"#).expect("supported");
        assert_eq!(kms.len(), 2);
        for bad in [r#"{"ACL": "public-read"}"#, "[]", "{", r#"{"ServerSideEncryption": "rot13"}"#] {
            assert_eq!(arguments(bad).expect_err(bad).kind(), ErrorKind::Config, "{bad}");
        }
    }

    #[test]
    fn connection_strings_are_taken_apart() {
        let text = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0==;";
        let environment = environment([(AZURE_CONNECTION_STRING, text)]);
        let parts = connection_string(&environment).expect("a connection string");
        assert_eq!(parts[2], ("AccountKey", "c2VjcmV0=="));
    }
}
