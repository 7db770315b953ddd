//! Faults in Paring: a panic ends as an error that says what to report.

use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, PoisonError};

use miette::Diagnostic;
use thiserror::Error;

/// How a run ends that came upon a fault in Paring.
pub const FAULT: u8 = 70;

/// Bytes of stack that the analysis of a deep graph may take: egg's proofs and nested concatenations recurse.
pub const STACK: usize = 256 << 20;

/// A panic.
#[derive(Debug, Error, Diagnostic)]
#[error("a fault in Paring {}: {what}", env!("CARGO_PKG_VERSION"))]
#[diagnostic(
    code(paring::fault),
    help(
        "no file may lead to this. Please report the text above, the command line, and the files if you can share them; RUST_BACKTRACE=1 shows where it was"
    )
)]
pub(super) struct Fault {
    what: String,
}

/// There is no memory for the stack.
#[derive(Debug, Error, Diagnostic)]
#[error("cannot start: the system gives no stack of {} MB", STACK >> 20)]
#[diagnostic(code(paring::stack), help("allow more memory (`ulimit -v`)"))]
pub(super) struct NoStack {
    source: std::io::Error,
}

/// Why there is no result.
pub(super) enum Ended {
    NoStack(NoStack),
    Fault(Fault),
}

/// Runs on a large stack. A panic is told, and not printed by whoever else listens.
pub(super) fn caught<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, Ended> {
    let first: Arc<Mutex<Option<String>>> = Arc::default();
    let seen = first.clone();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get_or_insert_with(|| told(info));
    }));
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run);
    let ended = thread.map(std::thread::JoinHandle::join);
    panic::set_hook(before);
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => {
            let what = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            Err(Ended::Fault(Fault { what: what.unwrap_or_else(|| "it panicked".to_owned()) }))
        }
        Err(source) => Err(Ended::NoStack(NoStack { source })),
    }
}

/// What a panic says, and where it was.
fn told(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let what = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let what = what.unwrap_or("it panicked");
    let place = info.location().map(|l| format!(", at {}:{}", l.file(), l.line())).unwrap_or_default();
    let trace = std::backtrace::Backtrace::capture();
    let trace = match trace.status() {
        std::backtrace::BacktraceStatus::Captured => format!("\n{trace}"),
        _ => String::new(),
    };
    format!("{what}{place}{trace}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::panic)]
    fn a_panic_is_an_error_with_code_and_help() {
        assert!(matches!(caught(|| 7), Ok(7)));
        let Err(Ended::Fault(fault)) = caught(|| -> u8 { panic!("index {} of nothing", 3) }) else { unreachable!() };
        let text = fault.to_string();
        assert!(
            text.starts_with(concat!("a fault in Paring ", env!("CARGO_PKG_VERSION"), ": index 3 of nothing, at ")),
            "{text}"
        );
        assert_eq!(fault.code().unwrap().to_string(), "paring::fault");
        assert!(fault.help().unwrap().to_string().contains("report"));
    }
}
