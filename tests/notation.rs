//! The text of rules: patterns and formulas are read, printed and read again; formulas have values; mistakes are shown
//! where they stand.

use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme};
use paring::model::Size;
use paring::rule::{
    Binary, Comparison, Dim, EvalError, Expr, LayoutCall, Letter, Operand, Pattern, Rule, RuleErrors, RuleSet, Schema, Schemas,
    Scope, Statement, Unary, Val, eval,
};
use proptest::prelude::*;

#[test]
fn patterns_are_printed_as_they_are_read() {
    for text in [
        "input[n?, (g i), s...], weight[(g o), i, k...], bias?[(g o)] -> [n?, (g o), t...]",
        "self[...], other[...] -> [...]",
        "x?=1[c], y?=0.5![a, b] -> [c], [a]",
        "params[0][(4 h), i], params[1][(4 h), h] -> [1, h]",
        "x[4], y[] -> []",
        "a[b~..., q~, k~?] -> [b...]",
        "x[a + b, ((a + b) c), (a (b c))] -> [(a + b) + c]",
        "x[n] -> _",
        "-> [n]",
    ] {
        assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
    }
    for (text, printed) in [
        (" x [ a ,b]\n->[ a,b ] ", "x[a, b] -> [a, b]"),
        ("x?=0[(a)] -> [((a))]", "x?[a] -> [a]"),
        ("x!?=2[a?~] -> [a~?]", "x?=2![a~?] -> [a~?]"),
    ] {
        assert_eq!(text.parse::<Pattern>().unwrap().to_string(), printed);
    }
}

#[test]
fn marks_of_letters_are_told_apart() {
    let pattern: Pattern = "x?=2![b~..., n?, ..., (4 h)] -> _".parse().unwrap();
    let operand = &pattern.operands[0];
    assert_eq!((operand.missing, operand.unread, operand.span.clone()), (Some(2.0), true, 0..28));
    let letters: Vec<_> = operand.dims.iter().filter_map(|d| if let Dim::Letter(l) = d { Some(l) } else { None }).collect();
    let marks: Vec<_> = letters.iter().map(|l| (l.name.as_str(), l.ellipsis, l.broadcast, l.optional)).collect();
    assert_eq!(marks, [("b", true, true, false), ("n", false, false, true), ("...", true, true, false)]);
    assert_eq!(letters[0].span, 6..11);
}

/// A convolution: `s` is a dynamic size.
struct Conv;

impl Scope for Conv {
    fn get(&self, name: &str) -> Option<Val> {
        Some(match name {
            "s" => Size::symbol("s0", Some(32)).into(),
            "n" => Val::int(7),
            "k" => Val::int(3),
            "eps" => Val::Float(1e-5),
            "mode" => Val::Str("same".into()),
            "padding" => Val::List(vec![Val::int(1), Val::int(2)]),
            "bias" => Val::None,
            _ => return None,
        })
    }

    fn spread(&self, letter: &str) -> Option<Vec<Size>> {
        (letter == "c").then(|| vec![Size::int(4), Size::int(5)])
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        (operand == "x").then(|| vec![Size::int(2), Size::int(7)])
    }

    fn call(&self, function: &str, args: &[Expr]) -> Option<Result<Val, EvalError>> {
        (function == "old").then(|| eval(&args[0], self))
    }
}

#[test]
fn formulas_have_values() {
    let mut out = String::new();
    for text in include_str!("notation/formulas.txt").lines() {
        let value = match text.parse::<Expr>() {
            Ok(e) => eval(&e, &Conv).map_or_else(|e| format!("error: {e}"), |v| v.to_string()),
            Err(e) => format!("unreadable: {e} ({})", e.label),
        };
        writeln!(out, "{text:<50} {value}").unwrap();
    }
    insta::assert_snapshot!("formulas", out);
}

#[test]
fn calls_and_statements_are_printed_as_they_are_read() {
    for text in ["out = aten.mul.Scalar(self=out, other=kept / total) if weight", "x = aten.relu.default(self=[a, c...])"] {
        assert_eq!(text.parse::<Statement>().unwrap().to_string(), text);
    }
    for text in ["cat(tensors, dim)", "reduce(self, [0, -1], false)", "reshape(x, [n, c...])"] {
        assert_eq!(text.parse::<LayoutCall>().unwrap().to_string(), text);
    }
}

