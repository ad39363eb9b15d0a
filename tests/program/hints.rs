//! Names of other tools, files that are not what their name says, and the origin of a refused value.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Stderr of a command that must exit with `code`.
#[track_caller]
fn refused(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
    stderr
}

/// Stdout and stderr of a command that must succeed.
#[track_caller]
fn done(command: &mut Command) -> [String; 2] {
    let output = command.output().unwrap();
    let texts = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{command:?}: {}", texts[1]);
    texts
}

fn train(folder: &Path, args: &[&str]) -> Command {
    let mut command = gpu_mlp(folder);
    command.args(["train", "--engine", "cpu", "--data", "digits", "--digits-train", "400", "--digits-test", "50"]);
    if !args.contains(&"--epochs") {
        command.args(["--epochs", "1"]);
    }
    command.args(["--hidden", "8"]).args(args);
    command
}

#[test]
fn options_of_other_tools_are_named_as_here() {
    let folder = TempDir::new().unwrap();
    let cases: [(&[&str], &str); 33] = [
        (&["--dropout", "0.2"], "use --keep-prob 0.8: the probability to keep a unit"),
        (&["--dropout=0.25"], "use --keep-prob 0.75"),
        (&["--weight-decay", "1e-4"], "use --l2"),
        (&["--wd", "1e-4"], "use --l2"),
        (&["--patience", "3"], "use --early-stopping"),
        (&["--device", "cuda"], "use --engine gpu"),
        (&["--device", "cpu"], "use --engine"),
        (&["--gpu"], "use --engine gpu"),
        (&["--cuda"], "use --engine gpu"),
        (&["--no-cuda"], "use --engine cpu"),
        (&["--learning-rate", "0.1"], "use --lr"),
        (&["--learning_rate=0.1"], "use --lr"),
        (&["--learningRate", "0.1"], "use --lr"),
        (&["-lr", "0.1"], "use --lr"),
        (&["lr=0.1"], "use --lr"),
        (&["--batch_size", "32"], "use --batch-size"),
        (&["--batch", "32"], "use --batch-size"),
        (&["--epoch", "3"], "use --epochs"),
        (&["--validation-split", "0.1"], "use --validation"),
        (&["--val", "0.1"], "use --validation"),
        (&["--hidden-layers", "2"], "use --hidden: the widths"),
        (&["--layers", "2"], "use --hidden"),
        (&["--units", "64"], "use --hidden"),
        (&["--optim", "sgdm"], "use --optimizer sgd"),
        (&["--nesterov"], "use --optimizer nesterov"),
        (&["--scheduler", "cosineannealing"], "use --schedule cosine"),
        (&["--save", "m"], "use --out"),
        (&["--output", "m"], "use --out"),
        (&["--loss", "mse"], "the loss is mse, but the data set has 10 classes as target: use cross-entropy"),
        (&["--amp"], "use --precision f16-mixed"),
        (&["--log-dir", "x"], "use --tensorboard"),
        (&["--random-state", "1"], "use --seed"),
        (&["--max-grad-norm", "1"], "use --clip-norm"),
    ];
    for (args, words) in cases {
        let stderr = refused(&mut train(folder.path(), args), 2);
        assert!(stderr.contains(words) && !stderr.contains("similar argument"), "{args:?}: {stderr}");
    }
    // A command without the option gives no hint at it.
    assert!(!refused(gpu_mlp(folder.path()).args(["devices", "--dropout", "0.2"]), 2).contains("keep-prob"));
    assert!(refused(gpu_mlp(folder.path()).args(["eval", "m", "--device", "cuda"]), 2).contains("use --engine gpu"));
}

#[test]
fn values_of_other_tools_are_named_as_here() {
    let folder = TempDir::new().unwrap();
    let cases = [
        (["--activation", "swish"], "similar value exists: 'silu'"),
        (["--activation", "logistic"], "similar value exists: 'sigmoid'"),
        (["--activation", "linear"], "similar value exists: 'identity'"),
        (["--activation", "leakyrelu"], "similar value exists: 'leaky-relu'"),
        (["--activation", "ReLU"], "similar value exists: 'relu'"),
        (["--optimizer", "sgdm"], "use sgd, with momentum set to 0.9"),
        (["--optimizer", "nag"], "similar value exists: 'nesterov'"),
        (["--optimizer", "adagrad"], "there is no adagrad here"),
        (["--schedule", "CosineAnnealingLR"], "similar value exists: 'cosine'"),
        (["--init", "kaiming"], "similar value exists: 'he'"),
        (["--engine", "cuda"], "similar value exists: 'gpu'"),
        (["--engine", "mps"], "similar value exists: 'gpu'"),
        (["--precision", "fp16"], "similar value exists: 'f16-mixed'"),
    ];
    for (args, words) in cases {
        let stderr = refused(gpu_mlp(folder.path()).arg("train").args(args), 2);
        assert!(stderr.contains(words) && !stderr.contains("'mish'"), "{args:?}: {stderr}");
    }
    let stderr = refused(gpu_mlp(folder.path()).arg("train").env("GPU_MLP_ACTIVATION", "swish"), 2);
    assert!(stderr.contains("'silu'") && stderr.contains("GPU_MLP_ACTIVATION in the environment"), "{stderr}");
}

