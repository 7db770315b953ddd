//! The code files of an archive by the names of classes.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::ast::{Class, Method};
use super::source::Origins;
use super::syntax::classes;
use crate::format::zip::Members;
use crate::format::{FormatError, pickle};
use crate::model::{Frame, Source};

/// A file of code.
pub(super) struct File {
    /// Its member's name.
    pub(super) name: String,
    /// Its text.
    pub(super) text: String,
    classes: Vec<Class>,
    debug: Option<Vec<u8>>,
    origins: OnceCell<Origins>,
}

/// All files of code.
pub(super) struct Code {
    /// In the order of the archive.
    pub(super) files: Vec<File>,
    /// Number of the file by its dotted path: `__torch__.torch.nn.modules.conv`.
    by_path: HashMap<String, usize>,
}

impl Code {
    /// Reads all files.
    pub(super) fn read(members: &Members, prefix: &str) -> Result<Code, FormatError> {
        let folder = format!("{prefix}code/");
        let mut code = Code { files: Vec::new(), by_path: HashMap::new() };
        for (name, member) in members.iter() {
            let Some(path) = name.strip_prefix(&folder).and_then(|n| n.strip_suffix(".py")) else { continue };
            let text = String::from_utf8_lossy(&members.content(member)?).into_owned();
            let classes = classes(&text).map_err(|f| FormatError::script(f.of(members.path(), name, &text, None)))?;
            let debug = members.get(&format!("{name}.debug_pkl"));
            let debug = debug.and_then(|m| members.content(m).ok()).map(|bytes| bytes.into_owned());
            code.by_path.insert(path.replace('/', "."), code.files.len());
            code.files.push(File { name: name.to_owned(), text, classes, debug, origins: OnceCell::new() });
        }
        Ok(code)
    }

    /// The class of a qualified name, and its file.
    pub(super) fn class(&self, qualified: &str) -> Option<(usize, &Class)> {
        let (path, name) = qualified.rsplit_once('.')?;
        let file = *self.by_path.get(path)?;
        self.files[file].classes.iter().find(|c| c.name == name).map(|c| (file, c))
    }

    /// The function of a qualified name, and its file.
    pub(super) fn function(&self, qualified: &str) -> Option<(usize, &Method)> {
        let (path, name) = qualified.rsplit_once('.')?;
        let file = *self.by_path.get(path)?;
        self.files[file].classes.first()?.methods.iter().find(|m| m.name == name).map(|m| (file, m))
    }
}

impl File {
    /// Where a place of the file comes from. Frames have the line of the archive as their text.
    pub(super) fn source(&self, byte: usize, module: &str) -> Source {
        let read = || {
            let pickle = self.debug.as_ref().and_then(|bytes| pickle::read(bytes).ok());
            pickle.as_ref().map(Origins::read).unwrap_or_default()
        };
        let start = self.text[..byte.min(self.text.len())].rfind('\n').map_or(0, |n| n + 1);
        let text = self.text[start..].lines().next().unwrap_or("").trim().to_owned();
        let mut frames: Vec<Frame> = self.origins.get_or_init(read).at(byte).to_vec();
        frames.iter_mut().for_each(|f| f.text.clone_from(&text));
        if frames.is_empty() {
            let line = self.text[..start].matches('\n').count() as u32 + 1;
            let file = self.name.split_once('/').map_or(self.name.as_str(), |(_, rest)| rest).to_owned();
            frames.push(Frame { file, line, function: "forward".to_owned(), text });
        }
        Source { frames, module: module.to_owned() }
    }
}
