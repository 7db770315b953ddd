//! A rule in words: what shrinks with what, and what is known of values.

use std::fmt::Write;

use super::picture::{Row, letters, picture, places, rows};
use crate::rule::{Binary, Body, Expr, LayoutCall, Letter, Pattern, Pick, Rule, Unary, layout_meaning};

/// All that `rules show` says of one entry.
pub fn describe(rule: &Rule) -> String {
    let mut out = String::new();
    if let Some(when) = &rule.when {
        let _ = writeln!(out, "only when {when}\n");
    }
    match &rule.body {
        Body::Patterns(patterns) => {
            for (k, pattern) in patterns.iter().enumerate() {
                out.push_str(match k {
                    0 => "",
                    _ => "\nor, where the dimensions do not fit that,\n\n",
                });
                let _ = writeln!(out, "{pattern}\n");
                indented(&mut out, &picture(pattern));
                out.push('\n');
                axes(&mut out, rule, pattern);
            }
        }
        Body::Layout(call) => layout(&mut out, rule, call),
    }
    values(&mut out, rule);
    tests(&mut out, rule);
    out
}

fn tests(out: &mut String, rule: &Rule) {
    for (k, case) in rule.tests.iter().enumerate() {
        out.push_str(if k == 0 { "\ntested\n" } else { "" });
        let inputs: Vec<String> = case.inputs.iter().map(|(name, e)| format!("{name}: {e}")).collect();
        let result = case.out.as_ref().map(|claim| format!(" -> {}", claim.expr)).unwrap_or_default();
        let _ = writeln!(out, "  {}{result}", inputs.join(", "));
        for claim in &case.same {
            let _ = writeln!(out, "    {}", claim.expr);
        }
    }
}

fn indented(out: &mut String, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "  {line}");
    }
}

fn axes(out: &mut String, rule: &Rule, pattern: &Pattern) {
    let rows = rows(pattern);
    let letters = letters(&rows);
    let width = letters.iter().map(|l| l.to_string().chars().count()).max().unwrap_or(0);
    for letter in &letters {
        let name = letter.to_string();
        let _ = writeln!(out, "  {name:<width$}  {}", fate(rule, &rows, letter));
        let mut also = Vec::new();
        let says = |map: &indexmap::IndexMap<String, Expr>| -> Vec<(String, String)> {
            let about = map.iter().filter(|(_, e)| e.names().contains(&letter.name.as_str()));
            about.map(|(arg, e)| (arg.clone(), e.to_string())).collect()
        };
        also.extend(says(&rule.args).into_iter().map(|(arg, e)| format!("the argument `{arg}` becomes `{e}`")));
        also.extend(
            says(&rule.default).into_iter().map(|(arg, e)| format!("if `{arg}` is missing, it is written out as `{e}` was")),
        );
        if let Some(size) = rule.sizes.get(&letter.name) {
            also.push(format!("its size: `{size}`"));
        }
        if let Some(through) = rule.through.get(&letter.name) {
            also.push(format!("the axis {} itself, not locked, where `{}`", through.of, through.when));
        }
        if rule.statistic.as_ref().is_some_and(|s| chosen(&s.over, &letter.name)) {
            also.push("the values depend on how many positions it has".to_owned());
        }
        for line in also {
            let _ = writeln!(out, "  {:<width$}  {line}", "");
        }
    }
}

fn chosen(picks: &[Pick], letter: &str) -> bool {
    picks.iter().any(|p| matches!(p, Pick::All) || matches!(p, Pick::Letter(l) if l == letter))
}

