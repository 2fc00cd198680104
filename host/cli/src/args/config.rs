//! The arguments of `config` and `completions`.

use clap::{Args, Subcommand};
use clap_complete::Shell;

/// The subcommands of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show each setting with its source; secrets are not shown
    Show,
    /// Check the settings: variables parse, the policies load, the caches are writable, the store answers
    #[command(after_help = CHECK_HELP)]
    Check,
}

const CHECK_HELP: &str = "\
Exit status: 0 everything is as it should be, 1 a check fails; 2, 4 and 5 are errors.";

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  hydra-registry completions bash > ~/.local/share/bash-completion/completions/hydra-registry
  hydra-registry completions zsh > ~/.zfunc/_hydra-registry
  hydra-registry completions fish > ~/.config/fish/completions/hydra-registry.fish
  hydra-registry completions powershell >> $PROFILE";