#[test]
fn schemas_are_read() {
    let mut out = String::new();
    for line in include_str!("notation/schemas.txt").lines() {
        let schema = Schema::parse(line).unwrap();
        writeln!(out, "{}: writes {:?}, views {:?}", schema.name, schema.written(), schema.viewed()).unwrap();
        for a in &schema.args {
            let default = a.default.as_ref().map_or(String::new(), |d| format!(" = {d}"));
            let kwarg = if a.kwarg_only { ", by name" } else { "" };
            writeln!(out, "    {}: {}{default}{kwarg}", a.name, a.ty).unwrap();
        }
        writeln!(out, "    -> {:?}", schema.returns.iter().map(|r| r.ty.as_str()).collect::<Vec<_>>()).unwrap();
    }
    insta::assert_snapshot!("schemas", out);
    assert_eq!(Schemas::builtin().get("aten.conv2d.default").unwrap().default("stride").unwrap().to_string(), "[1, 1]");
    assert!(Schemas::builtin().get("aten.conv2d").is_none());
}

fn render(errors: &RuleErrors) -> String {
    let mut out = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    handler.render_report(&mut out, errors).unwrap();
    out
}

/// Loads every part of a file of cases, which `=== title` lines separate, and shows what is said of it.
fn mistakes(cases: &str) -> String {
    let mut out = String::new();
    for case in cases.split("=== ").filter(|c| !c.is_empty()) {
        let (title, text) = case.split_once('\n').unwrap();
        let errors = RuleSet::from_texts([("mine.yaml", text)]).expect_err(title);
        writeln!(out, "=== {title}\n{}", render(&errors)).unwrap();
    }
    out
}

#[test]
fn mistakes_in_the_text_are_shown_where_they_stand() {
    insta::assert_snapshot!("text", mistakes(include_str!("notation/text.yaml")));
}

#[test]
fn mistakes_in_the_meaning_are_shown_where_they_stand() {
    insta::assert_snapshot!("meaning", mistakes(include_str!("notation/meaning.yaml")));
}

#[test]
fn mistakes_in_definitions_are_shown_where_they_stand() {
    insta::assert_snapshot!("define", mistakes(include_str!("notation/define.yaml")));
}

/// The rules of a text, without their places.
fn read(text: &str) -> Vec<Rule> {
    let set = RuleSet::from_texts([("mine.yaml", text)]).unwrap_or_else(|e| panic!("{text}\n{}", render(&e)));
    set.rules().map(|rule| (**rule).clone()).collect()
}

