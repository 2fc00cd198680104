//! Detects the tables and columns of a database, and creates the schema of a new one.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension as _, Transaction};

use crate::sqlite::failure::SqlResult;
use hydra_base::error::{Error, ErrorKind};
use hydra_base::names::{DEFAULT_WORKSPACE, Workspace};
use hydra_base::text::listed;
use hydra_base::time::now;

/// The columns that every database must have: those that this store uses and MLflow 2.9 created.
const REQUIRED: &[(&str, &[&str])] = &[
    (
        "experiments",
        &[
            "experiment_id",
            "name",
            "artifact_location",
            "lifecycle_stage",
            "creation_time",
            "last_update_time",
        ],
    ),
    ("experiment_tags", &["key", "value", "experiment_id"]),
    (
        "runs",
        &[
            "run_uuid",
            "name",
            "source_type",
            "source_name",
            "entry_point_name",
            "user_id",
            "status",
            "start_time",
            "end_time",
            "source_version",
            "lifecycle_stage",
            "artifact_uri",
            "experiment_id",
        ],
    ),
    ("params", &["key", "value", "run_uuid"]),
    ("tags", &["key", "value", "run_uuid"]),
    ("metrics", &["key", "value", "timestamp", "step", "run_uuid", "is_nan"]),
    ("latest_metrics", &["key", "value", "timestamp", "step", "run_uuid", "is_nan"]),
    (
        "datasets",
        &[
            "dataset_uuid",
            "experiment_id",
            "name",
            "digest",
            "dataset_source_type",
            "dataset_source",
            "dataset_schema",
            "dataset_profile",
        ],
    ),
    ("inputs", &["input_uuid", "source_type", "source_id", "destination_type", "destination_id"]),
    ("input_tags", &["input_uuid", "name", "value"]),
    ("registered_models", &["name", "creation_time", "last_updated_time", "description"]),
    ("registered_model_tags", &["name", "key", "value"]),
    ("registered_model_aliases", &["name", "alias", "version"]),
    (
        "model_versions",
        &[
            "name",
            "version",
            "creation_time",
            "last_updated_time",
            "description",
            "user_id",
            "current_stage",
            "source",
            "run_id",
            "status",
            "status_message",
            "run_link",
            "storage_location",
        ],
    ),
    ("model_version_tags", &["name", "version", "key", "value"]),
];

/// The columns that LoggedModels need; MLflow 3 added them.
const LOGGED_MODELS: &[(&str, &[&str])] = &[
    (
        "logged_models",
        &[
            "model_id",
            "experiment_id",
            "name",
            "artifact_location",
            "creation_timestamp_ms",
            "last_updated_timestamp_ms",
            "status",
            "lifecycle_stage",
            "model_type",
            "source_run_id",
            "status_message",
        ],
    ),
    ("logged_model_params", &["model_id", "experiment_id", "param_key", "param_value"]),
    ("logged_model_tags", &["model_id", "experiment_id", "tag_key", "tag_value"]),
    (
        "logged_model_metrics",
        &[
            "model_id",
            "metric_name",
            "metric_timestamp_ms",
            "metric_step",
            "metric_value",
            "experiment_id",
            "run_id",
            "dataset_uuid",
            "dataset_name",
            "dataset_digest",
        ],
    ),
    ("inputs", &["input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step"]),
];

/// The tables that received a `workspace` column in the same migration.
const IN_WORKSPACES: &[&str] = &[
    "experiments",
    "registered_models",
    "registered_model_tags",
    "registered_model_aliases",
    "model_versions",
    "model_version_tags",
];

/// The capabilities of a database.
#[derive(Debug)]
pub(super) struct Schema {
    /// Alembic's id of the revision, for messages.
    revision: String,
    /// The workspace of all experiments and registered models that are read and written; `None` if the tables have no
    /// workspaces (MLflow up to 3.9).
    pub workspace: Option<Workspace>,
    /// Whether the database has LoggedModels (MLflow 3).
    pub logged_models: bool,
    /// Columns that require a value and that this store does not know.
    unknown_columns: Vec<String>,
}

struct Column {
    name: String,
    must_be_filled: bool,
}

impl Schema {
    /// Reads the tables. `Schema` if a required table or column is missing, or if the database has no workspaces and
    /// `workspace` is not `default`.
    pub(super) fn detect(transaction: &Transaction<'_>, workspace: Option<&Workspace>) -> SqlResult<Self> {
        let revision = revision(transaction)?;
        let tables = columns(transaction)?;
        let missing = missing(&tables, REQUIRED);
        if !missing.is_empty() {
            return Err(Error::new(
                ErrorKind::Schema,
                "the database lacks tables or columns of MLflow 2.9 or newer",
            )
            .with_context("missing", listed(&missing))
            .with_context("revision", &revision)
            .with_hint("back up the file and run `mlflow db upgrade sqlite:///FILE`, or use another file")
            .into());
        }
        let has_workspace = |table: &&str| tables[*table].iter().any(|column| column.name == "workspace");
        let has_workspaces = IN_WORKSPACES.iter().any(has_workspace);
        if has_workspaces && !IN_WORKSPACES.iter().all(has_workspace) {
            return Err(Error::new(ErrorKind::Schema, "only some tables of the database have workspaces")
                .with_context("revision", &revision)
                .with_hint("restore a backup, or run `mlflow db upgrade`; a migration was interrupted")
                .into());
        }
        let workspace = match (has_workspaces, workspace) {
            (true, Some(workspace)) => Some(workspace.clone()),
            (true, None) => Some(Workspace::new(DEFAULT_WORKSPACE)?),
            (false, Some(workspace)) if workspace.as_str() != DEFAULT_WORKSPACE => {
                return Err(Error::new(ErrorKind::Schema, "the database has no workspaces")
                    .with_context("workspace", workspace)
                    .with_context("revision", &revision)
                    .with_hint(
                        "unset MLFLOW_WORKSPACE, or back up the file and open it with MLflow 3.13 or newer",
                    )
                    .into());
            }
            (false, _) => None,
        };
        let logged_models = self::missing(&tables, LOGGED_MODELS).is_empty();
        Ok(Self { revision, workspace, logged_models, unknown_columns: unknown(&tables) })
    }

