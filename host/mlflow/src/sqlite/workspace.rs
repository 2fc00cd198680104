//! The workspace in which a database is used.

use crate::environment::{self, Environment};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{DEFAULT_WORKSPACE, Workspace};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The workspace that MLflow would use in a database. Unless workspaces are enabled, that is `default`.
pub(crate) fn workspace_of_database(environment: &Environment) -> Result<Option<Workspace>> {
    let named = environment.get(environment::WORKSPACE).map(str::trim).filter(|name| !name.is_empty());
    match (environment.flag_or(environment::ENABLE_WORKSPACES, false)?, named) {
        (true, Some(name)) => Workspace::new(name).map(Some),
        (true, None) => {
            Err(Error::new(ErrorKind::Config, "workspaces are enabled, but the name of one is missing")
                .with_hint(format!("set {}, for example to `default`", environment::WORKSPACE)))
        }
        (false, Some(name)) if name != DEFAULT_WORKSPACE => {
            tracing::warn!(
                workspace = excerpt(name, QUOTED_CHARS),
                "ignoring MLFLOW_WORKSPACE: a local database uses it only with MLFLOW_ENABLE_WORKSPACES=true"
            );
            Ok(None)
        }
        (false, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_has_workspaces_where_they_are_enabled() {
        let of = |variables: &[(&str, &str)]| {
            let found = workspace_of_database(&variables.iter().copied().collect());
            found.map(|workspace| workspace.map(String::from)).map_err(|error| error.kind())
        };
        let (on, name) = (environment::ENABLE_WORKSPACES, environment::WORKSPACE);
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[(name, "team-a")]), Ok(None), "as MLflow does");
        assert_eq!(of(&[(on, "true"), (name, " team-a ")]), Ok(Some("team-a".into())));
        assert_eq!(of(&[(on, "true")]), Err(ErrorKind::Config));
        assert_eq!(of(&[(on, "true"), (name, "Team'A")]), Err(ErrorKind::InvalidName));
    }
}