#[test]
fn definitions_stand_for_what_they_say() {
    for (what, used, written) in [
        (
            "several overloads",
            "- { op: [aten.add.Tensor|Scalar, aten.abs], use: each }",
            "- { op: [aten.add.Tensor, aten.add.Scalar, aten.abs], rule: 'self[...] -> [...]' }",
        ),
        (
            "keys, with and without the default of a parameter",
            "- { op: aten.relu, use: 'each, signs' }",
            "- { op: aten.relu, rule: 'self[...] -> [...]', zero: self, nonneg: self }",
        ),
        (
            "definitions that use others, of another operand",
            "- { op: mine.relu, use: each(X), zero: never }\n- { op: mine.max, use: [each(X), copies(X)] }",
            "- { op: mine.relu, rule: 'X[...] -> [...]', zero: never }\n
- { op: mine.max, rule: 'X[...] -> [...]', value: X, zero: X, nonneg: X, nonzero: X, finite: X }",
        ),
        (
            "a key of the entry wins, and two that differ in it do not clash",
            "- { op: aten.mul.Tensor, use: 'pairs, signs(self), signs(other)', zero: self | other, nonneg: self & other }",
            "- { op: aten.mul.Tensor, rule: 'self[...], other[...] -> [...]', zero: self | other, nonneg: self & other }",
        ),
        (
            "maps are joined key by key",
            "- define:
    window(s, t, i): { sizes: { $t: '$s - size[$i]' }, through: { $t: { of: $s, when: 'size[$i] == 0' } } }
- { op: mine.pool, use: 'window(h, y, 0), window(w, z, 1)', rule: 'x[h, w] -> [y, z]', lock: [h, w], sizes: { z: w } }",
            "- op: mine.pool
  rule: 'x[h, w] -> [y, z]'
  sizes: { y: 'h - size[0]', z: w }
  through: { y: { of: h, when: 'size[0] == 0' }, z: { of: w, when: 'size[1] == 0' } }
  lock: [h, w]",
        ),
        (
            "texts, which are one operand of the formula around them",
            "- define: { rest: total - kept, twice(x): 2*$x }
- { op: mine.f, use: each(x), value: '$twice(x + 1) ** $rest' }",
            "- { op: mine.f, rule: 'x[...] -> [...]', value: '(2*(x + 1)) ** (total - kept)' }",
        ),
        (
            "lists among the items of a list, and commas in quotes",
            "- define: { steps(x): ['y = aten.neg.default(self=$x)', 'out = aten.exp.default(self=y)'], locked(l): { lock: [$l] } }
- op: mine.f
  use: each(x), locked('a, b')
  rule: 'x[a, b] -> [a, b]'
  statistic: { over: [a], repair: [{ use: steps(x) }, 'out = aten.neg.default(self=out)'] }",
            "- op: mine.f
  rule: 'x[a, b] -> [a, b]'
  lock: [a, b]
  statistic:
    over: [a]
    repair: ['y = aten.neg.default(self=x)', 'out = aten.exp.default(self=y)', 'out = aten.neg.default(self=out)']",
        ),
        (
            "parameters by name, one default in another, and texts that end up empty",
            "- define:
    pad(x, n = 1, m = $n + 1, also = ''): { rule: '$x[s] -> [t$also]', sizes: { t: s + $n*$m } }
- { op: mine.f, use: 'pad(m=3, x=self)' }\n- { op: mine.g, use: \"pad(x, 2, also=', 1')\" }",
            "- { op: mine.f, rule: 'self[s] -> [t]', sizes: { t: s + 1*3 } }
- { op: mine.g, rule: 'x[s] -> [t, 1]', sizes: { t: 's + 2*(2 + 1)' } }",
        ),
        (
            "a definition of one's own comes before a built-in one, of which others are made",
            "- define: { signs(x): { zero: never } }\n- { op: mine.f, use: 'each(x), signs(x)' }\n- { op: mine.g, use: 'each(x), means(x)' }",
            "- { op: mine.f, rule: 'x[...] -> [...]', zero: never }
- { op: mine.g, rule: 'x[...] -> [...]', zero: x, nonneg: x, value: x }",
        ),
    ] {
        assert_eq!(read(used), read(written), "{what}");
    }
}

#[test]
fn definitions_that_grow_without_end_are_mistakes() {
    let doubled = |i: usize| format!("    d{i}(x): \"$d{}($x) + $d{}($x)\"\n", i + 1, i + 1);
    let text = format!(
        "- define:\n{}    d30(x): $x\n- {{ op: mine.f, use: each(x), value: $d0(x) }}\n",
        (0..30).map(doubled).collect::<String>()
    );
    let keys = |i: usize| format!("    d{i}: {{ use: \"d{}, d{}\" }}\n", i + 1, i + 1);
    let empty =
        format!("- define:\n{}    d30: {{}}\n- {{ op: mine.f, use: 'each(x), d0' }}\n", (0..30).map(keys).collect::<String>());
    let chain = |i: usize| format!("    d{i}(x): $d{}($x)\n", i + 1);
    let deep = format!(
        "- define:\n{}    d999(x): $x\n- {{ op: mine.f, use: each(x), value: $d0(x) }}\n",
        (0..999).map(chain).collect::<String>()
    );
    for (text, message) in [(text, "characters"), (empty, "characters"), (deep, "in a row")] {
        let errors = RuleSet::from_texts([("mine.yaml", text.as_str())]).unwrap_err();
        assert!(errors.errors.iter().all(|e| e.message.contains(message)), "{}", render(&errors));
    }
}

#[test]
fn mistakes_of_several_files_are_shown_together() {
    let first = "- op: aten.relu\n  rule: \"self[...] -> [...]\"\n";
    let second = "- op: aten.relu\n  rule: \"self[...] -> [...]\"\n- op: aten.abs\n  rule: \"self[a -> [a]\"\n";
    let errors = RuleSet::from_texts([("first.yaml", first), ("second.yaml", second)]).unwrap_err();
    insta::assert_snapshot!("files", render(&errors));
}

#[test]
fn built_in_rules_have_no_mistakes_and_are_the_same_when_read_late() {
    let early = RuleSet::checked_builtin().unwrap_or_else(|e| panic!("{}", render(&e)));
    let late = RuleSet::builtin();
    let show = |set: &RuleSet| set.rules().map(|rule| format!("{rule:?}")).collect::<Vec<_>>();
    assert_eq!(show(&late), show(&early));
    let ops = |set: &RuleSet| set.ops().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(ops(&late), ops(&early));
}

#[test]
fn targets_find_their_entries() {
    let text = r#"
- { op: aten.add, rule: "self[...], other[...] -> [...]" }
- { op: aten.mul.Tensor, rule: "self[...], other[...] -> [...]" }
- { op: aten.mul.Tensor_twice, when: "rank(self) > 1", rule: "self[a, b] -> [a]" }
- { op: aten.mul.Tensor_twice, rule: "self[a] -> [a]" }
"#;
    let set = RuleSet::from_texts([("mine.yaml", text)]).unwrap_or_else(|e| panic!("{}", render(&e)));
    let lines = |target: &str| set.for_target(target).iter().map(|rule| rule.place.line).collect::<Vec<_>>();
    assert_eq!(lines("aten.add.Scalar"), [2]);
    assert_eq!(lines("aten.add_.Tensor"), [2]);
    assert_eq!(lines("aten.mul.Tensor"), [3]);
    assert_eq!(lines("aten.mul_.Tensor"), [3]);
    assert_eq!(lines("aten.mul.out"), [3]);
    assert_eq!(lines("aten.mul.Scalar"), [0usize; 0]);
    assert_eq!(lines("aten.mul.Tensor_twice"), [4, 5]);
}

#[test]
fn own_entries_replace_built_in_ones() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine.yaml"), "- op: aten.conv2d\n  rule: \"input[...] -> [...]\"\n").unwrap();
    let set = RuleSet::with_dirs(&[dir.path().to_owned()]).unwrap_or_else(|e| panic!("{}", render(&e)));
    assert_eq!(set.for_target("aten.conv2d.default").len(), 1);
    assert!(set.for_target("aten.conv2d.default")[0].place.source.name().ends_with("mine.yaml"));
    assert_eq!(set.for_target("aten.relu.default").len(), RuleSet::builtin().for_target("aten.relu.default").len());
    assert!(RuleSet::with_dirs(&[dir.path().join("none")]).is_err());
}

