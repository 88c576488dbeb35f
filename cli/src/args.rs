//! What can be written on the command line.

// These comments are the help texts: backticks would be shown.
#![allow(clippy::doc_markdown)]

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use cognito_profiles::export::ShrinkGuard;
use cognito_profiles::model::PoolId;
use cognito_profiles::pacing::{Category, Rates};

use crate::backup_url::{BackupUrl, StateUrl, is_table};
use std::path::PathBuf;

/// Back up Amazon Cognito user pools, and restore them into new ones.
///
/// Users, groups, memberships and settings of a pool are kept in one file, as they were at
/// every export. The DynamoDB table of the ExportWorkflow can be read and restored from, too. Passwords and second factors cannot be: no API returns them.
///
/// Credentials, Region, profile and endpoints come from the standard AWS settings
/// (`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …).
#[derive(Debug, Parser)]
#[command(
    name = "cognito-profiles",
    version,
    max_term_width = 100,
    after_long_help = "Exit codes:
  0    complete
  1    failed: something outside did; run it again
  2    wrong usage, or nothing there to work on
  3    partial: something is listed as not done, or different
  4    refused: going on could do harm
  130  interrupted; what was done is kept

Examples:
  cognito-profiles demo
  cognito-profiles export --user-pool-id eu-west-1_AbCdEf123
  cognito-profiles import --user-pool-id eu-west-1_NewPool01 --plan"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub struct Global {
    /// Where the backup is: sqlite:PATH, or dynamodb:TABLE to read and restore from
    ///
    /// dynamodb-v1:TABLE is a table of the retired Cognito User Profiles Export Reference
    /// Architecture.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "COGNITO_PROFILES_BACKUP",
        default_value = "sqlite:cognito-profiles.db",
        help_heading = "Global options"
    )]
    pub backup: BackupUrl,
    /// The AWS profile to read the backup's table with, if the pool's account is another
    ///
    /// Its Region is the profile's, or that of AWS_REGION.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub source_profile: Option<String>,
    /// A file to keep account of imports in, instead of the backup: sqlite:PATH
    ///
    /// For a table that may only be read.
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    pub import_state: Option<StateUrl>,
    /// Print one JSON object a line; the last is the summary
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Show no progress
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Export(ExportArgs),
    Import(ImportArgs),
    Report(ReportArgs),
    Map(MapArgs),
    /// List the runs in the backup, newest last
    Runs,
    Show(ShowArgs),
    Settings(SettingsArgs),
    Diff(DiffArgs),
    Verify(VerifyArgs),
    Dump(DumpArgs),
    Encrypt(EncryptArgs),
    Decrypt(DecryptArgs),
    Demo(DemoArgs),
    Completions(CompletionsArgs),
}

impl Command {
    /// The subcommand's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Export(_) => "export",
            Self::Import(_) => "import",
            Self::Report(_) => "report",
            Self::Map(_) => "map",
            Self::Runs => "runs",
            Self::Show(_) => "show",
            Self::Settings(_) => "settings",
            Self::Diff(_) => "diff",
            Self::Verify(_) => "verify",
            Self::Dump(_) => "dump",
            Self::Encrypt(_) => "encrypt",
            Self::Decrypt(_) => "decrypt",
            Self::Demo(_) => "demo",
            Self::Completions(_) => "completions",
        }
    }
}

/// How fast Cognito may be called.
#[derive(Debug, Args)]
pub struct RateArgs {
    /// The share of each category's request rate to use, above 0 and at most 1
    ///
    /// The rest is left to the live application, which signs its users in through the same
    /// account.
    #[arg(long, value_name = "F", default_value_t = Rates::DEFAULT_SHARE, value_parser = share)]
    pub quota_share: f64,
    /// The rate to use for a category, in requests per second; repeatable
    ///
    /// It wins over the account's rate and over --quota-share. Categories are named as AWS
    /// names them: UserList, UserCreation, UserUpdate, …
    #[arg(long = "rate", value_name = "CATEGORY=RPS", value_parser = rate)]
    pub rates: Vec<(Category, f64)>,
}

