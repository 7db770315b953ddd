//! The Python package's half in Rust: a thin cover of [`paring::live`]. Data go in and out as JSON, archives and masks as bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, Report};
use paring::cli::{MaskFile, Opened, STACK};
use paring::live::{Cut, ModuleState, Program, attributes};
use paring::plan::{Choices, Statistics};
use paring::report;
use paring::rule::RuleSet;
use paring::shown::Shown;
use paring::solve::{Mask, Masks, Options, Policy};
use paring::{OnUnknown, Outputs, Settings};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

create_exception!(_paring, Fault, PyException, "What went wrong: (text, code, help, labels as JSON, rendered text).");

/// Turns an error into a Python exception.
fn raise(report: &Report) -> PyErr {
    // As on the terminal: a notebook shows it.
    let shown = Shown::of(report.as_ref());
    let diagnostic: &dyn Diagnostic = &shown;
    let mut rendered = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    if handler.render_report(&mut rendered, diagnostic).is_err() {
        rendered = shown.to_string();
    }
    // Of several errors at once each has places of its own.
    let all = std::iter::once(diagnostic).chain(diagnostic.related().into_iter().flatten());
    let places = all.flat_map(|d| d.labels().into_iter().flatten().map(move |l| (d.source_code(), l)));
    let label = |(code, l): (Option<&dyn miette::SourceCode>, miette::LabeledSpan)| {
        let source = code.and_then(|s| s.read_span(l.inner(), 0, 0).ok());
        let place = source.map(|s| (s.name().map(str::to_owned), s.line() + 1, s.column() + 1));
        let (file, line, column) = place.map_or((None, None, None), |(f, l, c)| (f, Some(l), Some(c)));
        serde_json::json!({"text": l.label(), "file": file, "line": line, "column": column, "offset": l.offset(), "length": l.len()})
    };
    let labels: Vec<_> = places.map(label).collect();
    let code = diagnostic.code().map(|c| c.to_string());
    let help = diagnostic.help().map(|h| h.to_string());
    Fault::new_err((shown.to_string(), code, help, serde_json::Value::from(labels).to_string(), rendered))
}

/// Runs with the stack that deep graphs need.
fn deep<T>(run: impl FnOnce() -> Result<T, Report>) -> PyResult<T> {
    stacker::grow(STACK, run).map_err(|e| raise(&e))
}

fn wrong(e: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(e.to_string())
}

/// An exported module: `archive` is what `torch.export.save` wrote, `rules` are folders, `freeze` names.
#[pyclass(unsendable, name = "Program", module = "paring._paring")]
struct PyProgram(Program);

/// Masks: name, sizes, a byte for each element.
type MaskList<'py> = Vec<(String, Vec<usize>, Bound<'py, PyBytes>)>;

/// Scores: name, sizes, numbers.
type ScoreList<'py> = Vec<(String, Vec<usize>, Bound<'py, PyBytes>)>;

#[pymethods]
impl PyProgram {
    #[new]
    fn new(archive: &[u8], rules: Vec<PathBuf>, freeze: Vec<String>) -> PyResult<PyProgram> {
        let bytes: Arc<[u8]> = archive.into();
        deep(|| {
            let rules = if rules.is_empty() { RuleSet::builtin() } else { RuleSet::with_dirs(&rules)? };
            Ok(PyProgram(Program::open(bytes, rules, &freeze)?))
        })
    }

    /// A program in a file of any kind that the command line reads.
    #[staticmethod]
    fn open(path: PathBuf, rules: Vec<PathBuf>, freeze: Vec<String>) -> PyResult<PyProgram> {
        deep(|| {
            let rules = if rules.is_empty() { RuleSet::builtin() } else { RuleSet::with_dirs(&rules)? };
            Ok(PyProgram(Program::of_file(&path, rules, &freeze)?))
        })
    }

