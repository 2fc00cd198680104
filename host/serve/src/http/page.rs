//! `GET /` for browsers: the state of the server as a page.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use futures_util::future::join_all;

use hydra_base::error::Result;
use hydra_page::{ServedModel, ServedSeat, ServerState, content_security_policy, server_page};

use crate::app::App;
use crate::served::Seat;
use crate::slot::Slot;

/// Whether a client prefers HTML to JSON. Those that take anything get JSON.
pub(super) fn prefers_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut html, mut json) = (0.0, 0.0);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let weight = match parts.next() {
            Some(kind) if kind.eq_ignore_ascii_case("text/html") => &mut html,
            Some(kind) if kind.eq_ignore_ascii_case("application/json") => &mut json,
            _ => continue,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        *weight = quality.map_or(1.0, |quality| quality.trim().parse::<f32>().unwrap_or(0.0));
    }
    html > json
}

/// The page, with headers that keep it from being framed, kept or taken for something else.
pub(super) async fn page(app: &App) -> Result<Response<Body>> {
    let models = join_all(app.slots.iter().map(|slot| model(slot))).await;
    let state = ServerState { ready: app.is_ready(), draining: app.is_draining(), models };
    let mut response = Response::new(Body::from(server_page(&state)?));
    *response.status_mut() = StatusCode::OK;
    let policy = format!("{}; frame-ancestors 'none'", content_security_policy());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let fixed: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "accept"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

async fn model(slot: &Slot) -> ServedModel {
    let (history, problem) = match &slot.past {
        Some(past) => past.look().await,
        None => (None, None),
    };
    let mut seats = vec![seat("answers requests", &slot.champion)];
    if let Some(drift) = slot.champion.served().and_then(|served| served.drift.load_full()) {
        let index =
            drift.index().map_or_else(|| "not enough rows yet".to_owned(), |index| format!("{index:.4}"));
        let name = format!("drift from {}", drift.dataset);
        seats[0].facts.push((name, index));
    }
    if let Some((canary, of_canary)) = &slot.canary {
        seats.push(seat(&format!("answers {} of the keys", canary.share), of_canary));
    }
    if let Some(shadow) = &slot.shadow {
        let mut view = seat("shadow: scores the same rows", &shadow.seat);
        if let Some(compared) = shadow.pairs().all().last() {
            view.facts.push(("rows compared".to_owned(), compared.agreement.rows().to_string()));
        }
        seats.push(view);
    }
    ServedModel { name: slot.name.to_string(), seats, history, problem }
}

fn seat(role: &str, seat: &Seat) -> ServedSeat {
    let served = seat.served();
    let mut facts = Vec::new();
    if let Some(served) = &served {
        facts.extend(served.run_id.as_ref().map(|run_id| ("run".to_owned(), run_id.to_string())));
        facts.push(("model sha256".to_owned(), served.sha256.to_string()));
    }
    ServedSeat {
        role: role.to_owned(),
        alias: seat.alias.to_string(),
        version: served.as_ref().map(|served| served.label.clone()),
        since: served.as_ref().map(|served| served.since),
        problem: seat.problem().map(|problem| {
            let version = problem.version.map_or_else(String::new, |version| format!("version {version}: "));
            (problem.since, format!("{version}{}", problem.why))
        }),
        facts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_page_and_other_clients_json() {
        let asked = |accept: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, HeaderValue::from_str(value).expect("a header"));
            }
            prefers_page(&headers)
        };
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        for page in [
            &[chrome][..],
            &["text/html"],
            &["TEXT/HTML; charset=utf-8"],
            &["application/json;q=0.5", "text/html"],
        ] {
            assert!(asked(page), "{page:?}");
        }
        for json in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["application/json, text/html;q=0.9"],
            &["text/html;q=0"],
            &["text/html;q=x"],
            &["text/*"],
        ] {
            assert!(!asked(json), "{json:?}");
        }
    }
}
