//! Notes of `train`: what to know about a net in integers; before a run is resumed, that nothing is left to train, or that the
//! learning rate jumps.

use crate::cli::resume::Resumed;
use gpu_mlp::base::text::percent;
use gpu_mlp::config::{Amount, Config};
use gpu_mlp::data::DataSet;
use gpu_mlp::kernels::fixed::{FLOAT_BITS, MOST};
use gpu_mlp::run::history::History;
use gpu_mlp::train::rates::Rates;
use gpu_mlp::train::session::{Reason, Session};

/// What a user of `precision int8` should know about this net and these data.
pub fn in_integers(config: &Config, data: &DataSet) -> Vec<String> {
    let mut notes = Vec::new();
    if config.hidden.len() > DEEP {
        let layers = config.hidden.len();
        notes.push(format!(
            "with {layers} hidden layers, 8 bits learn less well than single precision: compare with --precision f32"
        ));
    }
    if let Some(floats) = data.train.samples.floats() {
        let most = f32::from(MOST as i8) / f32::from(1u8 << FLOAT_BITS);
        let cut = floats.iter().filter(|value| value.abs() > most).count() as f64 / floats.len().max(1) as f64;
        notes.push(format!(
            "in integers a column has steps of 1/{} of its scale and ends at ±{most:.1}: {} % of the values are cut",
            1 << FLOAT_BITS,
            percent(cut, 2)
        ));
    }
    notes
}

/// Hidden layers from which on 8 bits are clearly worse than single precision: see BENCHMARKS.md.
const DEEP: usize = 6;

/// Prints the notes on a session that was resumed. `undivided` is the size of the training split before any samples were
/// taken out; `changed` has the names of what differs from the checkpoint.
pub fn before_resuming(session: &Session<'_>, resumed: &Resumed, undivided: usize, changed: &[String]) {
    let (trainer, folder) = (session.trainer(), &resumed.folder);
    let step = resumed.step();
    if let Some(reason) = session.ended() {
        let epochs = trainer.config().epochs;
        say!("note: nothing is trained: {}", nothing_left(reason, step, epochs));
        return;
    }
    let then = &resumed.identity.config;
    // The size of another data set is not known, but its epochs are no guide either.
    let taken = |amount: Amount| amount.samples(undivided);
    let left = undivided.saturating_sub(taken(then.validation)).max(1);
    let samples = then.limit_train.map_or(left, |limit| taken(limit).min(left));
    let old = Course { config: then, samples };
    let new = Course { config: trainer.config(), samples: trainer.data().train.len() };
    jump(&old, &new, step, trainer.rates().plateau(), changed).iter().for_each(|note| say!("note: {note}"));
    let diverged = |history: History| history.end.filter(|end| end.reason.as_deref() == Some("diverged"));
    if let (true, Some(end)) = (changed.is_empty(), History::read(folder.path()).ok().and_then(diverged)) {
        let problem = end.problem.map_or(String::new(), |problem| format!(": {problem}"));
        say!(
            "note: this run diverged after its last checkpoint{problem}. With the same settings it will diverge again; \
             --lr RATE --allow-mismatch lr changes its learning rate"
        );
    }
}

/// Why nothing is left to train, and what to do about it.
fn nothing_left(reason: Reason, step: u64, epochs: usize) -> String {
    match reason {
        Reason::MaxSteps => format!("the run has made {step} updates, and --max-steps counts them from its start"),
        Reason::EarlyStopping => {
            "the run has stopped early; --early-stopping N --allow-mismatch early-stopping resumes it with more patience".into()
        }
        _ => format!(
            "all epochs of this run, {epochs}, are trained; --epochs N --allow-mismatch epochs resumes it with more epochs"
        ),
    }
}

/// The rates of a run are a function of its settings and the size of its training split.
struct Course<'a> {
    config: &'a Config,
    samples: usize,
}

/// A change of the learning rate by more than this share is a jump.
const JUMP: f64 = 0.01;
/// A change of the momentum by more than this is a jump.
const MOMENTUM_JUMP: f32 = 0.005;

