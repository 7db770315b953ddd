//! Processes that test rules. A drawn call may be one that is not checked and that a process dies of; then only that one does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::TestedRule;

/// What a worker is asked: the number of a rule, and whether only its written tests are run.
pub type Job = (usize, bool);

/// Answers jobs from the standard input, a line each, on the standard output.
///
/// # Errors
/// Pipes that break.
pub fn serve(mut test: impl FnMut(Job) -> TestedRule) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    for line in std::io::stdin().lines() {
        let job = serde_json::from_str(&line?)?;
        let answer = serde_json::to_string(&test(job))?;
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// Has `count` rules tested by processes started with `command`. `died` is what is known of a rule of which processes die.
///
/// # Errors
/// Processes that cannot be started.
pub fn share(
    count: usize,
    command: &(dyn Fn() -> Command + Sync),
    died: &(dyn Fn(usize) -> TestedRule + Sync),
    by: &str,
) -> std::io::Result<Vec<TestedRule>> {
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(count.max(1));
    let next = AtomicUsize::new(0);
    let work = || -> std::io::Result<Vec<(usize, TestedRule)>> {
        let mut worker = Worker::start(command())?;
        let mut done = Vec::new();
        loop {
            let k = next.fetch_add(1, Ordering::Relaxed);
            if k >= count {
                return Ok(done);
            }
            let mut answer = worker.ask((k, false));
            if answer.is_none() {
                worker = Worker::start(command())?;
                answer = worker.ask((k, true));
                if answer.is_none() {
                    worker = Worker::start(command())?;
                }
                let why = format!("{by} dies of a call that was drawn: give calls in `tests:`, and say `drawn: never`");
                if let Some(tested) = &mut answer {
                    if tested.cases == 0 {
                        tested.not_run = Some(why.clone());
                    }
                    tested.skipped.push(("drawn calls".to_owned(), why));
                }
            }
            done.push((k, answer.unwrap_or_else(|| died(k))));
        }
    };
    let mut results = std::thread::scope(|scope| -> std::io::Result<Vec<(usize, TestedRule)>> {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread failed")))?);
        }
        Ok(all)
    })?;
    results.sort_by_key(|(k, _)| *k);
    Ok(results.into_iter().map(|(_, tested)| tested).collect())
}

struct Worker {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Worker {
    fn start(mut command: Command) -> std::io::Result<Worker> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let to = child.stdin.take();
        let from = child.stdout.take().ok_or_else(|| std::io::Error::other("a process without an output"))?;
        Ok(Worker { child, to, from: BufReader::new(from) })
    }

    /// The answer; `None` if the process has died.
    fn ask(&mut self, job: Job) -> Option<TestedRule> {
        let to = self.to.as_mut()?;
        writeln!(to, "{}", serde_json::to_string(&job).ok()?).ok()?;
        to.flush().ok()?;
        let mut line = String::new();
        self.from.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.to = None; // ends it
        let _ = self.child.wait();
    }
}
