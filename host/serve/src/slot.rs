//! A model under its name, with the versions that answer for it.

use std::sync::Arc;

use axum::http::HeaderMap;

use hydra_base::error::{Error, ErrorKind, Result};

use crate::options::{Canary, CanaryKey};
use crate::past::Past;
use crate::protocol::{Cause, Refusal, Rows};
use crate::served::{Seat, Served};
use crate::shadow::Shadow;

/// Which version answered a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arm {
    /// The one behind the alias that is served.
    Champion,
    /// The one that answers a share of the requests.
    Canary,
}

impl Arm {
    /// The arm's name in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Champion => "champion",
            Self::Canary => "canary",
        }
    }
}

/// A model under its name.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The name.
    pub(crate) name: Arc<str>,
    /// The version that answers.
    pub(crate) champion: Arc<Seat>,
    /// The version that answers a share of the requests.
    pub(crate) canary: Option<(Canary, Arc<Seat>)>,
    /// The version that scores what the champion answered.
    pub(crate) shadow: Option<Shadow>,
    /// The history of a registered model.
    pub(crate) past: Option<Past>,
}

impl Slot {
    /// The version that answers by a header of the request; none if there is a canary whose key is a column, which
    /// [`by_row`](Self::by_row) finds. [`Cause::NotReady`] before there is a champion.
    pub(crate) fn by_headers(&self, headers: &HeaderMap) -> Result<Option<(Arc<Served>, Arm)>, Refusal> {
        let champion = || {
            let champion = self.champion.served().ok_or(Refusal::new(Cause::NotReady))?;
            Ok(Some((champion, Arm::Champion)))
        };
        let Some((canary, seat)) = &self.canary else { return champion() };
        let Some(candidate) = self.candidate(seat) else { return champion() };
        match &canary.key {
            CanaryKey::Column(_) => Ok(None),
            CanaryKey::Header(name) => match headers.get(name) {
                Some(key) if is_drawn(canary, key.as_bytes(), &candidate) => {
                    Ok(Some((candidate, Arm::Canary)))
                }
                _ => champion(),
            },
        }
    }

    /// The version that answers by a column of the first row, which was read for the champion; none if that is the champion.
    pub(crate) fn by_row(&self, champion: &Served, rows: &Rows) -> Option<Arc<Served>> {
        let (canary, seat) = self.canary.as_ref()?;
        let CanaryKey::Column(name) = &canary.key else { return None };
        let candidate = self.candidate(seat)?;
        let column = champion.model().feature_names().iter().position(|feature| feature == name)?;
        let matrix = rows.matrix();
        let value = (matrix.rows() > 0).then(|| matrix.value(0, column))?;
        is_drawn(canary, value.to_string().as_bytes(), &candidate).then_some(candidate)
    }

    /// Refuses a canary whose key is not a feature of the champion: no request would ever have it.
    pub(crate) fn check_canary(&self) -> Result<()> {
        let (Some((Canary { key: CanaryKey::Column(name), .. }, _)), Some(champion)) =
            (&self.canary, self.champion.served())
        else {
            return Ok(());
        };
        if champion.model().feature_names().contains(name) {
            return Ok(());
        }
        let message = format!("the key of the canary is not a feature of the model: `{name}`");
        Err(Error::new(ErrorKind::InvalidCanary, message)
            .with_context("model", &self.name)
            .with_hint("name a feature, or a header as in `header:x-customer`"))
    }

    /// The version in a seat, unless it is the champion as well.
    fn candidate(&self, seat: &Seat) -> Option<Arc<Served>> {
        let candidate = seat.served()?;
        let champion = self.champion.served()?;
        (candidate.version != champion.version).then_some(candidate)
    }

    /// The version of this name that answers requests, now.
    pub(crate) fn of_version(&self, label: &str) -> Option<(Arc<Served>, Arm)> {
        let champion = self.champion.served().map(|served| (served, Arm::Champion));
        let canary =
            self.canary.as_ref().and_then(|(_, seat)| seat.served()).map(|served| (served, Arm::Canary));
        champion.into_iter().chain(canary).find(|(served, _)| served.label == label)
    }
}

fn is_drawn(canary: &Canary, key: &[u8], candidate: &Served) -> bool {
    candidate.version.is_some_and(|version| canary.share.has(key, version))
}
