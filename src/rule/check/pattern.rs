//! Checks of patterns.

use super::super::ast::{Dim, Letter, Operand, Pattern, Pick};
use super::super::error::closest;
use super::super::schema::SchemaArg;
use super::shared::{Check, letters_of, listed};

impl<'a> Check<'a> {
    pub(super) fn patterns(&mut self, patterns: &'a [Pattern]) {
        for pattern in patterns {
            for (i, operand) in pattern.operands.iter().enumerate() {
                self.operand(operand);
                let same =
                    |other: &&Operand| other.name == operand.name && (other.index, other.step) == (operand.index, operand.step);
                if pattern.operands[..i].iter().any(|other| same(&other)) {
                    let message = format!("the operand `{}` stands twice", operand.name);
                    self.error("operand", operand.span.clone(), message, "the second", None);
                }
            }
            self.outputs(pattern);
            self.ellipses(pattern);
            self.sizes(pattern);
            self.unused(pattern);
        }
    }

    /// A letter that stands once ties nothing. In one operand it may be meant: a sum over that operand alone. In two operands
    /// it is more likely that one axis has two names, or is not thought of.
    fn unused(&mut self, pattern: &Pattern) {
        let dims = pattern.operands.iter().map(|o| &o.dims).chain(&pattern.outputs);
        let all: Vec<&Letter> = dims.flat_map(|d| letters_of(d)).collect();
        let alone = |l: &&Letter| l.name != "..." && all.iter().filter(|o| o.name == l.name).count() == 1 && !self.named(&l.name);
        let read = pattern.operands.iter().filter(|o| !o.unread);
        let lone: Vec<&Letter> = read.filter_map(|o| letters_of(&o.dims).into_iter().find(alone)).collect();
        if let [first, second, ..] = lone.as_slice() {
            let message = format!("`{}` and `{}` are used nowhere else", first.name, second.name);
            let help = format!(
                "if they are one axis, give both the same letter; if no position may go, say `lock: [{}, {}]`",
                first.name, second.name
            );
            self.error("unused", first.span.clone(), message, "no other tensor, formula or `lock:` has it", Some(help));
            if let Some(error) = self.errors.last_mut() {
                error.labels.push((second.span.clone(), "nor this one".to_owned()));
            }
        }
    }

    /// True if a key beside the pattern speaks of the letter.
    fn named(&self, name: &str) -> bool {
        let rule = self.rule;
        let picked = |picks: &[Pick]| picks.iter().any(|p| matches!(p, Pick::All) || matches!(p, Pick::Letter(l) if l == name));
        let maps = [&rule.sizes, &rule.args, &rule.default];
        let formulas = maps.iter().flat_map(|map| map.values()).chain(&rule.macs).chain(&rule.number).chain(&rule.when);
        picked(&rule.lock)
            || rule.statistic.as_ref().is_some_and(|s| picked(&s.over))
            || rule.sizes.contains_key(name)
            || formulas.flat_map(|e| e.names()).any(|n| n == name)
    }

    /// The sizes of all letters of the inputs follow from the operands' sizes and `sizes:`.
    fn sizes(&mut self, pattern: &Pattern) {
        let mut known: Vec<&str> = self.rule.sizes.keys().map(String::as_str).collect();
        let dims: Vec<&Dim> = pattern.operands.iter().flat_map(|o| &o.dims).collect();
        loop {
            let before = known.len();
            dims.iter().for_each(|d| derive(d, &mut known));
            if known.len() == before {
                break;
            }
        }
        let open = dims.iter().flat_map(|d| letters_of(std::slice::from_ref(d))).find(|l| !known.contains(&l.name.as_str()));
        if let Some(letter) = open {
            let message = format!("the size of `{}` cannot be derived", letter.name);
            let help =
                format!("it stands only beside others of unknown size; say how long it is: `sizes: {{ {}: … }}`", letter.name);
            self.error("size", letter.span.clone(), message, "how many positions?", Some(help));
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

/// Adds the letters whose sizes follow from that of a dimension: alone, or beside known ones.
fn derive<'d>(dim: &'d Dim, known: &mut Vec<&'d str>) {
    match dim {
        Dim::Number(_) => {}
        Dim::Letter(l) => known.push(&l.name),
        Dim::Product(parts) | Dim::Sum(parts) => {
            let open = |part: &&Dim| letters_of(std::slice::from_ref(*part)).iter().any(|l| !known.contains(&l.name.as_str()));
            let open: Vec<&Dim> = parts.iter().filter(open).collect();
            if let [one] = open.as_slice() {
                derive(one, known);
            }
        }
    }
    known.sort_unstable();
    known.dedup();
}