/// What may become of a letter's positions.
fn fate(rule: &Rule, rows: &[Row], letter: &Letter) -> String {
    let having: Vec<&Row> = rows.iter().filter(|row| !places(row, &letter.name).is_empty()).collect();
    let sites: Vec<String> = having
        .iter()
        .filter(|row| row.read)
        .flat_map(|row| places(row, &letter.name).into_iter().map(|at| format!("{}[{at}]", row.name)))
        .collect();
    let (input, output) = (having.iter().any(|r| !r.output && r.read), having.iter().any(|r| r.output));
    let shared = listed(&sites);
    match (input, output) {
        _ if chosen(&rule.lock, &letter.name) => {
            format!("stays whole (`lock`): {}", if sites.is_empty() { "not read".into() } else { shared })
        }
        (false, false) => "not read: left alone".to_owned(),
        (false, true) if rule.free.contains(&letter.name) => format!("made here, may lose positions: {shared}"),
        (false, true) => format!("made here, stays whole: {shared}"),
        (true, true) => format!("one axis: a position goes from all of {shared}"),
        (true, false) => format!("summed over: a position goes from {shared} where what it adds is proven zero"),
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn layout(out: &mut String, rule: &Rule, call: &LayoutCall) {
    let _ = writeln!(out, "layout: {call}\n");
    let _ = writeln!(out, "  the result: {}", layout_meaning(&call.name).unwrap_or("as the layout says"));
    let args: Vec<&str> = call.args.iter().flat_map(Expr::names).collect();
    if !args.is_empty() {
        let _ = writeln!(out, "  from the arguments {}", listed(&args.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>()));
    }
    for pick in &rule.lock {
        let _ = match pick {
            Pick::All => writeln!(out, "  all axes stay whole (`lock`)"),
            Pick::Dims(arg) => writeln!(out, "  the dimensions that `{arg}` names stay whole (`lock`)"),
            Pick::Letter(l) => writeln!(out, "  {l} stays whole (`lock`)"),
        };
    }
    for (arg, e) in &rule.args {
        let _ = writeln!(out, "  where sizes change the argument `{arg}` becomes `{e}`");
    }
}

fn values(out: &mut String, rule: &Rule) {
    let facts = &rule.facts;
    let copies = matches!(rule.body, Body::Layout(_));
    out.push_str("\nat a removed position the result\n");
    for (fact, clause) in facts.all() {
        let text = match (clause, fact, copies) {
            (Some(e), ..) => clause_in_words(e, fact),
            (None, "finite", false) => "where all operands are".to_owned(),
            (None, _, true) => "as the operand is".to_owned(),
            (None, "zero", false) => "is never known to be".to_owned(),
            (None, ..) => continue,
        };
        let _ = writeln!(out, "  {:<12}  {text}", adjective(fact));
    }
    if let Some(value) = &facts.value {
        let _ = writeln!(out, "  {:<12}  `{value}`, where that is a number", "is");
    }
    if let Some(fold) = &rule.fold {
        let when = fold.when.as_ref().map(|e| format!(" if `{e}`")).unwrap_or_default();
        let _ = writeln!(out, "\nnumbers at removed positions of a summed axis go into `{}`{when}", fold.into);
    }
    if let Some(norm) = &rule.norm {
        let over = norm.over.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (of, scale) = (&norm.of, &norm.scale);
        let _ = writeln!(
            out,
            "\n`{of}` is divided by its norm over {over}: what goes of it is never masked, and `{scale}` takes up its share"
        );
    }
    if let Some(summed) = &facts.summed {
        let _ = writeln!(out, "\na removed position of a summed axis contributes nothing {}", clause_in_words(summed, "zero"));
    }
    if let Some(statistic) = &rule.statistic {
        let over = statistic.over.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "\nthe number of positions of {over} counts; after a cut these give what the original gave:");
        for statement in &statistic.repair {
            let _ = writeln!(out, "  {statement}");
        }
        if statistic.repair.is_empty() {
            out.push_str("  (nothing: the result is approximate)\n");
        }
    }
    if let Some(call) = &rule.becomes {
        let _ = writeln!(out, "\nwhere the arguments cannot say what is left, the call becomes\n  {call}");
    }
    if let Some(makes) = &rule.makes {
        let _ = writeln!(
            out,
            "\nmasks of {} decide over the result's axes",
            if makes.is_empty() { "no operand".into() } else { listed(makes) }
        );
    }
    match (&rule.writes, &rule.views) {
        (None, None) => {}
        (writes, views) => {
            writes.iter().flatten().for_each(|w| {
                let _ = writeln!(out, "\n`{w}` is written in place");
            });
            views.iter().for_each(|v| {
                let _ = writeln!(out, "\nthe result shares the memory of `{v}`");
            });
        }
    }
}

fn adjective(fact: &str) -> &str {
    match fact {
        "nonneg" => "not negative",
        "nonzero" => "not zero",
        fact => fact,
    }
}

fn clause_in_words(e: &Expr, fact: &str) -> String {
    match e {
        Expr::Name(n) if n == "never" => "is never known to be".to_owned(),
        Expr::Name(n) if n == "always" => "always".to_owned(),
        Expr::List(items) => {
            let one = |(k, e): (usize, &Expr)| format!("({}) {}", k + 1, clause_in_words(e, fact));
            items.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
        }
        e => format!("where {}", condition(e, fact, false)),
    }
}

/// A clause as a condition; in brackets where it stands inside another.
fn condition(e: &Expr, fact: &str, inner: bool) -> String {
    let bracketed = |text: String| if inner { format!("({text})") } else { text };
    match e {
        Expr::Name(n) if n == "never" => "never".to_owned(),
        Expr::Name(n) if n == "always" => "always".to_owned(),
        Expr::Name(n) if n == "any" => format!("any operand is {}", adjective(fact)),
        Expr::Name(n) if n == "all" => format!("all operands are {}", adjective(fact)),
        Expr::Name(_) | Expr::Index(..) | Expr::Items(..) => format!("`{e}` is {}", adjective(fact)),
        Expr::Call(f, args) if ["zero", "finite", "nonneg", "nonzero"].contains(&f.as_str()) => {
            let at = args.get(1).map(|letter| format!(" at its positions of {letter}")).unwrap_or_default();
            format!("`{}` is {}{at}", args.first().map(ToString::to_string).unwrap_or_default(), adjective(f))
        }
        Expr::Call(f, args) if f == "part" => {
            let words: Vec<String> = args.iter().map(ToString::to_string).collect();
            format!("part {} of `{}` is {}", words.get(1).map_or("", |k| k), words.first().map_or("", |x| x), adjective(fact))
        }
        Expr::Binary(op @ (Binary::And | Binary::Or), a, b) => {
            // `a and b and c` needs no brackets.
            let nested = |x: &Expr| matches!(x, Expr::Binary(o @ (Binary::And | Binary::Or), ..) if o != op);
            let word = if *op == Binary::And { "and" } else { "or" };
            bracketed(format!("{} {word} {}", condition(a, fact, nested(a)), condition(b, fact, nested(b))))
        }
        Expr::Unary(Unary::Not, of) => match of.as_ref() {
            Expr::Name(_) => format!("not `{of}`"),
            _ => format!("not {}", condition(of, fact, true)),
        },
        Expr::If(a, c, b) => bracketed(format!("{} if `{c}`, else {}", condition(a, fact, true), condition(b, fact, true))),
        e => format!("`{e}`"),
    }
}
