//! The rig's ground: a working folder, free ports, filled-in configurations, and processes pinned to a core.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// Where a process runs.
#[derive(Clone, Copy)]
pub(crate) enum Core {
    /// What is measured has this one for itself.
    Gateway = 0,
    /// Load and upstream share the other.
    Load = 1,
}

/// The folders of a run.
pub(crate) struct Rig {
    /// Logs, filled-in configurations, caches: under the target folder, emptied at each start.
    pub(crate) work: PathBuf,
    /// The templates.
    pub(crate) configs: PathBuf,
    /// The release binary of the gateway.
    pub(crate) gateway: PathBuf,
    /// The built components.
    pub(crate) components: PathBuf,
}

impl Rig {
    pub(crate) fn lay_out(target: &Path, configs: &Path) -> Result<Self> {
        let work = target.join("bench");
        fs::remove_dir_all(&work).ok();
        fs::create_dir_all(&work)
            .with_context(|| format!("could not create {}", work.display()))?;
        if thread::available_parallelism()?.get() < 2 {
            bail!("the rig needs two cores: one for what is measured, one for load and upstream");
        }
        Ok(Self {
            work,
            configs: configs.into(),
            gateway: target.join("release/forebay"),
            components: target.join("components"),
        })
    }

    /// Fills a template: each word is replaced by its value, and the file goes to the working folder.
    pub(crate) fn fill(
        &self,
        template: &str,
        name: &str,
        words: &[(&str, String)],
    ) -> Result<PathBuf> {
        let source = self.configs.join(template);
        let mut text = fs::read_to_string(&source)
            .with_context(|| format!("could not read {}", source.display()))?;
        for (word, value) in words {
            text = text.replace(word, value);
        }
        text = text
            .replace("WORK", &self.work.display().to_string())
            .replace("COMPLETION", self.completion()?.trim());
        let file = self.work.join(name);
        fs::write(&file, text).with_context(|| format!("could not write {}", file.display()))?;
        Ok(file)
    }

    fn completion(&self) -> Result<String> {
        let file = self.configs.join("completion.json");
        fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))
    }

    /// Starts a server on a core; its output goes to a log in the working folder.
    pub(crate) fn start(&self, name: &str, core: Core, command: &mut Command) -> Result<Server> {
        let log = self.work.join(format!("{name}.log"));
        let file =
            File::create(&log).with_context(|| format!("could not create {}", log.display()))?;
        let child = pinned(core, command)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        Ok(Server { child, log })
    }
}

/// The same command under `taskset`, which then becomes the command: the process id is the server's own.
pub(crate) fn pinned(core: Core, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned
        .arg("-c")
        .arg((core as usize).to_string())
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            pinned.env(name, value);
        }
    }
    pinned
}

/// A port that is free at this moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Raises the limit of open files as far as this user may, for all processes that are started later.
pub(crate) fn allow_files(wanted: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    if most < wanted {
        bail!("the limit of open files is {most}, {wanted} are needed (ulimit -Hn)");
    }
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        )?;
    }
    Ok(())
}

/// A running server; it ends with this value.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Memory resident at this moment, in MiB.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS in /proc")?;
        let kib: f64 = line
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .context("VmRSS is no number")?;
        Ok(kib / 1024.0)
    }

    /// Processor time that it and the processes it started have taken so far. A busy machine changes
    /// that less than the rate of requests.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let mut ticks = 0;
        let mut found = vec![self.child.id()];
        while let Some(process) = found.pop() {
            let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
            ticks += taken(&stat).with_context(|| format!("/proc/{process}/stat is odd"))?;
            for task in fs::read_dir(format!("/proc/{process}/task"))? {
                let children = fs::read_to_string(task?.path().join("children"))?;
                let ids = children.split_whitespace();
                found.extend(ids.filter_map(|id| id.parse::<u32>().ok()));
            }
        }
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// The end of its log, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(600);
        text.get(from..).unwrap_or(&text).trim().to_owned()
    }
}

/// Ticks in a second, as /proc counts them: the same on every Linux.
const TICKS: u64 = 100;

/// The ticks that a process has taken by its `stat`: `utime` and `stime`, the 14th and 15th field. The
/// second is a name in parentheses, which may have spaces.
fn taken(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

impl Drop for Server {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        // Nothing in flight matters any more: five seconds are for an orderly exit, not for draining.
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::taken;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 5 0 0 0 120 30 9 9 20 0 1 0 1 2 3";
        assert_eq!(taken(stat), Some(150));
        assert_eq!(taken("7 a S"), None);
    }
}