#[test]
fn files_and_variables_of_other_tools_get_the_same_hints() {
    let folder = TempDir::new().unwrap();
    let cases = [
        ("dropout = 0.2", "unknown setting `dropout`; did you mean `keep_prob = 0.8`? (the probability to keep a unit"),
        ("learning_rate = 0.1", "did you mean `lr`?"),
        ("nesterov = true", "did you mean `optimizer = \"nesterov\"`?"),
        ("batchSize = 3", "did you mean `batch_size`?"),
        ("engine = \"gpu\"", "a file has no key for the option `engine`"),
        ("device = \"cuda\"", "a file has no key for the option `engine`"),
        ("activation = \"swish\"", "did you mean `silu`?"),
        ("optimizer = \"SGDM\"", "did you mean `sgd`? (with momentum set to 0.9)"),
    ];
    for (text, words) in cases {
        std::fs::write(folder.path().join("my.toml"), text).unwrap();
        let stderr = refused(gpu_mlp(folder.path()).args(["train", "--config", "my.toml"]), 2);
        assert!(stderr.contains(words) && stderr.contains("my.toml"), "{text}: {stderr}");
    }
    let variables = [
        (["GPU_MLP_DROPOUT", "0.2"], "did you mean GPU_MLP_KEEP_PROB=0.8?"),
        (["GPU_MLP_LEARNING_RATE", "0.2"], "did you mean GPU_MLP_LR?"),
        (["GPU_MLP_DEVICE", "cuda"], "did you mean GPU_MLP_ENGINE=gpu?"),
        (["GPU_MLP_LOGDIR", "x"], "did you mean --tensorboard on the command line?"),
        (["GPU_MLP_BATCHSIZE", "3"], "did you mean GPU_MLP_BATCH_SIZE?"),
    ];
    for ([name, value], words) in variables {
        let stderr = refused(gpu_mlp(folder.path()).arg("train").env(name, value), 2);
        assert!(stderr.contains(&format!("unknown setting {name}")) && stderr.contains(words), "{name}: {stderr}");
    }
}

#[test]
fn a_share_of_the_training_split_is_recorded_as_a_number() {
    let folder = TempDir::new().unwrap();
    let [_, stderr] = done(&mut train(folder.path(), &["--validation", "0.1", "--limit-train", "0.5"]));
    assert!(stderr.contains("split: 200 training samples, 40 validation samples"), "{stderr}");
    let record = std::fs::read_to_string(folder.path().join("runs/1/config.toml")).unwrap();
    assert!(record.contains("\nvalidation = 40\n") && record.contains("\nlimit_train = 200\n"), "{record}");
    std::fs::write(folder.path().join("my.toml"), "validation = 0.1").unwrap();
    let [stdout, _] = done(gpu_mlp(folder.path()).args(["train", "--config", "my.toml", "--print-config"]));
    assert!(stdout.contains("validation = 0.1 "), "{stdout}");
    done(&mut train(folder.path(), &["--config", "my.toml", "--early-stopping", "2"]));
    for share in ["1.0", "0.0", "-0.1", "10%", "NaN"] {
        let stderr = refused(&mut train(folder.path(), &["--validation", share]), 2);
        assert!(stderr.contains("a share of the training split above 0 and below 1"), "{stderr}");
    }
}

