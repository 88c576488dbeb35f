//! Anything that can be typed, or stand in the environment.

use clap::{CommandFactory as _, Parser as _};
use cognito_profiles_tests::fuzz_cases;
use proptest::prelude::*;

use crate::args::{Cli, Command};
use crate::backup_url::{BackupUrl, StateUrl};

fn config(usual: u32) -> ProptestConfig {
    ProptestConfig { cases: fuzz_cases(usual), failure_persistence: None, ..ProptestConfig::default() }
}

/// Values that are right for some option, and all others.
fn value() -> impl Strategy<Value = String> {
    let right = vec![
        "eu-west-1_AbCdEf123",
        "0.5",
        "100",
        "UserList=10",
        "email=a@x.test",
        "2026-11-23",
        "latest",
        "users",
        "csv",
        "custom:old",
        "sqlite:a.db",
        "dynamodb:table",
        "dynamodb-v1:table",
        "arn:aws:iam::111122223333:role/logs",
        "import-job",
        "list",
        "json",
        "bash",
        "1000",
        "cloudformation",
        "age1",
    ];
    prop_oneof![
        3 => prop::sample::select(right).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[-+]?[0-9]{0,20}(\\.[0-9]{0,20})?(e[-+]?[0-9]{1,4})?|NaN|inf|-0",
        1 => "[A-Za-z]{0,12}[=:]{1,2}[ -~]{0,12}",
        1 => "--?[a-z-]{0,12}",
    ]
}

fn words() -> impl Strategy<Value = Vec<String>> {
    let cli = Cli::command();
    let commands: Vec<String> = cli.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let all = cli.get_subcommands().chain([&cli]).flat_map(clap::Command::get_arguments);
    let options: Vec<String> = all.filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
    let pair = prop_oneof![
        3 => (prop::sample::select(options.clone()), value()).prop_map(|(name, value)| vec![name, value]),
        1 => (prop::sample::select(options), value()).prop_map(|(name, value)| vec![format!("{name}={value}")]),
        1 => value().prop_map(|value| vec![value]),
    ];
    (prop::sample::select(commands), prop::collection::vec(pair, 0..6)).prop_map(|(command, pairs)| {
        ["cognito-profiles".to_owned(), command].into_iter().chain(pairs.into_iter().flatten()).collect()
    })
}

/// What is taken means what it says.
fn is_sensible(cli: &Cli) -> Result<(), TestCaseError> {
    let rates = match &cli.command {
        Command::Export(args) => {
            prop_assert!((0.0..=100.0).contains(&args.max_shrink));
            Some(&args.rates)
        }
        Command::Import(args) => {
            prop_assert!(!(args.plan && args.yes));
            prop_assert!(args.old_sub_attribute.as_ref().is_none_or(|name| name.len() > "custom:".len()));
            prop_assert!(args.logs_role_arn.as_ref().is_none_or(|role| role.starts_with("arn:")));
            Some(&args.rates)
        }
        Command::Verify(args) => Some(&args.rates),
        Command::Show(args) => {
            prop_assert!(args.conditions.iter().all(|(field, _)| !field.is_empty() && !field.contains('=')));
            None
        }
        Command::Demo(args) => {
            prop_assert!((10..=1_000_000).contains(&args.users));
            None
        }
        _ => None,
    };
    if let Some(rates) = rates {
        prop_assert!(rates.quota_share > 0.0 && rates.quota_share <= 1.0);
        prop_assert!(rates.rates.iter().all(|(_, rps)| *rps > 0.0 && rps.is_finite()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn any_words_are_a_command_or_refused(words in words()) {
        match Cli::try_parse_from(&words) {
            Ok(cli) => is_sensible(&cli)?,
            // What is said of it is written for a person.
            Err(refused) => prop_assert!(!refused.to_string().is_empty()),
        }
    }

    #[test]
    fn a_backup_that_is_taken_is_named_by_what_it_shows(text in prop_oneof![value(), "(sqlite|dynamodb|dynamodb-v1):[ -~]{0,16}", any::<String>()]) {
        if let Ok(url) = text.parse::<BackupUrl>() {
            prop_assert_eq!(url.to_string(), text.clone());
            prop_assert_eq!(url.to_string().parse::<BackupUrl>(), Ok(url.clone()));
            prop_assert_eq!(text.parse::<StateUrl>().is_ok(), matches!(url, BackupUrl::File(_)));
        }
    }
}
