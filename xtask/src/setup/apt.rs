//! Debian packages, where this account may install them.

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, on_path, output};

/// Installs Debian packages, as root or through a sudo that asks for no password.
pub(crate) fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if on_path(&["apt-get"]).is_none() {
        bail!(
            "this system has no apt-get: install {list} with its own package manager, then run this again"
        );
    }
    let root = output(workspace.command("id").arg("-u"))?.trim() == "0";
    let prefix: &[&str] = if root {
        &[]
    } else if output(workspace.command("sudo").args(["-n", "true"])).is_ok() {
        &["sudo", "-n"]
    } else {
        bail!(
            "this account may not install packages: run `apt-get install {list}` as root, then run this again"
        );
    };
    let apt_get = |arguments: &[&str]| {
        let mut words = prefix
            .iter()
            .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .chain(arguments);
        let program = words.next().context("an empty command")?;
        output(workspace.command(program).args(words))
    };
    apt_get(&["update"])?;
    apt_get(&[&["install", "-y", "--no-install-recommends"], packages].concat())?;
    Ok(())
}
