//! Where a node stands in the user's Python.

use super::tree::Value;

use crate::model::{Frame, Source};

/// Reads the metadata of a node; what is missing or odd is left out.
pub(super) fn source(metadata: &Value) -> Source {
    let text = |name| metadata.get(name).and_then(Value::as_str).unwrap_or("");
    Source { frames: frames(text("stack_trace")), module: module(text("nn_module_stack")) }
}

/// Frames of a Python traceback: `File "…", line 3, in f` and then the line itself.
fn frames(trace: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in trace.lines() {
        let line = line.trim();
        if let Some(frame) = frame(line) {
            frames.push(frame);
        } else if let Some(last) = frames.last_mut()
            && last.text.is_empty()
        {
            last.text = line.to_owned();
        }
    }
    frames
}

fn frame(line: &str) -> Option<Frame> {
    let rest = line.strip_prefix("File \"")?;
    let (file, rest) = rest.rsplit_once("\", line ")?;
    let (number, function) = rest.split_once(", in ").unwrap_or((rest, ""));
    Some(Frame { file: file.to_owned(), line: number.parse().ok()?, function: function.to_owned(), text: String::new() })
}

/// The path in the last entry of `L__self__,,zoo.Net;L__self__qkv,qkv,torch.nn.modules.linear.Linear`. A second
/// call of a module is marked `@1`, which is left out.
fn module(stack: &str) -> String {
    let last = stack.rsplit(';').next().unwrap_or("");
    let mut parts = last.split(',');
    match (parts.next(), parts.next()) {
        (Some(key), Some(path)) if key != path || !key.starts_with('_') => path.split('@').next().unwrap_or(path).to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pt2::tree::json;

    #[test]
    fn frames_and_module_are_read() {
        let read = source(&json!({
            "stack_trace": "File \"/a/zoo.py\", line 364, in forward\n    x = self.embed(x)\n  File \"/torch/nn/modules/linear.py\", line 134, in forward\n    return F.linear(",
            "nn_module_stack": "L__self__,,zoo.Net;L__self__blocks_0,blocks.0,torch.nn.modules.linear.Linear",
        }));
        assert_eq!(read.module, "blocks.0");
        assert_eq!(read.frames.len(), 2);
        assert_eq!(read.frame().map(|f| (f.line, f.text.as_str())), Some((364, "x = self.embed(x)")));
        let none = source(
            &json!({"nn_module_stack": "_empty_nn_module_stack_from_metadata_hook,_empty_nn_module_stack_from_metadata_hook,_empty"}),
        );
        assert_eq!((none.module.as_str(), none.frames.len()), ("", 0));
        assert_eq!(source(&json!({"nn_module_stack": "L__self__,,zoo.Net"})).module, "");
    }
}
