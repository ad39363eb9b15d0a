//! Precedence of settings from presets, files, the environment and flags; runs repeated from their record.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use gpu_mlp::config::preset::Preset;
use gpu_mlp::config::{BatchSize, Config};
use gpu_mlp::run::settings::{DataSettings, RunFile, to_text};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// Stdout of a command that must succeed.
fn says(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Stderr of a command that must exit with `code`.
fn refuses(command: &mut Command, code: i32) -> String {
    let output = command.output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
    stderr
}

fn printed(command: &mut Command) -> toml::Table {
    says(command.arg("--print-config")).parse().expect("TOML")
}

#[test]
fn flags_override_the_environment_which_overrides_the_file_which_overrides_the_preset() {
    let folder = folder();
    std::fs::write(folder.path().join("my.toml"), "epochs = 7\nbatch-size = 30\nlr = 0.5\ndigits_train = 900\n")
        .expect("a file");
    let mut command = gpu_mlp(folder.path());
    command.args(["train", "--preset", "nielsen", "--config", "my.toml", "--lr", "0.25"]);
    let all = printed(command.env("GPU_MLP_BATCH_SIZE", "20").env("GPU_MLP_LR", "0.3").env("GPU_MLP_OFFLINE", "1"));
    assert_eq!(all["activation"].as_str(), Some("sigmoid"), "from the preset");
    assert_eq!(all["epochs"].as_integer(), Some(7), "from the file, over the preset's 60");
    assert_eq!(all["digits_train"].as_integer(), Some(900), "from the file");
    assert_eq!(all["batch_size"].as_integer(), Some(20), "from the environment, over the file");
    assert_eq!(all["lr"].as_float(), Some(0.25), "from the flag, over all");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing was written");
}

#[test]
fn another_optimizer_has_its_own_default_learning_rate() {
    let folder = folder();
    std::fs::write(folder.path().join("my.toml"), "optimizer = \"adam\"\n").expect("a file");
    let mut command = gpu_mlp(folder.path());
    assert_eq!(printed(command.args(["train", "--config", "my.toml"]))["lr"].as_float(), Some(0.001));
    let mut command = gpu_mlp(folder.path());
    let all = printed(command.args(["train", "--config", "my.toml", "--optimizer", "nesterov"]));
    assert_eq!((all["lr"].as_float(), all["momentum"].as_float()), (Some(0.05), Some(0.9)));
}

#[test]
fn printed_settings_can_be_read_back_and_print_the_same() {
    let folder = folder();
    let args = ["train", "--hidden", "30,20", "--keep-prob", "0.8", "--lr", "0.1", "--batch-size", "full"];
    let text = says(gpu_mlp(folder.path()).args(args).arg("--print-config"));
    assert!(text.contains("# Probability that dropout keeps a hidden unit"), "{text}");
    std::fs::write(folder.path().join("my.toml"), &text).expect("a file");
    assert_eq!(says(gpu_mlp(folder.path()).args(["train", "--config", "my.toml", "--print-config"])), text);
}

#[test]
fn a_file_accepts_what_the_flags_accept() {
    let folder = folder();
    let cases = [
        ("hidden = \"512, 256\"", ["--hidden", "512,256"]),
        ("hidden = \"none\"", ["--hidden", "none"]),
        ("normalize = \"0.1307,0.3081\"", ["--normalize", "0.1307,0.3081"]),
        ("normalize = \"unit\"", ["--normalize", "unit"]),
        ("batch_size = \"30\"", ["--batch-size", "30"]),
    ];
    for (text, flags) in cases {
        std::fs::write(folder.path().join("my.toml"), text).expect("a file");
        let file = printed(gpu_mlp(folder.path()).args(["train", "--config", "my.toml"]));
        assert_eq!(file, printed(gpu_mlp(folder.path()).arg("train").args(flags)), "{text}");
    }
}

#[test]
fn an_unknown_or_wrong_setting_is_refused_with_a_suggestion() {
    let folder = folder();
    let cases = [
        ("learning_rate = 0.1", "unknown setting `learning_rate`"),
        ("epoch = 3", "did you mean `epochs`?"),
        ("batchsize = 3", "did you mean `batch_size`?"),
        ("epochs = \"many\"", "epochs: invalid type: string \"many\""),
        ("epochs = -1", "epochs: "),
        ("hidden = \"12,x\"", "hidden: \"x\" is not a width"),
        ("hidden = 12", "hidden: expected widths"),
        ("normalize = \"12\"", "normalize: use `standard`"),
        ("normalize = { scale = 1 }", "normalize: expected `standard`"),
        ("normalize = { scale = 1, shift = 0, typo = 3 }", "normalize: expected `standard`"),
        ("lr = nan", "lr is NaN"),
        ("activation = \"rely\"", "unknown variant `rely`"),
        ("digits_train = \"few\"", "few"),
        ("epochs = ", "expected"),
        ("epochs = 0", "epochs is 0 but must be at least 1"),
    ];
    for (text, words) in cases {
        std::fs::write(folder.path().join("my.toml"), text).expect("a file");
        let stderr = refuses(gpu_mlp(folder.path()).args(["train", "--config", "my.toml"]), 2);
        assert!(stderr.contains(words) && stderr.contains("next: "), "{text}: {stderr}");
    }
    assert!(refuses(gpu_mlp(folder.path()).args(["train", "--config", "none.toml"]), 2).contains("none.toml"));
    assert!(refuses(gpu_mlp(folder.path()).args(["train", "--preset", "nilsen"]), 2).contains("did you mean nielsen?"));
}

#[test]
fn an_unknown_variable_is_refused() {
    let folder = folder();
    let refused = |name: &str, value: &str| {
        let mut command = gpu_mlp(folder.path());
        refuses(command.args(["train", "--print-config"]).env(name, value), 2)
    };
    let stderr = refused("GPU_MLP_EPOCH", "3");
    assert!(
        stderr.contains("unknown setting GPU_MLP_EPOCH in the environment; did you mean GPU_MLP_EPOCHS?"),
        "{stderr}"
    );
    assert!(stderr.contains("next: "), "{stderr}");
    assert!(refused("GPU_MLP_Q", "3").contains("unknown setting GPU_MLP_Q in the environment\n"));
    // Also for a command that takes no settings.
    refuses(gpu_mlp(folder.path()).arg("presets").env("GPU_MLP_EPOCH", "3"), 2);
    let actions = [
        "force",
        "dry-run",
        "resume",
        "print-config",
        "at",
        "allow-mismatch",
        "out",
        "tensorboard",
        "json",
        "quiet",
        "min-accuracy",
        "inputs",
        "kernels",
    ];
    for action in actions {
        let name = format!("GPU_MLP_{}", action.replace('-', "_").to_uppercase());
        let stderr = refused(&name, "1");
        let said = format!("{name} is set in the environment, but --{action} is an action of one call, not a setting");
        assert!(stderr.contains(&said) && stderr.contains("command line"), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing was written");
    // An empty variable counts as unset, and the other two belong to no option.
    for (name, value) in [("GPU_MLP_FORCE", ""), ("GPU_MLP_DATA_DIR", "/nowhere"), ("GPU_MLP_REQUIRE_ADAPTER", "1")] {
        says(gpu_mlp(folder.path()).args(["train", "--print-config"]).env(name, value));
    }
}

#[test]
fn a_variable_is_a_setting_of_a_run_and_is_named_if_its_value_is_refused() {
    let folder = folder();
    let small = ["--engine", "cpu", "--data", "digits", "--digits-train", "300", "--digits-test", "50"];
    let call = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = gpu_mlp(folder.path());
        command.args(args).args(small).envs(variables.iter().copied());
        command
    };
    // An empty variable counts as unset.
    says(&mut call(&["train", "--epochs", "1"], &[("GPU_MLP_LR", ""), ("GPU_MLP_EARLY_STOPPING", "")]));
    let net = [("GPU_MLP_ACTIVATION", "tanh"), ("GPU_MLP_ALPHA", "0.3"), ("GPU_MLP_NORMALIZE", "unit")];
    says(&mut call(&["eval", "runs/1/model.safetensors"], &net));
    says(&mut call(&["lr-find", "--steps", "60"], &[("GPU_MLP_FROM", "runs/1/model.safetensors")]));
    says(&mut call(&["bench", "--run-only", "--max-time", "0.1", "--floor=0"], &[("GPU_MLP_MAX_TIME", "10m")]));

    let lr = [("GPU_MLP_LR", "fast")];
    let stderr = refuses(&mut call(&["train"], &lr), 2);
    assert!(stderr.contains("--lr") && stderr.contains("GPU_MLP_LR in the environment"), "{stderr}");
    let stderr = refuses(&mut call(&["train", "--lr", "slow"], &lr), 2);
    assert!(stderr.contains("'slow'") && !stderr.contains("GPU_MLP_LR"), "{stderr}");
}

fn model(folder: &Path, run: &str) -> Vec<u8> {
    std::fs::read(folder.join("runs").join(run).join("model.safetensors")).expect("a model")
}

const SMALL: [&str; 6] = ["train", "--engine", "cpu", "--data", "digits", "--digits-train"];

#[test]
fn a_run_repeated_from_its_record_is_bit_identical() {
    let folder = folder();
    let settings = ["--hidden", "33,20", "--keep-prob", "0.7", "--lr", "0.1", "--momentum", "0.3", "--seed", "11"];
    let mut first = gpu_mlp(folder.path());
    says(first.args(SMALL).args(["700", "--digits-test", "90", "--digits-seed", "5", "--epochs", "2"]).args(settings));
    says(gpu_mlp(folder.path()).args(["train", "--engine", "cpu", "--config", "runs/1"]));
    says(gpu_mlp(folder.path()).args(["train", "--engine", "cpu", "--config", "runs/2/config.toml"]));
    assert!(model(folder.path(), "1") == model(folder.path(), "2"), "fed back");
    assert!(model(folder.path(), "1") == model(folder.path(), "3"), "fed back twice");
    let record = |run: &str| std::fs::read_to_string(folder.path().join(run).join("config.toml")).expect("a record");
    assert_eq!(record("runs/1"), record("runs/3"));
    says(gpu_mlp(folder.path()).args(["train", "--engine", "cpu", "--config", "runs/1", "--seed", "12"]));
    assert!(model(folder.path(), "1") != model(folder.path(), "4"), "another seed is another run");
}

#[test]
fn a_repetition_on_other_data_is_refused_unless_requested() {
    let folder = folder();
    says(gpu_mlp(folder.path()).args(SMALL).args(["300", "--digits-test", "50", "--epochs", "1"]));
    let path = folder.path().join("runs/1/config.toml");
    let text = std::fs::read_to_string(&path).expect("a record");
    assert!(text.contains("digits_train = 300"), "{text}");
    std::fs::write(&path, text.replace("digits_train = 300", "digits_train = 301")).expect("a file");
    let stderr = refuses(gpu_mlp(folder.path()).args(["train", "--engine", "cpu", "--config", "runs/1"]), 5);
    assert!(stderr.contains("the hash") && stderr.contains("--data"), "{stderr}");
    says(gpu_mlp(folder.path()).args(["train", "--engine", "cpu", "--config", "runs/1", "--data", "digits"]));
}

#[test]
fn a_run_that_started_from_a_model_names_it_and_is_repeated_only_from_it() {
    let folder = folder();
    let small = ["300", "--digits-test", "50", "--epochs", "1", "--hidden", "20"];
    let begin = ["--from", "runs/1/model.safetensors"];
    says(gpu_mlp(folder.path()).args(SMALL).args(small));
    says(gpu_mlp(folder.path()).args(SMALL).args(small).args(begin));
    let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).expect("a text");
    let file: toml::Table = read("runs/2/config.toml").parse().expect("TOML");
    let header: serde_json::Value =
        serde_json::from_str(read("runs/2/metrics.jsonl").lines().next().expect("a record")).expect("JSON");
    let hash: String = Sha256::digest(model(folder.path(), "1")).iter().map(|byte| format!("{byte:02x}")).collect();
    let from = &file["record"]["from"];
    assert_eq!((from["path"].as_str(), from["sha256"].as_str()), (Some(begin[1]), Some(hash.as_str())));
    assert_eq!((&header["from"]["path"], &header["from"]["sha256"]), (&begin[1].into(), &hash.as_str().into()));

    let repeat = || {
        let mut command = gpu_mlp(folder.path());
        command.args(["train", "--engine", "cpu", "--config", "runs/2"]);
        command
    };
    says(&mut repeat());
    assert!(model(folder.path(), "2") == model(folder.path(), "3"), "from the same model");
    says(gpu_mlp(folder.path()).args(SMALL).args(small).args(["--seed", "2", "--out", "runs/1", "--force"]));
    let stderr = refuses(&mut repeat(), 5);
    let began = format!("its run started with runs/1/model.safetensors (sha256 {}", &hash[..16]);
    assert!(stderr.contains(&began) && stderr.contains("give --from"), "{stderr}");
    says(repeat().args(begin));
}

#[test]
fn a_file_holds_every_setting_exactly() {
    let nothing = DataSettings::default();
    let odd = Config {
        lr: Some(0.1 + f32::EPSILON),
        epsilon: 1e-30,
        batch_size: BatchSize::Full,
        hidden: vec![],
        ..Config::default()
    };
    let configs = Preset::ALL.map(|preset| preset.config()).into_iter().chain([odd, Config::default()]);
    for config in configs {
        let text = to_text(&config, &nothing, None, |_| None).expect("TOML");
        let file = RunFile::parse(&text, Path::new("x")).expect("TOML");
        assert_eq!(Config::default().with(&file.settings).expect("settings"), config, "{text}");
    }
}

#[test]
fn presets_are_listed_with_their_sources_and_print_their_settings() {
    let folder = folder();
    let list = says(gpu_mlp(folder.path()).arg("presets"));
    for preset in Preset::ALL {
        for fact in [preset.name, preset.recipe, preset.source, preset.stated, preset.measured] {
            assert!(!fact.is_empty() && list.contains(fact), "{fact}: {list}");
        }
        preset.config().check(60_000).expect("a preset can be trained");
        let mut command = gpu_mlp(folder.path());
        let all = printed(command.args(["train", "--preset", preset.name]));
        assert_eq!(all["epochs"].as_integer(), Some(preset.config().epochs as i64));
    }
}
