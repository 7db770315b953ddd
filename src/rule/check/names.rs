//! Checks of the names in formulas and clauses of facts.

use super::super::ast::{Binary, Body, Dim, Expr, Pattern, Unary};
use super::super::error::closest;
use super::super::eval::FUNCTIONS;
use super::shared::{Check, listed};

/// Names with a meaning of their own in clauses of facts.
const CLAUSES: [&str; 5] = ["never", "always", "any", "all", "assumed"];

/// The facts, as functions of an operand.
const FACTS: [&str; 4] = ["zero", "finite", "nonneg", "nonzero"];

/// What may be called in `value:` beside the functions of all formulas.
const VALUES: [&str; 5] = ["zero", "finite", "nonneg", "nonzero", "part"];

/// What is named in a formula.
enum Use<'e> {
    Name(&'e str),
    Spread(&'e str),
    Function(&'e str, &'e [Expr]),
}

/// Calls `f` with every name of a formula.
fn walk<'e>(e: &'e Expr, f: &mut dyn FnMut(Use<'e>)) {
    match e {
        Expr::Name(name) | Expr::Items(name, ..) => f(Use::Name(name)),
        Expr::Spread(name) => f(Use::Spread(name)),
        Expr::List(items) => items.iter().for_each(|e| walk(e, f)),
        Expr::Call(name, args) => {
            f(Use::Function(name, args));
            args.iter().for_each(|e| walk(e, f));
        }
        Expr::Unary(_, e) => walk(e, f),
        Expr::Index(a, b) | Expr::Binary(_, a, b) => {
            walk(a, f);
            walk(b, f);
        }
        Expr::Compare(first, rest) => {
            walk(first, f);
            rest.iter().for_each(|(_, e)| walk(e, f));
        }
        Expr::If(a, b, c) => [a, b, c].into_iter().for_each(|e| walk(e, f)),
        Expr::None | Expr::Bool(_) | Expr::Int(_) | Expr::Float(_) | Expr::Str(_) => {}
    }
}

impl Expr {
    /// All names in it: of letters, arguments and operands.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        walk(self, &mut |used| match used {
            Use::Name(name) | Use::Spread(name) => names.push(name),
            Use::Function(..) => {}
        });
        names
    }
}

