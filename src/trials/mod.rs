//! Rules are proved on small random tensors: the operator is run whole and on what a rule lets go, through the same code
//! that shrinks models, and the results are compared.

mod accept;
mod array;
mod backend;
mod draw;
mod example;
mod flavour;
mod hints;
mod lock;
mod number;
mod prove;
mod random;
mod told;
mod values;
pub mod workers;
mod written;

use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::rule::{Rule, RuleError, RuleErrors, RuleSet, Schema, base, dotted, spellings};
use accept::{Ready, Types, Verdict, accept, with_types};
use draw::Draw;
use example::{Ints, is};
use number::prove_numbers;
use prove::{Outcome, prove};

pub use array::Array;
pub use backend::{Backend, Call, Loaded};
use random::Random;

use crate::model::DType;

/// What testing a rule gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestedRule {
    /// Its operators.
    pub op: Vec<String>,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// Calls that were run.
    pub cases: usize,
    /// How often positions were removed and the rest compared.
    pub trials: usize,
    /// Letters whose lock seems to be idle.
    pub could_say_more: Vec<String>,
    /// Why no call was run, where none was.
    pub not_run: Option<String>,
    /// Operators and overloads of the entry that were not run, and why.
    pub skipped: Vec<(String, String)>,
    /// Alternatives of `rule:` (from 1) of which no call of an operator was run, and why.
    pub untried: Vec<(String, usize, String)>,
    /// What is wrong.
    pub failures: Vec<String>,
}

/// What became of the calls of one alternative.
#[derive(Clone, Default)]
struct Tried {
    found: usize,
    refused: usize,
    /// Why the first was refused.
    why: Option<String>,
}

/// How much is tried.
mod effort {
    /// Examples drawn for one alternative of one overload.
    pub const DRAWN: usize = 300;
    /// Of these, what libtorch may refuse.
    pub const REFUSED: usize = 60;
    /// Examples run of one overload, over all alternatives.
    pub const CASES: usize = 7;
    /// Examples run of each alternative, at least.
    pub const LEAST: usize = 3;
    /// Of these, with the same arguments beside the tensors.
    pub const ALIKE: usize = 2;
    /// Of these, for truth values that no other tried.
    pub const FLAGS: usize = 2;
    /// Fewer examples than these are tried three times as often.
    pub const FEW: usize = 6;
    /// Trials of each letter alone, in each example.
    pub const ALONE: usize = 2;
    /// Trials of all letters together.
    pub const TOGETHER: usize = 4;
}

/// The rules to test: those for `ops`, or all; where the user has rules, only theirs; of operators that `by` has.
pub fn chosen<'r>(rules: &'r RuleSet, ops: &[String], by: &dyn Backend) -> Vec<&'r Arc<Rule>> {
    let own = rules.rules().any(|r| rules.is_own(r));
    rules
        .rules()
        .filter(|r| ops.is_empty() && (!own || rules.is_own(r)) || r.ops.iter().any(|op| named(op, ops)))
        .filter(|r| r.ops.iter().any(|op| by.has(op)))
        .filter(|r| r.ops.iter().any(|op| rules.named(op).iter().any(|other| is(other, r))))
        .collect()
}

/// Tests one rule: the calls of its tests, and (unless `written`) drawn ones.
pub fn test(rules: &RuleSet, rule: &Arc<Rule>, by: &Rc<dyn Backend>, ops: &[String], seed: u64, written: bool) -> TestedRule {
    Tester { rules, rule, by, seed, drawn: rule.drawn && !written }.run(ops)
}

/// A rule of which nothing is known, for there was no way to run it.
pub fn untested(rule: &Rule, why: &str) -> TestedRule {
    TestedRule {
        op: rule.ops.clone(),
        file: rule.place.source.name().to_owned(),
        line: rule.place.line,
        cases: 0,
        trials: 0,
        could_say_more: Vec::new(),
        not_run: Some(why.to_owned()),
        skipped: Vec::new(),
        untried: Vec::new(),
        failures: Vec::new(),
    }
}

/// The mistakes that were found, each with a label on its rule.
///
/// # Errors
/// If there are any.
pub fn verdict(rules: &[&Arc<Rule>], tested: &[TestedRule]) -> Result<(), RuleErrors> {
    let mut errors = Vec::new();
    for (rule, tested) in rules.iter().zip(tested) {
        errors.extend(tested.failures.iter().map(|message| RuleError {
            kind: "refuted",
            message: message.clone(),
            labels: vec![(rule.place.span.clone(), "this rule is wrong for that call".to_owned())],
            help: Some("correct the rule; a lock, or no clause at all, is always right".to_owned()),
            source_file: Some(rule.place.source.clone()),
        }));
    }
    if errors.is_empty() { Ok(()) } else { Err(RuleErrors { errors }) }
}

