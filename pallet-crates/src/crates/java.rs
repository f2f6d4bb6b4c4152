//! The crate `java`.

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{OrWrong, install, needs_debian, phase};
use crate::actions::RemoteFile;

/// OpenJDK, and `JAVA_HOME` for everybody who logs in.
///
/// ```toml
/// [server-spec.app]
/// extends = ["java"]
/// settings.java = { component = "jre", version = 17 }
/// ```
#[derive(Debug)]
pub struct Java;

/// What the crate `java` can be told.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The version, one that the node's release has. Default: the release's own choice.
    pub version: Option<u8>,
    /// Whether programs can be compiled, or only run. Default: `jdk`.
    pub component: Component,
    /// Whether there are windows. Default: false.
    pub graphical: bool,
}

/// A part of Java.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// To compile and run programs.
    #[default]
    Jdk,
    /// To run programs.
    Jre,
}

impl Crate for Java {
    const NAME: &'static str = "java";
    const SUMMARY: &'static str = "OpenJDK, and where it is.";
    const EXAMPLE: &'static str = r#"[server-spec.app]
extends = ["java"]
settings.java = { component = "jre", version = 17 }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        ServerSpec::new().phase("install", phase(install_java)).phase("configure", phase(configure))
    }
}

fn install_java(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Java::NAME)?;
    let package = plan.settings_of::<Java>()?.package();
    install(plan, [package.as_str()])
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let home = plan.settings_of::<Java>()?.home(&plan.target().facts.arch);
    let text = format!("export JAVA_HOME={home}\n");
    let profile = RemoteFile::new("/etc/profile.d/java.sh")
        .and_then(|file| file.content(text).owner("root")?.mode("0644"))
        .or_wrong(plan)?;
    plan.action(profile);
    Ok(())
}

impl Settings {
    fn package(&self) -> String {
        let start = match self.version {
            Some(version) => format!("openjdk-{version}"),
            None => "default".to_owned(),
        };
        let component = match self.component {
            Component::Jdk => "jdk",
            Component::Jre => "jre",
        };
        format!("{start}-{component}{}", if self.graphical { "" } else { "-headless" })
    }

    fn home(&self, arch: &str) -> String {
        let arch = match arch {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        match self.version {
            Some(version) => format!("/usr/lib/jvm/java-{version}-openjdk-{arch}"),
            None => "/usr/lib/jvm/default-java".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_and_folders() {
        let default = Settings::default();
        assert_eq!(default.package(), "default-jdk-headless");
        assert_eq!(default.home("x86_64"), "/usr/lib/jvm/default-java");
        let other = Settings { version: Some(17), component: Component::Jre, graphical: true };
        assert_eq!(other.package(), "openjdk-17-jre");
        assert_eq!(other.home("aarch64"), "/usr/lib/jvm/java-17-openjdk-arm64");
    }
}