/// The `x` of an operand `x` or an item `x[0]` of a list of operands.
fn operand_name(e: &Expr) -> Option<&str> {
    match e {
        Expr::Name(name) | Expr::Items(name, ..) => Some(name),
        Expr::Index(of, index) => match (of.as_ref(), index.as_ref()) {
            (Expr::Name(name), Expr::Int(_)) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

impl Check<'_> {
    pub(super) fn formulas(&mut self) {
        let rule = self.rule;
        if let Some(when) = &rule.when {
            self.names_in("when", when, &["used", "whole"]);
        }
        if let Some(random) = &rule.facts.random {
            self.names_in("random", random, &[]);
        }
        if let Some(training) = &rule.facts.training {
            self.names_in("training", training, &[]);
        }
        if let Some(value) = &rule.facts.value {
            self.names_in("value", value, &VALUES);
            self.parts("value", value);
        }
        if let Some(fold) = &rule.fold {
            if !self.known.operands.contains(&fold.into.as_str()) {
                self.unknown_argument(&fold.into, self.sites.span("fold.into"));
            }
            if let Some(when) = &fold.when {
                self.names_in("fold.when", when, &[]);
            }
            if let Some((letter, formula)) = &fold.window {
                self.letter(letter, self.sites.span(&format!("fold.window.{letter}:")));
                self.names_in(&format!("fold.window.{letter}"), formula, &[]);
            }
        }
        if let Some(norm) = &rule.norm {
            for (path, name) in [("norm.of", &norm.of), ("norm.scale", &norm.scale)] {
                if !self.known.operands.contains(&name.as_str()) {
                    self.unknown_argument(name, self.sites.span(path));
                }
            }
        }
        if let Some(macs) = &rule.macs {
            self.names_in("macs", macs, &[]);
        }
        if let Some(value) = &rule.number {
            self.names_in("number", value, &[]);
        }
        for (letter, through) in &rule.through {
            self.names_in(&format!("through.{letter}.when"), &through.when, &["used"]);
        }
        for (path, map) in [("sizes", &rule.sizes), ("args", &rule.args), ("default", &rule.default)] {
            for (name, e) in map {
                self.names_in(&format!("{path}.{name}"), e, &[]);
            }
        }
    }

    /// Reports unknown names in a formula; `extra` are names and functions that are known only there.
    pub(super) fn names_in(&mut self, path: &str, e: &Expr, extra: &[&str]) {
        let (mut names, mut functions) = (Vec::new(), Vec::new());
        walk(e, &mut |used| match used {
            Use::Function(name, _) => functions.push(name),
            Use::Spread(name) => names.push((name, true)),
            Use::Name(name) => names.push((name, false)),
        });
        for name in functions {
            self.function(path, name, extra);
        }
        for (name, spread) in names {
            let is_letter = self.known.has_letter(name);
            if spread && is_letter && !self.known.letters.iter().any(|l| l.name == name && l.ellipsis) {
                let at = self.sites.word(path, name);
                self.error("letter", at, format!("`{name}` is no ellipsis"), "a single size", Some(format!("write `{name}`")));
            } else if !is_letter && (spread || !self.known.may_be_arg(name)) && !extra.contains(&name) {
                self.unknown_name(path, name, extra);
            }
        }
    }

    fn function(&mut self, path: &str, name: &str, extra: &[&str]) {
        if FUNCTIONS.contains(&name) || extra.contains(&name) {
            return;
        }
        let at = self.sites.word(path, name);
        let all: Vec<&str> = FUNCTIONS.iter().chain(extra).copied().collect();
        let help = match closest(name, all.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if ["used", "whole"].contains(&name) => format!("`{name}` is known in `when:` only"),
            None if name == "ghost" => format!("`{name}` is known in `uniform:` only"),
            None if ["old", "dims"].contains(&name) => format!("`{name}` is known in `repair:` only"),
            None if FACTS.contains(&name) => format!("`{name}` is known in `zero:`, `finite:`, `nonneg:` and `nonzero:` only"),
            None => format!("the functions are {}", FUNCTIONS.join(", ")),
        };
        self.error("function", at, format!("unknown function `{name}`"), "no such function", Some(help));
    }

    fn unknown_name(&mut self, path: &str, name: &str, extra: &[&str]) {
        let letters = self.known.letters.iter().map(|l| l.name.as_str()).filter(|l| *l != "...");
        let args = self.known.args.iter().flatten().copied();
        let long = |known: &&str| name.len() > 1 && known.len() > 1;
        let known = || letters.clone().chain(args.clone()).chain(extra.iter().copied());
        let help = match closest(name, known().filter(long)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the names are {}", listed(known())),
        };
        let at = self.sites.word(path, name);
        let message = format!("`{name}` is neither a letter nor an argument of {}", self.op_names());
        self.error("name", at, message, "not known here", Some(help));
    }

    pub(super) fn facts(&mut self) {
        let facts = &self.rule.facts;
        for (path, e) in facts.all().into_iter().chain([("summed", &facts.summed)]) {
            match e {
                Some(Expr::List(items)) if path != "summed" => items.iter().for_each(|e| self.clause(path, e)),
                Some(e) => self.clause(path, e),
                None => {}
            }
        }
        self.required();
    }

    fn required(&mut self) {
        for name in self.rule.facts.require.iter().flatten().filter(|name| !FACTS.contains(&name.as_str())) {
            let help = match closest(name, FACTS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the facts are {}", FACTS.join(", ")),
            };
            let at = self.sites.word("require", name);
            self.error("fact", at, format!("`{name}` is no fact"), "expected a fact's name", Some(help));
        }
    }

    /// A clause is made of operands by `&`, `|`, `not` and `if`; the rest are formulas over arguments.
    fn clause(&mut self, path: &str, e: &Expr) {
        match e {
            Expr::Name(name) | Expr::Items(name, ..) => self.fact(path, name),
            Expr::Index(of, index) if operand_name(e).is_some() => {
                self.clause(path, of);
                self.names_in(path, index, &[]);
            }
            Expr::Call(name, args) if FACTS.contains(&name.as_str()) => match args.as_slice() {
                [operand] if operand_name(operand).is_some() => self.fact(path, operand_name(operand).unwrap_or_default()),
                [Expr::Call(part, _)] if part == "part" => self.parts(path, e),
                [operand, Expr::Name(letter)] if operand_name(operand).is_some() => {
                    self.fact(path, operand_name(operand).unwrap_or_default());
                    self.letter(letter, self.sites.word(path, letter));
                }
                _ => {
                    let at = self.sites.word(path, name);
                    let label = format!("expected `{name}(x)`");
                    self.error("fact", at, format!("`{name}` asks about one operand"), label, None);
                }
            },
            Expr::Call(name, _) if name == "part" => self.parts(path, e),
            Expr::Binary(Binary::And | Binary::Or, a, b) => {
                self.clause(path, a);
                self.clause(path, b);
            }
            Expr::Unary(Unary::Not, e) => self.clause(path, e),
            Expr::If(then, condition, otherwise) => {
                self.clause(path, then);
                self.names_in(path, condition, &FACTS);
                self.clause(path, otherwise);
            }
            Expr::Bool(_) | Expr::Compare(..) | Expr::Call(..) => self.names_in(path, e, &FACTS),
            Expr::Int(_) | Expr::Float(_) | Expr::None | Expr::Str(_) | Expr::List(_) => {
                let at = self.sites.span(path);
                let help = Some("write `never` or `always`, or name operands: `weight & bias`".to_owned());
                self.error("fact", at, format!("`{e}` is no fact about operands"), "not an operand", help);
            }
            _ => {
                let at = self.sites.span(path);
                let help = Some("operands are joined by `&`, `|` and `not`; numbers are compared: `(min <= 0)`".to_owned());
                self.error("fact", at, format!("`{e}` is no fact about operands"), "a number, not a fact", help);
            }
        }
    }

    /// `part(x, 1)` names an operand with a dimension of at least so many parts, one after another.
    fn parts(&mut self, path: &str, e: &Expr) {
        let mut wrong = false;
        walk(e, &mut |used| {
            let Use::Function("part", args) = used else { return };
            wrong |= match args {
                [Expr::Name(name), Expr::Int(k)] => !self.has_part(name, *k),
                _ => true,
            };
        });
        if wrong {
            let help = Some("`part(x, 0)` is the first part of a dimension `a + b` of the operand `x`".to_owned());
            let at = self.sites.word(path, "part");
            self.error("fact", at, "`part` asks about a part of an operand's dimension", "no such part", help);
        }
    }

    fn has_part(&self, name: &str, k: i64) -> bool {
        let Body::Patterns(patterns) = &self.rule.body else { return false };
        let parts = |d: &Dim| matches!(d, Dim::Sum(parts) if usize::try_from(k).is_ok_and(|k| k < parts.len()));
        let has = |p: &Pattern| p.operands.iter().any(|o| o.name == name && o.dims.iter().any(parts));
        patterns.iter().all(has)
    }

    fn fact(&mut self, path: &str, name: &str) {
        let operands = &self.known.operands;
        let known = operands.contains(&name) || CLAUSES.contains(&name);
        if known || self.known.args.as_ref().is_some_and(|args| args.contains(&name)) {
            return;
        }
        let help = match closest(name, operands.iter().chain(&CLAUSES).copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the operands are {}", listed(operands.iter().copied())),
        };
        let message = match self.known.has_letter(name) {
            true => format!("`{name}` is a letter; facts are about operands"),
            false => format!("`{name}` is no operand"),
        };
        let at = self.sites.word(path, name);
        self.error("fact", at, message, "expected an operand", Some(help));
    }
}
