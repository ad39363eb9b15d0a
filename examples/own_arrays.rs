//! Trains on arrays in memory, prints a line after each epoch, and then classifies new points.
//!
//! `cargo run --release --example own_arrays`

use gpu_mlp::config::{ActivationName, Config, Schedule};
use gpu_mlp::data::{DataSet, Split};
use gpu_mlp::engine::machine::{EngineName, Machine};
use gpu_mlp::results::assess::assess;
use gpu_mlp::run::model_file::Description;
use gpu_mlp::train::session::{EpochReport, Limits, Reason, Session, Wish};

/// `count` points of a plane, two bytes each. The class of a point is the number of its ring around the centre.
fn points(count: u32, seed: u32) -> Split {
    let byte = |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 23) as u8;
    let pixels: Vec<u8> = (0..2 * count).map(byte).collect();
    let ring = |xy: &[u8]| {
        let radius = (f32::from(xy[0]) - 127.5).hypot(f32::from(xy[1]) - 127.5);
        (radius / 45.0).min(3.0) as u8
    };
    let labels: Vec<u8> = pixels.chunks(2).map(ring).collect();
    Split::new(pixels, labels)
}

async fn train() -> Result<(), gpu_mlp::Error> {
    let data = DataSet::from_splits("rings", vec![2], points(8000, 0), points(2000, 77_777))?;
    let config = Config {
        hidden: vec![64, 32],
        activation: ActivationName::Tanh,
        epochs: 60,
        lr: Some(0.1),
        momentum: 0.9,
        schedule: Schedule::Cosine,
        ..Config::default()
    };
    let (machine, which) = Machine::choose(EngineName::Auto, &Default::default()).await?;
    println!("{which}");

    let mut session = Session::open(&config, &data, &machine, Limits::default()).await?;
    let mut good_enough = |epoch: &EpochReport| {
        let accuracy = epoch.test.map_or(0.0, |test| test.metric());
        println!("epoch {:>2}: loss {:.3}, test accuracy {accuracy:.3}", epoch.epoch, epoch.train.loss());
        if accuracy > 0.97 { Wish::Stop(Reason::Interrupted) } else { Wish::Continue }
    };
    session.run(&mut good_enough).await?;

    let description = Description::of(&config, &data, session.trainer().net());
    let unseen = points(5, 123_456);
    let result = assess(&machine, &session.model().await?, &description, &unseen, &data.item).await?;
    let found = result.classes().expect("a model of classes");
    for (sample, (xy, ring)) in unseen.pixels().chunks(2).zip(unseen.classes()).enumerate() {
        println!("{xy:?} is in ring {ring}; the net predicts {}", found.predictions.class(sample));
    }
    Ok(())
}

fn main() -> Result<(), gpu_mlp::Error> {
    pollster::block_on(train())
}