    /// Writes the small program of one in a file. Gives, as `Cut` does, the summary, the table, the page and the plan, and the unified masks.
    #[allow(clippy::type_complexity)]
    fn shrink<'py>(
        &self,
        py: Python<'py>,
        masks: MaskList<'_>,
        options: &str,
        output: PathBuf,
    ) -> PyResult<(String, String, String, String, Vec<(String, Vec<usize>, Bound<'py, PyBytes>)>)> {
        let (settings, all) = (settings(options)?, read(&masks)?);
        let outputs = Outputs { model: Some(output), ..Outputs::default() };
        let (summary, page, plan, unified) = deep(|| {
            let session = self.0.session();
            outputs.check(&[("the model that is read", session.path())])?;
            session.model().archive.check_data()?;
            let cut = session.cut(&all, &settings)?;
            let (page, plan) = (cut.page(), cut.plan_json());
            let unified: Vec<_> =
                cut.unified().to_masks().into_iter().map(|(name, m)| (name, m.shape, m.keep.into_owned())).collect();
            Ok((cut.write(&settings, &outputs, &mut |_| {})?, page, plan, unified))
        })?;
        let unified = unified.into_iter().map(|(name, shape, keep)| (name, shape, PyBytes::new(py, &keep))).collect();
        let page = report::html(&page).map_err(wrong)?;
        Ok((serde_json::to_string(&summary).map_err(wrong)?, report::table(&summary), page, plan.to_string(), unified))
    }

    /// The names of parameters, buffers and constants, with their sizes, as JSON.
    fn tensors(&self) -> String {
        let all = self.0.model().graph.tensors.iter().map(|t| (t.name.clone(), t.shape.clone().into()));
        serde_json::Value::Object(all.collect()).to_string()
    }

    /// The masks of a file of any kind that the command line takes, and notes on it: name, sizes, a byte for each element.
    #[allow(clippy::type_complexity)]
    fn read_masks<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
    ) -> PyResult<(Vec<(String, Vec<usize>, Bound<'py, PyBytes>)>, Vec<String>)> {
        let mut notes = Vec::new();
        let masks = deep(|| {
            let file = MaskFile::load(&path)?;
            let masks = file.masks_of(&|| Ok(Opened::Of(self.0.session())), &mut |note| notes.push(note))?;
            Ok(masks.into_iter().map(|(name, m)| (name, m.shape, m.keep.into_owned())).collect::<Vec<_>>())
        })?;
        Ok((masks.into_iter().map(|(name, shape, keep)| (name, shape, PyBytes::new(py, &keep))).collect(), notes))
    }

    /// Decides what stays. `options` are JSON: on_conflict, unmasked, statistics, on_unknown, lossless, bias_maps, masks (a name for messages).
    fn cut(&self, masks: MaskList<'_>, options: &str) -> PyResult<PyCut> {
        let (settings, all) = (settings(options)?, read(&masks)?);
        deep(|| Ok(PyCut(self.0.cut(&all, &settings)?)))
    }

    /// The groups of coupled axes, as `paring analyze --json` prints them.
    fn groups(&self) -> PyResult<String> {
        serde_json::to_string(&self.0.groups()).map_err(wrong)
    }

    /// Chooses masks: `options` are JSON, see `paring::prune::Options`; scores have a name, sizes, and elements of 64 bits. Gives masks (name, sizes, a
    /// byte for each element) and what was chosen as JSON.
    #[allow(clippy::type_complexity)]
    fn choose<'py>(
        &self,
        py: Python<'py>,
        options: &str,
        scores: Option<ScoreList<'py>>,
    ) -> PyResult<(Vec<(String, Vec<usize>, Bound<'py, PyBytes>)>, String)> {
        let mut options: paring::prune::Options = serde_json::from_str(options).map_err(wrong)?;
        let number = |b: &[u8; 8]| f64::from_le_bytes(*b);
        let given = |(name, shape, bytes): (String, Vec<usize>, Bound<'py, PyBytes>)| {
            (name, (shape, bytes.as_bytes().as_chunks::<8>().0.iter().map(number).collect()))
        };
        options.scores = scores.map(|list| paring::prune::Scores { by_name: list.into_iter().map(given).collect() });
        let found = deep(|| Ok(self.0.choose(&options)?))?;
        let masks = found.masks.iter().map(|(name, m)| (name.clone(), m.shape.clone(), PyBytes::new(py, &m.keep))).collect();
        Ok((masks, serde_json::to_string(&found).map_err(wrong)?))
    }

    /// How a changed module, exported again, differs from the small program: JSON, a list of module, line, text, arg.
    fn differences(&self, cut: &PyCut, archive: &[u8], exact: Vec<String>, absorbed: Vec<(String, String)>) -> PyResult<String> {
        let bytes: Arc<[u8]> = archive.into();
        let found = deep(|| Ok(cut.0.differences(bytes, self.0.rules(), &exact, &absorbed)?))?;
        serde_json::to_string(&found).map_err(wrong)
    }

    /// What a module's attributes become: JSON in and out, see `ModuleState` and `Attributes`; None where no entry knows a repair.
    fn attributes(&self, module: &str) -> PyResult<Option<String>> {
        let state: ModuleState = serde_json::from_str(module).map_err(wrong)?;
        let found = deep(|| attributes(self.0.rules(), &state).map_err(Report::from))?;
        found.map(|a| serde_json::to_string(&a).map_err(wrong)).transpose()
    }
}

