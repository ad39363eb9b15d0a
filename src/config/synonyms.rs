//! Names of other tools for settings and their values: PyTorch, Keras, scikit-learn, Hugging Face. They are not accepted,
//! because some differ in meaning; an error names the setting or value of this program.

use crate::base::text::plain;

/// A name of another tool, and what this program has in its place.
#[derive(Clone, Copy, Debug)]
pub struct Synonym {
    /// Separated by spaces, as [`plain`] writes them.
    names: &'static str,
    /// The setting or option of this program, with hyphens.
    pub option: &'static str,
    value: Value,
    /// How the meaning differs; may be empty.
    pub note: &'static str,
}

/// What a value of the other tool is here.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// The same, or its synonym.
    Same,
    /// Another one, which the note describes.
    Other,
    /// 1 minus the value.
    Complement,
    /// This one for any value; none if empty.
    Fixed(&'static str),
}

impl Synonym {
    /// Returns the value for the option of this program, if it is another one that follows from the given one.
    pub fn value(&self, given: Option<&str>) -> Option<String> {
        match self.value {
            Value::Other => None,
            Value::Fixed(value) => (!value.is_empty()).then(|| value.into()),
            Value::Same => {
                let (ours, _) = value(self.option, given?)?;
                (!ours.is_empty()).then(|| ours.into())
            }
            Value::Complement => {
                let share: f64 = given?.parse().ok()?;
                // Rounded, because 1 − 0.9 is not 0.1 in binary.
                (0.0..1.0).contains(&share).then(|| ((1e6 * (1.0 - share)).round() / 1e6).to_string())
            }
        }
    }
}

/// The setting that other tools call `name`.
pub fn name(name: &str) -> Option<&'static Synonym> {
    let name = plain(name);
    NAMES.iter().find(|synonym| contains(synonym.names, &name))
}

/// The value of a setting that other tools call `value`, and how its meaning differs (may be empty). An empty value means that
/// this program has nothing like it.
pub fn value(option: &str, value: &str) -> Option<(&'static str, &'static str)> {
    let (option, value) = (plain(option), plain(value));
    let mut of_option = VALUES.iter().filter(|(options, ..)| plain(options) == option);
    of_option.find(|(_, names, ..)| contains(names, &value)).map(|&(_, _, ours, note)| (ours, note))
}

/// The options that have synonyms.
pub fn options() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|synonym| synonym.option)
}

fn contains(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}

const fn s(names: &'static str, option: &'static str, value: Value, note: &'static str) -> Synonym {
    Synonym { names, option, value, note }
}

use Value::{Complement, Fixed, Other, Same};

