#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}
pub(crate) fn run(_: &crate::project::Project, _: &Arguments) -> anyhow::Result<std::process::ExitCode> {
    unreachable!()
}
