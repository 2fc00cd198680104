//! `policy new` and `policy build`.

use crate::policy::args::{BuildArgs, NewArgs};
use crate::policy::report::{BuildReport, NewReport};
use crate::{ExitStatus, Printer};
use hydra_base::error::{Error, ErrorKind};
use hydra_policy_kit::{Language, build as build_project, scaffold};

/// Creates a project.
pub fn new(args: &NewArgs, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => std::path::absolute(&args.dir)?
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "the directory has no name").with_hint("set --name")
        })?,
    };
    let files = scaffold(&args.dir, &name, args.lang)?;
    printer.report(&NewReport::new(&name, args.lang, &args.dir, &files), NewReport::text)?;
    Ok(ExitStatus::Done)
}

/// Builds a project.
pub fn build(args: &BuildArgs, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let language = Language::of_project(&args.dir)?;
    let bar = printer.spinner("building the policy");
    let built = build_project(&args.dir, args.out.as_deref(), None);
    bar.finish_and_clear();
    let path = built?;
    printer.report(&BuildReport::new(&path, language, path.metadata()?.len()), BuildReport::text)?;
    Ok(ExitStatus::Done)
}