/// Save a pool as it is now
///
/// Only what changed since the last run is written; nothing an earlier run saved is lost. An
/// export that was interrupted goes on where it stopped when it is run again. It exports into a
/// file: a table is written by the ExportWorkflow.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cognito-profiles export --user-pool-id eu-west-1_AbCdEf123
  cognito-profiles export --user-pool-id eu-west-1_AbCdEf123 --quota-share 0.5 --json
  cognito-profiles export --user-pool-id eu-west-1_AbCdEf123 --rate UserList=10
  cognito-profiles export --user-pool-id eu-west-1_AbCdEf123 --secrets-recipient age1…")]
pub struct ExportArgs {
    /// The pool to save
    #[arg(long, value_name = "ID", value_parser = pool)]
    pub user_pool_id: PoolId,
    #[command(flatten)]
    pub rates: RateArgs,
    /// Hold the run if more than this share of the users, groups or memberships would be gone
    ///
    /// A held run closes nothing: what earlier runs saved stays current.
    #[arg(long, value_name = "PERCENT", default_value_t = ShrinkGuard::DEFAULT_PERCENT, value_parser = percent)]
    pub max_shrink: f64,
    /// Let any number of records be gone
    #[arg(long)]
    pub allow_shrink: bool,
    /// Also save the secrets of app clients and identity providers, sealed for this public key of age
    ///
    /// `age-keygen` makes a key. Only who has its secret part can open them (see the command
    /// `settings`): keep that away from the backup. Without a recipient no secret is saved.
    // No parser of its own: what is refused would be repeated, and might be the secret key.
    #[arg(long, value_name = "age1…")]
    pub secrets_recipient: Option<String>,
}

/// Restore a run into a new, empty pool
///
/// Prints what it will do, asks, restores, and compares the new pool with the backup field by
/// field. Users get new `sub` values and passwords nobody knows: they choose one with "forgot
/// password". No message is sent to them. An import that was interrupted goes on where it
/// stopped when it is run again.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cognito-profiles import --user-pool-id eu-west-1_NewPool01 --plan
  cognito-profiles import --user-pool-id eu-west-1_NewPool01 --as-of 2026-11-22
  cognito-profiles import --user-pool-id eu-west-1_NewPool01 --create-with import-job \\
    --logs-role-arn arn:aws:iam::111122223333:role/cognito-import-logs
  cognito-profiles import --user-pool-id eu-west-1_NewPool01 --backup dynamodb:cognito-profiles-backup
  cognito-profiles import --user-pool-id eu-west-1_NewPool01 --old-sub-attribute custom:old_sub --yes")]
pub struct ImportArgs {
    /// The new pool
    #[arg(long, value_name = "NEW_ID", value_parser = pool)]
    pub user_pool_id: PoolId,
    #[command(flatten)]
    pub source: SourceArgs,
    /// How users are created; import-job if --logs-role-arn is given, else admin-api
    ///
    /// admin-api: AdminCreateUser makes each user a billed monthly active user. import-job: CSV
    /// import jobs bill nobody; users choose a new password when they next sign in.
    #[arg(long, value_name = "HOW", value_enum)]
    pub create_with: Option<CreateWith>,
    /// The role by which Cognito writes the logs of import jobs
    #[arg(long, value_name = "ARN", value_parser = role_arn)]
    pub logs_role_arn: Option<String>,
    /// What becomes of users whom no row of an import job can carry
    #[arg(long, value_name = "HOW", value_enum, default_value = "admin-api")]
    pub without_row: WithoutRow,
    /// Only print what would be done
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,
    /// Do not ask before writing
    #[arg(long, short)]
    pub yes: bool,
    /// Do not restore this attribute; repeatable
    #[arg(long = "drop-attribute", value_name = "NAME")]
    pub drop_attributes: Vec<String>,
    /// Write each user's old `sub` into this attribute of the new pool
    #[arg(long, value_name = "custom:NAME", value_parser = custom_attribute)]
    pub old_sub_attribute: Option<String>,
    #[command(flatten)]
    pub rates: RateArgs,
}

