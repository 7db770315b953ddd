//! Changes JSON as JSON: most changes of its bytes make a text that no parser takes.

use serde_json::{Value, json};

/// Changes a JSON text in one to four places. `None` where it is none, or the result too long.
pub fn mutate_json(data: &mut [u8], size: usize, max: usize, seed: u32) -> Option<usize> {
    let mut random = Random(u64::from(seed) << 1 | 1);
    if random.below(8) == 0 {
        return None; // now and then its bytes
    }
    let mut json: Value = serde_json::from_slice(data.get(..size)?).ok()?;
    for _ in 0..=random.below(4) {
        change(&mut json, &mut random);
    }
    let text = serde_json::to_vec(&json).ok().filter(|t| t.len() <= max.min(data.len()))?;
    data[..text.len()].copy_from_slice(&text);
    Some(text.len())
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }
}

const NUMBERS: [i64; 16] =
    [-1, 0, 1, 2, 3, 7, 64, 255, 1 << 16, 1 << 31, 1 << 32, 1_000_000_000_000, 1 << 62, i64::MAX, i64::MIN, i64::MIN + 1];

fn change(json: &mut Value, random: &mut Random) {
    let total = count(json);
    let other = nth(json, random.below(total)).cloned().unwrap_or_default();
    let Some(place) = nth(json, random.below(total)) else { return };
    let kind = random.below(6);
    match place {
        Value::Array(list) if kind < 4 && !list.is_empty() => {
            let (a, b) = (random.below(list.len()), random.below(list.len()));
            match kind {
                0 => drop(list.remove(a)),
                1 => list.insert(b, list[a].clone()),
                2 => list.swap(a, b),
                _ => list[a] = other,
            }
        }
        Value::Object(map) if kind < 4 && !map.is_empty() => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let (a, b) = (&keys[random.below(keys.len())], &keys[random.below(keys.len())]);
            match kind {
                0 => drop(map.remove(a)),
                1 => drop(map.insert(format!("{a}_"), other)),
                2 => drop(map.insert(a.clone(), map[b].clone())),
                _ => drop(map.insert(a.clone(), other)),
            }
        }
        Value::Number(n) if kind < 5 => {
            let n = n.as_i64().unwrap_or(0);
            *place = match kind {
                0 => json!(n.wrapping_add(1)),
                1 => json!(n.wrapping_neg()),
                2 => json!(n.wrapping_mul(2)),
                _ => json!(NUMBERS[random.below(NUMBERS.len())]),
            };
        }
        Value::Bool(b) => *b = !*b,
        Value::String(text) if kind < 3 => match kind {
            0 => text.push('1'),
            1 => drop(text.pop()),
            _ => text.insert(0, 'p'),
        },
        _ if kind == 5 => {
            *place = [json!(null), json!([]), json!({}), json!(""), json!(0), json!(true)][random.below(6)].clone();
        }
        _ => *place = other,
    }
}

fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(list) => list.iter().map(count).sum::<usize>(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// The n-th place, a value before those in it.
fn nth(json: &mut Value, mut n: usize) -> Option<&mut Value> {
    if n == 0 {
        return Some(json);
    }
    n -= 1;
    let inner: Box<dyn Iterator<Item = &mut Value>> = match json {
        Value::Array(list) => Box::new(list.iter_mut()),
        Value::Object(map) => Box::new(map.values_mut()),
        _ => return None,
    };
    for value in inner {
        let here = count(value);
        if n < here {
            return nth(value, n);
        }
        n -= here;
    }
    None
}
