//! `map`: old and new `sub` and username of every user of an import.

use cognito_profiles::ports::{Imports, Mapping};
use cognito_profiles::read::CHUNK;
use serde::Serialize;

use crate::args::{MapArgs, MapFormat};
use crate::context::{Context, INTERRUPTED};
use crate::exit::{Ending, Failure, Status};
use crate::output::{Output, json_line};
use crate::report::find;
use crate::sink::Sink;
use crate::table::Table;
use crate::{retired, text};

const COLUMNS: [&str; 4] = ["old_sub", "new_sub", "old_username", "new_username"];

pub async fn run(context: &Context, args: MapArgs) -> Result<Ending, Failure> {
    if context.output.is_json() && args.out.is_none() && args.format == Some(MapFormat::Csv) {
        return Err(Failure::usage("with --json, name a file with --out, or take --format jsonl"));
    }
    if args.out.is_some() && args.format.is_none() {
        return Err(Failure::usage("say how to write the file: --format csv or --format jsonl"));
    }
    let context = &retired::of_imports(context)?;
    let store = context.read().await?;
    context
        .interruptible(INTERRUPTED, async {
            let import = find(context, &store, &args.which).await?;
            let map = Map { imports: &*store.imports, import: &import.id };
            let users = match args.format {
                None => map.table(&context.output).await?,
                Some(format) => {
                    let mut sink = Sink::open(&context.output, args.out.as_deref(), &context.backup)?;
                    let users = map.write(format, &mut sink).await?;
                    sink.keep()?;
                    if let Some(path) = &args.out {
                        let users = text::count(users, "user");
                        context.output.say(format_args!("wrote {users} to {}", path.display()))?;
                    }
                    users
                }
            };
            Ok(Ending::new(Status::Complete).with("import_id", import.id.as_str()).with("users", users))
        })
        .await
}

struct Map<'a> {
    imports: &'a dyn Imports,
    import: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    old_sub: &'a str,
    new_sub: Option<&'a str>,
    old_username: &'a str,
    new_username: Option<&'a str>,
}

impl<'a> From<&'a Mapping> for Line<'a> {
    fn from(mapping: &'a Mapping) -> Self {
        Self {
            old_sub: &mapping.sub,
            new_sub: mapping.new_sub.as_deref(),
            old_username: &mapping.username,
            new_username: mapping.new_username.as_deref(),
        }
    }
}

impl Map<'_> {
    /// Hands on every mapping, some at a time; returns how many there are.
    async fn each(&self, mut take: impl FnMut(Line<'_>) -> Result<(), Failure>) -> Result<u64, Failure> {
        let (mut users, mut after) = (0, None::<String>);
        loop {
            let mappings = self.imports.mappings(self.import, after.as_deref(), CHUNK).await?;
            for mapping in &mappings {
                take(Line::from(mapping))?;
            }
            users += mappings.len() as u64;
            if mappings.len() < CHUNK {
                return Ok(users);
            }
            after = mappings.last().map(|mapping| mapping.sub.clone());
        }
    }

    async fn table(&self, output: &Output) -> Result<u64, Failure> {
        let mut table = Table::new(output, ["OLD SUB", "NEW SUB", "OLD USERNAME", "NEW USERNAME"]);
        let users = self
            .each(|line| {
                output.object(&line)?;
                let new = |text: Option<&str>| text.unwrap_or("-").to_owned();
                let (sub, username) = (new(line.new_sub), new(line.new_username));
                table.row([line.old_sub, &sub, line.old_username, &username])
            })
            .await?;
        table.end()?;
        Ok(users)
    }

    async fn write(&self, format: MapFormat, sink: &mut Sink<'_>) -> Result<u64, Failure> {
        match format {
            MapFormat::Jsonl => self.each(|line| sink.write(|out| json_line(out, &line))).await,
            MapFormat::Csv => {
                sink.csv_row(&COLUMNS)?;
                self.each(|Line { old_sub, new_sub, old_username, new_username }| {
                    let cells = [
                        old_sub,
                        new_sub.unwrap_or_default(),
                        old_username,
                        new_username.unwrap_or_default(),
                    ];
                    sink.csv_row(&cells)
                })
                .await
            }
        }
    }
}