#[test]
fn a_file_that_is_something_else_is_named_as_what_it_is() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let utf16: Vec<u8> = "\u{feff}epochs = 3\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let cases: [(&[u8], &str); 6] = [
        (&utf16, "UTF-16"),
        (lfs, "Git LFS pointer"),
        (b"<!DOCTYPE html><title>404</title>", "web page"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture"),
        (b"PK\x03\x04", "torch.save"),
        (b"", "empty"),
    ];
    for (bytes, words) in cases {
        at("m", bytes);
        let stderr = refused(gpu_mlp(folder.path()).args(["eval", "m", "--data", "digits"]), 5);
        assert!(stderr.starts_with("error: m: ") && stderr.contains(words), "{stderr}");
        if !["empty", "torch.save"].contains(&words) {
            let stderr = refused(gpu_mlp(folder.path()).args(["train", "--config", "m"]), 2);
            assert!(stderr.starts_with("error: m: ") && stderr.contains(words), "{stderr}");
        }
    }
    at("m", &[0xff, 0xfe, 0xfd]);
    assert!(refused(gpu_mlp(folder.path()).args(["train", "--config", "m"]), 2).contains("not UTF-8"));
    at("bom.toml", "\u{feff}epochs = 3\n".as_bytes());
    let [stdout, _] = done(gpu_mlp(folder.path()).args(["train", "--config", "bom.toml", "--print-config"]));
    assert!(stdout.contains("\nepochs = 3 "), "{stdout}");
    for text in [r#"data = "C:\mnist""#, r#"data = "C:\train\new""#, r#"from = "C:\Users\me""#] {
        at("path.toml", text.as_bytes());
        let stderr = refused(gpu_mlp(folder.path()).args(["train", "--config", "path.toml"]), 2);
        assert!(stderr.contains("put paths in single quotes"), "{text}: {stderr}");
    }
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let stderr = refused(gpu_mlp(folder.path()).args(["eval", "empty", "--data", "digits"]), 5);
    assert!(stderr.contains("no run ended in this folder"), "{stderr}");
    let stderr = refused(gpu_mlp(folder.path()).args(["train", "--config", "empty"]), 2);
    assert!(stderr.contains("this folder holds no run"), "{stderr}");
}

#[test]
fn mean_and_deviation_in_units_of_bytes_are_refused() {
    let folder = TempDir::new().unwrap();
    for (given, advice) in [("33,78", "give 0.1294,0.3059"), ("0.13,78", "at most 1"), ("-33,1", "at most 1")] {
        let stderr = refused(&mut train(folder.path(), &["--normalize", given]), 2);
        assert!(stderr.contains("pixels are in 0 … 1 here") && stderr.contains(advice), "{stderr}");
    }
    let stderr = refused(&mut train(folder.path(), &["--lr", "inf"]), 2);
    assert!(stderr.contains("lr is inf but must be a finite number above 0"), "{stderr}");
}

#[test]
fn truth_is_read_alike_in_flags_variables_and_files() {
    let folder = TempDir::new().unwrap();
    let read = |command: &mut Command| done(command.arg("--print-config"))[0].contains("restore_best = true");
    for (word, truth) in
        [("1", true), ("yes", true), ("on", true), ("TRUE", true), ("0", false), ("no", false), ("off", false)]
    {
        let mut flag = train(folder.path(), &["--validation", "9"]);
        assert_eq!(read(flag.arg(format!("--restore-best={word}"))), truth, "{word}");
        let mut variable = train(folder.path(), &["--validation", "9"]);
        assert_eq!(read(variable.env("GPU_MLP_RESTORE_BEST", word).env("GPU_MLP_OFFLINE", word)), truth, "{word}");
        for value in [format!("\"{word}\""), word.to_lowercase()] {
            if value.parse::<u8>().is_ok() || ["true", "\""].iter().any(|plain| value.starts_with(plain)) {
                std::fs::write(folder.path().join("my.toml"), format!("restore_best = {value}")).unwrap();
                let mut file = train(folder.path(), &["--validation", "9", "--config", "my.toml"]);
                assert_eq!(read(&mut file), truth, "{value}");
            }
        }
    }
    refused(train(folder.path(), &[]).env("GPU_MLP_RESTORE_BEST", "maybe"), 2);
}

#[test]
fn a_refused_value_names_its_origin() {
    let folder = TempDir::new().unwrap();
    let stderr = refused(train(folder.path(), &[]).env("GPU_MLP_LR", "0"), 2);
    assert!(stderr.contains("lr is 0") && stderr.contains("lr comes from GPU_MLP_LR in the environment"), "{stderr}");
    std::fs::write(folder.path().join("my.toml"), "lr = 0.0\n").unwrap();
    let stderr = refused(&mut train(folder.path(), &["--config", "my.toml"]), 2);
    assert!(stderr.contains("lr is 0") && stderr.contains("lr comes from my.toml"), "{stderr}");
    let stderr = refused(train(folder.path(), &["--config", "my.toml", "--lr", "-1"]).env("GPU_MLP_LR", "0"), 2);
    assert!(stderr.contains("lr is -1") && !stderr.contains("comes from"), "{stderr}");

    done(&mut train(folder.path(), &["--max-steps", "3"]));
    let mut resumed = gpu_mlp(folder.path());
    let stderr = refused(resumed.args(["train", "--resume", "runs/1"]).env("GPU_MLP_LR", "0.3"), 2);
    assert!(stderr.contains("lr: 0.2 then, 0.3 now (from GPU_MLP_LR in the environment)"), "{stderr}");

    // The usage line does not list what the environment has set.
    let stderr = refused(train(folder.path(), &["--no-such-option"]).env("GPU_MLP_OFFLINE", "1"), 2);
    assert!(stderr.contains("Usage: gpu-mlp train [OPTIONS]\n"), "{stderr}");
}

