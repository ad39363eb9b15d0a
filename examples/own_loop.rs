//! A training loop written by hand on a plan and an engine, with its own learning rates.
//!
//! `cargo run --release --example own_loop`

use gpu_mlp::config::Config;
use gpu_mlp::data::digits;
use gpu_mlp::engine::machine::{EngineName, Machine};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::train::rates::Rates;
use gpu_mlp::train::steps::Steps;
use gpu_mlp::train::{Score, evaluate, input_map, prepare, shuffled};

async fn train() -> Result<(), gpu_mlp::Error> {
    let data = digits::generate(&digits::Options { train: 6000, test: 1000, seed: 1 });
    let config = Config { hidden: vec![64], ..Config::default() };
    let (machine, which) = Machine::choose(EngineName::Auto, &Default::default()).await?;
    println!("{which}");

    // A plan is data: tensors and a list of dispatches.
    let inputs = input_map(&config.normalize, &data.train.samples);
    let net = Net::for_training(&config, Sizes::of(&config, &data, machine.form(), machine.limit())?, &inputs);
    let training = net.training.as_ref().expect("a net made for training");
    let model = Mlp::new(&config.widths(data.inputs(), data.outputs()), config.activation(), config.init, config.seed);
    let mut engine = machine.engine(&net.plan).await?;
    let (mut feed, mut test_feed) = prepare(engine.as_mut(), &net, &model, &data);

    let samples = data.train.len();
    let rates = Rates::new(&config, samples);
    let steps = Steps { config: &config, training, samples, weights: None, rates: &rates };
    let mut step = 0;
    let mut score = Score::default();
    for epoch in 0..6 {
        let order = shuffled(samples, config.seed, epoch);
        feed.begin(&order, engine.as_mut());
        let mut work = Vec::new();
        let mut slots = 0;
        for first in (0..samples).step_by(steps.batch()) {
            if feed.needs_load(first) {
                feed.load(first, &data.train, &order, engine.as_mut());
            }
            steps.push(&feed, step, &order, first, &mut slots, &mut work);
            step += 1;
            // Put your changes to the library's loop here.
            work.iter_mut().for_each(|(_, values)| values.lr = if step < 20 { 0.01 * step as f32 } else { 0.1 });
            engine.run(&work).await?;
            work.clear();
        }
        let record = engine.read(training.tally, training.tally_words(0..slots)).await?;
        score = Score::default();
        score.add(training.tally, &record, samples, None);
        let test = evaluate(engine.as_mut(), &net.evaluation, &mut test_feed, &data.test, None).await?;
        println!("epoch {}: loss {:.3}, test accuracy {:.3}", epoch + 1, score.loss(), test.metric());
    }
    // The tally holds losses and hits. If only a part of it had been read, hits would be missing.
    assert!(score.metric() > 0.9, "the net does not learn: {score:?}");
    Ok(())
}

fn main() -> Result<(), gpu_mlp::Error> {
    pollster::block_on(train())
}
