//! `decrypt`: a backup file of an encrypted copy.

use std::fs::File;
use std::io;
use std::path::Path;

use cognito_profiles::Error;
use cognito_profiles::adapters::sqlite::{arrive, must_be_backup, must_be_nothing};
use cognito_profiles::encryption::{By, Unopened, decrypting, is_damage};

use crate::args::DecryptArgs;
use crate::context::Context;
use crate::encrypt::{carry, file};
use crate::exit::{Ending, Failure, Status};
use crate::keys::{self, cannot_read};
use crate::sink::{Unfinished, cannot_write};

pub fn run(context: &Context, args: &DecryptArgs) -> Result<Ending, Failure> {
    let backup = file(context)?;
    must_be_nothing(backup)?;
    let by = by(args)?;
    // Nothing else is done in this process meanwhile.
    let bytes = tokio::task::block_in_place(|| decrypt(context, &args.file, backup, &by))?;
    context.output.say(format_args!("wrote {}", backup.display()))?;
    let backup = backup.display().to_string();
    Ok(Ending::new(Status::Complete).with("file", backup).with("bytes", bytes))
}

fn by(args: &DecryptArgs) -> Result<By, Failure> {
    match (&args.identity, &args.passphrase_file) {
        (Some(path), _) => Ok(By::Identity(keys::identity(path)?)),
        (None, Some(path)) => Ok(By::Passphrase(keys::passphrase(path)?)),
        (None, None) => Err(Failure::usage("name what opens it: --identity or --passphrase-file")),
    }
}

/// What age finds changed never gets the backup's name.
fn decrypt(context: &Context, copy: &Path, backup: &Path, by: &By) -> Result<u64, Failure> {
    let file = File::open(copy).map_err(|error| cannot_read(copy, &error))?;
    let mut source = decrypting(file, by).map_err(|why| unopened(copy, why))?;
    let mut plain = Unfinished::new(backup)?;
    let unread = |error: io::Error| {
        if is_damage(&error) { Error::BrokenCopy(copy.to_owned()).into() } else { cannot_read(copy, &error) }
    };
    let bytes = carry(context, &mut source, &mut plain, unread, |error| cannot_write(backup, error))?;
    let plain = plain.whole()?;
    match must_be_backup(plain.path()) {
        Err(Error::NotABackup(_) | Error::Encrypted(_)) => {
            return Err(Failure::usage(format!("what is encrypted in {} is no backup", copy.display())));
        }
        is => is?,
    }
    arrive(backup, |backup| plain.persist_noclobber(backup).map(drop).map_err(|error| error.error))?;
    Ok(bytes)
}

fn unopened(copy: &Path, why: Unopened) -> Failure {
    let file = copy.display();
    Failure::usage(match why {
        Unopened::NotEncrypted => format!("{file} is not encrypted with age"),
        Unopened::ForOthers => format!("{file} is encrypted for another key or with another passphrase"),
        Unopened::OtherMeans => format!(
            "{file} is opened the other way: with --passphrase-file if it was encrypted with a passphrase, else \
             with --identity"
        ),
        Unopened::Damaged => return Error::BrokenCopy(copy.to_owned()).into(),
        Unopened::Io(error) => return cannot_read(copy, &error),
    })
}