/// Which run of which pool.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// The pool in the backup, if it holds several
    #[arg(long, value_name = "ID", value_parser = source_pool)]
    pub from_pool: Option<PoolId>,
    /// A run by its id or the beginning of it, or a time; else the last complete run
    ///
    /// A time means the last run that was complete by then: 2026-11-23 (that whole day, UTC),
    /// 2026-11-23T07:00:00Z or 2026-11-23T07:00:00+01:00.
    #[arg(long, value_name = "RUN|TIME")]
    pub as_of: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CreateWith {
    /// One by one: each becomes a billed monthly active user
    AdminApi,
    /// By CSV import jobs, which bill nobody
    ImportJob,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WithoutRow {
    /// They are created one by one
    AdminApi,
    /// They are listed as not restored
    List,
}

/// Tell how an import stands: what was restored, what was not and why, what differs
///
/// Without --import: the last one. It reads what the import wrote down, and asks Cognito nothing.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cognito-profiles report
  cognito-profiles report --backup dynamodb:cognito-profiles-backup --json")]
pub struct ReportArgs {
    #[command(flatten)]
    pub which: WhichImport,
}

/// Print the map of old and new users
///
/// For applications that stored each user's `sub`. Users who were not restored are in it without
/// a new one.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cognito-profiles map --format csv --out map.csv
  cognito-profiles map --format jsonl | jq -r '[.old_sub, .new_sub] | @tsv'")]
pub struct MapArgs {
    #[command(flatten)]
    pub which: WhichImport,
    /// How to write it; a table for people without this
    #[arg(long)]
    pub format: Option<MapFormat>,
    /// The file to write, readable by its owner alone; else standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MapFormat {
    /// A line each, after one with the names of the columns
    Csv,
    /// One object a line
    Jsonl,
}

/// Which import.
#[derive(Debug, Args)]
pub struct WhichImport {
    /// The import's id, or the beginning of it; else the last import
    #[arg(long, value_name = "ID")]
    pub import: Option<String>,
    /// The last import into this pool
    #[arg(long, value_name = "ID", value_parser = pool, conflicts_with = "import")]
    pub user_pool_id: Option<PoolId>,
}

/// Look into the backup
///
/// Values are shown with control characters escaped; `--json` gives them as they are.
#[derive(Debug, Args)]
#[command(after_long_help = "Fields for --where:
  users        username, sub, status, enabled, created_at, modified_at, or any attribute
  groups       name, description, precedence, role_arn
  memberships  group, sub, username

Examples:
  cognito-profiles show users --where email=ann@example.com
  cognito-profiles show users --where status=EXTERNAL_PROVIDER --where custom:tenant=acme
  cognito-profiles show memberships --where group=admins --as-of 2026-11-22")]
pub struct ShowArgs {
    /// What to show
    pub what: What,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Only records whose field is exactly this; repeatable, all must hold
    #[arg(long = "where", value_name = "FIELD=VALUE", value_parser = condition)]
    pub conditions: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    Users,
    Groups,
    Memberships,
    Settings,
}

/// Write what makes an equal, empty pool from the settings a run saved
///
/// A template for CloudFormation, or the requests for the AWS CLI in order. What has to be adapted by
/// hand is listed: domains, certificates, functions, secrets, what refers to the pool.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cognito-profiles settings --format cloudformation --out pool.template.json
  cognito-profiles settings --format json --as-of 2026-11-22 --out requests.json
  cognito-profiles settings --format json --identity key.txt --with-secrets --out requests.json")]
pub struct SettingsArgs {
    /// What to write
    #[arg(long)]
    pub format: SettingsFormat,
    #[command(flatten)]
    pub source: SourceArgs,
    /// The file to write, readable by its owner alone; else standard output
    ///
    /// A file that is there is replaced once the new one is whole.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Open the sealed secrets with the secret key in this file, made by age-keygen
    ///
    /// Says whether they can be opened. They are written only with --with-secrets.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Write the secrets where they are needed; into a file only
    #[arg(long, requires = "identity", requires = "out")]
    pub with_secrets: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SettingsFormat {
    /// A template, in JSON
    Cloudformation,
    /// The requests, for aws cognito-idp … --cli-input-json
    Json,
}

/// Tell what changed between two runs
///
/// `+` is new in the second run, `-` is gone, `~` is changed, with the fields that differ.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cognito-profiles diff 20261122T020000Z 20261123T020000Z
  cognito-profiles diff 2026-11-01 latest")]
pub struct DiffArgs {
    /// The earlier run: its id, the beginning of it, a time, or "latest"
    pub run_a: String,
    /// The later run
    pub run_b: String,
    /// The pool, if times are given and the backup holds several
    #[arg(long, value_name = "ID", value_parser = source_pool)]
    pub from_pool: Option<PoolId>,
}

/// Check that the backup holds what was written, or that a pool is as the backup says
///
/// Recomputes every digest of every run. With a pool, also lists it and compares it field by
/// field: a pool that was restored, with the run it was restored from; any other, with its own
/// last complete run.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cognito-profiles verify
  cognito-profiles verify --user-pool-id eu-west-1_NewPool01")]
pub struct VerifyArgs {
    /// A pool to compare with the backup
    #[arg(long, value_name = "ID", value_parser = pool)]
    pub user_pool_id: Option<PoolId>,
    /// Compare with this run of the pool: its id, the beginning of it, or a time
    #[arg(long, value_name = "RUN|TIME", requires = "user_pool_id")]
    pub as_of: Option<String>,
    #[command(flatten)]
    pub rates: RateArgs,
}

/// Write everything a run holds as JSON or CSV
///
/// CSV has the users only, one column for each attribute any of them has. Values are verbatim,
/// also those that a spreadsheet takes for a formula: import them as text where users could
/// choose them.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cognito-profiles dump --format jsonl | jq 'select(.kind == \"user\")'
  cognito-profiles dump --format csv --out users.csv
  cognito-profiles dump --format json --as-of 2026-11-22 --out pool.json")]
pub struct DumpArgs {
    /// How to write it
    #[arg(long)]
    pub format: Format,
    #[command(flatten)]
    pub source: SourceArgs,
    /// The file to write, readable by its owner alone; else standard output
    ///
    /// A file that is there is replaced once the new one is whole.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One object a line: users, groups, memberships
    Jsonl,
    /// The users, for a spreadsheet
    Csv,
    /// One object with everything
    Json,
}

/// Make an encrypted copy of a backup file
///
/// The copy is what to keep elsewhere. It is encrypted with age, so that `age --decrypt` opens it, too.
/// The backup itself stays as it is: not encrypted, because every command works on it.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("who").required(true).args(["recipients", "passphrase_file"]),
    after_long_help = "Examples:
  cognito-profiles encrypt --recipient age1…
  cognito-profiles encrypt --recipient age1… --recipient age1… --out /mnt/elsewhere/pool.db.age
  cognito-profiles encrypt --passphrase-file - < passphrase.txt"
)]
pub struct EncryptArgs {
    /// A public key of age, whose secret key can open the copy; repeatable
    ///
    /// `age-keygen` makes a key. Keep its secret part away from this machine.
    // No parser of its own: what is refused would be repeated, and might be the secret key.
    #[arg(long = "recipient", value_name = "age1…")]
    pub recipients: Vec<String>,
    /// Encrypt with the passphrase in this file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// The file to write, readable by its owner alone; else the backup's name with .age
    ///
    /// A file that is there is replaced once the new one is whole.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Make a backup file of an encrypted copy
///
/// --backup says where it is to be; nothing that is there is replaced.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("by").required(true).args(["identity", "passphrase_file"]),
    after_long_help = "Example:
  cognito-profiles decrypt pool.db.age --identity key.txt --backup sqlite:restored.db"
)]
pub struct DecryptArgs {
    /// The encrypted copy
    pub file: PathBuf,
    /// Open it with the secret key in this file, made by age-keygen
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Open it with the passphrase in this file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Watch an export, a change and a restore against a simulated Cognito
///
/// Needs no AWS account and no credentials: the simulated service runs in this process, and
/// what is shown happens over HTTP through the real AWS SDK.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many users the pool has
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub users: u32,
}

