//! A Python with onnxruntime.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use miette::Diagnostic;
use serde_json::Value;
use thiserror::Error;

/// What the child runs.
const SERVE: &str = include_str!("serve.py");

/// An answer is not longer.
const LONGEST: u64 = 1 << 30;

/// Why no onnxruntime can be had.
#[derive(Debug, Error, Diagnostic)]
#[error("{} cannot run onnxruntime: {reason}", python.display())]
#[diagnostic(
    code(paring::onnx::no_onnxruntime),
    help("`pip install onnxruntime numpy` in the environment that is active, or name a Python that has them with --python")
)]
pub struct PythonError {
    /// The Python.
    python: PathBuf,
    /// What it says.
    reason: String,
}

/// A process that runs models.
#[derive(Debug)]
pub(super) struct Child {
    python: PathBuf,
    process: std::process::Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
    /// How many times it was started again: what one process had, the next has not.
    pub(super) life: usize,
}

impl Child {
    pub(super) fn start(python: Option<&Path>) -> Result<Child, PythonError> {
        let python = python.map_or_else(found, Path::to_path_buf);
        let fault = |reason: String| PythonError { python: python.clone(), reason };
        let ready = Command::new(&python).args(["-c", "import onnxruntime, numpy"]).output().map_err(|e| fault(e.to_string()))?;
        if !ready.status.success() {
            let said = String::from_utf8_lossy(&ready.stderr).trim().lines().last().unwrap_or("it ends").to_owned();
            return Err(fault(said));
        }
        let process = Child::process(&python).map_err(|e| fault(e.to_string()))?;
        Child::of(python.clone(), process).ok_or_else(|| fault("it has no pipes".to_owned()))
    }

    fn process(python: &Path) -> std::io::Result<std::process::Child> {
        Command::new(python).args(["-c", SERVE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    }

    fn of(python: PathBuf, mut process: std::process::Child) -> Option<Child> {
        let (to, from) = (process.stdin.take()?, process.stdout.take()?);
        Some(Child { python, process, to: Some(to), from, life: 0 })
    }

    /// The answer and its bytes; an error that it gives, or that it died of the question.
    pub(super) fn ask(&mut self, question: &Value, data: &[u8]) -> Result<(Value, Vec<u8>), String> {
        match self.exchange(question, data) {
            Ok((answer, data)) => match answer["error"].as_str() {
                Some(why) => Err(why.lines().next().unwrap_or("it fails").to_owned()),
                None => Ok((answer, data)),
            },
            Err(_) => {
                let again = Child::process(&self.python).ok().and_then(|process| Child::of(self.python.clone(), process));
                let life = self.life + 1;
                *self = again.ok_or("onnxruntime cannot be started again")?;
                self.life = life;
                Err("onnxruntime dies of it".to_owned())
            }
        }
    }

    fn exchange(&mut self, question: &Value, data: &[u8]) -> std::io::Result<(Value, Vec<u8>)> {
        let mut question = question.clone();
        question["bytes"] = data.len().into();
        let text = question.to_string();
        let to = self.to.as_mut().ok_or_else(|| std::io::Error::other("it has ended"))?;
        to.write_all(&(text.len() as u32).to_le_bytes())?;
        to.write_all(text.as_bytes())?;
        to.write_all(data)?;
        to.flush()?;
        let mut head = [0; 4];
        self.from.read_exact(&mut head)?;
        let mut text = Vec::new();
        self.from.by_ref().take(u32::from_le_bytes(head).into()).read_to_end(&mut text)?;
        let answer: Value = serde_json::from_slice(&text)?;
        let mut data = Vec::new();
        let expected = answer["bytes"].as_u64().unwrap_or(0).min(LONGEST);
        self.from.by_ref().take(expected).read_to_end(&mut data)?;
        Ok((answer, data))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.to = None; // ends it
        let _ = self.process.wait();
    }
}

/// The Python of the active virtual environment, or the first on the path.
fn found() -> PathBuf {
    let folder = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let active = std::env::var_os("VIRTUAL_ENV").map(|venv| Path::new(&venv).join(folder)).filter(|python| python.is_file());
    active.unwrap_or_else(|| PathBuf::from(if cfg!(windows) { "python" } else { "python3" }))
}