const NAMES: &[Synonym] = &[
    // The net.
    s(
        "hiddenlayers hiddenlayersizes hiddenunits hiddensize hiddensizes hiddendim hiddendims layers layersizes nlayers numlayers depth units neurons nodes width widths arch architecture",
        "hidden",
        Other,
        "the widths of the hidden layers, such as 128 or 512,512",
    ),
    s("act activationfunction activationfn hiddenactivation nonlinearity", "activation", Same, ""),
    s("negativeslope leak leakiness slope", "alpha", Same, "the slope of leaky-relu below zero"),
    s("initializer initialization kernelinitializer weightinit initweights winit", "init", Same, ""),
    s(
        "dropout dropoutrate dropoutp dropoutprob pdrop pdropout droprate dropprob",
        "keep-prob",
        Complement,
        "the probability to keep a unit, which is 1 minus the dropout rate",
    ),
    s(
        "inputdropout inputdropoutrate dropoutinput",
        "input-keep-prob",
        Complement,
        "the probability to keep an input, which is 1 minus the dropout rate",
    ),
    s(
        "normalise normalization standardize scaling mean std",
        "normalize",
        Other,
        "unit, standard, or MEAN,DEVIATION of pixels in 0 … 1",
    ),
    // Training.
    s("learningrate learningrateinit initiallr initlr baselr maxlr lr0 eta rate stepsize", "lr", Same, ""),
    s("batch bs bsz trainbatchsize minibatch minibatchsize batchsz", "batch-size", Same, ""),
    s("microbatch microbatchsize", "physical-batch", Same, ""),
    s(
        "gradientaccumulationsteps accumulategradbatches gradaccum gradaccumsteps accumulationsteps accum",
        "accumulate",
        Same,
        "",
    ),
    s("epoch numepochs nepochs nbepochs nepoch maxepochs numtrainepochs maxiter", "epochs", Same, ""),
    s(
        "iterations iters maxiters numiters steps numsteps trainsteps updates maxupdates",
        "max-steps",
        Same,
        "stops after this many updates; the schedule still spans all epochs",
    ),
    s("timeout timelimit maxduration timebudget", "max-time", Same, ""),
    s("optim opt solver algorithm algo", "optimizer", Same, ""),
    s("nesterovs nesterovsmomentum usenesterov nesterov nag", "optimizer", Fixed("nesterov"), ""),
    s("adam", "optimizer", Fixed("adam"), ""),
    s("weightdecay wd decay weightdecayrate", "l2", Same, "as PyTorch's weight_decay; decoupled for adamw"),
    s(
        "l2reg l2regularization regularization reg kernelregularizer lambda l2penalty",
        "l2",
        Other,
        "the penalty is l2/2·|w|², so Keras' l2(0.01) is 0.02 here",
    ),
    s("beta betas", "beta1", Other, "and beta2: the two decay rates of Adam, one option each"),
    s("eps adamepsilon", "epsilon", Same, ""),
    s(
        "gradclip clip clipgrad clipgradnorm gradclipnorm gradientclip gradientclipval maxgradnorm gradientclipping globalclipnorm",
        "clip-norm",
        Same,
        "by the norm of all gradients together",
    ),
    s("clipgradvalue gradclipvalue clipval", "clip-value", Same, ""),
    s("emadecay useema emamomentum modelema averagedecay", "ema", Other, "the decay, such as 0.999"),
    s("smoothing labelsmooth ls", "label-smoothing", Same, ""),
    s("randomstate randomseed rngseed manualseed rng", "seed", Same, ""),
    s("amp fp16 f16 half halfprecision mixedprecision autocast usefp16", "precision", Fixed("f16-mixed"), ""),
    s("dtype computedtype", "precision", Same, ""),
    // Rates.
    s("scheduler lrscheduler lrschedule sched lrpolicy lrschedulertype learningrateschedule", "schedule", Same, ""),
    s("gamma lrdecay decayrate lrfactor factor lrdrop", "lr-gamma", Same, ""),
    s("lrstepsize stepepochs decayepochs lrdecayepochs", "lr-step", Same, "in epochs"),
    s("minlr etamin finallr endlr lrmin lrfinal", "lr-end", Other, "a share of the learning rate, not a rate"),
    s("warmupepochs lrwarmup", "warmup", Same, "in epochs"),
    s("warmupsteps warmupiters warmupratio", "warmup", Other, "in epochs, which may be a fraction"),
    s("lrpatience schedulerpatience", "plateau-patience", Same, ""),
    s("pctstart", "cycle-peak", Same, ""),
    s("basemomentum", "momentum-low", Same, ""),
    // Validation and stopping.
    s(
        "val valid valsplit validsplit validationsplit valsize validsize validationsize valfraction validationfraction valratio validationratio holdout dev devsize",
        "validation",
        Same,
        "a number of training samples, or a share of them",
    ),
    s(
        "patience earlystop earlystoppingpatience earlystoppingrounds esp niternochange",
        "early-stopping",
        Same,
        "epochs without a better validation score; needs a validation split",
    ),
    s("tol mindeltaloss", "min-delta", Same, ""),
    s(
        "savebest savebestonly restorebestweights best loadbest loadbestmodelatend keepbest",
        "restore-best",
        Fixed(""),
        "",
    ),
    s(
        "metric metrics loss lossfunction lossfn criterion objective",
        "monitor",
        Other,
        "the validation score that counts, loss or accuracy; the training loss is always cross-entropy",
    ),
    s("trainsize ntrain numtrain maxsamples maxtrainsamples numsamples subset trainsamples", "limit-train", Same, ""),
    // Data, engine, files.
    s("dataset datadir datapath dataroot dataf datafolder traindata root", "data", Same, ""),
    s("nodownload localonly localfilesonly", "offline", Fixed(""), ""),
    s("jobs njobs workers numworkers nthreads numthreads cores cpus", "threads", Same, ""),
    s("device accelerator backendname platform compute", "engine", Same, "auto, gpu or cpu"),
    s("gpu cuda usegpu usecuda mps gpus ngpu rocm", "engine", Fixed("gpu"), ""),
    s("cpu nogpu nocuda usecpu disablecuda", "engine", Fixed("cpu"), ""),
    s("gpuid deviceid deviceindex gpuname", "adapter", Other, "a part of the adapter's name"),
    s(
        "save savedir savepath saveto output outputdir outputfile outputpath outdir outfile o modeldir checkpointdir ckptdir rundir dest",
        "out",
        Same,
        "",
    ),
    s("logdir logs logpath tb tblogdir summarydir tensorboarddir", "tensorboard", Same, ""),
    s("overwrite clobber yes", "force", Fixed(""), ""),
    s("continue resumefrom resumefromcheckpoint restore ckpt checkpoint", "resume", Same, "a run folder"),
    s("pretrained weights load loadmodel initfrom finetune model", "from", Same, "a model file"),
    s("cfg conf configfile configpath settings", "config", Same, ""),
    s("recipe", "preset", Same, ""),
    s("verbosity debug loglevel", "verbose", Fixed(""), "-vv logs more"),
    s("silent noprogress noprogressbar", "quiet", Fixed(""), ""),
    s("dry fastdevrun smoketest", "dry-run", Fixed(""), ""),
];