/// Print a completion script
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  cognito-profiles completions bash > ~/.local/share/bash-completion/completions/cognito-profiles")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

fn pool(text: &str) -> Result<PoolId, String> {
    // `UserPoolId` has the pattern [\w-]+_[0-9a-zA-Z]+ (API reference, "DescribeUserPool").
    let word = |text: &str, other: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || other.contains(c))
    };
    if !text.rsplit_once('_').is_some_and(|(region, rest)| word(region, "-_") && word(rest, "")) {
        return Err("a pool's id looks like eu-west-1_AbCdEf123".to_owned());
    }
    Ok(PoolId::new(text))
}

/// A pool in a backup; `dynamodb-v1:TABLE` stands for the one whose own id is not known.
fn source_pool(text: &str) -> Result<PoolId, String> {
    match PoolId::new(text).retired_table() {
        Some(table) if is_table(table) => Ok(PoolId::of_retired_table(table)),
        _ => pool(text),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "write a number above 0 and at most 1, such as 0.5".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent: &f64| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "write a number from 0 to 100".to_owned())
}

fn rate(text: &str) -> Result<(Category, f64), String> {
    let (name, rps) = text.split_once('=').ok_or("write it as CATEGORY=RPS, such as UserList=10")?;
    let category = name.parse::<Category>().map_err(|error| error.to_string())?;
    let rps = rps.parse().ok().filter(|rps: &f64| *rps > 0.0 && rps.is_finite());
    Ok((category, rps.ok_or("the rate is a number above 0, in requests per second")?))
}

