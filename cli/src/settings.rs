//! `settings`: what makes an equal, empty pool.

use std::path::Path;

use cognito_profiles::read::Snapshot;
use cognito_profiles::settings::{ByHand, Rebuild, Secrets, Settings, Source};
use serde_json::{Value, json};

use crate::args::{SettingsArgs, SettingsFormat};
use crate::context::{Context, INTERRUPTED};
use crate::exit::{Ending, Failure, Status};
use crate::output::Output;
use crate::sink::Sink;
use crate::{keys, text};

pub async fn run(context: &Context, args: SettingsArgs) -> Result<Ending, Failure> {
    if context.output.is_json() && args.out.is_none() {
        return Err(Failure::usage("with --json, name a file with --out"));
    }
    let identity = args.identity.as_deref().map(keys::identity).transpose()?;
    let store = context.read().await?;
    context
        .interruptible(INTERRUPTED, async {
            let (pool, as_of) = (args.source.from_pool.as_ref(), args.source.as_of.as_deref());
            let snapshot = Snapshot::find(store.backup, pool, as_of).await?;
            let settings = snapshot.settings().await?;
            let secrets = identity.map(|identity| settings.open(&identity)).transpose()?;
            let written = secrets.as_ref().filter(|_| args.with_secrets);
            let rebuild = Rebuild { settings: &settings, source: Source::from(&snapshot), secrets: written };
            let (document, by_hand) = document(&rebuild, args.format)?;
            let mut sink = Sink::open(&context.output, args.out.as_deref(), &context.backup)?;
            sink.write(|out| {
                let pretty = serde_json::to_string_pretty(&document)?;
                writeln!(out, "{}", text::safe_json(&pretty))
            })?;
            sink.keep()?;
            tell_secrets(&context.output, &settings, secrets.as_ref(), args.with_secrets);
            tell(&context.output, args.out.as_deref(), &by_hand)?;
            Ok(Ending::new(Status::Complete)
                .with("run_id", snapshot.run.id.as_str())
                .with("by_hand", by_hand.len())
                .with("secrets_sealed_for", settings.sealed_for())
                .with("secrets_opened", secrets.as_ref().map(Secrets::len))
                .with("secrets_written", written.is_some())
                .with("settings_not_saved", json!(settings.not_saved())))
        })
        .await
}

fn document(rebuild: &Rebuild<'_>, format: SettingsFormat) -> Result<(Value, Vec<ByHand>), Failure> {
    match format {
        SettingsFormat::Cloudformation => Ok(rebuild.template()?),
        SettingsFormat::Json => {
            let (requests, by_hand) = rebuild.requests()?;
            let Source { pool, run, as_of } = &rebuild.source;
            let document = json!({
                "pool": pool, "run_id": run, "as_of": as_of, "requests": requests, "by_hand": by_hand,
            });
            Ok((document, by_hand))
        }
    }
}

fn tell_secrets(output: &Output, settings: &Settings, secrets: Option<&Secrets>, are_written: bool) {
    match (settings.sealed_for(), secrets) {
        (None, Some(_)) => output.note("no secrets are saved in this run"),
        (Some(_), Some(_)) if are_written => {
            output.note(
                "secrets are written: keep the file as you keep the key, and delete it when the pool is made",
            );
        }
        (Some(_), Some(secrets)) => output.note(format_args!(
            "{} can be opened; --with-secrets writes them",
            text::count(secrets.len() as u64, "secret")
        )),
        (Some(recipient), None) => {
            output.note(format_args!(
                "secrets are sealed for {}; --identity opens them",
                text::safe(recipient)
            ));
        }
        (None, None) => {}
    }
}

/// Lists what to adapt by hand: as JSON, or to people on standard error, for standard output may be
/// the document.
fn tell(output: &Output, path: Option<&Path>, by_hand: &[ByHand]) -> Result<(), Failure> {
    for ByHand { matter, subject, what } in by_hand {
        output.object(&json!({"type": "by_hand", "matter": matter, "subject": subject, "what": what}))?;
        let subject = if subject.is_empty() { String::new() } else { format!(" {subject}") };
        output.note(format_args!("{matter}{}: {}", text::safe(&subject), text::safe(what)));
    }
    let count = text::count(by_hand.len() as u64, "thing");
    if let Some(path) = path {
        output.say(format_args!("wrote {}; {count} to adapt by hand", path.display()))?;
    }
    Ok(())
}