#[test]
fn deep_and_long_texts_are_mistakes() {
    let deep = "(".repeat(100_000);
    assert!(format!("x[{deep}").parse::<Pattern>().is_err());
    for text in [deep.clone(), "-".repeat(1999), "not ".repeat(400), "2**".repeat(600), "x[".repeat(900), "1+".repeat(9999)] {
        assert!(text.parse::<Expr>().is_err());
    }
    let wide = format!("{}1", "1+".repeat(999)).parse::<Expr>().unwrap();
    assert_eq!(eval(&wide, &Conv).unwrap().to_string(), "1000");
    assert_eq!(wide.to_string().replace(' ', "").len(), 1999);
    assert!(RuleSet::from_texts([("mine.yaml", "- [".repeat(10_000).as_str())]).is_err());
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_]{0,2}".prop_filter("a keyword", |s| !["or", "and", "not", "if", "in", "is"].contains(&s.as_str()))
}

fn letter() -> impl Strategy<Value = Letter> {
    let dots = Just(Letter { name: "...".into(), ellipsis: true, broadcast: true, optional: false, span: 0..0 });
    let named = (name(), 0..3, any::<bool>()).prop_map(|(name, mark, broadcast)| Letter {
        name,
        ellipsis: mark == 1,
        optional: mark == 2,
        broadcast,
        span: 0..0,
    });
    prop_oneof![1 => dots, 9 => named]
}

fn dim() -> impl Strategy<Value = Dim> {
    let leaf = prop_oneof![letter().prop_map(Dim::Letter), any::<u64>().prop_map(Dim::Number)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let many = proptest::collection::vec(inner, 2..4);
        prop_oneof![many.clone().prop_map(Dim::Product), many.prop_map(Dim::Sum)]
    })
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let dims = || proptest::collection::vec(dim(), 0..3);
    let number = proptest::option::of(any::<f64>().prop_filter("no number", |x| x.is_finite()));
    let operand = (name(), proptest::option::of(0usize..99), number, any::<bool>(), dims()).prop_map(
        |(name, index, missing, unread, dims)| {
            let step = index.filter(|k| k % 2 == 1); // `x[3::3]`
            Operand { name, index, step, missing, unread, dims, span: 0..0 }
        },
    );
    (proptest::collection::vec(operand, 0..3), proptest::collection::vec(dims(), 0..3)).prop_map(|(operands, outputs)| Pattern {
        operands,
        outputs,
        span: 0..0,
    })
}

