//! Arguments as TorchScript writes them.

use serde_json::Value;

use crate::model::{Arg, ValueId};

/// How values and settings appear in the text.
pub(super) struct Texts<'a> {
    /// The variable that holds a value.
    pub(super) name: &'a dyn Fn(ValueId) -> Option<String>,
    /// The device that all devices named in the program become; `None` to leave them.
    pub(super) device: Option<&'a str>,
    /// Numbers of 32 bits and less are computed in 64.
    pub(super) double: bool,
}

impl Texts<'_> {
    /// The text of an argument. `ty` is the schema's type of it, empty where that is unknown. The error is the reason.
    pub(super) fn argument(&self, arg: &Arg, ty: &str) -> Result<String, String> {
        Ok(match arg {
            Arg::None => "None".to_owned(),
            Arg::Int(n) if ty.starts_with("float") => real(*n as f64),
            Arg::Int(n) => n.to_string(),
            Arg::Float(x) => real(*x),
            Arg::Bool(true) => "True".to_owned(),
            Arg::Bool(false) => "False".to_owned(),
            Arg::Str(s) => quoted(s),
            Arg::Tensor(v) | Arg::Scalar(v) => self.value(*v)?,
            Arg::List(items) => self.list(items, ty)?,
            Arg::Opaque(json) => self.opaque(json)?,
        })
    }

    /// The variable of a value.
    pub(super) fn value(&self, v: ValueId) -> Result<String, String> {
        (self.name)(v).ok_or_else(|| format!("it reads value {}, which nothing before it computes", v.0))
    }

    fn list(&self, items: &[Arg], ty: &str) -> Result<String, String> {
        let element = ty.split('[').next().unwrap_or("");
        let texts: Vec<String> = items.iter().map(|a| self.argument(a, element)).collect::<Result<_, _>>()?;
        let list = format!("[{}]", texts.join(", "));
        let optional = items.contains(&Arg::None) || element.ends_with('?');
        Ok(match (optional, items.is_empty()) {
            (true, _) => format!("annotate(List[Optional[Tensor]], {list})"),
            (false, true) => match element {
                "Tensor" => format!("annotate(List[Tensor], {list})"),
                "float" => format!("annotate(List[float], {list})"),
                "bool" => format!("annotate(List[bool], {list})"),
                "" | "int" | "SymInt" => format!("annotate(List[int], {list})"),
                _ => list,
            },
            (false, false) => list,
        })
    }

    /// Element types, layouts, memory formats, devices and complex numbers, which a graph holds as the text of a `.pt2` file.
    fn opaque(&self, json: &str) -> Result<String, String> {
        let unknown = || format!("the argument {json} cannot be written in TorchScript");
        let parsed: Value = serde_json::from_str(json).map_err(|_| unknown())?;
        let (kind, value) = parsed.as_object().and_then(|o| o.iter().next()).ok_or_else(unknown)?;
        let number = value.as_i64();
        Ok(match (kind.as_str(), number) {
            ("as_scalar_type", Some(n)) => {
                let code = element_type(n).ok_or_else(unknown)?;
                if self.double && matches!(code, 5 | 6 | 15) { "7".to_owned() } else { code.to_string() }
            }
            ("as_layout", Some(7)) => "0".to_owned(),
            ("as_memory_format", Some(n)) => match n {
                1 => "0".to_owned(),
                4 => "1".to_owned(),
                2 | 3 => n.to_string(),
                _ => return Err(unknown()),
            },
            ("as_device", _) => {
                let kind = value.get("type").and_then(|t| t.as_str()).ok_or_else(unknown)?;
                let index = value.get("index").and_then(|i| i.as_i64());
                let own = index.map_or(kind.to_owned(), |i| format!("{kind}:{i}"));
                format!("torch.device({})", quoted(self.device.unwrap_or(&own)))
            }
            ("as_complex", _) => {
                let part = |name| value.get(name).and_then(|x| x.as_f64()).ok_or_else(unknown);
                format!("complex({}, {})", real(part("real")?), real(part("imag")?))
            }
            _ => return Err(unknown()),
        })
    }
}

/// The number of an element type in c10, from that in `.pt2` files.
fn element_type(code: i64) -> Option<i64> {
    Some(match code {
        1..=12 => code - 1,
        13 => 15, // bfloat16
        28 => 27, // unsigned integers
        34 => 28,
        35 => 29,
        29 => 24, // floats of 8 bits
        30 => 23,
        31 => 26,
        32 => 25,
        33 => 44,
        _ => return None,
    })
}

/// A float, always with a point or an exponent: an integer literal is not taken for one.
pub(super) fn real(x: f64) -> String {
    match x {
        f64::INFINITY => "inf".to_owned(),
        f64::NEG_INFINITY => "-inf".to_owned(),
        x if x.is_nan() => "nan".to_owned(),
        x => format!("{x:?}"),
    }
}

/// A string literal.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_as_text() {
        let name = |v: ValueId| (v.0 < 9).then(|| format!("v{}", v.0));
        let plain = Texts { name: &name, device: None, double: false };
        let on_gpu = Texts { name: &name, device: Some("cuda:0"), double: true };
        let opaque = |s: &str| Arg::Opaque(s.to_owned());
        let table = [
            (Arg::Int(3), "int", "3"),
            (Arg::Int(0), "float", "0.0"),
            (Arg::Float(1e-5), "float", "1e-5"),
            (Arg::Float(f64::NEG_INFINITY), "Scalar", "-inf"),
            (Arg::Str("a\"b".into()), "str", "\"a\\\"b\""),
            (Arg::List(vec![Arg::Int(1), Arg::Scalar(ValueId(2))]), "SymInt[]", "[1, v2]"),
            (Arg::List(vec![Arg::Int(1)]), "float[]?", "[1.0]"),
            (Arg::List(vec![]), "int[]", "annotate(List[int], [])"),
            (Arg::List(vec![Arg::None, Arg::Tensor(ValueId(1))]), "Tensor?[]", "annotate(List[Optional[Tensor]], [None, v1])"),
            (opaque(r#"{"as_scalar_type": 7}"#), "ScalarType?", "6"),
            (opaque(r#"{"as_scalar_type": 12}"#), "ScalarType?", "11"),
            (opaque(r#"{"as_scalar_type": 13}"#), "ScalarType?", "15"),
            (opaque(r#"{"as_memory_format": 1}"#), "MemoryFormat?", "0"),
            (opaque(r#"{"as_device": {"type": "cpu", "index": null}}"#), "Device?", "torch.device(\"cpu\")"),
        ];
        for (arg, ty, text) in table {
            assert_eq!(plain.argument(&arg, ty).as_deref(), Ok(text), "{arg:?}");
        }
        assert_eq!(on_gpu.argument(&opaque(r#"{"as_scalar_type": 7}"#), "").as_deref(), Ok("7"));
        let device = opaque(r#"{"as_device": {"type": "cpu", "index": null}}"#);
        assert_eq!(on_gpu.argument(&device, "").as_deref(), Ok("torch.device(\"cuda:0\")"));
        assert!(plain.argument(&Arg::Tensor(ValueId(9)), "Tensor").is_err());
        assert!(plain.argument(&opaque(r#"{"as_custom_obj": {}}"#), "").is_err());
    }
}
