//! Backup, point-in-time restore and migration of Amazon Cognito user pools: the command line
//! tool. docs/CLI.md is its contract.

mod args;
mod backup_url;
mod bars;
mod completions;
mod connect;
mod context;
mod decrypt;
mod demo;
mod diff;
mod differences;
mod dump;
mod encrypt;
mod exit;
mod export;
#[cfg(test)]
mod fuzz;
mod import;
mod keys;
mod lines;
mod map;
mod output;
mod remarks;
mod report;
mod retired;
mod runs;
mod seal;
mod settings;
mod show;
mod sink;
mod store;
mod table;
mod text;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};
use context::Context;
use exit::{Ending, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::of_clap(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return exit::without_runtime(&error),
    };
    let code = runtime.block_on(run(cli));
    // Not a plain drop: that would wait for a thread that still reads a person's answer.
    runtime.shutdown_background();
    code
}

async fn run(cli: Cli) -> ExitCode {
    let name = cli.command.name();
    let context = Context::new(cli.global);
    // On the heap: the state of the largest command is larger than a stack should carry.
    let ended = Box::pin(command(&context, cli.command)).await;
    context.progress.settle();
    context.output.end(name, context.remarks.end(ended.unwrap_or_else(Ending::from)))
}

async fn command(context: &Context, command: Command) -> Result<Ending, Failure> {
    match command {
        Command::Export(args) => export::run(context, args).await,
        Command::Import(args) => import::run(context, args).await,
        Command::Report(args) => report::run(context, args).await,
        Command::Map(args) => map::run(context, args).await,
        Command::Runs => runs::run(context).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Settings(args) => settings::run(context, args).await,
        Command::Diff(args) => diff::run(context, args).await,
        Command::Verify(args) => verify::run(context, args).await,
        Command::Dump(args) => dump::run(context, args).await,
        Command::Encrypt(args) => encrypt::run(context, &args),
        Command::Decrypt(args) => decrypt::run(context, &args),
        Command::Demo(args) => demo::run(context, args).await,
        Command::Completions(args) => completions::run(context, &args),
    }
}
