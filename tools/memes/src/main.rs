//! The command line.

use std::io::Write;
use std::process::ExitCode;

use memes::cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let call = match cli::read(std::env::args_os()) {
        Ok(call) => call,
        // Help is such an error too: clap knows where it goes and which code it ends with.
        Err(error) => error.exit(),
    };
    match cli::run(call, &mut std::io::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told where this fails.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
