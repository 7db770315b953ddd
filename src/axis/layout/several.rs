//! Slices of several dimensions at once, each named in a list of its own.

use super::args::{Args, LONGEST, letters};
use crate::axis::node::{DimExpr, LetterId, Sketch, Want};
use crate::model::Size;

/// A size of nothing: what a number has to be that does not change.
const FIXED: DimExpr = DimExpr::Sum(Vec::new());

/// Positions of several dimensions: from starts to ends by steps, along these dimensions.
pub(super) fn slices(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let ints = |list: Vec<Size>| list.iter().map(|s| s.as_int().ok_or("a bound is symbolic")).collect::<Result<Vec<i64>, _>>();
    let starts = ints(args.sizes(1)?.ok_or("no starts are given")?)?;
    let ends = ints(args.sizes(2)?.ok_or("no ends are given")?)?;
    let axes = args.dims(3, shape.len())?.unwrap_or_else(|| (0..starts.len()).collect());
    let steps = args.sizes(4)?.map(ints).transpose()?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len()
        || axes.len() != starts.len()
        || steps.len() != starts.len()
        || axes.iter().any(|d| *d >= shape.len())
    {
        return Err("starts, ends, axes and steps have different lengths".into());
    }
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    let mut out = dims.clone();
    let (mut before, mut through) = (vec![FIXED; starts.len()], vec![FIXED; starts.len()]);
    for (k, at) in axes.iter().copied().enumerate() {
        let (start, end, step) = (starts[k], ends[k], steps[k]);
        if step <= 0 {
            return Err("a step that is not positive".into());
        }
        let Some(total) = shape[at].as_int() else {
            if (start, step) != (0, 1) || end < i64::from(i32::MAX) {
                let recorded = args.call.recorded(0).and_then(|s| s.get(at)).cloned();
                let rest = (step == 1 && start >= 0 && end >= i64::from(i32::MAX)).then(|| shape[at].add(&Size::int(-start)));
                let size = rest.or(recorded).ok_or("the size of the slice is not known")?;
                out[at] = DimExpr::Letter(sketch.made(format!("inside{at}"), size, false));
                sketch.locked.push(at as LetterId);
            }
            continue;
        };
        let place = |n: i64| (if n < 0 { n.saturating_add(total) } else { n }).clamp(0, total);
        let (lo, hi) = (place(start), place(end).max(place(start)));
        if (lo, hi, step) == (0, total, 1) {
            continue;
        }
        let counted_back = (start < 0 && lo > 0) || (end < 0 && hi < total);
        if step > 1 || counted_back || hi > LONGEST {
            let count = if hi > lo { (hi - lo - 1) / step + 1 } else { 0 };
            out[at] = DimExpr::Letter(sketch.made(format!("inside{at}"), Size::int(count), false));
            sketch.locked.push(at as LetterId);
            continue;
        }
        let mut part = |name: &str, n: i64| DimExpr::Letter(sketch.letter(format!("{name}{at}"), Size::int(n)));
        let parts = vec![part("before", lo), part("inside", hi - lo), part("after", total - hi)];
        if lo > 0 {
            before[k] = parts[0].clone();
        }
        if hi < total {
            through[k] = DimExpr::Sum(parts[..2].to_vec());
        }
        out[at] = parts[1].clone();
        dims[at] = DimExpr::Sum(parts);
    }
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out);
    sketch.edit(args.editable(1), Want::Sizes(before));
    sketch.edit(args.editable(2), Want::Sizes(through));
    Ok(sketch)
}
