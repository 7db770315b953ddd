//! Where a node comes from: the module and the line of Python that exporters note.

use super::proto::NodeProto;
use crate::model::{Frame, Source};

/// The module's path and the lines of a node.
pub(super) fn source(node: &NodeProto) -> Source {
    let frames = about(node, "pkg.torch.onnx.stack_trace").map(frames).unwrap_or_default();
    Source { frames, module: module(node) }
}

/// The path of the innermost module that a node is in; empty if that is the whole one, or not known.
pub(super) fn module(node: &NodeProto) -> String {
    about(node, "pkg.torch.onnx.name_scopes").map_or_else(|| path(node.name), listed)
}

/// What an exporter noted of a node.
pub(super) fn about<'a>(node: &NodeProto<'a>, key: &str) -> Option<&'a str> {
    node.about.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
}

/// The innermost module of `['', 'layer1', 'layer1.0', 'conv2d']`, whose last item is the node itself.
fn listed(scopes: &str) -> String {
    let items: Vec<&str> = scopes.trim_matches(['[', ']']).split(',').map(|s| s.trim().trim_matches('\'')).collect();
    items.iter().rev().nth(1).map(|s| (*s).to_owned()).unwrap_or_default()
}

/// The module of `/bert/encoder/layer.0/attention/Transpose_2`. An item of a list has the list's name before its own.
fn path(name: &str) -> String {
    let Some(rest) = name.strip_prefix('/') else { return String::new() };
    let mut parts: Vec<&str> = Vec::new();
    let all: Vec<&str> = rest.split('/').collect();
    for part in &all[..all.len() - 1] {
        let last = parts.last().copied().unwrap_or("");
        if part.strip_prefix(last).is_some_and(|rest| rest.starts_with('.')) && !last.is_empty() {
            parts.pop();
        }
        parts.push(part);
    }
    parts.join(".")
}

/// The frames of a trace as Python prints it.
fn frames(trace: &str) -> Vec<Frame> {
    let mut out: Vec<Frame> = Vec::new();
    for line in trace.lines() {
        let line = line.trim();
        let read = || {
            let (file, rest) = line.strip_prefix("File \"")?.split_once("\", line ")?;
            let (number, function) = rest.split_once(", in ")?;
            let line = number.parse().ok()?;
            Some(Frame { file: file.to_owned(), line, function: function.to_owned(), text: String::new() })
        };
        match (read(), out.last_mut()) {
            (Some(frame), _) => out.push(frame),
            (None, Some(last)) if last.text.is_empty() => last.text = line.to_owned(),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_nodes() {
        for (name, module) in [
            ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
            ("/bert/encoder/layer.0/attention/self/Transpose_2", "bert.encoder.layer.0.attention.self"),
            ("/Reshape", ""),
            ("node_conv2d", ""),
        ] {
            assert_eq!(path(name), module);
        }
        assert_eq!(listed("['', 'layer1', 'layer1.0', 'conv2d']"), "layer1.0");
        assert_eq!(listed("['', 'relu']"), "");
    }
}
