//! Compares the metrics of candidate and champion.

use example_common::contract::{Context, ModelVersion, PolicyError, Setting, SettingKind, Verdict};
use example_common::{approve, declare, metric, parsed, setting, take_over};

/// A metric and its better direction.
struct Gate<'a> {
    metric: &'a str,
    larger_is_better: bool,
}

pub fn settings() -> Vec<Setting> {
    vec![
        declare(
            "metric",
            SettingKind::Text,
            None,
            "the metric to beat, `name` or `name:min` where less is better",
        ),
        declare("margin", SettingKind::Number, Some("0"), "by how much the candidate must be better"),
        declare(
            "guards",
            SettingKind::Text,
            Some(""),
            "metrics that must not get worse, separated by commas",
        ),
        declare("tolerance", SettingKind::Number, Some("0"), "by how much a guard metric may be worse"),
    ]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let gate = Gate::parse(setting(context, "metric")?);
    let margin: f64 = parsed(context, "margin")?;
    let tolerance: f64 = parsed(context, "tolerance")?;

    let Some(value) = gate.of(target) else {
        return Ok(gate.missing(target));
    };
    let Some(champion) = &context.champion else {
        let explanation = format!("there is no champion to beat; {} is {value}", gate.metric);
        return Ok(approve(take_over(target, context), explanation));
    };
    let Some(to_beat) = gate.of(champion) else {
        return Ok(gate.missing(champion));
    };
    let gain = gate.gain(value, to_beat);
    if gain < margin || gain <= 0.0 {
        return Ok(Verdict::Reject(format!(
            "{} is {value}, the champion has {to_beat}: a gain of {gain:.6}, {margin} is required",
            gate.metric
        )));
    }
    for guard in
        setting(context, "guards")?.split(',').map(str::trim).filter(|name| !name.is_empty()).map(Gate::parse)
    {
        let Some(value) = guard.of(target) else {
            return Ok(guard.missing(target));
        };
        // Without a value of the champion there is nothing to compare.
        let Some(before) = guard.of(champion) else { continue };
        let loss = -guard.gain(value, before);
        if loss > tolerance {
            return Ok(Verdict::Reject(format!(
                "{} is {value}, the champion has {before}: a loss of {loss:.6}, {tolerance} is tolerated",
                guard.metric
            )));
        }
    }
    let explanation =
        format!("{} is {value}, better than the champion's {to_beat} by {gain:.6}", gate.metric);
    Ok(approve(take_over(target, context), explanation))
}

impl<'a> Gate<'a> {
    fn parse(text: &'a str) -> Self {
        match text.rsplit_once(':') {
            Some((metric, "min")) => Self { metric, larger_is_better: false },
            Some((metric, "max")) => Self { metric, larger_is_better: true },
            _ => Self { metric: text, larger_is_better: true },
        }
    }

    /// The value if the run has one that is not NaN.
    fn of(&self, version: &ModelVersion) -> Option<f64> {
        metric(version, self.metric).filter(|value| !value.is_nan())
    }

    fn gain(&self, value: f64, than: f64) -> f64 {
        if self.larger_is_better { value - than } else { than - value }
    }

    /// A missing value is not evidence against the candidate, so the policy holds.
    fn missing(&self, version: &ModelVersion) -> Verdict {
        Verdict::Hold(format!(
            "version {} has no usable value of the metric {}",
            version.version, self.metric
        ))
    }
}

#[cfg(test)]
mod tests;
