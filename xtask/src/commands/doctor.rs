//! `cargo xtask doctor`: says what is present, what is missing, and what set-up would do about it.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::machine::{self, Accel, Mode};
use crate::process;
use crate::project::Project;
use crate::setup::packages::{self, Permission};
use crate::setup::qemu;
use crate::setup::toolchain::{self, Found, Host, TARGET};

/// Say what is present, what is missing, and what would be done about it. Changes nothing.
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(project: &Project, _: &Arguments) -> Result<ExitCode> {
    let mut missing = 0;
    let mut say = |name: &str, state: Result<String, String>| match state {
        Ok(text) => println!("  ok       {name:<22} {text}"),
        Err(text) => {
            missing += 1;
            println!("  missing  {name:<22} {text}");
        }
    };
    let host = Host::detect()?;
    say("Rust", Ok(format!("{} ({})", host.identity.lines().next().unwrap_or_default(), host.sysroot.display())));
    let linker = host.linker().map(|path| path.display().to_string());
    say("linker", linker.ok_or_else(|| "neither rust-lld nor ld.lld: install the package lld".to_owned()));
    say(
        TARGET,
        match toolchain::look(project, &host)? {
            Found::Ready(kernel) => Ok(kernel.label),
            Found::Missing(plan) => Err(format!("would {plan}")),
        },
    );
    say(
        "QEMU",
        match qemu::find()? {
            Some(qemu) => Ok(qemu.label()),
            None => Err(format!("would {}", packages::qemu_plan())),
        },
    );
    let (_, why) = machine::choose_accel(Accel::Auto, Mode::Parallel);
    say("acceleration", Ok(why.to_owned()));
    let threads = machine::host_parallelism();
    let worth = if threads < 2 { "; times of 2 or more hardware threads are not to be trusted" } else { "" };
    say("hardware threads", Ok(format!("{threads} run at once{worth}")));
    say(
        "gdb",
        Ok(process::find_program("gdb")
            .map_or("absent; only --gdb needs it".to_owned(), |path| path.display().to_string())),
    );
    let permission = match packages::permission() {
        Permission::Root => "as root",
        Permission::Sudo => "with sudo, which asks for no password",
        Permission::None => "no: the command to type would be printed",
    };
    say("may install packages", Ok(permission.to_owned()));
    println!();
    if missing == 0 {
        println!("Everything is there: `cargo xtask run` does no set-up work.");
    } else {
        println!("`cargo xtask run` would do what stands above, then build and boot.");
    }
    Ok(ExitCode::SUCCESS)
}
