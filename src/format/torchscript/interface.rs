//! What a program takes and returns, as its callers see it: tensors alone, or inside tuples and dictionaries.

/// The form of what goes in and what comes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// The parameters of `forward`: their names and what they hold.
    pub inputs: Vec<(String, Part)>,
    /// What it returns.
    pub result: Part,
}

/// A part of what a program takes or returns.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// The tensor of this number among the graph's inputs or outputs.
    Tensor(usize),
    /// `None`
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Str(String),
    /// A list.
    List(Vec<Part>),
    /// A tuple.
    Tuple(Vec<Part>),
    /// A dictionary.
    Dict(Vec<(Part, Part)>),
}

impl Part {
    /// As an expression. `tensor` gives the text of a tensor by number, `real` that of a number and `quoted` that of a text.
    pub(super) fn text(
        &self,
        tensor: &dyn Fn(usize) -> Result<String, String>,
        real: fn(f64) -> String,
        quoted: fn(&str) -> String,
    ) -> Result<String, String> {
        let all =
            |parts: &[Part]| -> Result<Vec<String>, String> { parts.iter().map(|p| p.text(tensor, real, quoted)).collect() };
        Ok(match self {
            Part::Tensor(n) => tensor(*n)?,
            Part::None => "None".to_owned(),
            Part::Bool(true) => "True".to_owned(),
            Part::Bool(false) => "False".to_owned(),
            Part::Int(n) => n.to_string(),
            Part::Float(x) => real(*x),
            Part::Str(s) => quoted(s),
            Part::List(parts) => format!("[{}]", all(parts)?.join(", ")),
            Part::Tuple(parts) => format!("({})", all(parts)?.iter().map(|p| format!("{p}, ")).collect::<String>().trim_end()),
            Part::Dict(pairs) => {
                let each = pairs
                    .iter()
                    .map(|(k, v)| Ok(format!("{}: {}", k.text(tensor, real, quoted)?, v.text(tensor, real, quoted)?)));
                format!("{{{}}}", each.collect::<Result<Vec<_>, String>>()?.join(", "))
            }
        })
    }

    /// The type of an input.
    pub(super) fn ty(&self) -> String {
        match self {
            Part::Tuple(parts) => format!("Tuple[{}]", parts.iter().map(Part::ty).collect::<Vec<_>>().join(", ")),
            _ => "Tensor".to_owned(),
        }
    }
}
