//! `demo`: an export, a change, an accident and a restore, against a simulated Cognito.

mod outcome;
mod simulated;
mod style;

use std::path::{Path, PathBuf};

use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::compare::What;
use cognito_profiles::export::{SettingsSaved, ShrinkGuard};
use cognito_profiles::import::Report;
use cognito_profiles::model::Kind;
use cognito_profiles::ports::ImportOptions;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::{Run, RunStatus};
use cognito_profiles::time::duration;

use crate::args::DemoArgs;
use crate::backup_url::BackupUrl;
use crate::context::{Context, INTERRUPTED};
use crate::differences::Counts;
use crate::exit::{Ending, Failure, Status};
use crate::import::{importer, scratch, show_plan};
use crate::store::Store;
use crate::{diff, export, runs, text, verify};
use outcome::Outcome;
use simulated::{Account, FASTER};
use style::Style;

/// The backup, in a folder of its own.
const FILE: &str = "demo.db";

/// How many differences between two runs are shown.
const SAMPLE: usize = 5;

pub async fn run(context: &Context, args: DemoArgs) -> Result<Ending, Failure> {
    let folder = folder()?;
    let context = context.at(BackupUrl::File(folder.join(FILE)));
    let demo = Demo::start(&context, args.users as usize).await?;
    context.interruptible(INTERRUPTED, demo.play(&folder)).await
}

/// A folder that stays, so that a person can look into the backup afterwards.
fn folder() -> Result<PathBuf, Failure> {
    let made = tempfile::Builder::new().prefix("cognito-profiles-demo-").tempdir();
    made.map(tempfile::TempDir::keep)
        .map_err(|source| Failure::Output { to: std::env::temp_dir().display().to_string(), source })
}

/// The stage: a simulated account, and where to tell the story.
struct Demo<'a> {
    context: &'a Context,
    account: Account,
    style: Style,
    users: usize,
}

impl<'a> Demo<'a> {
    async fn start(context: &'a Context, users: usize) -> Result<Self, Failure> {
        let account = Account::start(users).await?;
        Ok(Self { context, account, style: Style::new(), users })
    }

    async fn play(&self, folder: &Path) -> Result<Ending, Failure> {
        self.introduce()?;
        let first = self.first_export().await?;
        let second = self.second_export(&first).await?;
        let before = self.account.truth()?;
        self.accident(&second).await?;
        let report = self.restore(&second, folder).await?;
        self.check(&second).await?;
        let outcome = Outcome::of(&before, &report);
        self.tell_outcome(&outcome, &report)?;
        self.judge()?;
        self.point_further(folder)?;
        match outcome.unexpected(&report).or_else(|| self.account.unexpected()) {
            Some(what) => Err(Failure::Demo(format!("this is not as it should be: {what}"))),
            None => Ok(Ending::new(Status::Complete)
                .with("backup", self.context.backup.to_string())
                .with("users", self.users)
                .with("users_restored", report.counts.users_created)
                .with("users_not_restored", report.counts.users_failed)
                .with("differences", report.differences.len())),
        }
    }

    fn introduce(&self) -> Result<(), Failure> {
        let Account { pool, .. } = &self.account;
        self.say(format_args!(
            "A simulated Amazon Cognito now listens at {}. It is strict: it refuses what the\n\
             real one would refuse, and counts every request. Its request quotas are {FASTER} times the\n\
             real defaults, or this would take minutes; against AWS, the real ones hold.",
            self.account.endpoint()
        ))?;
        self.say(format_args!(
            "Pool {} has {}: ordinary people, and some who come from an identity provider,\n\
             are disabled, never confirmed, have no e-mail address, or a name like {}.",
            self.style.strong(pool),
            text::count(self.users as u64, "user"),
            text::safe(simulated::HOSTILE_NAME)
        ))
    }

    async fn first_export(&self) -> Result<Run, Failure> {
        self.step(1, "Save the pool, over HTTP, through the AWS SDK")?;
        self.command(&format!("export --user-pool-id {}", self.account.pool))?;
        let run = self.export().await?;
        let truth = self.account.truth()?;
        let totals = run.manifest.as_ref().map(|manifest| manifest.totals).unwrap_or_default();
        let all = (truth.users.len() as u64, truth.groups.len() as u64, truth.memberships().len() as u64);
        expect((totals.users, totals.groups, totals.memberships) == all, "the first run does not hold all")?;
        Ok(run)
    }

    async fn second_export(&self, first: &Run) -> Result<Run, Failure> {
        self.step(2, "A day goes by, and the pool is saved again")?;
        let changes = self.account.a_day_goes_by()?;
        self.say(format_args!(
            "{} users changed, {} deleted themselves, {} signed up.",
            text::number(changes.changed),
            text::number(changes.gone),
            text::number(changes.new)
        ))?;
        self.command(&format!("export --user-pool-id {}", self.account.pool))?;
        let second = self.export().await?;
        self.command("runs")?;
        let backup = self.context.read().await?.backup;
        runs::list(self.context, &backup.runs(None).await?)?;
        self.command(&format!("diff {} {}", first.id, second.id))?;
        let found = self.diff(first, &second).await?;
        let same = found.new == changes.new && found.changed == changes.changed && found.gone == changes.gone;
        expect(same, "the diff is not what was changed")?;
        Ok(second)
    }