/// Whether an entry's operator is one of those asked for.
fn named(op: &str, ops: &[String]) -> bool {
    let means = |a: &String| op == a || base(op) == a || op == base(a);
    ops.iter().any(|asked| spellings(&dotted(asked)).iter().any(means))
}

struct Tester<'a> {
    rules: &'a RuleSet,
    rule: &'a Arc<Rule>,
    by: &'a Rc<dyn Backend>,
    seed: u64,
    drawn: bool,
}

impl Tester<'_> {
    fn run(&self, ops: &[String]) -> TestedRule {
        let mut tested = TestedRule { not_run: None, ..untested(self.rule, "") };
        let mut random = Random::new(self.seed, &self.rule.ops.join(" "));
        let mut ready: Vec<Ready> = Vec::new();
        for case in &self.rule.tests {
            match written::example(self.rules, self.rule, case, self.by) {
                Ok(example) => {
                    let target = example.graph.node(example.node()).target.clone();
                    let verdict = accept(self.rules, self.rule, example, &mut Types::new(), &mut random);
                    self.take(&target, verdict, &mut ready, &mut tested);
                }
                Err(why) => tested.skipped.push(("a test".into(), why)),
            }
        }
        for schema in self.overloads(ops).into_iter().filter(|_| self.drawn) {
            self.overload(schema, &mut ready, &mut tested);
        }
        tested.cases = ready.len();
        // Where there are few calls, each is tried more often.
        let times = if ready.len() < effort::FEW { 3 } else { 1 };
        for one in &ready {
            (0..times).for_each(|_| self.trials(one, &mut random, &mut tested));
        }
        if tested.failures.is_empty() && self.drawn {
            tested.could_say_more = lock::idle(self.rules, self.rule, &ready, &mut random);
        }
        if ready.is_empty() {
            let why = tested.skipped.first().map(|(op, why)| format!("{op}: {why}"));
            let silent =
                (!self.drawn && self.rule.tests.is_empty()).then(|| "it has no tests, and says `drawn: never`".to_owned());
            tested.not_run = Some(why.or(silent).unwrap_or_else(|| {
                format!("{} has no such operator", if self.by.is_typed() { "a version that is tried" } else { "PyTorch itself" })
            }));
        }
        tested
    }

    /// The overloads that the entry serves. Those that write into an argument given for it are like the others.
    fn overloads(&self, ops: &[String]) -> Vec<&'static Schema> {
        let mut found: Vec<&'static Schema> = Vec::new();
        for op in &self.rule.ops {
            for schema in self.rules.schemas().meant_by(op) {
                let serves = self.rules.for_target(&schema.name).iter().any(|r| is(r, self.rule));
                let into = schema.args.iter().any(|a| a.writes && a.kwarg_only);
                let by_name = schema.args.iter().any(|a| a.ty.starts_with("Dimname"));
                let asked = ops.is_empty() || named(op, ops);
                if serves && asked && self.by.runs(schema) && !into && !by_name && !found.iter().any(|s| s.name == schema.name) {
                    found.push(schema);
                }
            }
        }
        found
    }

    fn overload(&self, schema: &Schema, ready: &mut Vec<Ready>, tested: &mut TestedRule) {
        let mut draw = Draw::new(self.rule, schema, self.seed, self.by);
        let alternatives = draw.alternatives();
        let mut found: Vec<Ready> = Vec::new();
        let mut tried = vec![Tried::default(); alternatives];
        let cases = (effort::CASES / alternatives).max(effort::LEAST);
        let mut types = Types::new();
        let mut texts: Vec<String> = Vec::new();
        let bools = schema.args.iter().filter(|a| a.ty == "bool");
        let mut unseen: Vec<(String, bool)> = bools.flat_map(|a| [false, true].map(|b| (a.name.clone(), b))).collect();
        for k in 0..effort::DRAWN * alternatives {
            let (at, equal) = (k % alternatives, k / alternatives % 3 == 1);
            if tried[at].found >= cases || tried[at].refused >= effort::REFUSED {
                continue;
            }
            let Some(example) = draw.example(at, equal) else { continue };
            let text = example.text();
            let beside = example.beside();
            let alike = |one: &&Ready| one.example.beside() == beside;
            let varies = schema.args.iter().any(|a| !a.is_tensor());
            // The last calls are kept for truth values that were not tried.
            let flags = example.flags();
            if tried[at].found + effort::FLAGS >= cases && !unseen.is_empty() && !flags.iter().any(|f| unseen.contains(f)) {
                continue;
            }
            if texts.contains(&text) || varies && found.iter().filter(alike).count() >= effort::ALIKE * alternatives {
                continue;
            }
            let mut random = Random::new(draw.random.below(usize::MAX) as u64, &schema.name);
            let verdict = accept(self.rules, self.rule, example, &mut types, &mut random);
            match &verdict {
                Verdict::Refused(reason) => {
                    tried[at].refused += 1;
                    tried[at].why.get_or_insert(reason.clone());
                }
                Verdict::Ready(_) | Verdict::Wrong(_) => {
                    tried[at].found += 1;
                    unseen.retain(|f| !flags.contains(f));
                }
                Verdict::Unfit(_) => {}
            }
            texts.push(text);
            self.take(&schema.name, verdict, &mut found, tested);
            tested.skipped.retain(|(op, _)| *op != schema.name);
        }
        if let Some(first) = found.first() {
            let ints = vec![(DType::I64, Some(Ints::Below(4))); first.example.graph.tensors.len()];
            let floats = first.example.graph.tensors.iter().all(|t| t.dtype == DType::F64);
            let again = with_types(self.rules, self.rule, &first.example, ints, &mut draw.random);
            found.extend(again.filter(|_| floats && !first.example.graph.tensors.is_empty()).map(|one| *one));
        }
        let some = !found.is_empty();
        for (at, tried) in tried.into_iter().enumerate().filter(|(_, t)| t.found == 0) {
            let reason = tried.why.unwrap_or_else(|| "no call that the rule describes was found".into());
            match (some, at) {
                (true, at) => tested.untried.push((schema.name.clone(), at + 1, reason)),
                (false, 0) => tested.skipped.push((schema.name.clone(), reason)),
                (false, _) => {}
            }
        }
        ready.extend(found);
    }

    fn take(&self, target: &str, verdict: Verdict, ready: &mut Vec<Ready>, tested: &mut TestedRule) {
        match verdict {
            Verdict::Ready(one) => ready.push(*one),
            Verdict::Unfit(why) => tested.skipped.push((target.to_owned(), why)),
            Verdict::Refused(why) => tested.skipped.push((target.to_owned(), why)),
            Verdict::Wrong(why) if tested.failures.len() < 3 => tested.failures.push(why),
            Verdict::Wrong(_) => {}
        }
    }

    fn trials(&self, one: &Ready, random: &mut Random, tested: &mut TestedRule) {
        let Some(bound) = one.example.bound(&one.p) else { return };
        let numbers = self.rule.facts.value.is_some() || self.rule.fold.is_some() || bound.copies;
        let locked = one.p.axes.locked_because();
        let free: Vec<u32> = (0..bound.letters.len() as u32)
            .filter(|l| !bound.letters[*l as usize].size.is(1))
            .filter(|l| !locked.contains_key(&one.p.axes.class(bound.ids[*l as usize])))
            .collect();
        let alone = free.iter().flat_map(|l| std::iter::repeat_n(vec![*l], effort::ALONE));
        let all = std::iter::repeat_n(free.clone(), effort::TOGETHER);
        for letters in alone.chain(all) {
            if tested.failures.len() >= 3 {
                return;
            }
            self.note(one, prove(self.rules, one, &letters, random), tested);
            if numbers {
                self.note(one, prove_numbers(self.rules, one, &letters, random), tested);
            }
        }
        if self.rule.statistic.as_ref().is_some_and(|s| !s.uniform.is_empty())
            && let Some(shifted) = written::shifted(self.rules, self.rule, one)
        {
            let over = shifted.example.bound(&shifted.p).map(|b| b.over.clone()).unwrap_or_default();
            for l in over.iter().flat_map(|l| [*l; effort::ALONE]) {
                self.note(&shifted, prove(self.rules, &shifted, &[l], random), tested);
            }
        }
    }

    fn note(&self, one: &Ready, outcome: Outcome, tested: &mut TestedRule) {
        match outcome {
            Outcome::Agrees { removed } => tested.trials += usize::from(removed),
            Outcome::Differs(what) => {
                let node = one.example.graph.node(one.example.node());
                let message = format!("{} with {}: {what}", node.target, one.example.text());
                if !tested.failures.contains(&message) {
                    tested.failures.push(message);
                }
            }
        }
    }
}
