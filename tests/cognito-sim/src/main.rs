//! The simulated Cognito as a process: the judge of benchmarks.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cognito_sim::{Category, Cognito, Config, Latency, Population, Quotas, ServiceError, serve};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves a filled and an empty user pool on 127.0.0.1. Prints one line of
/// JSON when ready, and the meter as another when it is told to stop.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The port; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Users in the filled pool.
    #[arg(long, default_value_t = 1_000)]
    users: usize,
    /// Groups in the filled pool.
    #[arg(long, default_value_t = 5)]
    groups: usize,
    /// The most groups a user is in; on average half of that.
    #[arg(long)]
    groups_per_user: Option<usize>,
    /// Only ordinary users, none of the odd kinds.
    #[arg(long)]
    plain: bool,
    /// Users have names instead of signing in with their e-mail address.
    #[arg(long)]
    usernames: bool,
    /// Decides everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each answer takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Enforces no quota.
    #[arg(long)]
    no_quotas: bool,
    /// Sets the quota of a category.
    #[arg(long, value_name = "CATEGORY=RPS", value_parser = quota)]
    quota: Vec<(Category, u32)>,
    /// How many rows of a CSV file an import job gets through in a second.
    #[arg(long, value_name = "ROWS")]
    import_rows_per_second: Option<u32>,
    /// The filled pool's id.
    #[arg(long)]
    pool_id: Option<String>,
}

fn quota(text: &str) -> Result<(Category, u32), String> {
    let (name, rps) = text.split_once('=').ok_or("expected CATEGORY=RPS")?;
    let category = Category::parse(name).ok_or_else(|| {
        let known: Vec<String> = Category::ALL.into_iter().map(Category::name).collect();
        format!("no such category; there are {}", known.join(", "))
    })?;
    Ok((category, rps.parse().map_err(|_| "RPS is not a number")?))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere else to say it when standard error is closed.
            let _ = writeln!(io::stderr(), "cognito-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let cognito = Arc::new(Cognito::new(config(&arguments)));
    let (filled, empty) = pools(&cognito, &arguments)?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port))).await?;
    let server = serve(Arc::clone(&cognito), listener)?;
    // Installed before anybody can know that we run.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    print(&json!({
        "endpoint": server.endpoint(),
        "user_pool_id": filled,
        "empty_user_pool_id": empty,
    }))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown().await;
    print(&serde_json::to_value(cognito.meter())?)?;
    Ok(())
}

fn config(arguments: &Arguments) -> Config {
    let mut config = Config::seeded(arguments.seed);
    let quotas = if arguments.no_quotas { Quotas::off() } else { Quotas::documented() };
    config.quotas =
        arguments.quota.iter().fold(quotas, |quotas, &(category, rps)| quotas.with(category, rps));
    config.faults.latency = Latency::fixed(arguments.latency_ms);
    if let Some(rows) = arguments.import_rows_per_second {
        config.imports.rows_per_second = rows;
    }
    config
}

/// A filled pool and an empty one of the same configuration.
fn pools(cognito: &Cognito, arguments: &Arguments) -> Result<(String, String), ServiceError> {
    let mut people = Population::realistic(arguments.users, arguments.groups, arguments.seed);
    if arguments.plain {
        people = Population::plain(arguments.users, arguments.groups, arguments.seed);
    }
    people.email_sign_in = !arguments.usernames;
    if let Some(most) = arguments.groups_per_user.filter(|_| arguments.groups > 0) {
        people.groups_per_user = most;
    }
    let now = cognito_sim::Clock::System.now();
    cognito.admin(now, |admin| {
        let mut config = people.pool_config("filled");
        config.id.clone_from(&arguments.pool_id);
        let filled = admin.create_pool(config)?;
        people.fill(admin, &filled)?;
        let empty = admin.create_pool(people.pool_config("empty"))?;
        Ok((filled, empty))
    })
}

fn print(value: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