/// A sentence about rates that jump after update `step`, and about what keeps them continuous; `None` if they do not jump.
fn jump(old: &Course<'_>, new: &Course<'_>, step: u64, plateau: f64, changed: &[String]) -> Option<String> {
    let last = step.checked_sub(1)?;
    let rates = |course: &Course<'_>| Rates::new(course.config, course.samples);
    let (then, now) = (rates(old), rates(new));
    let (from, planned, to) = (plateau * then.lr(last), plateau * then.lr(step), plateau * now.lr(step));
    let apart = |a: f64, b: f64| (a - b).abs() > JUMP * a.abs().max(b.abs());
    let lr_jumps = apart(from, to) && apart(planned, to);
    let momenta = [then.momentum(last), then.momentum(step), now.momentum(step)];
    let momentum_jumps = momenta[..2].iter().all(|old| (old - momenta[2]).abs() > MOMENTUM_JUMP);
    let epoch = |course: &Course<'_>| last / course.config.updates_per_epoch(course.samples) + 1;
    let mut parts = Vec::new();
    if lr_jumps {
        parts.push(format!("the learning rate jumps from {} to {}", short(from), short(to)));
    }
    if momentum_jumps {
        parts.push(format!("the momentum jumps from {} to {}", momenta[0], momenta[2]));
    }
    if epoch(old) != epoch(new) {
        parts.push(format!("the run is in epoch {}, not {}", epoch(new), epoch(old)));
    }
    if parts.is_empty() {
        return None;
    }
    let names: Vec<String> = changed.iter().map(|name| name.replace('_', "-")).collect();
    let mut text = format!("after update {step}, {}, because of: {}", parts.join(", and "), names.join(", "));
    // Whoever changes the rate itself wants the jump.
    if lr_jumps && from > 0.0 && to > 0.0 && !changed.iter().any(|name| name == "lr") {
        let lr = short(f64::from(new.config.learning_rate(new.samples)) * from / to);
        let names = names.join(",");
        text += &format!(". To keep the learning rate continuous, give --lr {lr} --allow-mismatch {names},lr");
    }
    Some(text)
}

/// A rate with four digits.
fn short(rate: f64) -> String {
    format!("{rate:.3e}").parse::<f32>().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpu_mlp::config::{BatchSize, Schedule};

    const SAMPLES: usize = 1000;

    /// Ten updates per epoch.
    fn config() -> Config {
        Config { lr: Some(0.2), batch_size: BatchSize::Samples(100), epochs: 5, ..Config::default() }
    }

    fn note(then: &Config, now: &Config, step: u64, changed: &[&str]) -> Option<String> {
        let changed: Vec<String> = changed.iter().map(ToString::to_string).collect();
        let course = |config| Course { config, samples: SAMPLES };
        jump(&course(then), &course(now), step, 1.0, &changed)
    }

    /// The rate that a note offers.
    fn offered(note: &str) -> f32 {
        note.split_once("--lr ").expect("an offer").1.split(' ').next().expect("a rate").parse().expect("a number")
    }

    #[test]
    fn a_stretched_schedule_is_told_with_both_rates_and_the_offer_keeps_it_continuous() {
        let then = config();
        let now = Config { epochs: 8, ..config() };
        let text = note(&then, &now, 50, &["epochs"]).expect("a jump");
        assert!(text.contains("from 0.004 to 0.075"), "{text}");
        assert!(text.contains("--allow-mismatch epochs,lr"), "{text}");
        let mended = Config { lr: Some(offered(&text)), ..now };
        assert_eq!(note(&then, &mended, 50, &["epochs", "lr"]), None);
    }

    #[test]
    fn every_setting_of_the_schedule_can_make_a_jump() {
        let cases = [
            ("schedule", Config { schedule: Schedule::Constant, ..config() }),
            ("warmup", Config { warmup: 3.0, ..config() }),
            ("lr_end", Config { lr_end: 0.5, ..config() }),
            ("epochs", Config { epochs: 50, ..config() }),
            ("batch_size", Config { batch_size: BatchSize::Samples(50), ..config() }),
            ("accumulate", Config { accumulate: 2, ..config() }),
        ];
        for (name, now) in cases {
            let text = note(&config(), &now, 22, &[name]).unwrap_or_else(|| panic!("{name} makes a jump"));
            let mended = Config { lr: Some(offered(&text)), ..now };
            assert!(!note(&config(), &mended, 22, &[name, "lr"]).is_some_and(|text| text.contains("rate")), "{name}");
        }
        assert_eq!(note(&config(), &Config { hidden: vec![7], ..config() }, 22, &["hidden"]), None);
        // A rate that the user changes is told without an offer.
        let text = note(&config(), &Config { lr: Some(0.1), ..config() }, 22, &["lr"]).expect("a jump");
        assert!(!text.contains("continuous"), "{text}");
    }

    #[test]
    fn the_steps_of_a_schedule_are_no_jump() {
        let steps = Config { schedule: Schedule::Step, lr_step: 1, lr_gamma: 0.5, ..config() };
        let more = Config { epochs: 9, ..steps.clone() };
        assert_eq!(note(&steps, &more, 20, &["epochs"]), None);
    }

    #[test]
    fn momentum_and_the_epoch_are_told_too() {
        let cycle = Config { schedule: Schedule::OneCycle, momentum: 0.95, ..config() };
        let text = note(&cycle, &Config { epochs: 20, ..cycle.clone() }, 15, &["epochs"]).expect("a jump");
        assert!(text.contains("the momentum jumps from 0.85"), "{text}");
        let halved = Config { batch_size: BatchSize::Samples(50), schedule: Schedule::Constant, ..config() };
        let constant = Config { schedule: Schedule::Constant, ..config() };
        let text = note(&constant, &halved, 22, &["batch_size"]).expect("another epoch");
        assert!(text.contains("the run is in epoch 2, not 3"), "{text}");
    }
}
