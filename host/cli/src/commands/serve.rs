//! `serve`: answer requests with the champion.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::args::{Nan, ServeArgs};
use crate::time::span;
use crate::{ExitStatus, Settings, interrupt};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Alias;
use hydra_registry::{ModelRegistry, ServeConfig};
use hydra_serve::{Canary, CanaryKey, NonFinite, ServeLimits, ServeOptions, Server, Source, TlsFiles};

/// The address of HTTP unless another one is named: this machine only.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Serves until the first signal.
pub async fn run(args: &ServeArgs, settings: &Settings) -> anyhow::Result<ExitStatus> {
    let mut options = options(args, &settings.serve)?;
    (options.notify, options.environment) = (settings.notify.clone(), settings.environment.clone());
    let sources = sources(args, settings).await?;
    let server = Server::bind(sources, options).await?;
    server.run(interrupt::first()?).await?;
    Ok(ExitStatus::Done)
}

async fn sources(args: &ServeArgs, settings: &Settings) -> Result<Vec<Source>> {
    if let Some(path) = args.model_file.as_ref().filter(|path| !path.as_os_str().is_empty()) {
        return Ok(vec![Source::File { path: path.clone(), name: name_of(path) }]);
    }
    let models = if args.models.is_empty() { &settings.serve.models } else { &args.models };
    if models.is_empty() {
        return Ok(vec![Source::Registered(ModelRegistry::connect(settings.options.clone()).await?)]);
    }
    let mut sources = Vec::new();
    for model in models {
        let options = settings.options.clone().with_model(model);
        sources.push(Source::Registered(ModelRegistry::connect(options).await?));
    }
    Ok(sources)
}

/// The name of a model that is a file: the stem of its name.
fn name_of(path: &Path) -> String {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("model").to_owned()
}

/// The options: flags first, then `[serve]`.
fn options(args: &ServeArgs, config: &ServeConfig) -> Result<ServeOptions> {
    let listen = address("listen", args.listen.as_ref(), config.listen.as_ref())?;
    let mut options = ServeOptions::new(listen.unwrap_or(LISTEN));
    options.grpc = address("grpc", args.grpc.as_ref(), config.grpc.as_ref())?;
    if let Some(alias) = alias("alias", args.alias.as_ref(), config.alias.as_ref())? {
        options.alias = alias;
    }
    let time = |name, flag: Option<Duration>, text: Option<&String>, default| {
        Ok::<_, Error>(
            flag.map_or_else(|| configured_time(name, text), |flag| Ok(Some(flag)))?.unwrap_or(default),
        )
    };
    options.poll = time("poll", args.poll, config.poll.as_ref(), options.poll)?;
    options.open_time = time("open-time", args.open_time, config.open_time.as_ref(), options.open_time)?;
    options.drain = time("drain", args.drain, config.drain.as_ref(), options.drain)?;
    options.offline_ok = args.offline_ok || config.offline_ok;
    options.shadow = alias("shadow", args.shadow.as_ref(), config.shadow.as_ref())?;
    options.record_shadow = args.record_shadow || config.record_shadow;
    let given = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
    options.instance =
        given(args.instance.as_ref()).or_else(|| config.instance.clone()).unwrap_or_else(host_name);
    let canary = args.canary.as_deref().or(config.canary.as_deref());
    let key = args.canary_key.as_deref().or(config.canary_key.as_deref());
    options.canary = canary.map(|canary| parse_canary(canary, key)).transpose()?;
    let categories = if args.categories.is_empty() { &config.categories } else { &args.categories };
    options.categories = categories.as_slice().into();
    options.non_finite = match args.nan {
        Some(Nan::Bare) => NonFinite::Bare,
        Some(Nan::Null) => NonFinite::Null,
        None => configured_nan(config.nan.as_deref())?,
    };
    options.explain_errors = args.explain_errors || config.explain_errors;
    let file =
        |flag: &Option<PathBuf>, configured: &Option<PathBuf>| flag.clone().or_else(|| configured.clone());
    let certificate = file(&args.tls_certificate, &config.tls_certificate);
    options.tls = match (certificate, file(&args.tls_key, &config.tls_key)) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        _ => {
            return Err(Error::new(ErrorKind::InvalidCertificate, "TLS needs a certificate and its key")
                .with_hint("name both files: `--tls-certificate` and `--tls-key`"));
        }
    };
    options.token_file =
        file(&args.token_file, &config.token_file).filter(|path| !path.as_os_str().is_empty());
    let default = ServeLimits::default();
    let limits = &mut options.limits;
    let number =
        |flag: Option<usize>, configured: Option<usize>, default| flag.or(configured).unwrap_or(default);
    limits.body = number(args.max_body, config.max_body, default.body);
    limits.answer = number(args.max_answer, config.max_answer, default.answer);
    limits.concurrent_bytes =
        number(args.max_concurrent_bytes, config.max_concurrent_bytes, default.concurrent_bytes);
    limits.rows = number(args.max_rows, config.max_rows, default.rows);
    limits.columns = number(args.max_columns, config.max_columns, default.columns);
    limits.requests = number(args.max_requests, config.max_requests, default.requests);
    limits.concurrent_rows =
        number(args.max_concurrent_rows, config.max_concurrent_rows, default.concurrent_rows);
    limits.connections = number(args.max_connections, config.max_connections, default.connections);
    limits.header_time =
        time("header-time", args.header_time, config.header_time.as_ref(), default.header_time)?;
    limits.body_time = time("body-time", args.body_time, config.body_time.as_ref(), default.body_time)?;
    limits.answer_time =
        time("answer-time", args.answer_time, config.answer_time.as_ref(), default.answer_time)?;
    limits.idle_time = time("idle-time", args.idle_time, config.idle_time.as_ref(), default.idle_time)?;
    Ok(options)
}

