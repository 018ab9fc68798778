//! `cargo xtask mutations`: shows that the muxer's tests notice mistakes, by making them.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use toml::Table;

use crate::process;
use crate::project::Project;

/// How long the tests may take with a mistake: one that makes them run for ever is noticed too.
const PATIENCE: Duration = Duration::from_secs(400);

/// Break the multiplexing algorithm on purpose, one mistake at a time, and say which test notices.
///
/// The mistakes are in `muxer/mutations.toml`. Each is made in a copy of the crate, never here. It fails if a mistake
/// survives, or if the list does not fit the code any more.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only mistakes whose names contain this.
    filter: Option<String>,
    /// Name the mistakes, say why each is one, and run nothing.
    #[arg(long)]
    list: bool,
}

/// A mistake: a text that occurs exactly once in a file of the crate, and what stands there instead.
#[derive(Debug, PartialEq, Eq)]
struct Mutation {
    name: String,
    why: String,
    file: String,
    find: String,
    replace: String,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Caught(String),
    TimedOut,
    Survived,
    DoesNotCompile,
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let path = project.root().join("muxer/mutations.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut mutations = parse(&text)?;
    mutations.retain(|mutation| arguments.filter.as_ref().is_none_or(|filter| mutation.name.contains(filter)));
    if mutations.is_empty() {
        bail!("no mistake has such a name; `--list` names them");
    }
    let width = mutations.iter().map(|mutation| mutation.name.len()).max().unwrap_or(0);
    if arguments.list {
        for Mutation { name, why, .. } in &mutations {
            println!("{name:<width$}  {why}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let place = project.target("mutations");
    let workshop = Workshop::set_up(project, &place)?;
    eprintln!("The tests of the unchanged crate must pass first.");
    match workshop.test()? {
        Outcome::Survived => {}
        outcome => bail!("the unchanged crate does not pass its tests: {outcome:?}"),
    }
    let mut bad = 0;
    for mutation in &mutations {
        let started = Instant::now();
        let outcome = workshop.try_out(mutation)?;
        let verdict = match &outcome {
            Outcome::Caught(test) => format!("caught by {test}"),
            Outcome::TimedOut => "caught: the tests do not end".to_owned(),
            Outcome::Survived => format!("SURVIVED: {}", mutation.why),
            Outcome::DoesNotCompile => "WRONG: it does not compile, which says nothing about the tests".to_owned(),
        };
        bad += usize::from(matches!(outcome, Outcome::Survived | Outcome::DoesNotCompile));
        println!("{:<width$}  {verdict} ({:.0} s)", mutation.name, started.elapsed().as_secs_f64());
    }
    println!("\n{} mistakes, {} noticed", mutations.len(), mutations.len() - bad);
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the list.
fn parse(text: &str) -> Result<Vec<Mutation>> {
    let table: Table = text.parse().context("muxer/mutations.toml")?;
    let list = table.get("mutation").and_then(|list| list.as_array()).context("there is no [[mutation]]")?;
    let read = |(number, entry): (usize, &toml::Value)| {
        let word = |key: &str| {
            let value = entry.get(key).and_then(toml::Value::as_str);
            value.map(str::to_owned).ok_or_else(|| anyhow!("mutation {} has no text `{key}`", number + 1))
        };
        Ok(Mutation {
            name: word("name")?,
            why: word("why")?,
            file: word("file")?,
            find: word("find")?,
            replace: word("replace")?,
        })
    };
    list.iter().enumerate().map(read).collect()
}

/// Makes the mistake in a file's text. Differences in the white space that a formatter chooses do not matter.
fn apply(mutation: &Mutation, text: &str) -> Result<String> {
    let words: Vec<&str> = mutation.find.split_whitespace().collect();
    let mut places = Vec::new();
    for (start, _) in text.match_indices(words.first().copied().unwrap_or("\0")) {
        let mut rest = &text[start..];
        let fits = words.iter().all(|word| {
            let found = rest.trim_start().strip_prefix(word);
            rest = found.unwrap_or(rest);
            found.is_some()
        });
        if fits {
            places.push((start, text.len() - rest.len()));
        }
    }
    match places[..] {
        [(start, end)] => Ok(format!("{}{}{}", &text[..start], mutation.replace, &text[end..])),
        _ => bail!("`{}`: its text occurs {} times in {}, not once", mutation.name, places.len(), mutation.file),
    }
}

/// The first test that failed, as cargo's output has it.
fn first_failure(output: &str) -> Option<String> {
    let failed = |line: &str| line.strip_prefix("test ")?.strip_suffix(" ... FAILED").map(str::to_owned);
    output.lines().find_map(failed)
}

/// A copy of the crate, in a workspace of its own.
struct Workshop<'a> {
    place: &'a Path,
    source: std::path::PathBuf,
}

impl<'a> Workshop<'a> {
    fn set_up(project: &Project, place: &'a Path) -> Result<Self> {
        let source = project.root().join("muxer");
        let copy = place.join("muxer");
        if copy.exists() {
            std::fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
        }
        copy_folder(&source, &copy)?;
        let manifest = std::fs::read_to_string(project.root().join("Cargo.toml")).context("cannot read Cargo.toml")?;
        let mut manifest: Table = manifest.parse().context("Cargo.toml")?;
        if let Some(workspace) = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut) {
            workspace.insert("members".into(), vec!["muxer".to_owned()].into());
            workspace.remove("default-members");
            workspace.remove("dependencies");
        }
        std::fs::write(place.join("Cargo.toml"), manifest.to_string())?;
        std::fs::copy(project.root().join("Cargo.lock"), place.join("Cargo.lock"))?;
        Ok(Self { place, source })
    }

    /// Makes a mistake, runs the tests, and makes it good again.
    fn try_out(&self, mutation: &Mutation) -> Result<Outcome> {
        let original = std::fs::read_to_string(self.source.join(&mutation.file))
            .with_context(|| format!("`{}`: cannot read muxer/{}", mutation.name, mutation.file))?;
        let target = self.place.join("muxer").join(&mutation.file);
        std::fs::write(&target, apply(mutation, &original)?)?;
        let outcome = self.test();
        std::fs::write(&target, original)?;
        outcome
    }

    fn test(&self) -> Result<Outcome> {
        let log = self.place.join("log");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Regression files of property tests would belong to a mistake, not to the crate.
        command.args(["test", "--lib", "--tests"]).env("PROPTEST_FAILURE_PERSISTENCE", "off");
        command.current_dir(self.place.join("muxer")).env("CARGO_TARGET_DIR", self.place.join("target"));
        command.stdin(Stdio::null()).stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
        process::tie_to_parent(&mut command);
        let mut child = command.spawn().context("cannot run cargo")?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let output = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        Ok(match (status, first_failure(&output)) {
            (None, _) => Outcome::TimedOut,
            (Some(status), _) if status.success() => Outcome::Survived,
            (_, Some(test)) => Outcome::Caught(test),
            _ if output.contains("could not compile") => Outcome::DoesNotCompile,
            // A test that takes the process down is named only in what it printed last.
            _ => Outcome::Caught("a test that ended the process".to_owned()),
        })
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(find: &str) -> Mutation {
        let text = |text: &str| text.to_owned();
        Mutation { name: text("n"), why: text("w"), file: text("f.rs"), find: text(find), replace: text("b") }
    }

    #[test]
    fn a_mistake_is_made_where_its_text_stands_and_nowhere_else() {
        assert_eq!(apply(&mutation("x  + 1"), "let y = x\n    + 1;").expect("once"), "let y = b;");
        assert!(apply(&mutation("x + 1"), "nothing").is_err());
        assert!(apply(&mutation("x + 1"), "x + 1; x + 1;").is_err());
    }

    #[test]
    fn the_list_names_what_is_missing() {
        let list = "[[mutation]]\nname = 'a'\nwhy = 'b'\nfile = 'c'\nfind = 'd'\nreplace = ''\n";
        assert_eq!(parse(list).expect("whole").len(), 1);
        let error = parse("[[mutation]]\nname = 'a'\n").expect_err("not whole");
        assert!(error.to_string().contains("`why`"), "{error}");
    }

    #[test]
    fn the_first_failed_test_is_found() {
        let output = "test a ... ok\ntest b::c ... FAILED\ntest d ... FAILED\n";
        assert_eq!(first_failure(output).as_deref(), Some("b::c"));
        assert_eq!(first_failure("error: could not compile"), None);
    }

    #[test]
    fn the_list_of_the_muxer_fits_its_code() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../muxer");
        let list = std::fs::read_to_string(root.join("mutations.toml")).expect("the list is there");
        let list = parse(&list).expect("the list can be read");
        assert!(list.len() >= 10, "there are only {}", list.len());
        for mutation in list {
            let text = std::fs::read_to_string(root.join(&mutation.file)).expect("the file is there");
            apply(&mutation, &text).expect("it can be made");
        }
    }
}
