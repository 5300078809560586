//! Runs `git`: no shell, a fixed environment, a deadline, bounded output.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use tokio::fs::OpenOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::Remote;
use crate::store::{LARGEST_TREE, ReadError};

/// All files of a tree and the lines between them.
const LARGEST_OUTPUT: u64 = 2 * LARGEST_TREE;

/// One bare repository.
#[derive(Debug, Clone)]
pub(super) struct Git {
    repository: PathBuf,
    config: PathBuf,
    timeout: Duration,
}

impl Git {
    pub(super) fn new(folder: &Path, timeout: Duration) -> Self {
        Self {
            repository: folder.join("repository.git"),
            config: folder.join("gitconfig"),
            timeout,
        }
    }

    /// The bare repository's folder.
    pub(super) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Remove locks that a git killed in the middle has left. Nobody but us works in this folder, and we have not begun.
    pub(super) async fn unlock(&self) -> io::Result<()> {
        let mut folders = vec![self.repository.clone()];
        while let Some(folder) = folders.pop() {
            let mut entries = tokio::fs::read_dir(&folder).await?;
            while let Some(entry) = entries.next_entry().await? {
                let path = entry.path();
                if entry.file_type().await?.is_dir() {
                    folders.extend((entry.file_name() != "objects").then_some(path));
                } else if path.extension().is_some_and(|ending| ending == "lock") {
                    tokio::fs::remove_file(path).await?;
                }
            }
        }
        Ok(())
    }

    /// The only configuration that git reads. The login stands here, where other users of this machine cannot see it as
    /// they could among the arguments.
    pub(super) async fn write_config(&self, protocol: &str, remote: &Remote<'_>) -> io::Result<()> {
        let mut text = format!(
            "[protocol]\n\tallow = never\n[protocol \"{protocol}\"]\n\tallow = always\n[safe]\n\tdirectory = *\n\
             [core]\n\thooksPath = /dev/null\n[fetch]\n\tfsckObjects = true\n[gc]\n\tauto = 0\n[http]\n\tfollowRedirects = false\n"
        );
        if let Some((user, password)) = remote.login {
            let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
            text.extend([
                "[http \"",
                remote.url,
                "\"]
	extraHeader = Authorization: Basic ",
                &login,
                "
",
            ]);
        }
        let _ = tokio::fs::remove_file(&self.config).await;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.config)
            .await?;
        file.write_all(text.as_bytes()).await?;
        file.flush().await
    }

    /// What the command writes to its standard output.
    pub(super) async fn run(&self, args: &[&str]) -> Result<Vec<u8>, ReadError> {
        self.run_with(args, Vec::new()).await
    }

    /// The same, with something to read on its standard input.
    pub(super) async fn run_with(&self, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>, ReadError> {
        let failed = |cause: String| ReadError::Git {
            command: args.first().copied().unwrap_or_default().to_owned(),
            cause,
        };
        let child = self
            .command(args)
            .spawn()
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let output = match tokio::time::timeout(self.timeout, communicate(child, input)).await {
            Ok(output) => output.map_err(|error| failed(error.to_string()))?,
            // Dropping the child kills it.
            Err(_) => return Err(failed(format!("no end after {} s", self.timeout.as_secs()))),
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).replace(|c: char| c.is_control(), " ");
        Err(failed(format!("{}: {}", output.status, said.trim())))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .arg("--git-dir")
            .arg(&self.repository)
            .args(args)
            .env_clear()
            .kill_on_drop(true);
        // ssh needs a home for its keys; nothing else is passed on.
        #[expect(
            clippy::disallowed_methods,
            reason = "passed on to a child, not read as a setting"
        )]
        let passed_on = ["PATH", "HOME", "SSH_AUTH_SOCK"].map(|name| (name, std::env::var(name)));
        for (name, value) in passed_on {
            command.envs(value.ok().map(|value| (name, value)));
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", &self.config);
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
            .env("LC_ALL", "C");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Write and read at the same time: either pipe may fill up first.
async fn communicate(mut child: Child, input: Vec<u8>) -> io::Result<Output> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A command that ends early closes its input; its status says why.
            let _ = stdin.write_all(&input).await;
        }
        Ok(0)
    };
    let read_out = async {
        match out {
            Some(out) => out.take(LARGEST_OUTPUT + 1).read_to_end(&mut stdout).await,
            None => Ok(0),
        }
    };
    let read_err = async {
        match err {
            Some(err) => err.take(2048).read_to_end(&mut stderr).await,
            None => Ok(0),
        }
    };
    tokio::try_join!(write, read_out, read_err)?;
    if stdout.len() as u64 > LARGEST_OUTPUT {
        return Err(io::Error::other("too much output"));
    }
    Ok(Output {
        status: child.wait().await?,
        stdout,
        stderr,
    })
}
