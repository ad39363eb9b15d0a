//! The pages of the package link only to files that are in the package.

use std::path::Path;

const PAGES: [&str; 5] = ["README.md", "BENCHMARKS.md", "RELIABILITY.md", "CONTRIBUTING.md", "CHANGELOG.md"];

#[test]
fn no_page_links_to_a_file_outside_the_package() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table = std::fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let excluded = manifest["package"]["exclude"].as_array().unwrap();
    let excluded: Vec<&str> = excluded.iter().map(|path| path.as_str().unwrap().trim_start_matches('/')).collect();
    let mut links = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            assert!(root.join(target).exists(), "{page} links to {target}, which does not exist");
            let outside = excluded.iter().any(|path| Path::new(target).starts_with(path));
            assert!(!outside, "{page} links to {target}, which is not in the package");
            links += 1;
        }
    }
    assert!(links > 40, "{links} links were found");
}
