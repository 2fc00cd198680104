//! `policy new` and `policy build`.

use crate::policy::args::{BuildArgs, NewArgs};
use crate::policy::read_component;
use crate::policy::report::{BuildReport, CheckReport, NewReport};
use crate::{ExitStatus, Printer};
use hydra_base::error::{Error, ErrorKind};
use hydra_policy_kit::{Comparison, Language, build as build_project, scaffold};

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
    let given = args.check.as_ref().map(|path| read_component(path)).transpose()?;
    let scratch = given.is_some().then(tempfile::tempdir).transpose()?;
    let out = scratch.as_ref().map(|scratch| scratch.path().join("built.wasm")).or_else(|| args.out.clone());
    let bar = printer.spinner("building the policy");
    let built = build_project(&args.dir, out.as_deref(), None);
    bar.finish_and_clear();
    let path = built?;
    if let (Some(checked), Some((_, given))) = (&args.check, given) {
        let comparison = Comparison::of(&given, &read_component(&path)?.1);
        let report = CheckReport::new(checked, language, &comparison);
        printer.report(&report, CheckReport::text)?;
        let is_other = matches!(comparison, Comparison::Different(_));
        return Ok(if is_other { ExitStatus::Rejected } else { ExitStatus::Done });
    }
    printer.report(&BuildReport::new(&path, language, path.metadata()?.len()), BuildReport::text)?;
    Ok(ExitStatus::Done)
}
