//! `show`: the records of one run.

use cognito_profiles::model::{Partition, Record, User};
use cognito_profiles::read::{Snapshot, Walk};
use cognito_profiles::settings::Settings;

use crate::args::{ShowArgs, What};
use crate::context::{Context, INTERRUPTED};
use crate::exit::{Ending, Failure, Status};
use crate::lines::Line;
use crate::table::Table;
use crate::text;

pub async fn run(context: &Context, args: ShowArgs) -> Result<Ending, Failure> {
    let filter = Filter::new(args.what, args.conditions)?;
    let backup = context.read().await?.backup;
    let shown = context.interruptible(INTERRUPTED, async {
        let snapshot = context.snapshot(backup, &args.source).await?;
        let shown = match args.what {
            What::Users => users(context, &snapshot, &filter).await?,
            What::Groups => groups(context, &snapshot, &filter).await?,
            What::Memberships => memberships(context, &snapshot, &filter).await?,
            What::Settings => settings(context, &snapshot.settings().await?)?,
        };
        Ok((snapshot.run.id.to_string(), shown))
    });
    let (run_id, shown) = shown.await?;
    Ok(Ending::new(Status::Complete).with("run_id", run_id).with("shown", shown))
}

async fn users(context: &Context, snapshot: &Snapshot, filter: &Filter) -> Result<u64, Failure> {
    let mut table = Table::new(&context.output, ["SUB", "USERNAME", "STATUS", "ENABLED", "EMAIL"]);
    let partitions: Vec<Partition> = match filter.value("sub") {
        Some(sub) => vec![Partition::of_user(sub)],
        None => Partition::users().collect(),
    };
    let shown = each(context, filter, snapshot.walk(partitions), |record| {
        let Record::User(user) = record else { return Ok(()) };
        let enabled = if user.enabled { "yes" } else { "no" };
        let email = user.attributes.get("email").map_or("", String::as_str);
        table.row([&user.sub, &user.username, &user.status, enabled, email])
    })
    .await?;
    table.end()?;
    Ok(shown)
}

async fn groups(context: &Context, snapshot: &Snapshot, filter: &Filter) -> Result<u64, Failure> {
    let mut table = Table::new(&context.output, ["NAME", ">PRECEDENCE", "ROLE", "DESCRIPTION"]);
    let shown = each(context, filter, snapshot.groups(), |record| {
        let Record::Group(group) = record else { return Ok(()) };
        let precedence = group.precedence.map_or_else(String::new, |precedence| precedence.to_string());
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        table.row([&group.name, &precedence, &text(&group.role_arn), &text(&group.description)])
    })
    .await?;
    table.end()?;
    Ok(shown)
}

async fn memberships(context: &Context, snapshot: &Snapshot, filter: &Filter) -> Result<u64, Failure> {
    let mut table = Table::new(&context.output, ["GROUP", "SUB", "USERNAME"]);
    let walk = match filter.value("group") {
        Some(group) => snapshot.walk(Partition::members(group)),
        None => snapshot.memberships().await?,
    };
    let shown = each(context, filter, walk, |record| {
        let Record::Membership(member) = record else { return Ok(()) };
        table.row([&member.group, &member.sub, &member.username])
    })
    .await?;
    table.end()?;
    Ok(shown)
}

fn settings(context: &Context, settings: &Settings) -> Result<u64, Failure> {
    let shown = settings.shown();
    context.output.object(&Line::Settings { settings: &shown })?;
    if let Ok(pretty) = serde_json::to_string_pretty(&shown) {
        context.output.say(text::safe_json(&pretty))?;
    }
    for part in settings.not_saved() {
        context.output.note(text::safe(&part.advice()));
    }
    Ok(1)
}

/// Shows every record that the filter lets pass. Returns how many.
async fn each(
    context: &Context,
    filter: &Filter,
    mut walk: Walk<'_>,
    mut row: impl FnMut(&Record) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut shown = 0;
    while let Some(versions) = walk.next().await? {
        for version in &versions {
            let record = version.record()?;
            if filter.passes(&record) {
                context.output.object(&Line::from(&record))?;
                row(&record)?;
                shown += 1;
            }
        }
    }
    if shown == 0 {
        context.output.note(if filter.conditions.is_empty() { "there are none" } else { "none match" });
    }
    Ok(shown)
}

/// What `--where` asks for: all of it must hold.
struct Filter {
    conditions: Vec<(String, String)>,
}

const GROUP_FIELDS: &[&str] = &["name", "description", "precedence", "role_arn"];
const MEMBERSHIP_FIELDS: &[&str] = &["group", "sub", "username"];

impl Filter {
    /// Refuses fields that such records cannot have. Users may have any attribute.
    fn new(what: What, conditions: Vec<(String, String)>) -> Result<Self, Failure> {
        let fields = match what {
            What::Users => return Ok(Self { conditions }),
            What::Groups => GROUP_FIELDS,
            What::Memberships => MEMBERSHIP_FIELDS,
            What::Settings => &[],
        };
        match conditions.iter().find(|(field, _)| !fields.contains(&field.as_str())) {
            None => Ok(Self { conditions }),
            Some(_) if fields.is_empty() => Err(Failure::usage("settings are one record: leave out --where")),
            Some((field, _)) => {
                let fields = fields.join(", ");
                Err(Failure::usage(format!("they have no field {field:?}: --where takes {fields}")))
            }
        }
    }

    /// The value one field must have, if it must have one.
    fn value(&self, field: &str) -> Option<&str> {
        self.conditions.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    fn passes(&self, record: &Record) -> bool {
        self.conditions.iter().all(|(field, value)| field_of(record, field).as_ref() == Some(value))
    }
}

fn field_of(record: &Record, field: &str) -> Option<String> {
    match record {
        Record::User(user) => user_field(user, field),
        Record::Group(group) => match field {
            "name" => Some(group.name.clone()),
            "description" => group.description.clone(),
            "precedence" => group.precedence.map(|precedence| precedence.to_string()),
            _ => group.role_arn.clone(),
        },
        Record::Membership(member) => Some(match field {
            "group" => member.group.clone(),
            "sub" => member.sub.clone(),
            _ => member.username.clone(),
        }),
        Record::Settings(_) => None,
    }
}

fn user_field(user: &User, field: &str) -> Option<String> {
    match field {
        "username" => Some(user.username.clone()),
        "sub" => Some(user.sub.clone()),
        "status" => Some(user.status.clone()),
        "enabled" => Some(user.enabled.to_string()),
        "created_at" => user.created_at.map(|at| at.to_string()),
        "modified_at" => user.modified_at.map(|at| at.to_string()),
        attribute => user.attributes.get(attribute).cloned(),
    }
}