    /// `Schema` if a newer MLflow added columns that require a value.
    pub(super) fn check_writable(&self) -> SqlResult<()> {
        if self.unknown_columns.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Schema,
            "cannot write the database: a newer MLflow added columns that require a value",
        )
        .with_context("columns", listed(&self.unknown_columns))
        .with_context("revision", &self.revision)
        .with_hint("run an MLflow server on the database and use its http:// URI; reading works without it")
        .into())
    }

    /// An SQL condition that selects the workspace in use, for tables that have workspaces: ` AND t.workspace =
    /// 'default'`. `table` is the table's name in the query.
    pub(super) fn in_workspace(&self, table: &str) -> String {
        // The name needs no quotes in SQL: it consists of letters, digits and `-`.
        self.workspace.as_ref().map(|name| format!(" AND {table}.workspace = '{name}'")).unwrap_or_default()
    }

    /// The start of an insert: the columns, with the workspace if the table has one, and as many placeholders.
    pub(super) fn insert(&self, table: &str, columns: &[&str]) -> String {
        let mut names: Vec<&str> = columns.to_vec();
        let mut values: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
        if let Some(workspace) = self.workspace.as_ref().filter(|_| IN_WORKSPACES.contains(&table)) {
            names.push("workspace");
            values.push(format!("'{workspace}'"));
        }
        format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
    }
}

/// Whether the file has no tables, so no program has created a database in it yet.
pub(super) fn is_empty(transaction: &Transaction<'_>) -> SqlResult<bool> {
    Ok(!transaction.prepare_cached("SELECT 1 FROM sqlite_schema LIMIT 1")?.exists([])?)
}

/// Creates the tables.
pub(super) fn create(transaction: &Transaction<'_>) -> SqlResult<()> {
    Ok(transaction.execute_batch(include_str!("schema.sql"))?)
}

/// Creates the experiment `Default`, which every MLflow database has.
pub(super) fn create_default_experiment(transaction: &Transaction<'_>, artifact_root: &str) -> SqlResult<()> {
    let now = now();
    transaction.execute(
        "INSERT INTO experiments
             (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
         VALUES (0, 'Default', ?1, 'active', ?2, ?2)",
        (format!("{artifact_root}/0"), now),
    )?;
    Ok(())
}

fn revision(transaction: &Transaction<'_>) -> SqlResult<String> {
    let known = transaction.table_exists(None, "alembic_version")?;
    let sql = "SELECT version_num FROM alembic_version";
    let revision = if known { transaction.query_row(sql, [], |row| row.get(0)).optional()? } else { None };
    Ok(revision.unwrap_or_else(|| "none".into()))
}

fn columns(transaction: &Transaction<'_>) -> SqlResult<BTreeMap<String, Vec<Column>>> {
    let mut statement = transaction.prepare(
        "SELECT t.name, c.name, c.\"notnull\" AND c.dflt_value IS NULL AND NOT (c.pk AND c.type = 'INTEGER')
         FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'",
    )?;
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let column = Column { name: row.get(1)?, must_be_filled: row.get(2)? };
        tables.entry(row.get(0)?).or_default().push(column);
    }
    Ok(tables)
}

fn missing(tables: &BTreeMap<String, Vec<Column>>, needed: &[(&str, &[&str])]) -> Vec<String> {
    let mut missing = Vec::new();
    for (table, columns) in needed {
        let Some(there) = tables.get(*table) else {
            missing.push((*table).to_owned());
            continue;
        };
        let there: BTreeSet<&str> = there.iter().map(|column| column.name.as_str()).collect();
        missing.extend(
            columns.iter().filter(|name| !there.contains(*name)).map(|name| format!("{table}.{name}")),
        );
    }
    missing
}

fn unknown(tables: &BTreeMap<String, Vec<Column>>) -> Vec<String> {
    let mut unknown = Vec::new();
    for (table, known) in REQUIRED.iter().chain(LOGGED_MODELS) {
        for column in tables.get(*table).into_iter().flatten().filter(|column| column.must_be_filled) {
            if !known.contains(&column.name.as_str()) && column.name != "workspace" {
                unknown.push(format!("{table}.{}", column.name));
            }
        }
    }
    unknown
}
