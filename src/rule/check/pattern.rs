//! Checks of patterns.

use super::super::ast::{Letter, Operand, Pattern};
use super::super::error::closest;
use super::super::schema::SchemaArg;
use super::{Check, letters_of, listed};

impl<'a> Check<'a> {
    pub(super) fn patterns(&mut self, patterns: &'a [Pattern]) {
        for pattern in patterns {
            for (i, operand) in pattern.operands.iter().enumerate() {
                self.operand(operand);
                let same = |other: &&Operand| other.name == operand.name && other.index == operand.index;
                if pattern.operands[..i].iter().any(|other| same(&other)) {
                    let message = format!("the operand `{}` stands twice", operand.name);
                    self.error("operand", operand.span.clone(), message, "the second", None);
                }
            }
            self.outputs(pattern);
            self.ellipses(pattern);
        }
    }

    /// An operand is a tensor argument of each operator; one that may be missing, of one of them.
    fn operand(&mut self, operand: &Operand) {
        let at = operand.span.start..operand.span.start + operand.name.len();
        let has = |schemas: &&Vec<&super::Schema>| schemas.iter().any(|s| s.arg(&operand.name).is_some());
        let known: Vec<&Vec<&super::Schema>> = self.meant.iter().filter(|schemas| !schemas.is_empty()).collect();
        let having = known.iter().filter(|s| has(s)).count();
        if having < known.len() && (operand.missing.is_none() || having == 0) {
            let lacking = self.meant.iter().position(|s| !s.is_empty() && !has(&s)).unwrap_or(0);
            let args: Vec<&SchemaArg> = self.meant[lacking].iter().flat_map(|s| &s.args).collect();
            let tensors = args.iter().filter(|a| a.is_tensor()).map(|a| a.name.as_str());
            let help = match closest(&operand.name, args.iter().map(|a| a.name.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its tensors are {}", listed(tensors)),
            };
            let message = format!("`{}` is no argument of `{}`", operand.name, self.rule.ops[lacking]);
            self.error("operand", at, message, "not in the schema", Some(help));
            return;
        }
        let declared: Vec<&SchemaArg> = known.iter().flat_map(|s| s.iter()).filter_map(|s| s.arg(&operand.name)).collect();
        let Some(first) = declared.first() else { return };
        let ty = first.ty.clone();
        let number = |a: &&SchemaArg| ["Scalar", "float", "int", "number"].iter().any(|t| a.ty.starts_with(t));
        if !declared.iter().any(|a| a.is_tensor() || number(a)) {
            let message = format!("`{}` is no tensor", operand.name);
            self.error("operand", at, message, format!("its type is `{ty}`"), Some("only tensors have axes".into()));
        } else if operand.index.is_some() && declared.iter().all(|a| !a.ty.contains('[')) {
            self.error("operand", at, format!("`{}` is no list", operand.name), format!("its type is `{ty}`"), None);
        } else if operand.index.is_none() && declared.iter().all(|a| a.ty.contains("Tensor") && a.ty.contains('[')) {
            let help = Some(format!("name its items, `{}[0][…]`, or use a layout", operand.name));
            self.error("operand", at, format!("`{}` is a list of tensors", operand.name), format!("its type is `{ty}`"), help);
        }
    }

    /// A letter of the outputs comes from an input or has a size.
    fn outputs(&mut self, pattern: &Pattern) {
        let inputs: Vec<&Letter> = pattern.operands.iter().flat_map(|o| letters_of(&o.dims)).collect();
        let mut reported: Vec<&str> = Vec::new();
        for letter in pattern.outputs.iter().flat_map(|dims| letters_of(dims)) {
            let name = letter.name.as_str();
            let given = inputs.iter().any(|l| l.name == name) || self.rule.sizes.contains_key(name);
            if given || reported.contains(&name) {
                continue;
            }
            reported.push(name);
            let help = match closest(name, inputs.iter().map(|l| l.name.as_str()).filter(|l| name.len() > 1 && l.len() > 1)) {
                Some(near) => format!("did you mean `{near}`?"),
                None if name == "..." => "an input has to have `...` too".to_owned(),
                None => format!("say how long it is: `sizes: {{ {name}: … }}`"),
            };
            let message = format!("`{name}` is on no input and has no size");
            self.error("letter", letter.span.clone(), message, "made by the operator, of unknown size", Some(help));
        }
    }

    fn ellipses(&mut self, pattern: &Pattern) {
        let inputs = pattern.operands.iter().map(|o| &o.dims);
        let tensors: Vec<Vec<&Letter>> = inputs.chain(&pattern.outputs).map(|dims| letters_of(dims)).collect();
        let all: Vec<&Letter> = tensors.iter().flatten().copied().collect();
        for (i, letter) in all.iter().enumerate() {
            if let Some(other) = all[..i].iter().find(|l| l.name == letter.name && l.ellipsis != letter.ellipsis) {
                let message = format!("`{}` is one dimension here and any number there", letter.name);
                let label = if letter.ellipsis { "an ellipsis here" } else { "a single dimension here" };
                self.error("ellipsis", letter.span.clone(), message, label, Some("use another letter for one of them".into()));
                if let Some(error) = self.errors.last_mut() {
                    error.labels.push((other.span.clone(), "the first".to_owned()));
                }
                return;
            }
        }
        for letters in &tensors {
            let dots: Vec<&Letter> = letters.iter().copied().filter(|l| l.ellipsis).collect();
            for (i, letter) in dots.iter().enumerate() {
                if dots[..i].iter().any(|l| l.name == letter.name) {
                    let message = format!("`{letter}` stands twice in one tensor");
                    let help = Some("how many dimensions each takes would be unclear".to_owned());
                    self.error("ellipsis", letter.span.clone(), message, "the second", help);
                    return;
                }
            }
            // All but one of a tensor's ellipses must be known from elsewhere.
            let settled = |l: &&&Letter| {
                let alone = |t: &Vec<&Letter>| t.iter().any(|x| x.name == l.name) && t.iter().filter(|x| x.ellipsis).count() == 1;
                self.rule.sizes.contains_key(&l.name) || tensors.iter().any(alone)
            };
            let open: Vec<&&Letter> = dots.iter().filter(|l| !settled(l)).collect();
            if let [_, second, ..] = open.as_slice() {
                let help =
                    Some(format!("give `sizes: {{ {}: … }}` as a list, or name an operand that has it alone", second.name));
                self.error(
                    "ellipsis",
                    second.span.clone(),
                    "two ellipses in one tensor, of which neither is known",
                    "how many dimensions?",
                    help,
                );
                return;
            }
        }
    }
}
