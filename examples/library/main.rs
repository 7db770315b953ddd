//! Shrinks the example model by its masks, step by step: `cargo run --example library`.

use std::path::Path;

use paring::{MaskFile, Outputs, RuleSet, Session, Settings, table};

fn main() -> miette::Result<()> {
    let model = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pocketnet.pt2"));
    let file = MaskFile::open(&model.with_file_name("pocketnet.masks.safetensors"))?;
    let masks = file.masks(model)?;
    let settings = Settings::default();

    let session = Session::open(model, &[], RuleSet::builtin(), &[])?;
    let solution = session.solve(&masks, &settings)?;
    let plan = session.plan(&solution, settings.choices)?;
    let cut = session.apply(solution, plan, settings.options.policy)?;
    println!("{}", table(&cut.summary));

    let outputs = Outputs { model: Some(std::env::temp_dir().join("small.pt2")), ..Outputs::default() };
    cut.write(&settings, &outputs, &mut |_| {})?;
    Ok(())
}