#[test]
fn forms_of_another_net_or_precision_are_named_and_not_recorded() {
    let folder = TempDir::new().unwrap();
    let file = |forms: &str| std::fs::write(folder.path().join("my.toml"), format!("[forms]\n{forms}")).unwrap();
    file("\"linear 64x784x8\" = \"half\"\n\"linear 64x784x9\" = \"tiled\"\n\"update_sgd 64x784x8\" = \"tiled\"\n");
    let [_, stderr] = done(&mut train(folder.path(), &["--config", "my.toml"]));
    assert!(stderr.contains("note: 2 forms of the settings are not used (linear 64x784x8 half …)"), "{stderr}");
    let record = std::fs::read_to_string(folder.path().join("runs/1/config.toml")).unwrap();
    assert!(
        !record.contains("half") && !record.contains("x9") && record.contains("\"update_sgd 64x784x8\" = \"tiled\""),
        "{record}"
    );
    for (forms, words) in
        [("\"linear 64x784\" = \"tiled\"", "needs batch"), ("\"linar 1x2x3\" = \"tiled\"", "unknown product")]
    {
        file(forms);
        let stderr = refused(&mut train(folder.path(), &["--config", "my.toml"]), 2);
        assert!(stderr.contains("my.toml: forms: ") && stderr.contains(words), "{stderr}");
    }
}

#[test]
fn one_option_of_the_digits_leaves_the_others_as_the_model_was_trained() {
    let folder = TempDir::new().unwrap();
    done(&mut train(folder.path(), &["--digits-seed", "7"]));
    let [_, stderr] = done(gpu_mlp(folder.path()).args(["eval", "runs/1", "--engine", "cpu", "--digits-test", "60"]));
    assert!(stderr.contains("data: digits, 400 + 60 samples"), "{stderr}");
    // The names are equal, so the note names what differs.
    assert!(
        stderr.contains("note: the model was trained on digits (")
            && stderr.contains("), but this data set is digits (")
    );
}

#[test]
fn a_second_new_run_does_not_mix_its_curves_with_the_first() {
    let folder = TempDir::new().unwrap();
    let events = |of: &str| {
        let entries = std::fs::read_dir(folder.path().join(of)).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("tfevents")).count()
    };
    done(&mut train(folder.path(), &["--tensorboard", "board"]));
    let [_, stderr] = done(&mut train(folder.path(), &["--tensorboard", "board", "--max-steps", "3"]));
    assert!(stderr.contains("note: board holds curves of another run; those of this run are in board/2"), "{stderr}");
    // The resumed run finds its own folder, also if the outer one is given again.
    done(gpu_mlp(folder.path()).args(["train", "--resume", "runs/2", "--max-steps", "5"]));
    done(gpu_mlp(folder.path()).args(["train", "--resume", "runs/2", "--tensorboard", "board"]));
    assert_eq!((events("board"), events("board/2")), (1, 3));
}

#[test]
#[cfg(target_os = "linux")]
fn an_error_of_the_output_names_it() {
    let folder = TempDir::new().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let stderr = refused(gpu_mlp(folder.path()).arg("presets").stdout(full), 1);
    assert!(stderr.contains("error: stdout: ") && stderr.contains("next: make space"), "{stderr}");
}

#[test]
fn a_repetition_on_another_engine_names_both() {
    let folder = TempDir::new().unwrap();
    done(&mut train(folder.path(), &[]));
    let path = folder.path().join("runs/1/config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("engine = \"cpu\"", "engine = \"gpu\"").replace("threads\"", "cores\""))
        .unwrap();
    let [_, stderr] = done(gpu_mlp(folder.path()).args(["train", "--config", "runs/1", "--engine", "cpu"]));
    assert!(
        stderr.contains("it ran on the gpu engine, ") && stderr.contains("this run is on the cpu engine, "),
        "{stderr}"
    );
}

#[test]
fn short_runs_are_measured_and_the_report_says_if_none_was() {
    let folder = TempDir::new().unwrap();
    let [stdout, _] = done(&mut train(folder.path(), &["--batch-size", "full", "--epochs", "47", "--health", "show"]));
    assert!(stdout.contains("  update/weights "), "{stdout}");
    done(&mut train(folder.path(), &["--batch-size", "full", "--epochs", "60", "--max-steps", "47"]));
    let metrics = std::fs::read_to_string(folder.path().join("runs/2/metrics.jsonl")).unwrap();
    assert_eq!(metrics.matches("\"gradient_norm\"").count(), 2 * 2, "two layers, after updates 1 and 10");
    done(&mut train(folder.path(), &["--health", "off"]));
    done(gpu_mlp(folder.path()).args(["report", "runs/3", "--engine", "cpu"]));
    let page = std::fs::read_to_string(folder.path().join("runs/3/report.html")).unwrap();
    assert!(page.contains("<h2>Gradients</h2>") && page.contains("Not measured in this run."));
}
