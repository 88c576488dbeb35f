//! `completions`: a script for a shell.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::context::Context;
use crate::exit::{Ending, Failure, Status};

pub fn run(context: &Context, args: &CompletionsArgs) -> Result<Ending, Failure> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cognito-profiles", &mut script);
    context.output.with(|out| out.write_all(&script))?;
    Ok(Ending::new(Status::Complete))
}
