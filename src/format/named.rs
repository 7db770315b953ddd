//! What a file is called, and so what wrote it: for help texts.

use std::path::Path;

/// What writes a file of this name.
pub(super) fn saver(path: &Path) -> &'static str {
    match kind(path) {
        Kind::Script => "torch.jit.save, or with torch.save where it holds masks",
        Kind::Saved => "torch.save",
        Kind::Exported => "torch.export.save",
    }
}

/// The same as a line to write.
pub(super) fn writer(path: &Path) -> &'static str {
    match kind(path) {
        Kind::Script => "torch.jit.save(torch.jit.trace(model, args), \"model.pt\")",
        Kind::Saved => "torch.save, of torch 1.6 or newer",
        Kind::Exported => "torch.export.save(torch.export.export(model, args), \"model.pt2\")",
    }
}

/// What a file that is no archive is not.
pub(super) fn no_archive(path: &Path) -> &'static str {
    match kind(path) {
        Kind::Script => "no TorchScript archive",
        Kind::Saved => "no file of torch.save",
        Kind::Exported => "not a .pt2 archive",
    }
}

/// What a file is, by its name.
enum Kind {
    Exported,
    Script,
    Saved,
}

fn kind(path: &Path) -> Kind {
    let end = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match end.as_deref() {
        Some("pth" | "bin" | "ckpt") => Kind::Saved,
        Some("pt" | "ts" | "torchscript") => Kind::Script,
        _ => Kind::Exported,
    }
}