    /// Shows the first differences and counts them all. Returns how many users differ.
    async fn diff(&self, first: &Run, second: &Run) -> Result<Counts, Failure> {
        let backup = self.context.read().await?.backup;
        let (first, second) =
            (Snapshot::of(backup.clone(), first.clone())?, Snapshot::of(backup, second.clone())?);
        let mut users = Counts::default();
        let mut shown = 0;
        let all = diff::between(&first, &second, |difference| {
            if difference.kind == Kind::User {
                users.add(difference);
            }
            let telling = difference.kind != Kind::User || matches!(difference.what, What::Changed(_));
            if shown < SAMPLE && telling {
                shown += 1;
                return self.context.output.say(crate::differences::plain(difference));
            }
            Ok(())
        })
        .await?;
        self.say(format_args!("… {}", diff::said(&all)))?;
        Ok(users)
    }

    async fn accident(&self, second: &Run) -> Result<(), Failure> {
        self.step(3, "An accident: a script deletes half of the pool, and the nightly export runs")?;
        self.account.half_is_deleted()?;
        self.command(&format!("export --user-pool-id {}", self.account.pool))?;
        let held = self.export().await?;
        expect(held.status == RunStatus::Held, "the export after the accident was not held")?;
        self.say(format_args!("{}", self.style.warning(held.reason.as_deref().unwrap_or_default())))?;
        self.say(format_args!("Exit code 4. Run {} is still the one to restore.", second.id))
    }

    async fn restore(&self, second: &Run, folder: &Path) -> Result<Report, Failure> {
        self.step(4, "Restore into a new pool")?;
        self.command(&format!("import --user-pool-id {}", self.account.new_pool))?;
        let store = Store::writing(SqliteStore::open(&folder.join(FILE))?);
        let connection = self.account.connect_new()?;
        let importer = importer(self.context, &connection, &store);
        let snapshot = importer.find_snapshot(None, None).await?;
        expect(snapshot.run.id == second.id, "another run than the last complete one would be restored")?;
        let prepared = importer.prepare(snapshot, ImportOptions::default()).await?;
        show_plan(&self.context.output, &prepared.plan)?;
        let report = Box::pin(importer.import(prepared, &scratch()?)).await?;
        store.close().await?;
        self.context.progress.settle();
        self.say(format_args!("Restored in {}.", duration(connection.seconds())))?;
        Ok(report)
    }

    async fn check(&self, second: &Run) -> Result<(), Failure> {
        self.step(5, "Verify: every digest in the backup, then every field in the new pool")?;
        self.command(&format!("verify --user-pool-id {}", self.account.new_pool))?;
        let (store, ending) = verify::check_backup(self.context).await?;
        expect(ending.error.is_none(), "the backup is damaged")?;
        let connection = self.account.connect_new()?;
        let compared = verify::check_pool(self.context, &store, &connection, None, ending).await?;
        expect(compared.status == Status::Complete, "the new pool differs from the backup")?;
        let run = compared.fields.iter().find(|(name, _)| *name == "run_id");
        expect(run.is_some_and(|(_, run)| *run == second.id.as_str()), "it was compared with another run")
    }

    fn tell_outcome(&self, outcome: &Outcome, report: &Report) -> Result<(), Failure> {
        self.step(6, "What came back")?;
        outcome.show(&self.context.output)?;
        self.say(format_args!(
            "\nWhat no API gives back: passwords and second factors (people choose a password with\n\
             \"forgot password\"), and each user's `sub`: the backup keeps the map of {} old and\n\
             new ones.",
            text::number(report.counts.users_created)
        ))
    }

    /// What the simulated service saw: it, not we, is the judge.
    fn judge(&self) -> Result<(), Failure> {
        let seen = self.account.seen();
        self.say(format_args!(
            "\nThe simulated service counted {}, {} of them throttled; {} to users;\n\
             {} broken by a password.",
            text::count(seen.requests, "request"),
            text::number(seen.throttled),
            text::count(seen.messages, "message"),
            text::count(seen.broken, "federated user")
        ))
    }

    fn point_further(&self, folder: &Path) -> Result<(), Failure> {
        let url = self.context.backup.to_string();
        self.step(7, "Look further")?;
        self.say(format_args!("The backup is one file, and stays: {}", folder.join(FILE).display()))?;
        self.say(format_args!("  export COGNITO_PROFILES_BACKUP='{url}'"))?;
        for command in [
            "runs",
            "show users --where status=EXTERNAL_PROVIDER",
            "show groups",
            "dump --format csv --out users.csv",
            "verify",
            "--help",
        ] {
            self.say(format_args!("  {} {command}", Self::program()))?;
        }
        self.say(format_args!("{}", self.style.good("Everything is as it should be.")))
    }

    async fn export(&self) -> Result<Run, Failure> {
        let connection = self.account.connect()?;
        let settings = SettingsSaved::All { recipient: None };
        let guard = ShrinkGuard::default();
        let run = export::export(self.context, &connection, &guard, settings).await?.run;
        export::tell(&self.context.output, &run, &connection)?;
        Ok(run)
    }

    fn say(&self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        self.context.output.say(line)
    }

    fn step(&self, number: u32, title: &str) -> Result<(), Failure> {
        self.say(format_args!("\n{}", self.style.strong(&format!("{number}. {title}"))))
    }

    /// The command a person would type for what comes next.
    fn command(&self, arguments: &str) -> Result<(), Failure> {
        self.say(format_args!("{}", self.style.faint(&format!("$ cognito-profiles {arguments}"))))
    }

    /// How this very program is called.
    fn program() -> String {
        let called = std::env::args_os().next().unwrap_or_default();
        let called = called.to_string_lossy().into_owned();
        if called.is_empty() { "cognito-profiles".to_owned() } else { text::safe(&called).into_owned() }
    }
}

fn expect(holds: bool, otherwise: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::Demo(format!("this is not as it should be: {otherwise}"))) }
}
