use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

/// Without a network the installers try for a long time.
const PATIENCE: Duration = Duration::from_mins(5);

/// A step of an installation: a program, relative to the folder if it holds a slash, and its arguments.
pub type Step<'a> = (&'a str, &'a [&'a str]);

/// Programs that others wrote, unmodified, from their package registries.
pub struct Foreign {
    /// Where a crate's lists of packages and scripts are.
    pub scripts: &'static str,
    /// `CARGO_TARGET_TMPDIR` of the crate that asks.
    pub folder: &'static str,
    /// What its folders there begin with.
    pub prefix: &'static str,
}

impl Foreign {
    /// A folder in which `steps` have been carried out, once for each content of `list`. `None`, and a word about it,
    /// where that is not possible.
    pub async fn installed(&self, name: &str, list: Option<&str>, steps: &[Step<'_>]) -> Option<PathBuf> {
        let folder = Path::new(self.folder).join(format!("{}-{name}", self.prefix));
        let wanted = list.map_or_else(String::new, |list| {
            std::fs::read_to_string(format!("{}/{list}", self.scripts)).unwrap()
        });
        if std::fs::read_to_string(folder.join("installed")).is_ok_and(|done| done == wanted) {
            return Some(folder);
        }
        std::fs::create_dir_all(&folder).unwrap();
        if let Some(list) = list {
            std::fs::write(folder.join(list), &wanted).unwrap();
        }
        for step in steps {
            if let Err(why) = carry_out(&folder, step).await {
                let (program, arguments) = step;
                not_run(&format!(
                    "{name}: `{program} {}` failed: {why}",
                    arguments.join(" ")
                ));
                return None;
            }
        }
        std::fs::write(folder.join("installed"), wanted).unwrap();
        Some(folder)
    }

    /// What Debian's package of Prometheus brings, `promtool` among it. Only unpacked, not installed: its daemon would
    /// be started.
    pub async fn promtool(&self) -> Option<PathBuf> {
        let steps: [Step<'_>; 2] = [
            ("apt-get", &["download", "prometheus"]),
            ("sh", &["-c", "dpkg-deb --extract prometheus_*.deb ."]),
        ];
        let folder = self.installed("prometheus", None, &steps).await?;
        Some(folder.join("usr/bin/promtool"))
    }

    /// The Python of a virtual environment with the packages of `requirements.txt`.
    pub async fn python(&self) -> Option<PathBuf> {
        let steps: [Step<'_>; 2] = [
            ("python3", &["-m", "venv", "venv"]),
            (
                "venv/bin/pip",
                &["install", "--quiet", "--requirement", "requirements.txt"],
            ),
        ];
        let folder = self.installed("python", Some("requirements.txt"), &steps).await?;
        Some(folder.join("venv/bin/python"))
    }

    /// The folder `node_modules` with what `package.json` asks for.
    pub async fn node_modules(&self) -> Option<PathBuf> {
        let options = [
            "install",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--ignore-scripts",
        ];
        let folder = self
            .installed("node", Some("package.json"), &[("npm", &options)])
            .await?;
        Some(folder.join("node_modules"))
    }
}

async fn carry_out(folder: &Path, (program, arguments): &Step<'_>) -> Result<(), String> {
    let path = if program.contains('/') {
        folder.join(program)
    } else {
        program.into()
    };
    let mut command = Command::new(path);
    command.args(*arguments).current_dir(folder).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it took longer than {PATIENCE:?}")),
    }
}

/// Say that a test has proved nothing, also where the output of tests that pass is hidden. Where a change is checked
/// before it counts (`CI=true`), that is a failure.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment how strict to be"
)]
pub fn not_run(reason: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {reason}");
    let must_run = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!must_run, "not run: {reason}");
}
