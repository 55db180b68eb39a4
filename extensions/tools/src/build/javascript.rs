//! JavaScript: jco, with SpiderMonkey within the component.

use std::fs;
use std::process::Command;

use super::{BuildError, Site, tool};

pub(super) fn build(site: &Site, step: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let folder = &site.folder;
    let jco = tool::find(folder, &["node_modules/.bin"], &["jco"]).ok_or_else(|| {
        let install = "  npm install                                  # in the folder: package.json names it\nor\n  \
             npm install --save-dev @bytecodealliance/jco@1.35.0";
        BuildError::Missing {
            what: "jco, which makes components of JavaScript,".to_owned(),
            install: install.to_owned(),
        }
    })?;
    step("making the component of JavaScript");
    let out = site.dist.join("javascript.part");
    // QuickJS would be an eighth of SpiderMonkey's size, but componentize-qjs (0.4.5, its synchronous runtime) does not give back
    // what a hook is lent: every call ends in a trap. Without WASI: nothing of what SpiderMonkey would have is there.
    tool::run(
        Command::new(jco)
            .arg("componentize")
            .arg(site.main_file())
            .arg("--wit")
            .arg(folder.join("wit"))
            .args(["-n", &site.world, "--disable", "all"])
            .arg("-o")
            .arg(&out),
    )?;
    let component = fs::read(&out).map_err(|why| BuildError::io(&out, why))?;
    fs::remove_file(&out).map_err(|why| BuildError::io(&out, why))?;
    Ok(component)
}