fn formula() -> impl Strategy<Value = Expr> {
    let float = any::<f64>().prop_filter("no number", |x| x.is_finite());
    let leaf = prop_oneof![
        Just(Expr::None),
        any::<bool>().prop_map(Expr::Bool),
        (-i64::MAX..=i64::MAX).prop_map(Expr::Int),
        float.prop_map(Expr::Float),
        "[ -~äß]{0,4}".prop_map(Expr::Str),
        name().prop_map(Expr::Name),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let one = || inner.clone().prop_map(Box::new);
        let items = || proptest::collection::vec(prop_oneof![3 => inner.clone(), 1 => name().prop_map(Expr::Spread)], 0..3);
        let binary = {
            use Binary::*;
            proptest::sample::select(vec![Add, Sub, Mul, Div, FloorDiv, Mod, Pow, And, Or])
        };
        let comparison = {
            use Comparison::*;
            proptest::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge])
        };
        // A sign before a number is part of the number.
        let number = |e: &Expr| matches!(e, Expr::Int(0..)) || matches!(e, Expr::Float(x) if x.is_sign_positive());
        let signed = one().prop_filter("a number", move |e| !number(e));
        prop_oneof![
            items().prop_map(Expr::List),
            (name(), items()).prop_map(|(name, args)| Expr::Call(name, args)),
            (one(), one()).prop_map(|(of, index)| Expr::Index(of, index)),
            signed.prop_map(|e| Expr::Unary(Unary::Neg, e)),
            one().prop_map(|e| Expr::Unary(Unary::Not, e)),
            (binary, one(), one()).prop_map(|(op, a, b)| Expr::Binary(op, a, b)),
            (one(), proptest::collection::vec((comparison, inner.clone()), 1..3)).prop_map(|(a, rest)| Expr::Compare(a, rest)),
            (one(), one(), one()).prop_map(|(a, b, c)| Expr::If(a, b, c)),
        ]
    })
}

proptest! {
    #[test]
    fn printed_patterns_are_read_again(pattern in pattern()) {
        let text = pattern.to_string();
        prop_assert_eq!(text.parse::<Pattern>().map_err(|e| TestCaseError::fail(format!("{text}: {e:?}")))?, pattern);
    }

    #[test]
    fn printed_formulas_are_read_again(e in formula()) {
        let text = e.to_string();
        prop_assert_eq!(text.parse::<Expr>().map_err(|e| TestCaseError::fail(format!("{text}: {e:?}")))?, e.clone());
        let statement = Statement { name: "x".into(), op: "aten.f.g".into(), args: vec![("y".into(), e.clone())], condition: Some(e), span: 0..0 };
        let text = statement.to_string();
        prop_assert_eq!(text.parse::<Statement>().map_err(|e| TestCaseError::fail(format!("{text}: {e:?}")))?, statement);
    }

    #[test]
    fn any_text_is_read_or_reported(text in "[-a-z0-9 \n\"'\\[\\](){},:.+*/<=>|&!?~@#$äß]{0,80}", formula in "[-a-z0-9 '\\[\\](),.+*/<=>|&]{0,40}") {
        if let Err(e) = formula.parse::<Expr>() {
            prop_assert!(e.span.end <= formula.len());
        }
        for file in [text.clone(), format!("- op: aten.relu\n  rule: {text}\n"), format!("- op: \"aten.relu\"\n  zero: >\n   {text}\n  rule: x"), format!("- define:\n    a(x): {text}\n    b(x): {{ zero: $x{text}, use: a }}\n- op: aten.relu\n  use: b({text}), a\n")] {
            if let Err(errors) = RuleSet::from_texts([("mine.yaml", file.as_str())]) {
                for (span, _) in errors.errors.iter().flat_map(|e| &e.labels) {
                    prop_assert!(file.get(span.clone()).is_some(), "{span:?} of {file:?}");
                }
                render(&errors);
            }
        }
    }
}