/// An address, by its flag or variable, or by `[serve]`. An empty variable counts as unset.
fn address(name: &str, flag: Option<&String>, text: Option<&String>) -> Result<Option<SocketAddr>> {
    let Some(text) = flag.filter(|text| !text.is_empty()).or(text) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Error::new(ErrorKind::Config, format!("the address is not an IP address and a port: `{text}`"))
            .with_context("option", name)
            .with_hint("write it as in `127.0.0.1:8080`, or `[::]:8080` for all addresses of this machine")
    })
}

/// A time of `[serve]`.
fn configured_time(name: &str, text: Option<&String>) -> Result<Option<Duration>> {
    text.map(|text| span(text).map_err(|why| malformed(name, text).with_source(why))).transpose()
}

/// How `[serve]` writes NaN.
fn configured_nan(text: Option<&str>) -> Result<NonFinite> {
    match text {
        None | Some("null") => Ok(NonFinite::Null),
        Some("bare") => Ok(NonFinite::Bare),
        Some(text) => Err(malformed("nan", text).with_hint("write `null` or `bare`")),
    }
}

/// An alias, by its flag or by `[serve]`.
fn alias(name: &str, flag: Option<&Alias>, text: Option<&String>) -> Result<Option<Alias>> {
    match (flag, text) {
        (Some(flag), _) => Ok(Some(flag.clone())),
        (None, Some(text)) => {
            Alias::new(text).map(Some).map_err(|error| malformed(name, text).with_source(error))
        }
        (None, None) => Ok(None),
    }
}

fn malformed(name: &str, text: &str) -> Error {
    Error::new(ErrorKind::Config, format!("`{name}` in [serve] is not what the flag takes: `{text}`"))
}

/// Reads `candidate=5%` and `header:NAME` or `column:NAME`.
fn parse_canary(text: &str, key: Option<&str>) -> Result<Canary> {
    let invalid = |message: String, hint: &str| Error::new(ErrorKind::InvalidCanary, message).with_hint(hint);
    let (alias, share) = text.split_once('=').ok_or_else(|| {
        invalid(format!("the canary is not an alias and a share: `{text}`"), "write it as in `candidate=5%`")
    })?;
    let hint = "name a header as in `header:x-customer`, or a feature as in `column:customer`";
    let key = key.ok_or_else(|| invalid("the canary has no key".to_owned(), hint))?;
    let key = match key.split_once(':') {
        Some(("header", name)) if is_header(name) => CanaryKey::Header(name.to_ascii_lowercase()),
        Some(("column", name)) if !name.is_empty() => CanaryKey::Column(name.to_owned()),
        _ => return Err(invalid(format!("the key is not a header or a column: `{key}`"), hint)),
    };
    Ok(Canary { alias: Alias::new(alias)?, share: share.parse()?, key })
}

fn is_header(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

/// The name of this machine or container; `instance` if it does not say.
fn host_name() -> String {
    let read = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let name = read.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "instance".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_the_file_and_wrong_values_name_their_option() {
        let mut config = ServeConfig::default();
        config.listen = Some("0.0.0.0:9000".to_owned());
        config.poll = Some("1m".to_owned());
        config.max_rows = Some(7);
        let args = ServeArgs { max_body: Some(1 << 30), max_rows: Some(9), ..ServeArgs::default() };
        let found = options(&args, &config).expect("options");
        assert_eq!(found.listen.to_string(), "0.0.0.0:9000");
        assert_eq!((found.poll, found.limits.rows), (Duration::from_mins(1), 9));
        assert_eq!((found.limits.body, found.limits.answer), (1 << 30, 64 << 20));
        let default = options(&ServeArgs::default(), &ServeConfig::default()).expect("options");
        assert_eq!(default.listen.to_string(), "127.0.0.1:8080");
        config.nan = Some("bare".to_owned());
        assert_eq!(options(&args, &config).expect("options").non_finite, NonFinite::Bare);
        let null = ServeArgs { nan: Some(Nan::Null), ..ServeArgs::default() };
        assert_eq!(options(&null, &config).expect("options").non_finite, NonFinite::Null);
        config.nan = Some("zero".to_owned());
        assert_eq!(options(&args, &config).expect_err("no such form").kind(), ErrorKind::Config);
        config.nan = None;
        config.poll = Some("soon".to_owned());
        let error = options(&args, &config).expect_err("no time");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`poll`"), "{error}");
    }

    #[test]
    fn a_canary_has_an_alias_a_share_and_a_key() {
        let canary = parse_canary("candidate=5%", Some("header:X-Customer")).expect("a canary");
        assert_eq!(canary.key, CanaryKey::Header("x-customer".to_owned()));
        for (text, key) in [
            ("candidate", Some("header:x")),
            ("candidate=0%", Some("header:x")),
            ("candidate=5%", None),
            ("candidate=5%", Some("header:")),
            ("candidate=5%", Some("header:a b")),
            ("candidate=5%", Some("cookie:x")),
        ] {
            let error = parse_canary(text, key).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidCanary, "{text} {key:?}");
        }
    }
}