/// Setting, names as [`plain`] writes them, the value here, and how its meaning differs.
type OfValue = (&'static str, &'static str, &'static str, &'static str);

const VALUES: &[OfValue] = &[
    ("activation", "swish", "silu", ""),
    ("activation", "logistic sig", "sigmoid", ""),
    ("activation", "linear none id", "identity", ""),
    ("activation", "lrelu leaky", "leaky-relu", ""),
    ("activation", "rectifier rectified", "relu", ""),
    ("activation", "gelunew geluapprox gelufast gelupytorchtanh", "gelu-tanh", ""),
    ("activation", "exponentiallinear", "elu", ""),
    ("activation", "hyperbolictangent tan", "tanh", ""),
    ("activation", "relu6 prelu hardswish hardsigmoid hardtanh softmax celu softsign glu", "", ""),
    ("optimizer", "sgdm momentum sgdmomentum sgdwithmomentum", "sgd", "with momentum set to 0.9"),
    ("optimizer", "gd gradientdescent vanilla minibatchgd", "sgd", ""),
    ("optimizer", "nag sgdnesterov nesterovmomentum", "nesterov", ""),
    ("optimizer", "adagrad adadelta adamax nadam radam amsgrad adafactor lion lamb lars lbfgs muon ftrl", "", ""),
    ("schedule", "cos cosineannealing cosineannealinglr cosinedecay cosinelr", "cosine", ""),
    ("schedule", "steplr stepwise stepdecay piecewise piecewiseconstant", "step", ""),
    ("schedule", "exp exponentiallr exponentialdecay", "exponential", ""),
    ("schedule", "fixed none off constantlr", "constant", ""),
    ("schedule", "linearlr lineardecay poly polynomial", "linear", ""),
    ("schedule", "1cycle onecyclelr super cyclic cycliclr", "one-cycle", ""),
    ("schedule", "reduceonplateau reducelronplateau reducelr", "plateau", ""),
    ("init", "kaiming kaimingnormal henormal msra", "he", ""),
    ("init", "xavier xaviernormal glorotnormal", "glorot", ""),
    ("init", "lecunnormal", "lecun", ""),
    ("init", "kaiminguniform heuniform", "he", "which is a normal distribution"),
    ("init", "xavieruniform glorotuniform", "glorot", "which is a normal distribution"),
    ("init", "lecununiform", "lecun", "which is a normal distribution"),
    ("init", "gaussian randomnormal", "normal", ""),
    ("init", "default", "auto", ""),
    ("init", "zeros zero ones orthogonal uniform", "", ""),
    ("engine", "cuda cuda0 mps rocm hip xpu opencl wgpu 0 gpu0 cudagpu", "gpu", ""),
    ("engine", "vulkan metal dx12 gl", "gpu", "and this name as the backend"),
    ("engine", "default any best", "auto", ""),
    ("precision", "fp32 float32 float single 32 full", "f32", ""),
    ("precision", "fp16 float16 half f16 16 amp mixed mixedfloat16 16mixed", "f16-mixed", ""),
    ("precision", "bf16 bfloat16 mixedbfloat16 f64 float64 double tf32", "", ""),
    ("precision", "i8 int exact integer quantized quantised 8 8bit", "int8", ""),
    ("monitor", "valloss validationloss crossentropy", "loss", ""),
    ("monitor", "valacc valaccuracy acc validationaccuracy", "accuracy", ""),
    ("format", "torch pytorch pt pth statedict", "safetensors", ""),
    ("on-nan", "raise error abort halt fail", "stop", ""),
    ("on-nan", "continue skip warn", "ignore", ""),
    ("health", "none no false", "off", ""),
    ("health", "print on true", "show", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_of_other_tools_are_known() {
        let here = |theirs: &str, given: Option<&str>| {
            let synonym = name(theirs).unwrap_or_else(|| panic!("{theirs}"));
            (synonym.option, synonym.value(given))
        };
        assert_eq!(here("dropout", Some("0.2")), ("keep-prob", Some("0.8".into())));
        assert_eq!(here("dropout_rate", Some("0.9")), ("keep-prob", Some("0.1".into())));
        assert_eq!(here("Dropout", Some("20")), ("keep-prob", None));
        assert_eq!(here("learningRate", Some("0.1")), ("lr", None));
        assert_eq!(here("device", Some("cuda:0")), ("engine", Some("gpu".into())));
        assert_eq!(here("optim", Some("SGDM")), ("optimizer", Some("sgd".into())));
        assert_eq!(here("hidden-layers", Some("2")), ("hidden", None));
        assert!(name("epochs").is_none() && name("").is_none() && name("xyzzy").is_none());
        assert_eq!(value("activation", "Swish"), Some(("silu", "")));
        assert_eq!(value("activation", "mish"), None);
    }

    #[test]
    fn each_name_and_value_is_listed_once_in_its_plain_form() {
        let mut names: Vec<&str> = NAMES.iter().flat_map(|synonym| synonym.names.split(' ')).collect();
        let of = |&(option, names, ..): &OfValue| {
            names.split(' ').map(move |name| format!("{option} {name}")).collect::<Vec<_>>()
        };
        let mut values: Vec<String> = VALUES.iter().flat_map(of).collect();
        assert!(names.iter().all(|name| plain(name) == *name && !name.is_empty()));
        assert!(
            VALUES
                .iter()
                .flat_map(|(_, names, ..)| names.split(' '))
                .all(|name| plain(name) == name && !name.is_empty())
        );
        let count = (names.len(), values.len());
        names.sort();
        names.dedup();
        values.sort();
        values.dedup();
        assert_eq!((names.len(), values.len()), count);
    }
}
