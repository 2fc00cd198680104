//! Programs of Debian's packages, unpacked into `.tools/` without root and without installing them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::setup::reset_directory;
use crate::shell::{capture, say, step};

/// A program's package, and those of its libraries that a system may lack.
pub type Packages = &'static [&'static str];

/// The registry that tests of policies in registries use.
pub const REGISTRY: Packages = &["docker-registry"];

/// MariaDB behind MLflow's server.
pub const MARIADB: Packages = &["mariadb-server-core", "liburing2", "libnuma1"];

/// Downloads packages with the system's `apt-get` and unpacks them, unless that was done before. The first one names the directory.
pub fn unpack(packages: Packages) -> Result<()> {
    let package = packages[0];
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
        command.args(["-q", "-o", "APT::Sandbox::User=root", "download"]).args(packages).current_dir(&home);
        step("downloading the package", &mut command)
    };
    // A machine that was just installed does not know the packages yet.
    if download().is_err() {
        step("reading the lists of packages", Command::new("apt-get").args(["-q", "update"]))?;
        download()?;
    }
    let files = fs::read_dir(&home).context("cannot read the directory of the package")?;
    let mut archives: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    archives.retain(|path| path.extension().is_some_and(|ending| ending == "deb"));
    if archives.len() != packages.len() {
        bail!("apt-get did not download {package}");
    }
    for archive in archives {
        step("unpacking it", Command::new("dpkg").arg("-x").arg(&archive).arg(&home))?;
        fs::remove_file(&archive).context("cannot remove the package")?;
    }
    Ok(())
}
