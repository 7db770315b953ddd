//! Where and how programs run.

use std::str::FromStr;

use super::error::TorchError;
use super::library;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device by its number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = TorchError;

    fn from_str(name: &str) -> Result<Device, TorchError> {
        let loaded = if name.starts_with("cuda") { load_cuda() } else { Ok(()) };
        let count = tch::Cuda::device_count();
        let number = match name.split_once(':') {
            Some(("cuda", n)) => n.parse().ok(),
            None if name == "cuda" => Some(0),
            _ => None,
        };
        match number {
            _ if name == "cpu" => Ok(Device::Cpu),
            Some(n) if (n as i64) < count => Ok(Device::Cuda(n)),
            _ => {
                let help = match (count, loaded) {
                    (n, _) if n > 0 => format!("there are cpu and cuda:0 to cuda:{}", n - 1),
                    (_, Err(why)) => format!("there is only cpu: the part of libtorch for CUDA cannot be loaded: {why}"),
                    _ => "there is only cpu: libtorch sees no CUDA device".to_owned(),
                };
                Err(TorchError::Device { name: name.to_owned(), help })
            }
        }
    }
}

/// Loads the part of libtorch for CUDA. The linker leaves it out, for nothing here calls it, and it is large; it registers itself.
fn load_cuda() -> Result<(), String> {
    static LOADED: std::sync::OnceLock<Result<libloading::Library, String>> = std::sync::OnceLock::new();
    // SAFETY: it is the library that belongs to the libtorch which runs already, and it is never unloaded.
    let loaded = LOADED.get_or_init(|| unsafe { libloading::Library::new("libtorch_cuda.so") }.map_err(|e| e.to_string()));
    loaded.as_ref().map(|_| ()).map_err(Clone::clone)
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

impl Device {
    pub(super) fn torch(self) -> tch::Device {
        match self {
            Device::Cpu => tch::Device::Cpu,
            Device::Cuda(n) => tch::Device::Cuda(n),
        }
    }

    /// Waits until all that was started on it is done.
    pub(super) fn wait(self) {
        if let Device::Cuda(n) = self {
            tch::Cuda::synchronize(n as i64);
        }
    }
}

/// In which floats a program computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Precision {
    /// Those that it was saved with.
    #[default]
    Own,
    /// 64 bits wherever it has floats.
    Double,
}

/// How programs run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Where.
    pub device: Device,
    /// In which floats.
    pub precision: Precision,
    /// Threads for one operator; `None` leaves libtorch's choice.
    pub threads: Option<usize>,
}

impl Setup {
    /// Settings of the whole process: threads, and no optimiser between the operators, which changes roundings.
    ///
    /// # Errors
    /// If the libtorch in this process is another version than the one that the program was built for.
    pub fn apply(&self) -> Result<(), TorchError> {
        library::check()?;
        tch::jit::set_graph_executor_optimize(false);
        if let Some(n) = self.threads {
            tch::set_num_threads(n as i32);
        }
        Ok(())
    }
}

/// Threads that libtorch uses for one operator.
pub fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}
