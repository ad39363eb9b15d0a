//! Files built to be expensive: headers that declare more than follows, and long runs of cheap elements. Each file has
//! about half a mebibyte or less.

use super::seeds::{archive, npy, safetensors, seeds, zipped};
use super::targets::HASH;
use safetensors::tensor::Dtype;

const SIZE: usize = 1 << 19;
/// Just short enough to be read as a configuration.
const SHORT: usize = (1 << 18) - 1000;

/// The expensive files for a target.
pub fn bombs(target: &str) -> Vec<Vec<u8>> {
    match target {
        "idx" => vec![
            lies(&[60_000, 28, 28]),
            lies(&[u32::MAX; 2]),
            lies(&[u32::MAX; 255]),
            lies(&[1; 255]),
            [lies(&[1 << 19]), vec![7; SIZE]].concat(),
        ],
        "gzip" => {
            let zeros = |declared: u32| zipped(&[lies(&[declared]), vec![0; 32 * SIZE]].concat(), 9);
            let named = [b"\x1f\x8b\x08\x08\0\0\0\0\0\x03".to_vec(), vec![b'a'; SIZE]].concat();
            vec![zeros(32 * SIZE as u32), zeros(9), zeros(u32::MAX), zipped(&[], 9).repeat(SIZE / 20), named]
        }
        "model" => models(),
        "checkpoint" => checkpoints(),
        "config" => texts(&[
            ("a.", "a = 1"),
            ("[", "]"),
            ("a = [", ""),
            ("hidden = [", ""),
            ("a = {a=", ""),
            ("[a.a]\n", ""),
            ("[[a]]\n", ""),
            ("\"", ""),
            ("#\n", ""),
            ("lr = 1\n", ""),
        ])
        .into_iter()
        .chain([
            format!("hidden = [{}1]", "1,".repeat(SHORT / 2)).into_bytes(),
            format!("data = {{{}}}", (0..SHORT / 10).map(|n| format!("k{n}={{}}")).collect::<Vec<_>>().join(","))
                .into_bytes(),
            (0..SHORT / 8).map(|n| format!("k{n}=1\n")).collect::<String>().into_bytes(),
            format!("hidden_{} = 1", "hidden_".repeat(SHORT / 7)).into_bytes(),
            format!("forms = {{ {} }}", (0..SHORT / 16).map(|n| format!("k{n}='plain'")).collect::<Vec<_>>().join(","))
                .into_bytes(),
        ])
        .collect(),
        "picture" => pictures(),
        "metrics" => metrics(),
        "csv" => vec![
            ",".repeat(SIZE).into_bytes(),
            "1,".repeat(SIZE / 2).into_bytes(),
            "1,2\n".repeat(SIZE / 4).into_bytes(),
            "\n".repeat(SIZE).into_bytes(),
            [b"label,".to_vec(), vec![b'a'; SIZE]].concat(),
            [b"\"".to_vec(), vec![b'a'; SIZE]].concat(),
            zipped("1,2\n".repeat(SIZE).as_bytes(), 9),
            zipped(",".repeat(32 * SIZE).as_bytes(), 9),
        ],
        "npz" => {
            let four = |header: &str, values: Vec<u8>| {
                let names = ["x_train", "y_train", "x_test", "y_test"];
                archive(&names.map(|name| (name, header, values.clone())))
            };
            vec![
                four(&npy("|u1", "60000, 28, 28"), vec![]),
                four(&npy("|u1", "18446744073709551615,"), vec![1]),
                four(&npy("<f8", "4294967296, 4294967296"), vec![1]),
                four(&npy("|u1", &format!("{}1", "1, ".repeat(3000))), vec![1]),
                four(&npy("|u1", &format!("{},", 8 * SIZE)), vec![0; 8 * SIZE]),
                four(&"'shape': (".repeat(6000), vec![]),
                archive(&[("", "", vec![])]).repeat(3),
            ]
        }
        "table" => [
            bombs("csv"),
            vec![
                "a,b\n\"".repeat(SIZE / 5).into_bytes(),
                "\"".repeat(SIZE).into_bytes(),
                " ".repeat(SIZE).into_bytes(),
                "x y\n".repeat(SIZE / 4).into_bytes(),
                (0..SIZE / 8).map(|at| format!("1,{at:x}z\n")).collect::<String>().into_bytes(),
                (0..SIZE / 8).map(|at| format!("{at:x}z,1\n")).collect::<String>().into_bytes(),
                (0..1 << 16).map(|at| format!("{at:x},")).collect::<String>().into_bytes(),
                [",".repeat((1 << 18) - 1), ",".repeat((1 << 18) - 1)].join("\n").into_bytes(),
                zipped((0..SIZE).map(|at| format!("1,{at:x}z\n")).collect::<String>().as_bytes(), 9),
            ],
        ]
        .concat(),
        "npy" | "archive" => {
            let array = |header: &str, values: &[u8]| {
                [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
            };
            let wide = npy("|u1", "1, 18446744073709551615");
            if target == "npy" {
                return vec![
                    array(&npy("<f8", "4294967296, 4294967296"), &[0]),
                    array(&wide, &[0]),
                    array(&npy("|u1", &format!("{SIZE}, 1")), &vec![7; SIZE]),
                    array(&npy("|u1", &format!("1, {SIZE}")), &vec![7; SIZE]),
                    array(&npy("|u1", &format!("2, {}", SIZE / 2)).replace("False", "True"), &vec![7; SIZE]),
                    array(&npy("<f2", &format!("{}, 1", SIZE / 2)), &vec![1; SIZE]),
                ];
            }
            let long = npy("|u1", &format!("{}, 2", 4 * SIZE));
            let fortran = long.replace("False", "True");
            vec![
                archive(&[("x", &wide, vec![0]), ("y", &wide, vec![0])]),
                archive(&[("y", &long, vec![0; 8 * SIZE]), ("x", &long, vec![0; 8 * SIZE])]),
                archive(&[("y", &long, vec![0; 8 * SIZE]), ("x", &fortran, vec![0; 8 * SIZE])]),
            ]
        }
        "tensors" => vec![
            with_header(r#"{"x":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,4]}}"#, 4),
            with_header(r#"{"x":{"dtype":"F32","shape":[1,1],"data_offsets":[0,18446744073709551615]}}"#, 4),
            with_header(
                &format!(r#"{{"x":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#, "1,".repeat(SIZE / 2)),
                4,
            ),
            with_header(&format!(r#"{{"x":{{"dtype":"U8","shape":[{SIZE},1],"data_offsets":[0,{SIZE}]}}}}"#), SIZE),
            with_header(&"[".repeat(SIZE), 0),
            with_header(&format!("{{{}}}", r#""a":{},"#.repeat(SIZE / 7)), 0),
            [u64::MAX.to_le_bytes().to_vec(), vec![b' '; SIZE]].concat(),
            [99_000_000_u64.to_le_bytes().to_vec(), b"{}".to_vec()].concat(),
        ],
        #[cfg(feature = "parquet")]
        "parquet" => super::parquet::bombs(),
        other => panic!("{other} has no bombs"),
    }
}

/// An IDX header without data.
fn lies(shape: &[u32]) -> Vec<u8> {
    let dimensions = shape.iter().flat_map(|dimension| dimension.to_be_bytes());
    [0, 0, 8, shape.len() as u8].into_iter().chain(dimensions).collect()
}

/// For each pair, the beginning repeated up to `SHORT` bytes, then the end.
fn texts(parts: &[(&str, &str)]) -> Vec<Vec<u8>> {
    parts.iter().map(|(begin, end)| (begin.repeat(SHORT / begin.len()) + end).into_bytes()).collect()
}

/// JSON in place of a safetensors header, followed by `bytes` zero bytes.
fn with_header(json: &str, bytes: usize) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &vec![0; bytes]].concat()
}

fn models() -> Vec<Vec<u8>> {
    let square = |name: String| format!(r#""{name}.weight":{{"dtype":"F16","shape":[1,1],"data_offsets":"#);
    // The names give no order, so the reader tries all orders.
    let layers = |layers: usize, name: &dyn Fn(usize) -> String| {
        let entries = (0..layers).map(|at| format!("{}[{},{}]}}", square(name(at)), 2 * at, 2 * at + 2));
        with_header(&format!("{{{}}}", entries.collect::<Vec<_>>().join(",")), 2 * layers)
    };
    let mut search: Vec<_> = (0..1000).map(|at| (format!("{at}.weight"), vec![1, 1])).collect();
    search.push(("x.weight".into(), vec![2, 3]));
    let search: Vec<_> = search
        .iter()
        .map(|(name, shape)| (name.as_str(), Dtype::F16, shape.clone(), vec![0; 2 * shape.iter().product::<usize>()]))
        .collect();
    let described = |value: &str| {
        let text = serde_json::Value::from(value).to_string();
        with_header(
            &format!(
                r#"{{"__metadata__":{{"gpu_mlp":{text}}},"w.weight":{{"dtype":"F16","shape":[1,1],"data_offsets":[0,2]}}}}"#
            ),
            2,
        )
    };
    vec![
        layers(1001, &|at| format!("{at}")),
        layers(1002, &|at| format!("{at}")),
        layers(SIZE / 80, &|at| format!("{at}")),
        layers(1, &|_| "a1".repeat(SIZE / 2)),
        safetensors(search),
        with_header(&"[".repeat(SIZE), 0),
        with_header(&format!(r#"{{"__metadata__":{{{}"a":"b"}}}}"#, r#""a":"b","#.repeat(SIZE / 8)), 0),
        with_header(
            &format!(r#"{{"a.weight":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#, "1,".repeat(SIZE / 2)),
            4,
        ),
        with_header(r#"{"a.weight":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,4]}}"#, 4),
        with_header(r#"{"a.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,18446744073709551615]}}"#, 4),
        described(&"[".repeat(SIZE)),
        described(&format!(r#"{{"item":[{}1]}}"#, "1,".repeat(SIZE / 2))),
        described(&format!("{{{}}}", r#""a":{},"#.repeat(SIZE / 7))),
        [u64::MAX.to_le_bytes().to_vec(), vec![b' '; SIZE]].concat(),
        [99_000_000_u64.to_le_bytes().to_vec(), b"{}".to_vec()].concat(),
    ]
}

fn checkpoints() -> Vec<Vec<u8>> {
    // One tensor, named many times.
    let tensor = safetensors([("w", Dtype::F32, vec![1, SIZE / 8], vec![0; SIZE / 2])]);
    let manifest = |names: &str, state: &str| {
        let named = format!(r#"{{"file":"000000000002.safetensors","sha256":"{HASH}"}}"#);
        format!(
            r#"{{"format":1,"step":2,"best":null,"metrics_bytes":0,"tensors":{named},"names":[{names}],"state":{state}}}"#
        )
    };
    let good = &seeds("checkpoint")[1];
    let good =
        String::from_utf8_lossy(&good[..good.iter().position(|&byte| byte == 0).expect("there is one")]).into_owned();
    let (before, after) = (good.find(r#""names":["#).expect("names"), good.find(r#"],"state""#).unwrap_or(0));
    let named_again = |times: usize| match after {
        0 => good.clone(),
        after => format!("{}\"names\":[{}\"w\"{}", &good[..before], "\"w\",".repeat(times), &good[after..]),
    };
    let with = |manifest: String, tensors: &[u8]| [manifest.as_bytes(), &[0], tensors].concat();
    vec![
        with(named_again(1000), &tensor),
        with(manifest(&format!("{}\"w\"", "\"w\",".repeat(SIZE / 8)), "{}"), &tensor),
        with(manifest("", &"[".repeat(SIZE)), &tensor),
        with(manifest("", &format!(r#"{{"words":[{}""]}}"#, r#""","#.repeat(SIZE / 3))), &tensor),
        with("[".repeat(SIZE), &[]),
        with(format!("{{{}}}", r#""a":{},"#.repeat(SIZE / 7)), &[]),
    ]
}

fn metrics() -> Vec<Vec<u8>> {
    let run = "{\"type\":\"run\",\"test_samples\":10}\n";
    let epochs = |order: &mut dyn Iterator<Item = usize>, rest: &str| {
        let line = |n: usize| format!("{{\"type\":\"epoch\",\"epoch\":{n},\"train_loss\":1{rest}}}\n");
        (run.to_string() + &order.map(line).collect::<String>()).into_bytes()
    };
    let scheduled = |config: &str, step: u64| {
        let run = format!("{{\"type\":\"run\",\"train_samples\":1000,\"config\":{{{config}}}}}\n");
        (run + &format!("{{\"type\":\"epoch\",\"epoch\":1,\"step\":{step}}}\n")).into_bytes()
    };
    let most = SIZE / 40;
    let line = |kind: &str, rest: String| format!("{run}{{\"type\":\"{kind}\",{rest}}}\n").into_bytes();
    vec![
        epochs(&mut (0..most), ""),
        epochs(&mut (0..most).rev(), ""),
        epochs(&mut (0..most).map(|n| n * 1_000_000_000_000), ""),
        epochs(&mut (0..1000), &format!(",\"health\":[{}{{}}]", "{},".repeat(160))),
        epochs(&mut (0..20), &format!(",\"health\":[{}{{}}]", "{},".repeat(SIZE / 60))),
        line("epoch", format!("\"epoch\":1,\"health\":[{}{{}}]", "{},".repeat(SIZE / 3))),
        line(
            "run",
            format!(
                "\"config\":{{{}\"\":{{}}}}",
                (0..SIZE / 16).map(|n| format!("\"{n}\":{{\"\":0}},")).collect::<String>()
            ),
        ),
        line("run", format!("\"config\":{{\"a\":{}", "[".repeat(SIZE))),
        line("run", format!("\"widths\":[{}1]", "1,".repeat(SIZE / 2))),
        scheduled("\"epochs\":1000000000000000000,\"warmup\":9e17", u64::MAX),
        scheduled("\"epochs\":1000000000000000000,\"batch_size\":1000000", 1 << 60),
        scheduled("\"epochs\":3,\"batch_size\":\"full\",\"schedule\":\"one-cycle\"", 0),
        scheduled("\"batch_size\":1000,\"accumulate\":18446744073709551615", 1),
        scheduled("\"accumulate\":0,\"lr\":1e39", 1),
        scheduled(
            "\"epochs\":9007199254740992,\"batch_size\":1000,\"schedule\":\"exponential\"",
            9_007_199_254_740_992,
        ),
        // Epochs too close for a double to distinguish.
        epochs(&mut (0..9).map(|n| 100_000_000_000_000_000 + 2 * n), ""),
        line("other", format!("\"a\":[{}1]", "[],".repeat(SIZE / 3))),
        line("run", format!("\"config\":{{\"a\":[{}1]}}", "[[]],".repeat(SIZE / 5))),
        "\n".repeat(SIZE).into_bytes(),
        "{}\n".repeat(SIZE / 3).into_bytes(),
        run.repeat(SIZE / run.len()).into_bytes(),
    ]
}

/// A chunk of a PNG.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(kind);
    sum.update(data);
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &sum.sum().to_be_bytes()].concat()
}

/// A PNG with this size, kind (bit depth, colour type, interlacing), `pixels` zero bytes of image data, and the chunk
/// `extra` before them.
fn png(width: u32, height: u32, kind: [u8; 3], pixels: usize, extra: &[u8]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([kind[0], kind[1], 0, 0, kind[2]]);
    let data = zlib(&vec![0; pixels]);
    [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &header)[..], extra, &chunk(b"IDAT", &data), &chunk(b"IEND", &[])].concat()
}

fn zlib(raw: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(raw).and_then(|()| encoder.finish()).expect("a vector takes all")
}

fn pictures() -> Vec<Vec<u8>> {
    let (grey, rgba16) = ([1, 0, 0], [16, 6, 0]);
    let zeros = zlib(&vec![0; 32 * SIZE]);
    let text = chunk(b"zTXt", &[b"a\0\0", &zeros[..]].concat());
    let profile = chunk(b"iCCP", &[b"a\0\0", &zeros[..]].concat());
    // Changes only the size in a JPEG, which follows the marker SOF0.
    let small = seeds("picture").remove(4);
    let sized = |width: u16, height: u16| {
        let mut bytes = small.clone();
        let at = bytes.windows(2).position(|two| two == [0xff, 0xc0]).expect("a frame") + 5;
        bytes[at..at + 4].copy_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
        bytes
    };
    vec![
        png(8192, 8192, rgba16, 0, &[]),
        png(8192, 8192, grey, 0, &[]),
        png(u32::MAX / 2, u32::MAX / 2, rgba16, 9, &[]),
        // Two files with all the data that they declare: one pixel high, and one pixel wide.
        png(1 << 26, 1, grey, (1 << 23) + 1, &[]),
        png(1, 1 << 22, grey, 1 << 23, &[]),
        png(4096, 4096, grey, 4096 * 513, &[]),
        png(2048, 2048, [8, 0, 1], 2048 * 2048 + 4096 * 2, &[]),
        png(3, 3, grey, 6, &text.repeat(8)),
        png(3, 3, grey, 6, &profile),
        png(3, 3, grey, 6, &chunk(b"tEXt", b"a\0b").repeat(SIZE / 16)),
        sized(65_535, 1023),
        sized(8192, 8192),
        sized(1, 65_535),
        sized(0, 0),
        [&small[..2], b"\xff\xfe\xff\xff", &vec![b'a'; SIZE], &small[2..]].concat(),
        [&small[..small.len() - 2], &b"\xff\xd0".repeat(SIZE / 2)[..]].concat(),
    ]
}
