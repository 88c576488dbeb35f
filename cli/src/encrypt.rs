//! `encrypt`: an encrypted copy of a backup file.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cognito_profiles::Error;
use cognito_profiles::adapters::sqlite::AtRest;
use cognito_profiles::encryption::{For, encrypting};

use crate::args::EncryptArgs;
use crate::backup_url::BackupUrl;
use crate::context::Context;
use crate::exit::{Ending, Failure, Status};
use crate::sink::{Unfinished, cannot_write, must_not_be_backup};
use crate::{keys, seal};

/// So much is copied at a time: as much as age encrypts at once.
const CHUNK: usize = 64 * 1024;

pub fn run(context: &Context, args: &EncryptArgs) -> Result<Ending, Failure> {
    let backup = file(context)?;
    let out = args.out.clone().unwrap_or_else(|| encrypted_name(backup));
    must_not_be_backup(&out, &context.backup)?;
    let who = who(args)?;
    // Nothing else is done in this process meanwhile.
    let bytes = tokio::task::block_in_place(|| encrypt(context, backup, &out, &who))?;
    context.output.say(format_args!("wrote {}", out.display()))?;
    let out = out.display().to_string();
    Ok(Ending::new(Status::Complete).with("file", out).with("bytes", bytes))
}

/// The file that is to be encrypted, or made of an encrypted one.
pub fn file(context: &Context) -> Result<&Path, Failure> {
    match &context.backup {
        BackupUrl::File(path) => Ok(path),
        BackupUrl::Table(_) | BackupUrl::Retired(_) => Err(Failure::usage(
            "only a file is encrypted, and DynamoDB encrypts its tables: name a file with --backup sqlite:PATH",
        )),
    }
}

fn encrypted_name(backup: &Path) -> PathBuf {
    let mut name = backup.as_os_str().to_owned();
    name.push(".age");
    PathBuf::from(name)
}

fn who(args: &EncryptArgs) -> Result<For, Failure> {
    if let Some(path) = &args.passphrase_file {
        return Ok(For::Passphrase(keys::passphrase(path)?));
    }
    let recipients = args.recipients.iter().map(|text| text.parse());
    Ok(For::Recipients(recipients.collect::<Result<_, Error>>()?))
}

fn encrypt(context: &Context, backup: &Path, out: &Path, who: &For) -> Result<u64, Failure> {
    let mut source = AtRest::open(backup)?;
    let written = |error| cannot_write(out, error);
    let mut copy = encrypting(Unfinished::new(out)?, who)?.map_err(written)?;
    let bytes = carry(context, &mut source, &mut copy, unreadable, written)?;
    let copy = copy.finish().map_err(written)?;
    if !source.was_as_sealed() {
        return Err(seal::broken(backup).into());
    }
    copy.keep()?;
    Ok(bytes)
}

#[allow(clippy::needless_pass_by_value)] // as it is met
fn unreadable(error: io::Error) -> Failure {
    Error::Store { action: "read", cause: error.to_string() }.into()
}

/// Copies to the end; returns how many bytes.
pub fn carry(
    context: &Context,
    from: &mut impl Read,
    to: &mut impl Write,
    unread: impl Fn(io::Error) -> Failure,
    unwritten: impl Fn(io::Error) -> Failure,
) -> Result<u64, Failure> {
    let (mut buffer, mut bytes) = (vec![0; CHUNK], 0);
    loop {
        context.go_on()?;
        match from.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(length) => {
                to.write_all(&buffer[..length]).map_err(&unwritten)?;
                bytes += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unread(error)),
        }
    }
}
