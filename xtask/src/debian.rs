//! Programs of Debian's packages, unpacked into `.tools/` without root and without installing them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::setup::reset_directory;
use crate::shell::{capture, say, step};

/// The registry that tests of policies in registries use.
pub const REGISTRY: &str = "docker-registry";

/// Downloads a package with the system's `apt-get` and unpacks it, unless that was done before.
pub fn unpack(package: &str) -> Result<()> {
    let home = paths::tools().join(package);
    if home.join("usr").exists() {
        return Ok(());
    }
    if capture("apt-get", &["--version"]).is_none() || capture("dpkg", &["--version"]).is_none() {
        bail!(
            "{package} comes from a package of Debian, so `--all` needs Debian or Ubuntu with `apt-get` and `dpkg`; the tests \
             without `--all` do not need it"
        );
    }
    say(format!("unpacking {package} into .tools/{package}"));
    reset_directory(&home)?;
    let download = || {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-o", "APT::Sandbox::User=root", "download", package]).current_dir(&home);
        step("downloading the package", &mut command)
    };
    // A machine that was just installed does not know the packages yet.
    if download().is_err() {
        step("reading the lists of packages", Command::new("apt-get").args(["-q", "update"]))?;
        download()?;
    }
    let files = fs::read_dir(&home).context("cannot read the directory of the package")?;
    let archives = files.filter_map(|file| Some(file.ok()?.path()));
    let archive = archives.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    let archive = archive.with_context(|| format!("apt-get did not download {package}"))?;
    step("unpacking it", Command::new("dpkg").arg("-x").arg(&archive).arg(&home))?;
    fs::remove_file(&archive).context("cannot remove the package")
}