fn role_arn(text: &str) -> Result<String, String> {
    // `CloudWatchLogsRoleArn` (API reference, "CreateUserImportJob").
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "iam", "", account, role]
            if account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("write it as arn:aws:iam::111122223333:role/NAME".to_owned()),
    }
}

fn custom_attribute(text: &str) -> Result<String, String> {
    match text.strip_prefix("custom:") {
        Some(name) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("write it as custom:NAME".to_owned()),
    }
}

fn condition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, value)) if !field.is_empty() => Ok((field.to_owned(), value.to_owned())),
        _ => Err("write it as FIELD=VALUE, such as email=ann@example.com".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn clap_finds_no_fault_with_it() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_pool_may_be_named_by_its_table_where_it_is_in_a_backup() {
        assert!(source_pool("eu-west-1_AbCdEf123").is_ok() && source_pool("dynamodb-v1:My.Table").is_ok());
        assert!(source_pool("dynamodb-v1:a b").is_err() && source_pool("my-table").is_err());
        assert!(pool("dynamodb-v1:My.Table").is_err());
    }

    #[test]
    fn numbers_are_checked() {
        assert!(share("1").is_ok() && share("0.01").is_ok());
        assert!(share("0").is_err() && share("1.1").is_err() && share("NaN").is_err());
        assert!(percent("0").is_ok() && percent("100").is_ok() && percent("101").is_err());
        assert_eq!(rate("UserList=2.5"), Ok((Category::UserList, 2.5)));
        assert!(rate("UserList=0").is_err() && rate("UserList=inf").is_err() && rate("UserList").is_err());
        assert!(rate("Users=1").unwrap_err().contains("UserList, UserCreation"));
    }
}