/// What is to be cut.
#[pyclass(unsendable, name = "Cut", module = "paring._paring")]
struct PyCut(Cut);

#[pymethods]
impl PyCut {
    /// Edits of tensors and of the program, as JSON.
    fn changes(&self) -> String {
        self.0.changes.to_string()
    }

    /// The plan as `paring speedup --plan` writes it.
    fn plan(&self) -> String {
        self.0.plan.to_string()
    }

    /// The outcome in numbers and reasons, as JSON.
    fn summary(&self) -> PyResult<String> {
        serde_json::to_string(&self.0.summary).map_err(wrong)
    }

    /// The outcome as the command line prints it.
    fn table(&self) -> String {
        report::table(&self.0.summary)
    }

    /// The report as a page for a browser.
    fn page(&self) -> PyResult<String> {
        report::html(&self.0.page).map_err(wrong)
    }

    /// The small program as an archive of `torch.export.save`, without weights.
    fn archive<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.archive)
    }

    /// What a given mask makes zero of a parameter besides what goes: the dimension (None: of every element) and its bytes.
    fn zeros<'py>(&self, py: Python<'py>, name: &str) -> Option<(Option<usize>, Bound<'py, PyBytes>)> {
        self.0.zeros(name).map(|z| (z.dim, PyBytes::new(py, &z.keep)))
    }

    /// Names of parameters that have such zeros.
    fn zeroed(&self) -> Vec<String> {
        self.0.zeroed().map(str::to_owned).collect()
    }
}

/// Masks as the library has them.
fn read<'a>(masks: &'a MaskList<'_>) -> PyResult<Masks<'a>> {
    let mut all = Masks::new();
    for (name, shape, bytes) in masks {
        let keep = bytes.as_bytes();
        if keep.len() != shape.iter().product::<usize>() {
            return Err(wrong(format!("the mask `{name}` has {} bytes", keep.len())));
        }
        all.insert(name.clone(), Mask { shape: shape.clone(), keep: keep.into() });
    }
    Ok(all)
}

fn settings(options: &str) -> PyResult<Settings> {
    let json: serde_json::Value = serde_json::from_str(options).map_err(wrong)?;
    let text = |key: &str| json[key].as_str().unwrap_or("").to_owned();
    let flag = |key: &str| json[key].as_bool().unwrap_or(false);
    let unknown = |key: &str| wrong(format!("`{}` is no value of {key}", text(key)));
    let policy = match text("on_conflict").as_str() {
        "keep" => Policy::Keep,
        "restore" => Policy::Restore,
        "prune" => Policy::Prune,
        "error" => Policy::Error,
        _ => return Err(unknown("on_conflict")),
    };
    let unmasked_abstain = match text("unmasked").as_str() {
        "keep" => false,
        "abstain" => true,
        _ => return Err(unknown("unmasked")),
    };
    let statistics = match text("statistics").as_str() {
        "exact" => Statistics::Exact,
        "approximate" => Statistics::Approximate,
        _ => return Err(unknown("statistics")),
    };
    let on_unknown = match text("on_unknown").as_str() {
        "lock" => OnUnknown::Lock,
        "error" => OnUnknown::Error,
        _ => return Err(unknown("on_unknown")),
    };
    let options =
        Options { policy, unmasked_abstain, lossless: flag("lossless"), bias_maps: flag("bias_maps"), ..Options::default() };
    let choices = Choices { statistics, keep_branches: flag("keep_branches"), settle_masks: flag("settle_masks") };
    Ok(Settings { options, choices, on_unknown, masks: Path::new(&text("masks")).to_path_buf(), ..Settings::default() })
}

/// Runs the command line with these arguments, the first of which is its name, and gives its exit status.
#[pyfunction]
fn main(py: Python<'_>, args: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| paring::cli::main(args))
}

#[pymodule]
fn _paring(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add("Fault", m.py().get_type::<Fault>())?;
    m.add_class::<PyProgram>()?;
    m.add_class::<PyCut>()?;
    m.add_function(wrap_pyfunction!(main, m)?)
}
