//! The texts and shapes docs/CLI.md promises.

use crate::world::{World, settings};

const COMMANDS: [&str; 14] = [
    "export",
    "import",
    "report",
    "map",
    "runs",
    "show",
    "settings",
    "diff",
    "verify",
    "dump",
    "encrypt",
    "decrypt",
    "demo",
    "completions",
];

#[test]
fn help_of_every_command() {
    let world = World::new(0);
    settings().bind(|| {
        insta::assert_snapshot!("help", world.run(&["--help"]).code(0).stdout);
        insta::assert_snapshot!("help-short", world.run(&["-h"]).code(0).stdout);
        for command in COMMANDS {
            let help = world.run(&[command, "--help"]).code(0).stdout;
            insta::assert_snapshot!(format!("help-{command}"), help);
        }
    });
}

#[test]
fn shells_get_a_completion_script() {
    let world = World::new(0);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(world.run(&["completions", shell]).code(0).stdout.contains("allow-shrink"), "{shell}");
    }
}

#[test]
fn every_command_flag_exit_code_and_kind_of_error_is_documented() {
    let document = include_str!("../../../docs/CLI.md");
    let code = include_str!("../../../shared/src/error.rs");
    let kinds = code.split("fn kind(").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let kinds = kinds.split('"').skip(1).step_by(2);
    for kind in kinds.chain(["held", "interrupted", "declined", "output", "demo"]) {
        assert!(document.contains(&format!("| `{kind}` |")), "{kind} is not in docs/CLI.md");
    }
    let world = World::new(0);
    for command in COMMANDS {
        assert!(document.contains(&format!("## {command}")), "{command} is not in docs/CLI.md");
        let help = world.run(&[command, "--help"]).stdout;
        for flag in help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2) {
            let flag = flag.trim_end_matches([',', '.', ':', ')', ']']);
            assert!(document.contains(flag), "{flag} of {command} is not in docs/CLI.md");
        }
    }
}
