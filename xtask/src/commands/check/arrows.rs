//! The design's table of dependencies: which folder may know which. Pure.

use super::Package;

/// Folder, and the folders that it may depend on. `*` stands for one part of a path. What is not here may depend on
/// nothing of ours.
const TABLE: [(&str, &[&str]); 17] = [
    ("abi", &[]),
    ("muxer", &[]),
    ("manifest", &[]),
    ("rab/core", &[]),
    ("service-cells/qos", &[]),
    ("tess-kernel/core", &["abi"]),
    ("tess-kernel", &["abi", "muxer", "tess-kernel/core"]),
    ("cell", &["abi"]),
    ("channels", &["abi", "cell"]),
    ("channels/service", &["cell", "channels", "channels/macros"]),
    ("pulse", &["abi", "cell"]),
    ("service-cells/*/contract", &["channels", "channels/service"]),
    ("service-cells/*/core", &["service-cells/*/contract"]),
    ("service-cells/*/client", &["service-cells/*/contract", "cell", "channels", "channels/service", "pulse"]),
    (
        "service-cells/*/server",
        &[
            "service-cells/*/core",
            "service-cells/*/contract",
            "cell",
            "channels",
            "channels/service",
            "pulse",
            "service-cells/qos",
        ],
    ),
    (
        "rab/cell",
        &["rab/core", "manifest", "cell", "channels", "channels/service", "pulse", "service-cells/*/contract"],
    ),
    ("channels/macros", &[]),
];

/// Folders that may depend on anything, and on which nothing may depend.
const OUTSIDE: [&str; 4] = ["xtask", "tests/*", "examples/*/*", "examples/*"];

/// Arrows that the table does not have, as sentences.
pub(super) fn violations(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            if !allowed(&package.folder, dependency) {
                violations.push(format!(
                    "{} depends on {dependency}, which the design's table does not have",
                    package.folder
                ));
            }
        }
    }
    violations
}

fn allowed(from: &str, to: &str) -> bool {
    let outside = |folder: &str| OUTSIDE.iter().any(|pattern| matches(pattern, folder).is_some());
    // Tests and the example programs use the examples that are libraries, and tests share what several of them need; nothing else knows these.
    if outside(to) {
        let examples = ["examples/schedulers", "examples/optimizers"].contains(&to);
        return match from {
            tests if tests.starts_with("tests/") => examples || to == "tests/pulse-bench",
            apps => apps.starts_with("examples/apps/") && examples,
        };
    }
    if outside(from) {
        return true;
    }
    TABLE.iter().any(|(pattern, targets)| {
        // A service's client and server know their own contract only.
        let Some(service) = matches(pattern, from) else { return false };
        targets.iter().any(|target| match matches(target, to) {
            Some(other) => service.is_empty() || other.is_empty() || service == other,
            None => false,
        })
    })
}

/// Whether a folder fits a pattern; what stands for `*`.
fn matches<'a>(pattern: &str, folder: &'a str) -> Option<Vec<&'a str>> {
    let (mut wild, mut parts) = (Vec::new(), folder.split('/'));
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        match wanted {
            "*" => wild.push(part),
            _ if wanted != part => return None,
            _ => {}
        }
    }
    parts.next().is_none().then_some(wild)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tables_arrows_are_allowed() {
        assert!(allowed("tess-kernel", "muxer"));
        assert!(allowed("tests/cells", "cell"));
        assert!(allowed("tests/cells", "examples/schedulers"));
        assert!(allowed("examples/apps/some", "examples/schedulers"));
        assert!(allowed("rab/cell", "service-cells/names/contract"));
        assert!(allowed("service-cells/gui/client", "service-cells/gui/contract"));
        for (from, to) in [
            ("abi", "cell"),
            ("muxer", "abi"),
            ("tess-kernel/core", "muxer"),
            ("tess-kernel", "manifest"),
            ("cell", "manifest"),
            ("cell", "tests/cells"),
            ("rab/cell", "xtask"),
            ("tests/cells", "examples/apps/hog"),
            ("examples/apps/hog", "examples/apps/fleet"),
            ("rab/cell", "examples/schedulers"),
            ("service-cells/gui/client", "service-cells/network/contract"),
            ("service-cells/gui/client", "service-cells/gui/server"),
            ("something-new", "abi"),
        ] {
            assert!(!allowed(from, to), "{from} -> {to}");
        }
    }

    #[test]
    fn a_violation_names_both_ends() {
        let package = Package {
            name: "muxer".into(),
            folder: "muxer".into(),
            dependencies: vec!["abi".into()],
            roots: Vec::new(),
            is_default: true,
        };
        assert_eq!(violations(&[package]), ["muxer depends on abi, which the design's table does not have"]);
    }
}
