//! Points of metrics: rows of `metrics`, `latest_metrics` and `logged_model_metrics`.

use rusqlite::params;

use crate::entities::Metric;
use crate::rules::MeasuredModel;
use crate::sqlite::database::Db;
use crate::sqlite::failure::SqlResult;
use hydra_base::Timestamp;
use hydra_base::names::RunId;

/// The latest point of each metric of a run, sorted by key.
pub(super) fn latest(db: &Db<'_>, run: &RunId) -> SqlResult<Vec<Metric>> {
    let mut statement = db.prepare_cached(
        "SELECT key, value, timestamp, step, is_nan FROM latest_metrics WHERE run_uuid = ?1 ORDER BY key",
    )?;
    let metrics = statement.query_map([run.as_str()], |row| {
        let value = if row.get(4)? { f64::NAN } else { row.get(1)? };
        let timestamp: Option<Timestamp> = row.get(2)?;
        Ok(Metric { key: row.get(0)?, value, timestamp: timestamp.unwrap_or_default(), step: row.get(3)? })
    })?;
    Ok(metrics.collect::<Result<_, _>>()?)
}

/// Logs points for a run; a point that exists already stays.
pub(super) fn log_on_run(db: &Db<'_>, run: &RunId, metrics: &[Metric]) -> SqlResult<()> {
    let mut point = db.prepare_cached(
        "INSERT OR IGNORE INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut latest = db.prepare_cached(
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (key, run_uuid) DO UPDATE
         SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
         WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)",
    )?;
    for metric in metrics {
        let (value, is_nan) = stored_value(metric);
        let row = params![metric.key, value, metric.timestamp, metric.step, is_nan, run.as_str()];
        point.execute(row)?;
        latest.execute(row)?;
    }
    Ok(())
}

/// Logs points of a run as metrics of the LoggedModel that they measure; a point that exists already stays.
pub(super) fn log_on_model(
    db: &Db<'_>,
    model: &MeasuredModel,
    run: &RunId,
    metrics: &[Metric],
) -> SqlResult<()> {
    let mut point = db.prepare_cached(
        "INSERT OR IGNORE INTO logged_model_metrics
             (model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, experiment_id, run_id,
              dataset_name, dataset_digest)
         SELECT ?1, ?2, ?3, ?4, ?5, experiment_id, run_uuid, ?7, ?8 FROM runs WHERE run_uuid = ?6",
    )?;
    let (name, digest) = model.dataset.as_ref().map(|(name, digest)| (name, digest)).unzip();
    for metric in metrics {
        let (value, _) = stored_value(metric);
        point.execute(params![
            model.id.as_str(),
            metric.key,
            metric.timestamp,
            metric.step,
            value,
            run.as_str(),
            name,
            digest,
        ])?;
    }
    Ok(())
}

/// The value that MLflow stores for a point, and whether the point is NaN. SQL databases have no NaN, and some have no
/// infinities.
fn stored_value(metric: &Metric) -> (f64, bool) {
    if metric.value.is_nan() { (0.0, true) } else { (metric.value.clamp(f64::MIN, f64::MAX), false) }
}
